//! Strict XML: what has two readings is refused. No DTD, no entities beyond the five of XML itself, bounded.

use roxmltree::{Document, Node, ParsingOptions};

use super::Malformed;

/// Elements inside each other; SOAP's deepest documented body has nine.
const MAX_DEPTH: usize = 32;
/// Nodes of a body: a batch of 10,000 rows with 60 fields, element, text and white space each.
const MAX_NODES: u32 = 2_000_000;
/// What the XML declaration may name; the bytes are read as UTF-8 whatever it says.
const ENCODINGS: [&str; 2] = ["utf-8", "us-ascii"];

/// Parses a body that has exactly one reading (XML 1.0, fifth edition, and Namespaces in XML 1.0).
///
/// Refused: an empty body, a byte order mark, anything but UTF-8 or a declaration that names something
/// else, a DTD, unknown entities, processing instructions, comments inside an element that holds text
/// (some readers stop there), more than 32 levels, more than 2,000,000 nodes.
///
/// # Errors
/// [`Malformed`] says what and where; never a value.
pub fn parse(body: &[u8]) -> Result<Document<'_>, Malformed> {
    let text = text(body)?;
    let options = ParsingOptions {
        allow_dtd: false,
        nodes_limit: MAX_NODES,
        ..ParsingOptions::default()
    };
    let document = Document::parse_with_options(text, options).map_err(|error| fault(&error))?;
    check(&document)?;
    Ok(document)
}

/// What the parser found; its own words repeat what stands there, which may be a password.
fn fault(error: &roxmltree::Error) -> Malformed {
    let what = if matches!(error, roxmltree::Error::DtdDetected) {
        "it has a DTD"
    } else if matches!(error, roxmltree::Error::NodesLimitReached) {
        "it has too many nodes"
    } else if matches!(error, roxmltree::Error::UnknownEntityReference(..)) {
        "an entity is not one of the five of XML"
    } else {
        "it is not well-formed"
    };
    let at = error.pos();
    malformed(&format!("line {}, column {}: {what}", at.row, at.col))
}

fn text(body: &[u8]) -> Result<&str, Malformed> {
    let text = std::str::from_utf8(body).map_err(|error| {
        malformed(&format!(
            "it is not UTF-8 from byte {} on",
            error.valid_up_to()
        ))
    })?;
    if text.starts_with('\u{feff}') {
        return Err(malformed(
            "it begins with a byte order mark; send plain UTF-8",
        ));
    }
    let declared = declared_encoding(text);
    match declared {
        Some(name)
            if !ENCODINGS
                .iter()
                .any(|known| known.eq_ignore_ascii_case(name)) =>
        {
            Err(malformed(
                "its declaration names another encoding than UTF-8",
            ))
        }
        Some(_) | None => Ok(text),
    }
}

/// The encoding that `<?xml version="1.0" encoding="…"?>` names.
fn declared_encoding(text: &str) -> Option<&str> {
    let declaration = text.strip_prefix("<?xml")?.split_once("?>")?.0;
    let (_, value) = declaration.split_once("encoding")?;
    let value = value.trim_start().strip_prefix('=')?.trim_start();
    let quote = value
        .chars()
        .next()
        .filter(|quote| matches!(quote, '"' | '\''))?;
    Some(
        value
            .strip_prefix(quote)?
            .split_once(quote)
            .map_or("", |(name, _)| name),
    )
}

fn check(document: &Document<'_>) -> Result<(), Malformed> {
    let mut depth = 0usize;
    let mut at = document.root();
    loop {
        if at.is_pi() {
            return Err(here(document, at, "a processing instruction stands there"));
        }
        if at.is_comment() && at.parent().is_some_and(holds_text) {
            return Err(here(document, at, "a comment stands inside a value"));
        }
        if let Some(child) = at.first_child() {
            depth += 1;
            if depth > MAX_DEPTH {
                let what = format!("it is nested deeper than {MAX_DEPTH} levels");
                return Err(here(document, at, &what));
            }
            at = child;
            continue;
        }
        at = loop {
            if let Some(next) = at.next_sibling() {
                break next;
            }
            depth = depth.saturating_sub(1);
            match at.parent() {
                Some(parent) => at = parent,
                None => return Ok(()),
            }
        };
    }
}

fn holds_text(node: Node<'_, '_>) -> bool {
    node.is_element()
        && node.children().any(|child| {
            child
                .text()
                .is_some_and(|text| child.is_text() && !is_blank(text))
        })
}

fn is_blank(text: &str) -> bool {
    text.bytes()
        .all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
}

/// The elements in `node`, in their order.
///
/// # Errors
/// [`Malformed`] when text stands between them.
pub fn elements<'a, 'input>(node: Node<'a, 'input>) -> Result<Vec<Node<'a, 'input>>, Malformed> {
    if let Some(stray) = node
        .children()
        .find(|child| child.is_text() && child.text().is_some_and(|text| !is_blank(text)))
    {
        return Err(here(node.document(), stray, "text stands between elements"));
    }
    Ok(node.children().filter(Node::is_element).collect())
}

/// The text of an element that holds nothing else; `""` for an empty one.
///
/// # Errors
/// [`Malformed`] when an element stands in it.
pub fn value<'a>(node: Node<'a, '_>) -> Result<&'a str, Malformed> {
    let mut children = node.children().filter(|child| !child.is_comment());
    match (children.next(), children.next()) {
        (None, _) => Ok(""),
        (Some(text), None) if text.is_text() => Ok(text.text().unwrap_or_default()),
        (Some(_), _) => Err(here(
            node.document(),
            node,
            "an element stands where a value is meant",
        )),
    }
}

/// A refusal that names the place of a node.
pub fn here(document: &Document<'_>, node: Node<'_, '_>, what: &str) -> Malformed {
    let at = document.text_pos_at(node.range().start);
    malformed(&format!("line {}, column {}: {what}", at.row, at.col))
}

fn malformed(what: &str) -> Malformed {
    Malformed(format!("the XML body is refused: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &[u8]) -> String {
        parse(body).unwrap_err().to_string()
    }

    #[test]
    fn one_reading_passes() {
        let body = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- a note --><a xmlns:x=\"urn:x\">\n <x:b>1 &lt; 2</x:b><c/><d><![CDATA[<raw>]]> and more</d></a>";
        let document = parse(body).unwrap();
        let inside = elements(document.root_element()).unwrap();
        let values: Vec<_> = inside.iter().map(|node| value(*node).unwrap()).collect();
        assert_eq!(values, ["1 < 2", "", "<raw> and more"]);
        assert_eq!(inside[0].tag_name().namespace(), Some("urn:x"));
    }

    #[test]
    fn what_has_two_readings_or_none_is_refused() {
        for body in [
            &b""[..],
            b"\xEF\xBB\xBF<a/>",
            b"\xFF\xFE<\0a\0/\0>\0",
            b"<?xml version=\"1.0\" encoding=\"UTF-16\"?><a/>",
            b"<?xml version=\"1.0\" encoding='iso-8859-1'?><a/>",
            b"<!DOCTYPE a [<!ENTITY e \"x\">]><a>&e;</a>",
            b"<!DOCTYPE a><a/>",
            b"<a>&unknown;</a>",
            b"<a/><b/>",
            b"<a><b></a>",
            b"<a x='1' x='2'/>",
            b"<p:a/>",
            b"<a>\xC3</a>",
            b"<?pi x?><a/>",
            b"<a><?pi x?></a>",
            b"<a>one<!-- -->two</a>",
        ] {
            let shown = String::from_utf8_lossy(body).into_owned();
            assert!(
                refused(body).starts_with("the XML body is refused: "),
                "{shown}"
            );
        }
    }

    #[test]
    fn what_stands_there_is_not_repeated() {
        for body in [
            "<a>&Secret;</a>",
            "<Secret></b>",
            "<a Secret='1' Secret='2'/>",
            "<Secret:a/>",
        ] {
            let told = refused(body.as_bytes());
            assert!(!told.contains("Secret"), "{told}");
            assert!(told.contains("line 1"), "{told}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let deep = |levels: usize| format!("{}{}", "<a>".repeat(levels), "</a>".repeat(levels));
        assert!(parse(deep(MAX_DEPTH).as_bytes()).is_ok());
        assert!(refused(deep(MAX_DEPTH + 2).as_bytes()).contains("nested deeper"));
        assert!(refused(deep(100_000).as_bytes()).contains("refused"));
    }

    #[test]
    fn text_beside_elements_is_refused() {
        let document = parse(b"<a>x<b/></a>").unwrap();
        let root = document.root_element();
        assert!(
            elements(root)
                .unwrap_err()
                .to_string()
                .contains("line 1, column 4")
        );
        assert!(value(root).is_err());
    }
}
