//! Bounds that hold before a text is parsed: the parser compares each attribute with those before it,
//! and copies the namespaces around an element that declares one, so few may be in reach.

use super::{Malformed, malformed};

/// Elements inside each other; SOAP's deepest documented body has nine.
pub(super) const MAX_DEPTH: usize = 32;
/// Attributes of an element and of all around it; a message that a SOAP library writes has about ten.
pub(super) const MAX_ATTRIBUTES: usize = 32;

/// Reads tags, comments and CDATA sections in one pass. What it cannot read the parser could not either.
///
/// # Errors
/// [`Malformed`] says which bound is passed, and in which line.
pub(super) fn check(text: &str) -> Result<(), Malformed> {
    let refuse = |rest: &str, what: &str| {
        let before = text.len().checked_sub(rest.len());
        let before = before.and_then(|end| text.get(..end)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        Err(malformed(&format!("line {line}: {what}")))
    };
    // attributes in reach, for each element that is open
    let mut open: Vec<usize> = Vec::new();
    let mut rest = match text.strip_prefix("<?xml ").map(tag) {
        None => text,
        Some(Some(declaration)) => declaration.rest,
        Some(None) => return refuse(text, "it is not well-formed"),
    };
    while let Some((_, markup)) = rest.split_once('<') {
        let skipped = if let Some(comment) = markup.strip_prefix("!--") {
            comment.split_once("-->")
        } else if let Some(section) = markup.strip_prefix("![CDATA[") {
            section.split_once("]]>")
        } else if let Some(closed) = markup.strip_prefix('/') {
            open.pop();
            closed.split_once('>')
        } else if markup.starts_with('!') {
            return refuse(markup, "it has a DTD, or a declaration of one");
        } else if markup.starts_with('?') {
            return refuse(markup, "a processing instruction stands there");
        } else {
            let Some(tag) = tag(markup) else {
                return refuse(markup, "it is not well-formed");
            };
            if open.len() >= MAX_DEPTH {
                let what = format!("it is nested deeper than {MAX_DEPTH} levels");
                return refuse(markup, &what);
            }
            let attributes = open.last().copied().unwrap_or_default() + tag.attributes;
            if attributes > MAX_ATTRIBUTES {
                let what = format!(
                    "an element and those around it have more than {MAX_ATTRIBUTES} attributes"
                );
                return refuse(markup, &what);
            }
            if !tag.is_empty {
                open.push(attributes);
            }
            Some(("", tag.rest))
        };
        match skipped {
            Some((_, after)) => rest = after,
            None => return refuse(markup, "it is not well-formed"),
        }
    }
    Ok(())
}

/// A tag that opens an element.
struct Tag<'a> {
    attributes: usize,
    is_empty: bool,
    rest: &'a str,
}

/// Reads on to the end of a tag; a value may hold `>`, and never `<`.
fn tag(markup: &str) -> Option<Tag<'_>> {
    let (mut attributes, mut quote, mut before) = (0, None, b' ');
    for (at, byte) in markup.bytes().enumerate() {
        match (quote, byte) {
            (_, b'<') => return None,
            (None, b'"' | b'\'') => {
                quote = Some(byte);
                attributes += 1;
            }
            (None, b'>') => {
                return Some(Tag {
                    attributes,
                    is_empty: before == b'/',
                    rest: markup.get(at + 1..)?,
                });
            }
            (Some(open), byte) if open == byte => quote = None,
            (Some(_) | None, _) => {}
        }
        before = byte;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::{parse, value};
    use super::*;

    fn refused(text: &str) -> String {
        check(text).unwrap_err().to_string()
    }

    fn attributes(count: usize) -> String {
        (0..count).map(|place| format!(" a{place}='>'")).collect()
    }

    #[test]
    fn attributes_are_bounded_on_a_tag_and_along_a_path() {
        let (all, half) = (attributes(MAX_ATTRIBUTES), attributes(MAX_ATTRIBUTES / 2));
        for text in [
            format!("<a{all}/>"),
            format!("<a{half}><b{half}/><b{half}></b><b{half}/></a>"),
            // neither a comment nor a section is an element
            format!("<a{all}><!-- <b c='1'> --></a>"),
            format!("<a{all}><![CDATA[<b c='1'>]]></a>"),
        ] {
            assert!(parse(text.as_bytes()).is_ok(), "{text}");
        }
        for text in [
            format!("<a{all} b='1'/>"),
            format!("\n<a{half}><b{half}><c d='1'/></b></a>"),
            format!("<a><!-- --><b{all} c='1'/></a>"),
            format!("<a>]]><b{all} c='1'/></a>"),
        ] {
            assert!(refused(&text).contains("attributes"), "{text}");
        }
        // the parser would compare each with all before it
        let hostile = format!("<a{}/>", attributes(500_000));
        assert!(refused(&hostile).contains("line 1: an element and those"));
        // and copy what is declared around an element for each one in it
        let declared: String = (0..MAX_ATTRIBUTES)
            .map(|place| format!(" xmlns:n{place}='urn:{place}'"))
            .collect();
        let hostile = format!("<a{declared}>{}</a>", "<b xmlns='urn:x'/>".repeat(100_000));
        assert!(refused(&hostile).contains("attributes"));
    }

    #[test]
    fn where_a_reader_could_lose_its_place_nothing_is_taken() {
        for text in [
            "<?xml version='1.0?><a/>",
            "<?xml version='?><!--'?><a/><!-- -->",
            "<?pi '?><a/>'?><a/>",
            "<?xml\tversion='1.0'?><a/>",
            "<!DOCTYPE a><a/>",
            "<a b='<'/>",
            "<a b='1",
            "<a><!-- </a>",
            "<a><![CDATA[</a>",
            "<a></a",
        ] {
            assert!(check(text).is_err(), "{text}");
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn many_elements_and_comments_are_read_in_one_pass() {
        let text = format!("<a>\n{}\n</a>", "<!-- --><b/>".repeat(150_000));
        let document = parse(text.as_bytes()).unwrap();
        let inside = super::super::elements(document.root_element()).unwrap();
        assert_eq!(inside.len(), 150_000);
        assert_eq!(value(inside[149_999]).unwrap(), "");
    }
}
