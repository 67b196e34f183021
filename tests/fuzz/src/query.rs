//! SOQL in a query string and GraphQL in a body: what writes never passes as a read.

use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::json;
use writegate::crm::catalog::Catalog;
use writegate::crm::path::CanonicalPath;
use writegate::crm::{Class, Crm, Head};
use writegate::mutation::{ChangeSet, CrmKind};

const CRM: Crm = Crm(CrmKind::Salesforce);

/// A query that holds one of SOQL's or SOSL's writing clauses outside string literals is no read, however
/// the query string is escaped.
pub(crate) fn soql(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let path = CanonicalPath::parse("/services/data/v60.0/query").unwrap();
    let plain: String = form_urlencoded::byte_serialize(data).collect();
    let every: String = data.iter().map(|byte| format!("%{byte:02x}")).collect();
    let classes = [plain, every].map(|text| {
        let query = format!("q={text}");
        let head = Head {
            method: &Method::GET,
            path: &path,
            query: Some(&query),
            headers: &HeaderMap::new(),
            sender: writegate::crm::catalog::Sender::default(),
        };
        CRM.classify(&head)
    });
    assert_eq!(classes[0], classes[1]);
    assert!(classes[0] != Class::Read || !writes(text), "{text}");
}

fn writes(text: &str) -> bool {
    let mut outside = String::new();
    let (mut quote, mut letters) = (false, text.chars());
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if quote => {
                letters.next();
            }
            '\'' => quote = !quote,
            _ if quote => {}
            other => outside.push(other),
        }
    }
    let words: Vec<String> = outside
        .split_whitespace()
        .map(str::to_ascii_lowercase)
        .collect();
    words.windows(2).any(|pair| {
        let [first, second] = pair else { return false };
        matches!(
            (first.as_str(), second.as_str()),
            ("for", "view" | "reference") | ("update", "tracking" | "viewstat")
        )
    })
}

/// A document that has `mutation` outside selections, strings and comments is never told to change
/// nothing.
pub(crate) fn graphql(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let path = CanonicalPath::parse("/services/data/v60.0/graphql").unwrap();
    let kind = HeaderValue::from_static("application/json");
    let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, kind)]);
    let head = Head {
        method: &Method::POST,
        path: &path,
        query: None,
        headers: &headers,
        sender: writegate::crm::catalog::Sender::default(),
    };
    let Class::Write(shape) = CRM.classify(&head) else {
        panic!("a GraphQL document is looked at");
    };
    let catalog = Catalog::builtin(CrmKind::Salesforce);
    let parse = |query: &str| {
        let body = json!({ "query": query }).to_string();
        CRM.parse(&shape, &head, body.as_bytes(), &catalog)
    };
    let parsed = parse(text);
    assert_eq!(parse(&format!("# note\n{text}")), parsed);
    let changes = match parsed {
        Ok(ChangeSet::Mutations(mutations)) => mutations,
        Ok(ChangeSet::Opaque(_)) | Err(_) => return,
    };
    let announced = announces(text);
    assert!(announced || changes.is_empty(), "invented: {text}");
    let lone = text.matches("mutation").count() == 1 && !text.contains("query");
    assert!(
        !changes.is_empty() || !announced || !lone || is_void(text),
        "missed: {text}"
    );
}

/// Whether `mutation` stands outside of braces, strings and comments.
fn announces(text: &str) -> bool {
    let (mut depth, mut word, mut found) = (0_usize, String::new(), false);
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let mut next = letter.len_utf8();
        if letter.is_ascii_alphanumeric() || letter == '_' {
            word.push(letter);
            rest = &rest[next..];
            continue;
        }
        found |= depth == 0 && word == "mutation";
        word.clear();
        match letter {
            '#' => next = rest.find(['\n', '\r']).unwrap_or(rest.len()),
            '"' if rest.starts_with("\"\"\"") => next = block(rest),
            '"' => next = string(rest),
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        rest = &rest[next..];
    }
    found
}

fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn block(text: &str) -> usize {
    let mut at = 3;
    while let Some(end) = text.get(at..).and_then(|rest| rest.find("\"\"\"")) {
        let quotes = at + end;
        if !text[..quotes].ends_with('\\') {
            return quotes + 3;
        }
        at = quotes + 3;
    }
    text.len()
}

/// A mutation that leaves everything out: its directives say so.
fn is_void(text: &str) -> bool {
    text.contains("@skip") || text.contains("@include") || text.contains("__typename")
}
