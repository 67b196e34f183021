//! What the ledger has of a hold: one entry through its whole life, whatever becomes of it.

use serde_json::json;
use writegate::hold::State;
use writegate::journal::read;
use writegate::ledger::{Ledger, Row, RowFilter, RowKind};
use writegate::sandbox::{Fault, Head};

use super::{Bench, OPERATOR, RULES, SALES_OPS, builder, clock, hold_of, without_credentials};

/// All rows but that the process started.
async fn rows(bench: &Bench) -> Vec<Row> {
    let rows = bench.house.ledger.rows(RowFilter::default()).await.unwrap();
    let begun = |row: &Row| row.kind != RowKind::Started;
    rows.into_iter().filter(begun).collect()
}

/// Every row is the hold's, and they are of these kinds.
async fn tells(bench: &Bench, id: &str, kinds: &[RowKind]) {
    let slot = bench.slot(id);
    // That it was told is written under the hold's turn, behind the answer.
    drop(slot.turn().await);
    let entry = slot.entry().clone();
    let rows = rows(bench).await;
    let of: Vec<RowKind> = rows.iter().map(|row| row.kind).collect();
    assert_eq!(of, kinds);
    assert!(rows.iter().all(|row| row.entry == entry), "{rows:?}");
    assert_eq!(bench.show(id).await["entry"], json!(entry));
    let detail = read::detail(&*bench.house.ledger, &entry).await.unwrap();
    assert_eq!(detail.unwrap().rows.len(), kinds.len());
}

#[tokio::test]
async fn one_entry_tells_the_whole_life_of_a_hold() {
    use RowKind::{
        Closed, Decided, Delivered, Drifted, Expired, Held, InDoubt, Opened, Reconciled, Refused,
    };
    let bench = async || Bench::of(without_credentials(builder(RULES))).await;

    // approved, moved, approved again, released, collected
    let house = bench().await;
    let deals = house.deals();
    let held = house.stage(&deals[2], "Prospecting").await;
    let id = hold_of(&held);
    house.approve(SALES_OPS, &id).await;
    house.moves(&deals[2], "StageName", json!("x"));
    let moved = house.stage(&deals[2], "Prospecting").await;
    house.approve(SALES_OPS, &id).await;
    let answer = house.stage(&deals[2], "Prospecting").await;
    for reply in [&moved, &answer] {
        let entry = reply.header("x-writegate-entry");
        assert_eq!(entry, held.header("x-writegate-entry"));
    }
    tells(
        &house,
        &id,
        &[Held, Decided, Drifted, Decided, Opened, Closed, Delivered],
    )
    .await;
    house.finish().await;

    // rejected
    let house = bench().await;
    let id = hold_of(&house.stage(&deals[2], "Prospecting").await);
    house.reject(SALES_OPS, &id, "no").await;
    house.stage(&deals[2], "Prospecting").await;
    tells(&house, &id, &[Held, Decided, Delivered]).await;
    house.finish().await;

    // expired
    let time = clock();
    let house = Bench::of(builder(RULES).clock(time.clone())).await;
    let id = hold_of(&house.stage(&deals[2], "Prospecting").await);
    time.advance_ms(7 * 24 * 3_600_000);
    house.stage(&deals[2], "Prospecting").await;
    tells(&house, &id, &[Held, Expired, Delivered]).await;
    house.finish().await;

    // approved, and denied by other rules
    let house = bench().await;
    let id = hold_of(&house.stage(&deals[2], "Prospecting").await);
    house.approve(SALES_OPS, &id).await;
    let deny = [(
        "new.yaml".to_owned(),
        "crm: salesforce\ndefault: deny\n".to_owned(),
    )];
    let deny = writegate::policy::RuleSet::compile(&deny).unwrap();
    house.house.app.rules.store(std::sync::Arc::new(deny));
    house.stage(&deals[2], "Prospecting").await;
    tells(&house, &id, &[Held, Decided, Refused, Delivered]).await;
    house.finish().await;

    // in doubt, and read back by its repeat
    let house = Bench::new().await;
    let id = hold_of(&house.stage(&deals[2], "Prospecting").await);
    let patch = |head: &Head<'_>| head.method == http::Method::PATCH;
    let sandbox = &house.house.sandbox;
    sandbox.script(patch, 1, Fault::CloseAfterEffect);
    house.approve(OPERATOR, &id).await;
    house.until(&id, State::InDoubt).await;
    house.stage(&deals[2], "Prospecting").await;
    tells(&house, &id, &[Held, Decided, Opened, InDoubt, Reconciled]).await;
    house.finish().await;
}
