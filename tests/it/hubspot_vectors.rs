//! Ways around a proxy before HubSpot, tried against the pack that is shipped: other names of the same
//! write, writes that hide in something else, credentials in odd places. Nothing gets through.

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use writegate::config::UnknownCallers;
use writegate::sandbox::seed::{HS_ACME, HS_ACME_RENEWAL, HS_HANK, HS_WILE};

use super::support::house::House;

const PACK: &str = include_str!("../../rules/hubspot.yaml");

/// No limit: a probe too many must not stop the agent before the rest was tried.
fn pack() -> String {
    let (rules, _limits) = PACK.split_once("\nlimits:").unwrap();
    rules.to_owned()
}

/// What is tried: `METHOD target`, the body, and headers as `name: value`.
type Vector = (String, &'static str, &'static str);

fn plain(line: impl Into<String>, body: &'static str) -> Vector {
    (line.into(), body, "")
}

const AMOUNT: &str = r#"{"properties":{"amount":"5"}}"#;
const STAGE: &str = r#"{"properties":{"lifecyclestage":"customer"}}"#;

/// Other names and places of one write that the rules deny.
fn other_names() -> Vec<Vector> {
    let mut vectors = Vec::new();
    for root in [
        "/crm/v3/objects/~",
        "/crm/objects/v3/~",
        "/crm/objects/2026-03/~",
        "/crm/objects/2029-09-beta/~",
        "/crm/objects/~",
        "/crm/v3/objects/v3/~",
        "/v3/crm/objects/~",
        "/crm/v4/objects/~",
        "/CRM/v3/objects/~",
        "//crm/v3/objects/~",
    ] {
        for name in [
            "deals",
            "deal",
            "0-3",
            "DEALS",
            "p_deals",
            "p1442021_deals",
            "0-03",
            "deals%2F",
        ] {
            let path = root.replace('~', name);
            vectors.push(plain(format!("PATCH {path}/{HS_ACME_RENEWAL}"), AMOUNT));
            vectors.push(plain(format!("DELETE {path}/{HS_ACME_RENEWAL}"), ""));
        }
    }
    let contact = "/crm/v3/objects/contacts";
    for line in [
        format!("PATCH {contact}/wile@acme.example?idProperty=email"),
        format!("PATCH {contact}/wile%40acme.example?idProperty=EMAIL"),
        format!("PATCH {contact}/{HS_WILE}?idProperty=hs_object_id"),
        format!("PATCH {contact}/{HS_WILE}?idProperty=email&idProperty=hs_object_id"),
        format!("PATCH {contact}/{HS_WILE}/"),
        format!("POST {contact}/{HS_WILE}"),
        format!("PUT {contact}/{HS_WILE}"),
    ] {
        vectors.push(plain(line, STAGE));
    }
    vectors.push(plain(
        format!("DELETE {contact}/wile@acme.example?idProperty=email"),
        "",
    ));
    vectors
}

/// The same properties in other encodings, upserts that do not say so, methods that lie.
fn encodings() -> Vec<Vector> {
    let old = r#"{"properties":[{"property":"lifecyclestage","value":"customer"}]}"#;
    let twice = r#"{"properties":[{"property":"jobtitle","value":"a"},
        {"property":"jobtitle","value":"b"}]}"#;
    let deal = r#"{"properties":[{"name":"amount","value":"5"}]}"#;
    let contact = "/contacts/v1/contact";
    [
        (format!("POST {contact}/vid/{HS_WILE}/profile"), old),
        (format!("POST {contact}/vid/{HS_WILE}/profile"), twice),
        (format!("POST {contact}/email/wile@acme.example/profile"), old),
        (format!("POST {contact}/createOrUpdate/email/wile@acme.example"), old),
        (
            format!("POST {contact}/batch/"),
            r#"[{"email":"wile@acme.example","properties":[{"property":"lifecyclestage","value":"x"}]}]"#,
        ),
        (format!("DELETE {contact}/vid/{HS_WILE}"), ""),
        (format!("POST {contact}/merge-vids/{HS_WILE}"), r#"{"vidToMerge":51000000002}"#),
        (format!("PUT /contacts/v1/secondary-email/{HS_WILE}/email/a@b.example"), ""),
        (format!("PUT /deals/v1/deal/{HS_ACME_RENEWAL}"), deal),
        (
            "POST /deals/v1/batch-async/update".to_owned(),
            r#"[{"objectId":"53000000001","properties":[{"name":"amount","value":"5"}]}]"#,
        ),
        (
            "POST /crm/v3/objects/deals/batch/update".to_owned(),
            r#"{"inputs":[{"id":"53000000001","properties":{"Amount":"5"}}]}"#,
        ),
        (
            "POST /crm/v3/objects/contacts/batch/archive".to_owned(),
            r#"{"inputs":[{"id":"51000000001"}]}"#,
        ),
        (
            "POST /crm/v3/objects/contacts/gdpr-delete".to_owned(),
            r#"{"objectId":"wile@acme.example","idProperty":"email"}"#,
        ),
        ("POST /marketing/v3/marketing-events/events/delete".to_owned(), r#"{"inputs":[]}"#),
        ("PUT /crm-associations/v1/associations/delete".to_owned(),
            r#"{"fromObjectId":51000000001,"toObjectId":52000000001,"category":"HUBSPOT_DEFINED","definitionId":279}"#),
        (
            "POST /crm/v4/associations/contacts/companies/batch/archive".to_owned(),
            r#"{"inputs":[{"from":{"id":"51000000001"},"to":[{"id":"52000000001"}]}]}"#,
        ),
        ("PUT /crm/v3/lists/7/memberships/remove".to_owned(), "[1]"),
        ("DELETE /crm/v3/lists/7/memberships".to_owned(), ""),
        ("PUT /crm/v3/lists/7/memberships/add-from/8".to_owned(), ""),
        ("PUT /crm/v3/lists/7/update-list-name?listName=x".to_owned(), ""),
        ("PUT /crm/v3/lists/7/restore".to_owned(), ""),
        ("PATCH /conversations/v3/conversations/threads/1?archived=true".to_owned(), "{}"),
        ("POST /engagements/v1/engagements".to_owned(),
            r#"{"engagement":{"type":"NOTE"},"metadata":{"body":"x"}}"#),
        ("PATCH /engagements/v1/engagements/1".to_owned(), r#"{"metadata":{"body":"x"}}"#),
        ("DELETE /engagements/v1/engagements/1".to_owned(), ""),
        (
            "POST /crm/v3/objects/notes".to_owned(),
            r#"{"properties":{"hs_note_body":"x"},"associations":[{"to":{"id":"51000000001"},
            "types":[{"associationCategory":"HUBSPOT_DEFINED","associationTypeId":202}]}]}"#,
        ),
    ]
    .into_iter()
    .map(|(line, body)| plain(line, body))
    .collect()
}

/// Writes inside sends, events, automation; what leaves; what mints; what needs no token.
fn hidden() -> Vec<Vector> {
    let mail = r#"{"emailId":1,"message":{"to":"wile@acme.example","bcc":["x@y.example"]},
        "contactProperties":{"jobtitle":"x"}}"#;
    let form = r#"{"fields":[{"objectTypeId":"0-2","name":"name","value":"x"}]}"#;
    let any = r#"{"email":"wile@acme.example"}"#;
    [
        ("POST /marketing/v3/transactional/single-email/send", mail),
        ("POST /marketing/v4/email/single-send", mail),
        ("POST /marketing/email-campaigns/2026-03/single-send", mail),
        ("POST /email/public/v1/singleEmail/send", any),
        ("POST /crm/v3/timeline/events", any),
        ("POST /integrators/timeline/v4/events", any),
        ("PUT /integrations/v1/42/timeline/event", any),
        (
            "POST /marketing/v3/marketing-events/attendance/1/attend/email-create",
            any,
        ),
        ("POST /scheduler/v3/meetings/meeting-links/book", any),
        ("POST /scheduler/v3/meetings/calendar", any),
        ("POST /events/v3/send", any),
        ("POST /automation/v4/flows", "{}"),
        ("PUT /automation/v4/flows/1", "{}"),
        ("POST /automation/v4/sequences/enrollments", any),
        ("POST /automation/v4/webhook-triggers/1/abc", any),
        ("GET /automation/v4/webhook-triggers/1/abc", ""),
        ("GET /marketing/v3/transactional/smtp-tokens", ""),
        ("POST /marketing/v3/transactional/smtp-tokens", "{}"),
        ("POST /email/public/v1/smtpapi/tokens", "{}"),
        ("GET /oauth/v1/access-tokens/abc", ""),
        ("DELETE /oauth/v1/refresh-tokens/abc", ""),
        ("POST /oauth/v2/private-apps/get/access-token-info", "{}"),
        ("POST /visitor-identification/v3/tokens/create", any),
        ("POST /communication-preferences/v4/links/generate", any),
        ("POST /submissions/v3/integration/submit/1/2", form),
        ("POST /uploads/form/v2/1/2", any),
        ("GET /v1/event?_n=x&_a=1&email=wile@acme.example", ""),
        ("POST /crm/v3/schemas", "{}"),
        ("DELETE /crm/v3/schemas/2-1442021/purge", ""),
        ("POST /filemanager/api/v2/files/1/full-delete", ""),
        ("POST /deal-splits/2026-03/batch/upsert", "{}"),
        ("DELETE /crm/v3/properties/deals/amount", ""),
        ("PUT /crm/v3/pipelines/deals/default", "{}"),
        ("POST /settings/v3/users/", "{}"),
        ("PUT /webhooks/v3/1/settings", "{}"),
        ("POST /crm/v3/exports/export/async", "{}"),
        ("GET /crm/v3/exports/export/async/tasks/1/status", ""),
        ("GET /files/v3/files/1/signed-url", ""),
        ("GET /cms/v3/hubdb/tables/1/export", ""),
        ("GET /webhooks-journal/journal/2026-03/latest", ""),
        ("POST /webhooks-journal/snapshots/2026-03/crm", "{}"),
        ("POST /collector/graphql", r#"{"query":"{ CRM { a } }"}"#),
        ("POST /collector/graphql", r#"{"query":"mutation { a }"}"#),
        ("POST /files/v3/files/import-from-url/async", "{}"),
        ("POST /data-studio/data-source/2026-03", "{}"),
    ]
    .into_iter()
    .map(|(line, body)| plain(line, body))
    .collect()
}

/// Credentials in odd places, methods and paths in headers, path bytes, bodies with two readings.
fn readings() -> Vec<Vector> {
    let record = format!("/crm/v3/objects/contacts/{HS_HANK}");
    let mut vectors = vec![
        (
            format!("GET {record}"),
            "",
            "x-http-method-override: DELETE",
        ),
        (
            format!("POST {record}"),
            STAGE,
            "x-http-method-override: PATCH",
        ),
        (
            format!("GET {record}"),
            "",
            "x-original-url: /crm/v3/exports/export/async",
        ),
        (format!("GET {record}"), "", "private-app: other"),
        (format!("GET {record}"), "", "private-app-legacy: other"),
        (format!("GET {record}?hapikey=x"), "", ""),
        (format!("GET {record}?access_token=x"), "", ""),
        (format!("GET {record}?a=1;hapikey=x"), "", ""),
        (format!("GET {record}"), "", "authorization: Bearer second"),
    ];
    for path in [
        "/crm/v3/objects/contacts%2F51000000002/x",
        "/crm/v3/objects/companies/../contacts/51000000002",
        "/crm/v3/objects/companies/%2e%2e/contacts/51000000002",
        "/crm/v3/objects/contacts/51000000002%00",
        "/crm/v3/objects/contacts;x=1/51000000002",
        "/crm/v3/objects/contacts/%2535",
        "/crm/v3/objects/contacts%5C51000000002",
        "/crm/v3//objects/contacts/51000000002",
    ] {
        vectors.push(plain(format!("PATCH {path}"), STAGE));
    }
    for body in [
        r#"{"properties":{"jobtitle":"a"},"properties":{"lifecyclestage":"customer"}}"#,
        r#"{"properties":{"jobtitle":"a","JobTitle":"b"}}"#,
        r#"{"properties":{"lifecyclestage ":"customer"}}"#,
        "{\"properties\":{\"\u{17f}tage\":\"x\"}}",
        r#"{"properties":{"jobtitle":"a"}} {}"#,
        "\u{feff}{\"properties\":{\"jobtitle\":\"a\"}}",
        r#"{"properties":{"jobtitle":NaN}}"#,
        r#"{"properties":{"annualrevenue":1e999}}"#,
        r#"{"properties":{"jobtitle":["a"]}}"#,
        r#"{"properties":{"hs_tags":";a"}}"#,
        r#"[{"name":"jobtitle","value":"a"}]"#,
        "",
    ] {
        vectors.push(plain(format!("PATCH {record}"), body));
    }
    vectors.push((format!("PATCH {record}"), STAGE, "content-type: text/plain"));
    vectors.push((format!("PATCH {record}"), STAGE, "content-encoding: br"));
    vectors.push((
        "POST /files/v3/files".to_owned(),
        "--x\r\nContent-Disposition: form-data; name=\"options\"\r\n\r\n{\"access\":\"PRIVATE\"}\r\n\
         --x\r\nContent-Disposition: form-data; name=\"options\"; filename=\"o\"\r\n\r\n\
         {\"access\":\"PUBLIC_INDEXABLE\"}\r\n--x--\r\n",
        "content-type: multipart/form-data; boundary=x",
    ));
    vectors.push((
        "POST /crm/v3/imports".to_owned(),
        "--x--",
        "content-type: multipart/form-data; boundary=x",
    ));
    vectors.push(plain(
        format!("PUT /crm/v4/objects/companies/{HS_ACME}/associations/default/quotes/1"),
        "",
    ));
    vectors
}

#[tokio::test]
async fn nothing_gets_around_the_pack() {
    let house = House::builder().rules(&pack()).build().await;
    let vectors = [other_names(), encodings(), hidden(), readings()];
    let mut tried = 0;
    for (line, body, header) in vectors.into_iter().flatten() {
        let (method, target) = line.split_once(' ').unwrap();
        let method: Method = method.parse().unwrap();
        let body = (!body.is_empty()).then(|| Bytes::from(body));
        let mut agents = vec![house.hubspot_agent()];
        // the same by somebody without any credential
        let mut nobody = house.hubspot_agent();
        nobody.token = String::new();
        agents.push(nobody);
        for mut agent in agents {
            if let Some((name, value)) = header.split_once(": ") {
                agent = agent.with(name, value);
            }
            let before = house.sandbox.writes().len();
            let reply = agent.raw(method.clone(), target, body.clone()).await;
            let seen = &house.sandbox.writes()[before..];
            assert!(seen.is_empty(), "{line} got through: {seen:?}");
            assert!(!reply.status.is_success(), "{line}: {}", reply.text());
            tried += 1;
        }
    }
    // nothing that is not a read by its looks either: no export, no credential, no tracked event
    for seen in house.sandbox.seen() {
        let read = seen.target.contains("/batch/read")
            || seen.target.contains("/properties/")
            || seen.target.starts_with("/crm/v3/lists/")
            || seen.target == "/crm/v3/schemas";
        assert!(read, "{} {}", seen.method, seen.target);
    }
    println!("ways around HubSpot: {tried} tried, got through 0");
    house.finish().await;
}

/// Forms and triggers that HubSpot takes from anybody: who calls is asked before anything else, also
/// where strangers may read.
#[tokio::test]
async fn what_needs_no_credential_at_hubspot_needs_one_here() {
    for may in [UnknownCallers::Deny, UnknownCallers::Reads] {
        let rules = "crm: hubspot\ndefault: allow\n";
        let builder = House::builder().rules(rules).unknown_callers(may);
        let house = builder.build().await;
        let mut nobody = house.hubspot_agent();
        nobody.token = String::new();
        let form = r#"{"fields":[{"name":"email","value":"a@b.c"},{"name":"city","value":"x"}]}"#;
        for (method, target, body) in [
            ("POST", "/submissions/v3/integration/submit/1/a", form),
            (
                "POST",
                "/submissions/v3/integration/secure/submit/1/a",
                form,
            ),
            ("POST", "/uploads/form/v2/1/a", "email=a%40b.c"),
            ("POST", "/automation/v4/webhook-triggers/1/abc", "{}"),
            ("GET", "/automation/v4/webhook-triggers/1/abc", ""),
            ("GET", "/event/v1?_a=1&_n=x&email=a%40b.c", ""),
        ] {
            let body = (!body.is_empty()).then(|| Bytes::from(body));
            let reply = nobody.raw(method.parse().unwrap(), target, body).await;
            let code = reply.code();
            assert_eq!(code, "WRITEGATE_UNKNOWN_CALLER", "{method} {target}");
        }
        assert!(house.sandbox.seen().is_empty());
        house.finish().await;
    }
}

/// A type of link that is of other records than the path names is no way around the rows of either.
#[tokio::test]
async fn a_link_is_of_the_types_that_its_path_names() {
    let rules = "
crm: hubspot
default: allow
objects: { deals: { associate: deny } }
";
    let house = House::builder().rules(rules).build().await;
    let agent = house.hubspot_agent();
    let kind = |number: u64| json!([{"associationCategory": "hubspot_defined", "associationTypeId": number}]);
    let pair = format!("/crm/v4/objects/contacts/{HS_HANK}/associations/companies/{HS_ACME}");
    let named = pair.replace("v4", "v3");
    let input = |name: &str, value: Value| json!({"inputs": [{"from": {"id": HS_HANK}, "to": {"id": HS_ACME}, name: value}]});
    let batch = "/crm/v4/associations/contacts/companies/batch";
    let cases = [
        (Method::PUT, pair.clone(), Some(kind(4))),
        (Method::PUT, pair.clone(), Some(kind(280))),
        (Method::PUT, format!("{named}/contact_to_deal"), None),
        (Method::DELETE, format!("{named}/4"), None),
        (
            Method::POST,
            format!("{batch}/create"),
            Some(input("types", kind(3))),
        ),
        (
            Method::POST,
            format!("{batch}/labels/archive"),
            Some(input("types", kind(4))),
        ),
        (
            Method::POST,
            "/crm/v3/associations/contacts/companies/batch/create".to_owned(),
            Some(input("type", json!("DEAL_TO_CONTACT"))),
        ),
    ];
    for (method, target, body) in cases {
        let reply = agent.send(method, &target, body.as_ref()).await;
        assert_eq!(
            reply.code(),
            "WRITEGATE_MALFORMED",
            "{target}: {}",
            reply.text()
        );
        assert!(
            reply.text().contains("other types of records"),
            "{}",
            reply.text()
        );
    }
    assert!(house.sandbox.seen().is_empty());
    let fitting = agent.send(Method::PUT, &pair, Some(&kind(279))).await;
    assert!(fitting.status.is_success(), "{}", fitting.text());
    house.finish().await;
}

/// An engagement says itself what it is; where the record is another thing, its prior values are not
/// what would be overwritten.
#[tokio::test]
async fn an_engagement_is_what_its_record_is() {
    let rules = "crm: hubspot\ndefault: allow\nobjects: { '*': { create: { agents: allow } } }\n";
    let house = House::builder().rules(rules).build().await;
    let agent = house.hubspot_agent();
    let task = json!({"properties": {"hs_task_subject": "first"}});
    let made = agent.post("/crm/v3/objects/tasks", &task).await;
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/engagements/v1/engagements/{id}");
    let before = house.sandbox.writes().len();
    let note = json!({"engagement": {"type": "NOTE"}, "metadata": {"body": "x"}});
    let reply = agent.patch(&path, &note).await;
    assert!(reply.code().starts_with("WRITEGATE_"), "{}", reply.text());
    assert_eq!(house.sandbox.writes().len(), before);
    let own = json!({"engagement": {"type": "TASK"}, "metadata": {"subject": "second"}});
    let reply = agent.patch(&path, &own).await;
    assert!(reply.status.is_success(), "{}", reply.text());
    house.finish().await;
}
