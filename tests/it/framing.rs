//! Message framing over raw TCP: every case of the HTTP/1 corpora against a live server, whole and
//! in pieces. What has two readings reaches no handler, and nothing runs behind it.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::print_stdout,
    reason = "helpers of tests fail the test, as a test itself does, and figures are printed"
)]

mod corpus;
mod crs;
mod echo;
mod llhttp;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;

use corpus::{Case, cases};
use echo::{Outcome, Server};

/// What must become of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// No request comes through, and the client is refused or cut off.
    Refused,
    /// So many requests come through, and nothing is refused.
    Handled(usize),
    /// Refused, or let through as one request.
    Either,
}

impl Expected {
    fn is_met(self, outcome: &Outcome) -> bool {
        let handled = |count| outcome.handled() == count && outcome.fault.is_none();
        match self {
            Self::Refused => outcome.is_refused(),
            Self::Handled(count) => handled(count),
            Self::Either => outcome.is_refused() || handled(1),
        }
    }
}

fn server(hosts: &[&str]) -> Arc<Server> {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    Arc::new(Server::start(&hosts))
}

/// Runs cases and checks each; prints the figures.
fn run(name: &str, server: &Arc<Server>, cases: &[Case], expected: impl Fn(&Case) -> Expected) {
    let outcomes = server.talk_all(cases.iter().map(|case| case.pieces.clone()).collect());
    let mut wrong = Vec::new();
    let mut counts = BTreeMap::<String, usize>::new();
    for (case, outcome) in cases.iter().zip(&outcomes) {
        let expected = expected(case);
        let refused = if outcome.is_refused() {
            "refused"
        } else {
            "let through"
        };
        *counts
            .entry(format!("{expected:?}, {refused}"))
            .or_default() += 1;
        let closed = outcome.fault.is_none() || outcome.announced;
        let trailers = outcome.seen.iter().any(|seen| seen.trailers);
        if !expected.is_met(outcome) || outcome.strange > 0 || !closed || trailers {
            wrong.push(format!(
                "{}: expected {expected:?}, came to {outcome:?}",
                case.id
            ));
        }
    }
    println!("{name}: {} cases: {counts:?}", cases.len());
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Rows of our own corpus that we judge in another way than it proposes.
const OVERRULED: [(&str, Expected, &str); 1] = [(
    "wg/target-longtarget",
    Expected::Handled(1),
    "Salesforce takes 16,384 bytes of URL, so a target of 9,000 is an ordinary query",
)];

fn own_expectation(case: &Case) -> Expected {
    if let Some((_, expected, _)) = OVERRULED.iter().find(|(id, ..)| *id == case.id) {
        return *expected;
    }
    match case.text("expect") {
        "reject" | "close" => Expected::Refused,
        "accept" | "accept-normalised" | "strip" | "same-decision" => Expected::Handled(1),
        // Dropped trailers and headers that the proxy strips: the message itself is sound.
        "reject-or-strip" | "same-decision-or-reject" => Expected::Either,
        "two-decisions" => Expected::Handled(2),
        other => panic!("{}: unknown expectation {other}", case.id),
    }
}

#[test]
fn our_own_corpus() {
    // `wg/upgrade-pipelined` has its second request without a token, so only its framing counts.
    run(
        "writegate-http1",
        &server(&["crm.test"]),
        &cases("writegate-http1.jsonl"),
        own_expectation,
    );
    for (id, _, why) in OVERRULED {
        println!("overruled: {id}: {why}");
    }
}

/// Rows of `Http11Probe` that ask for another server than this one.
const PROBE_OVERRULED: [(&str, &str); 1] = [(
    "COMP-OPTIONS-STAR",
    "`*` names the server as a whole; a route has nothing to send it to",
)];

/// What `Http11Probe` asks for: `2xx` and its like let through, `400`, `close` and their like refuse.
fn probe_expectation(case: &Case) -> Expected {
    let name = case.id.rsplit('/').next().unwrap_or_default();
    if PROBE_OVERRULED
        .iter()
        .any(|(overruled, _)| *overruled == name)
    {
        return Expected::Refused;
    }
    let asked = case.text("expected");
    let passes = [
        "2xx",
        "200",
        "!101",
        "non-101",
        "non-1xx",
        "not 414",
        "204",
        "IMF",
        "405 + Allow",
    ];
    let passes = passes.iter().any(|word| asked.contains(word)) || asked.contains("normalize");
    let refuses = [
        "400", "close", "Reject", "405/501", "417", "505", "406", "415", "416",
    ];
    let refuses = refuses.iter().any(|word| asked.contains(word));
    match (passes, refuses) {
        (true, false) if case.pieces.len() > 1 => Expected::Handled(case.pieces.len()),
        (true, false) => Expected::Handled(1),
        (false, true) => Expected::Refused,
        _ => Expected::Either,
    }
}

#[test]
fn http11probe() {
    let all = cases("http11probe.jsonl");
    // Two requests on one connection have their own test below: either may be refused alone.
    let (several, single): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|case| case.pieces.len() > 1);
    let server = server(&["localhost:8080"]);
    run("http11probe", &server, &single, probe_expectation);
    for (name, why) in PROBE_OVERRULED {
        println!("overruled: {name}: {why}");
    }
    let outcomes = server.talk_all(several.iter().map(|case| case.pieces.clone()).collect());
    for (case, outcome) in several.iter().zip(outcomes) {
        let sound = match case.id.rsplit('/').next().unwrap_or_default() {
            "SMUG-PIPELINE-SAFE" => outcome.handled() == 2,
            // A body of declared length on any method is read as one, whatever it looks like.
            "SMUG-GET-CL-BODY-DESYNC"
            | "SMUG-OPTIONS-CL-BODY-DESYNC"
            | "SMUG-EXPECT-100-CL-DESYNC" => outcome.handled() == 2 && outcome.fault.is_none(),
            "SMUG-GET-CL-PREFIX-DESYNC" => outcome.handled() >= 1,
            // One octet too many begins the next message, which is then no request.
            "SMUG-CL0-BODY-POISON" => outcome.handled() == 1 && outcome.fault.is_some(),
            _ => outcome.is_refused(),
        };
        assert!(sound && outcome.strange == 0, "{}: {outcome:?}", case.id);
    }
    println!("http11probe: {} sequences of two", several.len());
}
