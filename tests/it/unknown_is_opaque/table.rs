//! Every operation that the CRMs are known to have, through a live proxy.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use tokio::task::JoinSet;
use writegate::journal::read::EntryState;
use writegate::mutation::CrmKind;
use writegate::sandbox::{Seen, seed};

use crate::support::client::Reply;
use crate::support::house::{House, TOKEN};
use crate::support::study::surface;
use crate::support::wire::Kept;

/// Connections that ask side by side.
const SIDE_BY_SIDE: usize = 24;

/// Nothing may be written, so that whatever reaches the CRM was taken for a read.
const NOTHING: &str = "
crm: salesforce
default: deny
";
const NOTHING_HUBSPOT: &str = "
crm: hubspot
default: deny
";

async fn closed_house() -> House {
    House::builder()
        .rules(NOTHING)
        .and_rules(NOTHING_HUBSPOT)
        .build()
        .await
}

/// An operation of a CRM's table.
#[derive(Clone, Debug)]
struct Operation {
    method: Method,
    target: String,
    effect: String,
    template: String,
    body: &'static str,
}

/// A HubSpot path with its placeholders filled.
fn hubspot(row: &[String]) -> Operation {
    let fill = |segment: &str| match segment.strip_prefix('{') {
        Some(name) if name.to_ascii_lowercase().contains("objecttype") => "contacts".into(),
        Some(name) if name.to_ascii_lowercase().contains("email") => "a@b.c".into(),
        Some(_) => "101".to_owned(),
        None => segment.to_owned(),
    };
    let target: Vec<String> = row[1].split('/').map(fill).collect();
    operation(row, target.join("/"), r#"{"properties":{"name":"x"}}"#)
}

/// A Salesforce path with its placeholders filled, also those inside a segment (`v{version}`). What
/// stands before the path names another host, and behind it a remark.
fn salesforce(row: &[String]) -> Operation {
    let path = row[1].split(" (").next().unwrap();
    let path = path.split('#').next().unwrap();
    let mut target = HOSTS
        .into_iter()
        .fold(path, |path, host| path.trim_start_matches(host))
        .to_owned();
    while let Some((before, rest)) = target.split_once('{') {
        let (name, after) = rest.split_once('}').unwrap();
        let value = match name {
            "version" => "60.0",
            "sobject" | "sobjects" => "Account",
            "extField" => "Ext_Id__c",
            "blobField" => "VersionData",
            "relationship" | "rel1" | "rel2" => "Owner",
            "id" | "orgId" | "userId" => seed::ACME,
            "path" => "some/thing",
            "communityId|internal" => "internal",
            "chatter-or-connect-path" => "chatter/groups",
            _ => "X1",
        };
        target = format!("{before}{value}{after}");
    }
    if !target.starts_with('/') {
        target.insert(0, '/');
    }
    operation(row, target, r#"{"Name":"x"}"#)
}

/// Hosts that the table puts in front of a path.
const HOSTS: [&str; 4] = [
    "{dcTenantHost}",
    "https://api.salesforce.com",
    "https://webto.salesforce.com",
    "api.pubsub.salesforce.com:7443",
];

/// A row that stands for every method is several rows.
fn by_method(row: Vec<String>) -> Vec<Vec<String>> {
    if row[0] != "*" {
        return vec![row];
    }
    let one = |method: &str| [&[method.to_owned()], &row[1..]].concat();
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
        .map(one)
        .into()
}

fn operation(row: &[String], target: String, body: &'static str) -> Operation {
    Operation {
        method: row[0].parse().unwrap(),
        target,
        effect: row[2].clone(),
        template: row[1].clone(),
        body: if matches!(row[0].as_str(), "POST" | "PUT" | "PATCH") {
            body
        } else {
            ""
        },
    }
}

fn sound(operation: &Operation) -> bool {
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
        .contains(&operation.method.as_str())
        && operation.target.starts_with('/')
        && operation.target.parse::<http::Uri>().is_ok()
}

/// Asks all, on few connections that stay open; answers in the order of the operations.
async fn ask(to: SocketAddr, operations: &Arc<Vec<Operation>>) -> Vec<Reply> {
    let mut tasks = JoinSet::new();
    for first in 0..SIDE_BY_SIDE {
        let operations = Arc::clone(operations);
        tasks.spawn(async move {
            let mut client = Kept::new(to, TOKEN);
            let mut replies = Vec::new();
            for place in (first..operations.len()).step_by(SIDE_BY_SIDE) {
                let Operation {
                    method,
                    target,
                    body,
                    ..
                } = &operations[place];
                let typed = [("content-type", "application/json")];
                let headers: &[(&str, &str)] = if body.is_empty() { &[] } else { &typed };
                let body = Bytes::from_static(body.as_bytes());
                replies.push((place, client.send(method, target, headers, body).await));
            }
            replies
        });
    }
    let mut replies: Vec<(usize, Reply)> = tasks.join_all().await.into_iter().flatten().collect();
    replies.sort_by_key(|(place, _)| *place);
    replies.into_iter().map(|(_, reply)| reply).collect()
}

/// Whether the table says that an operation changes nothing.
fn reads(operation: &Operation) -> bool {
    operation.effect == "read" || operation.effect == "read-by-post"
}

/// The code of an answer that is ours.
fn refusal(reply: &Reply) -> Option<String> {
    let ours = reply.header("x-should-retry").is_some() || reply.header("retry-after").is_some();
    ours.then(|| {
        if reply.body.is_empty() {
            "an answer to HEAD".into()
        } else {
            reply.code()
        }
    })
}

async fn no_write_of_the_table_reaches_the_crm(crm: CrmKind, all: Vec<Operation>) {
    let mut house = closed_house().await;
    let to = house.agent_of(crm).to;
    let total = all.len();
    let all: Vec<Operation> = all.into_iter().filter(sound).collect();
    let left_out = total - all.len();
    let (known, rest): (Vec<_>, Vec<_>) = all.into_iter().partition(reads);
    let rest = Arc::new(rest);
    let replies = ask(to, &rest).await;
    let mut codes = BTreeMap::<String, usize>::new();
    for (operation, reply) in rest.iter().zip(&replies) {
        let code = refusal(reply).unwrap_or_else(|| {
            panic!("{operation:?}: {} {}", reply.status, reply.text());
        });
        *codes.entry(code).or_default() += 1;
    }
    // what is not built in is looked up where the CRM tells its objects, and nothing else is asked
    let looked = house.sandbox.seen();
    let schemas = |seen: &Seen| {
        let tells = ["/crm/v3/schemas", "/sobjects", "/describe"];
        seen.method == Method::GET && tells.iter().any(|end| seen.target.ends_with(end))
    };
    assert!(looked.iter().all(schemas), "{looked:?}");
    assert!(looked.len() <= SIDE_BY_SIDE, "{looked:?}");
    let looked = looked.len();
    println!(
        "{crm}: {} operations that are no reads: 0 writes at the CRM, {looked} looks at its schemas; \
         {codes:?}; {left_out} rows of the table are no HTTP",
        rest.len()
    );
    let known = Arc::new(known);
    let replies = ask(to, &known).await;
    let refused: Vec<&Operation> = known
        .iter()
        .zip(&replies)
        .filter(|(_, reply)| refusal(reply).is_some())
        .map(|(operation, _)| operation)
        .collect();
    // Every read that passed was seen, and nothing else.
    let seen = house.sandbox.seen();
    assert_eq!(seen.len() - looked, known.len() - refused.len());
    assert!(seen.iter().skip(looked).all(|seen| {
        known
            .iter()
            .any(|operation| operation.method == seen.method && operation.target == seen.target)
    }));
    let mut templates: Vec<String> = refused
        .iter()
        .map(|operation| format!("{} {}", operation.method, operation.template))
        .collect();
    templates.sort_unstable();
    templates.dedup();
    println!(
        "{crm}: {} reads of the table, {} refused, by the table's paths: {templates:#?}",
        known.len(),
        refused.len()
    );
    let unexpected: Vec<&&Operation> = refused
        .iter()
        .filter(|operation| !refused_read(crm, operation))
        .collect();
    assert!(unexpected.is_empty(), "{unexpected:#?}");
    // The sandbox takes most POSTs for writes, also those of the table that read.
    assert!(
        house
            .entries()
            .await
            .iter()
            .all(|entry| entry.state == EntryState::Refused)
    );
    house.stop().await;
}

/// Whether it is known that this read is refused.
fn refused_read(crm: CrmKind, operation: &Operation) -> bool {
    let row = format!("{} {}", operation.method, operation.template);
    match crm {
        // Some are judged as actions or exports, and SOAP is not taken apart.
        CrmKind::Salesforce if operation.effect == "read-by-post" => true,
        CrmKind::Salesforce => REFUSED_SALESFORCE
            .iter()
            .any(|begin| row.starts_with(begin)),
        CrmKind::HubSpot => REFUSED_HUBSPOT.iter().any(|part| row.contains(part)),
    }
}

/// Begins of rows whose reads are refused: paths that write through their query, that run the org's
/// code, or below which nobody has listed what there is.
const REFUSED_SALESFORCE: [&str; 10] = [
    "GET /.well-known/auth-configuration",
    "GET /services/data/v{version}/connect/{path}",
    "GET /services/data/v{version}/chatter/{path}",
    "GET /services/data/v{version}/wave/{path}",
    "GET /services/data/v{version}/ssot/{path}",
    "GET /services/data/v{version}/localizedvalue/{path}",
    "GET /services/data/v{version}/analytics/notifications/{path}",
    "GET /services/apexrest/",
    "GET /cometd/",
    "GET {dcTenantHost}",
];

/// Parts of rows whose reads are refused: links to files, checks of a change that is sent along, links
/// that change consent, POSTs that no page calls reads.
const REFUSED_HUBSPOT: [&str; 9] = [
    "GET /crm/exports/",
    "GET /crm/v3/exports/",
    "/versioning/test/",
    "/validate",
    "POST /collector/graphql",
    "/changes/preview",
    "/links/generate",
    "/validate-buffer",
    "POST /integrators/timeline/2026-03/types/projects",
];

#[tokio::test]
async fn hubspots_table() {
    let rows = surface("hubspot-surface.tsv")
        .into_iter()
        .flat_map(by_method);
    let all = rows.map(|row| hubspot(&row)).collect();
    no_write_of_the_table_reaches_the_crm(CrmKind::HubSpot, all).await;
}

#[tokio::test]
async fn salesforces_table() {
    let rows = surface("salesforce-surface.tsv")
        .into_iter()
        .flat_map(by_method);
    let all = rows.map(|row| salesforce(&row)).collect();
    no_write_of_the_table_reaches_the_crm(CrmKind::Salesforce, all).await;
}
