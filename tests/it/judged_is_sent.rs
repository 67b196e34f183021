//! P2: what is judged is what is sent, byte for byte, and what the entry says would change is what
//! changes.

mod families;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use http::Method;
use serde_json::{Map, Value, json};
use writegate::journal::read::EntryState;
use writegate::ledger::{Ledger, RowFilter, RowKind};
use writegate::mutation::{CrmKind, Mutation, Operation, Outcome, Prior, RecordKey, Snapshot};
use writegate::sandbox::{EffectKind, Seen, seed};

use super::support::client::{Client, Reply};
use super::support::house::{House, TOKEN};
use super::support::shapes::{self, Shape};

/// How a body can be coded on its way in.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Coding {
    Plain,
    Gzip,
    Deflate,
}

impl Coding {
    const ALL: [Self; 3] = [Self::Plain, Self::Gzip, Self::Deflate];

    fn coded(self, bytes: &[u8]) -> Bytes {
        let level = Compression::best();
        let coded = match self {
            Self::Plain => bytes.to_vec(),
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), level);
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Self::Deflate => {
                let mut encoder = ZlibEncoder::new(Vec::new(), level);
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
        };
        coded.into()
    }

    fn named(self, client: Client) -> Client {
        match self {
            Self::Plain => client,
            Self::Gzip => client.with("content-encoding", "gzip"),
            Self::Deflate => client.with("content-encoding", "deflate"),
        }
    }
}

async fn house() -> House {
    House::builder()
        .rules(shapes::SALESFORCE_RULES)
        .and_rules(shapes::HUBSPOT_RULES)
        .build()
        .await
}

/// Sends a shape with headers that pass and headers that do not.
async fn send(house: &House, shape: &Shape, coding: Coding) -> Reply {
    let mut agent = house
        .agent_of(shape.crm)
        .with("accept", "application/json")
        .with("accept-language", "en")
        .with("user-agent", "agent/1.0")
        .with("accept-encoding", "gzip")
        .with("x-forwarded-for", "10.0.0.1")
        .with("x-forwarded-host", "crm.example")
        .with("forwarded", "for=10.0.0.1")
        .with("x-request-id", "r-1")
        .with("cookie", "theme=dark")
        .with("te", "trailers")
        .with("x-writegate-intent", "tidy up")
        .with("x-writegate-run", "run-1");
    let mut body = None;
    if shape.body.is_some() {
        agent = coding.named(agent);
        body = Some(coding.coded(&shape.bytes()));
    }
    agent.raw(shape.method.clone(), &shape.target, body).await
}

fn names(seen: &Seen) -> BTreeSet<&str> {
    seen.headers.keys().map(http::HeaderName::as_str).collect()
}

fn one_write(house: &House) -> Seen {
    let mut writes = house.sandbox.writes();
    assert_eq!(writes.len(), 1, "{writes:?}");
    writes.remove(0)
}

#[tokio::test]
async fn every_shape_is_sent_as_it_was_judged() {
    let mut runs = 0;
    for shape in shapes::all() {
        let codings = if shape.body.is_some() { 3 } else { 1 };
        for coding in Coding::ALL.into_iter().take(codings) {
            let house = house().await;
            let before = world(&house);
            let what = format!("{} ({}, {coding:?})", shape.name, shape.crm);
            let reply = send(&house, &shape, coding).await;
            assert!(reply.status.is_success(), "{what}: {}", reply.text());
            let seen = one_write(&house);
            sent(&seen, &shape, &house, &what);
            changed(&seen, &house, &before, &what).await;
            house.finish().await;
            runs += 1;
        }
    }
    println!("judged is sent: {runs} writes, 0 differences");
}

fn sent(seen: &Seen, shape: &Shape, house: &House, what: &str) {
    assert_eq!(seen.method, shape.method, "{what}");
    assert_eq!(seen.target, shape.canonical, "{what}");
    assert_eq!(seen.body, shape.bytes(), "{what}");
    let mut passed = BTreeSet::from([
        "accept",
        "accept-language",
        "authorization",
        "host",
        "user-agent",
    ]);
    if shape.body.is_some() {
        passed.extend(["content-length", "content-type"]);
    }
    assert_eq!(names(seen), passed, "{what}");
    assert_eq!(
        seen.headers["authorization"],
        format!("Bearer {TOKEN}"),
        "{what}"
    );
    assert_eq!(
        seen.headers["host"],
        house.sandbox.addr.to_string(),
        "{what}"
    );
}

/// Records by the CRM's name, the object and the id.
type World = BTreeMap<(&'static str, String, String), Map<String, Value>>;

const OBJECTS: [(CrmKind, &str); 10] = [
    (CrmKind::Salesforce, "Account"),
    (CrmKind::Salesforce, "Contact"),
    (CrmKind::Salesforce, "Lead"),
    (CrmKind::Salesforce, "Opportunity"),
    (CrmKind::HubSpot, "contacts"),
    (CrmKind::HubSpot, "companies"),
    (CrmKind::HubSpot, "deals"),
    (CrmKind::HubSpot, "lists"),
    (CrmKind::HubSpot, "notes"),
    (CrmKind::HubSpot, "products"),
];

/// Every record there is.
fn world(house: &House) -> World {
    let mut world = World::new();
    for (crm, object) in OBJECTS {
        for id in house.sandbox.ids(crm, object) {
            let record = house.sandbox.record(crm, object, &id).unwrap();
            world.insert((crm.name(), object.to_owned(), id), record);
        }
    }
    world
}

/// What the CRM writes on its own.
const STAMPS: [&str; 13] = [
    "Id",
    "CreatedById",
    "CreatedDate",
    "Customer_Number__c",
    "IsDeleted",
    "LastModifiedById",
    "LastModifiedDate",
    "OwnerId",
    "Size_Tier__c",
    "SystemModstamp",
    "hs_object_id",
    "hs_is_archived",
    "members",
];

fn is_stamp(object: &str, name: &str) -> bool {
    // A person's name is put together from its parts.
    let made = name == "Name" && ["Contact", "Lead"].contains(&object);
    made || STAMPS.contains(&name) || name.ends_with("date")
}

/// Null, an empty text; also the `false` that a new record has in every flag.
fn is_blank(value: Option<&Value>) -> bool {
    value.is_none_or(|value| value.is_null() || value == "" || value == false)
}

/// A change to a record: which, what, and which of its fields.
type Changes = BTreeSet<(String, String, &'static str, BTreeSet<String>)>;

fn kind(kind: EffectKind) -> &'static str {
    match kind {
        EffectKind::Created => "created",
        EffectKind::Updated => "updated",
        EffectKind::Deleted => "deleted",
        EffectKind::Restored => "restored",
        EffectKind::Purged => "purged",
        EffectKind::MergedAway => "merged away",
        EffectKind::Linked => "linked",
        EffectKind::Unlinked => "unlinked",
        EffectKind::Sent => "sent",
    }
}

/// What the sandbox says it did, with the fields that have other values than before.
fn done(seen: &Seen, before: &World, after: &World) -> Changes {
    let no_record = Map::new();
    let fields = |effect: &writegate::sandbox::Effect| -> BTreeSet<String> {
        if !matches!(effect.kind, EffectKind::Created | EffectKind::Updated) {
            return BTreeSet::new();
        }
        let key = (effect.crm.name(), effect.object.clone(), effect.id.clone());
        let (was, is) = (before.get(&key).unwrap_or(&no_record), &after[&key]);
        let differs = |name: &&String| {
            let (old, new) = (was.get(*name), is.get(*name));
            old != new && !(is_blank(old) && is_blank(new))
        };
        let names = is.keys().chain(was.keys());
        names
            .filter(differs)
            .filter(|name| !is_stamp(&effect.object, name))
            .cloned()
            .collect()
    };
    seen.effects
        .iter()
        .map(|effect| {
            let fields = fields(effect);
            // which message it was, only the CRM knows
            let sent = effect.kind == EffectKind::Sent;
            let id = if sent { "" } else { &*effect.id }.to_owned();
            (effect.object.clone(), id, kind(effect.kind), fields)
        })
        .collect()
}

fn part<T: serde::de::DeserializeOwned>(whole: &Value, name: &str) -> T {
    serde_json::from_value(whole[name].clone()).unwrap()
}

/// What the entry says: its mutations, with the ids from the snapshot and from the outcomes.
async fn told(house: &House) -> Changes {
    let rows = |kind| {
        house.ledger.rows(RowFilter {
            kinds: vec![kind],
            ..RowFilter::default()
        })
    };
    let opened = rows(RowKind::Opened).await.unwrap();
    let closed = rows(RowKind::Closed).await.unwrap();
    let values = opened[0].values.as_ref().unwrap();
    let mutations: Vec<Mutation> = part(values, "mutations");
    let snapshot: Snapshot = part(values, "snapshot");
    let outcomes: Vec<Outcome> = part(&closed[0].meta, "outcomes");
    assert_eq!(mutations.len(), outcomes.len());
    let mut told = Changes::new();
    let mut made = None;
    for (place, (mutation, outcome)) in mutations.iter().zip(&outcomes).enumerate() {
        let object = mutation.object.clone();
        let named = match (snapshot.prior(place), &mutation.record) {
            (Prior::Found { id, .. }, _) | (_, Some(RecordKey::Id { id })) => Some(id.clone()),
            _ => None,
        };
        let mut fields: BTreeSet<String> = mutation.fields.keys().cloned().collect();
        let new = outcome.new_id.clone();
        made = new.clone().or(made);
        let mut tell = |id: Option<String>, what, fields: BTreeSet<String>| {
            let id = id.unwrap_or_else(|| panic!("{mutation:?} {outcome:?}"));
            told.insert((object.clone(), id, what, fields));
        };
        match mutation.operation {
            Operation::Upsert | Operation::Create if new.is_some() => {
                if let Some(RecordKey::External { key, .. }) = &mutation.record {
                    fields.insert(key.clone());
                }
                tell(new, "created", fields);
            }
            Operation::Update | Operation::Upsert => tell(named, "updated", fields),
            Operation::Delete => {
                let loser = mutation.record.as_ref().is_some_and(|record| {
                    mutations.iter().any(|other| {
                        other.operation == Operation::Merge && other.others.contains(record)
                    })
                });
                let what = if loser { "merged away" } else { "deleted" };
                tell(named, what, BTreeSet::new());
            }
            Operation::Purge => tell(named, "purged", BTreeSet::new()),
            Operation::Associate => {
                // Without a record of its own it is the one that the same input makes.
                tell(named.or(made.clone()), "linked", BTreeSet::new());
            }
            Operation::Merge => {
                tell(named, "merged away", BTreeSet::new());
                tell(new, "created", BTreeSet::new());
            }
            Operation::Dissociate => tell(named, "unlinked", BTreeSet::new()),
            Operation::Send => tell(Some(String::new()), "sent", BTreeSet::new()),
            Operation::Create
            | Operation::Restore
            | Operation::Convert
            | Operation::Export
            | Operation::Import
            | Operation::Invoke
            | Operation::Schema
            | Operation::Settings
            | Operation::Credential => panic!("{mutation:?} {outcome:?}"),
        }
    }
    told
}

async fn changed(seen: &Seen, house: &House, before: &World, what: &str) {
    let entries = house.entries().await;
    assert_eq!(entries.len(), 1, "{what}");
    assert_eq!(entries[0].state, EntryState::Done, "{what}: {entries:?}");
    let mut done = done(seen, before, &world(house));
    if what.starts_with("merge ") {
        // The record that a merge makes has the old ones' values; the entry names no new value.
        done = done
            .into_iter()
            .map(|(object, id, kind, _)| (object, id, kind, BTreeSet::new()))
            .collect();
    }
    assert!(!done.is_empty(), "{what}: nothing changed");
    assert_eq!(told(house).await, done, "{what}");
}

/// The rules of the tests below: one field rests on its prior value.
const FILL: &str = "
crm: salesforce
default: allow
objects:
  Account: { fields: { Industry: { agents: fill-else-deny } } }
";

#[tokio::test]
async fn a_verdict_that_rests_on_prior_values_holds_the_record_still() {
    let house = House::builder().rules(FILL).build().await;
    let target = format!("/services/data/v60.0/sobjects/Account/{}", seed::ACME);
    let reply = house
        .agent()
        .patch(&target, &json!({ "Industry": "Software" }))
        .await;
    assert_eq!(reply.status, 204, "{}", reply.text());
    let condition = one_write(&house).headers["if-unmodified-since"].clone();
    assert_eq!(condition, "Mon, 12 Jan 2026 09:00:00 GMT");
    // Where it does not rest on them, no condition is added and the agent's own stays as it is; where it
    // does, the earlier moment holds, so that a later one of the agent's switches nothing off.
    let later = "Fri, 01 Jan 2100 00:00:00 GMT";
    let agent = house.agent().with("if-unmodified-since", later);
    for (body, theirs) in [
        (json!({ "Phone": "1" }), true),
        (json!({ "Industry": "Software" }), false),
    ] {
        let reply = agent.patch(&target, &body).await;
        assert_eq!(reply.status, 204, "{}", reply.text());
        let writes = house.sandbox.writes();
        let sent = &writes.last().unwrap().headers["if-unmodified-since"];
        assert_eq!(sent == later, theirs, "{sent:?}");
    }
    let earlier = "Mon, 01 Jan 2001 00:00:00 GMT";
    let agent = house.agent().with("if-unmodified-since", earlier);
    let reply = agent
        .patch(&target, &json!({ "Industry": "Software" }))
        .await;
    assert_eq!(reply.status, 412, "{}", reply.text());
    assert_eq!(
        house.sandbox.writes().last().unwrap().headers["if-unmodified-since"],
        earlier
    );
    let reply = house.agent().patch(&target, &json!({ "Phone": "2" })).await;
    assert_eq!(reply.status, 204, "{}", reply.text());
    let writes = house.sandbox.writes();
    assert!(!names(writes.last().unwrap()).contains("if-unmodified-since"));
    house.finish().await;
}

/// Headers that act on a Salesforce write pass as they are; those that are not understood stop it.
#[tokio::test]
async fn headers_that_act_pass_or_stop_the_write() {
    let house = house().await;
    let target = format!("/services/data/v60.0/sobjects/Account/{}", seed::ACME);
    let passing = [
        ("sforce-auto-assign", "FALSE"),
        ("sforce-call-options", "client=agent"),
        ("sforce-duplicate-rule-header", "allowSave=true"),
        ("sforce-mru", "updateMru=false"),
        ("sforce-query-options", "batchSize=200"),
        ("idempotency-key", "k-1"),
        ("if-match", "*"),
    ];
    let agent = passing.iter().fold(house.agent(), |agent, (name, value)| {
        agent.with(name, value)
    });
    let reply = agent.patch(&target, &json!({ "Phone": "1" })).await;
    assert_eq!(reply.status, 204, "{}", reply.text());
    let seen = one_write(&house);
    for (name, value) in passing {
        assert_eq!(seen.headers[name], value);
    }
    let opened = RowFilter {
        kinds: vec![RowKind::Opened],
        ..RowFilter::default()
    };
    let rows = house.ledger.rows(opened).await.unwrap();
    assert_eq!(
        rows[0].meta["acting"],
        json!({
            "idempotency-key": "k-1",
            "if-match": "*",
            "sforce-auto-assign": "FALSE",
            "sforce-duplicate-rule-header": "allowSave=true",
            "sforce-mru": "updateMru=false",
        })
    );
    for (name, value) in [
        ("sforce-something-new", "1"),
        ("sforce-auto-assign", "perhaps"),
        ("sforce-call-options", "client=a, defaultNamespace=ns"),
        ("x-sfdc-packageversion-x", "1.0"),
        ("x-http-method-override", "DELETE"),
        ("x-http-method", "DELETE"),
        ("x-method-override", "DELETE"),
        ("x_http_method_override", "DELETE"),
    ] {
        let agent = house.agent().with(name, value);
        let reply = agent.patch(&target, &json!({ "Phone": "2" })).await;
        assert!([400, 403].contains(&reply.status.as_u16()), "{name}");
        let hubspot = format!("/crm/v3/objects/companies/{}", seed::HS_ACME);
        if name.contains("method") {
            let agent = house.hubspot_agent().with(name, value);
            let reply = agent.patch(&hubspot, &json!({ "properties": {} })).await;
            assert_eq!(reply.code(), "WRITEGATE_MALFORMED", "{name}");
        }
    }
    one_write(&house);
    house.finish().await;
}

/// Numbers keep their digits on the wire and in the entry's text, whatever a double would make of them.
#[tokio::test]
async fn numbers_are_sent_digit_for_digit() {
    let house = house().await;
    let deal = format!(
        "/services/data/v60.0/sobjects/Opportunity/{}",
        seed::ACME_RENEWAL
    );
    let company = format!("/crm/v3/objects/companies/{}", seed::HS_ACME);
    let numbers = [
        "0.10",
        "1E2",
        "1e+2",
        "-0",
        "-0.0",
        "100.000",
        "9007199254740993",
        "-9223372036854775808",
        "18446744073709551615",
        "123456789012345.25",
        "1.0e-7",
    ];
    for number in numbers {
        for (crm, target, body) in [
            (
                CrmKind::Salesforce,
                &deal,
                format!("{{\"Amount\":{number}}}"),
            ),
            (
                CrmKind::HubSpot,
                &company,
                format!("{{\"properties\":{{\"annualrevenue\":{number}}}}}"),
            ),
        ] {
            let before = house.sandbox.writes().len();
            let agent = house.agent_of(crm);
            let reply = agent
                .raw(Method::PATCH, target, Some(body.clone().into()))
                .await;
            assert!(reply.status.is_success(), "{body}: {}", reply.text());
            let writes = house.sandbox.writes();
            assert_eq!(writes.len(), before + 1);
            assert_eq!(writes[before].body, body);
        }
    }
    // What a double would change has two readings: it is refused, not rounded.
    for number in [
        "1e400",
        "123456789012345678901234567890",
        "0.1234567890123456789012345",
    ] {
        let before = house.sandbox.writes().len();
        let body = format!("{{\"Amount\":{number}}}");
        let reply = house
            .agent()
            .raw(Method::PATCH, &deal, Some(body.into()))
            .await;
        assert_eq!(reply.code(), "WRITEGATE_MALFORMED", "{number}");
        assert_eq!(house.sandbox.writes().len(), before);
    }
    house.finish().await;
}

/// A batch whose answer the CRM would compress for a client that asks for it: its outcome is read all
/// the same.
#[tokio::test]
async fn the_outcome_of_a_large_batch_is_read() {
    let house = house().await;
    let inputs: Vec<Value> = (0..100)
        .map(|row| json!({ "properties": { "name": format!("Company {row}") } }))
        .collect();
    let agent = house
        .hubspot_agent()
        .with("accept-encoding", "gzip, deflate, br");
    let reply = agent
        .post(
            "/crm/v3/objects/companies/batch/create",
            &json!({ "inputs": inputs }),
        )
        .await;
    assert_eq!(reply.status, 201);
    assert_eq!(house.count(EntryState::Done).await, 1);
    assert_eq!(house.count(EntryState::InDoubt).await, 0);
    house.finish().await;
}
