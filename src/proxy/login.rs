//! The login path: a login is passed on where a service account is named for its client, and the tokens
//! it brings are that account's from then on. So are questions about one's own token.

mod answer;
mod whose;

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, AUTHORIZATION};
use http::request::Parts;
use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;

use super::actor::{self, Caller, Credential};
use super::words::{self, login as login_words};
use super::{Call, Refused, body, early, headers, no_upstream, target};
use crate::app::RouteState;
use crate::config::{Fingerprint, ServiceAccount};
use crate::crm::login::{Asked, Hidden, Login, MESSAGE, Unfit};
use crate::crm::path::CanonicalPath;
use crate::crm::{Head, Shape};
use crate::error::{Refusal, RefusalKind};
use crate::learned::{self, Known, Token, Use};
use crate::upstream::Body;

/// The largest login. An assertion or a password is far smaller.
pub(super) const MOST: usize = 64 * 1024;

/// Answers a request on the login path.
pub(super) async fn answer(
    call: Call<'_>,
    parts: Parts,
    path: &CanonicalPath,
    incoming: Incoming,
) -> Result<Response<Body>, Box<Refused>> {
    let mut who = None;
    match pass(call, &parts, path, incoming, &mut who).await {
        Ok(answer) => Ok(answer),
        Err(refusal) => Err(early::refused(call, &parts, who.as_deref(), refusal).await),
    }
}

/// A login in a message of XML.
pub(super) struct Message {
    /// Who logs in.
    pub(super) username: Option<String>,
    /// What the path says that such messages are; `None`: it cannot be told.
    pub(super) shape: Option<Shape>,
    /// As it came.
    pub(super) bytes: Bytes,
}

/// Answers a login in a message, which only its body tells.
pub(super) async fn by_message(
    call: Call<'_>,
    parts: &Parts,
    path: &CanonicalPath,
    message: Message,
) -> Result<Response<Body>, Box<Refused>> {
    let Message {
        username,
        shape,
        bytes,
    } = message;
    let mut who = None;
    let login = Login {
        grant: MESSAGE,
        names: username.map(Hidden::new).into_iter().collect(),
        refresh_token: None,
    };
    let passed = match in_form(call, parts, shape, &bytes) {
        Ok(()) => {
            let head = super::head(parts, path);
            log_in(call, &head, &login, bytes, &mut who).await
        }
        Err(refusal) => Err(refusal),
    };
    match passed {
        Ok(answer) => Ok(answer),
        Err(refusal) => Err(early::refused(call, parts, who.as_deref(), refusal).await),
    }
}

/// Whether a message is a login of the API that its path names, and nothing beside.
fn in_form(
    call: Call<'_>,
    parts: &Parts,
    shape: Option<Shape>,
    bytes: &[u8],
) -> Result<(), Refusal> {
    if bytes.len() > MOST {
        return Err(body::too_large(MOST));
    }
    if actor::bears_key(&parts.headers, bytes) {
        return Err(words::no_login());
    }
    let crm = call.state.crm;
    if !crm.is_message(&parts.headers) {
        return Err(Refusal::malformed(
            "the header content-type is not text/xml (UTF-8), given once",
        ));
    }
    let logs_in = shape.map(|shape| crm.logs_in(&shape, bytes)).transpose();
    match logs_in.map_err(Refusal::malformed)? {
        Some(true) if parts.uri.query().is_none() => Ok(()),
        Some(_) | None => Err(Refusal::malformed(
            "this is no login of the API that its path names",
        )),
    }
}

async fn pass(
    call: Call<'_>,
    parts: &Parts,
    path: &CanonicalPath,
    incoming: Incoming,
    who: &mut Option<String>,
) -> Result<Response<Body>, Refusal> {
    let bytes = body::collect_most(&parts.headers, incoming, MOST).await?;
    let head = super::head(parts, path);
    let asked = call.state.crm.asked(&head, &bytes);
    let has_key = actor::bears_key(&parts.headers, &bytes);
    let asked = asked.map_err(|what| match has_key {
        true => words::no_login(),
        false => unfit(what),
    })?;
    actor::no_other_credentials(&parts.headers, None)?;
    match asked {
        Asked::Login(_) if has_key => Err(words::no_login()),
        Asked::Login(_) if parts.headers.contains_key(actor::SESSION) => Err(Refusal::malformed(
            "a login carries a session beside what it logs in by",
        )),
        Asked::Login(login) => log_in(call, &head, &login, bytes, who).await,
        Asked::Whose(whose) => whose::answer(call, &head, &whose, bytes, who).await,
    }
}

fn unfit(unfit: Unfit) -> Refusal {
    match unfit {
        Unfit::Malformed(what) => Refusal::malformed(what),
        Unfit::Kind(what) => Refusal::new(RefusalKind::Opaque, format!("Not written: {what}.")),
    }
}

/// Passes a login on and learns what it brought.
async fn log_in(
    call: Call<'_>,
    head: &Head<'_>,
    login: &Login,
    bytes: Bytes,
    who: &mut Option<String>,
) -> Result<Response<Body>, Refusal> {
    let app = &call.worker.app;
    let Some((account, client)) = named(call, login).await? else {
        return Err(login_words::unknown_client());
    };
    *who = Some(account.name.clone());
    if !account.keys.is_empty() {
        return Err(words::no_login());
    }
    app.callers.agrees(&account.name, call.names)?;
    may_log_in(call, account)?;
    // what could not be learned would be of no use to anybody
    let ledger = app.journal.ledger();
    ledger
        .available()
        .map_err(|error| Refusal::unavailable(error.to_string()))?;
    let request = request(call, head, bytes)?;
    let upstream = call.worker.upstreams.get(call.place);
    let answer = upstream
        .ok_or_else(no_upstream)?
        .log_in(request)
        .await
        .map_err(|error| words::no_answer(&error))?;
    let owner = learned::Owner {
        route: &call.state.route.name,
        service_account: &account.name,
        client,
    };
    answer::taken(call, answer, &owner, login).await
}

/// A service account that is stopped for all does not log in either.
fn may_log_in(call: Call<'_>, account: &ServiceAccount) -> Result<(), Refusal> {
    match call
        .worker
        .app
        .control
        .switches()
        .stops(&account.name, false)
    {
        Some(switch) => Err(words::stopped(switch, &account.name, call.now)),
        None => Ok(()),
    }
}

/// The login as it goes on: the bytes that were looked at, the listed headers.
fn request(call: Call<'_>, head: &Head<'_>, bytes: Bytes) -> Result<Request<Body>, Refusal> {
    let mut request = Request::new(Body::full(bytes));
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = target(head.path, head.path.trailing_slash(), None)?;
    let mut passed = headers::of_write(head.headers, call.state.crm);
    if let Some(value) = passed.get_mut(AUTHORIZATION) {
        value.set_sensitive(true);
    }
    passed.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    *request.headers_mut() = passed;
    Ok(request)
}

/// The service account that a login names, and the name that it is known by.
async fn named<'a>(
    call: Call<'a>,
    login: &Login,
) -> Result<Option<(&'a ServiceAccount, Fingerprint)>, Refusal> {
    let found = by_names(call, &login.names)?;
    let Some(token) = &login.refresh_token else {
        return Ok(found);
    };
    let fingerprint = Fingerprint::of(token.expose().as_bytes());
    let Some(known) = known(call, Use::Refresh, fingerprint).await else {
        return Ok(found);
    };
    match &found {
        Some((named, _)) if named.name != known.service_account => Err(login_words::two_accounts()),
        Some(_) | None => Ok(found),
    }
}

/// The one service account that client ids and user names are of; names of nobody do not count.
fn by_names<'a>(
    call: Call<'a>,
    names: &[Hidden],
) -> Result<Option<(&'a ServiceAccount, Fingerprint)>, Refusal> {
    let mut found: Option<(&ServiceAccount, Fingerprint)> = None;
    for name in names {
        let name = name.expose();
        let theirs = |account: &&ServiceAccount| {
            let mut clients = account.clients.iter();
            clients.any(|client| client.eq_ignore_ascii_case(name))
        };
        let mut accounts = call.worker.app.config.service_accounts.iter();
        match (accounts.find(theirs), found) {
            (Some(account), Some((other, _))) if account.name != other.name => {
                return Err(login_words::two_accounts());
            }
            (Some(account), None) => found = Some((account, learned::client_of(name))),
            _ => {}
        }
    }
    Ok(found)
}

/// A token that a login brought, here or at another replica just now.
async fn known(call: Call<'_>, used: Use, fingerprint: Fingerprint) -> Option<Known> {
    let app = &call.worker.app;
    let route = &call.state.route.name;
    let find = || app.learned.find(route, used, fingerprint, call.now);
    if let Some(known) = find() {
        return Some(known);
    }
    if app.learned.missed(fingerprint, call.now) {
        return None;
    }
    match app.catch_up().await {
        Ok(()) => {
            let found = find();
            if found.is_none() {
                app.learned.miss(fingerprint, call.now);
            }
            found
        }
        Err(error) => {
            tracing::debug!(%error, "tokens are known as they were last");
            find()
        }
    }
}

/// Finds the service account of a caller by what a login brought, where the configuration names none for
/// the token. A certificate must not say otherwise.
///
/// # Errors
/// A refusal when it does.
pub(super) async fn recognise(call: Call<'_>, caller: &mut Caller) -> Result<(), Refusal> {
    let own = matches!(
        caller.credential,
        Credential::Own(..) | Credential::Session(_)
    );
    let by_token = caller.service_account.is_some() && call.names.is_empty();
    let Some(fingerprint) = caller.fingerprint.filter(|_| own && !by_token) else {
        return Ok(());
    };
    let callers = &call.worker.app.callers;
    if callers.has(&fingerprint) {
        return Ok(());
    }
    // one whose certificate names it may bring a token that nobody has registered, with each request
    let known = if caller.service_account.is_some() {
        let route = &call.state.route.name;
        let learned = &call.worker.app.learned;
        learned.find(route, Use::Access, fingerprint, call.now)
    } else {
        known(call, Use::Access, fingerprint).await
    };
    let Some(known) = known else {
        return Ok(());
    };
    callers.agrees(&known.service_account, call.names)?;
    if known.ageing {
        still_used(call, fingerprint, &known);
    }
    caller.service_account = Some(known.service_account);
    Ok(())
}

/// A token without an end that is still used is known for longer.
fn still_used(call: Call<'_>, fingerprint: Fingerprint, known: &Known) {
    let (app, now) = (Arc::clone(&call.worker.app), call.now);
    let (route, known) = (call.state.route.name.clone(), known.clone());
    drop(tokio::spawn(async move {
        let owner = learned::Owner {
            route: &route,
            service_account: &known.service_account,
            client: known.client,
        };
        let token = Token::of(fingerprint, Use::Access, None, now);
        if let Err(error) = learned::learn(&app, &owner, &[token], now).await {
            tracing::warn!(%error, "that a token is still used is noted later");
        }
    }));
}

/// Takes the token out of a query that a client sends beside its header (jsforce does so at the identity
/// URL); one that is another stays, and is refused.
pub(super) fn spare_token(state: &RouteState, path: &CanonicalPath, parts: &mut Parts) {
    let head = super::head(parts, path);
    let Some((rest, token)) = state.crm.second_token(&head) else {
        return;
    };
    let mut values = parts.headers.get_all(AUTHORIZATION).iter();
    let same = match (values.next().map(HeaderValue::to_str), values.next()) {
        (Some(Ok(text)), None) => text
            .split_once(' ')
            .is_some_and(|(_, given)| given.trim_start() == token.expose()),
        _ => false,
    };
    let query = match rest.is_empty() {
        true => String::new(),
        false => format!("?{rest}"),
    };
    if same && let Ok(uri) = format!("{}{query}", parts.uri.path()).parse() {
        parts.uri = uri;
    }
}
