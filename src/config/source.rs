//! Where a CRM credential comes from: a secret that stands somewhere, or a grant for which the CRM's
//! login host gives tokens.

use super::address::url;
use super::key::SigningKey;
use super::reader::{Fields, Reader};
use super::secret::{file_of, secret};
use super::tree::{Node, Tree};
use super::{Secret, Source};
use crate::mutation::CrmKind;

const GRANTS: [&str; 3] = ["client_credentials", "jwt", "refresh"];
const KEYS: [&str; 5] = ["env", "file", "client_credentials", "jwt", "refresh"];
const FORM: &str =
    "`{ env: NAME }`, `{ file: PATH }`, or one of client_credentials, jwt and refresh";

/// Reads a source. `crm` is the route's, where that is known.
pub(super) fn source(
    node: &Node,
    what: &str,
    crm: Option<CrmKind>,
    reader: &mut Reader<'_>,
) -> Option<Source> {
    let Tree::Map(entries) = &node.tree else {
        return secret(node, what, reader).map(Source::Static);
    };
    let names: Vec<&str> = entries.iter().map(|(key, _)| key.text.as_str()).collect();
    let fields = reader.fields(node, "a credential", &KEYS)?;
    let mut grants = GRANTS.iter().filter(|grant| names.contains(grant));
    match (grants.next(), names.len()) {
        (None, _) if names.iter().all(|name| !KEYS.contains(name)) && !names.is_empty() => None,
        (None, _) => secret(node, what, reader).map(Source::Static),
        (Some(grant), 1) => {
            fits(grant, crm, node, reader);
            granted(grant, &fields, what, reader)
        }
        (Some(_), _) => {
            reader.wrong_at(fields.at, format!("`{what}` needs one of {FORM}"));
            None
        }
    }
}

/// HubSpot's token endpoint (v3) takes refresh tokens only.
fn fits(grant: &str, crm: Option<CrmKind>, node: &Node, reader: &mut Reader<'_>) {
    if crm == Some(CrmKind::HubSpot) && grant != "refresh" {
        let text = format!(
            "HubSpot grants nothing for `{grant}`: write `refresh`, or name a private app's token"
        );
        reader.wrong_at(node.at, text);
    }
}

fn granted(
    grant: &str,
    fields: &Fields<'_>,
    what: &str,
    reader: &mut Reader<'_>,
) -> Option<Source> {
    let node = fields.get(grant)?;
    let what = format!("{what}.{grant}");
    match grant {
        "client_credentials" => client_credentials(node, &what, reader),
        "jwt" => jwt(node, &what, reader),
        _ => refresh(node, &what, reader),
    }
}

fn client_credentials(node: &Node, what: &str, reader: &mut Reader<'_>) -> Option<Source> {
    let keys = ["client_id", "client_secret", "scope"];
    let fields = reader.fields(node, "`client_credentials`", &keys)?;
    let client_id = client_id(&fields, reader);
    let client_secret = part(&fields, "client_secret", what, reader);
    let scope = fields.text("scope", reader).map(|text| text.text);
    Some(Source::ClientCredentials {
        client_id: client_id?,
        client_secret: client_secret?,
        scope,
    })
}

fn jwt(node: &Node, what: &str, reader: &mut Reader<'_>) -> Option<Source> {
    let keys = ["client_id", "user", "key", "audience"];
    let fields = reader.fields(node, "`jwt`", &keys)?;
    let client_id = client_id(&fields, reader);
    let hint = "the user to act as, such as integration@acme.example";
    let user = fields.required("user", hint, reader);
    let key = key(&fields, what, reader);
    let audience = fields.text("audience", reader);
    if let Some(text) = &audience {
        url(text, "audience", reader)?;
    }
    Some(Source::Jwt {
        client_id: client_id?,
        user: user?.text,
        key: key?,
        audience: audience.map(|text| text.text.trim_end_matches('/').to_owned()),
    })
}

fn refresh(node: &Node, what: &str, reader: &mut Reader<'_>) -> Option<Source> {
    let keys = ["client_id", "client_secret", "refresh_token"];
    let fields = reader.fields(node, "`refresh`", &keys)?;
    let client_id = client_id(&fields, reader);
    let client_secret = fields
        .get("client_secret")
        .map(|_| part(&fields, "client_secret", what, reader).ok_or(()));
    let refresh_token = part(&fields, "refresh_token", what, reader);
    let file = fields
        .get("refresh_token")
        .and_then(|node| file_of(node, reader));
    Some(Source::Refresh {
        client_id: client_id?,
        client_secret: client_secret.transpose().ok()?,
        refresh_token: refresh_token?,
        file,
    })
}

fn client_id(fields: &Fields<'_>, reader: &mut Reader<'_>) -> Option<String> {
    let text = fields.required("client_id", "the app's id at the CRM", reader)?;
    Some(text.text)
}

/// A secret that has to be there.
fn part(
    fields: &Fields<'_>,
    key: &'static str,
    what: &str,
    reader: &mut Reader<'_>,
) -> Option<Secret> {
    let Some(node) = fields.get(key) else {
        let text = format!("`{what}` needs `{key}`: `{{ env: NAME }}` or `{{ file: PATH }}`");
        reader.wrong_at(fields.at, text);
        return None;
    };
    secret(node, &format!("{what}.{key}"), reader)
}

/// The key that signs: a PEM file.
fn key(fields: &Fields<'_>, what: &str, reader: &mut Reader<'_>) -> Option<SigningKey> {
    let Some(node) = fields.get("key") else {
        let text = format!("`{what}` needs `key`: `{{ file: PATH }}`, an RSA key in PEM form");
        reader.wrong_at(fields.at, text);
        return None;
    };
    let inner = reader.fields(node, "`key`", &["file"])?;
    let text = inner.required("file", "a private RSA key, a PEM file", reader)?;
    if !reader.complete {
        return Some(SigningKey::unread());
    }
    let path = reader.path(&text);
    let problem = match std::fs::read(&path) {
        Ok(pem) => match SigningKey::from_pem(&pem) {
            Ok(key) => return Some(key),
            Err(problem) => problem.to_owned(),
        },
        Err(error) => format!("cannot be read ({error}): create it or correct the path"),
    };
    let path = path.display();
    reader.wrong(
        &text.place,
        format!("`{what}.key`: the file {path} {problem}"),
    );
    None
}
