//! Several replicas on one Redis and one PostgreSQL, before one CRM: houses in this process, or programs.

use std::net::SocketAddr;
use std::sync::Arc;

use writegate::clock::{Clock, SystemClock, SystemEntropy};
use writegate::control::redis::{Options, RedisControl};
use writegate::ledger::postgres::{Address, PostgresLedger};
use writegate::sandbox::{Running, Sandbox};

use super::cable::Wire;
use super::house::{Builder, House, options as crm_options};
use super::postgres::{Database, postgres};
use super::program::{Program, Starting};
use super::redis::{Redis, options};

/// What a fleet shares.
pub(crate) struct Fleet {
    pub(crate) redis: Redis,
    pub(crate) database: Database,
    pub(crate) crm: Arc<Running>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Fleet {
    /// Its stores and its CRM; `None`, and a line that says so, where there are none to start.
    pub(crate) async fn start(test: &str) -> Option<Self> {
        Self::by(test, Arc::new(SystemClock)).await
    }

    /// The same by another clock.
    pub(crate) async fn by(test: &str, clock: Arc<dyn Clock>) -> Option<Self> {
        let redis = Redis::start(test)?;
        let short = test.rsplit(':').next().unwrap();
        let database = postgres(test)?.database(short);
        let listen = "127.0.0.1:0".parse().unwrap();
        let crm = Sandbox::start(listen, crm_options(&clock)).await.unwrap();
        Some(Self {
            redis,
            database,
            crm: Arc::new(crm),
            clock,
        })
    }

    /// A replica in this process.
    pub(crate) async fn house(&self, name: &str, builder: Builder) -> House {
        self.house_at(name, &self.database.url(), builder).await
    }

    /// The same, whose way to PostgreSQL leads over a wire.
    pub(crate) async fn house_over(&self, name: &str, wire: &Wire, builder: Builder) -> House {
        self.house_at(name, &self.over(wire), builder).await
    }

    /// The database over a wire, which looks at what it carries.
    fn over(&self, wire: &Wire) -> String {
        let wire = SocketAddr::from(([127, 0, 0, 1], wire.port));
        format!("{}?sslmode=disable", self.database.url_at(wire))
    }

    async fn house_at(&self, name: &str, url: &str, builder: Builder) -> House {
        let address = Address::parse(url).unwrap();
        let entropy = Arc::new(SystemEntropy::default());
        let ledger = PostgresLedger::open(address, name, entropy).unwrap();
        let own = Options {
            ..options(&self.redis.url(), name)
        };
        let replica = name.to_owned();
        builder
            .crm(&self.crm)
            .clock(Arc::clone(&self.clock))
            .ledger(Arc::new(ledger))
            .control(Arc::new(RedisControl::open(own).unwrap()))
            .configure(move |config| config.replica = replica)
            .build()
            .await
    }

    /// A replica of the real program.
    pub(crate) fn program(&self, name: &str) -> Starting {
        self.program_at(name, &self.database.url())
    }

    /// The same, whose way to PostgreSQL leads over a wire.
    pub(crate) fn program_over(&self, name: &str, wire: &Wire) -> Starting {
        self.program_at(name, &self.over(wire))
    }

    fn program_at(&self, name: &str, database: &str) -> Starting {
        Program::before(&self.crm.base_url())
            .env("WRITEGATE_LEDGER", database)
            .env("WRITEGATE_CONTROL", &self.redis.url())
            .env("WRITEGATE_REPLICA", name)
    }
}
