//! Time and randomness as arguments: the one place that reads the system clock, and the makers of ids.

use std::fmt;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use jiff::Timestamp;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// Where the time of a request comes from. Read once per request and passed down.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Now, in UTC.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the system clock"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A clock that stands still until it is told to move; for tests.
#[derive(Debug)]
pub struct ManualClock(Mutex<Timestamp>);

impl ManualClock {
    /// A clock that shows `start`.
    #[must_use]
    pub fn new(start: Timestamp) -> Self {
        Self(Mutex::new(start))
    }

    /// Moves the clock, forwards or back.
    pub fn set(&self, to: Timestamp) {
        *self.0.lock() = to;
    }

    /// Moves the clock forward by `ms` milliseconds.
    pub fn advance_ms(&self, ms: i64) {
        let mut now = self.0.lock();
        *now += jiff::SignedDuration::from_millis(ms);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock()
    }
}

/// The id of a ledger entry: a ULID (48 bits of milliseconds, 80 random bits, Crockford base 32),
/// so that ids sort by time.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntryId(String);

impl EntryId {
    /// An id that came from outside: a command line, a ledger row.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The 26 characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where random bytes come from.
pub trait Entropy: Send + Sync + fmt::Debug {
    /// Fills `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}

/// The system's generator.
#[derive(Debug, Default)]
pub struct SystemEntropy(SystemRandom);

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        // The generator of aws-lc does not fail once the process runs; if it ever did, an id of zeros
        // would collide in the ledger's unique index and the write would be refused.
        if self.0.fill(bytes).is_err() {
            tracing::error!("the system's random generator failed");
        }
    }
}

const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Makes an entry id for a moment.
#[must_use]
pub fn entry_id(now: Timestamp, entropy: &dyn Entropy) -> EntryId {
    let mut random = [0_u8; 10];
    entropy.fill(&mut random);
    let millis = u128::try_from(now.as_millisecond()).unwrap_or(0) & 0xFFFF_FFFF_FFFF;
    let random = random
        .iter()
        .fold(0_u128, |bits, byte| (bits << 8) | u128::from(*byte));
    EntryId(crockford((millis << 80) | random, 26))
}

/// Makes a correlation id in the form of a version 4 UUID (RFC 9562).
#[must_use]
pub fn correlation_id(entropy: &dyn Entropy) -> String {
    let mut bytes = [0_u8; 16];
    entropy.fill(&mut bytes);
    let bits =
        (u128::from_be_bytes(bytes) & !(0xF << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!(
        "{}-{}-{}-{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32)
    )
}

fn crockford(bits: u128, length: usize) -> String {
    (0..length)
        .rev()
        .map(|place| {
            let digit = usize::try_from((bits >> (place * 5)) & 31).unwrap_or(0);
            char::from(CROCKFORD.get(digit).copied().unwrap_or(b'0'))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Fixed(u8);
    impl Entropy for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    #[test]
    fn entry_ids_sort_by_time_and_have_26_characters() {
        let early = entry_id(
            Timestamp::from_millisecond(1_700_000_000_000).unwrap(),
            &Fixed(0xFF),
        );
        let late = entry_id(
            Timestamp::from_millisecond(1_700_000_000_001).unwrap(),
            &Fixed(0),
        );
        assert_eq!(early.as_str().len(), 26);
        assert!(early < late);
    }

    #[test]
    fn correlation_ids_are_version_4_uuids() {
        let id = correlation_id(&Fixed(0xFF));
        assert_eq!(id, "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
