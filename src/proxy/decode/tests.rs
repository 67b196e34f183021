//! Every way in which a coded body has two readings or none.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use proptest::prelude::{any, proptest};

use super::*;

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn zlib(body: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn raw(body: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn decoded(encoding: &str, body: Vec<u8>) -> Result<Bytes, DecodeFault> {
    decode(Some(encoding), body.into(), 1 << 20)
}

#[test]
fn one_coding_is_undone() {
    let body = br#"{"Industry":"Software"}"#;
    assert_eq!(
        decode(None, Bytes::from_static(body), 100).unwrap(),
        &body[..]
    );
    assert_eq!(decoded("identity", body.to_vec()).unwrap(), &body[..]);
    assert_eq!(decoded("gzip", gzip(body)).unwrap(), &body[..]);
    assert_eq!(decoded("GZip", gzip(body)).unwrap(), &body[..]);
    assert_eq!(decoded("deflate", zlib(body)).unwrap(), &body[..]);
    assert_eq!(decoded("gzip", gzip(b"")).unwrap(), &b""[..]);
}

#[test]
fn unknown_and_stacked_codings_are_refused() {
    for coding in [
        "br",
        "zstd",
        "gzip, gzip",
        "gzip,identity",
        "x-gzip",
        "compress",
        "",
    ] {
        assert_eq!(
            decoded(coding, gzip(b"{}")),
            Err(DecodeFault::Coding),
            "{coding}"
        );
    }
}

#[test]
fn a_second_member_and_trailing_bytes_are_refused() {
    let two = [gzip(br#"{"a":1}"#), gzip(br#"{"b":2}"#)].concat();
    assert_eq!(decoded("gzip", two), Err(DecodeFault::Trailing));
    let trailing = [gzip(b"{}"), b"x".to_vec()].concat();
    assert_eq!(decoded("gzip", trailing), Err(DecodeFault::Trailing));
    let trailing = [zlib(b"{}"), zlib(b"{}")].concat();
    assert_eq!(decoded("deflate", trailing), Err(DecodeFault::Trailing));
}

#[test]
fn raw_deflate_and_other_formats_are_refused() {
    assert_eq!(decoded("deflate", raw(b"{}")), Err(DecodeFault::Corrupt));
    assert_eq!(decoded("deflate", gzip(b"{}")), Err(DecodeFault::Corrupt));
    assert_eq!(decoded("gzip", zlib(b"{}")), Err(DecodeFault::Corrupt));
    assert_eq!(decoded("gzip", b"{}".to_vec()), Err(DecodeFault::Corrupt));
    assert_eq!(decoded("gzip", Vec::new()), Err(DecodeFault::Corrupt));
    assert_eq!(decoded("deflate", Vec::new()), Err(DecodeFault::Corrupt));
}

#[test]
fn what_is_cut_short_or_changed_is_refused_at_every_byte() {
    let body = br#"{"Industry":"Software","Rating":"Hot","Site":"Software Software"}"#;
    for (coding, whole) in [("gzip", gzip(body)), ("deflate", zlib(body))] {
        for end in 0..whole.len() {
            let cut = whole[..end].to_vec();
            assert_eq!(
                decoded(coding, cut),
                Err(DecodeFault::Corrupt),
                "{coding} {end}"
            );
        }
        let mut changed = whole.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert_eq!(decoded(coding, changed), Err(DecodeFault::Corrupt));
    }
}

#[test]
fn a_bomb_stops_at_the_limit() {
    let bomb = vec![b' '; 64 << 20];
    for (coding, body) in [("gzip", gzip(&bomb)), ("deflate", zlib(&bomb))] {
        let fault = decode(Some(coding), body.into(), 1 << 20);
        assert_eq!(fault, Err(DecodeFault::TooLarge));
    }
}

#[test]
fn the_limit_itself_still_passes() {
    let body = vec![b'x'; 1000];
    for (coding, bytes) in [
        ("identity", body.clone()),
        ("gzip", gzip(&body)),
        ("deflate", zlib(&body)),
    ] {
        let bytes = Bytes::from(bytes);
        assert_eq!(
            decode(Some(coding), bytes.clone(), 1000).unwrap(),
            &body[..]
        );
        assert_eq!(
            decode(Some(coding), bytes, 999),
            Err(DecodeFault::TooLarge),
            "{coding}"
        );
    }
}

proptest! {
    #[test]
    fn what_was_coded_comes_back(body: Vec<u8>) {
        let coded = gzip(&body);
        assert_eq!(decode(Some("gzip"), coded.into(), body.len()).unwrap(), &body[..]);
        let coded = zlib(&body);
        assert_eq!(decode(Some("deflate"), coded.into(), body.len()).unwrap(), &body[..]);
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(bytes: Vec<u8>, gzip in any::<bool>()) {
        let coding = if gzip { "gzip" } else { "deflate" };
        let limit = 4096;
        if let Ok(out) = decode(Some(coding), bytes.into(), limit) {
            assert!(out.len() <= limit);
        }
    }
}
