//! Records that hang on a record that a write made: Salesforce deletes them with it, and they are not
//! ours. Adding one leaves the parent's own stamp as it is, so it has to be asked.

use http::header::ACCEPT;
use http::{HeaderValue, Request, Uri};

use super::batch::{Batch, Kind};
use super::look::Way;
use super::report::{Action, Finding};
use super::round::Turn;
use crate::crm::ReadCall;
use crate::upstream::Body;

const HANGS: &str = "not deleted: other records hang on it and would be deleted with it";
const UNTOLD: &str = "not deleted: whether other records hang on it cannot be told now";

/// Leaves out what must not be deleted for what hangs on it; lines about it go into `findings`.
pub(super) async fn spare(
    way: &Way<'_>,
    batch: &Batch,
    turns: Vec<Turn>,
    findings: &mut Vec<Finding>,
) -> Vec<Turn> {
    if batch.kind != Kind::Remove || turns.is_empty() {
        return turns;
    }
    let (mut parents, mut all) = (Vec::new(), true);
    {
        let ids: Vec<&str> = turns.iter().map(|turn| turn.record.id.as_str()).collect();
        for call in way.state.crm.children(way.like, &batch.object, &ids) {
            match named(way, batch, &call).await {
                Ok((ids, whole)) => {
                    parents.extend(ids);
                    all &= whole;
                }
                Err(why) => {
                    tracing::warn!(%why, "a revert cannot look for children");
                    all = false;
                }
            }
        }
    }
    let mut left = Vec::new();
    for turn in turns {
        if parents.contains(&turn.record.id) {
            findings.extend(turn.fail(Action::Skipped, HANGS));
        } else if all {
            left.push(turn);
        } else {
            findings.extend(turn.fail(Action::Skipped, UNTOLD));
        }
    }
    left
}

async fn named(
    way: &Way<'_>,
    batch: &Batch,
    call: &ReadCall,
) -> Result<(Vec<String>, bool), String> {
    let upstream = way.worker.upstreams.get(way.place);
    let upstream = upstream.ok_or("the route has no upstream")?;
    let mut request = Request::new(Body::Empty);
    *request.method_mut() = call.method.clone();
    *request.uri_mut() = Uri::try_from(call.target.as_str()).map_err(|error| error.to_string())?;
    request.headers_mut().clone_from(way.access);
    let json = HeaderValue::from_static("application/json");
    request.headers_mut().insert(ACCEPT, json);
    let answer = upstream.read(request).await;
    let answer = answer.map_err(|error| error.to_string())?;
    let crm = way.state.crm;
    crm.children_found(call, &batch.object, answer.status, &answer.body)
        .map_err(|_failure| format!("the CRM answered with {}", answer.status))
}
