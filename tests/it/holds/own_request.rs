//! P6: nobody approves their own request, and two approvers are two people. Each row is a way to try;
//! after it the right people still can.

mod doors;
mod lives;
mod rows;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Bench, OPERATOR, RULES, SALES_OPS, builder, clock, hold_of, opportunity};
use crate::support::client::Reply;
use rows::{Row, Shown, rows};

/// The body of a try.
async fn body(bench: &Bench, shown: Shown, id: &str, other: &str) -> String {
    let right = bench.digest(id).await;
    let of = |value: Value| json!({ "digest": value }).to_string();
    match shown {
        Shown::Right => of(json!(right)),
        Shown::None => "{}".to_owned(),
        Shown::Of(text) => of(json!(text)),
        Shown::Prefix => of(json!(right[..63])),
        Shown::Upper => of(json!(right.to_uppercase())),
        Shown::Padded => of(json!(format!("{right} "))),
        Shown::Request => of(json!(bench.slot(id).look().unwrap().content)),
        Shown::OtherHold => of(json!(bench.digest(other).await)),
        Shown::Kind => of(json!(format!("sha256:{right}"))),
        Shown::List => of(json!([right])),
        Shown::Twice => format!("{{\"digest\":\"{right}\",\"digest\":\"{right}\"}}"),
        Shown::Misnamed => json!({ "Digest": right, "shown": right }).to_string(),
        Shown::Null => of(Value::Null),
        Shown::Id => of(json!(id)),
        Shown::Entry => of(json!(bench.slot(id).entry())),
    }
}

async fn tried(bench: &Bench, row: &Row, id: &str, other: &str) {
    for (token, shown) in row.tries {
        let body = body(bench, *shown, id, other).await;
        let target = format!("/api/v1/holds/{id}/approve");
        let operator = bench.operator(token);
        operator.raw(Method::POST, &target, Some(body.into())).await;
    }
}

#[tokio::test]
async fn nobody_approves_their_own_request() {
    let (mut tries, mut worked) = (0, Vec::new());
    for row in rows() {
        let bench = Bench::of(builder(row.rules).configure(row.change)).await;
        let deals = bench.deals();
        let record = &deals[if row.large { 1 } else { 2 }];
        let mut agent = bench.house.agent();
        for (name, value) in row.claims {
            agent = agent.with(name, value);
        }
        let body = json!({ "StageName": "Closed Won" });
        let id = hold_of(&agent.patch(&opportunity(record), &body).await);
        // Without its claims it is the same request, and the hold keeps those that it came with.
        let again = bench.stage(record, "Closed Won").await;
        assert_eq!(hold_of(&again), id, "{}", row.name);
        let other = hold_of(&bench.stage(&deals[3], "Closed Won").await);
        tried(&bench, &row, &id, &other).await;
        tries += 1;
        bench.house.idle().await;
        if bench.state(&id).await != "parked" || !bench.writes().is_empty() {
            worked.push(row.name);
            continue;
        }
        for token in row.right() {
            bench.approve(token, &id).await;
        }
        bench.until(&id, writegate::hold::State::Released).await;
        assert_eq!(bench.writes().len(), 1, "{}", row.name);
        bench.finish().await;
    }
    println!(
        "ways to approve one's own request: {tries} tried, {} worked",
        worked.len()
    );
    assert!(worked.is_empty(), "{worked:?}");
    assert!(tries >= 60);
}

#[tokio::test]
async fn a_no_is_not_turned_into_a_yes() {
    let clock = clock();
    let bench = Bench::of(builder(RULES).clock(clock.clone())).await;
    let deals = bench.deals();
    let id = hold_of(&bench.stage(&deals[2], "Closed Won").await);
    let yes = json!({ "digest": bench.digest(&id).await });
    bench.reject(SALES_OPS, &id, "no").await;
    for token in [SALES_OPS, OPERATOR] {
        let reply = bench.decide(token, &id, "approve", &yes).await;
        assert_eq!(reply.status, StatusCode::CONFLICT);
    }
    assert_eq!(
        bench.reject(OPERATOR, &id, "again").await.status,
        StatusCode::CONFLICT
    );
    let late = hold_of(&bench.stage(&deals[2], "Prospecting").await);
    clock.advance_ms(7 * 24 * 3_600_000);
    assert_eq!(
        bench.approve(OPERATOR, &late).await.status,
        StatusCode::CONFLICT
    );
    assert!(bench.writes().is_empty());
    bench.finish().await;
}
