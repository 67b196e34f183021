//! The requests of the OWASP Core Rule Set. It looks at what a message says, not at how it is framed,
//! so its verdicts are not ours: a second, plain reading of each request says what must happen, and
//! what comes through must be what was sent.

use std::collections::BTreeMap;

use super::corpus::{Case, crs_cases};
use super::{Expected, server};

/// Reads a message the plain way, all at once. Knows one message, lengths but no chunks; what it
/// does not know must be refused.
fn expected(message: &[u8]) -> Expected {
    let Some(end) = message.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Expected::Refused;
    };
    // Octets become characters of the same number, so that nothing is lost.
    let head: String = message[..end].iter().copied().map(char::from).collect();
    let body = message.len() - end - 4;
    let mut lines = head.split("\r\n");
    let line: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
    let &[method, target, version] = line.as_slice() else {
        return Expected::Refused;
    };
    let visible = |text: &str| {
        text.chars()
            .all(|c| ('!'..='~').contains(&c) && !"#\"<>`".contains(c))
    };
    let sound = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"].contains(&method)
        && target.starts_with('/')
        && visible(target)
        && ["HTTP/1.1", "HTTP/1.0"].contains(&version);
    let mut once = BTreeMap::<String, String>::new();
    for field in lines {
        let Some((name, value)) = field.split_once(':') else {
            return Expected::Refused;
        };
        let marks = "!#$%&'*+-.^_`|~";
        let token = |c: char| c.is_ascii_alphanumeric() || marks.contains(c);
        let control = |c: char| (c < ' ' && c != '\t') || c == '\u{7f}';
        if name.is_empty() || !name.chars().all(token) || value.chars().any(control) {
            return Expected::Refused;
        }
        let name = name.to_ascii_lowercase();
        let single = [
            "host",
            "content-length",
            "content-type",
            "authorization",
            "content-encoding",
        ];
        let before = once.insert(name.clone(), value.trim().to_owned());
        if before.is_some() && single.contains(&name.as_str()) {
            return Expected::Refused;
        }
    }
    let length = match once.get("content-length") {
        Some(text) if text.chars().all(|c| c.is_ascii_digit()) => {
            text.parse().unwrap_or(usize::MAX)
        }
        Some(_) => return Expected::Refused,
        None => 0,
    };
    let ours = once.get("host").is_some_and(|host| host == "localhost");
    if sound
        && ours
        && once
            .get("transfer-encoding")
            .is_some_and(|coding| coding == "chunked")
    {
        return Expected::Either;
    }
    let framed = !once.contains_key("transfer-encoding") && !once.contains_key("expect");
    if sound && ours && framed && length <= body {
        // What is left over is judged as a next message, and none of these is one.
        return if length == body {
            Expected::Handled(1)
        } else {
            Expected::Either
        };
    }
    Expected::Refused
}

#[test]
fn core_rule_set() {
    let cases = crs_cases();
    let server = server(&["localhost"]);
    let outcomes = server.talk_all(cases.iter().map(|case| case.pieces.clone()).collect());
    let mut counts = BTreeMap::<String, usize>::new();
    let mut wrong = Vec::new();
    for (Case { id, pieces, .. }, outcome) in cases.iter().zip(&outcomes) {
        let expected = expected(&pieces[0]);
        let met = match expected {
            Expected::Either => outcome.handled() <= 1,
            Expected::Refused | Expected::Handled(_) => expected.is_met(outcome),
        };
        let sent = String::from_utf8_lossy(&pieces[0]).into_owned();
        let faithful = outcome.seen.iter().all(|seen| {
            let mut octets = pieces[0].iter();
            let body = seen.body.iter().flatten();
            let sent_in_order = body
                .copied()
                .all(|octet| octets.any(|other| *other == octet));
            sent.trim_start().starts_with(&seen.line) && sent_in_order
        });
        *counts.entry(format!("{expected:?}")).or_default() += 1;
        if !met || !faithful || outcome.strange > 0 {
            wrong.push(format!(
                "{id}: expected {expected:?}, came to {outcome:?}\n{sent:?}"
            ));
        }
    }
    println!("crs-4-protocol: {} cases: {counts:?}", cases.len());
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
