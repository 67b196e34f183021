//! The built-in CRM of `writegate demo` and of the tests: Salesforce and HubSpot on one port, in
//! memory, with seed data that tells a story ([`seed`]).
//!
//! It reads requests on its own and shares nothing with the proxy's parsers, because it is what the
//! tests compare the proxy against; where the vendors' servers are lenient, it is. Tests see every
//! request it got, change records behind the proxy's back, and script faults. It never sleeps: what
//! waits, waits at a [`Gate`] that the test opens.

mod answer;
mod faults;
mod hubspot;
mod log;
mod oauth;
mod request;
mod salesforce;
pub mod seed;
mod server;
mod store;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Map, Value};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::clock::{Clock, SystemClock};
use crate::mutation::CrmKind;

pub use faults::{Fault, Gate, Head};
pub use log::{Effect, EffectKind, Seen};
pub use oauth::OAuthApp;

use server::State;

/// A bearer token that the sandbox accepts, on both faces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// What stands behind `Authorization: Bearer`.
    pub secret: String,
    /// `(object, field)` pairs that field-level security hides from this token: absent where fields
    /// are not named, an `INVALID_FIELD` error where they are.
    pub unreadable: Vec<(String, String)>,
}

impl Token {
    /// A token that may see and do everything.
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Self {
        Self {
            secret: secret.into(),
            unreadable: Vec::new(),
        }
    }

    /// The same, blind for one field.
    #[must_use]
    pub fn without(mut self, object: &str, field: &str) -> Self {
        self.unreadable.push((object.to_owned(), field.to_owned()));
        self
    }

    fn sees(&self, object: &str, field: &str) -> bool {
        !self
            .unreadable
            .iter()
            .any(|(o, f)| o.eq_ignore_ascii_case(object) && f.eq_ignore_ascii_case(field))
    }
}

/// How a sandbox is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// The tokens it accepts; anything else is a 401.
    pub tokens: Vec<Token>,
    /// Where `LastModifiedDate` and its kin come from.
    pub clock: Arc<dyn Clock>,
    /// Whether answers above 1 KB are compressed for clients that ask for gzip.
    pub gzip_answers: bool,
    /// Rows per page of a Salesforce query (`Sforce-Query-Options` can ask for other sizes).
    pub query_page: usize,
    /// The apps that may log in.
    pub apps: Vec<OAuthApp>,
    /// How long the tokens are good that it issues.
    pub token_life: SignedDuration,
    /// What Salesforce's token answers say of where the org is; `None`: where the client reached it.
    pub instance_url: Option<String>,
}

impl Options {
    /// One token, the machine's clock, compressed answers, Salesforce's page size.
    #[must_use]
    pub fn with_token(secret: impl Into<String>) -> Self {
        Self {
            tokens: vec![Token::new(secret)],
            clock: Arc::new(SystemClock),
            gzip_answers: true,
            query_page: 2000,
            apps: Vec::new(),
            token_life: SignedDuration::from_mins(30),
            instance_url: None,
        }
    }
}

/// The built-in CRM.
#[derive(Clone, Copy, Debug)]
pub struct Sandbox;

impl Sandbox {
    /// Starts a sandbox with fresh seed data on the caller's runtime; port 0 picks a free one.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn start(listen: SocketAddr, options: Options) -> io::Result<Running> {
        let listener = TcpListener::bind(listen).await?;
        let addr = listener.local_addr()?;
        let state = Arc::new(State::new(options));
        let accepting = tokio::spawn(server::accept(listener, Arc::clone(&state)));
        Ok(Running {
            addr,
            state,
            accepting,
        })
    }
}

/// A sandbox that answers. Dropping it stops it.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub addr: SocketAddr,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

impl Running {
    /// `http://127.0.0.1:PORT`, without a trailing slash.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Every write request received, in order of arrival: also those that failed, that were cut off,
    /// and that a fault kept from having an effect. A request is here from the moment its head was
    /// read. Keeps the latest 100,000 requests of any kind.
    #[must_use]
    pub fn writes(&self) -> Vec<Seen> {
        self.state.log.seen(|seen| seen.write)
    }

    /// Every request received, reads too, in order of arrival.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.state.log.seen(|_| true)
    }

    /// How many requests were received.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.state.log.count()
    }

    /// How many bytes were received on all connections, heads included.
    #[must_use]
    pub fn bytes_received(&self) -> u64 {
        self.state.traffic.bytes()
    }

    /// How many connections were accepted.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.state.traffic.connections()
    }

    /// What a record holds, by its id (HubSpot: also an id from before a merge), as the API shows it
    /// to somebody who sees all. `None` when it does not exist or is deleted.
    #[must_use]
    pub fn record(&self, crm: CrmKind, object: &str, id: &str) -> Option<Map<String, Value>> {
        let world = self.state.world.lock();
        match crm {
            CrmKind::Salesforce => world.org.view(object, id),
            CrmKind::HubSpot => world.portal.view(object, id),
        }
    }

    /// The ids of all records of an object that are not deleted, in order of creation.
    #[must_use]
    pub fn ids(&self, crm: CrmKind, object: &str) -> Vec<String> {
        let world = self.state.world.lock();
        match crm {
            CrmKind::Salesforce => world.org.ids(object),
            CrmKind::HubSpot => world.portal.ids(object),
        }
    }

    /// Kim changes a record in the CRM itself: no validation, stamps move. False when there is no such
    /// record.
    pub fn set_field(
        &self,
        crm: CrmKind,
        object: &str,
        id: &str,
        field: &str,
        value: Value,
    ) -> bool {
        let now = self.state.options.clock.now();
        let mut world = self.state.world.lock();
        match crm {
            CrmKind::Salesforce => world.org.set(object, id, field, value, now),
            CrmKind::HubSpot => world.portal.set(object, id, field, value, now),
        }
    }

    /// Somebody else deletes a record (recycle bin, archive). False when there is no such record.
    pub fn delete(&self, crm: CrmKind, object: &str, id: &str) -> bool {
        let now = self.state.options.clock.now();
        let mut world = self.state.world.lock();
        match crm {
            CrmKind::Salesforce => world.org.bin(object, id, now),
            CrmKind::HubSpot => world.portal.bin(object, id, now),
        }
    }

    /// Everybody together made so many calls: of the day, and of HubSpot's ten seconds.
    pub fn set_calls(&self, daily: u64, interval: u64) {
        let mut world = self.state.world.lock();
        world.org.calls = daily;
        world.portal.calls = daily;
        world.portal.burst = interval;
    }

    /// Every token that was issued so far, in order.
    #[must_use]
    pub fn issued(&self) -> Vec<String> {
        self.state.logins.issued()
    }

    /// Ends every token that was issued so far, as an admin does who ends sessions.
    pub fn revoke(&self) {
        self.state.logins.revoke();
    }

    /// The refresh token that an app has by now.
    #[must_use]
    pub fn refresh_token(&self, app: &str) -> Option<String> {
        self.state.logins.refresh_token(app)
    }

    /// Applies `fault` to the next `times` requests whose head matches. A request that matches several
    /// scripts gets all their faults.
    pub fn script(
        &self,
        matches: impl Fn(&Head<'_>) -> bool + Send + Sync + 'static,
        times: usize,
        fault: Fault,
    ) {
        self.state.faults.add(Box::new(matches), times, fault);
    }

    /// Closes the listener and every connection.
    pub async fn stop(mut self) {
        self.accepting.abort();
        if let Err(error) = (&mut self.accepting).await {
            tracing::debug!(%error, "sandbox stopped");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
