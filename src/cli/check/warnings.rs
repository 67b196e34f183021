//! What is allowed in a configuration but probably not meant.

use crate::config::{Config, ControlStore, LedgerStore, Mode, Role, Route, ServiceAccount, Source};
use crate::control::redis;
use crate::ledger::postgres::Address;

/// One line each, in the order of the file.
pub(super) fn of_config(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    for route in &config.routes {
        of_route(route, &mut warnings);
    }
    of_stores(config, &mut warnings);
    for account in &config.service_accounts {
        of_account(account, config, &mut warnings);
    }
    of_operators(config, &mut warnings);
    warnings
}

fn of_route(route: &Route, warnings: &mut Vec<String>) {
    let name = &route.name;
    if route.release_credential.is_none() {
        warnings.push(format!(
            "route {name} has no `release_credential`: a released hold waits for the agent's next \
             repeat unless its service account has `credentials`, and reverts are not possible"
        ));
    }
    if let Some(source) = &route.release_credential {
        of_source(source, &format!("route {name}"), warnings);
    }
    if route.mode == Mode::Observe {
        warnings.push(format!(
            "route {name} observes: what rules and limits say is recorded, not enforced"
        ));
    }
    if route.tls.is_none() && !route.listen.ip().is_loopback() {
        warnings.push(format!(
            "route {name} listens on {} without `tls`: tokens travel in clear text",
            route.listen
        ));
    }
}

/// A CRM may give another refresh token at each use.
fn of_source(source: &Source, whose: &str, warnings: &mut Vec<String>) {
    if let Source::Refresh { file: None, .. } = source {
        warnings.push(format!(
            "{whose}: the refresh token stands in a variable; one that takes its place is lost with the \
             next restart, unless it stands in a `file`"
        ));
    }
}

fn of_stores(config: &Config, warnings: &mut Vec<String>) {
    if !config.admin.listen.ip().is_loopback() {
        warnings.push(format!(
            "`admin` listens on {} without TLS: operators' tokens travel in clear text",
            config.admin.listen
        ));
    }
    if let ControlStore::Redis(url) = &config.control {
        if redis::Address::parse(url.expose()).is_ok_and(|address| address.is_open()) {
            let text = "`control` is on another machine, without TLS: a password and the keys of records \
                        travel in clear text; write rediss";
            warnings.push(text.into());
        }
        if let LedgerStore::Sqlite(_) = config.ledger {
            let text = "`control` is Redis and `ledger` a SQLite file: this is one replica, and a second \
                        one does not start";
            warnings.push(text.into());
        }
    }
    let LedgerStore::Postgres(url) = &config.ledger else {
        return;
    };
    if config.control == ControlStore::Memory {
        warnings.push(
            "`ledger` is PostgreSQL, `control` is memory: a second replica would count limits and \
             hear of kill switches by itself"
                .into(),
        );
    }
    if Address::parse(url.expose()).is_ok_and(|address| address.is_unverified()) {
        warnings.push(
            "`ledger` takes any certificate, or none, of a server elsewhere: use sslmode=verify-full"
                .into(),
        );
    }
}

fn of_account(account: &ServiceAccount, config: &Config, warnings: &mut Vec<String>) {
    let name = &account.name;
    let unrecognised = account.tokens.is_empty()
        && account.clients.is_empty()
        && account.keys.is_empty()
        && account.certs.is_empty();
    if unrecognised {
        warnings.push(format!(
            "service account {name} has no tokens, clients, keys or certs: nobody will ever be it"
        ));
    }
    match (account.keys.is_empty(), account.credentials.is_empty()) {
        (false, true) => warnings.push(format!(
            "service account {name} has `keys` but no `credentials`: there is nothing to send the CRM"
        )),
        (true, false) if account.certs.is_empty() => warnings.push(format!(
            "service account {name} has `credentials` but no `keys`: they are used for its releases only"
        )),
        (true, _) | (false, false) => {}
    }
    let asked = |route: &Route| {
        route
            .tls
            .as_ref()
            .is_some_and(|tls| tls.client_ca.is_some())
    };
    if !account.certs.is_empty() && !config.routes.iter().any(asked) {
        warnings.push(format!(
            "service account {name} has `certs`, but no route has a `client_ca`: no connection shows one"
        ));
    }
    for (route, source) in &account.credentials {
        of_source(
            source,
            &format!("service account {name}, route {route}"),
            warnings,
        );
    }
}

fn of_operators(config: &Config, warnings: &mut Vec<String>) {
    if config.operators.is_empty() {
        warnings.push("there are no operators: nobody can look, stop, approve or resume".into());
    } else if !config
        .operators
        .iter()
        .any(|o| o.roles.contains(&Role::Admin))
    {
        warnings.push("no operator has the role admin: nobody can resume what was stopped".into());
    }
}
