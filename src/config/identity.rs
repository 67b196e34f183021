//! The `service_accounts:` and `operators:` parts: who is who. What identifies one must identify
//! nobody else.

use std::collections::HashMap;

use super::mistake::At;
use super::name::{Names, name};
use super::reader::{Fields, Reader, Text};
use super::source::source;
use super::tree::{Node, Tree};
use super::{Fingerprint, Operator, Role, Route, ServiceAccount, Source};

const ACCOUNT_KEYS: [&str; 7] = [
    "name",
    "owner",
    "tokens",
    "clients",
    "keys",
    "credentials",
    "certs",
];

const OPERATOR_KEYS: [&str; 4] = ["name", "roles", "teams", "token"];

/// Words that stand beside service accounts in a row of the rules.
const WORDS_OF_ROWS: [&str; 4] = ["agents", "owner", "source", "note"];

/// What identifies somebody, and who that is: (kind, value) → owner and line.
#[derive(Debug, Default)]
pub(super) struct Identities(HashMap<(&'static str, String), (String, u64)>);

impl Identities {
    /// Claims an identity; one that is claimed already is a mistake.
    fn claim(
        &mut self,
        kind: &'static str,
        what: &Text,
        owner: &str,
        reader: &mut Reader<'_>,
    ) -> bool {
        let line = what.at().line;
        let key = (kind, what.text.to_ascii_lowercase());
        let Some((other, first)) = self.0.get(&key) else {
            self.0.insert(key, (owner.to_owned(), line));
            return true;
        };
        let text = format!(
            "this {kind} identifies {other} already, in line {first}: one must not stand for two, take one out"
        );
        reader.wrong(&what.place, text);
        false
    }
}

/// The routes: all that are written down by name, and those that are right.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known<'a> {
    pub(super) names: &'a [String],
    pub(super) routes: &'a [Route],
}

/// Reads the agents. Credentials go by the names of routes.
pub(super) fn service_accounts(
    node: Option<&Node>,
    routes: Known<'_>,
    identities: &mut Identities,
    reader: &mut Reader<'_>,
) -> Vec<ServiceAccount> {
    let nodes = node.map_or(&[][..], |node| reader.list(node, "service_accounts"));
    let mut names = Names::new("service account");
    let mut accounts = Vec::new();
    for node in nodes {
        let Some(fields) = reader.fields(node, "a service account", &ACCOUNT_KEYS) else {
            continue;
        };
        let name = name(&fields, &mut names, reader).filter(|name| !is_word(name, &fields, reader));
        let owner = whose("service account", name.as_deref());
        let account = ServiceAccount {
            name: name.clone().unwrap_or_default(),
            owner: fields.text("owner", reader).map(|text| text.text),
            tokens: fingerprints(&fields, "tokens", &owner, identities, reader),
            clients: unique(&fields, "clients", "client", &owner, identities, reader),
            keys: fingerprints(&fields, "keys", &owner, identities, reader),
            credentials: credentials(fields.get("credentials"), routes, reader),
            certs: unique(
                &fields,
                "certs",
                "certificate name",
                &owner,
                identities,
                reader,
            ),
        };
        if name.is_some() {
            accounts.push(account);
        }
    }
    accounts
}

fn whose(kind: &str, name: Option<&str>) -> String {
    name.map_or_else(
        || format!("a nameless {kind}"),
        |name| format!("{kind} {name}"),
    )
}

fn is_word(name: &str, fields: &Fields<'_>, reader: &mut Reader<'_>) -> bool {
    let taken = WORDS_OF_ROWS
        .iter()
        .any(|word| word.eq_ignore_ascii_case(name));
    if taken {
        let at = fields.get("name").map_or(fields.at, |node| node.at);
        let text =
            format!("`{name}` means something else in rules: name the service account otherwise");
        reader.wrong_at(at, text);
    }
    taken
}

fn fingerprints(
    fields: &Fields<'_>,
    key: &'static str,
    owner: &str,
    identities: &mut Identities,
    reader: &mut Reader<'_>,
) -> Vec<Fingerprint> {
    let texts = reader.texts(fields.get(key), key);
    texts
        .iter()
        .filter_map(|text| fingerprint(text, key, owner, identities, reader))
        .collect()
}

fn fingerprint(
    text: &Text,
    key: &str,
    owner: &str,
    identities: &mut Identities,
    reader: &mut Reader<'_>,
) -> Option<Fingerprint> {
    let Some(fingerprint) = Fingerprint::parse(&text.text) else {
        // What stands there may be the token itself: it is not repeated here.
        let problem = format!(
            "`{key}` takes fingerprints, sha256: and 64 hex digits: make one with `writegate fingerprint`"
        );
        reader.wrong(&text.place, problem);
        return None;
    };
    identities
        .claim("fingerprint", text, owner, reader)
        .then_some(fingerprint)
}

/// A list of texts that identify `owner` and nobody else.
fn unique(
    fields: &Fields<'_>,
    key: &'static str,
    kind: &'static str,
    owner: &str,
    identities: &mut Identities,
    reader: &mut Reader<'_>,
) -> Vec<String> {
    let texts = reader.texts(fields.get(key), key);
    texts
        .into_iter()
        .filter(|text| identities.claim(kind, text, owner, reader))
        .map(|text| text.text)
        .collect()
}

fn credentials(
    node: Option<&Node>,
    known: Known<'_>,
    reader: &mut Reader<'_>,
) -> Vec<(String, Source)> {
    let Some(node) = node else {
        return Vec::new();
    };
    let Tree::Map(entries) = &node.tree else {
        reader.wrong_at(
            node.at,
            "`credentials` must be a map from a route's name to `{ env: NAME }` or `{ file: PATH }`",
        );
        return Vec::new();
    };
    let mut credentials = Vec::new();
    for (route, node) in entries {
        check_route(&route.text, route.at, known.names, reader);
        let mut routes = known.routes.iter();
        let crm = routes
            .find(|known| known.name == route.text)
            .map(|known| known.crm);
        let what = format!("credentials.{}", route.text);
        if let Some(source) = source(node, &what, crm, reader) {
            credentials.push((route.text.clone(), source));
        }
    }
    credentials
}

fn check_route(name: &str, at: At, routes: &[String], reader: &mut Reader<'_>) {
    if !routes.iter().any(|route| route == name) {
        let known = routes.join(", ");
        let text = format!("no route is named `{name}`: write one of {known}");
        reader.wrong_at(at, text);
    }
}

/// Reads the people.
pub(super) fn operators(
    node: Option<&Node>,
    identities: &mut Identities,
    reader: &mut Reader<'_>,
) -> Vec<Operator> {
    let nodes = node.map_or(&[][..], |node| reader.list(node, "operators"));
    let mut names = Names::new("operator");
    let mut operators = Vec::new();
    for node in nodes {
        let Some(fields) = reader.fields(node, "an operator", &OPERATOR_KEYS) else {
            continue;
        };
        let name = name(&fields, &mut names, reader);
        let roles = roles(&fields, reader);
        let teams = reader.texts(fields.get("teams"), "teams");
        let owner = whose("operator", name.as_deref());
        let token = fields
            .required("token", "the fingerprint of a token of theirs", reader)
            .and_then(|text| fingerprint(&text, "token", &owner, identities, reader));
        if let (Some(name), Some(token)) = (name, token) {
            operators.push(Operator {
                name,
                roles,
                teams: teams.into_iter().map(|text| text.text).collect(),
                token,
            });
        }
    }
    operators
}

fn roles(fields: &Fields<'_>, reader: &mut Reader<'_>) -> Vec<Role> {
    let texts = reader.texts(fields.get("roles"), "roles");
    if texts.is_empty() {
        let at = fields.get("roles").map_or(fields.at, |node| node.at);
        reader.wrong_at(at, "an operator needs `roles`: viewer, approver or admin");
    }
    let mut roles = Vec::new();
    for text in texts {
        let role = match text.text.as_str() {
            "viewer" => Role::Viewer,
            "approver" => Role::Approver,
            "admin" => Role::Admin,
            other => {
                let problem = format!("`{other}` is no role: write viewer, approver or admin");
                reader.wrong(&text.place, problem);
                continue;
            }
        };
        roles.push(role);
    }
    roles
}
