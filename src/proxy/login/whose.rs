//! Questions about a token are answered to whom it belongs to. Reads, whose secret no log sees.

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};

use super::{by_names, known, recognise};
use crate::config::Fingerprint;
use crate::crm::Head;
use crate::crm::login::Whose;
use crate::error::Refusal;
use crate::learned::Use;
use crate::proxy::actor::{Caller, Credential, Presented, is_key};
use crate::proxy::words::login as words;
use crate::proxy::{Call, headers, may_read, no_upstream, target, unknown};
use crate::upstream::Body;

/// Passes the question on, where all that names somebody names the token's owner.
pub(super) async fn answer(
    call: Call<'_>,
    head: &Head<'_>,
    whose: &Whose,
    mut bytes: Bytes,
    who: &mut Option<String>,
) -> Result<Response<Body>, Refusal> {
    let fingerprint = Fingerprint::of(whose.token.expose().as_bytes());
    let owner = owner(call, whose, fingerprint)
        .await
        .ok_or_else(words::not_theirs)?;
    let caller = caller(call, head, &owner).await?;
    if caller.service_account.as_deref() != Some(owner.as_str()) {
        return Err(words::not_theirs());
    }
    *who = Some(owner.clone());
    if by_names(call, &whose.names)?.is_some_and(|(named, _)| named.name != owner) {
        return Err(words::not_theirs());
    }
    may_read(call, &caller)?;
    let mut headers = passed(head.headers, &caller.credential);
    // A key of ours means nothing to the CRM: what stands for it is asked about.
    if is_key(whose.token.expose()) {
        let blank = whose.blank().filter(|_| caller.credential.is_ours());
        let (blank, place) = blank.ok_or_else(words::not_theirs)?;
        bytes = caller.credential.sign(&mut headers, blank, Some(place))?;
    }
    let mut request = Request::new(Body::full(bytes));
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = target(head.path, head.path.trailing_slash(), None)?;
    *request.headers_mut() = headers;
    let upstream = call
        .worker
        .upstreams
        .get(call.place)
        .ok_or_else(no_upstream)?;
    let mut answer = upstream
        .stream(request)
        .await
        .map_err(|error| crate::proxy::words::no_answer(&error))?;
    if caller.credential.is_ours() && answer.status() == StatusCode::UNAUTHORIZED {
        return Err(crate::proxy::words::credential_refused());
    }
    headers::to_answer(answer.headers_mut());
    Ok(answer)
}

/// Whose the token is.
async fn owner(call: Call<'_>, whose: &Whose, fingerprint: Fingerprint) -> Option<String> {
    let mut accounts = call.worker.app.config.service_accounts.iter();
    let configured = accounts.find(|account| {
        account.tokens.contains(&fingerprint) || account.keys.contains(&fingerprint)
    });
    if let Some(account) = configured.filter(|_| whose.refresh != Some(true)) {
        return Some(account.name.clone());
    }
    let uses = match whose.refresh {
        Some(true) => &[Use::Refresh][..],
        Some(false) => &[Use::Access],
        None => &[Use::Access, Use::Refresh],
    };
    for used in uses {
        if let Some(known) = known(call, *used, fingerprint).await {
            return Some(known.service_account);
        }
    }
    None
}

/// Who asks: whoever the request's credential says, else the token's owner, since the token is proof
/// enough to the CRM too.
async fn caller(call: Call<'_>, head: &Head<'_>, owner: &str) -> Result<Caller, Refusal> {
    let app = &call.worker.app;
    let basic = head.headers.get(AUTHORIZATION).is_some_and(|value| {
        let start = value.as_bytes().get(..6).unwrap_or_default();
        start.eq_ignore_ascii_case(b"basic ")
    });
    let mut given = head.headers.clone();
    if basic {
        given.remove(AUTHORIZATION);
    }
    let mut caller = app.callers.identify(Presented {
        route: &call.state.route.name,
        headers: &given,
        query: None,
        names: call.names,
        elsewhere: basic,
    })?;
    recognise(call, &mut caller).await?;
    match (&caller.service_account, caller.fingerprint) {
        (Some(_), _) => Ok(caller),
        (None, Some(_)) => Err(unknown(&caller)),
        (None, None) => Ok(Caller {
            service_account: Some(owner.to_owned()),
            ..caller
        }),
    }
}

/// The headers as they go on. A `Basic` belongs to the question and stays.
fn passed(given: &HeaderMap, credential: &Credential) -> HeaderMap {
    let mut passed = given.clone();
    headers::to_read(&mut passed);
    passed.remove(CONTENT_LENGTH);
    passed.remove(http::header::CONTENT_ENCODING);
    let basic = passed.get(AUTHORIZATION).cloned();
    credential.put(&mut passed);
    if let (Credential::None, Some(mut basic)) = (credential, basic) {
        basic.set_sensitive(true);
        passed.insert(AUTHORIZATION, basic);
    }
    passed.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    passed
}
