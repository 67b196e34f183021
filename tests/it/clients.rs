//! Real clients, unmodified but for their base URL, under the rules that are shipped: what their users
//! see, what the CRM sees, and that nothing is sent twice.

pub(crate) mod every;
pub(crate) mod holds;
mod hubspot;
mod salesforce;
mod session;

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use writegate::clock::{Clock, ManualClock};
use writegate::control::{ControlState, Switch, SwitchChange, SwitchScope};

use crate::support::house::{Builder, House};

/// A house as it is installed: TLS, the shipped rules. It is 14:02 until the clock is moved.
async fn installed() -> (House, Arc<ManualClock>) {
    let clock = afternoon();
    let house = as_installed(House::builder(), &clock).build().await;
    (house, clock)
}

fn afternoon() -> Arc<ManualClock> {
    Arc::new(ManualClock::new("2026-11-20T14:02:00Z".parse().unwrap()))
}

fn as_installed(builder: Builder, clock: &Arc<ManualClock>) -> Builder {
    builder
        .rules(&shipped("salesforce.yaml"))
        .and_rules(&shipped("hubspot.yaml"))
        .clock(clock.clone())
        .query_page(5)
        .tls()
}

fn shipped(name: &str) -> String {
    let rules = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("rules");
    std::fs::read_to_string(rules.join(name)).unwrap()
}

/// An operator stops a service account, reads too.
async fn kill(house: &House, who: &str, at: Timestamp) {
    let switch = Switch {
        service_account: who.into(),
        scope: SwitchScope::All,
        by: "dana".into(),
        reason: "a test".into(),
        at,
        limit: None,
    };
    let control: &dyn ControlState = &*house.app.control;
    control
        .set_switch(SwitchChange::Throw(switch))
        .await
        .unwrap();
}

async fn resume(house: &House) {
    let change = crate::support::resume_of(&*house.app.control, "enrichment-agent");
    house.app.control.set_switch(change).await.unwrap();
}

/// Lets so many seconds pass.
fn pass(clock: &ManualClock, seconds: i64) -> Timestamp {
    clock.advance_ms(seconds * 1000);
    clock.now()
}
