//! The harness: a house is a sandbox CRM, a real proxy before it with its stores in a folder of its
//! own, and clients. Everything on port 0; nothing is shared between tests.

use std::sync::atomic::{AtomicU64, Ordering};

use writegate::control::{ControlState, SwitchChange};

pub(crate) mod cable;
pub(crate) mod canaries;
pub(crate) mod client;
pub(crate) mod cut;
pub(crate) mod doctored;
pub(crate) mod faulty;
pub(crate) mod fleet;
pub(crate) mod front;
pub(crate) mod house;
pub(crate) mod postgres;
pub(crate) mod program;
pub(crate) mod real_address;
pub(crate) mod redis;
pub(crate) mod shapes;
pub(crate) mod study;
pub(crate) mod wire;

/// Whether what would be skipped is an error: set by `tests/run`.
pub(crate) fn all_tests() -> bool {
    std::env::var_os("WRITEGATE_ALL_TESTS").is_some()
}

/// Says that a test is skipped for lack of something; under `tests/run` that is a failure.
pub(crate) fn skipped(what: &str, lacks: &str) {
    assert!(!all_tests(), "{what}: {lacks} is missing");
    println!("SKIPPED {what}: {lacks} is missing (tests/run installs it)");
}

/// Whether the full figures are asked for (`tests/run --long`).
pub(crate) fn long() -> bool {
    std::env::var_os("WRITEGATE_LONG").is_some()
}

/// The change that resumes a service account, whatever stands.
pub(crate) fn resume_of(control: &dyn ControlState, service_account: &str) -> SwitchChange {
    let view = control.switches();
    let thrown = view
        .thrown
        .iter()
        .find(|switch| switch.service_account == service_account);
    SwitchChange::Resume {
        service_account: service_account.to_owned(),
        thrown_at: thrown.map_or(jiff::Timestamp::UNIX_EPOCH, |switch| switch.at),
    }
}

/// A text that no other call gets: the same request twice at once is one request.
pub(crate) fn unique(text: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{text} {}", NEXT.fetch_add(1, Ordering::Relaxed))
}
