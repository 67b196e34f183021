//! The names in a JWT that somebody logs in with. Its signature is the CRM's to check.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::{Hidden, Unfit};
use crate::crm::json;

/// Claims that name who logs in: the client, the user (`prn` is an older word for it).
const NAMES: [&str; 3] = ["iss", "sub", "prn"];

/// The names in an assertion.
pub(super) fn names(assertion: &str) -> Result<Vec<Hidden>, Unfit> {
    let unfit = |what: &str| Unfit::Malformed(format!("the assertion {what}"));
    let mut parts = assertion.split('.');
    let (Some(_), Some(claims), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(unfit("is no signed JWT"));
    };
    let claims = URL_SAFE_NO_PAD
        .decode(claims)
        .map_err(|_not_base64| unfit("is no base64url"))?;
    let claims =
        json::parse(&claims).map_err(|_malformed| unfit("has claims that have two readings"))?;
    // `prn` is an older word for `sub`: of two, one would be read by us alone
    if claims.get("sub").is_some() && claims.get("prn").is_some() {
        return Err(unfit("names its subject twice"));
    }
    let mut names = Vec::new();
    for name in NAMES {
        match claims.get(name) {
            None => {}
            Some(Value::String(text)) => names.push(Hidden::new(text)),
            Some(_) => return Err(unfit("has a name that is no text")),
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(claims: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn issuer_and_subject_are_its_names() {
        let found = names(&jwt(r#"{"iss":"3MVG9","sub":"a@b.c","aud":"x"}"#)).unwrap();
        assert_eq!(found, [Hidden::new("3MVG9"), Hidden::new("a@b.c")]);
    }

    #[test]
    fn what_has_two_readings_is_refused() {
        for assertion in [
            "",
            "a.b",
            "e30.!.x",
            &format!("{}.x", jwt("{}")),
            &jwt(r#"{"iss":"a","iss":"b"}"#),
            &jwt(r#"{"iss":"a","ISS":"b"}"#),
            &jwt(r#"{"iss":"a","sub":"b","prn":"c"}"#),
            &jwt(r#"{"sub":["a"]}"#),
            &jwt("not json"),
        ] {
            assert!(names(assertion).is_err(), "{assertion}");
        }
    }
}
