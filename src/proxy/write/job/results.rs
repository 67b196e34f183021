//! What became of a job's rows. The CRM accepts a commit and works later; when the agent asks for the
//! job, it is asked too, and the commit's entry is told.

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Uri, header::ACCEPT};

use crate::crm::Head;
use crate::crm::path::CanonicalPath;
use crate::crm::salesforce::bulk;
use crate::journal::job::{Name, Step as Told, Told as End};
use crate::journal::read::{self, EntryState};
use crate::proxy::Call;
use crate::proxy::actor::Caller;
use crate::upstream::Body;

/// Settles a commit whose results are pending, if this read asks for its job and the CRM is done with it.
/// A failure is nobody's but the log's: the next read tries again.
pub(in crate::proxy) async fn settle(
    call: Call<'_>,
    parts: &Parts,
    path: &CanonicalPath,
    caller: &Caller,
) {
    let head = Head {
        method: &parts.method,
        path,
        query: parts.uri.query(),
        headers: &parts.headers,
    };
    let (Some(job), Some(account)) = (bulk::asked_for(&head), &caller.service_account) else {
        return;
    };
    let name = Name {
        route: &call.state.route.name,
        job: &job,
        service_account: account,
    };
    if let Err(why) = told(call, &head, caller, &name).await {
        tracing::warn!(%why, job, "what became of a job is not known yet");
    }
}

async fn told(
    call: Call<'_>,
    head: &Head<'_>,
    caller: &Caller,
    name: &Name<'_>,
) -> Result<(), String> {
    let app = &call.worker.app;
    let said = |error: &dyn std::fmt::Display| error.to_string();
    let steps = app
        .journal
        .job_steps(name)
        .await
        .map_err(|error| said(&error))?;
    let mut steps = steps.into_iter().rev();
    let rows = steps.clone().find_map(|(step, _)| match step {
        Told::Fed(fed) => Some(fed.rows),
        Told::Known { .. }
        | Told::Feeding
        | Told::Committing { .. }
        | Told::Aborted
        | Told::Dropped
        | Told::Told(_) => None,
    });
    let commit = steps.find_map(|(step, owner)| match step {
        Told::Committing { commit } if owner == name.service_account => Some(commit),
        Told::Known { .. }
        | Told::Feeding
        | Told::Fed(_)
        | Told::Committing { .. }
        | Told::Aborted
        | Told::Dropped
        | Told::Told(_) => None,
    });
    let (Some(commit), Some(rows)) = (commit, rows) else {
        return Ok(());
    };
    let ledger = &**app.journal.ledger();
    let entry = read::detail(ledger, &commit)
        .await
        .map_err(|error| said(&error))?;
    if entry.is_none_or(|detail| detail.entry.state != EntryState::Accepted) {
        return Ok(());
    }
    let call_for = bulk::look(head, name.job);
    let mut headers = HeaderMap::new();
    caller.credential.put(&mut headers);
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    let mut request = Request::new(Body::Empty);
    *request.headers_mut() = headers;
    *request.uri_mut() = Uri::try_from(call_for.target.as_str()).map_err(|error| said(&error))?;
    let upstream = call
        .worker
        .upstreams
        .get(call.place)
        .ok_or("the route has no upstream")?;
    let answer = upstream.read(request).await.map_err(|error| said(&error))?;
    if !answer.status.is_success() {
        return Err(format!("the CRM answered with {}", answer.status));
    }
    let Some(ended) = bulk::ended(&answer.body)? else {
        return Ok(());
    };
    let told = End {
        done: ended.processed.saturating_sub(ended.failed),
        failed: ended.failed,
        unprocessed: rows.saturating_sub(ended.processed),
        state: ended.state,
    };
    app.journal
        .job_told((name, &commit), &told, app.clock.now())
        .await
        .map_err(|error| said(&error))
}
