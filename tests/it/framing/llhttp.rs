//! llhttp's rows. They are made for a parser: most end before the head does, and many have no
//! `Host`. Each is run as it is and once completed, so that what it is about is what decides.

use std::collections::BTreeMap;

use super::corpus::{Case, cases};
use super::echo::Outcome;
use super::server;

/// Every host that a row names and that is one.
const HOSTS: [&str; 10] = [
    "crm.test",
    "www.example.com",
    "example.com",
    "example.org",
    "localhost:5000",
    "localhost",
    "a",
    "github.com",
    "foo",
    "0.0.0.0:5000",
];

/// Why a row that llhttp takes is refused here, by the fault it meets.
const OVERRULED: [(&str, &str); 7] = [
    ("Method", "no CRM takes the method"),
    ("RequestLine", "HTTP/0.9, RTSP and ICE are other protocols"),
    ("TargetForm", "absolute-form belongs to forward proxies"),
    (
        "TargetOctet",
        "a fragment or a quotation mark in a target has two readings",
    ),
    ("TransferEncoding", "only chunked is decoded here"),
    ("HostForm", "0.0.0.0=5000 is no host"),
    ("BodyTimeout", "the row ends inside its body"),
];

/// A row with the end of its head, and a `Host` where it has none.
fn completed(case: &Case) -> Case {
    let mut case = case.clone();
    let message = &mut case.pieces[0];
    let text = String::from_utf8_lossy(message).to_lowercase();
    let start = text.len() - text.trim_start_matches("\r\n").len();
    if !text.contains("\nhost:")
        && let Some(end) = text[start..].find("\r\n")
    {
        let place = start + end + 2;
        message.splice(place..place, *b"Host: crm.test\r\n");
    }
    if message.ends_with(b"\r\n") {
        message.extend_from_slice(b"\r\n");
    }
    case
}

/// What is wrong with an outcome; `None` when nothing is.
fn judge(case: &Case, outcome: &Outcome, complete: bool) -> Option<String> {
    let wrong = || Some(format!("{}: {outcome:?}", case.id));
    if outcome.strange > 0 {
        return wrong();
    }
    let invalid = case.text("upstream_class") == "invalid";
    // What llhttp stops at here comes after a first message that is sound.
    let behind = ["Data after `Connection: close`", "Pause on CONNECT/Upgrade"];
    match (invalid, behind.contains(&case.text("upstream_error"))) {
        (true, true) if outcome.handled() > 1 => wrong(),
        (true, false) if !outcome.is_refused() => wrong(),
        (false, _) if complete && case.text("parser_mode") == "request" => {
            let known = |fault: &String| OVERRULED.iter().any(|(known, _)| known == fault);
            let allowed = outcome.handled() > 0 || outcome.fault.as_ref().is_some_and(known);
            if allowed { None } else { wrong() }
        }
        _ => None,
    }
}

#[test]
fn llhttp() {
    let rows = cases("llhttp-9.jsonl");
    let whole: Vec<Case> = rows.iter().map(completed).collect();
    let conversations = rows
        .iter()
        .chain(&whole)
        .map(|case| case.pieces.clone())
        .collect();
    let outcomes = server(&HOSTS).talk_all(conversations);
    let (as_is, complete) = outcomes.split_at(rows.len());
    let mut wrong = Vec::new();
    let mut reasons = BTreeMap::<&str, usize>::new();
    for (place, case) in rows.iter().enumerate() {
        wrong.extend(judge(case, &as_is[place], false));
        wrong.extend(judge(case, &complete[place], true));
        let taken = case.text("upstream_class") == "valid" && case.text("parser_mode") == "request";
        if taken && complete[place].handled() == 0 {
            let fault = complete[place].fault.as_deref();
            let reason = OVERRULED.iter().find(|(known, _)| Some(*known) == fault);
            *reasons
                .entry(reason.map_or("", |(_, why)| why))
                .or_default() += 1;
        }
    }
    let refused = |outcomes: &[Outcome]| {
        outcomes
            .iter()
            .filter(|outcome| outcome.is_refused())
            .count()
    };
    println!(
        "llhttp-9: {} rows, refused {} as they are, {} completed; taken there and refused here: {reasons:?}",
        rows.len(),
        refused(as_is),
        refused(complete),
    );
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
