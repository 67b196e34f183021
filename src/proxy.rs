//! THE DATA PATH. `handle` (outer) reads the clock once and turns a refusal into the CRM's own error
//! shape; `run` (inner) is the list of steps. Knows no wire format and no status codes.

pub mod actor;
pub mod body;
pub mod decode;
mod early;
pub mod headers;
pub mod jobs;
mod links;
mod login;
pub mod releases;
mod reserve;
pub mod rows;
mod signed;
mod told;
pub mod words;
mod write;

pub use write::reverts;

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use jiff::Timestamp;

use crate::app::{RouteState, Worker};
use crate::clock::{EntryId, correlation_id};
use crate::config::UnknownCallers;
use crate::crm::dialect::Dialect;
use crate::crm::path::CanonicalPath;
use crate::crm::{Class, Head};
use crate::error::{Refusal, RefusalKind, Side};
use crate::metrics::{self, Seen, Tally};
use crate::mutation::CrmKind;
use crate::upstream::Body;
use actor::{Caller, Presented};

/// The entry's id, on every governed reply.
pub const ENTRY: HeaderName = HeaderName::from_static("x-writegate-entry");
/// The verdict, on every governed reply.
pub const VERDICT: HeaderName = HeaderName::from_static("x-writegate-verdict");
/// What the verdict would be if it were enforced: on replies to writes that pass because something only
/// observes.
pub const WOULD: HeaderName = HeaderName::from_static("x-writegate-would");
/// `true` on the answer to an earlier request, given again.
pub const REPLAYED: HeaderName = HeaderName::from_static("x-writegate-replayed");
/// The body of a read is kept up to this size, so that it can be sent again with another token.
const KEPT_MOST: u64 = 64 * 1024;
/// Tells SDKs that know it not to resend.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// A refusal on its way out, with the entry that tells of it.
#[derive(Debug)]
pub struct Refused {
    /// What the caller is told.
    pub refusal: Refusal,
    /// The entry, where a write was meant.
    pub entry: Option<EntryId>,
    /// The CRM's own answer to be passed on instead: nothing was written.
    pub instead: Option<Box<Response<Body>>>,
}

impl From<Refusal> for Box<Refused> {
    fn from(refusal: Refusal) -> Self {
        Self::new(Refused {
            refusal,
            entry: None,
            instead: None,
        })
    }
}

/// One request on one route.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// This runtime's worker.
    pub worker: &'a Arc<Worker>,
    /// The route's place.
    pub place: usize,
    /// The route.
    pub state: &'a RouteState,
    /// The names in the connection's client certificate.
    pub names: &'a [String],
    /// The request's time.
    pub now: Timestamp,
}

/// Answers one request. Never fails: a refusal is an answer.
pub async fn handle(
    worker: &Arc<Worker>,
    place: usize,
    names: &[String],
    request: Request<Incoming>,
) -> Response<Body> {
    let now = worker.app.clock.now();
    let Some(state) = worker.app.routes.get(place) else {
        return Response::new(Body::Empty);
    };
    let call = Call {
        worker,
        place,
        state,
        names,
        now,
    };
    let (began, seen) = (Instant::now(), Seen::default());
    let dialect = state.crm.dialect(request.uri().path(), request.headers());
    let response = match run(call, &seen, request).await {
        Ok(answer) => answer,
        Err(refused) => answer(worker, state, *refused, dialect),
    };
    let response = match links::settle(state, seen.found(), response) {
        Ok(settled) => settled,
        Err(refusal) => answer(worker, state, *Box::<Refused>::from(refusal), dialect),
    };
    if let Some(tally) = worker.tallies.get(place) {
        count(tally, seen.found(), &response, began);
    }
    response
}

/// Counts an answer; the verdict stands on governed replies alone.
fn count(tally: &Tally, class: metrics::Class, response: &Response<Body>, began: Instant) {
    let verdict = match class {
        metrics::Class::Read => None,
        metrics::Class::Unknown
        | metrics::Class::Auth
        | metrics::Class::Write
        | metrics::Class::Opaque => response.headers().get(VERDICT),
    };
    let verdict = verdict.and_then(|verdict| verdict.to_str().ok());
    tally.answered(class, verdict, response.status(), began.elapsed());
}

/// The steps, in the order of the crate documentation.
async fn run(
    call: Call<'_>,
    seen: &Seen,
    request: Request<Incoming>,
) -> Result<Response<Body>, Box<Refused>> {
    let (mut parts, incoming) = request.into_parts();
    // 1 route and actor, 2 what it is: a login has nobody to be known by yet
    let path = match opened(call, &mut parts) {
        Ok(path) => path,
        Err(refusal) => return Err(early::refused(call, &parts, None, refusal).await),
    };
    let class = call.state.crm.classify(&head(&parts, &path));
    let counted = counted(&class);
    let write = match class {
        Class::Auth => {
            seen.class(counted);
            return login::answer(call, parts, &path, incoming).await;
        }
        Class::Read => None,
        Class::Opaque(opaque) => Some(Err(opaque)),
        Class::Write(shape) => Some(Ok(shape)),
    };
    let caller = match meet(call, &parts, &path).await {
        Ok(caller) => caller,
        Err(refusal) => return Err(early::refused(call, &parts, None, refusal).await),
    };
    if told::is_ours(&path) {
        return told::answer(call, &parts.method, &path, &caller).await;
    }
    seen.class(counted);
    let account = caller.service_account.as_deref();
    let Some(kind) = write else {
        jobs::along(call, &caller);
        return read(call, parts, &path, &caller, incoming).await;
    };
    if in_body(call, &parts, &path) {
        return signed::run(call, seen, (parts, path, caller), kind, incoming).await;
    }
    jobs::along(call, &caller);
    let claims = match actor::claims(&parts.headers) {
        Ok(claims) => claims,
        Err(refusal) => return Err(early::refused(call, &parts, account, refusal).await),
    };
    let write = write::Write::begin(call, parts, path, caller, claims);
    match kind {
        Ok(shape) => write.govern(shape, incoming).await,
        Err(opaque) => write.opaque(opaque, incoming).await,
    }
}

/// Whether the body of this request says who sends it.
fn in_body(call: Call<'_>, parts: &Parts, path: &CanonicalPath) -> bool {
    parts.method == Method::POST && call.state.crm.signs_in_body(path)
}

fn counted(class: &Class) -> metrics::Class {
    match class {
        Class::Read => metrics::Class::Read,
        Class::Auth => metrics::Class::Auth,
        Class::Write(_) => metrics::Class::Write,
        Class::Opaque(_) => metrics::Class::Opaque,
    }
}

fn head<'a>(parts: &'a Parts, path: &'a CanonicalPath) -> Head<'a> {
    Head {
        method: &parts.method,
        path,
        query: parts.uri.query(),
        headers: &parts.headers,
    }
}

/// The path in its one form; nothing in it or the query is a secret that must not go on.
fn opened(call: Call<'_>, parts: &mut Parts) -> Result<CanonicalPath, Refusal> {
    let path = canonical_path(call.state, parts)?;
    login::spare_token(call.state, &path, parts);
    key_stays(&path, parts.uri.query())?;
    Ok(path)
}

/// Who is calling.
async fn meet(call: Call<'_>, parts: &Parts, path: &CanonicalPath) -> Result<Caller, Refusal> {
    let mut caller = call.worker.app.callers.identify(Presented {
        route: &call.state.route.name,
        headers: &parts.headers,
        query: parts.uri.query(),
        names: call.names,
        elsewhere: in_body(call, parts, path),
    })?;
    login::recognise(call, &mut caller).await?;
    Ok(caller)
}

/// A key in a path or a query would reach the CRM: token information takes the token there.
fn key_stays(path: &CanonicalPath, query: Option<&str>) -> Result<(), Refusal> {
    let in_path = path.as_str().split('/').any(actor::is_key);
    let in_query = query.is_some_and(|query| {
        form_urlencoded::parse(query.as_bytes()).any(|(_, value)| actor::is_key(&value))
    });
    if in_path || in_query {
        return Err(words::key_in_path());
    }
    Ok(())
}

/// A read streams through, both ways.
async fn read(
    call: Call<'_>,
    mut parts: Parts,
    path: &CanonicalPath,
    caller: &Caller,
    incoming: Incoming,
) -> Result<Response<Body>, Box<Refused>> {
    may_read(call, caller)?;
    write::settle(call, &parts, path, caller).await;
    for limit in reserve::spared(call.state, &call.worker.app.rules.load(), call.now)? {
        tracing::info!(%limit, "would-limit: a read of the CRM's last calls");
    }
    parts.uri = target(path, path.trailing_slash(), parts.uri.query())?;
    let places = links::of_read(call.state, &head(&parts, path));
    headers::to_read(&mut parts.headers);
    links::ask(places, &mut parts.headers);
    caller.credential.put(&mut parts.headers);
    let body = outgoing(caller, incoming).await?;
    let upstream = call
        .worker
        .upstreams
        .get(call.place)
        .ok_or_else(no_upstream)?;
    let answer = upstream
        .stream(Request::from_parts(parts, body))
        .await
        .map_err(|error| words::no_answer(&error))?;
    if caller.credential.is_ours() && answer.status() == StatusCode::UNAUTHORIZED {
        return Err(words::credential_refused().into());
    }
    let mut answer = links::answer(call.state, places, answer).await?;
    headers::to_answer(answer.headers_mut());
    Ok(answer)
}

/// The body of a read. Where the proxy's own credential goes with it, as much as it takes to ask again
/// with another token.
async fn outgoing(caller: &Caller, incoming: Incoming) -> Result<Body, Refusal> {
    if http_body::Body::is_end_stream(&incoming) {
        return Ok(Body::Empty);
    }
    let length = http_body::Body::size_hint(&incoming).exact();
    if caller.credential.is_ours() && length.is_some_and(|length| length <= KEPT_MOST) {
        let whole = incoming
            .collect()
            .await
            .map_err(|error| Refusal::malformed("the body broke off").detail(error.to_string()))?;
        return Ok(Body::full(whole.to_bytes()));
    }
    Ok(Body::Streamed(incoming))
}

/// Reads are stopped by a switch of scope `all`, and where the caller is unknown by the configuration.
fn may_read(call: Call<'_>, caller: &Caller) -> Result<(), Refusal> {
    let app = &call.worker.app;
    match &caller.service_account {
        Some(name) => match app.control.switches().stops(name, false) {
            Some(switch) => Err(words::stopped(switch, name, call.now)),
            None => Ok(()),
        },
        None if app.config.unknown_callers == UnknownCallers::Reads => Ok(()),
        None => Err(unknown(caller)),
    }
}

/// No service account has this credential.
fn unknown(caller: &Caller) -> Refusal {
    let fingerprint = caller
        .fingerprint
        .map(|fingerprint| fingerprint.to_string());
    words::unknown_caller(fingerprint.as_deref())
}

fn no_upstream() -> Refusal {
    Refusal::unavailable("the route has no upstream")
}

/// The path in its one form. Salesforce clients can put a login host in front of it.
fn canonical_path(state: &RouteState, parts: &Parts) -> Result<CanonicalPath, Refusal> {
    headers::check(&parts.headers)?;
    let path = CanonicalPath::parse(parts.uri.path()).map_err(Refusal::malformed)?;
    Ok(match state.route.crm {
        CrmKind::Salesforce => path.without_login_host(),
        CrmKind::HubSpot => path,
    })
}

/// The target that goes upstream: the canonical path and the query as it came.
fn target(path: &CanonicalPath, slash: bool, query: Option<&str>) -> Result<Uri, Refusal> {
    let mut target = String::with_capacity(path.as_str().len() + 1 + query.map_or(0, str::len) + 1);
    target.push_str(path.as_str());
    if slash && !target.ends_with('/') {
        target.push('/');
    }
    if let Some(query) = query {
        target.push('?');
        target.push_str(query);
    }
    Uri::try_from(target)
        .map_err(|error| Refusal::malformed("the target cannot be sent").detail(error.to_string()))
}

/// A refusal as the caller gets it.
fn answer(
    worker: &Worker,
    state: &RouteState,
    refused: Refused,
    dialect: Dialect,
) -> Response<Body> {
    let Refused {
        refusal,
        entry,
        instead,
    } = refused;
    tracing::info!(
        route = %state.route.name,
        code = refusal.kind.code(),
        entry = entry.as_ref().map(EntryId::as_str),
        rule = refusal.rule.as_deref(),
        detail = refusal.detail.as_deref(),
        "refused"
    );
    worker.app.metrics.refused(&state.route.name, refusal.kind);
    // The CRM's own answer to a prior read is no verdict of ours.
    let governed = entry.is_some() && instead.is_none();
    let mut response = match instead {
        Some(instead) => retold(state, dialect, *instead),
        None => refusal_response(worker, state, &refusal, entry.as_ref(), dialect),
    };
    let headers = response.headers_mut();
    if let Some(value) = entry.and_then(|entry| HeaderValue::from_str(entry.as_str()).ok()) {
        headers.insert(ENTRY, value);
    }
    if governed {
        headers.insert(
            VERDICT,
            HeaderValue::from_static(verdict_word(refusal.kind)),
        );
    }
    response
}

/// The CRM's own answer in place of one of ours, in the error shape that the caller reads.
fn retold(state: &RouteState, dialect: Dialect, instead: Response<Body>) -> Response<Body> {
    let shaped = match instead.body() {
        Body::Full(body) => state.crm.retold(dialect, instead.status(), body),
        Body::Empty => state.crm.retold(dialect, instead.status(), b""),
        Body::Streamed(_) | Body::Leased(..) | Body::Piped(..) | Body::Edited(..) => None,
    };
    let Some(shaped) = shaped else {
        return instead;
    };
    let mut response = Response::new(Body::full(shaped.body));
    *response.status_mut() = shaped.status;
    let kind = HeaderValue::from_static(shaped.content_type);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn refusal_response(
    worker: &Worker,
    state: &RouteState,
    refusal: &Refusal,
    entry: Option<&EntryId>,
    dialect: Dialect,
) -> Response<Body> {
    let correlation = correlation_id(&*worker.app.entropy);
    let shaped = state.crm.refuse_in(dialect, refusal).unwrap_or_else(|| {
        let entry = entry.map(EntryId::as_str);
        state.crm.refuse(refusal, entry, &correlation)
    });
    let mut response = Response::new(Body::full(shaped.body));
    *response.status_mut() = shaped.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(shaped.content_type));
    if let Some(seconds) = refusal.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    let resending_helps = refusal.retry_after.is_some();
    if !resending_helps || refusal.kind.side() == Side::Upstream {
        headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
    }
    response
}

fn verdict_word(kind: RefusalKind) -> &'static str {
    let passed = matches!(
        kind,
        RefusalKind::UnknownOutcome | RefusalKind::UnknownOutcomeTimeout
    );
    match kind == RefusalKind::Held {
        true => "hold",
        false if passed => "allow",
        false => "deny",
    }
}

/// A message that has more than one reading, refused before it became a request.
#[must_use]
pub fn refuse_message(worker: &Worker, place: usize, refusal: &Refusal) -> Response<Body> {
    let Some(state) = worker.app.routes.get(place) else {
        return Response::new(Body::Empty);
    };
    worker.app.metrics.refused(&state.route.name, refusal.kind);
    let response = refusal_response(worker, state, refusal, None, Dialect::Usual);
    if let Some(tally) = worker.tallies.get(place) {
        let class = metrics::Class::Unknown;
        tally.answered(class, None, response.status(), Duration::ZERO);
    }
    response
}

/// An answer of the CRM that was read whole, as the caller gets it.
fn answer_of(answer: crate::upstream::Answer) -> Response<Body> {
    let mut response = Response::new(Body::full(answer.body));
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    headers::to_answer(response.headers_mut());
    response
}
