//! A message waits for a person as any other write does: repeated with whatever session, sent with the
//! credential of the release in the place of the session, and answered as the CRM answered.

use writegate::hold::State;
use writegate::ledger::{Ledger, RowFilter};
use writegate::mutation::CrmKind;
use writegate::sandbox::seed;

use super::{PARTNER, message, post, told};
use crate::holds::{Bench, SALES_OPS, builder, without_credentials};
use crate::support::client::Reply;
use crate::support::house::{BROKER, TOKEN};

const RULES: &str = "
crm: salesforce
default: allow
objects: { Account: { fields: { Industry: { agents: hold, owner: Sales Ops } } } }
";
const LATER: &str = "00Dxx!canary-token-of-enrichment-later";

/// The id in `[hold …]`.
fn hold_of(reply: &Reply) -> String {
    let (code, message) = told(reply);
    assert_eq!(code, "WRITEGATE_HELD", "{message}");
    let (_, id) = message.rsplit_once("[hold ").unwrap();
    id.trim_end_matches(']').to_owned()
}

fn update() -> String {
    format!(
        "<update><sObjects><type>Account</type><Id>{}</Id><Industry>Retail</Industry></sObjects></update>",
        seed::ACME
    )
}

async fn industry(bench: &Bench) -> serde_json::Value {
    let record = bench
        .house
        .sandbox
        .record(CrmKind::Salesforce, "Account", seed::ACME);
    record.unwrap()["Industry"].clone()
}

#[tokio::test]
async fn held_approved_and_collected() {
    let bench = Bench::of(builder(RULES).token(LATER)).await;
    let held = post(&bench.house, PARTNER, &message(TOKEN, "", &update())).await;
    let id = hold_of(&held);
    let kept = bench.house.ledger.rows(RowFilter::default()).await.unwrap();
    assert!(!format!("{kept:?}").contains(TOKEN));
    assert!(!bench.show(&id).await.to_string().contains(TOKEN));

    // another session of the same account asks for the same
    let again = post(&bench.house, PARTNER, &message(LATER, "", &update())).await;
    assert_eq!(hold_of(&again), id);
    bench.release(SALES_OPS, &id).await;
    assert_eq!(industry(&bench).await, "Retail");
    let writes = bench.writes();
    assert_eq!(writes.len(), 1);
    assert_eq!(writes[0].body, message(BROKER, "", &update()).as_bytes());

    let answer = post(&bench.house, PARTNER, &message(LATER, "", &update())).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("x-writegate-replayed"), Some("true"));
    assert!(
        answer.text().contains("<success>true</success>"),
        "{}",
        answer.text()
    );
    assert_eq!(bench.writes().len(), 1);
    bench.finish().await;
}

#[tokio::test]
async fn without_a_credential_the_repeat_carries_it() {
    let builder = without_credentials(builder(RULES).token(LATER));
    let bench = Bench::of(builder).await;
    let id = hold_of(&post(&bench.house, PARTNER, &message(TOKEN, "", &update())).await);
    bench.approve(SALES_OPS, &id).await;
    bench.until(&id, State::Approved).await;
    let answer = post(&bench.house, PARTNER, &message(LATER, "", &update())).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(
        bench.writes()[0].body,
        message(LATER, "", &update()).as_bytes()
    );
    assert_eq!(industry(&bench).await, "Retail");
    bench.finish().await;
}
