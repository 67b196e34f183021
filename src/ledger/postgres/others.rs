//! Tells the others that there is more, and hears it from them: by NOTIFY, with a look each second
//! behind it, since a notification can be lost. A notification is sent after the commit that it tells
//! of: sent within it, it would make all replicas commit one after the other.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_postgres::types::ToSql;

use super::fault::failed;
use super::link::{Link, Purpose, Server, WRITE, in_time};
use crate::error::StoreError;
use crate::ledger::inbox::Status;

/// A look at the newest row's time, at least so often.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Between two attempts to connect.
const PAUSE: Duration = Duration::from_secs(1);

/// What the ledger and the tasks tell each other.
#[derive(Debug, Default)]
pub(super) struct News {
    /// We appended.
    pub(super) appended: Arc<Notify>,
    /// Others may have.
    heard: Notify,
}

impl News {
    /// Returns when others may have appended.
    pub(super) async fn wait(&self) {
        // nothing heard for a while: they may have all the same
        drop(timeout(LOOK_EVERY, self.heard.notified()).await);
    }
}

/// Tells and hears until it is dropped.
pub(super) async fn listen(server: Server, own: String, news: Arc<News>, status: Arc<Status>) {
    loop {
        if let Err(error) = over_one_link(&server, &own, &news, &status).await {
            tracing::debug!(%error, "the other replicas are not heard for now");
        }
        news.heard.notify_one();
        sleep(PAUSE).await;
    }
}

async fn over_one_link(
    server: &Server,
    own: &str,
    news: &News,
    status: &Status,
) -> Result<(), StoreError> {
    const WHAT: &str = "cannot listen";
    let (hear, mut heard) = unbounded_channel();
    let link = server.link(Purpose::Notify, Some(hear)).await?;
    let channel = "SELECT 'writegate_' || 'ledger_writers'::regclass::oid";
    let named = in_time(WRITE, WHAT, link.client.query_one(channel, &[])).await?;
    let channel: String = named
        .and_then(|row| row.try_get(0))
        .map_err(|error| failed(WHAT, &error))?;
    let listen = format!("LISTEN \"{channel}\"");
    in_time(WRITE, WHAT, link.client.batch_execute(&listen))
        .await?
        .map_err(|error| failed(WHAT, &error))?;
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            message = heard.recv() => match message {
                Some(message) if message.payload() != own => {
                    look(&link, status).await?;
                    news.heard.notify_one();
                }
                Some(_) => {}
                None => return Err(StoreError::new("ledger", "the connection broke", true)),
            },
            () = news.appended.notified() => tell(&link, &channel, own).await?,
            _ = looks.tick() => look(&link, status).await?,
        }
    }
}

async fn tell(link: &Link, channel: &str, own: &str) -> Result<(), StoreError> {
    const WHAT: &str = "cannot notify";
    let arguments: [&(dyn ToSql + Sync); 2] = [&channel, &own];
    let tell = link.client.execute("SELECT pg_notify($1, $2)", &arguments);
    let told = in_time(WRITE, WHAT, tell).await?;
    told.map(|_| ()).map_err(|error| failed(WHAT, &error))
}

/// Learns the time of the newest row, and what the server's clock shows: a clock that is behind the
/// one, or far from the other, is not to be trusted.
async fn look(link: &Link, status: &Status) -> Result<(), StoreError> {
    const WHAT: &str = "cannot look for the newest row";
    let times = "SELECT (SELECT max(at) FROM ledger_rows), \
                 (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
    let row = in_time(WRITE, WHAT, link.client.query_one(times, &[])).await?;
    let times = row.and_then(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
    let (newest, clock): (Option<i64>, i64) = times.map_err(|error| failed(WHAT, &error))?;
    if let Some(newest) = newest {
        status.wrote(newest);
    }
    status.saw_clock(clock);
    Ok(())
}
