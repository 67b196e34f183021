//! P6: nobody approves their own request, and two approvers are two people. Each row is a way to try;
//! after it the right people still can.

use http::{Method, StatusCode};
use serde_json::json;
use writegate::config::{Config, Fingerprint, Operator, Role};

use super::{Bench, DEAL_DESK, OWNER, RULES, SALES_OPS, builder, clock, hold_of, opportunity};
use crate::support::client::Reply;
use crate::support::house::{KEY, OPERATOR, TOKEN, VIEWER};

const SECOND: &str = "canary-token-of-sue";
const BOTH: &str = "canary-token-of-bob";

/// What the digest of an approval is taken from.
#[derive(Clone, Copy)]
enum Shown {
    Right,
    None,
    Of(&'static str),
    Prefix,
    Upper,
    Padded,
    Request,
    OtherHold,
}

struct Row {
    name: &'static str,
    change: fn(&mut Config),
    claims: &'static [(&'static str, &'static str)],
    /// A deal that takes two teams.
    large: bool,
    tries: &'static [(&'static str, Shown)],
}

const PLAIN: Row = Row {
    name: "",
    change: |_| {},
    claims: &[],
    large: false,
    tries: &[],
};

fn owned_by(config: &mut Config, owner: &str) {
    config.service_accounts[0].owner = Some(owner.into());
}

fn named(config: &mut Config, token: &str, name: &str) {
    let print = Fingerprint::of(token.as_bytes());
    let operator = config.operators.iter_mut().find(|one| one.token == print);
    operator.unwrap().name = name.into();
}

fn with_teams(config: &mut Config, token: &str, roles: &[Role], teams: &[&str]) {
    config.operators.push(Operator {
        name: if token == BOTH {
            "bob".into()
        } else {
            "sue".into()
        },
        roles: roles.to_vec(),
        teams: teams.iter().map(|team| (*team).to_owned()).collect(),
        token: Fingerprint::of(token.as_bytes()),
    });
}

const BY_OWNER: &[(&str, Shown)] = &[(OWNER, Shown::Right)];
const BY_ANN: &[(&str, Shown)] = &[(SALES_OPS, Shown::Right)];

#[rustfmt::skip]
fn rows() -> Vec<Row> {
    vec![
        Row { name: "the owner", tries: BY_OWNER, ..PLAIN },
        Row { name: "the owner twice", tries: &[(OWNER, Shown::Right), (OWNER, Shown::Right)], ..PLAIN },
        Row { name: "owner in capitals", change: |c| owned_by(c, "KIM"), tries: BY_OWNER, ..PLAIN },
        Row { name: "owner with a capital", change: |c| owned_by(c, "Kim"), tries: BY_OWNER, ..PLAIN },
        Row { name: "owner with blanks around", change: |c| owned_by(c, "  kim\t"), tries: BY_OWNER, ..PLAIN },
        Row { name: "owner with a blank inside", change: |c| owned_by(c, "k im"), tries: BY_OWNER, ..PLAIN },
        Row { name: "owner with a hidden letter", change: |c| owned_by(c, "k\u{a0}im"), tries: BY_OWNER, ..PLAIN },
        Row { name: "owner by address", change: |c| owned_by(c, "kim@acme.com"), tries: BY_OWNER, ..PLAIN },
        Row { name: "owner by address in capitals", change: |c| owned_by(c, "Kim@Acme.COM"), tries: BY_OWNER, ..PLAIN },
        Row { name: "operator in capitals", change: |c| named(c, OWNER, "KIM"), tries: BY_OWNER, ..PLAIN },
        Row { name: "operator by address", change: |c| named(c, OWNER, "kim@acme.com"), tries: BY_OWNER, ..PLAIN },
        Row { name: "both by address", change: |c| { owned_by(c, "KIM@acme.com"); named(c, OWNER, "kim@acme.com"); }, tries: BY_OWNER, ..PLAIN },
        Row { name: "the owner as admin", change: |c| owned_by(c, "dana"), tries: &[(OPERATOR, Shown::Right)], ..PLAIN },
        Row { name: "who it acts for", claims: &[("x-writegate-on-behalf-of", "ann")], tries: BY_ANN, ..PLAIN },
        Row { name: "who it acts for, capital", claims: &[("x-writegate-on-behalf-of", "Ann")], tries: BY_ANN, ..PLAIN },
        Row { name: "who it acts for, address", claims: &[("x-writegate-on-behalf-of", "ann@acme.com")], tries: BY_ANN, ..PLAIN },
        Row { name: "a viewer of the team", tries: &[(VIEWER, Shown::Right)], ..PLAIN },
        Row { name: "the agent's token", tries: &[(TOKEN, Shown::Right)], ..PLAIN },
        Row { name: "an agent's key", tries: &[(KEY, Shown::Right)], ..PLAIN },
        Row { name: "no token", tries: &[("", Shown::Right)], ..PLAIN },
        Row { name: "a made-up token", tries: &[("x", Shown::Right)], ..PLAIN },
        Row { name: "the fingerprint as token", tries: &[("sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", Shown::Right)], ..PLAIN },
        Row { name: "another team", tries: &[(DEAL_DESK, Shown::Right)], ..PLAIN },
        Row { name: "no team", change: |c| with_teams(c, SECOND, &[Role::Approver], &[]), tries: &[(SECOND, Shown::Right)], ..PLAIN },
        Row { name: "an admin of no team", change: |c| with_teams(c, SECOND, &[Role::Admin], &[]), tries: &[(SECOND, Shown::Right)], ..PLAIN },
        Row { name: "a team of a like name", change: |c| with_teams(c, SECOND, &[Role::Approver], &["Sales Ops EMEA", "SalesOps"]), tries: &[(SECOND, Shown::Right)], ..PLAIN },
        Row { name: "one of two teams", large: true, tries: BY_ANN, ..PLAIN },
        Row { name: "one person twice", large: true, tries: &[(SALES_OPS, Shown::Right), (SALES_OPS, Shown::Right)], ..PLAIN },
        Row { name: "two of one team", large: true, tries: &[(SALES_OPS, Shown::Right), (OPERATOR, Shown::Right)], ..PLAIN },
        Row { name: "one person of both teams", large: true, change: |c| with_teams(c, BOTH, &[Role::Approver], &["Sales Ops", "Deal Desk"]), tries: &[(BOTH, Shown::Right), (BOTH, Shown::Right)], ..PLAIN },
        Row { name: "one person under two names", large: true, change: |c| named(c, DEAL_DESK, "ann@acme.com"), tries: &[(SALES_OPS, Shown::Right), (DEAL_DESK, Shown::Right)], ..PLAIN },
        Row { name: "the owner for one team", large: true, tries: &[(DEAL_DESK, Shown::Right), (OWNER, Shown::Right)], ..PLAIN },
        Row { name: "who it acts for, for one team", large: true, claims: &[("x-writegate-on-behalf-of", "deb")], tries: &[(SALES_OPS, Shown::Right), (DEAL_DESK, Shown::Right)],
            change: |c| with_teams(c, SECOND, &[Role::Approver], &["Deal Desk"]) },
        Row { name: "a viewer for one team", large: true, change: |c| with_teams(c, SECOND, &[Role::Viewer], &["Deal Desk"]), tries: &[(SALES_OPS, Shown::Right), (SECOND, Shown::Right)], ..PLAIN },
        Row { name: "no digest", tries: &[(SALES_OPS, Shown::None)], ..PLAIN },
        Row { name: "an empty digest", tries: &[(SALES_OPS, Shown::Of(""))], ..PLAIN },
        Row { name: "any digest", tries: &[(SALES_OPS, Shown::Of("*"))], ..PLAIN },
        Row { name: "the beginning of the digest", tries: &[(SALES_OPS, Shown::Prefix)], ..PLAIN },
        Row { name: "the digest in capitals", tries: &[(SALES_OPS, Shown::Upper)], ..PLAIN },
        Row { name: "the digest and a blank", tries: &[(SALES_OPS, Shown::Padded)], ..PLAIN },
        Row { name: "the request's digest", tries: &[(SALES_OPS, Shown::Request)], ..PLAIN },
        Row { name: "another hold's digest", tries: &[(SALES_OPS, Shown::OtherHold)], ..PLAIN },
    ]
}

async fn tried(bench: &Bench, row: &Row, id: &str, other: &str) {
    for (token, shown) in row.tries {
        let right = bench.digest(id).await;
        let body = match shown {
            Shown::Right => json!({ "digest": right }),
            Shown::None => json!({}),
            Shown::Of(text) => json!({ "digest": text }),
            Shown::Prefix => json!({ "digest": right[..63] }),
            Shown::Upper => json!({ "digest": right.to_uppercase() }),
            Shown::Padded => json!({ "digest": format!("{right} ") }),
            Shown::Request => json!({ "digest": bench.slot(id).look().unwrap().content }),
            Shown::OtherHold => json!({ "digest": bench.digest(other).await }),
        };
        bench.decide(token, id, "approve", &body).await;
    }
}

#[tokio::test]
async fn nobody_approves_their_own_request() {
    let (mut tries, mut worked) = (0, Vec::new());
    for row in rows() {
        let bench = Bench::of(builder(RULES).configure(row.change)).await;
        let deals = bench.deals();
        let record = &deals[if row.large { 1 } else { 2 }];
        let mut agent = bench.house.agent();
        for (name, value) in row.claims {
            agent = agent.with(name, value);
        }
        let body = json!({ "StageName": "Closed Won" });
        let id = hold_of(&agent.patch(&opportunity(record), &body).await);
        let other = hold_of(&bench.stage(&deals[3], "Closed Won").await);
        tried(&bench, &row, &id, &other).await;
        tries += 1;
        bench.house.idle().await;
        if bench.state(&id).await != "parked" || !bench.writes().is_empty() {
            worked.push(row.name);
            continue;
        }
        // The right people still can.
        let (first, second) = (
            OPERATOR,
            if row.name.contains("for one team") {
                SECOND
            } else {
                DEAL_DESK
            },
        );
        let first = if row.name == "the owner as admin" {
            SALES_OPS
        } else {
            first
        };
        bench.approve(first, &id).await;
        if row.large {
            let second = if row.name.starts_with("who it acts for") {
                second
            } else {
                DEAL_DESK
            };
            bench.approve(second, &id).await;
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
    assert!(tries >= 30);
}

/// Ways that are not a decision of an operator over the operator API.
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
            let operator = crate::support::client::Client::new(bench.house.salesforce, SALES_OPS);
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
    bench.finish().await;
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
