//! The write that is left for whoever watches: the commands that are printed decide it, collect it and
//! take it back.

use std::process::Output;

use http::Method;
use serde_json::{Value, json};
use writegate::sandbox::seed;

use super::staying::Staying;

/// What a printed command says, and that it ends with 0.
fn said(output: &Output) -> String {
    let out = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(output.status.code(), Some(0), "{out} {output:?}");
    out
}

/// The stage of the deal that it is about, as the CRM holds it.
async fn stage(demo: &Staying) -> Value {
    let path = deal();
    let read = (Method::GET, path.as_str(), None);
    demo.agent("Salesforce", read).await.1["StageName"].clone()
}

fn deal() -> String {
    format!(
        "/services/data/v60.0/sobjects/Opportunity/{}",
        seed::STARK_PLATFORM
    )
}

/// The agent's repeat: exactly what the printed curl line sends.
async fn again(demo: &Staying) -> (u16, Value) {
    let line = demo.printed("curl -i ");
    let body = r#"{"StageName":"Qualification"}"#;
    assert!(line.contains("-X PATCH ") && line.contains(body), "{line}");
    assert!(
        line.ends_with(&format!("https://{}{}", demo.address("Salesforce"), deal())),
        "{line}"
    );
    let body = Some(json!({ "StageName": "Qualification" }));
    demo.agent("Salesforce", (Method::PATCH, &deal(), body))
        .await
}

/// The id that the printed command names.
fn hold(demo: &Staying) -> String {
    let line = demo.printed(" holds show ");
    line.split_whitespace().last().unwrap().to_owned()
}

#[tokio::test]
async fn a_yes_sends_it_and_a_revert_takes_it_back() {
    let mut demo = Staying::with(&[("WRITEGATE_LOG", "writegate=info")]);
    let id = hold(&demo);
    assert_eq!(demo.asks(&["status"])["holds"], 1);
    let shown = said(&demo.verb("holds show"));
    assert!(
        shown.contains("\"Prospecting\"   \"Qualification\"   \"Prospecting\""),
        "{shown}"
    );
    // Nobody is there to ask.
    let asked = demo.verb("holds approve");
    assert_eq!(asked.status.code(), Some(2), "{asked:?}");
    let (status, body) = again(&demo).await;
    assert_eq!(
        (status, &body[0]["errorCode"]),
        (423, &json!("WRITEGATE_HELD"))
    );

    let digest = demo.asks(&["holds", "show", &id])["digest"].clone();
    let decided = format!("{id}@{}", digest.as_str().unwrap());
    let approve = demo.printed(" holds approve ").replace(&id, &decided);
    let approve = format!("{approve} --yes");
    let approved = said(&demo.shell(&approve));
    assert!(
        approved.contains(&format!("{id}   approved; being sent")),
        "{approved}"
    );
    demo.logged(&["released", &id]);
    assert_eq!(again(&demo).await, (204, Value::Null));
    assert_eq!(stage(&demo).await, "Qualification");

    let sums = "1 restored · 0 skipped · 0 impossible, of 1 entries";
    let reverts: Vec<String> = demo
        .said
        .lines()
        .rev()
        .take(2)
        .map(|line| line.trim_start().to_owned())
        .collect();
    let dry = said(&demo.shell(&reverts[1]));
    assert!(
        dry.contains(&format!("dry run, nothing written: {sums}")),
        "{dry}"
    );
    assert_eq!(stage(&demo).await, "Qualification");
    let done = said(&demo.shell(&reverts[0]));
    assert!(done.contains(sums), "{done}");
    assert_eq!(stage(&demo).await, "Prospecting");
}

#[tokio::test]
async fn a_no_is_what_the_agent_reads() {
    let demo = Staying::start();
    let reject = format!("{} --yes", demo.printed(" holds reject "));
    let rejected = said(&demo.shell(&reject));
    assert!(
        rejected.contains(&format!("{}   rejected", hold(&demo))),
        "{rejected}"
    );
    let (status, body) = again(&demo).await;
    assert_eq!(
        (status, &body[0]["errorCode"]),
        (403, &json!("WRITEGATE_REJECTED"))
    );
    let message = body[0]["message"].as_str().unwrap();
    assert!(message.contains("talk to Stark first"), "{message}");
    assert_eq!(stage(&demo).await, "Prospecting");
}
