//! Releases and writes that were settled: what was released since is not passed over in an answer.

use http::Method;
use serde_json::json;
use writegate::clock::Clock;
use writegate::sandbox::{Fault, Head};

use super::{Bench, RULES, SALES_OPS, builder, clock, hold_of, opportunity};

#[tokio::test]
async fn a_release_ends_the_settled_answer_for_its_record() {
    let clock = clock();
    let bench = Bench::of(builder(RULES).clock(clock.clone())).await;
    let deal = bench.deals().remove(2);
    let agent = bench.house.agent();
    let step = json!({ "NextStep": "Call them" });
    let patch = |head: &Head<'_>| head.method == Method::PATCH;
    bench
        .house
        .sandbox
        .script(patch, 1, Fault::CloseAfterEffect);
    let lost = agent.patch(&opportunity(&deal), &step).await;
    assert_eq!(lost.status, 502, "{}", lost.text());
    let settled = writegate::doubt::settle_due(&bench.house.worker(), clock.now()).await;
    assert_eq!(settled.len(), 1);
    let again = agent.patch(&opportunity(&deal), &step).await;
    assert_eq!(again.header("x-writegate-replayed"), Some("true"));
    let both = json!({ "StageName": "Closed Won", "NextStep": "Send the contract" });
    let held = agent.patch(&opportunity(&deal), &both).await;
    bench.release(SALES_OPS, &hold_of(&held)).await;
    assert_eq!(bench.opportunity(&deal, "NextStep"), "Send the contract");
    let anew = agent.patch(&opportunity(&deal), &step).await;
    assert_eq!(anew.status, 204, "{}", anew.text());
    assert_eq!(anew.header("x-writegate-replayed"), None);
    assert_eq!(bench.opportunity(&deal, "NextStep"), "Call them");
    bench.finish().await;
}
