//! Every limit: one less, as much, one more; whole and octet by octet.

use super::*;

const CHUNKED: &str = "Transfer-Encoding: chunked\r\n\r\n";

fn long(count: usize) -> String {
    "a".repeat(count)
}

/// A message that uses so much of a limit passes, one that uses one more meets the fault.
#[track_caller]
fn is_exact(limits: &Limits, limit: usize, fault: Fault, make: impl Fn(usize) -> Vec<u8>) {
    for (count, expected) in [(limit - 1, None), (limit, None), (limit + 1, Some(fault))] {
        let bytes = make(count);
        let single = bytes.iter().map(|octet| vec![*octet]).collect();
        for pieces in [vec![bytes.clone()], single] {
            let (_, found) = through(pieces, 8192, limits.clone());
            assert_eq!(found, expected, "{count} of {limit}");
        }
    }
}

#[test]
fn the_head_and_its_parts() {
    let limits = Limits {
        head: 600,
        target: 100,
        fields: 8,
        name: 30,
        value: 200,
        leading_lines: 3,
        ..Limits::default()
    };
    is_exact(&limits, 600, Fault::HeadTooLarge, |count| {
        let rest = count - request("A: \r\nB: \r\nC: \r\n\r\n").len() - 180;
        let (one, two) = (long(rest / 2), long(rest - rest / 2));
        request(&format!("A: {}\r\nB: {one}\r\nC: {two}\r\n\r\n", long(180)))
    });
    is_exact(&limits, 100, Fault::TargetTooLong, |count| {
        let target = long(count - 1);
        format!("GET /{target} HTTP/1.1\r\nHost: crm.test\r\n\r\n").into_bytes()
    });
    is_exact(&limits, 8, Fault::TooManyFields, |count| {
        request(&format!("{}\r\n", "X: y\r\n".repeat(count - 1)))
    });
    is_exact(&limits, 30, Fault::NameTooLong, |count| {
        request(&format!("{}: y\r\n\r\n", long(count)))
    });
    is_exact(&limits, 200, Fault::ValueTooLong, |count| {
        request(&format!("X:  {} \r\n\r\n", long(count)))
    });
    is_exact(&limits, 3, Fault::LeadingLines, |count| {
        [b"\r\n".repeat(count), request("\r\n")].concat()
    });
}

#[test]
fn the_body_and_its_framing() {
    let limits = Limits {
        body: 50,
        chunk_line: 40,
        extensions: 60,
        trailers: 70,
        ..Limits::default()
    };
    is_exact(&limits, 50, Fault::BodyTooLarge, |count| {
        let data = long(count);
        request(&format!("Content-Length: {count}\r\n\r\n{data}"))
    });
    is_exact(&limits, 50, Fault::BodyTooLarge, |count| {
        let (rest, data) = (count - 20, long(count));
        let (one, two) = data.split_at(20);
        request(&format!(
            "{CHUNKED}14\r\n{one}\r\n{rest:x}\r\n{two}\r\n0\r\n\r\n"
        ))
    });
    is_exact(&limits, 40, Fault::ChunkLineTooLong, |count| {
        request(&format!("{CHUNKED}1;{}\r\na\r\n0\r\n\r\n", long(count - 4)))
    });
    is_exact(&limits, 60, Fault::ChunkLineTooLong, |count| {
        let (one, two) = (long(29), long(count - 31));
        request(&format!("{CHUNKED}1;{one}\r\na\r\n0;{two}\r\n\r\n"))
    });
    is_exact(&limits, 70, Fault::TrailersTooLarge, |count| {
        let (one, two) = (long(20), long(count - 30));
        request(&format!("{CHUNKED}0\r\nA: {one}\r\nB: {two}\r\n\r\n"))
    });
}
