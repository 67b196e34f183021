//! Connections in, requests to the faces, answers and scripted faults out.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::answer::Answer;
use super::faults::{Fault, Faults, Head};
use super::hubspot::{self, Portal};
use super::log::{Log, Seen};
use super::oauth::Logins;
use super::request::Request;
use super::salesforce::{self, Org};
use super::wire::{Dropped, Ending, Traffic, Wire};
use super::{Options, seed};

/// Larger request bodies end the connection.
const LARGEST_BODY: usize = 128 * 1024 * 1024;

/// Both faces' records.
#[derive(Debug)]
pub(super) struct World {
    pub(super) org: Org,
    pub(super) portal: Portal,
}

/// Everything the connections share.
#[derive(Debug)]
pub(super) struct State {
    pub(super) options: Options,
    pub(super) world: Mutex<World>,
    pub(super) log: Log,
    pub(super) faults: Faults,
    pub(super) logins: Logins,
    pub(super) traffic: Arc<Traffic>,
}

impl State {
    pub(super) fn new(options: Options) -> Self {
        let org = seed::org(options.query_page);
        let logins = Logins::new(options.apps.clone(), options.token_life);
        Self {
            logins,
            options,
            world: Mutex::new(World {
                org,
                portal: seed::portal(),
            }),
            log: Log::default(),
            faults: Faults::default(),
            traffic: Arc::default(),
        }
    }

    /// Lets the right face answer, and notes in the log what changed.
    fn answer(&self, place: u64, request: &Request) -> Answer {
        let now = self.options.clock.now();
        let instance = self.options.instance_url.as_deref();
        let login = salesforce::oauth::answer(&self.logins, request, instance, now)
            .or_else(|| hubspot::oauth::answer(&self.logins, request, now));
        if let Some(answer) = login {
            return answer;
        }
        let bearer = self.logins.bearer(request, &self.options.tokens, now);
        let mut world = self.world.lock();
        let (answer, effects) = if salesforce::speaks(request) {
            let answer = salesforce::answer(&mut world.org, request, &bearer, now);
            (answer, world.org.effects())
        } else {
            let answer = hubspot::answer(&mut world.portal, request, &bearer, now);
            (answer, world.portal.effects())
        };
        // before the lock goes, so that the log and the records always agree
        self.log.update(place, |seen| seen.effects = effects);
        answer
    }
}

/// Serves until the task is aborted; its connections end with it.
pub(super) async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let ending = Ending::default();
                    let wire = Wire::new(stream, Arc::clone(&state.traffic), ending.clone());
                    connections.spawn(connection(wire, ending, Arc::clone(&state)));
                }
                Err(error) => tracing::warn!(%error, "sandbox: cannot accept"),
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(wire: Wire, ending: Ending, state: Arc<State>) {
    let service = service_fn(|request| serve(Arc::clone(&state), ending.clone(), request));
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(wire), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "sandbox: connection ended");
    }
}

async fn serve(
    state: Arc<State>,
    ending: Ending,
    request: hyper::Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Dropped> {
    let (parts, body) = request.into_parts();
    let target = parts
        .uri
        .path_and_query()
        .map_or_else(|| parts.uri.path().to_owned(), ToString::to_string);
    let faults = state.faults.take(&Head {
        method: &parts.method,
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or(""),
        headers: &parts.headers,
    });
    let place = arrive(&state.log, &parts.method, &target, &parts.headers);
    if faults.iter().any(|f| matches!(f, Fault::CloseBeforeBody)) {
        return Err(Dropped);
    }
    let body = match Limited::new(body, LARGEST_BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => {
            tracing::debug!(%error, "sandbox: body cut off");
            return Err(Dropped);
        }
    };
    let request = Request::new(parts.method, &target, parts.headers, body);
    state.log.update(place, |seen| {
        seen.body = request.raw.clone();
        seen.complete = true;
        seen.write = request.is_write();
    });
    let gzip = state.options.gzip_answers && asks_for_gzip(&request);
    if let Some(response) = before_effect(&faults).await? {
        state
            .log
            .update(place, |seen| seen.status = Some(response.status().as_u16()));
        return Ok(response);
    }
    let answer = state.answer(place, &request);
    after_effect(&faults, &ending).await?;
    state
        .log
        .update(place, |seen| seen.status = Some(answer.status));
    Ok(answer.into_response(gzip))
}

fn arrive(log: &Log, method: &Method, target: &str, headers: &HeaderMap) -> u64 {
    let request = Request::new(method.clone(), target, headers.clone(), Bytes::new());
    log.arrive(Seen {
        method: method.clone(),
        target: target.to_owned(),
        headers: headers.clone(),
        body: Bytes::new(),
        complete: false,
        write: request.is_write(),
        status: None,
        effects: Vec::new(),
    })
}

/// Gates, closes and scripted answers that come before the request has an effect.
async fn before_effect(faults: &[Fault]) -> Result<Option<Response<Full<Bytes>>>, Dropped> {
    for fault in faults {
        match fault {
            Fault::WaitBeforeEffect(gate) => gate.pass().await,
            Fault::CloseBeforeBody
            | Fault::CloseBeforeEffect
            | Fault::CloseAfterEffect
            | Fault::WaitAfterEffect(_)
            | Fault::Answer { .. }
            | Fault::Cut { .. }
            | Fault::Reset { .. } => {}
        }
    }
    if faults.iter().any(|f| matches!(f, Fault::CloseBeforeEffect)) {
        return Err(Dropped);
    }
    Ok(faults.iter().find_map(scripted))
}

fn scripted(fault: &Fault) -> Option<Response<Full<Bytes>>> {
    let Fault::Answer {
        status,
        headers,
        body,
    } = fault
    else {
        return None;
    };
    let mut response = Response::new(Full::new(body.clone()));
    *response.status_mut() = StatusCode::from_u16(*status).ok()?;
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        let value = HeaderValue::from_str(value).ok()?;
        response.headers_mut().append(name, value);
    }
    Some(response)
}

/// Gates, closes and cuts that come after the request had its effect.
async fn after_effect(faults: &[Fault], ending: &Ending) -> Result<(), Dropped> {
    for fault in faults {
        match fault {
            Fault::WaitAfterEffect(gate) => gate.pass().await,
            Fault::CloseAfterEffect => return Err(Dropped),
            Fault::Cut { keep } => ending.cut(*keep, false),
            Fault::Reset { keep } => ending.cut(*keep, true),
            Fault::CloseBeforeBody
            | Fault::CloseBeforeEffect
            | Fault::WaitBeforeEffect(_)
            | Fault::Answer { .. } => {}
        }
    }
    Ok(())
}

fn asks_for_gzip(request: &Request) -> bool {
    request
        .header("accept-encoding")
        .is_some_and(|list| list.to_ascii_lowercase().contains("gzip"))
}
