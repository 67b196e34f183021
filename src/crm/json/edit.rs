//! Strings at fixed places of a JSON text, changed while it passes; every other byte stays as it is. A
//! text that is no JSON is left alone from where that shows: no reader finds a string at a place in it.

use std::fmt;

/// The members that lead to a string, from the root. `*` is any member, or any element of an array.
pub type Place = &'static [&'static str];

/// The longest name of a member, and the longest string, that is looked at.
const LONGEST_NAME: usize = 256;
const LONGEST_STRING: usize = 16 * 1024;

/// What becomes of a string; `None`: it stays.
pub type Change = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Changes strings on their way. Bytes come in pieces of any size.
pub struct Editor {
    places: &'static [Place],
    change: Change,
    /// The containers that lead to where we are, as far as some place leads on through them.
    open: Vec<Container>,
    at: At,
    /// What has been seen of the string we are in.
    text: Option<Text>,
}

/// A container on the way to some place.
#[derive(Clone, Copy, Debug)]
struct Container {
    is_object: bool,
    /// The places that lead here, a bit each.
    here: u32,
    /// Of these, the ones that lead on to the member or element we are at.
    on: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Before a value.
    Value,
    /// Before a member's name, or the end of an object.
    Name,
    /// Behind a member's name.
    Colon,
    /// In a number or word, or behind a value.
    Behind,
    /// In containers that no place leads through; how many.
    Elsewhere(usize),
    /// It is no JSON.
    Lost,
}

#[derive(Debug)]
struct Text {
    /// As it stands, quotes included; what nobody looks at is not kept.
    kept: Option<Vec<u8>>,
    escaped: bool,
    is_name: bool,
}

impl fmt::Debug for Editor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Editor")
            .field("places", &self.places)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

impl Editor {
    /// Changes the strings at these places, of which there may be 32.
    #[must_use]
    pub fn new(places: &'static [Place], change: Change) -> Self {
        Self {
            places,
            change,
            open: Vec::new(),
            at: At::Value,
            text: None,
        }
    }

    /// A text that is there whole.
    #[must_use]
    pub fn whole(places: &'static [Place], change: Change, text: &[u8]) -> Vec<u8> {
        let mut editor = Self::new(places, change);
        let mut out = Vec::with_capacity(text.len());
        editor.feed(text, &mut out);
        editor.finish(&mut out);
        out
    }

    /// The next piece; what can be handed on is put behind `out`.
    pub fn feed(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while let Some((first, rest)) = bytes.split_first() {
            if self.at == At::Lost {
                out.extend_from_slice(bytes);
                return;
            }
            bytes = if self.text.is_some() {
                self.in_text(bytes, out)
            } else {
                self.outside(*first, out);
                rest
            };
        }
    }

    /// The end: what was held back of a string that never ended.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if let Some(text) = self.text.take()
            && !text.is_name
        {
            out.extend(text.kept.unwrap_or_default());
        }
    }

    /// One byte outside strings.
    fn outside(&mut self, byte: u8, out: &mut Vec<u8>) {
        match byte {
            b'"' => return self.begin_text(out),
            b'{' | b'[' => self.enter(byte == b'{'),
            b'}' | b']' => self.leave(byte == b'}'),
            b',' => self.next(),
            b':' if self.at == At::Colon => self.at = At::Value,
            b' ' | b'\t' | b'\r' | b'\n' => {}
            _ => match self.at {
                At::Value | At::Behind => self.at = At::Behind,
                At::Name | At::Colon => self.at = At::Lost,
                At::Elsewhere(_) | At::Lost => {}
            },
        }
        out.push(byte);
    }

    fn begin_text(&mut self, out: &mut Vec<u8>) {
        let is_name = self.at == At::Name;
        let looked_at = match self.at {
            At::Name => self.open.last().is_some_and(|top| top.here != 0),
            At::Value => self.arrived(),
            At::Elsewhere(_) => false,
            At::Colon | At::Behind | At::Lost => {
                self.at = At::Lost;
                out.push(b'"');
                return;
            }
        };
        if is_name || !looked_at {
            out.push(b'"');
        }
        self.text = Some(Text {
            kept: looked_at.then(|| vec![b'"']),
            escaped: false,
            is_name,
        });
    }

    /// Up to the end of the string, or of the piece; what is left of the piece.
    fn in_text<'b>(&mut self, bytes: &'b [u8], out: &mut Vec<u8>) -> &'b [u8] {
        let Some(text) = &mut self.text else {
            return bytes;
        };
        let mut end = None;
        for (place, byte) in bytes.iter().enumerate() {
            match byte {
                _ if text.escaped => text.escaped = false,
                b'\\' => text.escaped = true,
                b'"' => {
                    end = Some(place + 1);
                    break;
                }
                _ => {}
            }
        }
        let (piece, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
        let (longest, held) = match text.is_name {
            true => (LONGEST_NAME, false),
            false => (LONGEST_STRING, text.kept.is_some()),
        };
        if let Some(kept) = &mut text.kept {
            kept.extend_from_slice(piece);
        }
        if !held {
            out.extend_from_slice(piece);
        }
        if text.kept.as_ref().is_some_and(|kept| kept.len() > longest) {
            let kept = text.kept.take().unwrap_or_default();
            if held {
                out.extend(kept);
            }
        }
        if end.is_some() {
            self.end_text(out);
        }
        rest
    }

    fn end_text(&mut self, out: &mut Vec<u8>) {
        let Some(text) = self.text.take() else { return };
        if text.is_name {
            self.named(text.kept.as_deref().and_then(decoded).as_deref());
            self.at = At::Colon;
            return;
        }
        if !matches!(self.at, At::Elsewhere(_)) {
            self.at = At::Behind;
        }
        let Some(kept) = text.kept else { return };
        let changed = decoded(&kept).and_then(|value| (self.change)(&value));
        match changed {
            Some(value) => out.extend(serde_json::Value::String(value).to_string().into_bytes()),
            None => out.extend(kept),
        }
    }

    /// The name of the member we are at.
    fn named(&mut self, name: Option<&str>) {
        let depth = self.open.len();
        let places = self.places;
        if let Some(top) = self.open.last_mut() {
            top.on = leads(places, top.here, depth, name);
        }
    }

    /// The places that lead to the value we are at.
    fn on(&self) -> u32 {
        match self.open.last() {
            None => u32::MAX,
            Some(top) => top.on,
        }
    }

    /// Whether a place ends at the value we are at.
    fn arrived(&self) -> bool {
        let (on, depth) = (self.on(), self.open.len());
        bits(self.places).any(|(bit, place)| on & bit != 0 && place.len() == depth)
    }

    fn enter(&mut self, is_object: bool) {
        match self.at {
            At::Elsewhere(depth) => self.at = At::Elsewhere(depth.saturating_add(1)),
            At::Value => {
                let (on, depth) = (self.on(), self.open.len());
                let here = bits(self.places)
                    .filter(|(bit, place)| on & bit != 0 && place.len() > depth)
                    .fold(0, |here, (bit, _)| here | bit);
                if here == 0 {
                    self.at = At::Elsewhere(1);
                    return;
                }
                // an element has no name that a place could spell
                let on = match is_object {
                    true => 0,
                    false => leads(self.places, here, depth + 1, None),
                };
                self.open.push(Container {
                    is_object,
                    here,
                    on,
                });
                self.at = if is_object { At::Name } else { At::Value };
            }
            At::Name | At::Colon | At::Behind | At::Lost => self.at = At::Lost,
        }
    }

    fn leave(&mut self, is_object: bool) {
        match self.at {
            At::Elsewhere(1) => self.at = At::Behind,
            At::Elsewhere(depth) => self.at = At::Elsewhere(depth.saturating_sub(1)),
            At::Value | At::Name | At::Colon | At::Behind | At::Lost => {
                let fits = self
                    .open
                    .pop()
                    .is_some_and(|top| top.is_object == is_object);
                self.at = if fits { At::Behind } else { At::Lost };
            }
        }
    }

    fn next(&mut self) {
        match (self.at, self.open.last()) {
            (At::Elsewhere(_), _) => {}
            (At::Behind, Some(top)) if top.is_object => self.at = At::Name,
            (At::Behind, Some(_)) => self.at = At::Value,
            _ => self.at = At::Lost,
        }
    }
}

fn bits(places: &'static [Place]) -> impl Iterator<Item = (u32, &'static Place)> {
    places
        .iter()
        .enumerate()
        .take(32)
        .map(|(number, place)| (1_u32 << number, place))
}

/// Of the places that lead to a container at this depth, those that lead on to its member of this name.
fn leads(places: &'static [Place], here: u32, depth: usize, name: Option<&str>) -> u32 {
    let step = depth.saturating_sub(1);
    bits(places)
        .filter(|(bit, place)| {
            here & bit != 0
                && place
                    .get(step)
                    .is_some_and(|step| *step == "*" || Some(*step) == name)
        })
        .fold(0, |on, (bit, _)| on | bit)
}

/// What a string says; `None` for one that no reader takes.
#[expect(
    clippy::disallowed_methods,
    reason = "one string of an answer, for the place it stands at; the rest is not read"
)]
fn decoded(text: &[u8]) -> Option<String> {
    serde_json::from_slice(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACES: &[Place] = &[
        &["paging", "next", "link"],
        &["links", "*"],
        &["results", "*", "paging", "next", "link"],
        &["id"],
    ];

    fn shout() -> Change {
        Box::new(|text| {
            text.strip_prefix("http")
                .map(|rest| format!("MOVED\"{rest}"))
        })
    }

    fn edited(text: &str) -> String {
        let whole = String::from_utf8(Editor::whole(PLACES, shout(), text.as_bytes())).unwrap();
        // in every way of cutting it in two, and byte by byte
        for cut in 0..=text.len() {
            let mut editor = Editor::new(PLACES, shout());
            let mut out = Vec::new();
            let (head, tail) = text.as_bytes().split_at(cut);
            editor.feed(head, &mut out);
            editor.feed(tail, &mut out);
            editor.finish(&mut out);
            assert_eq!(String::from_utf8(out).unwrap(), whole, "cut at {cut}");
        }
        let mut editor = Editor::new(PLACES, shout());
        let mut out = Vec::new();
        for byte in text.as_bytes() {
            editor.feed(&[*byte], &mut out);
        }
        editor.finish(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), whole, "byte by byte");
        whole
    }

    #[test]
    fn strings_at_their_places_change_and_no_other_byte_does() {
        assert_eq!(
            edited(
                " {\"a\" : \"http\", \"paging\":{ \"next\" : {\"after\":\"http\",\"link\": \"http://x\\/y\"}}\r\n,\
                 \"n\":1.50e3 , \"id\":\"http\"}\n"
            ),
            " {\"a\" : \"http\", \"paging\":{ \"next\" : {\"after\":\"http\",\"link\": \"MOVED\\\"://x/y\"}}\r\n,\
             \"n\":1.50e3 , \"id\":\"MOVED\\\"\"}\n"
        );
        assert_eq!(
            edited(
                "{\"links\":{\"a\":\"http1\",\"b\":[\"http2\"],\"c\":\"ftp\",\"\\u0064\":\"http3\"}}"
            ),
            "{\"links\":{\"a\":\"MOVED\\\"1\",\"b\":[\"http2\"],\"c\":\"ftp\",\"\\u0064\":\"MOVED\\\"3\"}}"
        );
        assert_eq!(
            edited(
                "{\"results\":[{\"paging\":{\"next\":{\"link\":\"http\"}}},[],{\"id\":\"http\"}],\"i\\u0064\":\"http\"}"
            ),
            "{\"results\":[{\"paging\":{\"next\":{\"link\":\"MOVED\\\"\"}}},[],{\"id\":\"http\"}],\"i\\u0064\":\"MOVED\\\"\"}"
        );
    }

    #[test]
    fn a_name_that_stands_twice_has_both_strings_changed() {
        assert_eq!(
            edited("{\"id\":\"http1\",\"id\":\"http2\"}"),
            "{\"id\":\"MOVED\\\"1\",\"id\":\"MOVED\\\"2\"}"
        );
    }

    #[test]
    fn what_only_looks_like_a_place_stays() {
        for text in [
            "\"http\"",
            "[{\"id\":\"http\"}]",
            "{\"x\":{\"id\":\"http\"}}",
            "{\"x\":\"\\\"id\\\":\\\"http\\\"\",\"ID\":\"http\"}",
            "{\"paging\":{\"next\":[{\"link\":\"http\"}]}}",
            "{\"paging\":\"http\",\"links\":\"http\"}",
            "{\"id\":{\"http\":\"http\"}}",
            "",
            "null",
        ] {
            assert_eq!(edited(text), text);
        }
        let long = format!("{{\"id\":\"http{}\"}}", "x".repeat(LONGEST_STRING));
        let same = Editor::whole(PLACES, shout(), long.as_bytes());
        assert_eq!(String::from_utf8(same).unwrap(), long);
    }

    #[test]
    fn what_is_no_json_is_left_alone_from_there() {
        for text in [
            "<html>\"id\":\"http\"",
            "{\"a\" \"b\",\"id\":\"http\"}",
            "{\"a\":1]],\"id\":\"http\"}",
            "{id:\"http\"}",
            "{\"id\":\"http",
            "{\"a\":1}}{\"id\":\"http\"}",
        ] {
            assert_eq!(edited(text), text);
        }
    }
}
