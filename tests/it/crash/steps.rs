//! Points with a name: kill -9 where a gate in the CRM, or an answer that somebody got, says that a step
//! has come.

use std::pin::Pin;
use std::sync::Arc;

use http::Method;
use tokio::time::{Instant, timeout};
use writegate::sandbox::{Fault, Gate, Head};

use super::figures::Figures;
use super::judge;
use super::scene::{PATIENCE, Release, World};

/// Begins a life, and returns when it was ended at its step.
pub(super) type Strike = for<'a> fn(&'a Arc<World>) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

/// The release, the step's name, and what leads there.
pub(super) type Step = (Release, &'static str, Strike);

/// Strikes at each step, and judges what comes of it.
pub(super) async fn at_each_step(what: &str, steps: &[Step]) {
    let began = Instant::now();
    let mut figures = Figures::default();
    for (release, name, strike) in steps {
        let world = World::new(*release).await;
        let come = timeout(PATIENCE, strike(&world)).await;
        assert!(come.is_ok(), "{release:?}, {name}: the step did not come");
        let found = judge::judge(&world).await;
        figures.add(&format!("{release:?}, {name}"), &world, true, found);
    }
    figures.tell(what, began);
}

/// Where the next requests that match wait before they have an effect.
pub(super) fn before(
    world: &World,
    times: usize,
    matches: impl Fn(&Head<'_>) -> bool + Send + Sync + 'static,
) -> Gate {
    let gate = Gate::new();
    let fault = Fault::WaitBeforeEffect(gate.clone());
    world.crm.script(matches, times, fault);
    gate
}

/// Where they wait between their effect and the answer.
pub(super) fn after(
    world: &World,
    times: usize,
    matches: impl Fn(&Head<'_>) -> bool + Send + Sync + 'static,
) -> Gate {
    let gate = Gate::new();
    let fault = Fault::WaitAfterEffect(gate.clone());
    world.crm.script(matches, times, fault);
    gate
}

/// A look at records.
pub(super) fn reads(head: &Head<'_>) -> bool {
    head.method == Method::GET
        || head.path.ends_with("/batch/read")
        || head.path.ends_with("/search")
}

/// A change of records.
pub(super) fn writes(head: &Head<'_>) -> bool {
    !reads(head)
}
