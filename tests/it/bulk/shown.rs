//! What an approver sees of a held job: its rows, a page at a time, with what stood there before.

use serde_json::json;
use writegate::sandbox::seed;

use super::{ran, updates};
use crate::holds::{Bench, builder, hold_of};
use crate::support::client::Client;
use crate::support::house::APPROVER;

const RULES: &str = "
crm: salesforce
default: allow
objects: { Account: { fields: { Industry: { agents: hold, owner: Sales Ops } } } }
";

#[tokio::test]
async fn an_approver_sees_the_rows_of_a_job() {
    let bench = Bench::of(builder(RULES)).await;
    let agent = bench.house.agent();
    let then = super::field(&bench.house, "Account", seed::ACME, "Industry");
    let csv = format!(
        "Id,Industry,Website\n{},Proposed,\n{},#N/A,https://x.example\n{},Other,\n",
        seed::ACME,
        seed::GLOBEX,
        seed::INITECH
    );
    let (_, held) = ran(&agent, &updates("Account"), &csv).await;
    let id = hold_of(&held);
    let admin = Client::new(bench.house.operators().await, APPROVER);
    let shown = admin.get(&format!("/api/v1/holds/{id}")).await.json();
    assert_eq!(shown["rows"]["total"], 3);
    let first = &shown["rows"]["items"][0];
    assert_eq!(first["row"], 0);
    assert_eq!(first["record"], json!({ "id": seed::ACME }));
    let industry = json!({ "Industry": { "then": then, "proposed": "Proposed" } });
    assert_eq!(first["fields"], industry);
    let counts = &shown["changes"][0]["fields"];
    assert_eq!(counts["Industry"]["proposed"], json!({ "rows": 3 }));
    assert_eq!(counts["Website"]["proposed"], json!({ "rows": 1 }));
    let page = admin
        .get(&format!("/api/v1/holds/{id}?rows=1..2"))
        .await
        .json();
    let items = page["rows"]["items"].as_array().unwrap();
    assert_eq!(items.len(), 1);
    assert_eq!(
        items[0]["fields"]["Website"]["proposed"],
        "https://x.example"
    );
    assert_eq!(items[0]["fields"]["Industry"]["proposed"], json!(null));
    let odd = admin.get(&format!("/api/v1/holds/{id}?rows=2..1")).await;
    assert_eq!(odd.status, 422, "{}", odd.text());
    bench.finish().await;
}
