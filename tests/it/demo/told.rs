//! What the tour says happened is what the CRM and the ledger hold afterwards.

use std::collections::BTreeSet;

use http::Method;
use serde_json::{Value, json};
use writegate::sandbox::seed;

use super::staying::Staying;
use super::step;

/// A demo whose tour is over.
struct Toured(Staying);

impl Toured {
    /// What stands at the place of the parentheses in each match, in a step's text.
    fn said(&self, number: usize, pattern: &str) -> Vec<String> {
        let pattern = regex::Regex::new(pattern).unwrap();
        let found = pattern.captures_iter(step(&self.0.said, number));
        found.map(|found| found[1].to_owned()).collect()
    }

    fn said_once(&self, number: usize, pattern: &str) -> String {
        let mut said = self.said(number, pattern);
        said.dedup();
        assert_eq!(said.len(), 1, "{pattern}: {said:?}");
        said.remove(0)
    }

    /// The hold that a step is about, and its entry.
    fn hold(&self, number: usize) -> (Value, Value) {
        let id = self.said_once(number, r"\[hold (\w+)\]");
        let hold = self.0.asks(&["holds", "show", &id]);
        let entry = self.said_once(number, r"\n +entry (\w+)\n");
        assert_eq!(hold["entry"], json!(entry));
        (hold, self.entry(&entry))
    }

    fn entry(&self, id: &str) -> Value {
        self.0.asks(&["entries", "show", id])
    }

    /// All entries of somebody, newest first.
    fn entries(&self, of: &[&str]) -> Vec<Value> {
        let list = [&["entries", "list", "--limit", "200"], of].concat();
        self.0.asks(&list)["items"].as_array().unwrap().clone()
    }

    /// A field, as the CRM holds it.
    async fn salesforce(&self, object: &str, id: &str, field: &str) -> Value {
        let path = format!("/services/data/v60.0/sobjects/{object}/{id}");
        let (status, body) = self.0.agent("Salesforce", (Method::GET, &path, None)).await;
        assert_eq!(status, 200, "{body}");
        body[field].clone()
    }
}

fn kinds(entry: &Value) -> Vec<&str> {
    let rows = entry["rows"].as_array().unwrap().iter();
    rows.map(|row| row["kind"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn what_it_says_of_holds_is_so() {
    let tour = Toured(Staying::start());

    let (hold, entry) = tour.hold(8);
    assert_eq!(
        (&hold["state"], &entry["state"]),
        (&json!("released"), &json!("done"))
    );
    let yes: Vec<&Value> = hold["approvals"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["by"])
        .collect();
    assert_eq!(yes, ["dana", "lee"]);
    let digest = hold["digest"].as_str().unwrap();
    assert!(digest.starts_with(&tour.said_once(8, r"approve \w+@(\w+)")));
    assert_eq!(digest, tour.said_once(8, r"digest +(\w+)"));
    let stage = &hold["changes"][0]["fields"]["StageName"];
    assert_eq!(stage["then"], "Proposal/Price Quote");
    assert_eq!(stage["proposed"], "Negotiation/Review");
    assert_eq!(
        kinds(&entry)
            .iter()
            .filter(|kind| **kind == "opened")
            .count(),
        1
    );
    assert_ne!(hold["told_at"], Value::Null, "the agent collected it");
    let now = tour
        .salesforce("Opportunity", seed::GLOBEX_EXPANSION, "StageName")
        .await;
    assert_eq!(now, "Negotiation/Review");

    let (hold, entry) = tour.hold(9);
    assert_eq!(
        (&hold["state"], &entry["state"]),
        (&json!("rejected"), &json!("rejected"))
    );
    let reason = tour.said_once(9, r#"--reason "([^"]+)""#);
    assert_eq!(
        hold["ended"],
        json!({ "by": "dana", "teams": ["Sales Ops"], "reason": reason })
    );
    assert!(!kinds(&entry).contains(&"opened"), "nothing was sent");
    let deal = format!(
        "/crm/v3/objects/deals/{}?properties=dealstage",
        seed::HS_INITECH_PILOT
    );
    let (_, deal) = tour.0.agent("HubSpot", (Method::GET, &deal, None)).await;
    assert_eq!(deal["properties"]["dealstage"], "qualifiedtobuy");

    let (hold, entry) = tour.hold(10);
    assert_eq!(
        (&hold["state"], &hold["approvals"]),
        (&json!("rejected"), &json!([]))
    );
    assert_eq!(hold["moved"], json!(["Opportunity.StageName"]));
    let digests = tour.said(10, r"writegate holds \w+ \w+@(\w+)");
    assert_eq!((digests.len(), &digests[0]), (3, &digests[1]));
    assert_ne!(digests[1], digests[2]);
    assert!(hold["digest"].as_str().unwrap().starts_with(&digests[2]));
    assert!(!kinds(&entry).contains(&"opened"), "nothing was sent");
    let now = tour
        .salesforce("Opportunity", seed::INITECH_PILOT, "StageName")
        .await;
    assert_eq!(now, "Value Proposition", "Kim's");
}

#[tokio::test]
async fn what_it_says_of_reverts_is_so() {
    let tour = Toured(Staying::start());
    let made = r"to take this back: writegate revert (\w+)";
    let (one, other) = (tour.said_once(11, made), tour.said_once(13, made));
    let reverts = tour.entries(&["--as", "operator:dana"]);
    let ids: Vec<&Value> = reverts.iter().map(|entry| &entry["id"]).collect();
    assert_eq!(ids, [&json!(other), &json!(one)], "dry runs leave nothing");

    let changes = &tour.entry(&one)["changes"];
    assert_eq!(changes.as_array().unwrap().len(), 1);
    let fields = json!({ "Industry": { "before": "Chemicals", "after": null } });
    assert_eq!(changes[0]["fields"], fields);
    let lead = seed::LEAD_MARIE;
    assert_eq!(tour.salesforce("Lead", lead, "Industry").await, Value::Null);
    assert_eq!(tour.salesforce("Lead", lead, "NumberOfEmployees").await, 40);

    let since = tour.said(13, r"--since (\S+)").remove(0);
    let ours = tour.entries(&["--as", "sdr-agent", "--since", &since, "--state", "done"]);
    assert_eq!(ours.len(), 3, "two requests of the loop, and one after it");
    let records = |entry: &Value| -> BTreeSet<String> {
        let detail = tour.entry(entry["id"].as_str().unwrap());
        let changes = detail["changes"].as_array().unwrap().iter();
        changes
            .map(|change| change["record"]["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let looped: BTreeSet<String> = records(&ours[1])
        .union(&records(&ours[2]))
        .cloned()
        .collect();
    assert_eq!(looped.len(), 40);
    assert_eq!(
        records(&reverts[0]),
        looped,
        "what was made is what was deleted"
    );
    let tasks = "/services/data/v60.0/query?q=SELECT+Id+FROM+Task";
    let (_, found) = tour.0.agent("Salesforce", (Method::GET, tasks, None)).await;
    let left: BTreeSet<String> = found["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| task["Id"].as_str().unwrap().to_owned())
        .collect();
    let mut expected = records(&ours[0]);
    expected.insert(seed::ACME_TASK.to_owned());
    assert_eq!(left, expected);
    assert_eq!(tour.0.asks(&["status"])["stopped"], json!([]));

    let sent = tour.said_once(14, r"the ledger has (\d+) entries of writes");
    let done = tour.entries(&["--state", "done"]).len();
    assert_eq!(sent, done.to_string());
}
