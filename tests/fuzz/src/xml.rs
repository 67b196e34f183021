//! Strict XML: what is taken has the elements and texts that a plain reading finds, and the same reading
//! once written anew.

use roxmltree::{Document, Node};
use writegate::crm::xml;

#[derive(Clone, Debug, PartialEq)]
enum Event {
    Open(String),
    Text(String),
    Close,
}

pub(crate) fn target(data: &[u8]) {
    let Ok(document) = xml::parse(data) else {
        return;
    };
    let mut events = Vec::new();
    told(document.root(), &mut events);
    let text = std::str::from_utf8(data).unwrap();
    assert_eq!(reference(text), events);
    let again = written(&document);
    let again = xml::parse(again.as_bytes()).unwrap();
    let mut same = Vec::new();
    told(again.root(), &mut same);
    assert_eq!(same, events);
}

fn push_text(text: &str, events: &mut Vec<Event>) {
    match events.last_mut() {
        _ if text.is_empty() => {}
        Some(Event::Text(before)) => before.push_str(text),
        _ => events.push(Event::Text(text.to_owned())),
    }
}

fn told(node: Node<'_, '_>, events: &mut Vec<Event>) {
    for child in node.children() {
        if child.is_element() {
            events.push(Event::Open(child.tag_name().name().to_owned()));
            told(child, events);
            events.push(Event::Close);
        } else if child.is_text() && node.is_element() {
            push_text(child.text().unwrap(), events);
        }
    }
}

/// Elements and texts alone, in the plainest form.
fn written(document: &Document<'_>) -> String {
    let mut events = Vec::new();
    told(document.root(), &mut events);
    let (mut out, mut open) = (String::new(), Vec::new());
    for event in events {
        match event {
            Event::Open(name) => {
                out.push_str(&format!("<{name}>"));
                open.push(name);
            }
            Event::Close => out.push_str(&format!("</{}>", open.pop().unwrap())),
            Event::Text(text) => {
                for letter in text.chars() {
                    out.push_str(&format!("&#{};", u32::from(letter)));
                }
            }
        }
    }
    out
}

/// A plain reading of a well-formed document without a DTD.
fn reference(text: &str) -> Vec<Event> {
    let (mut events, mut depth, mut rest) = (Vec::new(), 0_usize, text);
    while !rest.is_empty() {
        let skip = |end: &str| rest.find(end).unwrap() + end.len();
        if let Some(cdata) = rest.strip_prefix("<![CDATA[") {
            let end = cdata.find("]]>").unwrap();
            push_text(&lines(&cdata[..end]), &mut events);
            rest = &cdata[end + 3..];
        } else if rest.starts_with("<!--") {
            rest = &rest[4..];
            rest = &rest[rest.find("-->").unwrap() + 3..];
        } else if rest.starts_with("<?") {
            rest = &rest[skip("?>")..];
        } else if rest.starts_with("</") {
            events.push(Event::Close);
            depth -= 1;
            rest = &rest[skip(">")..];
        } else if let Some(tag) = rest.strip_prefix('<') {
            let end = tag_end(tag);
            let name = tag.split([' ', '\t', '\r', '\n', '/', '>']).next().unwrap();
            let local = name.rsplit(':').next().unwrap();
            events.push(Event::Open(local.to_owned()));
            match tag[..end].ends_with('/') {
                true => events.push(Event::Close),
                false => depth += 1,
            }
            rest = &tag[end + 1..];
        } else {
            let end = rest.find('<').unwrap_or(rest.len());
            if depth > 0 {
                push_text(&resolved(&lines(&rest[..end])), &mut events);
            }
            rest = &rest[end..];
        }
    }
    events
}

fn tag_end(tag: &str) -> usize {
    let mut quote = None;
    for (at, letter) in tag.char_indices() {
        match (quote, letter) {
            (None, '>') => return at,
            (None, '"' | '\'') => quote = Some(letter),
            (Some(open), letter) if open == letter => quote = None,
            _ => {}
        }
    }
    panic!("a tag without an end");
}

fn lines(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

fn resolved(text: &str) -> String {
    let mut parts = text.split('&');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, after) = part.split_once(';').unwrap();
        let letter = match name {
            "lt" => '<',
            "gt" => '>',
            "amp" => '&',
            "apos" => '\'',
            "quot" => '"',
            other => {
                let number = match other.strip_prefix("#x") {
                    Some(hex) => u32::from_str_radix(hex, 16).unwrap(),
                    None => other.strip_prefix('#').unwrap().parse().unwrap(),
                };
                char::from_u32(number).unwrap()
            }
        };
        out.push(letter);
        out.push_str(after);
    }
    out
}
