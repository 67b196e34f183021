//! Requests with more than one reading, and requests that are not taken apart.

use super::*;

/// One request a line: method, target below `/services/data/` or whole, body.
const MALFORMED: &str = r#"
PATCH v66.0/sobjects/Account/003000000000001AAA {}
PATCH v66.0/sobjects/Account/001000000000001aaa {}
PATCH v66.0/sobjects/Account/001 {}
PATCH v66.0/sobjects/Account/001000000000001AAA%20 {}
PATCH v66.0/sobjects/Account/001000000000001AAA {"attributes":{"type":"Contact"}}
PATCH v66.0/sobjects/Account/001000000000001AAA {"attributes":{"type":7}}
PATCH v66.0/sobjects/Account/001000000000001AAA {"attributes":[]}
PATCH v66.0/sobjects/Account/001000000000001AAA {"attributes":{"url":"/x/001000000000002AAA"}}
PATCH v66.0/sobjects/Account/001000000000001AAA {"attributes":{"url":"/x/001000000000001AAA/y"}}
PATCH v66.0/sobjects/Account/001000000000001AAA {"Attributes":{"type":"Account"},"Id":7}
PATCH v66.0/sobjects/Account/001000000000001AAA {"Id":"001000000000002AAA"}
PATCH v66.0/sobjects/Account/001000000000001AAA {"Name":"a","NAME":"b"}
PATCH v66.0/sobjects/Account/001000000000001AAA {"Na-me":"a"}
PATCH v66.0/sobjects/Account/001000000000001AAA {"Owner.Name":"a"}
PATCH v66.0/sobjects/Account/001000000000001AAA {"_x":"a"}
PATCH v66.0/sobjects/Account/001000000000001AAA []
PATCH v66.0/sobjects/Account/001000000000001AAA
PATCH v66.0/sobjects/Account/001000000000001AAA {"a":1}x
DELETE v66.0/sobjects/Account/001000000000001AAA {}
POST v66.0/sobjects/Account {"Id":"001000000000001AAA"}
POST v66.0/sobjects/Account/Id {"id":"001000000000001AAA"}
POST v66.0/sobjects/Account?x=1 {}
PATCH v66.0/sobjects/Lead/Ext__c/7 {"ext__c":"8"}
PATCH v66.0/sobjects/Lead/Ext__c/7 {"Id":"00Q000000000001EAA"}
PATCH v66.0/sobjects/Lead/Ext__c/%207 {}
PATCH v66.0/sobjects/Account/001000000000001AAA.json {}
GET v57.0/query.xml?q=SELECT+Id+FROM+Account
POST v66.0/sobjects/Account/001000000000001AAA?_HttpMethod=DELETE
POST v66.0/sobjects/Account/001000000000001AAA?_HttpMethod=patch {}
POST v66.0/sobjects/Account/001000000000001AAA?_httpmethod=PATCH {}
POST v66.0/sobjects/Account/001000000000001AAA?_HttpMethod=PATCH&_HttpMethod=PATCH {}
PATCH v66.0/sobjects/Account/001000000000001AAA?_HttpMethod=DELETE {}
GET v66.0/sobjects/Account/001000000000001AAA?_HttpMethod=PATCH
GET v66.0/sobjects/Account/001000000000001AAA?x=%
POST v66.0/composite/sobjects/Account?_HttpMethod=PATCH {}
POST /services/apexrest/x?_HttpMethod=PATCH {}
POST /services/oauth2/token?_HttpMethod=PATCH {}
PATCH v66.0/composite/sobjects?allOrNone=true {"records":[{"attributes":{"type":"Lead"},"id":"00Q000000000001"}]}
POST v66.0/chatter/users/me/messages?text=a {"text":"b"}
POST v66.0/chatter/users/me/messages?Text=a {"text":"b"}
POST v66.0/actions/standard/emailSimple {"emailBody":"a","inputs":[{"emailbody":"b"}]}
POST v66.0/parameterizedSearch?updateTracking=true {"q":"x"}
PATCH v66.0/composite/sobjects {}
PATCH v66.0/composite/sobjects {"records":[]}
PATCH v66.0/composite/sobjects {"records":{}}
PATCH v66.0/composite/sobjects {"allOrNone":"true","records":[{"attributes":{"type":"Lead"},"id":"00Q000000000001"}]}
PATCH v66.0/composite/sobjects {"AllOrNone":true,"records":[{"attributes":{"type":"Lead"},"id":"00Q000000000001"}]}
PATCH v66.0/composite/sobjects {"extra":1,"records":[{"attributes":{"type":"Lead"},"id":"00Q000000000001"}]}
POST v66.0/composite/sobjects {"records":[{"attributes":{"type":"Lead"},"id":"00Q000000000001"}]}
PATCH v66.0/composite/sobjects/Account/Ext__c {"records":[{"attributes":{"type":"Lead"},"Ext__c":"a"}]}
PATCH v66.0/composite/sobjects/Lead/Ext__c {"records":[{"attributes":{"type":"Lead"}}]}
PATCH v66.0/composite/sobjects/Lead/Ext__c {"records":[{"attributes":{"type":"Lead"},"Ext__c":null}]}
PATCH v66.0/composite/sobjects/Lead/Ext__c {"records":[{"attributes":{"type":"Lead"},"Ext__c":1.5}]}
PATCH v66.0/composite/sobjects/Lead/Ext__c {"records":[{"attributes":{"type":"Lead"},"Ext__c":""}]}
PATCH v66.0/composite/sobjects/Lead/Ext__c {"records":[{"attributes":{"type":"Lead"},"Ext__c":"a","id":"00Q000000000001"}]}
PATCH v66.0/composite/sobjects/Lead/Ext__c {"records":[{"attributes":{"type":"Lead"},"Ext__c":"a"},{"attributes":{"type":"Lead"},"Ext__c":"A"}]}
PATCH v66.0/composite/sobjects/Lead/Ext__c {"records":[{"attributes":{"type":"Lead"},"Ext__c":"1"},{"attributes":{"type":"Lead"},"Ext__c":1}]}
DELETE v66.0/composite/sobjects
DELETE v66.0/composite/sobjects?ids=
DELETE v66.0/composite/sobjects?ids=001000000000001,
DELETE v66.0/composite/sobjects?ids=001000000000001,001000000000001AAA
DELETE v66.0/composite/sobjects?ids=001000000000001&ids=001000000000002
DELETE v66.0/composite/sobjects?ids=001000000000001&allOrNone=yes
DELETE v66.0/composite/sobjects?ids=001000000000001&x=1
DELETE v66.0/composite/sobjects?ids=001000000000001,%20001000000000002
DELETE v66.0/composite/sobjects?IDS=001000000000001
DELETE v66.0/composite/sobjects?ids=001000000000001 {}
"#;

/// The same.
const OPAQUE: &str = r#"
PATCH v66.0/sobjects/Account/001000000000001AAA {"Owner":{"A__c":"x","B__c":"y"}}
PATCH v66.0/sobjects/Account/001000000000001AAA {"Owner":{"A__c":null}}
PATCH v66.0/sobjects/Account/001000000000001AAA {"Contacts":{"records":[]}}
PATCH v66.0/sobjects/Account/001000000000001AAA {"Tags":[]}
POST v66.0/sobjects/Invoice__c {}
POST v66.0/sobjects/Custom__c/a00000000000001?_HttpMethod=PATCH {}
PATCH v66.0/sobjects/My_Event__e/e00000000000001 {}
POST v66.0/sobjects/Nothing {}
POST v66.0/sobjects/ApexClass {}
POST v66.0/sobjects {}
PATCH v66.0/sobjects/Case/500000000000001/Owner {}
PATCH v66.0/sobjects/Contact/003000000000001/Cases {}
DELETE v66.0/sobjects/Event/00U000000000001/fromThisEventOnwards
DELETE v66.0/sobjects/Event/00U000000000001/FromThisEventOnwards
POST v66.0/sobjects/Account/Ext__c/7 {}
PUT v66.0/sobjects/Account/001000000000001AAA {}
OPTIONS v66.0/sobjects/Account/001000000000001AAA
POST v66.0/sobjects/Account/001000000000001AAA {}
PATCH v66.0/sobjects/Account {}
PATCH v66.0/sobjects/Account/describe {}
PATCH v66.0/sobjects/Account/listviews/x {}
PATCH v66.0/SObjects/Account/001000000000001AAA {}
PATCH /Services/data/v66.0/sobjects/Account/001000000000001AAA {}
PATCH v066.0/sobjects/Account/001000000000001AAA {}
PATCH v66/sobjects/Account/001000000000001AAA {}
PATCH v200.0/sobjects/Account/001000000000001AAA {}
PATCH v19.0/sobjects/Account/001000000000001AAA {}
PATCH v66.5/sobjects/Account/001000000000001AAA {}
PATCH v66.0/composite/sobjects/Account {}
DELETE v66.0/composite/sobjects/Account
PUT v66.0/composite/sobjects {}
DELETE v66.0/composite/sobjects?ids=a00000000000001
DELETE v66.0/composite/sobjects?ids=00a000000000001
POST v66.0/Composite {}
POST v66.0/composite/Tree/Account {}
POST v66.0/composite/tree/Invoice__c {}
GET v66.0/tooling/ExecuteAnonymous?anonymousBody=x
POST v66.0/Actions/standard/emailSimple {}
GET /services/OAuth2/revoke?token=x
PUT v66.0/jobs/ingest/750000000000001/batches
PATCH v66.0/jobs/ingest/750000000000001 {"state":"UploadComplete"}
POST v66.0/connect/unheard-of {}
GET v66.0/query?q=SELECT+Id+FROM+Account+FOR+VIEW
POST v66.0/parameterizedSearch {"q":"x","updateTracking":true}
POST v66.0/parameterizedSearch {"q":"x","UPDATEVIEWSTAT":"false"}
HEAD /services/apexrest/x
GET /services/apexrest/x
GET v66.0/unheard-of
"#;

/// Rows that refuse the collection they stand in, beside a good one.
const MALFORMED_ROWS: &str = r#"
null
{"id":"001000000000002"}
{"attributes":{"type":"Account"}}
{"attributes":{"type":"Account"},"id":"001000000000001AAA"}
{"attributes":{"type":"Account"},"id":"003000000000002"}
{"attributes":{"type":"Ac count"},"id":"001000000000002"}
{"attributes":{"type":"Account","x":1},"id":"001000000000002"}
{"attributes":{"type":"Account","binaryPartName":"x"},"id":"001000000000002"}
{"attributes":{"type":"Document","binaryPartName":"x","binaryPartNameAlias":"Body"},"id":"015000000000002"}
{"attributes":{"type":"Account"},"id":"001000000000002","Na-me":1}
"#;

/// The same, opaque.
const OPAQUE_ROWS: &str = r#"
{"attributes":{"type":"Custom__c"},"id":"a00000000000002"}
{"attributes":{"type":"Account"},"id":"001000000000002","Owner":{"X__c":"1","Y__c":"2"}}
"#;

fn each(requests: &str, mut check: impl FnMut(&str, Judged)) {
    let mut count = 0;
    for line in requests.lines().filter(|line| !line.is_empty()) {
        let mut words = line.splitn(3, ' ');
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let target = if target.starts_with('/') {
            target.to_owned()
        } else {
            format!("/services/data/{target}")
        };
        check(
            line,
            judge(method, &target, words.next().unwrap_or_default()),
        );
        count += 1;
    }
    assert!(count > 30);
}

#[test]
fn what_has_two_readings_is_malformed() {
    each(MALFORMED, |line, judged| {
        assert!(matches!(judged, Judged::Malformed(_)), "{line}: {judged:?}");
    });
}

#[test]
fn what_is_not_taken_apart_is_opaque() {
    each(OPAQUE, |line, judged| {
        assert!(matches!(judged, Judged::Opaque(_)), "{line}: {judged:?}");
    });
}

#[test]
fn rows_may_open_only_what_fits_no_shape() {
    let openable = |judged: Judged, line: &str| {
        let Judged::Opaque(opaque) = judged else {
            panic!("{line}: {judged:?}");
        };
        opaque.openable
    };
    for line in [
        "PATCH /services/data/v66.0/sobjects/Custom__c/a00000000000001",
        "POST /services/apexrest/x",
        "POST /services/data/v66.0/connect/unheard-of",
        "PUT /services/data/v66.0/sobjects/Account/001000000000001",
        "GET /services/data/v66.0/unheard-of",
    ] {
        let (method, target) = line.split_once(' ').unwrap();
        assert!(openable(judge(method, target, "{}"), line), "{line}");
    }
    for line in [
        "PATCH /services/data/v200.0/sobjects/Account/001000000000001",
        "POST /services/data/v66.0/Composite",
        "GET /services/data/v66.0/tooling/ExecuteAnonymous",
        "PATCH /services/DATA/v66.0/SObjects/Account/001000000000001",
        "DELETE /services/data/v66.0/Composite/sobjects",
        "GET /services/data/v66.0/query?q=SELECT+Id+FROM+Account+FOR+VIEW",
    ] {
        let (method, target) = line.split_once(' ').unwrap();
        assert!(!openable(judge(method, target, ""), line), "{line}");
    }
    let row = "/services/data/v66.0/sobjects/Account/001000000000001";
    for header in [
        ("sforce-foo", "1"),
        ("sforce-call-options", "defaultNamespace=x"),
    ] {
        let headers = header_map(&[("content-type", "application/json"), header]);
        let judged = judge_with("PATCH", row, &headers, b"{}");
        assert!(!openable(judged, header.0), "{header:?}");
    }
    for body in [
        r#"{"Owner":{"Name":"x","Id":"y"}}"#,
        r#"{"attributes":{"type":"Account","binaryPartName":"x","binaryPartNameAlias":"y"}}"#,
    ] {
        assert!(!openable(judge("PATCH", row, body), body), "{body}");
    }
    let mixed = r#"{"records":[{"attributes":{"type":"Custom__c"},"id":"a00000000000001"}]}"#;
    let rows = "/services/data/v66.0/composite/sobjects";
    assert!(!openable(judge("PATCH", rows, mixed), mixed));
}

#[test]
fn one_bad_row_refuses_the_whole_collection() {
    let with = |row: &str| {
        let good = r#"{"attributes":{"type":"Account"},"id":"001000000000001"}"#;
        let body = format!(r#"{{"records":[{good},{row}]}}"#);
        judge("PATCH", "/services/data/v66.0/composite/sobjects", &body)
    };
    for row in MALFORMED_ROWS.lines().filter(|row| !row.is_empty()) {
        let judged = with(row);
        assert!(matches!(judged, Judged::Malformed(_)), "{row}: {judged:?}");
    }
    for row in OPAQUE_ROWS.lines().filter(|row| !row.is_empty()) {
        let judged = with(row);
        assert!(matches!(judged, Judged::Opaque(_)), "{row}: {judged:?}");
    }
}

#[test]
fn two_hundred_rows_are_the_most() {
    let delete = |count: usize| {
        let ids: Vec<String> = (0..count).map(|n| format!("001000000000{n:03}")).collect();
        let target = format!(
            "/services/data/v66.0/composite/sobjects?ids={}",
            ids.join(",")
        );
        judge("DELETE", &target, "")
    };
    assert!(matches!(delete(200), Judged::Mutations(all) if all.len() == 200));
    assert!(matches!(delete(201), Judged::Malformed(_)));
}
