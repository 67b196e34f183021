//! HubSpot beyond its objects API: each family that is taken apart, through the proxy to the sandbox.
//! What the entry says is what changed.

use http::Method;
use serde_json::{Value, json};
use writegate::mutation::CrmKind;
use writegate::sandbox::EffectKind;
use writegate::sandbox::seed::{
    HS_ACME, HS_ACME_RENEWAL, HS_ALICE, HS_GLOBEX, HS_HANK, HS_PEPPER, HS_PETER, HS_WILE,
};

use super::{changed, world};
use crate::support::client::Client;
use crate::support::house::{House, TOKEN};

const RULES: &str = "
crm: hubspot
default: allow
";

/// A write of a family; `~` is the list that was made before.
struct Write {
    name: &'static str,
    line: String,
    body: Option<Value>,
}

fn write(name: &'static str, line: impl Into<String>, body: impl Into<Option<Value>>) -> Write {
    Write {
        name,
        line: line.into(),
        body: body.into(),
    }
}

fn kind(number: u64) -> Value {
    json!([{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": number}])
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn links() -> Vec<Write> {
    let of = format!("/crm/v4/objects/contacts/{HS_HANK}/associations");
    let dated = format!("/crm/objects/2026-03/contact/{HS_HANK}/associations");
    let v3 = format!("/crm/v3/objects/0-1/{HS_HANK}/associations");
    let ends = |from: &str, to: &str| json!({"from": {"id": from}, "to": {"id": to}});
    let with = |mut input: Value, name: &str, value: Value| {
        input[name] = value;
        json!({ "inputs": [input] })
    };
    let legacy = |from: &str, number: u64, to: &str| {
        json!({"fromObjectId": from, "toObjectId": to, "category": "HUBSPOT_DEFINED",
            "definitionId": number})
    };
    let batch = "/crm/v4/associations/contacts/companies/batch";
    let far = [json!({"id": HS_ACME})];
    vec![
        write("labels", format!("PUT {of}/companies/{HS_ACME}"), kind(279)),
        write("default", format!("PUT {of}/default/0-2/{HS_ACME}"), None),
        write(
            "dated",
            format!("PUT {dated}/default/company/{HS_ACME}"),
            None,
        ),
        write(
            "one type of version 3",
            format!("PUT {v3}/companies/{HS_ACME}/contact_to_company"),
            None,
        ),
        write(
            "all types gone",
            format!("DELETE {of}/companies/{HS_GLOBEX}"),
            None,
        ),
        write(
            "one type gone",
            format!("DELETE {v3}/companies/{HS_GLOBEX}/279"),
            None,
        ),
        write(
            "batch",
            format!("POST {batch}/create"),
            with(ends(HS_HANK, HS_ACME), "types", kind(279)),
        ),
        write(
            "batch of version 3",
            "POST /crm/v3/associations/contacts/companies/batch/create",
            with(ends(HS_HANK, HS_ACME), "type", json!("contact_to_company")),
        ),
        write(
            "batch by default, dated",
            "POST /crm/associations/2026-03/contacts/companies/batch/associate/default",
            json!({"inputs": [ends(HS_HANK, HS_ACME), ends(HS_PETER, HS_ACME)]}),
        ),
        write(
            "batch of removals",
            format!("POST {batch}/archive"),
            with(ends(HS_WILE, HS_ACME), "to", json!(far)),
        ),
        write(
            "batch of labels removed",
            format!("POST {batch}/labels/archive"),
            with(ends(HS_WILE, HS_ACME), "types", kind(279)),
        ),
        write(
            "legacy",
            "PUT /crm-associations/v1/associations",
            legacy(HS_HANK, 1, HS_ACME),
        ),
        write(
            "legacy removals",
            "PUT /crm-associations/v1/associations/delete-batch",
            json!([legacy(HS_WILE, 279, HS_ACME)]),
        ),
        write(
            "contact of a company",
            format!("PUT /companies/v2/companies/{HS_ACME}/contacts/{HS_HANK}"),
            None,
        ),
        write(
            "contacts of a deal",
            format!(
                "PUT /deals/v1/deal/{HS_ACME_RENEWAL}/associations/CONTACT?id={HS_HANK}&id={HS_ALICE}"
            ),
            None,
        ),
    ]
}

fn lists() -> Vec<Write> {
    let members = "/crm/v3/lists/~/memberships";
    vec![
        write(
            "a list",
            "POST /crm/v3/lists",
            json!({"name": "New", "objectTypeId": "0-1", "processingType": "MANUAL"}),
        ),
        write(
            "another name",
            "PUT /crm/v3/lists/~/update-list-name?listName=B",
            None,
        ),
        write(
            "other filters",
            "PUT /crm/v3/lists/~/update-list-filters",
            json!({"filterBranch": {"filterBranchType": "OR", "filters": []}}),
        ),
        write("a list gone", "DELETE /crm/lists/2026-03/~", None),
        write(
            "on a list",
            format!("PUT {members}/add"),
            json!([HS_HANK, HS_PETER]),
        ),
        write(
            "off a list",
            format!("PUT {members}/remove"),
            json!([HS_WILE]),
        ),
        write(
            "on and off",
            format!("PUT {members}/add-and-remove"),
            json!({"recordIdsToAdd": [HS_HANK], "recordIdsToRemove": [HS_WILE]}),
        ),
        write(
            "contacts on a list",
            "POST /contacts/v1/lists/~/add",
            json!({"vids": [HS_HANK.parse::<u64>().unwrap()], "emails": ["peter@initech.example"]}),
        ),
    ]
}

/// Names and values as the APIs before version 3 have them.
fn pairs(name: &str, pairs: &[(&str, &str)]) -> Value {
    let pairs = pairs.iter();
    pairs
        .map(|(property, value)| json!({name: property, "value": value}))
        .collect()
}

fn contacts() -> Vec<Write> {
    let job = || json!({"properties": pairs("property", &[("jobtitle", "CTO"), ("city", "Oslo")])});
    let new = [("email", "new@acme.example"), ("firstname", "New")];
    let row = |key: &str, value: Value| {
        let mut row = job();
        row[key] = value;
        row
    };
    let contact = "/contacts/v1/contact";
    vec![
        write(
            "contact",
            format!("POST {contact}"),
            json!({"properties": pairs("property", &new)}),
        ),
        write(
            "by id",
            format!("POST {contact}/vid/{HS_HANK}/profile"),
            job(),
        ),
        write(
            "by address",
            format!("POST {contact}/email/hank@globex.example/profile"),
            job(),
        ),
        write(
            "made or updated",
            format!("POST {contact}/createOrUpdate/email/hank@globex.example"),
            job(),
        ),
        write(
            "made",
            format!("POST {contact}/createOrUpdate/email/fresh@acme.example"),
            job(),
        ),
        write("gone", format!("DELETE {contact}/vid/{HS_HANK}"), None),
        write(
            "two into one",
            format!("POST {contact}/merge-vids/{HS_HANK}"),
            json!({"vidToMerge": HS_PETER.parse::<u64>().unwrap()}),
        ),
        write(
            "taken in: contacts",
            format!("POST {contact}/batch"),
            json!([
                row("vid", json!(HS_HANK)),
                row("email", json!("peter@initech.example"))
            ]),
        ),
        write(
            "a mail and what it writes",
            "POST /marketing/v3/transactional/single-email/send",
            json!({"emailId": 1, "message": {"to": "hank@globex.example", "bcc": ["x@y.example"]},
                "contactProperties": {"jobtitle": "CTO"}}),
        ),
        write(
            "a dated mail",
            "POST /marketing/email-campaigns/2026-03/single-send",
            json!({"emailId": 1, "message": {"to": "hank@globex.example"}}),
        ),
        write(
            "an older mail",
            "POST /email/public/v1/singleEmail/send",
            json!({"emailId": 1, "message": {"to": "hank@globex.example"},
                "contactProperties": pairs("name", &[("jobtitle", "CTO")])}),
        ),
        write(
            "a form",
            "POST /submissions/v3/integration/secure/submit/1442021/f-1",
            json!({"fields": [{"objectTypeId": "0-1", "name": "email",
                "value": "hank@globex.example"}, {"name": "city", "value": "Oslo"}]}),
        ),
    ]
}

fn others() -> Vec<Write> {
    let named = |all: &[(&str, &str)]| json!({"properties": pairs("name", all)});
    let mut row = named(&[("city", "Oslo")]);
    row["objectId"] = json!(HS_ACME);
    let mut deal = named(&[("dealname", "D"), ("amount", "5")]);
    deal["associations"] = json!({"associatedVids": [HS_HANK]});
    vec![
        write(
            "company",
            "POST /companies/v2/companies",
            named(&[("name", "N")]),
        ),
        write(
            "company updated",
            format!("PUT /companies/v2/companies/{HS_ACME}"),
            named(&[("industry", "MACHINERY")]),
        ),
        write(
            "company gone",
            format!("DELETE /companies/v2/companies/{HS_ACME}"),
            None,
        ),
        write(
            "taken in: companies",
            "POST /companies/v1/batch-async/update",
            json!([row]),
        ),
        write("deal with a link", "POST /deals/v1/deal", deal),
        write(
            "deal updated",
            format!("PUT /deals/v1/deal/{HS_ACME_RENEWAL}"),
            named(&[("amount", "7")]),
        ),
        write(
            "deal gone",
            format!("DELETE /deals/v1/deal/{HS_ACME_RENEWAL}"),
            None,
        ),
        write(
            "product",
            "POST /crm-objects/v1/objects/products",
            pairs("name", &[("name", "P"), ("price", "3")]),
        ),
        write(
            "products",
            "POST /crm-objects/v1/objects/products/batch-create",
            json!([
                pairs("name", &[("name", "P")]),
                pairs("name", &[("name", "Q")])
            ]),
        ),
        write(
            "company by its type",
            format!("PUT /crm-objects/v1/objects/companies/{HS_ACME}"),
            pairs("name", &[("city", "Oslo")]),
        ),
        write(
            "companies by their type",
            "POST /crm-objects/v1/objects/companies/batch-delete",
            json!({"ids": [HS_ACME, HS_GLOBEX]}),
        ),
        write(
            "engagement",
            "POST /engagements/v1/engagements",
            json!({"engagement": {"type": "NOTE", "timestamp": 1_760_000_000_000_u64},
                "metadata": {"body": "Called"}, "associations": {"contactIds": [HS_PEPPER]}}),
        ),
    ]
}

/// A list with one contact on it, made past the proxy.
async fn with_list(house: &House) -> String {
    let past = Client::new(house.sandbox.addr, TOKEN);
    let list = json!({"name": "A", "objectTypeId": "0-1", "processingType": "MANUAL"});
    let made = past.post("/crm/v3/lists", &list).await;
    let id = made.json()["list"]["listId"].as_str().unwrap().to_owned();
    let path = format!("/crm/v3/lists/{id}/memberships/add");
    let reply = past.send(Method::PUT, &path, Some(&json!([HS_WILE]))).await;
    assert!(reply.status.is_success());
    id
}

#[tokio::test]
async fn every_family_of_hubspot_changes_what_its_entry_says() {
    let writes = [links(), lists(), contacts(), others()];
    let writes: Vec<Write> = writes.into_iter().flatten().collect();
    let count = writes.len();
    for write in writes {
        let house = House::builder().rules(RULES).build().await;
        let list = with_list(&house).await;
        let before = world(&house);
        let (method, target) = write.line.split_once(' ').unwrap();
        let target = target.replace('~', &list);
        let agent = house.agent_of(CrmKind::HubSpot);
        let method = method.parse().unwrap();
        let reply = agent.send(method, &target, write.body.as_ref()).await;
        let what = format!("{} ({})", write.name, write.line);
        assert!(reply.status.is_success(), "{what}: {}", reply.text());
        let seen = house.sandbox.writes().pop().unwrap();
        assert_eq!(seen.target, target, "{what}");
        if write.name == "two into one" {
            // the answer does not name the record that it made
            let gone = seen.effects.iter();
            let gone = gone.filter(|effect| effect.kind == EffectKind::MergedAway);
            let gone: Vec<&str> = gone.map(|effect| effect.id.as_str()).collect();
            assert_eq!(gone, [HS_HANK, HS_PETER]);
        } else {
            changed(&seen, &house, &before, &what).await;
        }
        // the list was made past it
        house.close().await;
    }
    println!("families of HubSpot: {count} writes, 0 differences");
}
