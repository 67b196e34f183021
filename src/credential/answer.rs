//! What a login host answers: a token, or why not. Nothing of it is repeated but OAuth's own words.

use http::{HeaderValue, Uri};
use serde_json::Value;

use crate::crm::json;

/// An error word of OAuth is at most this long.
const WORD_MOST: usize = 64;

/// What was granted.
pub(super) struct Granted {
    /// `Bearer …`.
    pub(super) bearer: HeaderValue,
    /// Good for so many seconds, where it says so.
    pub(super) seconds: Option<i64>,
    /// The refresh token from now on, where it says so.
    pub(super) refresh_token: Option<String>,
}

/// Reads an answer. A token for another host than `upstream` is not used (P14).
pub(super) fn read(status: u16, body: &[u8], upstream: &Uri) -> Result<Granted, String> {
    let answer = json::parse_answer(body).unwrap_or(Value::Null);
    let text = |name: &str| answer.get(name).and_then(Value::as_str);
    if status != 200 {
        let word = text("error").filter(|word| is_word(word));
        return Err(match word {
            Some(word) => format!("the login host answered {status} ({word})"),
            None => format!("the login host answered {status}"),
        });
    }
    if let Some(instance) = text("instance_url")
        && !same_host(instance, upstream)
    {
        return Err("the login host names another instance than `upstream`".into());
    }
    let token = text("access_token").filter(|token| !token.is_empty());
    let token = token.ok_or("the login host's answer holds no access token")?;
    let mut bearer = HeaderValue::try_from(format!("Bearer {token}"))
        .map_err(|_invalid| "the login host's token cannot stand in a header")?;
    bearer.set_sensitive(true);
    Ok(Granted {
        bearer,
        seconds: answer.get("expires_in").and_then(seconds),
        refresh_token: text("refresh_token").map(str::to_owned),
    })
}

fn is_word(word: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    !word.is_empty() && word.len() <= WORD_MOST && word.bytes().all(letter)
}

/// A number, or one in a string, as some servers write it.
fn seconds(value: &Value) -> Option<i64> {
    let number = value.as_i64();
    let number = number.or_else(|| value.as_str().and_then(|text| text.parse().ok()));
    number.filter(|seconds| *seconds > 0)
}

fn same_host(instance: &str, upstream: &Uri) -> bool {
    let Ok(instance) = instance.parse::<Uri>() else {
        return false;
    };
    let host = |uri: &Uri| uri.host().map(str::to_ascii_lowercase);
    let port = |uri: &Uri| match (uri.port_u16(), uri.scheme_str()) {
        (Some(port), _) => Some(port),
        (None, Some("https")) => Some(443),
        (None, Some("http")) => Some(80),
        (None, _) => None,
    };
    host(&instance).is_some()
        && host(&instance) == host(upstream)
        && port(&instance) == port(upstream)
}
