//! Tests of `strict`.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

use super::fault::{Fault, Part};
use super::host::HostRule;
use super::io::Strict;
use super::limits::{Limits, Timeouts};
use super::link::Link;
use super::*;

mod limits;
mod splits;

/// A connection that gives one piece to each read, then ends.
struct Pieces(Vec<Vec<u8>>);

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(piece) = self.0.first_mut() {
            let count = piece.len().min(buf.remaining());
            let rest = piece.split_off(count);
            buf.put_slice(piece);
            *piece = rest;
            if piece.is_empty() {
                self.0.remove(0);
            }
        }
        Poll::Ready(Ok(()))
    }
}

fn rules(limits: Limits) -> Arc<Rules> {
    let hosts = HostRule::new(["http://crm.test".parse().unwrap()]);
    Arc::new(Rules {
        limits,
        hosts: hosts.names("127.0.0.1:1".parse().unwrap(), false),
        methods: crate::server::Settings::default().methods,
        plain: true,
    })
}

/// What hyper would read, and the fault that ended it.
fn through(pieces: Vec<Vec<u8>>, space: usize, limits: Limits) -> (Vec<u8>, Option<Fault>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let link = Arc::new(Link::default());
        let io = Pieces(pieces);
        let mut strict = Strict::new(io, rules(limits), Arc::clone(&link), Timeouts::default());
        let mut output = Vec::new();
        let mut piece = vec![0; space];
        while let Ok(count @ 1..) = strict.read(&mut piece).await {
            output.extend_from_slice(&piece[..count]);
            if output.ends_with(STAND_IN) {
                break;
            }
        }
        (output, link.head_fault().or(link.body_fault()))
    })
}

const STAND_IN: &[u8] = b"REFUSED / HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n";

fn whole(bytes: &[u8]) -> (Vec<u8>, Option<Fault>) {
    through(vec![bytes.to_vec()], 8192, Limits::default())
}

fn refused(bytes: &[u8]) -> Option<Fault> {
    let (output, fault) = whole(bytes);
    assert_eq!(output.ends_with(STAND_IN), fault.is_some(), "{output:?}");
    fault
}

fn request(rest: &str) -> Vec<u8> {
    format!("POST /x HTTP/1.1\r\nHost: crm.test\r\n{rest}").into_bytes()
}

#[test]
fn what_is_right_passes_untouched() {
    let bodies = [
        request("\r\n"),
        request("Content-Length: 3\r\n\r\nabc"),
        request("Transfer-Encoding: chunked\r\n\r\n3;a=\"b\"\r\nabc\r\n0\r\n\r\n"),
        request("X: \u{e9}\t \r\nEmpty:\r\nx_y: z\r\n\r\n"),
    ];
    for bytes in &bodies {
        assert_eq!(whole(bytes), (bytes.clone(), None));
    }
    let pipelined = bodies.concat();
    assert_eq!(whole(&pipelined), (pipelined.clone(), None));
}

#[test]
fn an_empty_line_before_a_request_is_dropped_and_two_are_refused() {
    let bytes = request("\r\n");
    let with = |lines: &[u8]| [lines, bytes.as_slice()].concat();
    assert_eq!(whole(&with(b"\r\n")), (bytes.clone(), None));
    assert_eq!(refused(&with(b"\r\n\r\n")), Some(Fault::LeadingLines));
    assert_eq!(
        refused(&with(b"\n")),
        Some(Fault::LineEnd(Part::RequestLine))
    );
    let twice = [bytes.as_slice(), b"\r\n", bytes.as_slice()].concat();
    assert_eq!(whole(&twice), (bytes.repeat(2), None));
}

#[test]
fn trailers_are_checked_and_dropped() {
    let head = "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n";
    let bytes = request(&format!("{head}Host: evil\r\nX: y\r\n\r\n"));
    let next = request("\r\n");
    let expected = [request(&format!("{head}\r\n")), next.clone()].concat();
    assert_eq!(whole(&[bytes, next].concat()), (expected, None));
    for trailer in [
        "X : y\r\n\r\n",
        " X: y\r\n\r\n",
        "X: \0\r\n\r\n",
        "X\r\n\r\n",
    ] {
        let (output, fault) = whole(&request(&format!("{head}{trailer}")));
        assert_eq!(output, request(head));
        assert_eq!(fault, Some(Fault::Trailer), "{trailer:?}");
    }
}

#[test]
fn a_refused_head_comes_after_what_was_right_before_it() {
    let good = request("Content-Length: 1\r\n\r\na");
    let bad = request("Content-Length: 1\r\nContent-Length: 1\r\n\r\na");
    let (output, fault) = whole(&[good.clone(), bad, good.clone()].concat());
    assert_eq!(output, [good.as_slice(), STAND_IN].concat());
    assert_eq!(fault, Some(Fault::Twice("Content-Length")));
}

#[test]
fn a_fault_in_a_body_is_an_error_of_that_body() {
    let head = "Transfer-Encoding: chunked\r\n\r\n1\r\na";
    let (output, fault) = whole(&request(&format!("{head}b\r\n0\r\n\r\n")));
    assert_eq!(output, request(head));
    assert_eq!(fault, Some(Fault::ChunkEnd));
}

#[test]
fn a_tls_handshake_on_a_plain_port_is_named_and_not_answered() {
    assert_eq!(
        whole(b"\x16\x03\x01"),
        (Vec::new(), Some(Fault::TlsOnPlain))
    );
    assert_eq!(whole(b"\x16"), (Vec::new(), Some(Fault::TlsOnPlain)));
}

#[test]
fn each_rule_of_the_head_has_its_fault() {
    let line = |line: &str| [line.as_bytes(), b"\r\nHost: crm.test\r\n\r\n"].concat();
    let field = |field: &str| request(&format!("{field}\r\n\r\n"));
    let cases = [
        (line("GET /"), Fault::RequestLine),
        (line("GET  / HTTP/1.1"), Fault::RequestLine),
        (line("GET\t/ HTTP/1.1"), Fault::RequestLine),
        (line("GET / x HTTP/1.1"), Fault::RequestLine),
        (line("GET / HTTP/1.10"), Fault::RequestLine),
        (line("GET / http/1.1"), Fault::RequestLine),
        (line("PRI * HTTP/2.0"), Fault::Version),
        (line("GET / HTTP/1.2"), Fault::MinorVersion),
        (line("get / HTTP/1.1"), Fault::Method),
        (line("TRACE / HTTP/1.1"), Fault::Method),
        (line("REFUSED / HTTP/1.1"), Fault::Method),
        (line("GET http://crm.test/ HTTP/1.1"), Fault::TargetForm),
        (line("OPTIONS * HTTP/1.1"), Fault::TargetForm),
        (line("GET /a#b HTTP/1.1"), Fault::TargetOctet),
        (line("GET /\u{e9} HTTP/1.1"), Fault::TargetOctet),
        (line("GET / HTTP/1.1\rX: y"), Fault::RequestLine),
        (
            b"GET / HTTP/1.1\n".to_vec(),
            Fault::LineEnd(Part::RequestLine),
        ),
        (b"POST /x HTTP/1.1\r\n\r\n".to_vec(), Fault::HostMissing),
        (field("X: y\nZ: 1"), Fault::LineEnd(Part::Field)),
        (field("X: y\rZ"), Fault::Control(Part::Field)),
        (field("X: \0"), Fault::Control(Part::Field)),
        (field(" X: y"), Fault::Fold),
        (field("X : y"), Fault::SpaceInName),
        (field(": y"), Fault::Name),
        (field("X\u{e9}: y"), Fault::Name),
        (field("X"), Fault::Name),
        (
            field("Content_Length: 1"),
            Fault::LookAlike("Content-Length"),
        ),
        (field("host: crm.test"), Fault::Twice("Host")),
        (
            field("Authorization: a\r\nAuthorization: a"),
            Fault::Twice("Authorization"),
        ),
        (
            field("X-SFDC-Session: a\r\nx-sfdc-session: a"),
            Fault::Twice("X-SFDC-Session"),
        ),
        (
            field("Transfer-Encoding: gzip, chunked"),
            Fault::TransferEncoding,
        ),
        (field("Transfer-Encoding:\r\nX: y"), Fault::TransferEncoding),
        (
            field("Content-Length: 1\r\nTransfer-Encoding: chunked"),
            Fault::BothFramings,
        ),
        (field("Content-Length: 1, 1"), Fault::ContentLength),
        (field("Expect: 200-ok\r\nContent-Length: 1"), Fault::Expect),
        (field("Expect: 100-continue"), Fault::Expect),
    ];
    for (bytes, fault) in cases {
        assert_eq!(
            refused(&bytes),
            Some(fault),
            "{}",
            String::from_utf8_lossy(&bytes)
        );
    }
}

#[test]
fn http_1_0_passes_with_a_length_and_never_with_chunks() {
    let head = "POST /x HTTP/1.0\r\nHost: crm.test\r\n";
    let sized = format!("{head}Content-Length: 1\r\nExpect: 100-continue\r\n\r\na");
    assert_eq!(refused(sized.as_bytes()), None);
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    assert_eq!(
        refused(chunked.as_bytes()),
        Some(Fault::OldTransferEncoding)
    );
}
