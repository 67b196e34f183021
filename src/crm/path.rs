//! A request path in the one form that is judged and sent (RFC 3986, section 3.3).
//!
//! Split on raw `/` first, then decode each segment exactly once, so that an encoded slash stays
//! data. What servers are known to read in two ways (dot segments, parameters, backslashes, escapes
//! of escapes) is refused. What is left is written back in one way, so that the CRM gets the reading
//! that was judged.

use super::Malformed;

/// No fixed word of either CRM's paths is longer.
const LONGEST_WORD: usize = 48;

/// A path whose segments are decoded once and that is written back in one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanonicalPath {
    segments: Vec<String>,
    text: String,
    trailing_slash: bool,
}

impl CanonicalPath {
    /// Reads the raw path of a request target (without query). A doubled slash at the start counts as
    /// one (the sf CLI sends it), one slash at the end is remembered and dropped.
    ///
    /// # Errors
    /// [`Malformed`] when the path has more than one reading; it says which part.
    pub fn parse(raw: &str) -> Result<Self, Malformed> {
        let Some(rest) = raw.strip_prefix('/') else {
            return Err(Malformed("the path does not begin with a slash".into()));
        };
        let rest = rest.strip_prefix('/').unwrap_or(rest);
        let (rest, trailing_slash) = match rest.strip_suffix('/') {
            Some(rest) => (rest, true),
            None => (rest, false),
        };
        if rest.is_empty() && !trailing_slash {
            return Ok(Self::of(Vec::new(), false));
        }
        let segments = rest
            .split('/')
            .enumerate()
            .map(|(place, segment)| {
                decode(segment)
                    .map_err(|what| Malformed(format!("segment {} of the path {what}", place + 1)))
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self::of(segments, trailing_slash))
    }

    fn of(segments: Vec<String>, trailing_slash: bool) -> Self {
        let mut text = String::new();
        for segment in &segments {
            text.push('/');
            encode(segment, &mut text);
        }
        if text.is_empty() {
            text.push('/');
        }
        Self {
            segments,
            text,
            trailing_slash,
        }
    }

    /// The same path without a first segment that ends in `.salesforce.com`: how simple-salesforce's
    /// login flows reach a proxy (`domain='host:port/x'`). Salesforce routes only.
    #[must_use]
    pub fn without_login_host(self) -> Self {
        match self.segments.split_first() {
            Some((first, rest)) if first.ends_with(".salesforce.com") => {
                Self::of(rest.to_vec(), self.trailing_slash)
            }
            _ => self,
        }
    }

    /// The decoded segments, without the empty ones at the ends.
    #[must_use]
    pub fn segments(&self) -> &[String] {
        &self.segments
    }

    /// The canonical text, without a trailing slash; `/` for the root.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The path as it may be shown to anybody: words and versions stay, and what can be a value or a
    /// secret is `*`. Below `oauth` all but the version and the first word is a secret; below `sobjects`
    /// all but the object's name names a record.
    #[must_use]
    pub fn outline(&self) -> String {
        let mut text = String::new();
        let mut words_left = usize::MAX;
        for segment in &self.segments {
            text.push('/');
            let version = is_version(segment);
            if version || (words_left > 0 && is_word(segment)) {
                text.push_str(segment);
            } else {
                text.push('*');
            }
            if !version {
                words_left = match segment.as_str() {
                    "sobjects" => words_left.min(1),
                    word if opens(word) => words_left.min(1),
                    _ => words_left.saturating_sub(1),
                };
            }
        }
        if text.is_empty() {
            text.push('/');
        }
        text
    }

    /// Whether a secret can stand in the path, as below `oauth`: a key that starts a workflow, a link
    /// that opens a file.
    #[must_use]
    pub fn may_hold_secret(&self) -> bool {
        self.segments.iter().any(|segment| opens(segment))
    }

    /// Whether the request's path ended in a slash; reads are sent as they came in this.
    #[must_use]
    pub fn trailing_slash(&self) -> bool {
        self.trailing_slash
    }
}

/// Whether what follows this word in a path can be all that somebody needs.
fn opens(word: &str) -> bool {
    [
        "oauth",
        "oauth2",
        "webhook-triggers",
        "channel-account-staging-tokens",
        "signed-url-redirect",
        "sfc",
        "servlet",
    ]
    .contains(&word)
}

/// The names of a query's parameters, for a request whose values may be secrets; what is not written
/// like a name is `*`.
#[must_use]
pub fn query_names(query: &str) -> String {
    let name = |pair: &str| match pair.split_once('=') {
        Some((name, _)) if is_word(name) => name.to_owned(),
        _ => "*".to_owned(),
    };
    let pairs = query.split(['&', ';']).filter(|pair| !pair.is_empty());
    pairs.map(name).collect::<Vec<_>>().join("&")
}

/// What stands in a path or query as a fixed word and not as a value: letters, `_` and `-`.
fn is_word(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || byte == b'-';
    text == "oauth2" || (text.len() <= LONGEST_WORD && text.bytes().all(plain))
}

/// `v3`, `v60.0`, `2026-03`, `2026-09-beta`.
fn is_version(text: &str) -> bool {
    let digits = |text: &str, most: usize| {
        (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let dated = |text: &str| {
        text.strip_suffix("-beta")
            .unwrap_or(text)
            .split_once('-')
            .is_some_and(|(year, month)| {
                year.len() == 4 && digits(year, 4) && month.len() == 2 && digits(month, 2)
            })
    };
    let numbered = |text: &str| match text.strip_prefix('v') {
        Some(number) => {
            let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
            digits(whole, 3) && digits(part, 1)
        }
        None => false,
    };
    numbered(text) || dated(text)
}

/// Decodes one raw segment once; the error continues `segment N of the path …`.
fn decode(raw: &str) -> Result<String, &'static str> {
    if raw.is_empty() {
        return Err("is empty: use single slashes");
    }
    let mut bytes = raw.bytes();
    let mut decoded = Vec::with_capacity(raw.len());
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => decoded.push(escape(&mut bytes)?),
            b';' => return Err("has a `;` parameter: leave it out, or write %3B where it is data"),
            b'\\' => return Err("holds a backslash"),
            _ if stands_raw(byte) => decoded.push(byte),
            _ => return Err("holds a character that must be percent-encoded"),
        }
    }
    let Ok(text) = String::from_utf8(decoded) else {
        return Err("is not UTF-8 once decoded");
    };
    one_reading(&text)?;
    Ok(text)
}

/// The byte that the two digits after a `%` stand for.
fn escape(rest: &mut impl Iterator<Item = u8>) -> Result<u8, &'static str> {
    let mut digit = || {
        rest.next()
            .and_then(|byte| char::from(byte).to_digit(16))
            .and_then(|digit| u8::try_from(digit).ok())
            .ok_or("has a `%` that two hexadecimal digits do not follow")
    };
    Ok(digit()? * 16 + digit()?)
}

/// Refuses decoded text that some server reads as another path.
fn one_reading(text: &str) -> Result<(), &'static str> {
    if text.chars().any(char::is_control) {
        return Err("holds a control character");
    }
    if text.contains('\\') {
        return Err("holds an encoded backslash");
    }
    if text.split('/').any(is_dots) {
        return Err("is a dot segment");
    }
    if has_escape(text) {
        return Err("is percent-encoded twice");
    }
    Ok(())
}

/// `.` and `..`, also with the parameters that some servers cut off first (`..;x`).
fn is_dots(part: &str) -> bool {
    let name = part.split(';').next().unwrap_or(part).trim_matches(' ');
    name == "." || name == ".."
}

/// Whether decoded text still holds a percent escape, plain or `%u`.
fn has_escape(text: &str) -> bool {
    text.split('%').skip(1).any(|after| {
        let (digits, wanted) = match after.strip_prefix(['u', 'U']) {
            Some(wide) => (wide, 4),
            None => (after, 2),
        };
        digits
            .bytes()
            .take(wanted)
            .filter(u8::is_ascii_hexdigit)
            .count()
            == wanted
    })
}

/// RFC 3986 `pchar` without `%` and `;`.
fn stands_raw(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@".contains(&byte)
}

/// Writes a segment back: `pchar` raw, all else as upper-case `%XX`. `+` is written `%2B` and `;`
/// `%3B`: servers that read them as a space or a parameter then read what we read.
pub(super) fn encode(segment: &str, out: &mut String) {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
    ];
    for byte in segment.bytes() {
        if stands_raw(byte) && byte != b'+' {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for digit in [byte >> 4, byte & 0xF] {
                out.extend(DIGITS.get(usize::from(digit)));
            }
        }
    }
}

#[cfg(test)]
mod tests;
