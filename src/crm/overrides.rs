//! Headers and query parameters that make some server take another request than the one that is judged.
//! No CRM documents them; who sends one gives the request two readings.

use http::HeaderMap;

/// Headers, and what they name a second one of. Software that hands headers on as variables takes `_`
/// for `-`, so both spellings count.
const HEADERS: [(&str, &str); 6] = [
    ("x-http-method-override", "method"),
    ("x-http-method", "method"),
    ("x-method-override", "method"),
    ("x-original-method", "method"),
    ("x-original-url", "path"),
    ("x-rewrite-url", "path"),
];

/// Why a request has two readings by its headers, if it has; `further` are a CRM's own.
pub(super) fn by_header(headers: &HeaderMap, further: &[(&str, &str)]) -> Option<String> {
    headers.keys().find_map(|name| {
        let found = named(name.as_str(), HEADERS.iter().chain(further))?;
        Some(second("header", found))
    })
}

/// The same by its query; `known` are the CRM's. Some servers part parameters at `;` too.
pub(super) fn by_parameter(query: Option<&str>, known: &[(&str, &str)]) -> Option<String> {
    let query = query?.replace(';', "&");
    form_urlencoded::parse(query.as_bytes()).find_map(|(name, _)| {
        let found = named(name.trim(), HEADERS.iter().chain(known))?;
        Some(second("query parameter", found))
    })
}

fn named<'n>(
    name: &str,
    mut known: impl Iterator<Item = &'n (&'n str, &'n str)>,
) -> Option<(&'n str, &'n str)> {
    let fold = |byte: u8| match byte {
        b'_' => b'-',
        other => other.to_ascii_lowercase(),
    };
    known
        .find(|(known, _)| known.bytes().map(fold).eq(name.bytes().map(fold)))
        .copied()
}

fn second(kind: &str, (name, what): (&str, &str)) -> String {
    format!("the {kind} {name} names a second {what}: send the real one")
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn a_second_method_or_path_is_found_in_both_spellings() {
        for name in [
            "X-HTTP-Method-Override",
            "X_HTTP_Method_Override",
            "x-method_override",
            "x_original_url",
            "X-Rewrite-URL",
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(
                HeaderName::try_from(name).unwrap(),
                HeaderValue::from_static("x"),
            );
            assert!(by_header(&headers, &[]).is_some(), "{name}");
        }
        let mut headers = HeaderMap::new();
        headers.insert("x-custom", HeaderValue::from_static("x"));
        assert_eq!(by_header(&headers, &[]), None);
        assert!(by_header(&headers, &[("x_custom", "credential")]).is_some());
    }

    #[test]
    fn parameters_are_found_behind_semicolons_and_escapes() {
        let known = [("hapikey", "credential"), ("_method", "method")];
        for query in [
            "hapikey=x",
            "a=b;HapiKey=x",
            "_Method=x",
            "%5fmethod=x",
            "-method",
        ] {
            assert!(by_parameter(Some(query), &known).is_some(), "{query}");
        }
        for query in ["limit=1", "properties=hapikeys", ""] {
            assert_eq!(by_parameter(Some(query), &known), None, "{query}");
        }
        assert_eq!(by_parameter(None, &known), None);
    }
}
