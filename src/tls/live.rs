//! The TLS of a listener while it serves: other certificates can take its place between two handshakes.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;

use super::TlsError;
use crate::config;

/// What a listener shakes hands with from now on. Clones are the same.
#[derive(Clone)]
pub struct Live(Arc<ArcSwap<ServerConfig>>);

impl Live {
    /// That of the files which a route names.
    ///
    /// # Errors
    /// [`TlsError`] names the file.
    pub fn of(files: &config::Tls) -> Result<Self, TlsError> {
        super::listener(files).map(Self::from)
    }

    /// What counts for the next handshake.
    #[must_use]
    pub fn now(&self) -> Arc<ServerConfig> {
        self.0.load_full()
    }

    /// Puts another one in its place. Connections that are open stay; no session of before is resumed, as
    /// sessions are kept by the one that made them.
    pub fn put(&self, config: Arc<ServerConfig>) {
        self.0.store(config);
    }
}

impl From<Arc<ServerConfig>> for Live {
    fn from(config: Arc<ServerConfig>) -> Self {
        Self(Arc::new(ArcSwap::new(config)))
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Live")
    }
}
