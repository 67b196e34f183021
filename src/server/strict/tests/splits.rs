//! Same bytes, same verdict: however they are split over reads.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::*;

const CHUNKED: &str = "Transfer-Encoding: chunked\r\n\r\n";

fn samples() -> Vec<Vec<u8>> {
    vec![
        [
            request("Content-Length: 12\r\n\r\nGET / HTTP/1."),
            request("\r\n"),
        ]
        .concat(),
        [
            request(&format!(
                "{CHUNKED}3\r\nabc\r\n10;x=y\r\n0123456789abcdef\r\n0\r\n\r\n"
            )),
            request("\r\n"),
        ]
        .concat(),
        [
            request(&format!("{CHUNKED}0\r\nA: b\r\nC: d\r\n\r\n\r\n")),
            request("X: y\r\n\r\n"),
        ]
        .concat(),
        [request("\r\n"), request("Host: x\r\n\r\n"), request("\r\n")].concat(),
        [request("\r\n"), b"\r\n\r\n".to_vec(), request("\r\n")].concat(),
        request(&format!("{CHUNKED}3\r\nabcd\r\n0\r\n\r\n")),
        request(&format!("{CHUNKED}3\nabc\r\n0\r\n\r\n")),
        request(&format!("{CHUNKED}0\r\nbad trailer\r\n\r\n")),
        request("X: y\n\r\n"),
        request(&format!("X: {}\r\n\r\n", "v".repeat(20_000))),
    ]
}

proptest! {
    /// Same bytes, same verdict and same bytes behind, however they arrive and are asked for.
    #[test]
    fn splits_change_nothing(
        sample in prop::sample::select(samples()),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        space in 1_usize..300,
    ) {
        let pieces = split(&sample, cuts.iter().map(|cut| cut.index(sample.len() + 1)));
        prop_assert_eq!(through(pieces, space, Limits::default()), whole(&sample));
    }

    /// No bytes make it panic, and what passes is what was sent.
    #[test]
    fn any_bytes_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let message = [request("Transfer-Encoding: chunked\r\n\r\n"), bytes].concat();
        let (output, fault) = whole(&message);
        let output = match fault {
            Some(_) => output.strip_suffix(STAND_IN).unwrap_or(&output),
            None => &output,
        };
        let mut sent = message.iter();
        prop_assert!(output.iter().all(|octet| sent.any(|other| other == octet)));
    }
}

/// Splits bytes at these places.
fn split(bytes: &[u8], places: impl IntoIterator<Item = usize>) -> Vec<Vec<u8>> {
    let mut places: Vec<usize> = places.into_iter().collect();
    places.push(bytes.len());
    places.sort_unstable();
    let mut start = 0;
    let mut pieces = Vec::new();
    for place in places {
        pieces.push(bytes[start..place].to_vec());
        start = place;
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

/// The messages of the shared corpora, where they are at hand.
#[expect(clippy::disallowed_methods, reason = "test data of our own")]
fn corpus() -> Vec<Vec<u8>> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora");
    let folder = std::env::var_os("WRITEGATE_CORPORA").map_or_else(beside, PathBuf::from);
    let mut messages = Vec::new();
    for file in ["writegate-http1", "llhttp-9", "http11probe"] {
        let path = folder.join(format!("http1/{file}.jsonl"));
        let Ok(text) = std::fs::read_to_string(&path) else {
            println!("skipped: no corpus at {}", path.display());
            continue;
        };
        for line in text.lines() {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            if let Some(message) = row["b64"].as_str() {
                messages.push(STANDARD.decode(message).unwrap());
            }
        }
    }
    messages
}

#[test]
fn every_corpus_message_has_one_verdict_under_all_its_splits() {
    let mut runs = 0;
    for message in corpus() {
        let expected = whole(&message);
        let ends = message
            .iter()
            .enumerate()
            .filter(|(_, octet)| matches!(octet, b'\r' | b'\n'));
        let ends: Vec<usize> = ends.map(|(place, _)| place + 1).collect();
        let mut ways = vec![(1..message.len()).collect(), ends.clone()];
        ways.extend(ends.iter().map(|place| vec![*place]));
        ways.extend(
            (1..message.len().min(600))
                .step_by(13)
                .map(|place| vec![place]),
        );
        for way in ways {
            let found = through(split(&message, way), 8192, Limits::default());
            assert_eq!(found, expected, "{}", String::from_utf8_lossy(&message));
            runs += 1;
        }
    }
    println!("{runs} runs, 0 changes of verdict");
}
