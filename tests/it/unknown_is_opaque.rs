//! P3: what is not known is never treated as a read: it is opaque, and opaque is denied unless an
//! `endpoints` row names it.

mod table;

use bytes::Bytes;
use serde_json::json;
use writegate::journal::read::EntryState;
use writegate::ledger::{Ledger, RowFilter};
use writegate::mutation::CrmKind;
use writegate::sandbox::seed;

use super::support::house::{House, OTHER_TOKEN};

/// A sample that stands without the tables: paths, methods, encodings and bodies that are not known.
#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn what_is_not_known_is_denied() {
    let house = House::builder().build().await;
    let row = format!("/services/data/v60.0/sobjects/Account/{}", seed::ACME);
    let record = format!("/crm/v3/objects/companies/{}", seed::HS_ACME);
    let json = "application/json";
    let nested = r#"{"Name":"x","Contacts":{"records":[]}}"#;
    let cases: [(CrmKind, &str, &str, &str, &str); 26] = [
        (CrmKind::Salesforce, "GET", "/", "", ""),
        (
            CrmKind::Salesforce,
            "GET",
            "/services/apexrest/anything",
            "",
            "",
        ),
        (
            CrmKind::Salesforce,
            "GET",
            "/services/data/v60.0/unheard-of",
            "",
            "",
        ),
        (
            CrmKind::Salesforce,
            "GET",
            "/services/data/v999.0/sobjects",
            "",
            "",
        ),
        (
            CrmKind::Salesforce,
            "GET",
            "/services/data/v60.0/tooling/ExecuteAnonymous",
            "",
            "",
        ),
        (
            CrmKind::Salesforce,
            "GET",
            "/services/data/v60.0/query?q=SELECT+Id+FROM+Account+FOR+VIEW",
            "",
            "",
        ),
        (CrmKind::Salesforce, "OPTIONS", &row, "", ""),
        (CrmKind::Salesforce, "PUT", &row, json, r#"{"Name":"x"}"#),
        (CrmKind::Salesforce, "POST", &row, json, r#"{"Name":"x"}"#),
        (
            CrmKind::Salesforce,
            "POST",
            "/services/data/v60.0/Composite",
            json,
            "{}",
        ),
        (
            CrmKind::Salesforce,
            "POST",
            "/services/data/v60.0/composite/tree/Unknown__c",
            json,
            "{}",
        ),
        (
            CrmKind::Salesforce,
            "POST",
            "/services/data/v60.0/graphql",
            json,
            r#"{"query":"subscription {x}"}"#,
        ),
        (
            CrmKind::Salesforce,
            "POST",
            "/services/async/60.0/job/750Wg00000000AAIAY/spec",
            json,
            "{}",
        ),
        (
            CrmKind::Salesforce,
            "POST",
            "/services/Soap/class/Mine",
            "text/xml",
            "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\"><e:Body>\
             <run xmlns=\"http://soap.sforce.com/schemas/class/Mine\"/></e:Body></e:Envelope>",
        ),
        (
            CrmKind::Salesforce,
            "PATCH",
            "/services/data/v60.0/composite/sobjects",
            "application/xml",
            "<records/>",
        ),
        (
            CrmKind::Salesforce,
            "POST",
            "/services/data/v60.0/composite/tree/Account",
            "multipart/form-data; boundary=x",
            "--x--",
        ),
        (CrmKind::Salesforce, "PATCH", &row, json, nested),
        (
            CrmKind::Salesforce,
            "PATCH",
            "/services/data/v60.0/sobjects/Unknown__c/a00000000000001",
            json,
            "{}",
        ),
        (CrmKind::HubSpot, "GET", "/", "", ""),
        (CrmKind::HubSpot, "GET", "/crm/v3/unheard-of/1", "", ""),
        (CrmKind::HubSpot, "GET", "/collector/graphql", "", ""),
        (
            CrmKind::HubSpot,
            "PUT",
            &record,
            json,
            r#"{"properties":{}}"#,
        ),
        (CrmKind::HubSpot, "OPTIONS", &record, "", ""),
        (
            CrmKind::HubSpot,
            "POST",
            "/public/api/versioning/v3/test/widgets",
            "multipart/form-data; boundary=x",
            "--x--",
        ),
        (
            CrmKind::HubSpot,
            "PATCH",
            "/crm/v3/objects/2-999/1",
            json,
            r#"{"properties":{}}"#,
        ),
        (
            CrmKind::HubSpot,
            "POST",
            "/engagements/v1/engagements/1/links",
            json,
            r#"{"contactIds":[1]}"#,
        ),
    ];
    for (crm, method, target, kind, body) in cases {
        let mut agent = house.agent_of(crm);
        if !kind.is_empty() {
            agent = agent.with("content-type", kind);
        }
        let body = (!body.is_empty()).then(|| Bytes::from(body.to_owned()));
        let reply = agent.raw(method.parse().unwrap(), target, body).await;
        let case = format!("{method} {target}: {}", reply.text());
        let fault = target.contains("Soap");
        assert_eq!(reply.status, if fault { 500 } else { 403 }, "{case}");
        assert_eq!(reply.code(), "WRITEGATE_OPAQUE", "{case}");
        assert!(reply.message().contains("cannot tell what"), "{case}");
        assert_eq!(reply.header("x-writegate-verdict"), Some("deny"), "{case}");
    }
    assert_eq!(house.count(EntryState::Refused).await, cases.len());
    // the org's and the account's own types were looked up once
    let seen = house.sandbox.seen();
    let targets: Vec<&str> = seen.iter().map(|seen| seen.target.as_str()).collect();
    assert_eq!(
        targets,
        ["/services/data/v60.0/sobjects", "/crm/v3/schemas"]
    );
    house.finish().await;
}

/// Codings that are not undone are refused before anything is sent.
#[tokio::test]
async fn an_unknown_coding_is_no_body() {
    let house = House::builder().build().await;
    let row = format!("/services/data/v60.0/sobjects/Account/{}", seed::ACME);
    for coding in [
        "br",
        "zstd",
        "compress",
        "gzip, gzip",
        "x-gzip",
        "utf-8",
        "",
    ] {
        let agent = house.agent().with("content-encoding", coding);
        let reply = agent.patch(&row, &json!({ "Industry": "Retail" })).await;
        assert_eq!(reply.code(), "WRITEGATE_MALFORMED", "{coding}");
    }
    assert_eq!(house.sandbox.requests(), 0);
    house.finish().await;
}

#[tokio::test]
async fn an_endpoints_row_lets_exactly_its_path_through() {
    let rules = "
crm: salesforce
default: deny
endpoints:
  POST /services/apexrest/scoring/*: { enrichment-agent: allow }
  POST /services/apexrest/held/*: { enrichment-agent: hold }
  PATCH /services/data/v60.0/sobjects/Account/*: { enrichment-agent: allow }
";
    let house = House::builder().rules(rules).build().await;
    let agent = house.agent();
    let body = json!({ "score": 1.50 });
    let reply = agent.post("/services/apexrest/scoring/7", &body).await;
    // The sandbox runs no Apex, and says so itself.
    assert_eq!(reply.status, 404, "{}", reply.text());
    assert_eq!(reply.header("x-writegate-verdict"), Some("allow"));
    let entry = reply.header("x-writegate-entry").unwrap().to_owned();
    let writes = house.sandbox.writes();
    assert_eq!(writes.len(), 1);
    assert_eq!(writes[0].target, "/services/apexrest/scoring/7");
    assert_eq!(writes[0].body, body.to_string());
    let entries = house.entries().await;
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].id.as_str(), entry);
    assert_eq!(entries[0].state, EntryState::Failed);
    // Nothing beside it: other depth, method, spelling, service account, CRM.
    for (method, target) in [
        ("POST", "/services/apexrest/scoring"),
        ("POST", "/services/apexrest/scoring/7/8"),
        ("GET", "/services/apexrest/scoring/7"),
        ("PUT", "/services/apexrest/scoring/7"),
        ("POST", "/services/apexrest/Scoring/7"),
        ("POST", "/services/apexrest/other/7"),
    ] {
        let reply = agent
            .send(method.parse().unwrap(), target, Some(&body))
            .await;
        assert_eq!(reply.code(), "WRITEGATE_OPAQUE", "{method} {target}");
    }
    for target in [
        "/services/apexrest/scoring/../7",
        "/services/apexrest/scoring//7",
        "/services/apexrest/scoring/%2e%2e",
    ] {
        let reply = agent.post(target, &body).await;
        assert_eq!(reply.code(), "WRITEGATE_MALFORMED", "{target}");
    }
    let held = agent.post("/services/apexrest/held/7", &body).await;
    assert_eq!(held.code(), "WRITEGATE_HELD");
    let mut other = agent.clone();
    other.token = OTHER_TOKEN.into();
    let reply = other.post("/services/apexrest/scoring/7", &body).await;
    assert_eq!(reply.code(), "WRITEGATE_OPAQUE");
    // What can be parsed is not loosened by a row that names its path.
    let row = format!("/services/data/v60.0/sobjects/Account/{}", seed::ACME);
    let reply = agent.patch(&row, &json!({ "Industry": "Retail" })).await;
    assert_eq!(reply.code(), "WRITEGATE_DENIED");
    assert_eq!(house.sandbox.requests(), 1);
    house.finish().await;
}

/// What can be parsed is not opened by a row either when its caller makes it opaque.
#[tokio::test]
async fn no_row_opens_what_its_caller_made_opaque() {
    let rules = "
crm: salesforce
default: deny
endpoints:
  PATCH /services/data/**: { agents: allow }
  POST /services/**: { agents: allow }
";
    let house = House::builder().rules(rules).build().await;
    let json = || house.agent().with("content-type", "application/json");
    let row = format!("/services/data/v60.0/sobjects/Account/{}", seed::ACME);
    let nested = json!({ "Industry": "Retail", "Owner": { "A__c": "x", "B__c": "y" } });
    let plain = json!({ "Industry": "Retail" });
    for (agent, target, body) in [
        (house.agent().with("sforce-foo", "1"), row.clone(), &plain),
        (json(), row.clone(), &nested),
        (json(), row.replace("v60.0", "v200.0"), &plain),
        (json(), row.replace("sobjects", "SObjects"), &plain),
    ] {
        let reply = agent.patch(&target, body).await;
        assert_eq!(reply.code(), "WRITEGATE_OPAQUE", "{target} {body}");
        assert!(
            reply.message().contains("no `endpoints` row opens it"),
            "{}",
            reply.message()
        );
    }
    let overridden = "/services/apexrest/x?_HttpMethod=PATCH";
    let reply = house.agent().post(overridden, &plain).await;
    assert_eq!(reply.code(), "WRITEGATE_MALFORMED");
    assert_eq!(house.sandbox.requests(), 0);
    // An object that nobody takes apart is what the row is for.
    let custom = "/services/data/v60.0/sobjects/Unknown__c/a00000000000001";
    let reply = house.agent().patch(custom, &plain).await;
    assert_eq!(reply.header("x-writegate-verdict"), Some("allow"));
    house.finish().await;
}

/// A secret or a record's value in the path or query of an opaque request, or of one about credentials,
/// is told to nobody, and a secret is not kept.
#[tokio::test]
async fn an_opaque_request_leaks_nothing() {
    let closed = "{ crm: hubspot, default: deny }";
    let house = House::builder().rules(closed).build().await;
    let agent = house.hubspot_agent();
    let body = json!({});
    for (method, target) in [
        ("DELETE", "/oauth/v1/refresh-tokens/canary-secret"),
        (
            "POST",
            "/contacts/v1/contact/createOrUpdate/email/canary@example.com?state=canary-query",
        ),
        ("GET", "/crm/v3/objects/contacts?_method=canary-key"),
    ] {
        let reply = agent
            .send(method.parse().unwrap(), target, Some(&body))
            .await;
        assert!(!reply.status.is_success(), "{}", reply.text());
        assert!(!reply.text().contains("canary"), "{}", reply.text());
    }
    let rows = house.ledger.rows(RowFilter::default()).await.unwrap();
    let refused: Vec<_> = rows.iter().filter(|row| row.values.is_some()).collect();
    assert_eq!(refused.len(), 3);
    for row in refused {
        assert!(!row.meta.to_string().contains("canary"), "{}", row.meta);
        let values = row.values.as_ref().unwrap().to_string();
        for secret in ["canary-secret", "canary-query", "canary-key"] {
            assert!(!values.contains(secret), "{values}");
        }
    }
    assert_eq!(house.sandbox.requests(), 0);
    house.finish().await;
}
