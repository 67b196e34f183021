//! Whether the server is one that keeps what it acknowledges, and the ledger's tables in it, which
//! make themselves.

use tokio_postgres::{Client, Transaction};

use super::fault::failed;
use super::link::{READ, in_time};
use crate::error::StoreError;

/// One script for each version, in order; `ledger_version` says how many a database has had.
const VERSIONS: [&str; 1] = [include_str!("schema/1.sql")];

/// The version of a database that is up to date.
const CURRENT: i32 = 1;

/// The oldest server that is taken.
const OLDEST_SERVER: i32 = 13;

/// Brings the database up to date; two replicas that start at once do so one after the other.
pub(super) async fn bring_up(client: &mut Client) -> Result<(), StoreError> {
    trusted(client).await?;
    let version = in_time(READ, CANNOT_LOOK, version(client)).await?;
    if version.map_err(|error| failed(CANNOT_LOOK, &error))? != Some(CURRENT) {
        // a script may take as long as it does
        migrate(client)
            .await
            .map_err(|error| failed("cannot make the ledger's tables", &error))??;
    }
    kept(client).await
}

/// Whether it can be read.
pub(super) async fn readable(client: &Client) -> Result<(), StoreError> {
    let version = in_time(READ, CANNOT_LOOK, version(client)).await?;
    match version.map_err(|error| failed(CANNOT_LOOK, &error))? {
        Some(CURRENT) => Ok(()),
        Some(version) => Err(unfit(version)),
        None => Err(StoreError::new(
            "ledger",
            "the database holds no ledger",
            false,
        )),
    }
}

const CANNOT_LOOK: &str = "cannot read the ledger's version";

async fn version(client: &Client) -> Result<Option<i32>, tokio_postgres::Error> {
    let there = "SELECT to_regclass('ledger_version') IS NOT NULL";
    if !client.query_one(there, &[]).await?.try_get(0)? {
        return Ok(None);
    }
    let row = client
        .query_opt("SELECT version FROM ledger_version", &[])
        .await?;
    row.map(|row| row.try_get(0)).transpose()
}

async fn migrate(client: &mut Client) -> Result<Result<(), StoreError>, tokio_postgres::Error> {
    let transaction = client.transaction().await?;
    transaction
        .batch_execute(
            "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; \
             SELECT pg_advisory_xact_lock(hashtextextended( \
                 'writegate ledger ' || coalesce(current_schema(), ''), 0)); \
             CREATE TABLE IF NOT EXISTS ledger_version (version integer NOT NULL)",
        )
        .await?;
    let had = transaction
        .query_opt("SELECT version FROM ledger_version", &[])
        .await?;
    let had: i32 = had.map_or(Ok(0), |row| row.try_get(0))?;
    let Some(steps) = usize::try_from(had).ok().filter(|_| had <= CURRENT) else {
        return Ok(Err(unfit(had)));
    };
    run(&transaction, steps).await?;
    transaction.commit().await?;
    if had < CURRENT {
        tracing::info!(version = CURRENT, "the ledger's tables are made");
    }
    Ok(Ok(()))
}

/// Runs the scripts after the first `steps`.
async fn run(transaction: &Transaction<'_>, steps: usize) -> Result<(), tokio_postgres::Error> {
    for script in VERSIONS.iter().skip(steps) {
        transaction.batch_execute(script).await?;
    }
    transaction
        .batch_execute(&format!(
            "DELETE FROM ledger_version; INSERT INTO ledger_version VALUES ({CURRENT})"
        ))
        .await
}

fn unfit(version: i32) -> StoreError {
    let what = if version > CURRENT {
        format!("the ledger was written by a newer version of writegate (version {version})")
    } else {
        format!("the ledger is of an older version ({version}): start the server once")
    };
    StoreError::new("ledger", what, false)
}

/// Whether the server keeps what it acknowledges, text as it is, and takes writes.
async fn trusted(client: &Client) -> Result<(), StoreError> {
    const WHAT: &str = "cannot read the server's settings";
    let settings = "SELECT current_setting('server_version_num')::integer / 10000, \
                    current_setting('server_encoding'), current_setting('fsync'), \
                    current_setting('full_page_writes'), current_setting('synchronous_commit'), \
                    pg_is_in_recovery()";
    let row = in_time(READ, WHAT, client.query_one(settings, &[])).await?;
    let row = row.map_err(|error| failed(WHAT, &error))?;
    let wrong = |error: tokio_postgres::Error| failed(WHAT, &error);
    let version: i32 = row.try_get(0).map_err(wrong)?;
    let text = |place: usize| row.try_get::<_, &str>(place).map_err(wrong);
    let (encoding, fsync, pages, commit) = (text(1)?, text(2)?, text(3)?, text(4)?);
    let standby: bool = row.try_get(5).map_err(wrong)?;
    if version < OLDEST_SERVER {
        return Err(no(&format!(
            "is PostgreSQL {version}, and {OLDEST_SERVER} is needed"
        )));
    }
    if encoding != "UTF8" {
        return Err(no(&format!(
            "has a database in {encoding}, and UTF8 is needed"
        )));
    }
    if fsync != "on" || !["on", "remote_apply"].contains(&commit) {
        return Err(no(&format!(
            "would lose what it acknowledged in a crash (fsync = {fsync}, synchronous_commit = \
             {commit}): set both to on"
        )));
    }
    if pages != "on" {
        tracing::warn!(
            "PostgreSQL runs with full_page_writes = {pages}: a crash can tear pages of the ledger"
        );
    }
    if standby {
        let what = "the server is a standby and takes no writes";
        return Err(StoreError::new("ledger", what, true));
    }
    Ok(())
}

/// Whether the rows outlive a crash of the server: an unlogged table does not.
async fn kept(client: &Client) -> Result<(), StoreError> {
    const WHAT: &str = "cannot look at the ledger's table";
    let kind = "SELECT relpersistence = 'p' FROM pg_class WHERE oid = 'ledger_rows'::regclass";
    let row = in_time(READ, WHAT, client.query_one(kind, &[])).await?;
    let kept = row.and_then(|row| row.try_get(0));
    if kept.map_err(|error| failed(WHAT, &error))? {
        return Ok(());
    }
    Err(no(
        "has an unlogged table of rows, which a crash would empty",
    ))
}

fn no(what: &str) -> StoreError {
    StoreError::new("ledger", format!("the server {what}"), false)
}
