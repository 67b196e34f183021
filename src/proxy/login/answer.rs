//! The CRM's answer to a login: addresses lead through the proxy, tokens are learned before the agent has
//! them. What cannot be told apart is not passed on, nor anything of it learned.

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderMap, Response};

use crate::config::Fingerprint;
use crate::crm::login::Login;
use crate::error::Refusal;
use crate::learned::{self, Owner, Token, Use};
use crate::proxy::words::login as words;
use crate::proxy::{Call, answer_of, decode};
use crate::upstream::{Answer, Body};

/// The largest answer to a login, decoded.
const ANSWER_MOST: usize = 1024 * 1024;

/// The answer as the agent gets it.
pub(super) async fn taken(
    call: Call<'_>,
    mut answer: Answer,
    owner: &Owner<'_>,
    login: &Login,
) -> Result<Response<Body>, Refusal> {
    let grant = login.grant;
    if answer.status.is_redirection() {
        return Err(words::leads_away("it redirects a login"));
    }
    answer.body = decoded(&answer.headers, answer.body)?;
    answer.headers.remove(CONTENT_ENCODING);
    answer.headers.remove(CONTENT_LENGTH);
    if !answer.status.is_success() {
        tracing::info!(
            route = owner.route,
            service_account = owner.service_account,
            grant,
            status = answer.status.as_u16(),
            "login refused by the CRM"
        );
        return Ok(answer_of(answer));
    }
    let issued = call
        .state
        .crm
        .issued(grant, &call.state.origins, &answer.body);
    let issued =
        issued.map_err(|what| words::leads_away("it is no login of this route").detail(what))?;
    let app = &call.worker.app;
    let now = app.clock.now();
    let mut tokens = Vec::new();
    if let Some((token, seconds)) = &issued.access {
        tokens.push(Token::issued(token.expose(), Use::Access, *seconds, now));
    }
    // one that was redeemed and not replaced goes on
    if let Some(token) = issued.refresh.as_ref().or(login.refresh_token.as_ref()) {
        tokens.push(Token::issued(token.expose(), Use::Refresh, None, now));
    }
    if tokens.iter().any(|token| !is_free(call, owner, token)) {
        return Err(words::shared_token());
    }
    learned::learn(app, owner, &tokens, now)
        .await
        .map_err(|error| Refusal::unavailable(error.to_string()))?;
    tracing::info!(
        route = owner.route,
        service_account = owner.service_account,
        grant,
        "logged in"
    );
    answer.body = issued.body;
    Ok(answer_of(answer))
}

/// Whether nobody else has a token: the configuration wins over what is learned, and who logged in first
/// over who comes later, since one token cannot tell two apart.
fn is_free(call: Call<'_>, owner: &Owner<'_>, token: &Token) -> bool {
    let app = &call.worker.app;
    let configured = app.config.service_accounts.iter().any(|account| {
        let has = |known: &Fingerprint| *known == token.fingerprint;
        account.name != owner.service_account
            && (account.tokens.iter().any(has) || account.keys.iter().any(has))
    });
    let known = app
        .learned
        .find(owner.route, token.used, token.fingerprint, call.now);
    !configured && known.is_none_or(|known| known.service_account == owner.service_account)
}

/// The body without the coding that it was not asked for.
fn decoded(headers: &HeaderMap, body: Bytes) -> Result<Bytes, Refusal> {
    let mut codings = headers.get_all(CONTENT_ENCODING).iter();
    let coding = match (codings.next(), codings.next()) {
        (None, _) => None,
        (Some(value), None) => Some(value.to_str().unwrap_or("unreadable")),
        (Some(_), Some(_)) => Some("several"),
    };
    decode::decode(coding, body, ANSWER_MOST)
        .map_err(|_fault| words::leads_away("its Content-Encoding cannot be undone"))
}
