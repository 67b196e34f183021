//! Bodies and codings that servers read in different ways.

use flate2::{Compress, Compression, FlushCompress};
use serde_json::Value;
use writegate::mutation::CrmKind;
use writegate::sandbox::seed;

use super::{Decision, TOKEN, address, code, decide, message, seeded, settings};
use crate::support::house::House;
use crate::support::study::{corpus, member, pieces};
use crate::support::wire::talk;

/// A field that is denied, a number that a rule looks at, an object that is denied, links that are.
const SALESFORCE: &str = "
crm: salesforce
default: allow
objects:
  Account: { fields: { Discount__c|Key__c|myns__Discount__c: { owner: Sales Ops } } }
  User: { default: deny }
rules:
  - name: large
    applies: { object: Opportunity, field: Amount }
    when: { after.Amount: { at_least: 100 } }
    then: deny
";
const HUBSPOT: &str = "
crm: hubspot
default: allow
objects:
  contacts:
    create: { agents: allow }
    associate: { owner: RevOps }
    fields: { lifecyclestage|a: { owner: RevOps } }
";

async fn house() -> House {
    House::builder()
        .rules(SALESFORCE)
        .and_rules(HUBSPOT)
        .settings(settings())
        .token(TOKEN)
        .build()
        .await
}

/// Another spelling of the same write, plain JSON.
const TWINS: [(&str, &str); 13] = [
    (
        "body/comp-ok",
        r#"{"compositeRequest":[{"body":{"Name":"x"},"referenceId":"other","method":"PATCH",
            "url":"/services/data/v60.0/sobjects/account/001000000000001AAA"}]}"#,
    ),
    (
        "body/comp-collections",
        r#"{"compositeRequest":[{"body":{"Name":"x"},"referenceId":"r","method":"PATCH",
            "url":"/services/data/v66.0/sobjects/Account/001000000000001AAA"}]}"#,
    ),
    ("body/case-one", r#"{"Discount__c":90}"#),
    ("body/null-field", r#"{"Discount__c":90}"#),
    ("body/expo", r#"{"Amount":100}"#),
    ("body/ctype-07", r#"{"Name":"ok","Discount__c":5}"#),
    ("body/gz", r#"{"Name":"ok","Discount__c":5}"#),
    ("body/zlib", r#"{"Name":"ok","Discount__c":5}"#),
    ("body/rawdeflate", r#"{"Name":"ok","Discount__c":5}"#),
    ("body/identity", r#"{"Name":"ok","Discount__c":5}"#),
    ("body/ns-prefix", r#"{"myns__Discount__c":90}"#),
    (
        "body/hs-idprop-mixed",
        r#"{"inputs":[{"id":"1","properties":{"a":"b"}}]}"#,
    ),
    (
        "body/hs-assoc",
        r#"{"properties":{},"associations":[{"to":{"id":"9"},"types":[{"associationCategory":"HUBSPOT_DEFINED","associationTypeId":1}]}]}"#,
    ),
];

/// The request line of a row's route.
fn line(route: &str, amount: bool) -> (CrmKind, String) {
    let data = "/services/data/v66.0";
    let (crm, line) = match route {
        "sf-update" if amount => (
            CrmKind::Salesforce,
            format!("PATCH {data}/sobjects/Opportunity/{}", seed::ACME_RENEWAL),
        ),
        "sf-update" => (
            CrmKind::Salesforce,
            format!("PATCH {data}/sobjects/Account/{}", seed::ACME),
        ),
        "sf-collections" => (
            CrmKind::Salesforce,
            format!("PATCH {data}/composite/sobjects"),
        ),
        "sf-composite" => (CrmKind::Salesforce, format!("POST {data}/composite")),
        "sf-blob-insert" => (
            CrmKind::Salesforce,
            format!("POST {data}/sobjects/Document"),
        ),
        "hs-update" => (
            CrmKind::HubSpot,
            format!("PATCH /crm/v3/objects/contacts/{}", seed::HS_WILE),
        ),
        "hs-create" => (CrmKind::HubSpot, "POST /crm/v3/objects/contacts".into()),
        "hs-batch-update" => (
            CrmKind::HubSpot,
            "POST /crm/v3/objects/contacts/batch/update".into(),
        ),
        other => panic!("nobody knows the route {other}"),
    };
    (crm, line)
}

/// A gzip member of a prefix, the same octet many times, and a suffix, without making the octets: one
/// compressed block again and again. The check sum is wrong, but the limit comes long before it.
fn bomb(recipe: &Value) -> Vec<u8> {
    const BLOCK: usize = 4_000_000;
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    let deflated = |bytes: &[u8], flush| {
        let mut compress = Compress::new(Compression::best(), false);
        let mut out = Vec::with_capacity(bytes.len() + 1024);
        compress.compress_vec(bytes, &mut out, flush).unwrap();
        out
    };
    let count = usize::try_from(recipe["repeat"][1].as_u64().unwrap()).unwrap();
    let octet = recipe["repeat"][0].as_str().unwrap().bytes().next();
    out.extend(deflated(
        member(recipe, "prefix").as_bytes(),
        FlushCompress::Full,
    ));
    let block = deflated(&vec![octet.unwrap(); BLOCK], FlushCompress::Full);
    for _ in 0..count / BLOCK {
        out.extend(&block);
    }
    out.extend(deflated(
        member(recipe, "suffix").as_bytes(),
        FlushCompress::Finish,
    ));
    out.extend([0; 8]);
    out
}

/// The body that a row holds, or that its recipe makes; `None` for one that takes time.
fn body(row: &Value) -> Option<Vec<u8>> {
    if let Some(bytes) = pieces(row).into_iter().next() {
        return Some(bytes);
    }
    let recipe = &row["generate"];
    if recipe["gzip_of"].is_object() {
        return Some(bomb(&recipe["gzip_of"]));
    }
    if recipe["members_named"].is_string() {
        // `Aa` and `BB` have one hash in Java, and so have all their combinations.
        let name = |number: u32| -> String {
            (0..16)
                .map(|bit| if number >> bit & 1 == 0 { "Aa" } else { "BB" })
                .collect()
        };
        let members: Vec<String> = (0..1 << 16).map(|n| format!("\"{}\":1", name(n))).collect();
        return Some(format!("{{{}}}", members.join(",")).into_bytes());
    }
    let repeat = recipe["repeat"].as_array()?;
    let count = usize::try_from(repeat[1].as_u64()?).unwrap();
    let middle = repeat[0].as_str()?.repeat(count);
    let (prefix, suffix) = (member(recipe, "prefix"), member(recipe, "suffix"));
    Some(format!("{prefix}{middle}{suffix}").into_bytes())
}

async fn judged(row: &Value, body: &[u8], plain: bool) -> Decision {
    let house = house().await;
    let amount = super::find(body, b"\"Amount\"").is_some();
    let (crm, line) = line(member(row, "route"), amount);
    let to = address(&house, crm);
    let latin: Vec<u8> = member(row, "content_type")
        .chars()
        .map(|letter| u8::try_from(u32::from(letter)).unwrap())
        .collect();
    let mut fields: Vec<(&str, &[u8])> = Vec::new();
    let coding = member(row, "content_encoding").as_bytes();
    if plain {
        fields.push(("Content-Type", b"application/json"));
    } else {
        fields.push(("Content-Type", &latin));
        if !coding.is_empty() {
            fields.push(("Content-Encoding", coding));
        }
    }
    let decision = decide(&house, to, message(to, &line, &fields, &seeded(body))).await;
    house.finish().await;
    decision
}

#[tokio::test]
async fn every_body_is_refused_or_judged_as_its_plain_form() {
    let rows = corpus("json/writegate-bodies.jsonl");
    let (mut refused, mut same, mut accepted) = (0, 0, 0);
    for row in &rows {
        let id = member(row, "id");
        let Some(body) = body(row) else {
            assert_eq!(id, "body/slow-body");
            continue;
        };
        let expect = member(row, "expect");
        if expect == "preserve" {
            continue;
        }
        let decision = judged(row, &body, false).await;
        let twin = TWINS.iter().find(|(known, _)| *known == id);
        match (expect, twin) {
            ("reject" | "hold-or-reject", _) => {
                assert!(decision.is_refused(), "{id}: {decision:?}");
                assert_ne!(decision.code.as_deref(), Some("WRITEGATE_DENIED"), "{id}");
                refused += 1;
            }
            ("whole-request-decision", _) => {
                assert_eq!(decision.code.as_deref(), Some("WRITEGATE_DENIED"), "{id}");
                refused += 1;
            }
            ("accept", _) => {
                assert!(!decision.is_refused(), "{id}: {decision:?}");
                accepted += 1;
            }
            ("same-decision" | "same-decision-or-reject", Some((_, twin))) => {
                let plain = judged(row, twin.as_bytes(), true).await;
                // the composites of the corpus write a field that everybody may
                let denied = (!id.starts_with("body/comp-")).then_some("WRITEGATE_DENIED");
                assert_eq!(plain.code.as_deref(), denied, "{id}: {plain:?}");
                if decision.code == plain.code {
                    same += 1;
                } else {
                    assert_eq!(expect, "same-decision-or-reject", "{id}: {decision:?}");
                    assert!(decision.is_refused(), "{id}: {decision:?}");
                    refused += 1;
                }
            }
            ("same-decision-or-reject", None) => {
                assert!(decision.is_refused(), "{id}: {decision:?}");
                refused += 1;
            }
            ("reject-or-accept", _) => accepted += usize::from(!decision.is_refused()),
            (other, _) => panic!("{id}: {other} without a twin"),
        }
    }
    println!(
        "bodies: {} rows: {refused} refused with nothing at the CRM, {same} judged as their plain \
         form, {accepted} accepted",
        rows.len()
    );
}

#[tokio::test]
async fn digits_are_preserved() {
    let rows = corpus("json/writegate-bodies.jsonl");
    let mut preserved = 0;
    for row in rows
        .iter()
        .filter(|row| member(row, "expect") == "preserve")
    {
        let house = House::builder().token(TOKEN).build().await;
        let body = body(row).unwrap();
        let (crm, line) = line(member(row, "route"), true);
        let to = address(&house, crm);
        let fields: &[(&str, &[u8])] = &[("Content-Type", b"application/json")];
        let decision = decide(&house, to, message(to, &line, fields, &body)).await;
        assert!(!decision.is_refused(), "{decision:?}");
        assert_eq!(house.sandbox.writes()[0].body, body);
        preserved += 1;
        house.finish().await;
    }
    println!("bodies: {preserved} sent digit for digit");
}

/// A body of which one byte comes and then no more.
#[tokio::test]
async fn a_body_that_stops_is_given_up() {
    let house = house().await;
    let to = house.salesforce;
    let (_, line) = line("sf-update", false);
    let whole = message(
        to,
        &line,
        &[("Content-Type", b"application/json")],
        br#"{"Name":"ok","Discount__c":5}"#,
    );
    let answer = talk(to, &[whole[..whole.len() - 28].to_vec()]).await;
    assert_eq!(super::statuses(&answer), [400]);
    assert_eq!(code(&answer).as_deref(), Some("WRITEGATE_MALFORMED"));
    assert_eq!(house.sandbox.requests(), 0);
    house.finish().await;
}

/// The public suite's documents that no parser may take, as the body of a write.
#[tokio::test]
async fn documents_that_are_no_json() {
    let rows = corpus("json/jsontestsuite.jsonl");
    let house = house().await;
    let to = house.salesforce;
    let (_, line) = line("sf-update", false);
    let mut refused = 0;
    for row in rows.iter().filter(|row| member(row, "expect") == "reject") {
        let body = pieces(row).into_iter().next().unwrap_or_default();
        let fields: &[(&str, &[u8])] = &[("Content-Type", b"application/json")];
        let decision = decide(&house, to, message(to, &line, fields, &body)).await;
        assert_eq!(
            decision.code.as_deref(),
            Some("WRITEGATE_MALFORMED"),
            "{}",
            member(row, "id")
        );
        refused += 1;
    }
    println!("jsontestsuite: {refused} refused with nothing at the CRM");
    assert_eq!(house.sandbox.requests(), 0);
    house.finish().await;
}
