//! What holds for every case: splits change nothing, nothing runs behind a refusal, limits are exact
//! up to the handler, answers come in order.

use super::corpus::{Case, cases};
use super::{Outcome, server};

fn all_cases() -> Vec<Case> {
    let files = ["writegate-http1.jsonl", "http11probe.jsonl"];
    files.into_iter().flat_map(cases).collect()
}

/// Three random splits, or ten with `WRITEGATE_LONG=1`, from a seed that is the case itself.
fn random_splits(message: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let rounds = if std::env::var_os("WRITEGATE_LONG").is_some() {
        10
    } else {
        3
    };
    let mut state = message.iter().fold(0x9E37_79B9_u64, |sum, octet| {
        sum.wrapping_mul(0x0100_0000_01B3)
            .wrapping_add(u64::from(*octet))
    });
    let mut next = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below.max(1)
    };
    (0..rounds)
        .map(|_| {
            let mut places: Vec<usize> = (0..1 + next(8)).map(|_| next(message.len())).collect();
            places.extend([0, message.len()]);
            places.sort_unstable();
            places
                .windows(2)
                .map(|pair| message[pair[0]..pair[1]].to_vec())
                .collect()
        })
        .collect()
}

#[test]
fn splits_over_the_wire_change_no_verdict() {
    let server = server(&["crm.test", "localhost:8080"]);
    let messages: Vec<Vec<u8>> = all_cases()
        .iter()
        .map(|case| case.pieces.concat())
        .collect();
    let whole = server.talk_all(
        messages
            .iter()
            .map(|message| vec![message.clone()])
            .collect(),
    );
    let mut ways = Vec::new();
    let mut expected: Vec<&Outcome> = Vec::new();
    for (message, outcome) in messages.iter().zip(&whole) {
        // Octet by octet; the few long ones by a few, for the test's own time.
        let step = 1 + message.len() / 2000;
        let single = message.chunks(step).map(<[u8]>::to_vec).collect();
        for pieces in [single].into_iter().chain(random_splits(message)) {
            ways.push(pieces);
            expected.push(outcome);
        }
    }
    let found = server.talk_all(ways);
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found, expected);
    }
    println!("{} runs over TCP, 0 changes of verdict", found.len());
}

#[test]
fn nothing_runs_behind_a_refusal() {
    let server = server(&["crm.test", "localhost:8080"]);
    let smuggled = b"\r\nDELETE /smuggled HTTP/1.1\r\nHost: crm.test\r\n\r\n";
    let messages = all_cases().into_iter().map(|case| case.pieces.concat());
    let messages: Vec<Vec<u8>> = messages
        .map(|message| [&message, &smuggled[2..]].concat())
        .collect();
    let behind = messages.iter().map(|message| vec![message.clone()]);
    // Once more as a write of its own, when the refusal may be out already.
    let later = messages.iter().map(|message| {
        let (first, second) = message.split_at(message.len() - (smuggled.len() - 2));
        vec![first.to_vec(), second.to_vec()]
    });
    let outcomes = server.talk_all(behind.chain(later).collect());
    let mut sequences = 0;
    for (outcome, message) in outcomes.iter().zip(messages.iter().cycle()) {
        let ran = outcome
            .seen
            .iter()
            .any(|seen| seen.body.is_some() && seen.line.contains("smuggled"));
        if outcome.fault.is_some() {
            sequences += 1;
            let sent = String::from_utf8_lossy(message);
            assert!(!ran && outcome.announced, "{outcome:?}\n{sent:?}");
            assert!(
                outcome
                    .statuses
                    .iter()
                    .rev()
                    .skip(1)
                    .all(|status| *status == 200),
                "{outcome:?}"
            );
        }
    }
    println!("{sequences} refusals with a request behind them, 0 executed");
}

fn get(target: &str, fields: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: crm.test\r\n{fields}\r\n").into_bytes()
}

/// The limits of `Settings::default()`, through hyper to the handler.
#[test]
fn the_usual_limits_are_exact_up_to_the_handler() {
    let server = server(&["crm.test"]);
    let long = |count: usize| "a".repeat(count);
    let value = |count: usize| format!("X: {}\r\n", long(count));
    let head = |count: usize| {
        let fixed = get(
            "/",
            &format!(
                "{}{}{}X: \r\nY: \r\n",
                value(16_000),
                value(16_000),
                value(16_000)
            ),
        );
        let left = count - fixed.len();
        let fields = format!("{}{}{}", value(16_000), value(16_000), value(16_000));
        get(
            "/",
            &format!(
                "{fields}X: {}\r\nY: {}\r\n",
                long(left / 2),
                long(left - left / 2)
            ),
        )
    };
    type Make<'a> = Box<dyn Fn(usize) -> Vec<u8> + 'a>;
    let limits: [(usize, u16, Make<'_>); 6] = [
        (65_536, 431, Box::new(head)),
        (
            16_384,
            414,
            Box::new(|count| get(&format!("/{}", long(count - 1)), "")),
        ),
        (
            100,
            431,
            Box::new(|count| get("/", &"X: y\r\n".repeat(count - 1))),
        ),
        (
            256,
            431,
            Box::new(|count| get("/", &format!("{}: y\r\n", long(count)))),
        ),
        (16_384, 431, Box::new(|count| get("/", &value(count)))),
        (
            1,
            400,
            Box::new(|count| ["\r\n".repeat(count).into_bytes(), get("/", "")].concat()),
        ),
    ];
    let mut expected = Vec::new();
    let mut conversations = Vec::new();
    for (limit, status, make) in &limits {
        for (count, status) in [(limit - 1, 200), (*limit, 200), (limit + 1, *status)] {
            conversations.push(vec![make(count)]);
            expected.push(vec![status]);
        }
    }
    // A declared body beyond the limit is refused before a byte of it is waited for.
    conversations.push(vec![get("/", "Content-Length: 536870913\r\n")]);
    expected.push(vec![413]);
    let outcomes = server.talk_all(conversations);
    let statuses: Vec<Vec<u16>> = outcomes
        .into_iter()
        .map(|outcome| outcome.statuses)
        .collect();
    assert_eq!(statuses, expected);
}

/// What measured clients send and a stricter reading of RFC 3986 would refuse.
#[test]
fn odd_targets_of_real_clients_reach_the_handler_untouched() {
    let server = server(&["crm.test"]);
    let targets = [
        "//services/data/v66.0/sobjects/Account/",
        "/services/data/v66.0/query?q=SELECT+Id+FROM+Account+WHERE+Name='a|b'",
        "/a/%2e%2e/{b}/[c]^",
        "/?",
    ];
    let conversations = targets.iter().map(|target| vec![get(target, "")]).collect();
    for (target, outcome) in targets.iter().zip(server.talk_all(conversations)) {
        assert_eq!(outcome.seen[0].line, format!("GET {target}"));
    }
}

#[test]
fn a_refusal_comes_after_the_answers_before_it() {
    let server = server(&["crm.test"]);
    let bad = get("/bad", "Host: crm.test\r\n");
    let pipelined = [get("/one", ""), get("/two", ""), bad, get("/three", "")].concat();
    let outcome = server.talk_all(vec![vec![pipelined]]).remove(0);
    assert_eq!(outcome.statuses, [200, 200, 400]);
    assert_eq!(outcome.fault.as_deref(), Some("Twice(\"Host\")"));
    let lines: Vec<&str> = outcome.seen.iter().map(|seen| seen.line.as_str()).collect();
    assert_eq!(lines, ["GET /one", "GET /two"]);
}

#[test]
fn a_method_that_is_not_taken_is_told_which_are() {
    let server = server(&["crm.test"]);
    let trace = b"TRACE / HTTP/1.1\r\nHost: crm.test\r\n\r\n".to_vec();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let answer = runtime.block_on(server.raw(trace));
    assert!(
        answer.starts_with("HTTP/1.1 405 ") && answer.contains("allow: GET, POST,"),
        "{answer}"
    );
}
