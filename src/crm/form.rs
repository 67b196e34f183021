//! Strict `application/x-www-form-urlencoded`: what has two readings is refused. Never shows a value.

use http::HeaderMap;
use http::header::CONTENT_TYPE;

use super::Malformed;

/// No login has more parameters.
const MOST: usize = 64;

/// The parameters of a form, decoded, in their order.
#[derive(Debug)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a form.
    ///
    /// Refused: another content type, two parameters whose names differ at most in case, `;` between
    /// parameters, escapes that are none or no UTF-8, control characters, more than 64 parameters.
    ///
    /// # Errors
    /// [`Malformed`] says what; it may show a parameter's name, never a value.
    pub fn parse(headers: &HeaderMap, body: &[u8]) -> Result<Self, Malformed> {
        is_form(headers)?;
        let text = std::str::from_utf8(body).map_err(|error| {
            malformed(format!(
                "it is not UTF-8 from byte {} on",
                error.valid_up_to()
            ))
        })?;
        let mut parameters: Vec<(String, String)> = Vec::new();
        for pair in text.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decoded(name)?, decoded(value)?);
            if parameters
                .iter()
                .any(|(other, _)| other.eq_ignore_ascii_case(&name))
            {
                return Err(malformed("a parameter is given twice"));
            }
            if parameters.len() == MOST {
                return Err(malformed("it has too many parameters"));
            }
            parameters.push((name, value));
        }
        Ok(Self(parameters))
    }

    /// A parameter's value; an empty one is none.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// Refuses names that some server may take for another spelling of a known one.
    ///
    /// # Errors
    /// [`Malformed`] when one of them is there in another case.
    pub fn spelled(&self, names: &[&str]) -> Result<(), Malformed> {
        let other = |given: &String| {
            names
                .iter()
                .any(|name| given != name && given.trim().eq_ignore_ascii_case(name))
        };
        match self.0.iter().any(|(given, _)| other(given)) {
            true => Err(malformed(
                "a parameter's name is written in another case than documented",
            )),
            false => Ok(()),
        }
    }
}

fn is_form(headers: &HeaderMap) -> Result<(), Malformed> {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(only), None) = (types.next(), types.next()) else {
        return Err(malformed("the header content-type has to be there once"));
    };
    let text = only.to_str().unwrap_or_default();
    let (kind, parameters) = text.split_once(';').unwrap_or((text, ""));
    let charset = parameters.trim().to_ascii_lowercase().replace('"', "");
    let fits = kind
        .trim()
        .eq_ignore_ascii_case("application/x-www-form-urlencoded")
        && ["", "charset=utf-8", "charset=us-ascii"].contains(&charset.as_str());
    match fits {
        true => Ok(()),
        false => Err(malformed(
            "its Content-Type is not application/x-www-form-urlencoded",
        )),
    }
}

/// Decodes `+` and escapes, once.
fn decoded(raw: &str) -> Result<String, Malformed> {
    let mut bytes = raw.bytes();
    let mut out = Vec::with_capacity(raw.len());
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b';' => return Err(malformed("a `;` stands in it: write %3B where it is data")),
            b'%' => {
                let mut digit = || {
                    let digit = bytes.next().and_then(|byte| char::from(byte).to_digit(16));
                    digit.and_then(|digit| u8::try_from(digit).ok())
                };
                match (digit(), digit()) {
                    (Some(high), Some(low)) => out.push(high << 4 | low),
                    _ => return Err(malformed("a `%` is no escape")),
                }
            }
            byte => out.push(byte),
        }
    }
    let text = String::from_utf8(out).map_err(|_not_utf8| malformed("an escape is not UTF-8"))?;
    // passwords and assertions hold none; some servers end a value there
    match text.chars().any(char::is_control) {
        true => Err(malformed("a control character stands in it")),
        false => Ok(text),
    }
}

fn malformed(what: impl std::fmt::Display) -> Malformed {
    Malformed(format!("the form is refused: {what}"))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn typed(kind: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers
    }

    fn parse(body: &[u8]) -> Result<Form, Malformed> {
        Form::parse(&typed("application/x-www-form-urlencoded"), body)
    }

    #[test]
    fn a_form_is_read_once() {
        let form =
            parse(b"grant_type=password&username=a%40b.c&password=x+y%2B&empty=&flag").unwrap();
        assert_eq!(form.get("username"), Some("a@b.c"));
        assert_eq!(form.get("password"), Some("x y+"));
        assert_eq!(
            (form.get("empty"), form.get("flag"), form.get("no")),
            (None, None, None)
        );
        assert!(
            Form::parse(
                &typed("Application/X-WWW-Form-Urlencoded; charset=UTF-8"),
                b"a=1"
            )
            .is_ok()
        );
    }

    #[test]
    fn what_has_two_readings_is_refused() {
        for body in [
            &b"a=1&a=2"[..],
            b"a=1&A=2",
            b"a=1&%61=2",
            b"a=1;b=2",
            b"a=%zz",
            b"a=%4",
            b"a=%ff",
            b"a=\xff",
            b"a=x%00y",
            b"a=x%0ay",
            b"&",
        ] {
            assert!(parse(body).is_err(), "{}", String::from_utf8_lossy(body));
        }
        for kind in [
            "application/json",
            "multipart/form-data; boundary=x",
            "",
            "application/x-www-form-urlencoded; charset=utf-16",
        ] {
            assert!(Form::parse(&typed(kind), b"a=1").is_err(), "{kind}");
        }
        assert!(Form::parse(&HeaderMap::new(), b"a=1").is_err());
        let mut twice = typed("application/x-www-form-urlencoded");
        twice.append(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        assert!(Form::parse(&twice, b"a=1").is_err());
    }

    #[test]
    fn a_form_has_so_many_parameters_and_no_more() {
        let form = |count: usize| {
            let names: Vec<String> = (0..count).map(|place| format!("p{place}=1")).collect();
            names.join("&")
        };
        assert!(parse(form(MOST).as_bytes()).is_ok());
        assert!(parse(form(MOST + 1).as_bytes()).is_err());
    }

    #[test]
    fn a_known_name_has_one_spelling() {
        assert!(
            parse(b"client_id=1")
                .unwrap()
                .spelled(&["client_id"])
                .is_ok()
        );
        assert!(
            parse(b"Client_Id=1")
                .unwrap()
                .spelled(&["client_id"])
                .is_err()
        );
        assert!(
            parse(b"+client_id=1")
                .unwrap()
                .spelled(&["client_id"])
                .is_err()
        );
    }
}
