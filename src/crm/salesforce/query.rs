//! The query string of a Salesforce request, and what can hide in it: a method override, and SOQL
//! clauses that write usage data.

/// The decoded parameters in their order.
#[derive(Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Decodes the raw query once (`application/x-www-form-urlencoded`: `+` is a space).
    ///
    /// # Errors
    /// A text for people when an escape is malformed or the result is not UTF-8.
    pub(super) fn parse(raw: Option<&str>) -> Result<Self, String> {
        raw.unwrap_or_default()
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                Ok((decode(name)?, decode(value)?))
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// All parameters.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether `_HttpMethod` is named, in any case, also behind a `;` (which some servers take for
    /// `&`): `None` when not, else its only value, else an error.
    pub(super) fn method_override(&self) -> Result<Option<&str>, &'static str> {
        let mut found = None;
        for (name, value) in self.iter() {
            let hidden = name
                .split(';')
                .chain(value.split(';').skip(1))
                .any(|part| is_override(part.split('=').next().unwrap_or(part)));
            match (hidden, name, found) {
                (false, _, _) => {}
                (true, "_HttpMethod", None) => found = Some(value),
                (true, "_HttpMethod", Some(_)) => return Err("`_HttpMethod` is given twice"),
                (true, _, _) => return Err("`_HttpMethod` is not written in the documented way"),
            }
        }
        Ok(found)
    }

    /// Whether a parameter holds a SOQL or SOSL clause that writes usage data: `FOR VIEW`,
    /// `FOR REFERENCE`, `UPDATE TRACKING`, `UPDATE VIEWSTAT` (SOQL and SOSL Reference). Looks at
    /// words only, inside string literals too: doubt counts as yes.
    pub(super) fn writes_usage_data(&self) -> bool {
        self.iter().any(|(name, value)| {
            names_usage(name) && !value.eq_ignore_ascii_case("false") || has_usage_clause(value)
        })
    }
}

fn is_override(name: &str) -> bool {
    name.trim().eq_ignore_ascii_case("_HttpMethod")
}

/// The parameters of a parameterized search that do the same.
fn names_usage(name: &str) -> bool {
    ["updateTracking", "updateViewStat"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(name.trim()))
}

/// Whether a query or search has such a clause.
pub(super) fn has_usage_clause(text: &str) -> bool {
    let mut before = "";
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .any(|word| {
            let is =
                |a: &str, b: &str| before.eq_ignore_ascii_case(a) && word.eq_ignore_ascii_case(b);
            let writes = is("for", "view")
                || is("for", "reference")
                || is("update", "tracking")
                || is("update", "viewstat");
            before = word;
            writes
        })
}

fn decode(raw: &str) -> Result<String, String> {
    let mut bytes = raw.bytes();
    let mut decoded = Vec::with_capacity(raw.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || {
                    bytes
                        .next()
                        .and_then(|byte| char::from(byte).to_digit(16))
                        .and_then(|digit| u8::try_from(digit).ok())
                        .ok_or("the query has a `%` that two hexadecimal digits do not follow")
                };
                digit()? * 16 + digit()?
            }
            other => other,
        });
    }
    String::from_utf8(decoded).map_err(|error| {
        format!(
            "the query is not UTF-8 once decoded (byte {} of a parameter)",
            error.utf8_error().valid_up_to()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(raw: &str) -> Query {
        Query::parse(Some(raw)).unwrap()
    }

    #[test]
    fn parameters_are_decoded_once() {
        let query = parse("q=SELECT+Id&x=%2541&y&&z=a=b");
        assert_eq!(
            query.iter().collect::<Vec<_>>(),
            [("q", "SELECT Id"), ("x", "%41"), ("y", ""), ("z", "a=b")]
        );
        assert_eq!(Query::parse(None).unwrap().iter().count(), 0);
    }

    #[test]
    fn a_malformed_query_is_refused() {
        for raw in ["a=%", "a=%4", "a=%zz", "%ff=1", "a=%c0%ae"] {
            assert!(Query::parse(Some(raw)).is_err(), "{raw}");
        }
    }

    #[test]
    fn an_override_is_found_however_it_is_written() {
        assert_eq!(parse("a=b").method_override(), Ok(None));
        assert_eq!(
            parse("_HttpMethod=PATCH").method_override(),
            Ok(Some("PATCH"))
        );
        assert_eq!(
            parse("%5FHttp%4dethod=DELETE").method_override(),
            Ok(Some("DELETE"))
        );
        for raw in [
            "_httpmethod=PATCH",
            "_HTTPMETHOD=PATCH",
            "_HttpMethod=PATCH&_HttpMethod=PATCH",
            "_HttpMethod=PATCH&_httpMethod=DELETE",
            "a=b;_HttpMethod=DELETE",
            "a;_HttpMethod=DELETE",
            "+_HttpMethod=DELETE",
        ] {
            assert!(parse(raw).method_override().is_err(), "{raw}");
        }
    }

    #[test]
    fn clauses_that_write_are_found() {
        for raw in [
            "q=SELECT+Id+FROM+Contact+FOR+VIEW",
            "q=select%20Id%20from%20Contact%20for%0Areference",
            "q=FIND+{x}+UPDATE+TRACKING",
            "q=FIND+{x}+UPDATE%09+viewstat",
            "explain=SELECT+Id+FROM+A+FOR%C2%A0VIEW",
            "q=x&updateTracking=true",
            "q=x&UPDATEVIEWSTAT=1",
        ] {
            assert!(parse(raw).writes_usage_data(), "{raw}");
        }
        for raw in [
            "q=SELECT+Id,Viewed+FROM+Account+WHERE+Name='for'",
            "q=SELECT+LastViewedDate+FROM+Foreview",
            "q=x&updateTracking=false",
        ] {
            assert!(!parse(raw).writes_usage_data(), "{raw}");
        }
    }
}
