//! CSV: a file reads the same however it is split, as another reader reads it, and nothing of it is
//! left out.

use writegate::crm::salesforce::bulk::csv::{Dialect, Fault, Reader, Record};

const DELIMITERS: [u8; 6] = *b",;\t|^`";

type Rows = Vec<Vec<String>>;

/// The first byte chooses the dialect and where the file is split.
pub(crate) fn target(data: &[u8]) {
    let Some((choice, text)) = data.split_first() else {
        return;
    };
    let choice = usize::from(*choice);
    let dialect = Dialect {
        delimiter: DELIMITERS[choice % DELIMITERS.len()],
        crlf: choice & 64 != 0,
    };
    let whole = read(dialect, &[text]);
    let (start, end) = text.split_at(choice % (text.len() + 1));
    assert_eq!(read(dialect, &[start, end]), whole);
    let single: Vec<&[u8]> = text.chunks(1).collect();
    assert_eq!(read(dialect, &single), whole);
    if let Ok((rows, raw)) = whole {
        assert_eq!(raw, text);
        assert_eq!(rows, reference(dialect, text));
    }
}

fn read(dialect: Dialect, parts: &[&[u8]]) -> Result<(Rows, Vec<u8>), Fault> {
    let (mut rows, mut raw) = (Vec::new(), Vec::new());
    let mut keep = |record: Record<'_>| {
        rows.push(record.cells().map(str::to_owned).collect());
        raw.extend_from_slice(record.raw);
        Ok(())
    };
    let mut reader = Reader::new(dialect);
    for part in parts {
        reader.push(part, &mut keep)?;
    }
    reader.finish(&mut keep)?;
    Ok((rows, raw))
}

/// A plain reading of RFC 4180 that refuses nothing.
fn reference(dialect: Dialect, text: &[u8]) -> Rows {
    let (mut rows, mut row, mut cell) = (Rows::new(), Vec::new(), Vec::new());
    let take = |cell: &mut Vec<u8>| String::from_utf8(std::mem::take(cell)).unwrap();
    let mut rest = text.iter().copied().peekable();
    let (mut quoted, mut fresh) = (false, true);
    while let Some(byte) = rest.next() {
        match byte {
            b'"' if quoted && rest.peek() == Some(&b'"') => {
                rest.next();
                cell.push(b'"');
            }
            b'"' => quoted = !quoted,
            other if quoted => cell.push(other),
            b'\r' if dialect.crlf => continue,
            b'\n' => {
                row.push(take(&mut cell));
                rows.push(std::mem::take(&mut row));
                fresh = true;
                continue;
            }
            other if other == dialect.delimiter => row.push(take(&mut cell)),
            other => cell.push(other),
        }
        fresh = false;
    }
    if !fresh {
        row.push(take(&mut cell));
        rows.push(row);
    }
    rows
}
