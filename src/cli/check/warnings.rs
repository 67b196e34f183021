//! What is allowed in a configuration but probably not meant.

use crate::config::{Config, ControlStore, LedgerStore, Mode, Role, Route, ServiceAccount};
use crate::ledger::postgres::Address;

/// One line each, in the order of the file.
pub(super) fn of_config(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    for route in &config.routes {
        of_route(route, &mut warnings);
    }
    of_stores(config, &mut warnings);
    for account in &config.service_accounts {
        of_account(account, &mut warnings);
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

fn of_stores(config: &Config, warnings: &mut Vec<String>) {
    if !config.admin.listen.ip().is_loopback() {
        warnings.push(format!(
            "`admin` listens on {} without TLS: operators' tokens travel in clear text",
            config.admin.listen
        ));
    }
    if let ControlStore::Redis(_) = config.control {
        warnings.push("`control` is Redis, which `serve` of this version refuses".into());
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

fn of_account(account: &ServiceAccount, warnings: &mut Vec<String>) {
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
        (true, false) => warnings.push(format!(
            "service account {name} has `credentials` but no `keys`: they are used for its releases only"
        )),
        (true, true) | (false, false) => {}
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
