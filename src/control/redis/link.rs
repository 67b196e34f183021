//! The way to Redis: one connection, shared by all runtimes, kept by the keeper. Each question has a
//! deadline; where there has been no connection for a while, questions fail at once.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster_async::ClusterConnection;
use redis::{Cmd, ErrorKind, RedisError, ServerErrorKind, Value};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout_at};

use super::args::Args;
use super::scripts::Script;

/// Why a question was not answered.
#[derive(Debug)]
pub(super) enum Failure {
    /// There is no connection.
    Down(String),
    /// The connection was lost, or belongs to a server that is not the one to ask: it may have done what
    /// was asked.
    Broken(RedisError),
    /// No answer in time: it may do what was asked yet.
    Slow,
    /// It said no.
    Refused(RedisError),
}

#[derive(Clone)]
pub(super) enum Connection {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Connection {
    pub(super) async fn ask(&mut self, command: &Cmd) -> Result<Value, RedisError> {
        let answer = match self {
            Self::One(one) => one.req_packed_command(command).await,
            Self::Cluster(cluster) => cluster.req_packed_command(command).await,
        };
        answer?.extract_error()
    }

    pub(super) async fn subscribe(&mut self, channel: &str) -> Result<(), RedisError> {
        match self {
            Self::One(one) => one.subscribe(channel).await,
            Self::Cluster(cluster) => cluster.subscribe(channel).await,
        }
    }
}

/// A connection that works as far as is known.
struct Live {
    number: u64,
    connection: Connection,
}

/// What is known of the connection when there is none.
#[derive(Debug)]
struct Down {
    since: Instant,
    why: String,
}

pub(super) struct Link {
    /// Without a connection for this long, nobody waits for one any more.
    grace: Duration,
    live: ArcSwapOption<Live>,
    down: Mutex<Down>,
    /// The number of the newest connection.
    made: watch::Sender<u64>,
    /// Rung when the connection turns out to be of no use.
    broken: Notify,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let number = self.live.load().as_ref().map(|live| live.number);
        f.debug_struct("Link")
            .field("live", &number)
            .finish_non_exhaustive()
    }
}

impl Link {
    pub(super) fn new(grace: Duration) -> Self {
        Self {
            grace,
            live: ArcSwapOption::empty(),
            down: Mutex::new(Down {
                since: Instant::now(),
                why: "not connected yet".into(),
            }),
            made: watch::Sender::new(0),
            broken: Notify::new(),
        }
    }

    /// Asks on the connection there is, or the one that comes in time. `head` goes before the script's
    /// own arguments.
    pub(super) async fn ask(
        &self,
        script: &Script,
        key: &str,
        (head, tail): (&Args, &Args),
        deadline: Instant,
    ) -> Result<Value, Failure> {
        let live = self.live(deadline).await?;
        let mut connection = live.connection.clone();
        let command = |verb: &str, what: &str| {
            let mut command = redis::cmd(verb);
            command.arg(what).arg(1).arg(key);
            head.give_to(&mut command);
            tail.give_to(&mut command);
            command
        };
        let asking = async {
            let answer = connection.ask(&command("EVALSHA", &script.digest)).await;
            match answer {
                Err(error) if is(&error, ServerErrorKind::NoScript) => {
                    connection.ask(&command("EVAL", script.text)).await
                }
                answer => answer,
            }
        };
        match timeout_at(deadline, asking).await {
            Err(_elapsed) => {
                self.give_up(live.number, "it does not answer in time");
                Err(Failure::Slow)
            }
            Ok(Err(error)) if leads_nowhere(&error) => {
                self.give_up(live.number, &error.to_string());
                Err(Failure::Broken(error))
            }
            Ok(Err(error)) => Err(Failure::Refused(error)),
            Ok(Ok(answer)) => Ok(answer),
        }
    }

    /// The connection; who comes shortly after it was lost waits for the next one.
    async fn live(&self, deadline: Instant) -> Result<Arc<Live>, Failure> {
        let mut made = self.made.subscribe();
        loop {
            made.mark_unchanged();
            if let Some(live) = self.live.load_full() {
                return Ok(live);
            }
            let patience = self.down.lock().since + self.grace;
            let waited = timeout_at(deadline.min(patience), made.changed()).await;
            if !matches!(waited, Ok(Ok(()))) && self.live.load().is_none() {
                return Err(Failure::Down(self.down.lock().why.clone()));
            }
        }
    }

    /// Waits for a connection however long it takes, until the deadline.
    pub(super) async fn connected(&self, deadline: Instant) -> Result<(), String> {
        let mut made = self.made.subscribe();
        while self.live.load().is_none() {
            if !matches!(timeout_at(deadline, made.changed()).await, Ok(Ok(()))) {
                return Err(self.down.lock().why.clone());
            }
        }
        Ok(())
    }

    /// A connection is there.
    pub(super) fn up(&self, number: u64, connection: Connection) {
        self.live.store(Some(Arc::new(Live { number, connection })));
        self.made.send_replace(number);
    }

    /// No connection could be made.
    pub(super) fn still_down(&self, why: &str) {
        why.clone_into(&mut self.down.lock().why);
    }

    pub(super) fn is_up(&self) -> bool {
        self.live.load().is_some()
    }

    /// A connection turned out to be of no use.
    pub(super) fn give_up(&self, number: u64, why: &str) {
        let mut down = self.down.lock();
        if self
            .live
            .load()
            .as_ref()
            .is_some_and(|live| live.number == number)
        {
            *down = Down {
                since: Instant::now(),
                why: why.to_owned(),
            };
            self.live.store(None);
            self.broken.notify_one();
        }
    }

    /// Returns when the connection was given up.
    pub(super) async fn given_up(&self) {
        while self.is_up() {
            self.broken.notified().await;
        }
    }
}

fn is(error: &RedisError, kind: ServerErrorKind) -> bool {
    error.kind() == ErrorKind::Server(kind)
}

/// Whether another connection may be of more use: this one is lost, or it leads to a server that is not
/// the primary, not yet, or not any more.
fn leads_nowhere(error: &RedisError) -> bool {
    let elsewhere = [
        ServerErrorKind::ReadOnly,
        ServerErrorKind::MasterDown,
        ServerErrorKind::BusyLoading,
        ServerErrorKind::ClusterDown,
        ServerErrorKind::Moved,
        ServerErrorKind::Ask,
    ];
    error.is_io_error()
        || error.is_unrecoverable_error()
        || error.kind() == ErrorKind::ClusterConnectionNotFound
        || error.kind() == ErrorKind::AuthenticationFailed
        || elsewhere.into_iter().any(|kind| is(error, kind))
}
