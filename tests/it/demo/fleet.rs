//! `writegate demo --fleet`: two replicas on stores of their own, which end with it.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::demo;
use crate::readme::fits;
use crate::support::postgres::postgres;
use crate::support::redis::Redis;

/// What it shows, in this order.
const SHOWN: [&str; 17] = [
    "An agent writes through either",
    "   agent at one  204",
    "   agent at two  204",
    "Stopped at one, stopped at both",
    "   dana at one   writegate kill enrichment-agent …",
    "   │ confirmed by 2 of 2 replicas · …",
    "   │   one: confirmed in … ms",
    "   │   two: confirmed in … ms",
    "   agent at two  403 WRITEGATE_STOPPED",
    "   agent at one  403 WRITEGATE_STOPPED",
    "Let go at the other",
    "   dana at two   writegate resume enrichment-agent",
    "   │ confirmed by 2 of 2 replicas · …",
    "   agent at one  204",
    "Rules that are pushed to one judge at both",
    "   two judges by push 1",
    "Two replicas, one gate.",
];

fn fleet() -> (Command, tempfile::TempDir) {
    let temporary = tempfile::tempdir().unwrap();
    // PostgreSQL does not run as root, and has to get to its folder
    let passable = std::fs::Permissions::from_mode(0o711);
    std::fs::set_permissions(temporary.path(), passable).unwrap();
    let command = demo(&["--fleet", "--exit"], temporary.path());
    (command, temporary)
}

#[test]
fn two_replicas_are_one_gate_and_leave_nothing_behind() {
    const TEST: &str = "demo::fleet::two_replicas_are_one_gate_and_leave_nothing_behind";
    if postgres(TEST).is_none() || Redis::start(TEST).is_none() {
        return;
    }
    let (mut command, temporary) = fleet();
    let path = std::env::var_os("PATH").unwrap_or_default();
    // what is set for another proxy is not for these
    let command = command.env("PATH", path).env("WRITEGATE_RULES", "/nowhere");
    let output = command.output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), err.as_str()), (Some(0), ""), "{out}");
    let mut told = out.lines();
    for line in SHOWN {
        let found = told.any(|seen| fits(line, seen));
        assert!(found, "not there, or not in this order: {line}\n{out}");
    }
    assert!(!out.contains("expected"), "{out}");
    let left = std::fs::read_dir(temporary.path()).unwrap().count();
    assert_eq!(left, 0, "files stay behind");
}

#[test]
fn what_a_fleet_lacks_is_named() {
    let (mut command, temporary) = fleet();
    let output = command.env("PATH", "/nowhere").output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(
        err.contains("redis-server is not installed: a fleet needs one"),
        "{err}"
    );
    let left = std::fs::read_dir(temporary.path()).unwrap().count();
    assert_eq!(left, 0, "files stay behind");
}
