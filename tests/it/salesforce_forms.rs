//! P2: a record is judged alike whether it comes as JSON, as XML or beside a file; of a file its name, size
//! and digest are kept, never its bytes; secrets in metadata are kept nowhere.

use std::net::SocketAddr;

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use writegate::ledger::{Ledger, RowFilter};
use writegate::mutation::CrmKind;
use writegate::sandbox::{Options, Sandbox, seed};

use super::support::client::{Client, Reply};
use super::support::house::{APPROVER, House};

const DATA: &str = "/services/data/v60.0";

const RULES: &str = "
crm: salesforce
default: deny
objects:
  Account:
    create: { agents: allow }
    fields: { Name|Phone: { agents: allow }, Industry: { agents: fill-else-deny } }
  Contact:
    create: { agents: allow }
    fields: { LastName|AccountId: { agents: allow } }
  Attachment:
    create: { agents: allow }
    fields: { Name|ParentId|Body: { agents: allow } }
";

/// What the file holds, and the digest of that.
const FILE: &str = "%PDF-of a test";
const DIGEST: &str = "606fbd8c3160b49cf8f5e03cc17d14651180ba0d2c7f9822a66ba70d22a33dad";

async fn send(agent: &Client, method: Method, path: &str, body: &str) -> Reply {
    let body = Some(Bytes::from(body.to_owned()));
    agent.raw(method, &format!("{DATA}/{path}"), body).await
}

fn record(house: &House, object: &str, id: &str) -> Value {
    let record = house.sandbox.record(CrmKind::Salesforce, object, id);
    Value::Object(record.unwrap())
}

/// All that the ledger keeps.
async fn kept(house: &House) -> String {
    let rows = house.ledger.rows(RowFilter::default()).await.unwrap();
    format!("{rows:?}")
}

/// The newest entry as an operator sees it.
async fn told(house: &House, reply: &Reply) -> Value {
    let entry = reply.header("x-writegate-entry").unwrap();
    let operator = Client::new(house.operators().await, APPROVER);
    operator
        .get(&format!("/api/v1/entries/{entry}"))
        .await
        .json()
}

#[tokio::test]
async fn a_row_in_xml_is_judged_field_by_field() {
    let house = House::builder().rules(RULES).build().await;
    let json = house
        .agent()
        .with("content-type", "application/xml; charset=UTF-8");
    let row = format!("sobjects/Account/{}", seed::ACME);
    let industry = |value: &str| format!("<Account><Industry>{value}</Industry></Account>");
    let reply = send(&json, Method::PATCH, &row, &industry("Software")).await;
    assert_eq!(reply.status, 204, "{}", reply.text());
    assert_eq!(
        record(&house, "Account", seed::ACME)["Industry"],
        "Software"
    );
    let reply = send(&json, Method::PATCH, &row, &industry("Retail")).await;
    assert_eq!(reply.code(), "WRITEGATE_DENIED", "{}", reply.text());
    assert!(
        reply.message().contains("Account.Industry"),
        "{}",
        reply.text()
    );
    // what asks for XML is answered and refused in XML
    let xml = json.with("accept", "application/xml");
    let new = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Account><Name>A &amp; B</Name></Account>";
    let reply = send(&xml, Method::POST, "sobjects/Account", new).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    let text = reply.text();
    let id = text
        .split_once("<id>")
        .unwrap()
        .1
        .split_once('<')
        .unwrap()
        .0;
    assert_eq!(record(&house, "Account", id)["Name"], "A & B");
    assert_eq!(told(&house, &reply).await["state"], "done");
    let reply = send(&xml, Method::PATCH, &row, &industry("Retail")).await;
    assert!(
        reply.text().contains("<errorCode>WRITEGATE_DENIED<"),
        "{}",
        reply.text()
    );
    // and what has two readings, or no documented one, is refused
    for body in [
        "<Account><Phone>1</Phone><phone>2</phone></Account>",
        "<Contact><Phone>1</Phone></Contact>",
        "<Account><Phone>1<!-- 2 -->3</Phone></Account>",
        "<Account><Owner><Ext__c>1</Ext__c></Owner></Account>",
    ] {
        let reply = send(&json, Method::PATCH, &row, body).await;
        let code = reply.code();
        let refused = ["WRITEGATE_MALFORMED", "WRITEGATE_OPAQUE"].contains(&&*code);
        assert!(refused, "{body}: {}", reply.text());
    }
    assert_eq!(house.sandbox.writes().len(), 2);
    house.finish().await;
}

#[tokio::test]
async fn a_tree_in_xml_is_judged_record_by_record() {
    let house = House::builder().rules(RULES).build().await;
    let tree = |field: &str| {
        format!(
            "<SObjectTreeRequest><records type=\"Account\" referenceId=\"a\"><Name>x</Name><Contacts>\
             <records type=\"Contact\" referenceId=\"b\"><LastName>y</LastName>{field}</records>\
             </Contacts></records></SObjectTreeRequest>"
        )
    };
    for accept in ["application/json", "application/xml"] {
        let agent = house
            .agent()
            .with("content-type", "text/xml")
            .with("accept", accept);
        let denied = tree("<Email>a@b.c</Email>");
        let reply = send(&agent, Method::POST, "composite/tree/Account", &denied).await;
        assert_eq!(reply.code(), "WRITEGATE_DENIED", "{}", reply.text());
        assert!(
            reply.message().contains("Contact.Email"),
            "{}",
            reply.text()
        );
        let reply = send(&agent, Method::POST, "composite/tree/Account", &tree("")).await;
        assert_eq!(reply.status, 201, "{accept}: {}", reply.text());
        let told = told(&house, &reply).await;
        assert_eq!(told["state"], "done", "{accept}: {told}");
    }
    house.finish().await;
}

fn form(name: &str, json: &Value, files: &[(&str, &str)]) -> String {
    let mut form = format!(
        "--b\r\nContent-Disposition: form-data; name=\"{name}\";\r\nContent-Type: \
         application/json\r\n\r\n{json}\r\n"
    );
    for (part, bytes) in files {
        form += &format!(
            "--b\r\nContent-Type: application/pdf\r\nContent-Disposition: form-data; \
             name=\"{part}\"; filename=\"offer.pdf\"\r\n\r\n{bytes}\r\n"
        );
    }
    form + "--b--\r\n"
}

fn with_form(house: &House) -> Client {
    let kind = "multipart/form-data; boundary=b";
    house.agent().with("content-type", kind)
}

#[tokio::test]
async fn a_file_beside_a_row_is_kept_as_name_size_and_digest() {
    let house = House::builder().rules(RULES).build().await;
    let agent = with_form(&house);
    let fields = json!({ "Name": "offer", "ParentId": seed::ACME });
    let body = form("entity_attachment", &fields, &[("Body", FILE)]);
    let reply = send(&agent, Method::POST, "sobjects/Attachment", &body).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    let id = reply.json()["id"].as_str().unwrap().to_owned();
    let made = record(&house, "Attachment", &id);
    assert_eq!(
        (&made["Name"], &made["Body"]),
        (&json!("offer"), &json!(FILE))
    );
    let entry = told(&house, &reply).await.to_string();
    let shown = format!("file offer.pdf: application/pdf, 14 bytes, sha256 {DIGEST}");
    assert!(entry.contains(&shown), "{entry}");
    assert!(!kept(&house).await.contains(FILE));
    // sent exactly as it came
    assert_eq!(house.sandbox.writes()[0].body, body.as_bytes());
    // the fields beside it are judged
    let other = json!({ "Name": "offer", "ContentType": "x" });
    let body = form("entity_attachment", &other, &[("Body", FILE)]);
    let reply = send(&agent, Method::POST, "sobjects/Attachment", &body).await;
    assert_eq!(reply.code(), "WRITEGATE_DENIED", "{}", reply.text());
    // a long file in JSON is kept no other way
    let long = "QUJD".repeat(100);
    let body = json!({ "Name": "text", "Body": long });
    let target = format!("{DATA}/sobjects/Attachment");
    let reply = house.agent().post(&target, &body).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    assert!(!kept(&house).await.contains(&long));
    assert!(
        told(&house, &reply)
            .await
            .to_string()
            .contains("file: base64, 400 bytes")
    );
    house.finish().await;
}

#[tokio::test]
async fn files_of_a_collection_go_to_the_records_that_name_them() {
    let house = House::builder().rules(RULES).build().await;
    let agent = with_form(&house);
    let row = |name: &str, part: &str| {
        json!({ "attributes": { "type": "Attachment", "binaryPartName": part,
            "binaryPartNameAlias": "Body" }, "Name": name })
    };
    let records = json!({ "records": [row("one", "p1"), row("two", "p2")] });
    let files = [("p2", "second"), ("p1", "first")];
    let body = form("collection", &records, &files);
    let reply = send(&agent, Method::POST, "composite/sobjects", &body).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    for (place, bytes) in ["first", "second"].into_iter().enumerate() {
        let id = reply.json()[place]["id"].as_str().unwrap().to_owned();
        assert_eq!(record(&house, "Attachment", &id)["Body"], bytes);
    }
    let count = house.sandbox.writes().len();
    for (records, files) in [
        (json!({ "records": [row("one", "p1")] }), &files[..]),
        (json!({ "records": [row("one", "p3")] }), &files[..1]),
        (
            json!({ "records": [row("one", "p2"), row("two", "p2")] }),
            &files[..1],
        ),
    ] {
        let body = form("collection", &records, files);
        let reply = send(&agent, Method::POST, "composite/sobjects", &body).await;
        assert_eq!(reply.code(), "WRITEGATE_MALFORMED", "{}", reply.text());
    }
    assert_eq!(house.sandbox.writes().len(), count);
    house.finish().await;
}

#[tokio::test]
async fn no_file_can_stand_in_for_the_records() {
    let house = House::builder().rules(RULES).build().await;
    let agent = with_form(&house);
    let attachment = json!({ "type": "Attachment" });
    for name in ["collection", "Collection", "entity_x"] {
        let named = json!({ "type": "Attachment", "binaryPartName": name,
            "binaryPartNameAlias": "Body" });
        let judged = json!({ "records": [{ "attributes": named, "Name": "judged" }] });
        let written = json!({ "records": [{ "attributes": attachment, "Name": "written",
            "Description": "no agent may" }] });
        let body = form("collection", &judged, &[(name, &written.to_string())]);
        let reply = send(&agent, Method::POST, "composite/sobjects", &body).await;
        assert_eq!(reply.code(), "WRITEGATE_MALFORMED", "{}", reply.text());
    }
    assert!(house.sandbox.writes().is_empty());
    // which a server would fall for
    let two = form("collection", &json!({ "records": [] }), &[]).replace("--b--\r\n", "");
    let written = json!({ "records": [{ "attributes": attachment, "Name": "written" }] });
    let body = two + &form("collection", &written, &[]);
    let options = Options::with_token("good");
    let alone = SocketAddr::from(([127, 0, 0, 1], 0));
    let sandbox = Sandbox::start(alone, options).await.unwrap();
    let kind = "multipart/form-data; boundary=b";
    let nobody = Client::new(sandbox.addr, "good").with("content-type", kind);
    let reply = send(&nobody, Method::POST, "composite/sobjects", &body).await;
    let id = reply.json()[0]["id"].as_str().unwrap().to_owned();
    let made = sandbox.record(CrmKind::Salesforce, "Attachment", &id);
    assert_eq!(made.unwrap()["Name"], "written");
    sandbox.stop().await;
    house.finish().await;
}

#[tokio::test]
async fn children_are_what_their_relationship_leads_to() {
    let house = House::builder().rules(RULES).build().await;
    let child = |object: &str| {
        json!({ "records": [{ "attributes": { "type": "Account", "referenceId": "a" }, "Name": "x",
            "Contacts": { "records": [{ "attributes": { "type": object, "referenceId": "b" },
                "LastName": "y" }] } }] })
        .to_string()
    };
    let agent = house.agent();
    let reply = send(
        &agent,
        Method::POST,
        "composite/tree/Account",
        &child("Lead"),
    )
    .await;
    assert_eq!(reply.code(), "WRITEGATE_MALFORMED", "{}", reply.text());
    assert!(
        reply.message().contains("is not Contact"),
        "{}",
        reply.text()
    );
    let reply = send(
        &agent,
        Method::POST,
        "composite/tree/Account",
        &child("contact"),
    )
    .await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    house.finish().await;
}

#[tokio::test]
async fn secrets_in_metadata_are_credentials_and_kept_nowhere() {
    const SECRET: &str = "canary-of-a-named-credential";
    let rules = "
crm: salesforce
default: deny
objects: { '*': { schema: { agents: allow }, create: { agents: allow } } }
";
    let house = House::builder().rules(rules).build().await;
    let agent = house.agent();
    let metadata = json!({ "FullName": "x", "Metadata": { "password": SECRET } });
    let records = json!({ "allOrNone": true, "records": [
        { "attributes": { "type": "ExternalDataSource" }, "Endpoint": SECRET }] });
    for (path, body) in [
        ("sobjects/NamedCredential", &json!({ "Endpoint": SECRET })),
        (
            "sobjects/authprovider",
            &json!({ "ConsumerSecret": SECRET }),
        ),
        ("tooling/sobjects/NamedCredential", &metadata),
        (
            "tooling/sobjects/Certificate",
            &json!({ "Content": SECRET }),
        ),
        ("tooling/sobjects/SomethingNew", &metadata),
        (
            "tooling/sobjects/SomethingElse",
            &json!({ "Metadata": { "passwords": [SECRET] } }),
        ),
        (
            "tooling/sobjects/SomethingElse",
            &json!({ "headers": [{ "headerName": "Authorization", "headerValue": SECRET }] }),
        ),
        (
            "named-credentials/external-credentials",
            &json!({ "description": SECRET }),
        ),
        ("tooling/composite/sobjects", &records),
        (
            "tooling/composite",
            &json!({ "compositeRequest": [{ "method": "POST", "referenceId": "a",
                "url": format!("{DATA}/tooling/sobjects/SamlSsoConfig"),
                "body": { "Certificate": SECRET } }] }),
        ),
    ] {
        let reply = agent.post(&format!("{DATA}/{path}"), body).await;
        assert_eq!(reply.code(), "WRITEGATE_DENIED", "{path}: {}", reply.text());
        assert!(!reply.text().contains(SECRET), "{}", reply.text());
        let told = told(&house, &reply).await;
        assert!(
            told.to_string().contains("\"credential\""),
            "{path}: {told}"
        );
    }
    assert!(!kept(&house).await.contains(SECRET));
    assert!(house.sandbox.writes().is_empty());
    house.finish().await;
}
