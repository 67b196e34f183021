//! simple-salesforce: session id and `instance_url`.

use serde_json::{Value, json};
use writegate::mutation::CrmKind;
use writegate::sandbox::seed;

use super::session::{Raised, Session, python};
use super::{installed, kill, pass, resume};
use crate::support::house::House;
use crate::support::skipped;

/// Every account but Acme and Globex.
const OTHERS: [&str; 10] = [
    seed::INITECH,
    seed::UMBRELLA,
    seed::STARK,
    seed::WAYNE,
    seed::HOOLI,
    seed::SOYLENT,
    seed::WONKA,
    seed::TYRELL,
    seed::CYBERDYNE,
    seed::VANDELAY,
];

#[tokio::test]
async fn an_unmodified_simple_salesforce_session() {
    let Some(python) = python() else {
        return skipped("simple-salesforce", "the SDK (WRITEGATE_PYTHON)");
    };
    let (house, clock) = installed().await;
    let base = format!("https://{}", house.salesforce);
    let session = Session::start(&python, "salesforce_session.py", &base, &house);
    reads(&session).await;
    writes(&session, &house).await;
    for expected in refusals() {
        session.refused(&expected).await;
    }
    pass(&clock, 10);
    rate(&session).await;
    pass(&clock, 1);
    let score = format!("score {} 4", seed::INITECH);
    session.writes(&score, &json!(204)).await;
    for _ in 0..9 {
        pass(&clock, 90);
        session.writes("tasks 20", &json!(20)).await;
    }
    pass(&clock, 90);
    session.writes("tasks 19", &json!(19)).await;
    session.refused(&budget()).await;
    kill(&house, "enrichment-agent", pass(&clock, 60)).await;
    session
        .refused(&stopped(&format!("score {} 5", seed::HOOLI), 0))
        .await;
    session
        .not_read(&stopped(&format!("get {}", seed::HOOLI), 0))
        .await;
    resume(&house).await;
    let score = format!("score {} 6", seed::HOOLI);
    session.writes(&score, &json!(204)).await;
    drop(session);
    house.finish().await;
}

async fn reads(session: &Session<'_>) {
    let all = [
        "Acme Corporation",
        "Cyberdyne Systems",
        "Globex Industries",
        "Hooli Cloud",
        "Initech Software",
        "Soylent Foods",
        "Stark Manufacturing",
        "Tyrell Biotech",
        "Umbrella Health",
        "Vandelay Imports",
        "Wayne Logistics",
        "Wonka Confectionery",
    ];
    let fields = json!({ "Name": "string", "Industry": "picklist", "NumberOfEmployees": "int" });
    let objects = [
        "Account",
        "Attachment",
        "Case",
        "Contact",
        "Health_Check__c",
        "Health_Finding__c",
        "Lead",
        "Opportunity",
        "Organization",
        "Task",
        "User",
    ];
    let get = format!("get {}", seed::ACME);
    session.reads(&get, &json!("Acme Corporation")).await;
    session.reads("query", &json!(all[..3])).await;
    session.reads("pages", &json!(all)).await;
    let found = json!([seed::GLOBEX, seed::GLOBEX_EXPANSION]);
    session.reads("search", &found).await;
    session.reads("describe", &fields).await;
    session.reads("describe_all", &json!(objects)).await;
    let missing = Raised {
        step: "missing".into(),
        class: "SalesforceResourceNotFound",
        status: 404,
        text: "Resource Account Not Found. Response content: [{'message': 'The requested resource \
               does not exist', 'errorCode': 'NOT_FOUND'}]"
            .into(),
        reads: 1,
    };
    session.not_read(&missing).await;
}

async fn writes(session: &Session<'_>, house: &House) {
    let (acme, globex, deal) = (seed::ACME, seed::GLOBEX, seed::ACME_RENEWAL);
    session.writes(&format!("fill {acme}"), &json!(204)).await;
    let read_back = format!("read_back {acme}");
    session.reads(&read_back, &json!("Software")).await;
    session
        .writes(&format!("score {acme} 5"), &json!(204))
        .await;
    session.writes("upsert A-1001", &json!(200)).await;
    session
        .writes(&format!("next_step {deal}"), &json!(204))
        .await;
    session.writes("task", &json!(true)).await;
    let both = json!([true, true]);
    session
        .writes(&format!("batch {acme} {globex}"), &both)
        .await;
    let stands = |object: &str, id: &str, field: &str| -> Value {
        let record = house.sandbox.record(CrmKind::Salesforce, object, id);
        record.unwrap()[field].clone()
    };
    assert_eq!(stands("Account", acme, "Industry"), "Software");
    assert_eq!(stands("Account", acme, "AI_Summary__c"), "Makes rockets.");
    assert_eq!(stands("Account", acme, "AI_Score__c"), 7.0);
    assert_eq!(stands("Account", globex, "AI_Score__c"), 8.0);
    assert_eq!(stands("Opportunity", deal, "NextStep"), "Call procurement");
}

/// Twenty writes at once are allowed, one more is not.
async fn rate(session: &Session<'_>) {
    for (score, id) in (1..=2).flat_map(|score| OTHERS.map(|id| (score, id))) {
        session
            .writes(&format!("score {id} {score}"), &json!(204))
            .await;
    }
    let limited = Raised {
        step: format!("score {} 3", seed::INITECH),
        class: "SalesforceGeneralError",
        status: 429,
        text: "Error Code 429. Response content: [{'message': 'Not written: limit burst allows 10 \
               per second. Try again in 1 s.', 'errorCode': 'WRITEGATE_LIMITED'}]"
            .into(),
        reads: 1,
    };
    session.refused(&limited).await;
}

fn budget() -> Raised {
    of_403(
        "task",
        "/services/data/v59.0/sobjects/Task/",
        "{'message': 'Not written: limit daily-creates is used up (200 of 200 create in 1 d). Room \
         again at 2026-11-21 14:02 UTC; stop until then.', 'errorCode': 'WRITEGATE_BUDGET'}",
        0,
    )
}

fn stopped(step: &str, reads: usize) -> Raised {
    let path = format!("/services/data/v59.0/sobjects/Account/{}", seed::HOOLI);
    of_403(
        step,
        &path,
        "{'message': 'Not written: enrichment-agent was stopped at 14:18 UTC (dana). Only a person \
         can resume it. Stop working.', 'errorCode': 'WRITEGATE_STOPPED'}",
        reads,
    )
}

fn of_403(step: &str, path: &str, content: &str, reads: usize) -> Raised {
    Raised {
        step: step.into(),
        class: "SalesforceRefusedRequest",
        status: 403,
        text: format!("Request refused for {{base}}{path}. Response content: [{content}]"),
        reads,
    }
}

fn of_423(step: &str, content: &str, reads: usize) -> Raised {
    Raised {
        step: step.into(),
        class: "SalesforceGeneralError",
        status: 423,
        text: format!("Error Code 423. Response content: [{content}]"),
        reads,
    }
}

/// What is refused whatever the limits and switches say.
fn refusals() -> Vec<Raised> {
    let (acme, globex, deal) = (seed::ACME, seed::GLOBEX, seed::ACME_RENEWAL);
    let account = |id: &str| format!("/services/data/v59.0/sobjects/Account/{id}");
    let mut all = vec![
        of_403(
            &format!("overwrite {globex}"),
            &account(globex),
            "{'message': 'Not written: Account.Industry already has a value. Repeating this will \
             not help. [entry {entry}]', 'errorCode': 'WRITEGATE_DENIED', 'fields': ['Industry']}",
            1,
        ),
        of_403(
            &format!("amount {deal}"),
            &format!("/services/data/v59.0/sobjects/Opportunity/{deal}"),
            "{'message': 'Not written: Opportunity.Amount is not for sdr-agent (owner: VP Sales). \
             Leave it out and send the rest; repeating this will not help. [entry {entry}]', \
             'errorCode': 'WRITEGATE_DENIED', 'fields': ['Amount']}",
            0,
        ),
        of_423(
            &format!("stage {deal}"),
            "{'message': \"Not written yet: waits for Sales Ops and Deal Desk until 2026-11-23 14:02 \
             UTC. Repeat exactly this request later to get the CRM's answer; do not vary it. Why: \
             Opportunity.StageName is decided by Sales Ops; Stage changes on enterprise deals need \
             two people (rule enterprise-stage). [hold {hold}]\", 'errorCode': 'WRITEGATE_HELD', 'fields': ['StageName']}",
            1,
        ),
        of_403(
            &format!("bad_row {acme} {globex}"),
            "/services/data/v59.0/composite/sobjects",
            "{'message': 'Not written, 0 of 2: records[1]: Account.Industry already has a value. \
             Send the other one without them. [entry {entry}]', 'errorCode': 'WRITEGATE_DENIED', \
             'fields': ['Industry']}",
            1,
        ),
        of_423(
            &format!("delete {globex}"),
            "{'message': \"Not written yet: waits for RevOps until 2026-11-27 14:02 UTC. Repeat exactly \
             this request later to get the CRM's answer; do not vary it. Why: delete of Account is \
             decided by RevOps. [hold {hold}]\", 'errorCode': 'WRITEGATE_HELD'}",
            1,
        ),
        Raised {
            step: "unknown_record".into(),
            class: "SalesforceResourceNotFound",
            status: 404,
            text: "Resource Account Not Found. Response content: [{'message': 'The requested \
                   resource does not exist', 'errorCode': 'NOT_FOUND'}]"
                .into(),
            reads: 1,
        },
    ];
    all.extend(not_understood());
    all
}

/// What cannot be taken apart, or has more than one reading, or comes from nobody we know.
fn not_understood() -> Vec<Raised> {
    let (acme, globex) = (seed::ACME, seed::GLOBEX);
    let account = format!("/services/data/v59.0/sobjects/Account/{acme}");
    vec![
        of_403(
            "composite",
            "/services/data/v59.0/connect/unheard-of",
            "{'message': 'Not written: cannot tell what POST /services/data/v59.0/connect/unheard-of \
             would change (this may post or notify people: ask for an `endpoints` row). Use the \
             record APIs, or ask for an `endpoints` row. [entry {entry}]', 'errorCode': \
             'WRITEGATE_OPAQUE'}",
            0,
        ),
        of_403(
            "apex",
            "/services/apexrest/scoring/run",
            "{'message': \"Not written: cannot tell what POST /services/apexrest/scoring/run would \
             change (this runs the org's own code, which can change anything, even on GET: ask for \
             an `endpoints` row). Use the record APIs, or ask for an `endpoints` row. [entry \
             {entry}]\", 'errorCode': 'WRITEGATE_OPAQUE'}",
            0,
        ),
        Raised {
            step: format!("bulk {globex}"),
            class: "SalesforceRefusedRequest",
            status: 403,
            text: "Request refused for {base}/services/async/59.0/job/750Wg00000001IiIAI/batch. Response \
                   content: {'exceptionCode': 'WRITEGATE_DENIED', 'exceptionMessage': 'Not written, 0 of \
                   1: rows[0]: Account.Industry already has a value. Repeating this will not help. \
                   [entry {entry}]'}"
                .into(),
            // the job is made at the CRM, and the record is read
            reads: 2,
        },
        Raised {
            step: format!("twice {acme}"),
            class: "SalesforceMalformedRequest",
            status: 400,
            text: format!(
                "Malformed request {{base}}{account}. Response content: [{{'message': 'Not written: \
                 the JSON body is refused: two members of one object are named \"industry\" (names \
                 compare without case) at line 1 column 35.', 'errorCode': 'WRITEGATE_MALFORMED'}}]"
            ),
            reads: 0,
        },
        of_403(
            &format!("stranger {acme}"),
            &account,
            "{'message': 'Not written: no service account has this credential \
             (sha256:cb9afb7fd31d4c8af7b91373016f1c4ae62179518d8b1fbeb875c6419ff0a930). Add that \
             line to `tokens:` of one.', 'errorCode': 'WRITEGATE_UNKNOWN_CALLER'}",
            0,
        ),
    ]
}
