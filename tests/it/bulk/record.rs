//! The record of a job: whole or not there, read by the places of its rows, and no longer than it need be.

use http::StatusCode;
use serde_json::json;
use writegate::clock::EntryId;
use writegate::journal::job::{Chunk, Name, Pending, Priors, Step};
use writegate::ledger::{Ledger, RowFilter, RowKind};
use writegate::mutation::{Prior, Snapshot};
use writegate::proxy::rows::Rows;
use writegate::sandbox::seed;

use super::batches::{self, client, posted};
use super::{JOBS, field, ran, updates};
use crate::support::house::{House, TOKEN};

fn name(job: &str) -> Name<'_> {
    Name {
        route: "salesforce",
        job,
        service_account: "enrichment-agent",
    }
}

/// Whichever row of a job's record the ledger refuses, the same request goes through once it works.
#[tokio::test]
async fn a_batch_whose_record_failed_is_taken_when_it_is_sent_again() {
    let house = House::builder().build().await;
    let agent = client(&house, TOKEN);
    let job = batches::made(&agent, "update", "CSV", &[]).await;
    for passing in 0..3 {
        let csv = format!("Id,Industry\n{},Try {passing}\n", seed::ACME);
        house.ledger.fail_after(RowKind::Job, passing);
        let first = posted(&agent, &job, "CSV", csv.clone()).await;
        assert_eq!(first.code(), "WRITEGATE_UNAVAILABLE", "{}", first.text());
        let again = posted(&agent, &job, "CSV", csv).await;
        assert_eq!(again.status, StatusCode::CREATED, "{}", again.text());
        let written = field(&house, "Account", seed::ACME, "Industry");
        assert_eq!(written, format!("Try {passing}"));
    }
    assert_eq!(house.sandbox.writes().len(), 3);
    house.finish().await;
}

/// P8: what a record held before is found by the place of its row, whatever stands before it.
#[tokio::test]
async fn rows_behind_unreadable_ones_have_their_own_prior_values() {
    let house = House::builder().build().await;
    let csv = format!("Id,Industry\n{},A\n", seed::ACME);
    let (real, _) = ran(&house.agent(), &updates("Account"), &csv).await;
    let journal = &house.app.journal;
    let (name, commit) = (name("750Wg00000000zzIAA"), EntryId::from_text("by hand"));
    let now = house.app.clock.now();
    for (step, _) in journal.job_steps(&self::name(&real)).await.unwrap() {
        let step = if let Step::Fed(mut fed) = step {
            fed.rows = 2;
            Step::Fed(fed)
        } else if matches!(step, Step::Known { .. }) {
            step
        } else {
            continue;
        };
        journal.job_step(&name, &step, None, now).await.unwrap();
    }
    let rows = [
        ("no id".to_owned(), "Of the first"),
        (seed::GLOBEX.to_owned(), "Of the second"),
    ];
    for (first, (id, held)) in (0..).zip(&rows) {
        let csv = format!("{id},B\n");
        let chunk = Chunk {
            first,
            rows: 1,
            csv,
        };
        journal.job_chunk(&name, &chunk, now).await.unwrap();
        let fields = json!({ "Industry": held });
        let prior = Prior::Found {
            id: id.clone(),
            fields: fields.as_object().unwrap().clone(),
            stamp: None,
        };
        let snapshot = Snapshot::of(vec![prior]);
        let priors = Priors { first, snapshot };
        let place = (&name, &commit);
        journal.job_priors(place, &priors, now).await.unwrap();
    }
    journal.job_judged((&name, &commit), now).await.unwrap();
    let mut parts = Rows::of(journal, "salesforce", &commit)
        .await
        .unwrap()
        .unwrap();
    let unreadable = parts.next().await.unwrap().unwrap();
    assert!(unreadable.mutations.is_err());
    let readable = parts.next().await.unwrap().unwrap();
    assert_eq!(readable.mutations.unwrap().len(), 1);
    let held = json!(readable.priors).to_string();
    assert!(held.contains("Of the second"), "{held}");
    house.finish().await;
}

/// Somebody who asks for a job over and over, of which nothing is left to learn, adds nothing to the ledger.
#[tokio::test]
async fn asking_again_for_a_settled_job_writes_nothing_down() {
    let house = House::builder().build().await;
    let agent = house.agent();
    let job = "750Wg00000000zzIAA";
    let commit = EntryId::from_text("settled");
    let rows = async || {
        let filter = RowFilter {
            kinds: vec![RowKind::Job],
            ..RowFilter::default()
        };
        house.ledger.rows(filter).await.unwrap().len()
    };
    let pending = Pending {
        route: "salesforce".into(),
        service_account: "enrichment-agent".into(),
        job: job.into(),
        rows: job.into(),
        place: format!("{JOBS}/{job}"),
        commit: commit.clone(),
    };
    let steps = [Step::Committing { commit }];
    let now = house.app.clock.now();
    let taken = house.app.journal.job_taken(&pending, &steps, now);
    taken.await.unwrap();
    let before = rows().await;
    agent.get(&format!("{JOBS}/{job}")).await;
    let once = rows().await;
    assert!(once > before, "that it is over is noted");
    for _ in 0..3 {
        agent.get(&format!("{JOBS}/{job}")).await;
    }
    assert_eq!(rows().await, once);
    house.finish().await;
}
