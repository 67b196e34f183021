//! Every operation that Salesforce's API is known to have, with its placeholders filled: reads are
//! reads, nothing else is, and what can be named is.

use std::collections::BTreeMap;

use super::corpora::lines;
use super::*;
use crate::crm::salesforce::families::{How, Verb, find};

/// Rows that are judged otherwise than the list calls them, by how they begin, and why.
const OTHERWISE: &[(&str, &str)] = &[
    (
        "POST ~/sobjects/{sobject}/{id}?_HttpMethod=DELETE",
        "of the method override only PATCH is documented: refused",
    ),
    (
        "* ~/metadata/{path}",
        "what a GET there reads is unknown: refused",
    ),
    (
        "GET ~/connect/{path}",
        "hundreds of resources, unproven: refused",
    ),
    (
        "GET ~/chatter/{path}",
        "hundreds of resources, unproven: refused",
    ),
    (
        "GET ~/wave/{path}",
        "unproven beyond the listed ones: refused",
    ),
    ("GET ~/ssot/{path}", "unproven: refused"),
    ("GET ~/localizedvalue/{path}", "sub-paths unknown: refused"),
    (
        "GET ~/analytics/notifications/{path}",
        "sub-paths unknown: refused",
    ),
    ("GET ~/consent/dsr/rtp/execute", "an export"),
    (
        "GET /services/apexrest/",
        "runs the org's code: refused, `endpoints` rows only",
    ),
    (
        "POST /services/apexrest/",
        "runs the org's code: refused, `endpoints` rows only",
    ),
    (
        "GET /cometd/",
        "carries messages both ways in its query: refused",
    ),
    ("POST /cometd/", "carries messages both ways: refused"),
    ("GET {dcTenantHost}", "another host: refused"),
    ("POST {dcTenantHost}", "another host: refused"),
    ("POST https://api.salesforce.com/", "another host: refused"),
    (
        "DELETE https://api.salesforce.com/",
        "another host: refused",
    ),
    (
        "POST ~/tooling/sobjects/NamedCredential",
        "holds secrets: a credential",
    ),
    (
        "PATCH ~/tooling/sobjects/NamedCredential",
        "holds secrets: a credential",
    ),
    (
        "DELETE ~/tooling/sobjects/NamedCredential",
        "holds secrets: a credential",
    ),
    (
        "DELETE ~/named-credentials/",
        "says what a secret opens: a credential",
    ),
    (
        "PUT ~/named-credentials/",
        "says what a secret opens: a credential",
    ),
    (
        "POST ~/named-credentials/",
        "says what a secret opens: a credential",
    ),
    (
        "POST ~/actions/standard/",
        "an action that is called a read: judged as invoke, some call a model",
    ),
    (
        "POST ~/actions/custom/run",
        "an action that is called a read: judged as invoke",
    ),
    (
        "POST ~/actions/standard/sendSalesCadenceEvent",
        "named a send",
    ),
    (
        "POST ~/analytics/reports",
        "runs a report: an export, as by GET",
    ),
    (
        "POST ~/connect/business-rules/decision-table/{id}",
        "shares its path with definitions, which are schema: refused",
    ),
    (
        "POST /services/oauth2/introspect",
        "carries a token: judged as credential",
    ),
    (
        "GET /.well-known/auth-configuration",
        "addresses of undocumented places, pages for people: refused",
    ),
    (
        "POST /services/oauth2/userinfo",
        "unproven: judged as credential",
    ),
    (
        "DELETE ~/analytics/reports/{id}/instances",
        "a stored run: judged as invoke",
    ),
];

/// A body for a row, where an empty object would be malformed.
const BODIES: &[(&str, &str)] = &[
    (
        "POST ~/composite/sobjects",
        r#"{"records":[{"attributes":{"type":"Account"},"Name":"x"}]}"#,
    ),
    (
        "PATCH ~/composite/sobjects/{sobject}/{extField}",
        r#"{"records":[{"attributes":{"type":"Account"},"Ext__c":"x"}]}"#,
    ),
    (
        "PATCH ~/composite/sobjects",
        r#"{"records":[{"attributes":{"type":"Account"},"id":"001000000000001AAA"}]}"#,
    ),
    (
        "POST ~/composite/sobjects?_HttpMethod=PATCH",
        r#"{"records":[{"attributes":{"type":"Account"},"id":"001000000000001AAA"}]}"#,
    ),
    (
        "POST ~/composite/tree/{sobject}",
        r#"{"records":[{"attributes":{"type":"Account","referenceId":"a"},"Name":"x"}]}"#,
    ),
    (
        "POST ~/composite/graph",
        r#"{"graphs":[{"graphId":"g","compositeRequest":[{"method":"POST","url":"/services/data/v66.0/sobjects/Account","referenceId":"a","body":{"Name":"x"}}]}]}"#,
    ),
    (
        "POST ~/composite/batch",
        r#"{"batchRequests":[{"method":"POST","url":"v66.0/sobjects/Account","richInput":{"Name":"x"}}]}"#,
    ),
    (
        "POST ~/connect/batch",
        r#"{"batchRequests":[{"method":"POST","url":"v66.0/sobjects/Account","richInput":{"Name":"x"}}]}"#,
    ),
    (
        "POST ~/tooling/composite/batch",
        r#"{"batchRequests":[{"method":"POST","url":"v66.0/tooling/sobjects/ApexClass","richInput":{"Name":"x"}}]}"#,
    ),
    (
        "POST ~/tooling/composite",
        r#"{"compositeRequest":[{"method":"POST","url":"/services/data/v66.0/tooling/sobjects/ApexClass","referenceId":"a","body":{"Name":"x"}}]}"#,
    ),
    (
        "POST ~/composite",
        r#"{"compositeRequest":[{"method":"PATCH","url":"/services/data/v66.0/sobjects/Account/001000000000001AAA","referenceId":"a","body":{"Name":"x"}}]}"#,
    ),
    (
        "POST ~/ui-api/records/batch",
        r#"{"operations":[{"type":"Create","records":[{"apiName":"Account","fields":{"Name":"x"}}]}]}"#,
    ),
    (
        "POST ~/ui-api/records",
        r#"{"apiName":"Account","fields":{"Name":"x"}}"#,
    ),
    ("PATCH ~/ui-api/records/{id}", r#"{"fields":{"Name":"x"}}"#),
    (
        "POST ~/graphql (mutation)",
        r#"{"query":"mutation { uiapi { AccountCreate(input: {Account: {Name: \"x\"}}) { Record { Id } } } }"}"#,
    ),
    (
        "POST ~/graphql",
        r#"{"query":"{ uiapi { query { Account { edges { node { Id } } } } } }"}"#,
    ),
    ("POST ~/parameterizedSearch", r#"{"q":"x"}"#),
];

fn body(row: &str, method: &str, template: &str) -> String {
    if template.starts_with("/services/Soap/") {
        return message(template);
    }
    let exact = BODIES.iter().find(|(begins, _)| *begins == row);
    match exact {
        Some((_, body)) => (*body).to_owned(),
        None if method == "DELETE" || method == "GET" || method == "HEAD" => String::new(),
        None => "{}".into(),
    }
}

/// What the SOAP operations hold that must not be empty.
const PARTS: &[(&str, &str)] = &[
    (
        "create",
        "<sObjects><type>Account</type><Name>x</Name></sObjects>",
    ),
    (
        "update",
        "<sObjects><type>Account</type><Id>001000000000001AAA</Id></sObjects>",
    ),
    (
        "upsert",
        "<externalIDFieldName>Ext__c</externalIDFieldName><sObjects><type>Account</type>\
         <Ext__c>x</Ext__c></sObjects>",
    ),
    ("delete", "<ids>001000000000001AAA</ids>"),
    ("undelete", "<ids>001000000000001AAA</ids>"),
    ("emptyRecycleBin", "<ids>001000000000001AAA</ids>"),
    (
        "merge",
        "<request><masterRecord><type>Account</type><Id>001000000000001AAA</Id></masterRecord>\
         <recordToMergeIds>001000000000002AAA</recordToMergeIds></request>",
    ),
    (
        "convertLead",
        "<leadConverts><convertedStatus>x</convertedStatus><leadId>00Q000000000001EAA</leadId>\
         </leadConverts>",
    ),
    (
        "performQuickActions",
        "<quickActions><quickActionName>LogACall</quickActionName></quickActions>",
    ),
];

/// A message of the row's operation; of a row that names none, a create.
fn message(template: &str) -> String {
    let (path, operation) = template.split_once('#').unwrap_or((template, "create"));
    let operation = if operation == "describe*" {
        "describeGlobal"
    } else {
        operation
    };
    let (namespace, records) = match path.split('/').nth(3) {
        Some("m") => ("http://soap.sforce.com/2006/04/metadata", false),
        Some("s") => ("http://soap.sforce.com/2006/08/apex", false),
        Some("T") => ("urn:tooling.soap.sforce.com", false),
        Some("c") => ("urn:enterprise.soap.sforce.com", true),
        _ => ("urn:partner.soap.sforce.com", true),
    };
    let operation = match path.contains("/m/") && !template.contains('#') {
        true => "deploy",
        false => operation,
    };
    let part = PARTS.iter().find(|(name, _)| records && *name == operation);
    let part = part.map_or_else(String::new, |(_, part)| (*part).to_owned());
    let part = if path.contains("/c/") {
        part.replace("<type>Account</type>", "")
            .replace("<sObjects>", "<sObjects xsi:type=\"Account\">")
    } else {
        part
    };
    let message = soap::message(namespace, &format!("<{operation}>{part}</{operation}>"));
    match operation {
        "login" => message.replace(soap::SESSION, ""),
        _ => message,
    }
}

/// A concrete target for a row of the list: what stands in braces is filled in.
fn filled(template: &str) -> String {
    let template = template.split(" (").next().unwrap();
    let template = template.split('#').next().unwrap();
    let path = template
        .trim_start_matches("{dcTenantHost}")
        .trim_start_matches("https://api.salesforce.com")
        .trim_start_matches("https://webto.salesforce.com")
        .trim_start_matches("api.pubsub.salesforce.com:7443");
    let in_ui = path.contains("/ui-api/");
    let of = |object: &str| path.contains(&format!("/sobjects/{object}/{{id}}"));
    let id = match () {
        () if in_ui => "001000000000001AAA",
        () if of("User") => "005000000000001AAA",
        () if path.contains("/{id}/{rel") => "003000000000001AAA",
        () if of("Event") => "00U000000000001AAA",
        () => "001000000000001AAA",
    };
    let mut target = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').unwrap();
        target.push_str(before);
        target.push_str(match name {
            "version" => "66.0",
            "sobject" | "sobjects" if path.contains("/{id}/{rel") => "Contact",
            "sobject" | "sobjects" => "Account",
            "id" => id,
            "reportId" => "00O000000000001",
            "orgId" => "00D000000000001AAA",
            "userId" => "005000000000001AAA",
            "extField" => "Ext__c",
            "event" => "My_Event",
            "blobField" => "VersionData",
            "relationship" | "rel1" => "Account",
            "rel2" => "Owner",
            "path" => "some/thing",
            "communityId|internal" => "internal",
            "chatter-or-connect-path" => "chatter/groups",
            "other" | "anything-else" => "unheard-of",
            _ => "X1",
        });
        rest = after;
    }
    target.push_str(rest);
    if target.starts_with('/') {
        target
    } else {
        format!("/{target}")
    }
}

/// The row's method, template and class.
fn row_of(line: &str) -> (String, String, String) {
    let mut columns = line.split('\t').map(str::to_owned);
    let mut next = || columns.next().expect("three columns");
    (next(), next(), next())
}

/// What was made of a request, in a word: `read`, `auth`, an operation, `refused`.
fn word(judged: &Judged) -> &'static str {
    match judged {
        Judged::Read => "read",
        Judged::Auth => "auth",
        Judged::Opaque(_) => "refused",
        Judged::Malformed(_) => "malformed",
        Judged::Mutations(all) => all[0].operation.word(),
    }
}

/// Whether this is what the class asks for. What changes records is taken apart or refused; what has a
/// name of its own is that operation.
fn agrees(class: &str, template: &str, judged: &Judged) -> bool {
    let word = word(judged);
    match class {
        "read" | "read-by-post" => word == "read",
        "auth" if is_login(template) => word == "auth",
        "auth" => word == "credential",
        "export" | "send" | "invoke" | "schema" => word == class,
        _ => !["read", "auth", "malformed"].contains(&word),
    }
}

fn is_login(template: &str) -> bool {
    template == "/services/oauth2/token" || template.ends_with("#login")
}

#[test]
fn every_known_operation_is_what_the_list_says() {
    let Some(list) = lines("crm/salesforce-surface.tsv", None) else {
        println!("skipped: crm/salesforce-surface.tsv is not at hand (WRITEGATE_SHARED)");
        return;
    };
    let (mut agreed, mut listed, mut wrong) = (0, BTreeMap::new(), Vec::new());
    let mut counts: BTreeMap<(String, &str), usize> = BTreeMap::new();
    for line in list.iter().skip(1) {
        let (method, template, class) = row_of(line);
        let methods: Vec<&str> = match method.as_str() {
            "*" => vec!["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
            one => vec![one],
        };
        let short = template.replace("/services/data/v{version}", "~");
        let row = format!("{method} {short}");
        for method in methods {
            let kind = if template.contains("Soap") {
                "text/xml; charset=utf-8"
            } else {
                "application/json"
            };
            let mut target = filled(&template);
            if row == "DELETE ~/composite/sobjects" {
                target += "?ids=001000000000001AAA";
            }
            let body = body(&row, method, &template);
            let headers = header_map(&[("content-type", kind)]);
            let judged = judge_with(method, &target, &headers, body.as_bytes());
            let found = word(&judged);
            let must_not = !class.starts_with("read") && judged == Judged::Read
                || judged == Judged::Auth && !is_login(&template);
            assert!(!must_not, "{row} ({class}) is {found}");
            *counts.entry((class.clone(), found)).or_default() += 1;
            let known = OTHERWISE.iter().find(|(begins, _)| row.starts_with(begins));
            match (agrees(&class, &template, &judged), known) {
                (true, _) => agreed += 1,
                (false, Some((_, why))) => {
                    let place = format!("{row} ({class}) is {found}");
                    listed.insert(place, *why);
                }
                (false, None) => wrong.push(format!("{class}: {method} {target}: {judged:?}")),
            }
        }
    }
    for (row, why) in &listed {
        println!("{row}: {why}");
    }
    println!(
        "{agreed} agree, {} are judged otherwise: {counts:?}",
        listed.len()
    );
    assert!(
        wrong.is_empty(),
        "{} rows disagree:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(agreed > 600, "{agreed}");
}

/// The same rows under a version of tomorrow.
#[test]
fn a_later_version_changes_nothing() {
    let Some(list) = lines("crm/salesforce-surface.tsv", None) else {
        println!("skipped: crm/salesforce-surface.tsv is not at hand (WRITEGATE_SHARED)");
        return;
    };
    for line in list.iter().skip(1) {
        let (method, template, _) = row_of(line);
        if method == "*" {
            continue;
        }
        let now = filled(&template);
        let (then, soon) = (now.replace("66.0", "40.0"), now.replace("66.0", "104.0"));
        let judged = |target: &str| word(&judge(&method, target, "{}"));
        assert_eq!(judged(&now), judged(&soon), "{method} {now}");
        assert_eq!(judged(&now), judged(&then), "{method} {now}");
    }
}

/// Each row belongs to a family of the table, or is a read.
#[test]
fn every_write_is_of_a_family() {
    let Some(list) = lines("crm/salesforce-surface.tsv", None) else {
        println!("skipped: crm/salesforce-surface.tsv is not at hand (WRITEGATE_SHARED)");
        return;
    };
    let mut named = 0;
    for line in list.iter().skip(1) {
        let (method, template, class) = row_of(line);
        let verb = match method.as_str() {
            "POST" => Verb::Post,
            "PUT" => Verb::Put,
            "PATCH" => Verb::Patch,
            "DELETE" => Verb::Delete,
            _ => continue,
        };
        let target = filled(&template);
        let segments: Vec<&str> = target
            .split(['/', '?'])
            .filter(|part| !part.is_empty())
            .collect();
        let found = match segments.as_slice() {
            ["services", "data", _, rest @ ..] => find(verb, true, rest),
            all => find(verb, false, all),
        };
        let (how, _) = found.unwrap_or_else(|| panic!("{method} {template} ({class})"));
        named += usize::from(how != How::Refused);
    }
    assert!(named > 200, "{named}");
}
