//! The schema of `writegate.yaml`.

use serde_json::{Value, json};

use super::{DRAFT, described, list, map, text, words};
use crate::config::Mode;
use crate::mutation::CrmKind;

const FINGERPRINT: &str = "^sha256:[0-9a-fA-F]{64}$";
const NAME: &str = "^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$";

/// The schema of the configuration file.
#[must_use]
pub fn config() -> Value {
    let mut schema = map(
        json!({
            "routes": described(list(&route()), "One CRM org behind one base URL each"),
            "admin": map(json!({
                "listen": text("IP:PORT of console, operator API, /healthz, /readyz and /metrics"),
            }), &[]),
            "control": text("memory, or redis://HOST:PORT, redis+sentinel://HOST:PORT,…/SERVICE or redis+cluster://HOST:PORT,… where replicas share it; rediss for TLS"),
            "ledger": ledger(),
            "replica": name("This process among those that share stores: the same after a restart [default: the host's name]"),
            "rules": text("The folder of rule files"),
            "max_rows": { "type": "integer", "minimum": 0, "description": "A bulk job of more rows waits for a person [default: 10000]" },
            "unknown_callers": described(words(["deny", "reads"]), "What may be done with a credential that no service account has"),
            "service_accounts": described(list(&service_account()), "The agents"),
            "operators": described(list(&operator()), "The people"),
        }),
        &["routes"],
    );
    if let Value::Object(schema) = &mut schema {
        schema.insert("$schema".into(), DRAFT.into());
        schema.insert("title".into(), "writegate.yaml".into());
    }
    schema
}

/// A URL, or where it is.
fn ledger() -> Value {
    json!({
        "description": "sqlite:FILE, or postgres://… where replicas share it",
        "anyOf": [text("The URL"), secret("The URL, if it holds a password")],
    })
}

fn name(description: &str) -> Value {
    json!({ "type": "string", "pattern": NAME, "description": description })
}

fn fingerprint(description: &str) -> Value {
    json!({ "type": "string", "pattern": FINGERPRINT, "description": description })
}

/// Where a secret is; never the secret itself.
fn secret(description: &str) -> Value {
    let mut schema = map(
        json!({
            "env": text("The environment variable that holds it"),
            "file": text("The file that holds it"),
        }),
        &[],
    );
    if let Value::Object(schema) = &mut schema {
        schema.insert("minProperties".into(), 1.into());
        schema.insert("maxProperties".into(), 1.into());
    }
    described(schema, description)
}

/// Where a CRM credential comes from: a secret, or a grant.
fn source(description: &str) -> Value {
    let client_id = text("The app's id at the CRM");
    let grants = map(
        json!({
            "client_credentials": map(json!({
                "client_id": client_id,
                "client_secret": secret("The app's secret"),
                "scope": text("What to ask for [default: the app's own scopes]"),
            }), &["client_id", "client_secret"]),
            "jwt": map(json!({
                "client_id": client_id,
                "user": text("The user to act as"),
                "key": map(json!({ "file": text("A private RSA key, a PEM file") }), &["file"]),
                "audience": text("Whom the assertion is for [default: the login host]"),
            }), &["client_id", "user", "key"]),
            "refresh": map(json!({
                "client_id": client_id,
                "client_secret": secret("The app's secret, where it has one"),
                "refresh_token": secret("The refresh token; where it is a file, one that takes its place is written there"),
            }), &["client_id", "refresh_token"]),
            "env": text("The environment variable that holds a token"),
            "file": text("The file that holds a token"),
        }),
        &[],
    );
    let mut schema = grants;
    if let Value::Object(schema) = &mut schema {
        schema.insert("minProperties".into(), 1.into());
        schema.insert("maxProperties".into(), 1.into());
    }
    described(schema, description)
}

fn route() -> Value {
    let crms = [CrmKind::Salesforce, CrmKind::HubSpot].map(CrmKind::name);
    let modes = [Mode::Enforce, Mode::Observe].map(Mode::word);
    map(
        json!({
            "name": name("A word of your own that rules and entries use"),
            "crm": words(crms),
            "listen": text("IP:PORT"),
            "public_url": text("What rewritten links show [default: from listen]"),
            "upstream": text("Where the CRM is, such as https://acme.my.salesforce.com"),
            "login": text("Where logins go; Salesforce only [default: upstream]"),
            "tls": map(json!({
                "cert": text("The certificate chain, a PEM file"),
                "key": text("Its key, a PEM file"),
                "client_ca": text("The CA of client certificates, a PEM file"),
            }), &["cert", "key"]),
            "upstream_ca": text("A CA to trust for the upstream, a PEM file"),
            "release_credential": source("The CRM credential for releases and reverts"),
            "mode": described(words(modes), "observe: verdicts and limits are recorded and not enforced"),
        }),
        &["name", "crm", "listen", "upstream"],
    )
}

fn service_account() -> Value {
    map(
        json!({
            "name": name("The name that rules use"),
            "owner": text("The person who owns it; never approves its holds"),
            "tokens": list(&fingerprint("Of a CRM token: `writegate fingerprint`")),
            "clients": list(&text("An OAuth client id or username whose tokens are learned")),
            "keys": list(&fingerprint("Of a Writegate key: `writegate key new`")),
            "credentials": {
                "type": "object",
                "description": "What goes upstream in place of a Writegate key, by route",
                "additionalProperties": source("The CRM credential"),
            },
            "certs": list(&text("A name in client certificates")),
        }),
        &["name"],
    )
}

fn operator() -> Value {
    let roles = json!({
        "type": "array",
        "minItems": 1,
        "items": words(["viewer", "approver", "admin"]),
        "description": "viewer reads; approver decides and may kill; admin changes limits, reloads and resumes",
    });
    map(
        json!({
            "name": name("The person"),
            "roles": roles,
            "teams": list(&text("A team whose holds the person decides")),
            "token": fingerprint("Of the person's token: `writegate fingerprint`"),
        }),
        &["name", "roles", "token"],
    )
}
