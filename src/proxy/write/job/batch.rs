//! Batches of Bulk API 1.0: each is a write of its own. It is kept whole, its rows are taken down and
//! judged, and then it goes. What a batch of a query job selects is an export.

use hyper::body::Incoming;

use super::{Answered, Job, words};
use crate::crm::Shape;
use crate::crm::salesforce::bulk::batch::{self, BYTES_MOST, ROWS_MOST};
use crate::crm::salesforce::bulk::{Work, batch::rows};
use crate::error::Refusal;
use crate::proxy::Refused;
use crate::proxy::write::Write;

impl Write {
    /// Takes rows that run at once.
    pub(super) async fn batch(self, shape: &Shape, id: &str, incoming: Incoming) -> Answered {
        let job = self.to_feed_again(id).await?;
        let bytes = self.body(incoming).await?;
        if bytes.len() > BYTES_MOST {
            return Err(self.refuse(words::large(), None, None).await);
        }
        if job.spec.work == Work::Query {
            let changes = batch::query(&bytes).map_err(Refusal::malformed);
            let changes = self.or_refuse(changes).await?;
            let changes = self
                .or_refuse(changes.map_err(|why| words::unclear(&why)))
                .await?;
            return self.detached(Some(shape.clone()), bytes, changes).await;
        }
        let apart = rows(&job.spec, &self.head(), &bytes).map_err(Refusal::malformed);
        let apart = self.or_refuse(apart).await?;
        let (spec, csv) = self
            .or_refuse(apart.map_err(|why| words::unclear(&why)))
            .await?;
        let account = &self.actor.service_account;
        let own = super::commits(shape, account, &bytes).unwrap_or_default();
        let taken = self.take_down(&own, &spec, &csv, ROWS_MOST).await;
        drop(csv);
        let taken = self.or_refuse(taken).await?;
        self.commit(shape.clone(), taken, bytes).await
    }

    /// A job of batches that takes some more: one that was made elsewhere is looked up, and is nobody's
    /// until the CRM has taken a batch.
    async fn to_feed_again(&self, id: &str) -> Result<Job, Box<Refused>> {
        let job = self.known_or_found(id).await?;
        let refusal = if job.is_of_others(&self.actor.service_account) {
            words::not_theirs(id)
        } else if !job.spec.batches {
            words::other_api(id)
        } else if job.over {
            words::over(id)
        } else {
            return Ok(job);
        };
        Err(self.refuse(refusal, None, None).await)
    }
}
