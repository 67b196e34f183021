//! Ways that are not a decision over the operator API, and what an agent can do on the operators' side:
//! nothing.

use super::*;
use crate::support::client::Client;
use crate::support::house::{KEY, TOKEN, VIEWER};

/// Ways that are not a decision of an operator over the operator API.
#[expect(clippy::too_many_lines, reason = "a list of doors")]
#[tokio::test]
async fn no_other_way_in_approves() {
    let bench = Bench::new().await;
    let deals = bench.deals();
    let id = hold_of(&bench.stage(&deals[2], "Closed Won").await);
    let yes = json!({ "digest": bench.digest(&id).await });
    let api = format!("/api/v1/holds/{id}/approve");
    let (agent, ann) = (bench.house.agent(), bench.operator(SALES_OPS));
    let digest = yes["digest"].as_str().unwrap();
    let mut replies: Vec<(&str, Reply)> = vec![
        ("the API on the route", agent.post(&api, &yes).await),
        ("the API on the route as operator", {
            let operator = Client::new(bench.house.salesforce, SALES_OPS);
            operator.post(&api, &yes).await
        }),
        ("our own path on the route", {
            agent
                .post(&format!("/_writegate/holds/{id}/approve"), &yes)
                .await
        }),
        ("the agent's token over the API", {
            bench.operator(TOKEN).post(&api, &yes).await
        }),
        ("a form", {
            let form = format!("digest={digest}");
            let ann = ann.with("content-type", "application/x-www-form-urlencoded");
            ann.raw(Method::POST, &api, Some(form.into())).await
        }),
        (
            "the query",
            ann.post(&format!("{api}?digest={digest}"), &json!({}))
                .await,
        ),
        ("two tokens", {
            let both = bench.operator(VIEWER);
            let both = both.with("authorization", &format!("Bearer {SALES_OPS}"));
            both.post(&api, &yes).await
        }),
        ("another scheme", {
            let basic = bench
                .operator("")
                .with("authorization", &format!("Basic {SALES_OPS}"));
            basic.post(&api, &yes).await
        }),
        ("the token as a cookie", {
            let cookie = bench
                .operator("")
                .with("cookie", &format!("token={SALES_OPS}"));
            cookie.post(&api, &yes).await
        }),
        ("the token in the query", {
            bench
                .operator("")
                .post(&format!("{api}?access_token={SALES_OPS}"), &yes)
                .await
        }),
        ("the token in the body", {
            let body = json!({ "digest": digest, "token": SALES_OPS, "by": "ann" });
            bench.operator("").post(&api, &body).await
        }),
        ("a name in a header", {
            let named = bench.operator("").with("x-forwarded-user", "ann");
            named.with("x-remote-user", "ann").post(&api, &yes).await
        }),
        ("an agent's key", bench.operator(KEY).post(&api, &yes).await),
        ("a key on the route", {
            let key = Client::new(bench.house.salesforce, KEY);
            key.post(&api, &yes).await
        }),
        ("the scheme in lower case", {
            let lower = bench.operator("");
            let lower = lower.with("authorization", &format!("bearer {TOKEN}"));
            lower.post(&api, &yes).await
        }),
        ("settled as done", {
            let entry = bench.slot(&id).entry().clone();
            let done = json!({ "applied": true, "reason": "I say so" });
            let target = format!("/api/v1/entries/{entry}/settle");
            ann.post(&target, &done).await
        }),
        ("settled as not done", {
            let entry = bench.slot(&id).entry().clone();
            let undone = json!({ "applied": false, "reason": "I say so" });
            let target = format!("/api/v1/entries/{entry}/settle");
            ann.post(&target, &undone).await
        }),
        ("a claim", {
            let claims = agent.with("x-writegate-approved-by", "ann");
            let claims = claims.with("x-writegate-verdict", "allow");
            let body = json!({ "StageName": "Closed Won" });
            claims.patch(&opportunity(&deals[2]), &body).await
        }),
        ("a digest as a claim", {
            let claims = agent.with("x-writegate-intent", digest);
            let body = json!({ "StageName": "Closed Won" });
            claims.patch(&opportunity(&deals[2]), &body).await
        }),
    ];
    for method in ["GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"] {
        let reply = ann.send(method.parse().unwrap(), &api, Some(&yes)).await;
        replies.push(("another method", reply));
    }
    let overridden = ann.with("x-http-method-override", "POST");
    let reply = overridden.send(Method::GET, &api, Some(&yes)).await;
    replies.push(("a method override", reply));
    bench.house.idle().await;
    for (name, reply) in &replies {
        assert!(!reply.status.is_success(), "{name}: {}", reply.status);
    }
    assert_eq!(bench.state(&id).await, "parked");
    assert!(bench.writes().is_empty());
    println!("other ways in: {} tried, 0 worked", replies.len());
    assert!(replies.len() >= 25);
    bench.finish().await;
}

/// Neither rules nor limits, switches, holds or entries are an agent's to change, by any of the tokens
/// and keys that it may have.
#[tokio::test]
async fn an_agent_changes_nothing_on_the_operators_side() {
    let bench = Bench::of(builder(&format!("{RULES}{LIMITS}"))).await;
    let deals = bench.deals();
    let id = hold_of(&bench.stage(&deals[2], "Closed Won").await);
    let entry = bench.slot(&id).entry().to_string();
    let yes = json!({ "digest": bench.digest(&id).await });
    let rules = bench.house.app.rules.load().digest().to_owned();
    let calls = [
        (Method::POST, format!("holds/{id}/approve"), yes.clone()),
        (
            Method::POST,
            format!("holds/{id}/reject"),
            json!({ "reason": "x" }),
        ),
        (Method::POST, "reload".to_owned(), json!({})),
        (
            Method::PUT,
            "limits/hourly".to_owned(),
            json!({ "max": 9_999, "for": "2h", "reason": "x" }),
        ),
        (Method::DELETE, "limits/hourly".to_owned(), json!({})),
        (
            Method::PUT,
            "switches/sdr-agent".to_owned(),
            json!({ "scope": "all" }),
        ),
        (
            Method::DELETE,
            "switches/enrichment-agent".to_owned(),
            json!({}),
        ),
        (
            Method::POST,
            format!("entries/{entry}/settle"),
            json!({ "applied": true, "reason": "x" }),
        ),
        (Method::POST, format!("entries/{entry}/revert"), json!({})),
        (
            Method::POST,
            "reverts".to_owned(),
            json!({ "as": "enrichment-agent", "last": 1 }),
        ),
        (Method::GET, "holds".to_owned(), json!({})),
        (Method::GET, format!("holds/{id}"), json!({})),
        (Method::GET, "entries".to_owned(), json!({})),
    ];
    let mut tries = 0;
    for (method, path, body) in &calls {
        let target = format!("/api/v1/{path}");
        for token in ["", TOKEN, KEY, "wg_made-up", crate::support::house::BROKER] {
            let agent = bench.operator(token);
            let reply = agent.send(method.clone(), &target, Some(body)).await;
            assert_eq!(
                reply.status,
                StatusCode::UNAUTHORIZED,
                "{token} {method} {path}"
            );
            tries += 1;
        }
        // On the routes the same path is the CRM's, if it is anybody's.
        let agent = bench.house.agent();
        let reply = agent.send(method.clone(), &target, Some(body)).await;
        assert!(
            !reply.status.is_success(),
            "{method} {path}: {}",
            reply.text()
        );
        tries += 1;
    }
    assert_eq!(bench.state(&id).await, "parked");
    assert_eq!(bench.house.app.rules.load().digest(), rules);
    assert!(bench.house.app.control.switches().thrown.is_empty());
    assert!(bench.writes().is_empty());
    println!("an agent on the operators' side: {tries} tried, 0 worked");
    bench.finish().await;
}

const LIMITS: &str = "
limits:
  - { name: hourly, per: service_account, count: mutations, max: 100, window: 1h }
";
