//! Whether a GraphQL document only asks: what stands at its top level (GraphQL, section 2.3). The
//! fields that it asks for are not judged one by one: it is a bulk read as a whole.

use serde_json::{Map, Value};

use crate::mutation::Opaque;

/// Refuses a request whose document is not made of queries and fragments alone.
pub(super) fn queries_only(members: &Map<String, Value>) -> Result<(), Opaque> {
    let known = ["query", "variables", "operationName"];
    let document = members.get("query").and_then(Value::as_str);
    let document = document.filter(|_| members.keys().all(|name| known.contains(&name.as_str())));
    let document = document.ok_or_else(|| {
        Opaque::unclear("a GraphQL body holds `query`, `variables` and `operationName` only")
    })?;
    match definitions(document) {
        Some(words)
            if words
                .iter()
                .all(|word| ["query", "fragment", "{"].contains(word)) =>
        {
            Ok(())
        }
        Some(_) => Err(Opaque::unclear(
            "its GraphQL document holds something else than queries; write by /crm/v3/objects",
        )),
        None => Err(Opaque::unclear("its GraphQL document has no plain reading")),
    }
}

/// The first word of each definition at the top level; `{` for a query without a name. `None`: braces
/// or strings do not close, or there is nothing.
fn definitions(document: &str) -> Option<Vec<&str>> {
    let mut words = Vec::new();
    let mut depth = 0_usize;
    // inside a definition's head, until its braces close
    let mut named = false;
    let mut rest = document.trim_start_matches('\u{feff}');
    while let Some(first) = rest.chars().next() {
        rest = match first {
            '#' => rest.split_once(['\n', '\r']).map_or("", |(_, rest)| rest),
            '"' => after_string(rest)?,
            '{' | '(' | '[' => {
                if depth == 0 && !named {
                    words.push("{");
                    named = true;
                }
                depth += 1;
                rest.get(1..)?
            }
            '}' | ')' | ']' => {
                depth = depth.checked_sub(1)?;
                named = named && !(depth == 0 && first == '}');
                rest.get(1..)?
            }
            letter if letter.is_ascii_alphabetic() || letter == '_' => {
                let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
                let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
                if depth == 0 && !named {
                    words.push(word);
                    named = true;
                }
                after
            }
            other => rest.get(other.len_utf8()..)?,
        };
    }
    (depth == 0 && !named && !words.is_empty()).then_some(words)
}

/// What follows a string or block string.
fn after_string(text: &str) -> Option<&str> {
    if let Some(block) = text.strip_prefix("\"\"\"") {
        let mut rest = block;
        loop {
            let (before, after) = rest.split_once("\"\"\"")?;
            if !before.ends_with('\\') {
                return Some(after);
            }
            rest = after;
        }
    }
    let mut escaped = false;
    let body = text.get(1..)?;
    let end = body.char_indices().find(|(_, letter)| {
        let ends = *letter == '"' && !escaped;
        escaped = *letter == '\\' && !escaped;
        ends
    })?;
    body.get(end.0 + 1..)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asks(document: &str) -> bool {
        let body = json!({ "query": document });
        queries_only(body.as_object().unwrap()).is_ok()
    }

    #[test]
    fn queries_and_fragments_only_ask() {
        for document in [
            "{ CRM { contact(uniqueIdentifier: \"id\", uniqueIdentifierValue: \"1\") { email } } }",
            "query Q($a: String = \"}\") { CRM { a } } fragment F on X { mutation }",
            "# mutation {\nquery { a(b: \"\"\"x \\\"\"\" } mutation\"\"\") { c } }",
            "query A { a } query B { b }",
        ] {
            assert!(asks(document), "{document}");
        }
    }

    #[test]
    fn anything_else_is_not_one_of_them() {
        for document in [
            "mutation { a }",
            "query { a } mutation M { b }",
            "# x\rmutation { a }",
            "query { a } # }\n mutation { b }",
            "query { a(b: \"\\\"\") } mutation { c }",
            "subscription { a }",
            "query { a",
            "query { a } }",
            "query { a(b: \"x) }",
            "",
            "query",
        ] {
            assert!(!asks(document), "{document}");
        }
        let more = json!({ "query": "{ a }", "extensions": {} });
        assert!(queries_only(more.as_object().unwrap()).is_err());
        assert!(queries_only(&Map::new()).is_err());
    }
}
