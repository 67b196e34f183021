//! Requests of every kind, each approved and then said otherwise in every way, before and after the yes.
//! The CRM sees what was approved, byte for byte, once; whoever says something else is not answered as if
//! that had been done.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::{Value, json};
use writegate::mutation::CrmKind;
use writegate::sandbox::{Seen, seed};

use super::super::{Bench, OPERATOR, builder, without_credentials};
use super::vary::{Meaning, Original, Sent, Variation, Who, variations};
use crate::support::client::{Client, Reply};
use crate::support::house::{KEY, OTHER_TOKEN, TOKEN};
use crate::support::long;

/// Everything waits, so that nothing that differs can pass by itself.
const SALESFORCE: &str = "
crm: salesforce
default: hold
objects: { '*': { create: { agents: hold }, delete: { agents: hold } } }
rules: [{ name: everything, then: hold }]
endpoints: { 'POST /**': { agents: hold }, 'PATCH /**': { agents: hold }, 'PUT /**': { agents: hold }, 'DELETE /**': { agents: hold } }
";
const HUBSPOT: &str = "
crm: hubspot
default: hold
objects: { '*': { create: { agents: hold }, delete: { agents: hold }, associate: { agents: hold } } }
rules: [{ name: hubspot-everything, then: hold }]
endpoints: { 'POST /**': { agents: hold }, 'PATCH /**': { agents: hold }, 'PUT /**': { agents: hold }, 'DELETE /**': { agents: hold } }
";

/// A kind of request; `number` makes each one a new one.
struct Kind {
    name: &'static str,
    crm: CrmKind,
    method: Method,
    target: fn(&str) -> String,
    body: fn(usize) -> Value,
    opaque: bool,
    spare: &'static str,
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn kinds() -> Vec<Kind> {
    let salesforce = |name, method, target, body| Kind {
        name,
        crm: CrmKind::Salesforce,
        method,
        target,
        body,
        opaque: false,
        spare: seed::INITECH,
    };
    let hubspot = |name, method, target, body| Kind {
        name,
        crm: CrmKind::HubSpot,
        method,
        target,
        body,
        opaque: false,
        spare: seed::HS_INITECH,
    };
    vec![
        salesforce(
            "a row",
            Method::PATCH,
            |_| row(seed::GLOBEX),
            |number| json!({ "Phone": format!("+1 {number}"), "NumberOfEmployees": number, "NextStep__c": "step" }),
        ),
        salesforce(
            "a row by its key",
            Method::PATCH,
            |_| row("Ext_Id__c/A-1002"),
            |number| json!({ "NumberOfEmployees": number, "AI_Summary__c": "text" }),
        ),
        salesforce(
            "a collection",
            Method::PATCH,
            |_| "/services/data/v61.0/composite/sobjects".into(),
            |number| {
                let row = |id: &str| json!({ "attributes": { "type": "Account" }, "id": id, "NumberOfEmployees": number });
                json!({ "allOrNone": false, "records": [row(seed::GLOBEX), row(seed::UMBRELLA)] })
            },
        ),
        salesforce(
            "a new row",
            Method::POST,
            |_| "/services/data/v61.0/sobjects/Contact".into(),
            |number| json!({ "LastName": format!("Hopper {number}"), "Title": "step" }),
        ),
        salesforce(
            "a delete",
            Method::DELETE,
            |task| format!("/services/data/v61.0/sobjects/Task/{task}"),
            |_| Value::Null,
        ),
        Kind {
            opaque: true,
            ..salesforce(
                "code of the org",
                Method::POST,
                |_| "/services/apexrest/scoring?dry=false".into(),
                |number| json!({ "score": number, "who": "step" }),
            )
        },
        hubspot(
            "a record",
            Method::PATCH,
            |_| format!("/crm/v3/objects/companies/{}", seed::HS_GLOBEX),
            |number| json!({ "properties": { "phone": format!("+1 {number}"), "city": "step" } }),
        ),
        hubspot(
            "a record by its key",
            Method::PATCH,
            |_| "/crm/v3/objects/contacts/hank@globex.example?idProperty=email".into(),
            |number| json!({ "properties": { "jobtitle": format!("step {number}") } }),
        ),
        hubspot(
            "a batch",
            Method::POST,
            |_| "/crm/v3/objects/companies/batch/update".into(),
            |number| {
                let input = |id: &str| json!({ "id": id, "properties": { "phone": format!("+1 {number}") } });
                json!({ "inputs": [input(seed::HS_GLOBEX), input(seed::HS_UMBRELLA)] })
            },
        ),
        hubspot(
            "a new record",
            Method::POST,
            |_| "/crm/v3/objects/contacts".into(),
            |number| json!({ "properties": { "lastname": "Hopper", "email": format!("hopper{number}@navy.example") }, "associations": [] }),
        ),
    ]
}

fn row(rest: &str) -> String {
    format!("/services/data/v61.0/sobjects/Account/{rest}")
}

/// One house for one kind of request.
struct Scene {
    bench: Bench,
    kind: Kind,
    /// Writes that are not the proxy's: records made to be deleted.
    made: usize,
    sent: usize,
    /// The headers of the first write.
    usual: Option<BTreeMap<String, String>>,
    tally: Tally,
}

#[derive(Default)]
struct Tally {
    tried: usize,
    same: usize,
    refused: usize,
}

impl Scene {
    async fn new(kind: Kind) -> Self {
        let builder = builder(SALESFORCE).and_rules(HUBSPOT);
        Self {
            bench: Bench::of(without_credentials(builder)).await,
            kind,
            made: 0,
            sent: 0,
            usual: None,
            tally: Tally::default(),
        }
    }

    /// The request of one round.
    async fn original(&mut self, number: usize) -> Original<'static> {
        let task = match self.kind.method {
            Method::DELETE => self.task().await,
            _ => String::new(),
        };
        let body = (self.kind.body)(number);
        let bytes = match &body {
            Value::Null => Bytes::new(),
            body => Bytes::from(body.to_string()),
        };
        Original {
            sent: Sent {
                who: Who::Itself,
                method: self.kind.method.clone(),
                target: (self.kind.target)(&task),
                headers: Vec::new(),
                body: bytes,
            },
            crm: self.kind.crm,
            opaque: self.kind.opaque,
            spare: self.kind.spare,
        }
    }

    /// Somebody makes a task, past the proxy.
    async fn task(&mut self) -> String {
        let crm = Client::new(self.bench.house.sandbox.addr, TOKEN);
        let made = crm
            .post(
                "/services/data/v61.0/sobjects/Task",
                &json!({ "Subject": "x" }),
            )
            .await;
        self.made += 1;
        made.json()["id"].as_str().unwrap().to_owned()
    }

    async fn send(&self, sent: &Sent) -> Option<Reply> {
        let house = &self.bench.house;
        let (here, there) = match self.kind.crm {
            CrmKind::Salesforce => (house.salesforce, house.hubspot),
            CrmKind::HubSpot => (house.hubspot, house.salesforce),
        };
        let mut client = match sent.who {
            Who::Itself => Client::new(here, TOKEN),
            Who::OtherAgent => Client::new(here, OTHER_TOKEN),
            Who::KeyAgent => Client::new(here, KEY),
            Who::Nobody => Client::new(here, "nobody"),
            Who::OtherRoute => Client::new(there, TOKEN),
        };
        for (name, value) in &sent.headers {
            client = client.with(name, value);
        }
        let body =
            (!sent.body.is_empty() || sent.method != Method::DELETE).then(|| sent.body.clone());
        // A message that is no HTTP is refused with the connection.
        client
            .try_raw(sent.method.clone(), &sent.target, body)
            .await
            .ok()
    }

    /// One way, with a request of its own.
    async fn round(&mut self, number: usize, place: usize, early: bool) {
        let original = self.original(number).await;
        let varied = variations(&original).swap_remove(place);
        let name = format!(
            "{}, {}{}",
            self.kind.name,
            varied.name,
            if early { ", before the yes" } else { "" }
        );
        let held = self.send(&original.sent).await.unwrap();
        let id = super::super::hold_of(&held);
        if early {
            let reply = self.send(&varied.sent).await;
            self.told_before(&name, &varied, reply.as_ref(), &id);
        }
        let yes = self.bench.approve(OPERATOR, &id).await;
        assert_eq!(yes.json()["state"], "approved", "{name}: {}", yes.text());
        let mut answered = false;
        if !early {
            let reply = self.send(&varied.sent).await;
            self.bench.house.idle().await;
            answered = self.told_after(&name, &varied, reply.as_ref());
        }
        if !answered {
            let reply = self.send(&original.sent).await.unwrap();
            assert_eq!(
                reply.header("x-writegate-replayed"),
                Some("true"),
                "{name}: {} {}",
                reply.text(),
                self.bench.show(&id).await
            );
        }
        self.bench.house.idle().await;
        self.sent += 1;
        let writes = self.bench.writes();
        assert_eq!(writes.len(), self.sent + self.made, "{name}");
        let write = writes
            .iter()
            .rfind(|write| write.target == original.sent.target);
        self.is_approved(&name, &original.sent, write.unwrap());
        assert_eq!(self.bench.state(&id).await, "released", "{name}");
        self.tally.tried += 1;
    }

    fn told_before(&mut self, name: &str, varied: &Variation, reply: Option<&Reply>, id: &str) {
        let text = reply.map(Reply::text).unwrap_or_default();
        let attached = text.contains(&format!("[hold {id}]")) && !text.contains("Idempotency-Key");
        self.count(name, varied, attached, &text);
        assert!(
            !reply.is_some_and(|reply| reply.status.is_success()),
            "{name}: {text}"
        );
        assert_eq!(self.bench.writes().len(), self.sent + self.made, "{name}");
    }

    fn told_after(&mut self, name: &str, varied: &Variation, reply: Option<&Reply>) -> bool {
        let text = reply.map(Reply::text).unwrap_or_default();
        let answered = self.bench.writes().len() > self.sent + self.made;
        self.count(name, varied, answered, &text);
        let done = reply.is_some_and(|reply| reply.header("x-writegate-replayed").is_some());
        let success = reply.is_some_and(|reply| reply.status.is_success());
        assert_eq!(done, answered, "{name}: {text}");
        assert!(answered || !success, "{name}: {text}");
        answered
    }

    fn count(&mut self, name: &str, varied: &Variation, taken: bool, text: &str) {
        match varied.meaning {
            Meaning::Same => assert!(taken, "{name} is not taken for the same: {text}"),
            Meaning::Other => assert!(!taken, "{name} is taken for what was approved: {text}"),
            Meaning::Either => {}
        }
        if taken {
            self.tally.same += 1;
        } else {
            self.tally.refused += 1;
        }
    }

    /// Whether a write is what was approved, byte for byte.
    fn is_approved(&mut self, name: &str, original: &Sent, write: &Seen) {
        assert_eq!(write.method, original.method, "{name}");
        assert_eq!(write.target, original.target, "{name}");
        assert_eq!(write.body, original.body, "{name}");
        let headers = headers(&write.headers);
        let usual = self.usual.get_or_insert_with(|| headers.clone());
        assert_eq!(*usual, headers, "{name}");
    }
}

/// The headers of a write, but for its length, its credential and our own condition on the record.
fn headers(headers: &HeaderMap) -> BTreeMap<String, String> {
    let own = [
        "authorization",
        "content-length",
        "host",
        "if-unmodified-since",
    ];
    headers
        .iter()
        .filter(|(name, _)| !own.contains(&name.as_str()))
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect()
}

/// Of all ways every `STRIDE`th, unless the full figures are asked for.
const STRIDE: usize = 7;

async fn all_ways(kind: Kind, offset: usize) -> Tally {
    let mut scene = Scene::new(kind).await;
    let ways = variations(&scene.original(0).await).len();
    let stride = if long() { 1 } else { STRIDE };
    let mut number = 1_000;
    for place in (offset % stride..ways).step_by(stride) {
        let early = [place % 2 == 0, place % 2 == 1];
        for early in &early[..if long() { 2 } else { 1 }] {
            // Far enough from its neighbours: a number may be varied to the next one.
            number += 5;
            scene.round(number, place, *early).await;
        }
    }
    let Scene { tally, kind, .. } = scene;
    println!(
        "{}: {ways} ways, {} tried: {} the same request, {} another one",
        kind.name, tally.tried, tally.same, tally.refused
    );
    let verified = writegate::ledger::Ledger::verify(&*scene.bench.house.ledger, &[]).await;
    assert!(verified.unwrap().faults.is_empty());
    tally
}

#[tokio::test]
async fn nothing_else_is_sent_however_it_is_said() {
    let mut tried = 0;
    for (offset, kind) in kinds().into_iter().enumerate() {
        tried += all_ways(kind, offset).await.tried;
    }
    println!("ways to send something else, of every kind of request: {tried} tried, 0 worked");
    assert!(tried >= 200);
}
