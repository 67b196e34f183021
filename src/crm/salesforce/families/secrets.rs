//! Objects whose records hold secrets, or say what a secret opens (Object Reference; Tooling API; Metadata
//! API Developer Guide): their fields are nobody's to keep.

use serde_json::{Map, Value};

use crate::mutation::same_name;

static OBJECTS: [&str; 24] = [
    "AuthProvider",
    "Certificate",
    "ConnectedApp",
    "ConnectedApplication",
    "ExternalAuthIdentityProvider",
    "ExternalClientApplication",
    "ExternalCredential",
    "ExternalCredentialParameter",
    "ExternalDataSource",
    "ExternalDataUserAuth",
    "ExtlClntAppGlobalOauthSettings",
    "ExtlClntAppOauthSettings",
    "NamedCredential",
    "NamedCredentialParameter",
    "OauthCustomScope",
    "OauthCustomScopeApp",
    "OauthToken",
    "OauthTokenExchangeHandler",
    "SamlSsoConfig",
    "TenantSecret",
    "ThirdPartyAccountLink",
    "TwoFactorInfo",
    "TwoFactorTempCode",
    "UserProvisioningConfig",
];

/// Parts of the names that members with secrets have.
const WORDS: [&str; 8] = [
    "password",
    "passphrase",
    "secret",
    "privatekey",
    "apikey",
    "authtoken",
    "accesstoken",
    "refreshtoken",
];

/// Whether records of this object hold secrets.
pub(in crate::crm::salesforce) fn is_secret(object: &str) -> bool {
    OBJECTS.iter().any(|known| same_name(known, object))
}

/// Whether a body names such an object as a type somewhere, or has a member that is called a secret and
/// holds something, be it called so by a member beside it: `headerName`, `headerValue`.
pub(in crate::crm::salesforce) fn holds_secrets(members: &Map<String, Value>) -> bool {
    members.iter().any(|(name, value)| {
        let typed = value
            .as_str()
            .is_some_and(|text| name.to_ascii_lowercase().ends_with("type") && is_secret(text));
        let called = holds(value) && (is_called_secret(name) || is_paired(members, name));
        typed || called || nested(value)
    })
}

/// Whether there is a value that somebody would keep secret: neither nothing nor a yes or no.
fn holds(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) => false,
        Value::String(text) => !text.is_empty(),
        Value::Number(_) | Value::Array(_) | Value::Object(_) => true,
    }
}

/// Whether the member `…Value` is called a secret by the text of `…Name` or `…Key` beside it.
fn is_paired(members: &Map<String, Value>, name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let Some(stem) = name.strip_suffix("value") else {
        return false;
    };
    members.iter().any(|(other, text)| {
        let other = other.to_ascii_lowercase();
        let beside = ["name", "key"].contains(&other.strip_prefix(stem).unwrap_or_default());
        let text = text.as_str().unwrap_or_default();
        beside && (is_called_secret(text) || is_secret_header(text))
    })
}

/// Headers carry what a caller logs in with under names that say nothing elsewhere.
fn is_secret_header(text: &str) -> bool {
    let folded = text.to_ascii_lowercase();
    ["authorization", "cookie", "token"]
        .iter()
        .any(|word| folded.contains(word))
}

fn nested(value: &Value) -> bool {
    match value {
        Value::Array(list) => list.iter().any(nested),
        Value::Object(members) => holds_secrets(members),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn is_called_secret(name: &str) -> bool {
    let folded: String = name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    WORDS.iter().any(|word| folded.contains(word))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_found_wherever_they_stand() {
        for body in [
            json!({ "attributes": { "type": "namedcredential" } }),
            json!({ "records": [{ "a": 1 }, { "Metadata": { "auth_Password": "x" } }] }),
            json!({ "Metadata": { "consumerSecret": "x" } }),
            json!({ "private-key": "x" }),
            json!({ "Metadata": { "passwords": ["x"] } }),
            json!({ "clientSecret": { "value": "x" } }),
            json!({ "password": 1234 }),
            json!({ "headers": [{ "headerName": "X-Api-Key", "headerValue": "x" }] }),
            json!({ "HeaderName": "Authorization", "headervalue": "Bearer x" }),
            json!({ "parameterName": "client_secret", "parameterValue": "x" }),
            json!({ "name": "password", "value": { "text": "x" } }),
            json!({ "key": "accessToken", "value": "x" }),
        ] {
            assert!(nested(&body), "{body}");
        }
        for body in [
            json!({ "attributes": { "type": "ApexClass" }, "Body": "password" }),
            json!({ "password": "", "isSecret": true, "label": "Certificate" }),
            json!({ "fullName": "Lead.Password_Hint__c", "label": "x" }),
            json!({ "headerName": "Accept", "headerValue": "text/plain", "name": "password" }),
            json!({ "name": "password", "value": "" }),
        ] {
            assert!(!nested(&body), "{body}");
        }
    }
}
