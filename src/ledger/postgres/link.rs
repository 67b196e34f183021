//! Connections to the server: each with its deadlines, and none to a server that would not keep what it
//! acknowledges.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::time::Duration;

use deadpool_postgres::Connect;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::{AsyncMessage, Client, Config, Connection, Error, Notification};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::Address;
use super::fault::{failed, too_slow};
use super::tls;
use crate::error::StoreError;

/// A write takes at most this long.
pub(super) const WRITE: Duration = Duration::from_secs(5);
/// A read takes at most this long.
pub(super) const READ: Duration = Duration::from_secs(30);
/// So much longer is waited for the answer of a server that should have given up itself.
const GRACE: Duration = Duration::from_secs(2);

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To append.
    Write,
    /// To read.
    Read,
    /// To tell the others, and to hear them.
    Notify,
}

/// How connections are made.
#[derive(Clone)]
pub(super) struct Server {
    address: Address,
    tls: MakeRustlsConnect,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

/// One connection. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) client: Client,
    driver: JoinHandle<()>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Link {
    /// Returns when the connection is broken.
    pub(super) async fn broken(&mut self) {
        // an error would be a panic of the driver: broken all the same
        drop((&mut self.driver).await);
    }
}

impl Server {
    /// `replica` is shown in the server's list of connections.
    pub(super) fn new(mut address: Address, replica: &str) -> Result<Self, StoreError> {
        let tls = tls::connector(&address.trust)?;
        if address.config.get_application_name().is_none() {
            let name: String = format!("writegate {replica}").chars().take(63).collect();
            address.config.application_name(name);
        }
        Ok(Self { address, tls })
    }

    /// Connects, and hands on what others notify.
    pub(super) async fn link(
        &self,
        purpose: Purpose,
        heard: Option<UnboundedSender<Notification>>,
    ) -> Result<Link, StoreError> {
        let what = format!("cannot connect to {}", self.address);
        match timeout(WRITE, self.open(purpose, heard)).await {
            Ok(Ok((client, driver))) => Ok(Link { client, driver }),
            Ok(Err(error)) => Err(failed(&what, &error)),
            Err(_) => Err(too_slow(&what)),
        }
    }

    async fn open(
        &self,
        purpose: Purpose,
        heard: Option<UnboundedSender<Notification>>,
    ) -> Result<(Client, JoinHandle<()>), Error> {
        let (client, connection) = self.address.config.connect(self.tls.clone()).await?;
        let driver = tokio::spawn(drive(connection, heard));
        client.batch_execute(&settings(purpose)).await?;
        Ok((client, driver))
    }

    /// For the pool, which wants to have it.
    pub(super) fn config(&self) -> Config {
        self.address.config.clone()
    }
}

/// The pool makes its connections in the same way.
impl Connect for Server {
    fn connect(
        &self,
        _: &Config,
    ) -> Pin<Box<dyn Future<Output = Result<(Client, JoinHandle<()>), Error>> + Send + '_>> {
        Box::pin(self.open(Purpose::Read, None))
    }
}

/// What a session begins with. A session whose client is gone ends soon, and with it its locks.
fn settings(purpose: Purpose) -> String {
    let limit = match purpose {
        Purpose::Write | Purpose::Notify => WRITE,
        Purpose::Read => READ,
    };
    let commit = match purpose {
        // A commit returns when it is on the disk, and on that of a standby that is waited for;
        // remote_apply is more than that.
        Purpose::Write | Purpose::Read => {
            "SELECT set_config('synchronous_commit', 'on', false) \
             WHERE current_setting('synchronous_commit') <> 'remote_apply'"
        }
        // A notification that a crash loses is made good by looking.
        Purpose::Notify => "SET synchronous_commit = off",
    };
    format!(
        "SET statement_timeout = {}; SET lock_timeout = 3000; \
         SET idle_in_transaction_session_timeout = {}; \
         SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 2; \
         SET default_transaction_isolation = 'read committed'; SET client_min_messages = warning; \
         {commit}",
        limit.as_millis(),
        READ.as_millis(),
    )
}

/// Makes a statement end in time, whatever the server does.
pub(super) async fn in_time<T>(
    limit: Duration,
    what: &str,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<Result<T, Error>, StoreError> {
    match timeout(limit + GRACE, work).await {
        Ok(done) => Ok(done),
        Err(_) => Err(too_slow(what)),
    }
}

/// Works a connection until it ends.
async fn drive<S, T>(mut connection: Connection<S, T>, heard: Option<UnboundedSender<Notification>>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    loop {
        match poll_fn(|context| connection.poll_message(context)).await {
            Some(Ok(AsyncMessage::Notification(notification))) => {
                if let Some(heard) = &heard
                    && heard.send(notification).is_err()
                {
                    return;
                }
            }
            Some(Ok(AsyncMessage::Notice(notice))) => {
                tracing::warn!(message = notice.message(), "PostgreSQL says");
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                tracing::debug!(%error, "a connection to PostgreSQL broke");
                return;
            }
            None => return,
        }
    }
}
