//! Requests whose body says who sends them: it is collected and looked at before anything is known of
//! the caller, and the credential is cut out of it. What is judged, digested and kept is the rest; the
//! credential comes back to its place in what is sent.

use bytes::{Bytes, BytesMut};
use http::Response;
use http::request::Parts;
use hyper::body::Incoming;

use super::actor::{self, Caller};
use super::write::Write;
use super::{Call, Refused, body, early, login, unknown, words};
use crate::crm::Shape;
use crate::crm::path::CanonicalPath;
use crate::crm::signed::Introduction;
use crate::error::Refusal;
use crate::metrics::{self, Seen};
use crate::mutation::Opaque;
use crate::upstream::Body;

/// A request that was collected.
enum Opened {
    /// Who sends it, and the bytes without the credential.
    By(Caller, Bytes),
    /// A login: its user name.
    Login(Option<String>, Bytes),
}

/// Governs a request to such a path; `caller` is who its headers name.
pub(super) async fn run(
    call: Call<'_>,
    seen: &Seen,
    (parts, path, caller): (Parts, CanonicalPath, Caller),
    kind: Result<Shape, Opaque>,
    incoming: Incoming,
) -> Result<Response<Body>, Box<Refused>> {
    let known = caller.service_account.clone();
    let account = known.as_deref();
    if caller.fingerprint.is_some() && account.is_none() {
        return Err(early::refused(call, &parts, None, unknown(&caller)).await);
    }
    if caller.credential.is_ours() {
        return Err(early::refused(call, &parts, account, words::no_key_in_body()).await);
    }
    let (caller, bytes) = match open(call, seen, &parts, caller, incoming).await {
        Ok(Opened::By(caller, bytes)) => (caller, bytes),
        Ok(Opened::Login(username, bytes)) => {
            let message = login::Message {
                username,
                shape: kind.ok(),
                bytes,
            };
            return login::by_message(call, &parts, &path, message).await;
        }
        Err(refusal) => return Err(early::refused(call, &parts, account, refusal).await),
    };
    let claims = match actor::claims(&parts.headers) {
        Ok(claims) => claims,
        Err(refusal) => {
            let account = caller.service_account.as_deref();
            return Err(early::refused(call, &parts, account, refusal).await);
        }
    };
    let write = Write::begin(call, parts, path, caller, claims);
    match kind {
        Ok(shape) => write.govern_opened(shape, bytes).await,
        Err(opaque) => write.opaque_opened(opaque, bytes).await,
    }
}

/// Collects the body. Of somebody whom nothing names yet its beginning has to show a session that is
/// known, or it is no larger than a login: strangers are not worth the memory of a large message.
async fn collected(
    call: Call<'_>,
    parts: &Parts,
    caller: &Caller,
    incoming: Incoming,
) -> Result<Bytes, Refusal> {
    if caller.service_account.is_some() {
        return body::collect(&parts.headers, incoming).await;
    }
    let begun = body::begin(incoming, login::MOST).await?;
    let opening = begun.opening(&parts.headers, login::MOST);
    let mut known = false;
    if let Some(session) = call.state.crm.glimpse(&opening) {
        let callers = &call.worker.app.callers;
        let mut caller = callers.in_body(caller.clone(), Some(session), call.names)?;
        login::recognise(call, &mut caller).await?;
        known = caller.service_account.is_some();
    }
    let most = if known { body::BODY_MOST } else { login::MOST };
    begun.finish(&parts.headers, most).await
}

/// Collects the body and tells who sends it.
async fn open(
    call: Call<'_>,
    seen: &Seen,
    parts: &Parts,
    caller: Caller,
    incoming: Incoming,
) -> Result<Opened, Refusal> {
    let bytes = collected(call, parts, &caller, incoming).await?;
    let told = call.state.crm.introduce(&bytes);
    let Introduction {
        operation,
        session,
        username,
        ..
    } = told.map_err(Refusal::malformed)?;
    if operation == "login" {
        seen.class(metrics::Class::Auth);
        if session.is_some() || caller.fingerprint.is_some() {
            return Err(Refusal::malformed(
                "a login carries a session beside its password",
            ));
        }
        return Ok(Opened::Login(username, bytes));
    }
    let callers = &call.worker.app.callers;
    let Some(session) = session else {
        let caller = callers.in_body(caller, None, call.names)?;
        return Ok(Opened::By(caller, bytes));
    };
    let mut caller = callers.in_body(caller, Some(&session.secret), call.names)?;
    login::recognise(call, &mut caller).await?;
    let mut cut = BytesMut::with_capacity(bytes.len());
    cut.extend_from_slice(bytes.get(..session.place.start).unwrap_or_default());
    cut.extend_from_slice(bytes.get(session.place.end..).unwrap_or_default());
    Ok(Opened::By(caller, cut.freeze()))
}
