//! The reader against files that read two ways, every split of a file, and files made from rows.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;

const DELIMITERS: [u8; 6] = *b",;\t|^`";

type Rows = Vec<Vec<String>>;

/// Reads a file in these parts.
fn read(dialect: Dialect, parts: &[&[u8]]) -> Result<Rows, Fault> {
    let mut rows = Vec::new();
    let mut keep = |record: Record<'_>| {
        assert_eq!(record.len(), record.cells().count());
        rows.push(record.cells().map(str::to_owned).collect());
        Ok(())
    };
    let mut reader = Reader::new(dialect);
    for part in parts {
        reader.push(part, &mut keep)?;
    }
    reader.finish(&mut keep)?;
    Ok(rows)
}

fn lf(text: &str) -> Result<Rows, Fault> {
    read(Dialect::default(), &[text.as_bytes()])
}

fn crlf(text: &str) -> Result<Rows, Fault> {
    let dialect = Dialect {
        crlf: true,
        ..Dialect::default()
    };
    read(dialect, &[text.as_bytes()])
}

#[test]
fn what_has_one_reading_is_read() {
    let rows = |rows: &[&[&str]]| -> Rows {
        rows.iter()
            .map(|row| row.iter().map(|cell| (*cell).to_owned()).collect())
            .collect()
    };
    for (text, expected) in [
        ("a,b\n1,2\n", rows(&[&["a", "b"], &["1", "2"]])),
        ("a,b\n1,2", rows(&[&["a", "b"], &["1", "2"]])),
        ("a,b\n,\n", rows(&[&["a", "b"], &["", ""]])),
        ("a\n\"\"\n", rows(&[&["a"], &[""]])),
        (
            "a,b\n\"x\ny\",\"\"\"q\"\"\"\n",
            rows(&[&["a", "b"], &["x\ny", "\"q\""]]),
        ),
        ("\"a\",b\n 1 ,\t\n", rows(&[&["a", "b"], &[" 1 ", "\t"]])),
        (
            "a,b\né,\u{1f600}\n",
            rows(&[&["a", "b"], &["é", "\u{1f600}"]]),
        ),
    ] {
        assert_eq!(lf(text).unwrap(), expected, "{text:?}");
        let inside = text.contains("x\ny");
        if !inside {
            assert_eq!(
                crlf(&text.replace('\n', "\r\n")).unwrap(),
                expected,
                "{text:?}"
            );
        }
    }
}

#[test]
fn what_reads_two_ways_is_refused() {
    for text in [
        "",
        "\n",
        "a,b\n1\n",
        "a,b\n1,2,3\n",
        "a,b\n\n1,2\n",
        "a,b\n1,2\n\n",
        "a,b\n1,\"2\n",
        "a,b\n1,x\"y\n",
        "a,b\n1,\"x\"y\n",
        "a,b\n1,\"x\" \n",
        "a,b\r\n1,2\r\n",
        "a,b\r1,2\r",
        "a,b\n1,2\r\n",
        "a,b\n1,\0\n",
        "a,b\n1,\"\0\"\n",
    ] {
        assert!(lf(text).is_err(), "{text:?}");
    }
    for text in ["a,b\n1,2\n", "a,b\r\n1,2\n", "a,b\r1,2\r", "a,b\r\n1,2\r"] {
        assert!(crlf(text).is_err(), "{text:?}");
    }
    // bytes of two cells that are a letter only together
    assert!(read(Dialect::default(), &[b"a,b\n\xc3,\xa9\n"]).is_err());
    assert!(read(Dialect::default(), &[b"a,b\n\xff,1\n"]).is_err());
}

#[test]
fn cells_and_records_are_bounded() {
    let long = "x".repeat(CELL_MOST);
    assert!(lf(&format!("a,b\n{long},1\n")).is_ok());
    assert!(lf(&format!("a,b\n{long}x,1\n")).is_err());
    assert!(lf(&format!("a,b\n\"{long}x\",1\n")).is_err());
    let four = format!("a,b,c,d\n{long},{long},{long},{long}\n");
    assert!(lf(&four).is_err());
    assert!(lf(&format!("{}\n", "a,".repeat(HEADER_MOST))).is_err());
    let wide = "a,".repeat(COLUMNS_MOST + 1);
    assert!(lf(&format!("{wide}a\n")).is_err());
}

#[test]
fn an_open_quote_holds_no_more_than_a_record() {
    let mut reader = Reader::new(Dialect::default());
    let mut keep = |_: Record<'_>| Ok(());
    reader.push(b"a,b\n1,\"", &mut keep).unwrap();
    let part = [b'x'; 4096];
    let held = (0..40_000).find(|_| reader.push(&part, &mut keep).is_err());
    assert!(held.unwrap() * part.len() <= RECORD_MOST, "{held:?} parts");
    assert!(reader.raw.capacity() <= 4 * RECORD_MOST);
}

#[test]
fn wherever_a_file_is_split_it_reads_the_same() {
    let text = "Id,\"Na\"\"me\"\n1,\"x\ny, \"\"z\"\"\"\n\"\",é\u{1f600}\n3,";
    for (text, is_crlf) in [(text.to_owned(), false), (text.replace('\n', "\r\n"), true)] {
        let dialect = Dialect {
            crlf: is_crlf,
            ..Dialect::default()
        };
        let whole = read(dialect, &[text.as_bytes()]).unwrap();
        assert_eq!(whole.len(), 4);
        let bytes = text.as_bytes();
        for at in 0..=bytes.len() {
            let (left, right) = bytes.split_at(at);
            assert_eq!(read(dialect, &[left, right]).unwrap(), whole, "at {at}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(read(dialect, &single).unwrap(), whole);
    }
    for bad in [
        "a,b\n1,\"x\"y\n",
        "a,b\n1\n",
        "a,b\r\n1,2\r\n",
        "a,b\n1,\"2\n",
    ] {
        for at in 0..=bad.len() {
            let (left, right) = bad.as_bytes().split_at(at);
            assert!(
                read(Dialect::default(), &[left, right]).is_err(),
                "{bad:?} at {at}"
            );
        }
    }
}

/// A cell as a writer writes it: in quotes where it must be, and sometimes where it need not.
fn written(cell: &str, delimiter: u8, quotes: bool, out: &mut Vec<u8>) {
    let special = |byte: u8| byte == delimiter || matches!(byte, b'"' | b'\n' | b'\r');
    if quotes || cell.is_empty() || cell.bytes().any(special) {
        out.push(b'"');
        out.extend(cell.replace('"', "\"\"").bytes());
        out.push(b'"');
    } else {
        out.extend(cell.bytes());
    }
}

fn cells() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z,;|^`\t\"\n\r #N/A]{0,12}",
        "\\PC{0,8}",
        Just("#N/A".to_owned()),
        Just(String::new()),
    ]
}

#[test]
fn what_is_written_is_read() {
    let long = std::env::var_os("WRITEGATE_LONG").is_some();
    let cases = if long { 1_000_000 } else { 10_000 };
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let file = (1..5_usize).prop_flat_map(|columns| {
        let row = prop::collection::vec((cells(), any::<bool>()), columns);
        (
            prop::collection::vec(row, 1..6),
            0..DELIMITERS.len(),
            any::<(bool, bool)>(),
            prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        )
    });
    let run = TestRunner::new(config).run(&file, |(rows, delimiter, (crlf, ends), cuts)| {
        let delimiter = DELIMITERS[delimiter];
        let (mut bytes, mut intended) = (Vec::new(), Rows::new());
        for (at, row) in rows.iter().enumerate() {
            for (place, (cell, quotes)) in row.iter().enumerate() {
                if place > 0 {
                    bytes.push(delimiter);
                }
                written(cell, delimiter, *quotes, &mut bytes);
            }
            if ends || at + 1 < rows.len() {
                bytes.extend(if crlf { &b"\r\n"[..] } else { b"\n" });
            }
            intended.push(row.iter().map(|(cell, _)| cell.clone()).collect());
        }
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let (mut parts, mut from): (Vec<&[u8]>, usize) = (Vec::new(), 0);
        for cut in cuts {
            parts.push(&bytes[from..cut]);
            from = cut;
        }
        parts.push(&bytes[from..]);
        let read = read(Dialect { delimiter, crlf }, &parts);
        prop_assert_eq!(read.map_err(|fault| fault.to_string()), Ok(intended));
        Ok(())
    });
    run.unwrap_or_else(|error| panic!("{error}"));
    println!("{cases} files: what is written is read");
}
