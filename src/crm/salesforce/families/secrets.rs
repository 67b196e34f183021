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
/// holds a text.
pub(in crate::crm::salesforce) fn holds_secrets(members: &Map<String, Value>) -> bool {
    members.iter().any(|(name, value)| match value {
        Value::String(text) => {
            let typed = name.to_ascii_lowercase().ends_with("type") && is_secret(text);
            typed || (!text.is_empty() && is_called_secret(name))
        }
        Value::Array(_) | Value::Object(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {
            nested(value)
        }
    })
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
        ] {
            assert!(nested(&body), "{body}");
        }
        for body in [
            json!({ "attributes": { "type": "ApexClass" }, "Body": "password" }),
            json!({ "password": "", "isSecret": true, "label": "Certificate" }),
        ] {
            assert!(!nested(&body), "{body}");
        }
    }
}
