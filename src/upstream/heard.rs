//! Who listens to what every answer of a CRM says in its headers.

use std::fmt;
use std::sync::Arc;

use http::HeaderMap;

/// Is told the headers of every answer: of reads, of our own reads, of writes.
#[derive(Clone)]
pub struct Heard(Arc<dyn Fn(&HeaderMap) + Send + Sync>);

impl Heard {
    /// By `listener`, which must not block.
    #[must_use]
    pub fn by(listener: impl Fn(&HeaderMap) + Send + Sync + 'static) -> Self {
        Self(Arc::new(listener))
    }

    pub(super) fn tell(&self, headers: &HeaderMap) {
        (self.0)(headers);
    }
}

impl fmt::Debug for Heard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Heard")
    }
}
