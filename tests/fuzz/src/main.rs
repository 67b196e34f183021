//! libFuzzer over one target, which `WRITEGATE_FUZZ` names.
#![no_main]

#[path = "targets.rs"]
mod targets;

use std::sync::OnceLock;

use targets::{TARGETS, Target};

static CHOSEN: OnceLock<Target> = OnceLock::new();

fn chosen() -> Target {
    let name = std::env::var("WRITEGATE_FUZZ").unwrap_or_default();
    let known = TARGETS.iter().find(|(known, _)| *known == name);
    let Some((_, target)) = known else {
        let names = TARGETS.map(|(name, _)| name).join(", ");
        panic!("WRITEGATE_FUZZ names none of {names}");
    };
    *target
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    CHOSEN.get_or_init(chosen)(data);
});
