//! The connections that read: a few, made when they are needed, shared by whoever asks.

use std::time::Duration;

use deadpool_postgres::{
    Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, Timeouts,
};
use tokio_postgres::Row as SqlRow;
use tokio_postgres::types::ToSql;

use super::fault::{failed, too_slow};
use super::link::{READ, Server, in_time};
use crate::error::StoreError;

/// More would help nobody but the one who reads the whole ledger.
const CONNECTIONS: usize = 4;
/// For so long it is waited for one of them.
const WAIT: Duration = Duration::from_secs(5);

/// The pool.
#[derive(Clone, Debug)]
pub(super) struct Readers(Pool);

/// One of its connections, for as long as somebody reads.
pub(super) struct Reading(Object);

impl Readers {
    pub(super) fn new(server: &Server) -> Result<Self, StoreError> {
        let fast = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let manager = Manager::from_connect(server.config(), server.clone(), fast);
        let timeouts = Timeouts {
            wait: Some(WAIT),
            create: Some(WAIT),
            recycle: Some(WAIT),
        };
        let pool = Pool::builder(manager)
            .max_size(CONNECTIONS)
            .timeouts(timeouts)
            .runtime(Runtime::Tokio1)
            .build();
        pool.map(Self)
            .map_err(|error| StoreError::caused("ledger", "cannot make connections", false, error))
    }

    /// Takes a connection.
    pub(super) async fn reading(&self) -> Result<Reading, StoreError> {
        const WHAT: &str = "cannot connect";
        match self.0.get().await {
            Ok(client) => Ok(Reading(client)),
            Err(PoolError::Backend(error)) => Err(failed(WHAT, &error)),
            Err(PoolError::Timeout(_)) => Err(too_slow(WHAT)),
            Err(error) => {
                let what = format!("{WHAT}: {error}");
                Err(StoreError::new("ledger", what, true))
            }
        }
    }
}

impl Reading {
    /// The connection itself.
    pub(super) fn client(&mut self) -> &mut Object {
        &mut self.0
    }

    /// Reads rows; `what` is said when they cannot be read.
    pub(super) async fn query(
        &self,
        what: &str,
        sql: &str,
        arguments: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<SqlRow>, StoreError> {
        let read = async {
            let statement = self.0.prepare_cached(sql).await?;
            self.0.query(&statement, arguments).await
        };
        in_time(READ, what, read)
            .await?
            .map_err(|error| failed(what, &error))
    }

    /// Reads one row.
    pub(super) async fn one(
        &self,
        what: &str,
        sql: &str,
        arguments: &[&(dyn ToSql + Sync)],
    ) -> Result<SqlRow, StoreError> {
        let mut rows = self.query(what, sql, arguments).await?;
        rows.pop().ok_or_else(|| {
            let what = format!("{what}: there is none");
            StoreError::new("ledger", what, false)
        })
    }
}
