//! The secrets that houses and programs are given, and the search for them: in no spelling may one stand
//! in a ledger, a log, a metric or an answer. Every house and every program looks at its end.

use std::io;
use std::path::Path;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use parking_lot::Mutex;
use regex::bytes::Regex;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

use super::house::{APPROVER, BROKER, KEY, OPERATOR, OTHER_TOKEN, TOKEN, VIEWER};
use crate::holds::{DEAL_DESK, OWNER};

/// A session of `sdr-agent`, in the form that the sf CLI takes for one.
pub(crate) const SESSION: &str = "00DWg0000000001!canary.session.of.sdr";
/// The token that `sdr-agent` has of a private app.
pub(crate) const PRIVATE_APP: &str = "pat-na1-canary-of-sdr";
/// The password of a user of `sdr-agent`; the sandbox gives it back as the session.
pub(crate) const PASSWORD: &str = "00DWg0000000001!canary.password.of.sdr";
/// The secret of an app of `sdr-agent`.
pub(crate) const SECRET: &str = "canary-secret-of-sdr";
/// The token of the operator ray, an approver of `RevOps`.
pub(crate) const REV_OPS: &str = "canary-token-of-ray";

const GIVEN: [&str; 14] = [
    TOKEN,
    OTHER_TOKEN,
    KEY,
    BROKER,
    OPERATOR,
    APPROVER,
    VIEWER,
    DEAL_DESK,
    OWNER,
    SESSION,
    PRIVATE_APP,
    REV_OPS,
    PASSWORD,
    SECRET,
];

/// Every spelling of each.
static ANY: LazyLock<Regex> = LazyLock::new(|| {
    let spellings = GIVEN.iter().flat_map(|canary| spellings(canary));
    let escaped: Vec<String> = spellings.map(|spelling| regex::escape(&spelling)).collect();
    Regex::new(&escaped.join("|")).unwrap()
});

/// Lines of this process's log that held one.
static LOGGED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// A text as it may stand somewhere: as it is, in base 64 at any offset, in percent or hex digits,
/// escaped.
pub(crate) fn spellings(canary: &str) -> Vec<String> {
    let mut spellings = vec![canary.to_owned()];
    for offset in 0..3 {
        let shifted = [vec![b'x'; offset], canary.as_bytes().to_vec()].concat();
        for engine in [&STANDARD, &URL_SAFE] {
            let text = engine.encode(&shifted);
            // the ends depend on what stands beside
            spellings.push(text[4..text.len() - 4].to_owned());
        }
    }
    let hex = |byte: u8| format!("{byte:02x}");
    let all_percent: String = canary
        .bytes()
        .map(|byte| format!("%{}", hex(byte)))
        .collect();
    spellings.push(all_percent.to_uppercase());
    spellings.push(all_percent);
    spellings.push(canary.bytes().map(hex).collect());
    spellings.push(canary.replace('!', "%21").replace(' ', "%20"));
    spellings.push(canary.replace(' ', "+"));
    spellings.push(
        canary
            .bytes()
            .map(|byte| byte.to_string())
            .collect::<Vec<_>>()
            .join(", "),
    );
    spellings
}

/// Every canary of these that a text holds in any spelling.
pub(crate) fn found<'c>(text: &str, canaries: &[&'c str]) -> Vec<&'c str> {
    let holds = |canary: &&str| {
        spellings(canary)
            .iter()
            .any(|spelling| text.contains(spelling))
    };
    canaries
        .iter()
        .copied()
        .filter(|canary| holds(canary))
        .collect()
}

/// Fails where one stands in these bytes.
#[track_caller]
pub(crate) fn none_in(what: &str, bytes: &[u8]) {
    if let Some(hit) = ANY.find(bytes) {
        let around = hit.start().saturating_sub(60)..(hit.end() + 60).min(bytes.len());
        panic!(
            "a secret in {what}: {}",
            String::from_utf8_lossy(&bytes[around])
        );
    }
}

/// Looks through the files of a ledger in a folder: the database, what stands beside it, the heads.
pub(crate) fn none_in_ledger(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.contains(".db") || name.ends_with(".head") {
            // one that goes away meanwhile holds nothing
            none_in(&name, &std::fs::read(entry.path()).unwrap_or_default());
        }
    }
}

/// From now on looks through all that this process logs, at its most talkative.
pub(crate) fn watch_the_log() {
    static WATCHED: LazyLock<()> = LazyLock::new(|| {
        let watching = tracing_subscriber::fmt()
            .json()
            .with_env_filter(EnvFilter::new("writegate=trace"))
            .with_writer(|| Watch);
        watching.finish().init();
    });
    LazyLock::force(&WATCHED);
}

/// Fails where this process has logged one.
#[track_caller]
pub(crate) fn none_logged() {
    let logged = LOGGED.lock();
    assert!(logged.is_empty(), "a secret in the log: {logged:#?}");
}

/// Where log lines go: they are looked at, and dropped.
struct Watch;

impl io::Write for Watch {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if ANY.is_match(line) {
            let line = String::from_utf8_lossy(line).into_owned();
            LOGGED.lock().push(line);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
#[should_panic(expected = "a secret in a text")]
fn a_token_is_found() {
    let text = format!("before {} after", STANDARD.encode(format!("user:{TOKEN}")));
    none_in("a text", text.as_bytes());
}
