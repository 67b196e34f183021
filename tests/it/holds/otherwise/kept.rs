//! What is kept between the yes and the release: a row of the ledger that was changed by hand, and a
//! configuration that leads elsewhere, send nothing.

use std::sync::Arc;

use http::{Method, StatusCode};
use rusqlite::{Connection, params};
use serde_json::{Value, json};
use writegate::config::{Config, Secret};
use writegate::hold::{Hold, State};
use writegate::proxy::releases;
use writegate::sandbox::{Running, Sandbox};

use super::super::restarts::Lives;
use super::super::{
    Bench, PATIENCE, RULES, SALES_OPS, builder, hold_of, opportunity, without_credentials,
};
use crate::support::house::{BROKER, TOKEN, options};

/// Changes what the held row of the house keeps.
fn edit(bench: &Bench, kind: &str, change: impl FnOnce(&mut Value)) {
    let file = bench.house.folder.path().join("ledger.db");
    let by_hand = Connection::open(file).unwrap();
    let open = "DROP TRIGGER IF EXISTS rows_stay_as_they_are";
    by_hand.execute_batch(open).unwrap();
    let all = "SELECT seq, field_values FROM rows WHERE kind = ?1 ORDER BY seq DESC LIMIT 1";
    let (seq, text): (i64, String) = by_hand
        .query_row(all, [kind], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    let mut values = parsed(&text);
    change(&mut values);
    let update = "UPDATE rows SET field_values = ?1 WHERE seq = ?2";
    let changed = by_hand.execute(update, params![values.to_string(), seq]);
    assert_eq!(changed.unwrap(), 1);
}

#[expect(clippy::disallowed_methods, reason = "our own row")]
fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn base64(text: &str) -> Value {
    use base64::Engine;
    json!(base64::engine::general_purpose::STANDARD.encode(text))
}

/// Values of every form, in what is proposed and in what stands there, are kept as they are: a release
/// finds what was shown.
#[tokio::test]
async fn values_of_every_form_are_kept_as_they_are() {
    let written = [
        "0.1",
        "1.0",
        "-0.0",
        "1e30",
        "1E-7",
        "12345678901234567890",
        "18446744073709551616",
        "0.30000000000000004",
        "1.7976931348623157e308",
        "5e-324",
        "true",
        "null",
        "\"\"",
        "\"caf\u{e9} \u{1f600} \\u0001 \\ud83d\\ude00\"",
        "\"\\\\ \\\" \\/\"",
    ];
    let stands = [
        json!(0.1),
        json!(1.0),
        json!(-0.0),
        json!(1e30),
        json!(12_345_678_901_234_567_890_u64),
        json!(0.1 + 0.2),
        json!(f64::MAX),
        json!(f64::MIN_POSITIVE),
        json!(i64::MIN),
        json!("\u{1}\u{7f}"),
        json!({ "b": 1, "a": [1.50, null] }),
        json!([]),
        json!({}),
        json!(false),
        Value::Null,
    ];
    let bench = Bench::of(without_credentials(builder(RULES))).await;
    let deals = bench.deals();
    for (value, prior) in written.iter().zip(stands) {
        bench.moves(&deals[2], "StageName", prior.clone());
        let body = format!("{{\"StageName\":{value},\"Amount\":{value}}}");
        let agent = bench.house.agent();
        let send = || async {
            let bytes = Some(body.clone().into());
            agent
                .raw(Method::PATCH, &opportunity(&deals[2]), bytes)
                .await
        };
        let held = send().await;
        if held.code() == "WRITEGATE_MALFORMED" {
            // Two readings: nobody is asked.
            continue;
        }
        let id = hold_of(&held);
        bench.approve(SALES_OPS, &id).await;
        let answer = send().await;
        assert_eq!(
            answer.header("x-writegate-replayed"),
            Some("true"),
            "{value} {prior}: {}",
            answer.text()
        );
        assert_eq!(bench.writes().last().unwrap().body, body);
    }
    assert!(bench.writes().len() >= 10, "{}", bench.writes().len());
    bench.finish().await;
}

/// A row that somebody changed between the yes and the release.
#[tokio::test]
async fn a_row_that_was_changed_by_hand_releases_nothing() {
    type Edit = fn(&mut Value, &[String]);
    #[rustfmt::skip]
    let edits: [(&str, &str, Edit); 12] = [
        ("another value", "held", |row, _| row["bytes"] = base64("{\"StageName\":\"Closed Lost\"}")),
        ("one more field", "held", |row, _| row["bytes"] = base64("{\"StageName\":\"Closed Won\",\"Amount\":1}")),
        ("white space", "held", |row, _| row["bytes"] = base64("{\"StageName\": \"Closed Won\"}")),
        ("no bytes", "held", |row, _| row["bytes"] = json!("")),
        ("no base 64", "held", |row, _| row["bytes"] = json!("!")),
        ("another record", "held", |row, deals| row["path"] = json!(opportunity(&deals[3]))),
        ("a query", "held", |row, _| row["query"] = json!("x=1")),
        ("an acting header", "held", |row, _| row["headers"].as_array_mut().unwrap().push(json!(["sforce-auto-assign", "TRUE"]))),
        ("the values that were shown", "held", |row, _| row["snapshot"]["priors"][0]["fields"]["StageName"] = json!("Closed Lost")),
        ("the mutations that were shown", "held", |row, _| row["mutations"][0]["fields"]["StageName"] = json!("Prospecting")),
        ("values in another form", "held", |row, _| row["snapshot"] = json!({ "priors": [] })),
        ("nothing is left", "held", |row, _| *row = json!({})),
    ];
    let mut tried = 0;
    for (name, kind, change) in edits {
        let bench = Bench::of(without_credentials(builder(RULES))).await;
        let deals = bench.deals();
        let id = hold_of(&bench.stage(&deals[2], "Closed Won").await);
        bench.approve(SALES_OPS, &id).await;
        assert_eq!(bench.state(&id).await, "approved");
        edit(&bench, kind, |row| {
            let before = row.clone();
            change(row, &deals);
            assert_ne!(*row, before, "{name}");
        });
        let reply = bench.stage(&deals[2], "Closed Won").await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN, "{name}");
        assert_eq!(reply.code(), "WRITEGATE_DENIED", "{name}: {}", reply.text());
        assert!(
            reply
                .message()
                .starts_with("Not written: it was approved, but "),
            "{name}: {}",
            reply.message()
        );
        assert!(bench.writes().is_empty(), "{name}");
        // It is asked anew, and what is approved then is sent.
        let again = hold_of(&bench.stage(&deals[2], "Closed Won").await);
        assert_ne!(again, id);
        bench.approve(SALES_OPS, &again).await;
        let answer = bench.stage(&deals[2], "Closed Won").await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{name}");
        assert_eq!(
            bench.writes()[0].body,
            "{\"StageName\":\"Closed Won\"}",
            "{name}"
        );
        tried += 1;
    }
    println!("ways to have a changed row sent: {tried} tried, 0 worked");
}

/// What was shown after the record moved is kept in a row of its own.
#[tokio::test]
async fn a_changed_row_of_what_moved_releases_nothing() {
    let bench = Bench::of(without_credentials(builder(RULES))).await;
    let deals = bench.deals();
    let id = hold_of(&bench.stage(&deals[2], "Closed Won").await);
    bench.approve(SALES_OPS, &id).await;
    bench.moves(&deals[2], "StageName", json!("Prospecting"));
    assert_eq!(hold_of(&bench.stage(&deals[2], "Closed Won").await), id);
    bench.approve(SALES_OPS, &id).await;
    bench.moves(&deals[2], "StageName", json!("Closed Lost"));
    edit(&bench, "drifted", |row| {
        row["snapshot"]["priors"][0]["fields"]["StageName"] = json!("Closed Lost");
    });
    let reply = bench.stage(&deals[2], "Closed Won").await;
    assert_eq!(reply.code(), "WRITEGATE_DENIED", "{}", reply.text());
    assert!(bench.writes().is_empty());
}

async fn another_crm() -> Arc<Running> {
    let clock: Arc<dyn writegate::clock::Clock> = super::super::clock();
    let listen = "127.0.0.1:0".parse().unwrap();
    Arc::new(Sandbox::start(listen, options(&clock)).await.unwrap())
}

/// A configuration that is another one when what was approved could go.
#[tokio::test]
async fn a_release_goes_nowhere_else_than_it_was_approved_for() {
    type Change = fn(&mut Config, &Running);
    use State::{Approved, Denied, Released};
    #[rustfmt::skip]
    let changes: [(&str, State, Change); 7] = [
        ("nothing", Released, |_, _| {}),
        ("another credential", Released, |config, _| config.routes[0].release_credential = Some(Secret::new(BROKER).into())),
        ("another CRM", Denied, |config, other| config.routes[0].upstream = other.base_url().parse().unwrap()),
        ("the name of the route for another CRM", Denied, |config, other| {
            let mut new = config.routes[0].clone();
            new.upstream = other.base_url().parse().unwrap();
            config.routes[0].name = "old".into();
            config.routes.push(new);
        }),
        // There is no credential for it, nor anybody who could bring one.
        ("the route under another name", Approved, |config, _| config.routes[0].name = "sales".into()),
        ("the service account gone", Approved, |config, _| drop(config.service_accounts.remove(0))),
        ("the service account under another name", Approved, |config, _| config.service_accounts[0].name = "enrichment-2".into()),
    ];
    let mut tried = 0;
    for (name, wanted, change) in changes {
        for create in [false, true] {
            let other = another_crm().await;
            let mut lives = Lives::new(RULES);
            let house = lives.begin(without_credentials).await;
            let admin = house.operators().await;
            let bench = Bench { house, admin };
            let deals = bench.deals();
            let held = match create {
                true => {
                    let lead = json!({ "LastName": "Hopper", "Company": "Navy" });
                    let agent = bench.house.agent();
                    agent
                        .post("/services/data/v61.0/sobjects/Lead", &lead)
                        .await
                }
                false => bench.stage(&deals[2], "Closed Won").await,
            };
            let id = hold_of(&held);
            let yes = bench.approve(SALES_OPS, &id).await;
            assert_eq!(yes.json()["state"], "approved");
            bench.house.close().await;

            let elsewhere = Arc::clone(&other);
            let house = lives
                .begin(|builder| {
                    without_credentials(builder).configure(move |config| {
                        config.routes[0].release_credential = Some(Secret::new(TOKEN).into());
                        change(config, &elsewhere);
                    })
                })
                .await;
            let app = Arc::clone(&house.app);
            let slot = app.holds.by_id(&id).unwrap();
            releases::tick(&app).await;
            let other_state = |hold: &Hold| hold.state(&app.config) != wanted;
            app.holds.wait(&slot, PATIENCE, other_state).await;
            house.idle().await;
            let state = slot.look().unwrap().state(&app.config);
            let sent = usize::from(wanted == Released);
            assert_eq!(state, wanted, "{name}");
            assert_eq!(
                (house.sandbox.writes().len(), other.writes().len()),
                (sent, 0),
                "{name}"
            );
            tried += 1 - sent;
            drop((app, slot));
            house.finish().await;
        }
    }
    println!("ways to have it sent elsewhere: {tried} tried, 0 worked");
}
