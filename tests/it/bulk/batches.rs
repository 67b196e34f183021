//! Bulk API 1.0: each batch runs when it is posted, so it is judged before a byte of it goes; in CSV, XML
//! and JSON what the record says would change is what changes.

use std::io::Write;

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use writegate::clock::EntryId;
use writegate::journal::read::EntryState;
use writegate::mutation::CrmKind;
use writegate::proxy::rows::Rows;
use writegate::sandbox::{Fault, Head, seed};

use super::{field, newest, world};
use crate::holds::{Bench, SALES_OPS, builder, hold_of};
use crate::support::client::{Client, Reply};
use crate::support::house::{House, OTHER_TOKEN, TOKEN};

pub(super) const JOB: &str = "/services/async/60.0/job";
const SPACE: &str = "http://www.force.com/2009/06/asyncapi/dataload";

/// A client of this API: its session stands in a header of its own.
pub(super) fn client(house: &House, token: &str) -> Client {
    Client::new(house.salesforce, "").with("x-sfdc-session", token)
}

fn kind(form: &str) -> &'static str {
    match form {
        "CSV" => "text/csv; charset=UTF-8",
        "XML" => "application/xml; charset=UTF-8",
        _ => "application/json",
    }
}

/// The text of an element, or of a member.
fn told(reply: &Reply, name: &str) -> String {
    let text = reply.text();
    match text.split_once(&format!("<{name}>")) {
        Some((_, rest)) => rest.split_once('<').unwrap().0.to_owned(),
        None => reply.json()[name].as_str().unwrap_or_default().to_owned(),
    }
}

/// Makes a job; of JSON batches in JSON, of others in XML.
async fn asked(
    agent: &Client,
    operation: &str,
    object: &str,
    form: &str,
    more: &[(&str, &str)],
) -> Reply {
    let mut members = vec![("operation", operation), ("object", object)];
    members.extend(more);
    members.push(("contentType", form));
    let (agent, body) = if form == "JSON" {
        let members = members
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)));
        (agent.clone(), Value::Object(members.collect()).to_string())
    } else {
        let members: String = members
            .iter()
            .map(|(name, value)| format!("<{name}>{value}</{name}>"))
            .collect();
        let agent = agent.with("content-type", kind("XML"));
        let top = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";
        (
            agent,
            format!("{top}<jobInfo xmlns=\"{SPACE}\">{members}</jobInfo>"),
        )
    };
    agent.raw(Method::POST, JOB, Some(body.into())).await
}

pub(super) async fn made(
    agent: &Client,
    operation: &str,
    form: &str,
    more: &[(&str, &str)],
) -> String {
    let reply = asked(agent, operation, "Account", form, more).await;
    assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.text());
    told(&reply, "id")
}

pub(super) async fn posted(agent: &Client, job: &str, form: &str, body: impl Into<Bytes>) -> Reply {
    let agent = agent.with("content-type", kind(form));
    let target = format!("{JOB}/{job}/batch");
    agent.raw(Method::POST, &target, Some(body.into())).await
}

fn xml(rows: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<sObjects xmlns=\"{SPACE}\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">{rows}</sObjects>"
    )
}

/// Looks at a batch as clients do, which tells its entry what became of it.
async fn looked(agent: &Client, job: &str, batch: &Reply, form: &str) -> Reply {
    let batch = told(batch, "id");
    let agent = agent.with("content-type", kind(form));
    agent.get(&format!("{JOB}/{job}/batch/{batch}")).await
}

/// What the record of a commit says of each row: which record, and what would be written to it.
async fn recorded(house: &House, commit: &EntryId) -> Vec<(Value, Value)> {
    let rows = Rows::of(&house.app.journal, "salesforce", commit).await;
    let mut rows = rows.unwrap().unwrap();
    let mut said = Vec::new();
    while let Some(part) = rows.next().await.unwrap() {
        let mutations = part.mutations.unwrap().into_iter();
        said.extend(mutations.map(|row| (json!(row.record), Value::Object(row.fields))));
    }
    said
}

#[tokio::test]
async fn an_update_in_each_form_writes_what_its_rows_say() {
    for form in ["CSV", "XML", "JSON"] {
        let house = House::builder().build().await;
        let agent = client(&house, TOKEN);
        let before = world(&house, "Account");
        let (acme, globex) = (seed::ACME, seed::GLOBEX);
        let body = match form {
            "CSV" => format!(
                "Id,Industry,Website\r\n{acme},\"Soft, ware\",\r\n{globex},#N/A,https://x.example\r\n"
            ),
            "XML" => xml(&format!(
                "<sObject><Id>{acme}</Id><Industry>Soft, ware</Industry></sObject>\
                 <sObject><Id>{globex}</Id><Industry xsi:nil=\"true\"/>\
                 <Website>https://x.example</Website></sObject>"
            )),
            _ => json!([
                { "Id": acme, "Industry": "Soft, ware" },
                { "Id": globex, "Industry": null, "Website": "https://x.example",
                  "attributes": { "type": "Account", "url": format!("/x/{globex}") } },
            ])
            .to_string(),
        };
        let job = made(&agent, "update", form, &[]).await;
        let answer = posted(&agent, &job, form, body).await;
        assert_eq!(
            answer.status,
            StatusCode::CREATED,
            "{form}: {}",
            answer.text()
        );
        assert_eq!(answer.header("x-writegate-verdict"), Some("allow"));
        let mut after = before.clone();
        for (id, name, value) in [
            (acme, "Industry", json!("Soft, ware")),
            (globex, "Industry", Value::Null),
            (globex, "Website", json!("https://x.example")),
        ] {
            after.get_mut(id).unwrap().insert(name.into(), value);
        }
        let mut now = world(&house, "Account");
        for record in now.values_mut().chain(after.values_mut()) {
            record.retain(|name, _| !name.starts_with("LastModified") && name != "SystemModstamp");
        }
        assert_eq!(now, after, "{form}");
        let entry = newest(&house).await;
        assert_eq!(entry.state, EntryState::Accepted, "{form}");
        assert_eq!(
            entry.summary[0]["fields"],
            json!(["Industry", "Website"]),
            "{form}"
        );
        let row = |id: &str, fields: Value| (json!({ "id": id }), fields);
        let said = [
            row(acme, json!({ "Industry": "Soft, ware" })),
            row(
                globex,
                json!({ "Industry": null, "Website": "https://x.example" }),
            ),
        ];
        assert_eq!(recorded(&house, &entry.id).await, said, "{form}");
        let batch = looked(&agent, &job, &answer, form).await;
        assert_eq!(told(&batch, "state"), "Completed", "{}", batch.text());
        let entry = newest(&house).await;
        assert_eq!(entry.state, EntryState::Done, "{form}: {:?}", entry.message);
        house.finish().await;
    }
}

#[tokio::test]
async fn every_operation_runs_in_each_form() {
    for form in ["CSV", "XML", "JSON"] {
        let house = House::builder().build().await;
        let agent = client(&house, TOKEN);
        let count = || house.sandbox.ids(CrmKind::Salesforce, "Account").len();
        let before = count();
        let job = made(&agent, "insert", form, &[]).await;
        let body = match form {
            "CSV" => "Name,Parent.Ext_Id__c\nOne & \"two\",\n"
                .replace("One & \"two\"", "\"One & \"\"two\"\"\""),
            "XML" => xml("<sObject><Name>One &amp; \"two\"</Name></sObject>"),
            _ => json!([{ "Name": "One & \"two\"" }]).to_string(),
        };
        let answer = posted(&agent, &job, form, body).await;
        assert_eq!(
            answer.status,
            StatusCode::CREATED,
            "{form}: {}",
            answer.text()
        );
        let new = house
            .sandbox
            .ids(CrmKind::Salesforce, "Account")
            .remove(before);
        assert_eq!(
            field(&house, "Account", &new, "Name"),
            "One & \"two\"",
            "{form}"
        );

        let key = [("externalIdFieldName", "Ext_Id__c")];
        let job = made(&agent, "upsert", form, &key).await;
        let body = match form {
            "CSV" => "Ext_Id__c,Name\nb-1,Upserted\n".to_owned(),
            "XML" => xml("<sObject><Ext_Id__c>b-1</Ext_Id__c><Name>Upserted</Name></sObject>"),
            _ => json!([{ "Ext_Id__c": "b-1", "Name": "Upserted" }]).to_string(),
        };
        let answer = posted(&agent, &job, form, body).await;
        assert_eq!(
            answer.status,
            StatusCode::CREATED,
            "{form}: {}",
            answer.text()
        );
        assert_eq!(count(), before + 2);

        let mut last = job;
        for operation in ["delete", "hardDelete"] {
            let id = house
                .sandbox
                .ids(CrmKind::Salesforce, "Account")
                .pop()
                .unwrap();
            last = made(&agent, operation, form, &[]).await;
            let body = match form {
                "CSV" => format!("Id\n{id}\n"),
                "XML" => xml(&format!("<sObject><Id>{id}</Id></sObject>")),
                _ => json!([{ "Id": id }]).to_string(),
            };
            let answer = posted(&agent, &last, form, body).await;
            assert_eq!(
                answer.status,
                StatusCode::CREATED,
                "{form}: {}",
                answer.text()
            );
        }
        assert_eq!(count(), before, "{form}");
        closed_takes_no_more(&house, &last, form).await;
        house.finish().await;
    }
}

/// A closed job takes no row that an open one does.
async fn closed_takes_no_more(house: &House, job: &str, form: &str) {
    let agent = client(house, TOKEN).with("content-type", kind("XML"));
    let close = format!("<jobInfo xmlns=\"{SPACE}\"><state>Closed</state></jobInfo>");
    let target = format!("{JOB}/{job}");
    let closed = agent.raw(Method::POST, &target, Some(close.into())).await;
    assert_eq!(closed.status, StatusCode::OK, "{}", closed.text());
    // a row that an open job takes
    let body = match form {
        "CSV" => "Ext_Id__c,Name\nb-2,Late\n".to_owned(),
        "XML" => xml("<sObject><Ext_Id__c>b-2</Ext_Id__c><Name>Late</Name></sObject>"),
        _ => json!([{ "Ext_Id__c": "b-2", "Name": "Late" }]).to_string(),
    };
    let sent = house.sandbox.writes().len();
    let late = posted(&client(house, TOKEN), job, form, body.clone()).await;
    assert_eq!(late.code(), "WRITEGATE_MALFORMED", "{}", late.text());
    let says = format!("job {job} is not open any more");
    assert!(late.message().contains(&says), "{}", late.text());
    assert_eq!(house.sandbox.writes().len(), sent);
    let key = [("externalIdFieldName", "Ext_Id__c")];
    let job = made(&client(house, TOKEN), "upsert", form, &key).await;
    let open = posted(&client(house, TOKEN), &job, form, body).await;
    assert_eq!(open.status, StatusCode::CREATED, "{}", open.text());
}

#[tokio::test]
async fn one_row_that_is_denied_keeps_the_batch_back() {
    let rules = "
crm: salesforce
default: allow
objects:
  Account: { fields: { Industry: { agents: fill-else-deny, owner: RevOps }, ParentId: { agents: deny } } }
  '*': { purge: deny }
";
    let house = House::builder().rules(rules).build().await;
    let agent = client(&house, TOKEN);
    let before = world(&house, "Account");
    let (acme, globex) = (seed::ACME, seed::GLOBEX);
    for (form, body) in [
        ("CSV", format!("Id,Industry\n{acme},A\n{globex},B\n")),
        (
            "XML",
            xml(&format!(
                "<sObject><Id>{acme}</Id><Industry>A</Industry></sObject>\
                 <sObject><Id>{globex}</Id><Industry>B</Industry></sObject>"
            )),
        ),
        (
            "JSON",
            json!([{ "Id": acme, "Industry": "A" }, { "Id": globex, "Industry": "B" }]).to_string(),
        ),
        (
            "XML",
            xml(&format!(
                "<sObject><Id>{acme}</Id><Parent><sObject><Ext_Id__c>x</Ext_Id__c></sObject></Parent>\
                 </sObject><sObject><Id>{globex}</Id><Website>B</Website></sObject>"
            )),
        ),
        (
            "JSON",
            json!([{ "Id": acme, "Parent": { "Ext_Id__c": "x" } }, { "Id": globex, "Website": "B" }])
                .to_string(),
        ),
    ] {
        let job = made(&agent, "update", form, &[]).await;
        let refused = posted(&agent, &job, form, body).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        assert_eq!(refused.code(), "WRITEGATE_DENIED", "{}", refused.text());
        let message = refused.message();
        assert!(message.starts_with("Not written, 0 of 2: rows["), "{message}");
        let in_json = refused.text().starts_with('{');
        assert_eq!(in_json, form == "JSON", "in the shape of the job: {}", refused.text());
    }
    let refused = asked(&agent, "hardDelete", "Account", "JSON", &[]).await;
    assert_eq!(refused.code(), "WRITEGATE_DENIED", "{}", refused.text());
    assert_eq!(world(&house, "Account"), before);
    assert!(house.sandbox.writes().is_empty());
    house.finish().await;
}

/// The ways around that are known of this API: none gets through.
#[tokio::test]
async fn a_job_that_is_not_understood_is_refused() {
    let house = House::builder().build().await;
    let agent = client(&house, TOKEN);
    for (form, more) in [("ZIP_CSV", ""), ("ZIP_XML", ""), ("AVRO", ""), ("CSV", "x")] {
        let extra = [("transform", more)];
        let extra = if more.is_empty() { &[][..] } else { &extra[..] };
        let refused = asked(&agent, "update", "Account", form, extra).await;
        assert!(refused.code().starts_with("WRITEGATE_"), "{form}");
    }
    for operation in ["composite", "internal", "", "INSERT"] {
        let refused = asked(&agent, operation, "Account", "JSON", &[]).await;
        assert!(refused.code().starts_with("WRITEGATE_"), "{operation}");
    }
    assert!(house.sandbox.writes().is_empty());
    house.finish().await;
}

/// Each is the form of the job, that of the batch, and the batch.
type Odd = Vec<(&'static str, &'static str, String)>;

async fn refused(odd: Odd) {
    let house = House::builder().build().await;
    let agent = client(&house, TOKEN);
    for (form, sent, body) in odd {
        let job = made(&agent, "update", form, &[]).await;
        let refused = posted(&agent, &job, sent, body.clone()).await;
        assert!(refused.code().starts_with("WRITEGATE_"), "{body}");
    }
    assert!(house.sandbox.writes().is_empty());
    house.finish().await;
}

#[tokio::test]
async fn a_batch_in_csv_or_xml_with_two_readings_is_refused() {
    let acme = seed::ACME;
    let csv = format!("Id,Industry\n{acme},A\n");
    let record = format!("<Id>{acme}</Id><Industry>A</Industry>");
    let row = format!("<sObject>{record}</sObject>");
    refused(vec![
        ("CSV", "JSON", csv.clone()),
        ("CSV", "XML", csv.clone()),
        ("JSON", "CSV", csv.clone()),
        ("CSV", "CSV", csv.replace('\n', "\r")),
        ("CSV", "CSV", format!("{csv}{}", csv.replace('\n', "\r\n"))),
        ("CSV", "CSV", format!("Id,Industry,industry\n{acme},A,B\n")),
        ("XML", "XML", String::new()),
        ("XML", "XML", xml("")),
        ("XML", "XML", xml(&row).replace(SPACE, "urn:other")),
        ("XML", "XML", xml(&format!("{row}{row}"))),
        (
            "XML",
            "XML",
            xml(&row.replace("<sObject>", "<sObject xsi:type=\"Contact\">")),
        ),
        (
            "XML",
            "XML",
            xml(&row.replace("<Industry>", "<Industry xsi:nil=\"true\">")),
        ),
        (
            "XML",
            "XML",
            xml(&row.replace("</sObject>", "<industry>B</industry></sObject>")),
        ),
        ("XML", "XML", xml(&row.replace(">A<", ">#N/A<"))),
        (
            "XML",
            "XML",
            xml(&row.replace("Industry", "Owner.Employee__c")),
        ),
        (
            "XML",
            "XML",
            xml(&row.replace(">A<", "><sObject><Name>x</Name></sObject>y<")),
        ),
        (
            "XML",
            "XML",
            format!("<!DOCTYPE a [<!ENTITY e \"x\">]>{}", xml(&row)),
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_batch_in_json_with_two_readings_is_refused() {
    let acme = seed::ACME;
    refused(vec![
        (
            "JSON",
            "JSON",
            format!("{{\"Id\":\"{acme}\",\"Industry\":\"A\"}}"),
        ),
        (
            "JSON",
            "JSON",
            format!("[{{\"Id\":\"{acme}\",\"Industry\":\"A\",\"Industry\":\"B\"}}]"),
        ),
        (
            "JSON",
            "JSON",
            format!("[{{\"Id\":\"{acme}\",\"Industry\":[\"A\"]}}]"),
        ),
        (
            "JSON",
            "JSON",
            format!("[{{\"Id\":\"{acme}\",\"Industry\":\"#N/A\"}}]"),
        ),
        (
            "JSON",
            "JSON",
            format!("[{{\"Id\":\"{acme}\",\"Owner.Employee__c\":\"x\"}}]"),
        ),
        (
            "JSON",
            "JSON",
            format!("[{{\"Id\":\"{acme}\",\"attributes\":{{\"type\":\"Lead\"}}}}]"),
        ),
        (
            "JSON",
            "JSON",
            format!(
                "[{{\"Id\":\"{acme}\",\"attributes\":{{\"url\":\"/x/{}\"}}}}]",
                seed::GLOBEX
            ),
        ),
        ("JSON", "JSON", "[]".to_owned()),
        ("JSON", "JSON", format!("[{{\"Id\":\"{acme}\"}}] []")),
    ])
    .await;
}

#[tokio::test]
async fn other_paths_and_headers_of_a_batch_are_refused() {
    let house = House::builder().build().await;
    let agent = client(&house, TOKEN);
    let csv = format!("Id,Industry\n{},A\n", seed::ACME);
    let job = made(&agent, "update", "CSV", &[]).await;
    let target = format!("{JOB}/{job}");
    for (method, path, name, value) in [
        (Method::POST, "spec", "content-type", "text/csv"),
        (Method::PUT, "spec", "content-type", "text/csv"),
        (Method::POST, "batch", "content-type", "zip/csv"),
        (
            Method::POST,
            "batch",
            "content-type",
            "text/csv; charset=utf-16",
        ),
        (Method::POST, "batch?x=1", "content-type", "text/csv"),
        (Method::PUT, "batch", "content-type", "text/csv"),
        (Method::POST, "BATCH", "content-type", "text/csv"),
        (Method::POST, "batch", "sforce-line-ending", "CRLF"),
        (Method::POST, "batch", "sforce-disable-batch-retry", "TRUE"),
        (
            Method::POST,
            "batch",
            "sforce-call-options",
            "defaultNamespace=x",
        ),
        (Method::POST, "batch", "x-http-method-override", "GET"),
    ] {
        let sent = agent.with(name, value);
        let sent = match name {
            "content-type" => sent,
            _ => sent.with("content-type", "text/csv"),
        };
        let refused = sent
            .raw(
                method,
                &format!("{target}/{path}"),
                Some(csv.clone().into()),
            )
            .await;
        assert!(
            refused.code().starts_with("WRITEGATE_"),
            "{path} {name}: {value}"
        );
    }
    assert!(house.sandbox.writes().is_empty());
    house.finish().await;
}

#[tokio::test]
async fn a_batch_has_a_bound() {
    let house = House::builder().build().await;
    let agent = client(&house, TOKEN);
    let job = made(&agent, "insert", "CSV", &[]).await;
    let rows = format!("Name\n{}", "x\n".repeat(10_001));
    let refused = posted(&agent, &job, "CSV", rows).await;
    assert!(
        refused.message().contains("10000 rows"),
        "{}",
        refused.text()
    );
    let long = format!("Name\n{}\n", "x".repeat(10_000_000));
    let refused = posted(&agent, &job, "CSV", long).await;
    assert_eq!(refused.code(), "WRITEGATE_TOO_LARGE", "{}", refused.text());
    assert!(house.sandbox.writes().is_empty());
    house.finish().await;
}

/// A job that was made elsewhere is looked up with the caller's own session; other people's are theirs.
#[tokio::test]
async fn a_job_that_was_not_made_here_is_looked_up() {
    let house = House::builder().build().await;
    let straight = Client::new(house.sandbox.addr, "").with("x-sfdc-session", TOKEN);
    let job = made(&straight, "update", "XML", &[]).await;
    let agent = client(&house, TOKEN);
    let body = xml(&format!(
        "<sObject><Id>{}</Id><Industry>A</Industry></sObject>",
        seed::ACME
    ));
    let answer = posted(&agent, &job, "XML", body.clone()).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    assert_eq!(field(&house, "Account", seed::ACME, "Industry"), "A");
    let other = client(&house, OTHER_TOKEN);
    let refused = posted(&other, &job, "XML", body.clone()).await;
    assert_eq!(refused.code(), "WRITEGATE_DENIED", "{}", refused.text());
    let gone = posted(&agent, "750Wg0000000099IAA", "XML", body).await;
    assert_eq!(
        told(&gone, "exceptionCode"),
        "InvalidJob",
        "{}",
        gone.text()
    );
    assert_eq!(house.sandbox.writes().len(), 1);
    house.finish().await;
}

#[tokio::test]
async fn a_batch_takes_one_request_and_its_rows() {
    let rules = "
crm: salesforce
default: allow
limits:
  - { name: few, per: service_account, count: mutations, max: 3, window: 1h }
";
    let house = House::builder().rules(rules).build().await;
    let agent = client(&house, TOKEN);
    let job = made(&agent, "update", "CSV", &[]).await;
    let two = |to: &str| format!("Id,Industry\n{},{to}\n{},{to}\n", seed::ACME, seed::GLOBEX);
    assert_eq!(
        posted(&agent, &job, "CSV", two("A")).await.status,
        StatusCode::CREATED
    );
    let refused = posted(&agent, &job, "CSV", two("B")).await;
    assert_eq!(refused.code(), "WRITEGATE_BUDGET", "{}", refused.text());
    assert_eq!(house.sandbox.writes().len(), 1);
    house.finish().await;
}

#[tokio::test]
async fn a_held_batch_goes_as_it_was_posted() {
    let rules = "
crm: salesforce
default: allow
objects: { Account: { fields: { Industry: { agents: hold, owner: Sales Ops } } } }
";
    let bench = Bench::of(builder(rules)).await;
    let agent = client(&bench.house, TOKEN);
    let job = made(&agent, "update", "JSON", &[]).await;
    let body = json!([{ "Id": seed::ACME, "Industry": "Held" }]).to_string();
    let id = hold_of(&posted(&agent, &job, "JSON", body.clone()).await);
    assert_eq!(
        hold_of(&posted(&agent, &job, "JSON", body.clone()).await),
        id,
        "the same hold"
    );
    assert!(bench.writes().is_empty());
    bench.release(SALES_OPS, &id).await;
    assert_eq!(
        field(&bench.house, "Account", seed::ACME, "Industry"),
        "Held"
    );
    let answer = posted(&agent, &job, "JSON", body).await;
    assert_eq!(
        answer.header("x-writegate-replayed"),
        Some("true"),
        "{}",
        answer.text()
    );
    assert_eq!(bench.writes().len(), 1);
    looked(&agent, &job, &answer, "JSON").await;
    assert_eq!(newest(&bench.house).await.state, EntryState::Done);
    bench.finish().await;
}

#[tokio::test]
async fn a_batch_without_an_answer_is_in_doubt_and_not_sent_again() {
    let house = House::builder().build().await;
    let agent = client(&house, TOKEN);
    let job = made(&agent, "insert", "CSV", &[]).await;
    let lost = Fault::CloseAfterEffect;
    let posts = |head: &Head<'_>| head.path.ends_with("/batch");
    house.sandbox.script(posts, 1, lost);
    let answer = posted(&agent, &job, "CSV", "Name\nOnce\n").await;
    assert_eq!(
        answer.code(),
        "WRITEGATE_UNKNOWN_OUTCOME",
        "{}",
        answer.text()
    );
    assert_eq!(newest(&house).await.state, EntryState::InDoubt);
    let again = posted(&agent, &job, "CSV", "Name\nOnce\n").await;
    assert_eq!(again.code(), "WRITEGATE_IN_DOUBT", "{}", again.text());
    assert_eq!(house.sandbox.writes().len(), 1);
    house.finish().await;
}

#[tokio::test]
async fn a_coded_batch_is_judged_and_sent_decoded() {
    let house = House::builder().build().await;
    let agent = client(&house, TOKEN);
    let job = made(&agent, "update", "CSV", &[]).await;
    let csv = format!("Id,Industry\n{},Coded\n", seed::ACME);
    let mut coded = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    coded.write_all(csv.as_bytes()).unwrap();
    let coder = agent.with("content-encoding", "gzip");
    let answer = posted(&coder, &job, "CSV", coded.finish().unwrap()).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    assert_eq!(field(&house, "Account", seed::ACME, "Industry"), "Coded");
    let sent = house.sandbox.writes().remove(0);
    assert_eq!(sent.body, csv.as_bytes());
    assert!(!sent.headers.contains_key("content-encoding"));
    house.finish().await;
}

/// What a batch of a query selects leaves the org; what an agent posted itself does not.
#[tokio::test]
async fn queries_and_the_results_of_others_are_exports() {
    let rules = "
crm: salesforce
default: allow
objects:
  async/job: { export: { sdr-agent: allow } }
  jobs/ingest: { export: { agents: allow } }
  jobs/ingest/others: { export: deny }
";
    let house = House::builder().rules(rules).build().await;
    let (agent, reader) = (client(&house, TOKEN), client(&house, OTHER_TOKEN));
    let refused = asked(&agent, "query", "Account", "JSON", &[]).await;
    assert_eq!(refused.code(), "WRITEGATE_DENIED", "{}", refused.text());
    let job = made(&reader, "query", "JSON", &[]).await;
    let soql = "SELECT Id, Name FROM Account";
    let writes = format!("{soql} FOR VIEW");
    assert_eq!(
        posted(&reader, &job, "JSON", writes).await.code(),
        "WRITEGATE_OPAQUE"
    );
    let answer = posted(&reader, &job, "JSON", soql).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    let entry = newest(&house).await;
    assert_eq!(entry.state, EntryState::Done);
    assert_eq!(entry.summary[0]["operation"], "export");
    let batch = told(&answer, "id");
    let result = format!("{JOB}/{job}/batch/{batch}/result");
    assert_eq!(reader.get(&result).await.status, StatusCode::OK);
    assert_eq!(agent.get(&result).await.code(), "WRITEGATE_DENIED");

    let job = made(&agent, "update", "CSV", &[]).await;
    let answer = posted(
        &agent,
        &job,
        "CSV",
        format!("Id,Industry\n{},A\n", seed::ACME),
    )
    .await;
    let batch = told(&answer, "id");
    for results in ["result", "request"] {
        let target = format!("{JOB}/{job}/batch/{batch}/{results}");
        assert_eq!(agent.get(&target).await.status, StatusCode::OK, "{results}");
        assert_eq!(newest(&house).await.summary[0]["object"], "jobs/ingest");
    }
}
