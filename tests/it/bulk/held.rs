//! A job that waits for a person: the held thing is its commit.

use http::StatusCode;
use serde_json::json;
use writegate::hold::State;
use writegate::mutation::CrmKind;
use writegate::sandbox::seed;

use super::{committed, field, ran, updates};
use crate::holds::{Bench, SALES_OPS, builder, hold_of};

const RULES: &str = "
crm: salesforce
default: allow
objects:
  Account: { fields: { Industry: { agents: fill-else-hold, owner: Sales Ops } } }
";

fn csv(industry: &str) -> String {
    format!(
        "Id,Industry\n{},{industry}\n{},{industry}\n",
        seed::ACME,
        seed::GLOBEX
    )
}

#[tokio::test]
async fn an_approved_job_is_committed_once_and_its_repeat_gets_the_answer() {
    let bench = Bench::of(builder(RULES)).await;
    let agent = bench.house.agent();
    let before = field(&bench.house, "Account", seed::GLOBEX, "Industry");
    let (job, held) = ran(&agent, &updates("Account"), &csv("Retail")).await;
    let id = hold_of(&held);
    assert_eq!(
        field(&bench.house, "Account", seed::GLOBEX, "Industry"),
        before
    );
    assert_eq!(hold_of(&committed(&agent, &job).await), id, "the same hold");
    bench.release(SALES_OPS, &id).await;
    assert_eq!(
        field(&bench.house, "Account", seed::GLOBEX, "Industry"),
        "Retail"
    );
    assert_eq!(
        field(&bench.house, "Account", seed::ACME, "Industry"),
        "Retail"
    );
    let answer = committed(&agent, &job).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(answer.header("x-writegate-replayed"), Some("true"));
    assert_eq!(bench.writes().len(), 1);
    bench.finish().await;
}

#[tokio::test]
async fn a_job_whose_records_moved_is_asked_anew() {
    let bench = Bench::of(builder(RULES)).await;
    let agent = bench.house.agent();
    let (job, held) = ran(&agent, &updates("Account"), &csv("Retail")).await;
    let id = hold_of(&held);
    let moved = json!("Mining");
    let sandbox = &bench.house.sandbox;
    assert!(sandbox.set_field(
        CrmKind::Salesforce,
        "Account",
        seed::GLOBEX,
        "Industry",
        moved
    ));
    let approved = bench.approve(SALES_OPS, &id).await;
    assert_eq!(approved.status, StatusCode::OK, "{}", approved.text());
    bench.until(&id, State::Denied).await;
    assert_eq!(
        field(&bench.house, "Account", seed::GLOBEX, "Industry"),
        "Mining"
    );
    let told = committed(&agent, &job).await;
    assert!(
        told.message().contains("Account.Industry changed"),
        "{}",
        told.message()
    );
    let again = hold_of(&committed(&agent, &job).await);
    assert_ne!(again, id);
    bench.release(SALES_OPS, &again).await;
    assert_eq!(
        field(&bench.house, "Account", seed::GLOBEX, "Industry"),
        "Retail"
    );
    assert_eq!(bench.writes().len(), 1);
    bench.finish().await;
}

#[tokio::test]
async fn a_job_of_too_many_rows_waits_whatever_its_rows_are() {
    let open = "{ crm: salesforce, default: allow }";
    let bench = Bench::of(builder(open).configure(|config| config.max_rows = 1)).await;
    let agent = bench.house.agent();
    let (_, held) = ran(&agent, &updates("Account"), &csv("Retail")).await;
    assert!(
        held.message().contains("a job of 2 rows has more than 1"),
        "{}",
        held.message()
    );
    let id = hold_of(&held);
    assert!(bench.writes().is_empty());
    bench.release(SALES_OPS, &id).await;
    assert_eq!(
        field(&bench.house, "Account", seed::ACME, "Industry"),
        "Retail"
    );
    let one = format!("Id,Industry\n{},Small\n", seed::ACME);
    let (_, answer) = ran(&agent, &updates("Account"), &one).await;
    assert_eq!(answer.status, StatusCode::OK);
    bench.finish().await;
}
