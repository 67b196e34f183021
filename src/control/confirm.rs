//! Waiting until every live replica acts on a version of the kill switches, or long enough (P5).

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Serialize;
use tokio::time::Instant;

use super::{ControlState, Replica};

/// A change is acknowledged after this at the latest: by then a replica that has not heard of it has a
/// view that is too old, and refuses writes.
const AT_MOST: Duration = Duration::from_secs(2);
/// Who has confirmed is looked at this often.
const LOOK_EACH: Duration = Duration::from_millis(20);

/// What passes between two looks at who has confirmed.
#[async_trait]
pub trait Waits: Send {
    /// The time since it began.
    fn passed(&self) -> Duration;

    /// Returns when it is time to look again; false: it has been long enough.
    async fn again(&mut self) -> bool;
}

/// Two seconds of the machine's time.
#[derive(Debug)]
pub struct TwoSeconds(Instant);

impl TwoSeconds {
    /// They begin now.
    #[must_use]
    pub fn begin() -> Self {
        Self(Instant::now())
    }
}

#[async_trait]
impl Waits for TwoSeconds {
    fn passed(&self) -> Duration {
        self.0.elapsed()
    }

    async fn again(&mut self) -> bool {
        let Some(left) = AT_MOST.checked_sub(self.passed()) else {
            return false;
        };
        tokio::time::sleep(LOOK_EACH.min(left)).await;
        true
    }
}

/// How a replica took a change of the switches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Took {
    /// It acts on it: nothing of it acts on an older view.
    Confirmed,
    /// It was heard of lately, but did not say in time that it acts on it.
    Unconfirmed,
    /// It was not heard of lately: its view is too old, so it refuses writes by itself.
    Silent,
}

/// One replica, and how it took a change of the switches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Confirmation {
    /// Its name.
    pub replica: String,
    /// How it took it.
    pub state: Took,
    /// After how many milliseconds it was known to act on it.
    pub after_ms: Option<u64>,
    /// When it was heard of last; `None`: it is the store.
    pub heard_at: Option<Timestamp>,
}

/// What is known of all replicas.
#[derive(Debug, Default)]
pub struct Confirmations {
    /// By name.
    pub replicas: Vec<Confirmation>,
    /// Why it is not known who has confirmed.
    pub trouble: Option<String>,
}

impl Confirmations {
    /// How many have confirmed.
    #[must_use]
    pub fn confirmed(&self) -> usize {
        self.count(Took::Confirmed)
    }

    /// How many would have to: those that are heard of. Where nobody is, we are there.
    #[must_use]
    pub fn live(&self) -> usize {
        (self.confirmed() + self.count(Took::Unconfirmed)).max(1)
    }

    fn count(&self, state: Took) -> usize {
        let all = self.replicas.iter();
        all.filter(|replica| replica.state == state).count()
    }
}

/// Returns when every live replica has confirmed this version of the switches or a later one, or the
/// waits are over. `acting` ends when nothing of this process acts on an older one.
pub async fn confirmed(
    control: &dyn ControlState,
    version: u64,
    acting: impl Future<Output = ()>,
    waits: &mut dyn Waits,
) -> Confirmations {
    let mut acting = pin!(acting);
    let (mut acts, mut over, mut first) = (false, false, BTreeMap::new());
    loop {
        let known = control.replicas().await.map(|all| {
            let passed = u64::try_from(waits.passed().as_millis()).unwrap_or(u64::MAX);
            for replica in &all {
                // one that is the store acts when this process does
                let says = replica.confirmed_at.is_some() || acts;
                if replica.version >= version && says {
                    first.entry(replica.name.clone()).or_insert(passed);
                }
            }
            let replicas = all.into_iter().map(|one| of(one, &first));
            replicas.collect::<Vec<_>>()
        });
        match known {
            Ok(replicas) => {
                let missing = |one: &Confirmation| one.state == Took::Unconfirmed;
                if over || (acts && !replicas.iter().any(missing)) {
                    return Confirmations {
                        replicas,
                        trouble: None,
                    };
                }
            }
            Err(error) if over => {
                return Confirmations {
                    replicas: Vec::new(),
                    trouble: Some(error.to_string()),
                };
            }
            Err(_) => {}
        }
        tokio::select! {
            () = &mut acting, if !acts => acts = true,
            again = waits.again() => over = !again,
        }
    }
}

fn of(replica: Replica, first: &BTreeMap<String, u64>) -> Confirmation {
    let after_ms = first.get(&replica.name).copied();
    let state = match (after_ms, replica.live) {
        (Some(_), _) => Took::Confirmed,
        (None, true) => Took::Unconfirmed,
        (None, false) => Took::Silent,
    };
    Confirmation {
        replica: replica.name,
        state,
        after_ms,
        heard_at: replica.confirmed_at,
    }
}
