//! The one connection that appends to a chain. As long as it lives the server keeps a lock on the
//! chain's name for it: a second process of that name is told so, and once the lock can be had, what an
//! earlier connection left behind is either committed or never will be.

use std::collections::HashMap;

use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row as SqlRow, Statement};

use super::draft::{Draft, End, Known};
use super::fault::{Fault, failed, fault};
use super::link::{Link, Purpose, Server, WRITE, in_time};
use super::schema;
use crate::clock::EntryId;
use crate::error::StoreError;
use crate::ledger::chain::{GENESIS, Hash};
use crate::ledger::inbox::Append;

/// A connection as the server knows it.
#[derive(Clone, Debug)]
pub(super) struct Backend {
    pid: i32,
    /// Tells it from a later one with the same number.
    since: String,
}

/// What the server knows when a session begins.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) end: End,
    pub(super) epoch: u64,
    /// Microseconds; the newest row of any chain.
    pub(super) newest: Option<i64>,
    /// Microseconds; what the server's clock shows.
    pub(super) clock: i64,
}

#[derive(Debug)]
pub(super) struct Session {
    pub(super) link: Link,
    pub(super) backend: Backend,
    writer: String,
    append: Statement,
    look: Statement,
    probe: Statement,
}

const CANNOT_BEGIN: &str = "cannot begin to write";

impl Session {
    /// Connects, brings the tables up to date, takes the chain's name and reads where it ends. `before`
    /// is the connection that had the name until now; the server is told to end it.
    pub(super) async fn begin(
        server: &Server,
        writer: &str,
        before: Option<&Backend>,
    ) -> Result<(Self, Found), StoreError> {
        let mut link = server.link(Purpose::Write, None).await?;
        schema::bring_up(&mut link.client).await?;
        let backend = backend(&link).await?;
        if let Some(before) = before {
            end(&link, before).await?;
        }
        take_name(&link, writer).await?;
        let found = found(&link, writer).await?;
        let prepare = |sql: &'static str| in_time(WRITE, CANNOT_BEGIN, link.client.prepare(sql));
        let cannot = |error| failed(CANNOT_BEGIN, &error);
        let session = Self {
            append: prepare(APPEND).await?.map_err(cannot)?,
            look: prepare(LOOK).await?.map_err(cannot)?,
            probe: prepare(PROBE).await?.map_err(cannot)?,
            writer: writer.to_owned(),
            link,
            backend,
        };
        Ok((session, found))
    }

    /// Writes all rows of a draft, or none: `Some` is an epoch that does not allow it.
    pub(super) async fn append(&self, first: i64, draft: &Draft<'_>) -> Result<Option<u64>, Fault> {
        const WHAT: &str = "cannot append";
        let rows = &draft.rows;
        let values = |placed: usize| {
            rows.get(placed)
                .and_then(|placed| placed.row.values.as_ref())
        };
        let places = 0..rows.len();
        let entries: Vec<&str> = rows.iter().map(|p| p.row.entry.as_str()).collect();
        let nths: Vec<i32> = rows.iter().map(|p| count(p.nth)).collect();
        let kinds: Vec<&str> = rows.iter().map(|p| p.row.kind.word()).collect();
        let ats: Vec<i64> = rows.iter().map(|p| p.row.at).collect();
        let accounts: Vec<Option<&str>> = rows
            .iter()
            .map(|p| p.row.service_account.as_deref())
            .collect();
        let routes: Vec<Option<&str>> = rows.iter().map(|p| p.row.route.as_deref()).collect();
        let metas: Vec<&str> = rows.iter().map(|p| p.row.meta.as_str()).collect();
        let texts: Vec<Option<&str>> = places
            .clone()
            .map(|place| values(place).map(|values| values.text.as_str()))
            .collect();
        let salts: Vec<Option<&[u8]>> = places
            .clone()
            .map(|place| values(place).map(|values| values.salt.as_slice()))
            .collect();
        let digests: Vec<Option<&[u8]>> = places
            .map(|place| values(place).map(|values| values.digest.as_slice()))
            .collect();
        let hashes: Vec<&[u8]> = rows.iter().map(|p| p.hash.as_slice()).collect();
        let oldest_grant = draft.oldest_grant.map(signed);
        let arguments: [&(dyn ToSql + Sync); 14] = [
            &self.writer,
            &first,
            &oldest_grant,
            &entries,
            &nths,
            &kinds,
            &ats,
            &accounts,
            &routes,
            &metas,
            &texts,
            &salts,
            &digests,
            &hashes,
        ];
        // one statement: the server commits it by itself before it says that it is ready again
        let row = self.ask(WHAT, &self.append, &arguments).await?.pop();
        let missing = || Fault::Lost(StoreError::new("ledger", "the server said nothing", true));
        let row = row.ok_or_else(missing)?;
        let epoch: Option<i64> = row.try_get(0).map_err(|error| fault(WHAT, &error))?;
        Ok(epoch.map(|epoch| u64::try_from(epoch).unwrap_or(u64::MAX)))
    }

    /// What the server knows of the entries of a batch.
    pub(super) async fn look(&self, batch: &[Append]) -> Result<HashMap<EntryId, Known>, Fault> {
        const WHAT: &str = "cannot look at entries";
        let rows = batch.iter().flat_map(|append| &append.rows);
        let mut entries: Vec<&str> = rows.map(|row| row.entry.as_str()).collect();
        entries.sort_unstable();
        entries.dedup();
        let found = self.ask(WHAT, &self.look, &[&entries]).await?;
        let known = found.iter().map(known).collect::<Result<_, _>>();
        known.map_err(|error| fault(WHAT, &error))
    }

    /// Whether the server takes writes.
    pub(super) async fn probe(&self) -> Result<(), Fault> {
        self.ask("cannot write", &self.probe, &[]).await.map(|_| ())
    }

    async fn ask(
        &self,
        what: &str,
        statement: &Statement,
        arguments: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<SqlRow>, Fault> {
        match in_time(WRITE, what, self.link.client.query(statement, arguments)).await {
            Ok(Ok(rows)) => Ok(rows),
            Ok(Err(error)) => Err(fault(what, &error)),
            Err(error) => Err(Fault::Lost(error)),
        }
    }
}

const APPEND: &str =
    "SELECT ledger_append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
const LOOK: &str = "SELECT entry, count(*), bool_or(kind = 'opened') FROM ledger_rows \
                    WHERE entry = ANY($1) GROUP BY entry";
const PROBE: &str = "UPDATE ledger_probe SET writes = writes + 1";

fn known(row: &SqlRow) -> Result<(EntryId, Known), tokio_postgres::Error> {
    let rows: i64 = row.try_get(1)?;
    let known = Known {
        rows: u32::try_from(rows).unwrap_or(u32::MAX),
        opened: row.try_get(2)?,
    };
    Ok((EntryId::from_text(row.try_get(0)?), known))
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn count(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

async fn backend(link: &Link) -> Result<Backend, StoreError> {
    let own = "SELECT pid, backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid()";
    let row = in_time(WRITE, CANNOT_BEGIN, link.client.query_one(own, &[])).await?;
    let read = row.and_then(|row| {
        Ok(Backend {
            pid: row.try_get(0)?,
            since: row.try_get(1)?,
        })
    });
    read.map_err(|error| failed(CANNOT_BEGIN, &error))
}

/// Ends an earlier connection of ours that the server may not have missed yet.
async fn end(link: &Link, before: &Backend) -> Result<(), StoreError> {
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE pid = $1 AND backend_start::text = $2";
    let before: [&(dyn ToSql + Sync); 2] = [&before.pid, &before.since];
    let ended = in_time(WRITE, CANNOT_BEGIN, link.client.query(end, &before)).await?;
    ended
        .map(|_| ())
        .map_err(|error| failed(CANNOT_BEGIN, &error))
}

/// Takes the lock on the chain's name, and waits a little for a process that is about to end.
async fn take_name(link: &Link, writer: &str) -> Result<(), StoreError> {
    let cannot = |error: tokio_postgres::Error| failed(CANNOT_BEGIN, &error);
    let client = &link.client;
    let known = "SELECT id FROM ledger_writers WHERE name = $1";
    let add = "INSERT INTO ledger_writers (name) VALUES ($1) ON CONFLICT DO NOTHING";
    let id = async {
        if let Some(row) = client.query_opt(known, &[&writer]).await? {
            return row.try_get::<_, i32>(0);
        }
        client.execute(add, &[&writer]).await?;
        client.query_one(known, &[&writer]).await?.try_get(0)
    };
    let id = in_time(WRITE, CANNOT_BEGIN, id).await?.map_err(cannot)?;
    let lock = "SELECT pg_advisory_lock(ledger_lock(), $1)";
    match in_time(WRITE, CANNOT_BEGIN, client.execute(lock, &[&id])).await? {
        Ok(_) => Ok(()),
        Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {
            Err(taken(link, writer).await)
        }
        Err(error) => Err(cannot(error)),
    }
}

/// Who has the name.
async fn taken(link: &Link, writer: &str) -> StoreError {
    let holder = "SELECT pid, coalesce(host(client_addr), 'this host') FROM pg_stat_activity \
                  WHERE pid = ledger_holder($1)";
    let found = link
        .client
        .query_opt(holder, &[&writer])
        .await
        .ok()
        .flatten();
    let read = found.and_then(|row| {
        let pid: i32 = row.try_get(0).ok()?;
        let place: String = row.try_get(1).ok()?;
        Some(format!(" (from {place}, server process {pid})"))
    });
    let what = format!(
        "another process writes this ledger as `{writer}`{}; give each replica a name of its own \
         (`replica`, WRITEGATE_REPLICA)",
        read.unwrap_or_default()
    );
    StoreError::new("ledger", what, false)
}

async fn found(link: &Link, writer: &str) -> Result<Found, StoreError> {
    let cannot = |error: tokio_postgres::Error| failed(CANNOT_BEGIN, &error);
    let client = &link.client;
    let last = "SELECT seq, hash FROM ledger_rows WHERE writer = $1 ORDER BY seq DESC LIMIT 1";
    let all = "SELECT (SELECT epoch FROM ledger_epoch), (SELECT max(at) FROM ledger_rows), \
               (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
    let read = async {
        let last = client.query_opt(last, &[&writer]).await?;
        let all = client.query_one(all, &[]).await?;
        Ok((last, all))
    };
    let (last, all) = in_time(WRITE, CANNOT_BEGIN, read).await?.map_err(cannot)?;
    let end = match last {
        None => End {
            seq: 0,
            hash: GENESIS,
        },
        Some(row) => {
            let hash: &[u8] = row.try_get(1).map_err(cannot)?;
            let damaged = || {
                let what = "the chain's last row is damaged; run `writegate ledger verify`";
                StoreError::new("ledger", what, false)
            };
            End {
                seq: row.try_get(0).map_err(cannot)?,
                hash: Hash::try_from(hash).ok().ok_or_else(damaged)?,
            }
        }
    };
    let epoch: i64 = all.try_get(0).map_err(cannot)?;
    Ok(Found {
        end,
        epoch: u64::try_from(epoch).unwrap_or(0),
        newest: all.try_get(1).map_err(cannot)?,
        clock: all.try_get(2).map_err(cannot)?,
    })
}
