//! hubspot-api-client: host and `base_url`.

use serde_json::{Value, json};
use writegate::mutation::CrmKind;
use writegate::sandbox::seed;

use super::session::{Raised, Session, python};
use super::{installed, kill, pass, resume};
use crate::support::house::House;
use crate::support::skipped;

#[tokio::test]
async fn an_unmodified_hubspot_client_session() {
    let Some(python) = python() else {
        return skipped("hubspot-api-client", "the SDK (WRITEGATE_PYTHON)");
    };
    let (house, clock) = installed().await;
    let base = format!("https://{}", house.hubspot);
    let session = Session::start(&python, "hubspot_session.py", &base, &house);
    reads(&session).await;
    writes(&session, &house).await;
    for expected in refusals() {
        session.refused(&expected).await;
    }
    session.refused(&unknown_record()).await;
    session.answers("flow", &flow()).await;
    pass(&clock, 10);
    for _ in 0..20 {
        session.writes("notes 1", &json!(1)).await;
    }
    session.refused(&limited()).await;
    pass(&clock, 1);
    session.writes("notes 1", &json!(1)).await;
    for _ in 0..8 {
        pass(&clock, 90);
        session.writes("notes 20", &json!(20)).await;
    }
    pass(&clock, 180);
    session.writes("notes 19", &json!(19)).await;
    session.refused(&budget()).await;
    assert_eq!(house.sandbox.ids(CrmKind::HubSpot, "notes").len(), 200);
    kill(&house, "enrichment-agent", pass(&clock, 60)).await;
    session
        .refused(&stopped(&format!("score {} 5", seed::HS_WAYNE), true))
        .await;
    session
        .not_read(&stopped(&format!("get {}", seed::HS_WAYNE), false))
        .await;
    resume(&house).await;
    let score = format!("score {} 6", seed::HS_WAYNE);
    session.writes(&score, &json!("6")).await;
    drop(session);
    house.finish().await;
}

async fn reads(session: &Session<'_>) {
    let all = [
        "Acme Corporation",
        "Globex Industries",
        "Initech Software",
        "Umbrella Health",
        "Stark Manufacturing",
        "Wayne Logistics",
    ];
    let properties =
        json!({ "name": "string", "industry": "enumeration", "numberofemployees": "number" });
    let get = format!("get {}", seed::HS_ACME);
    session.reads(&get, &json!(all[0])).await;
    session.reads("list", &json!(all[..3])).await;
    session.reads("pages", &json!([all[..4], all[4..]])).await;
    session.reads("all", &json!(all)).await;
    session
        .reads("search", &json!([all[0], all[1], all[5]]))
        .await;
    session.reads("describe", &properties).await;
    let owners = json!(["dana@sandbox.example", "kim@sandbox.example"]);
    session.reads("owners", &owners).await;
    session.not_read(&not_found("missing", "")).await;
}

async fn writes(session: &Session<'_>, house: &House) {
    let (acme, globex, deal) = (seed::HS_ACME, seed::HS_GLOBEX, seed::HS_ACME_RENEWAL);
    let software = json!("COMPUTER_SOFTWARE");
    session.writes(&format!("fill {acme}"), &software).await;
    session.reads(&format!("read_back {acme}"), &software).await;
    session
        .writes(&format!("score {acme} 5"), &json!("5"))
        .await;
    let told = json!("Call procurement");
    session
        .writes(&format!("describe_deal {deal}"), &told)
        .await;
    let complete = json!("COMPLETE");
    session
        .writes(&format!("batch {acme} {globex}"), &complete)
        .await;
    let stands = |object: &str, id: &str, property: &str| -> Value {
        let record = house.sandbox.record(CrmKind::HubSpot, object, id);
        record.unwrap()[property].clone()
    };
    assert_eq!(stands("companies", acme, "industry"), software);
    assert_eq!(stands("companies", acme, "ai_score"), "7");
    assert_eq!(stands("companies", globex, "ai_score"), "8");
    assert_eq!(stands("deals", deal, "description"), told);
}

/// A refusal as HubSpot's exceptions show it: status, headers, body. `context` goes without the entry.
pub(super) struct Told<'a> {
    pub(super) status: u16,
    pub(super) message: &'a str,
    pub(super) category: &'a str,
    pub(super) context: Value,
    /// `deny` or `hold`; none where nothing is recorded.
    pub(super) verdict: Option<&'a str>,
    /// `Retry-After`.
    pub(super) retry: Option<u64>,
}

impl Told<'_> {
    fn denied<'a>(message: &'a str, category: &'a str, context: Value) -> Told<'a> {
        Told {
            status: 403,
            message,
            category,
            context,
            verdict: Some("deny"),
            retry: None,
        }
    }

    fn held(message: &str, context: Value) -> Told<'_> {
        Told {
            status: 423,
            verdict: Some("hold"),
            ..Told::denied(message, "WRITEGATE_HELD", context)
        }
    }

    pub(super) fn raised(self, step: &str, reads: usize) -> Raised {
        let (class, reason) = match self.status {
            403 => ("ForbiddenException", "Forbidden"),
            423 => ("ApiException", "Locked"),
            502 => ("ServiceException", "Bad Gateway"),
            _ => ("ApiException", "Too Many Requests"),
        };
        let mut context = self.context;
        if self.verdict.is_some() {
            context["entry"] = json!(["{entry}"]);
        }
        let mut body = json!({
            "status": "error",
            "message": self.message,
            "correlationId": "…",
            "category": self.category,
        });
        if context != json!({}) {
            body["context"] = context;
        }
        let body = body.to_string();
        // An entry's id has 26 characters, a correlation id 36.
        let length = body.replace("{entry}", &"E".repeat(26));
        let length = length.replace("{hold}", "HHHH");
        let length = length.replace('…', &"C".repeat(36)).len();
        let again = match self.retry {
            Some(seconds) => format!("'retry-after': '{seconds}'"),
            None => "'x-should-retry': 'false'".into(),
        };
        let ours = match self.verdict {
            Some(verdict) => {
                format!(", 'x-writegate-entry': '{{entry}}', 'x-writegate-verdict': '{verdict}'")
            }
            None => String::new(),
        };
        Raised {
            step: step.into(),
            class,
            status: self.status,
            text: format!(
                "({})\nReason: {reason}\nHTTP response headers: HTTPHeaderDict({{'content-type': \
                 'application/json', {again}{ours}, 'content-length': '{length}', 'date': '…'}})\n\
                 HTTP response body: {body}\n",
                self.status
            ),
            reads,
        }
    }
}

/// What is refused whatever the limits and switches say.
fn refusals() -> Vec<Raised> {
    let (acme, globex, deal) = (seed::HS_ACME, seed::HS_GLOBEX, seed::HS_ACME_RENEWAL);
    vec![
        Told::denied(
            "Not written: companies.industry already has a value. Repeating this will not help. \
             [entry {entry}]",
            "WRITEGATE_DENIED",
            json!({ "rule": ["field companies.industry"], "fields": ["industry"] }),
        )
        .raised(&format!("overwrite {globex}"), 1),
        Told::denied(
            "Not written: deals.amount is not for sdr-agent (owner: VP Sales). Leave it out and \
             send the rest; repeating this will not help. [entry {entry}]",
            "WRITEGATE_DENIED",
            json!({ "rule": ["field deals.amount"], "fields": ["amount"] }),
        )
        .raised(&format!("amount {deal}"), 0),
        Told::held(
            "Not written yet: waits for Sales Ops and Deal Desk until 2026-11-23 14:02 UTC. Repeat \
             exactly this request later to get the CRM's answer; do not vary it. Why: \
             deals.dealstage is decided by Sales Ops; Stage changes on enterprise deals need two \
             people (rule hubspot-enterprise-stage). [hold {hold}]",
            json!({ "rule": ["field deals.dealstage"], "fields": ["dealstage"] }),
        )
        .raised(&format!("stage {deal}"), 1),
        Told::denied(
            "Not written, 0 of 2: inputs[1]: companies.industry already has a value. Send the other \
             one without them. [entry {entry}]",
            "WRITEGATE_DENIED",
            json!({
                "rule": ["field companies.industry"],
                "rows": ["inputs[1]"],
                "fields": ["industry"],
            }),
        )
        .raised(&format!("bad_row {acme} {globex}"), 1),
        Told::held(
            "Not written yet: waits for RevOps until 2026-11-27 14:02 UTC. Repeat exactly this \
             request later to get the CRM's answer; do not vary it. Why: delete of companies is \
             decided by RevOps. [hold {hold}]",
            json!({ "rule": ["operation companies.delete"] }),
        )
        .raised(&format!("archive {globex}"), 2),
        Told::denied(
            "Not written: schema of pipelines is not for enrichment-agent. Repeating this will not \
             help. [entry {entry}]",
            "WRITEGATE_DENIED",
            json!({ "rule": ["operation pipelines.schema"] }),
        )
        .raised("pipeline", 0),
        Told::denied(
            "Not written: no service account has this credential \
             (sha256:168d7357701c04898cfba10afdce8e63694f288e5466952feadada5b3fd55367). Add that \
             line to `tokens:` of one.",
            "WRITEGATE_UNKNOWN_CALLER",
            json!({}),
        )
        .raised(&format!("stranger {acme}"), 0),
    ]
}

/// `api_request` raises nothing: it gives the answer as it is.
fn flow() -> Value {
    json!([
        403,
        "WRITEGATE_DENIED",
        "Not written: invoke of flows is not for enrichment-agent. Repeating this will not help. \
         [entry {entry}]"
    ])
}

/// Twenty writes at once are allowed, one more is not.
fn limited() -> Raised {
    Told {
        status: 429,
        retry: Some(1),
        ..Told::denied(
            "Not written: limit hubspot-burst allows 10 per second. Try again in 1 s.",
            "WRITEGATE_LIMITED",
            json!({ "rule": ["limit hubspot-burst"] }),
        )
    }
    .raised("notes 1", 0)
}

fn budget() -> Raised {
    Told::denied(
        "Not written: limit hubspot-daily-creates is used up (200 of 200 create in 1 d). Room again \
         at 2026-11-21 14:03 UTC; stop until then.",
        "WRITEGATE_BUDGET",
        json!({ "rule": ["limit hubspot-daily-creates"] }),
    )
    .raised("notes 1", 0)
}

/// A stopped write has an entry, a stopped read has none.
fn stopped(step: &str, write: bool) -> Raised {
    Told {
        verdict: write.then_some("deny"),
        ..Told::denied(
            "Not written: enrichment-agent was stopped at 14:18 UTC (dana). Only a person can \
             resume it. Stop working.",
            "WRITEGATE_STOPPED",
            json!({ "rule": ["kill switch"] }),
        )
    }
    .raised(step, 0)
}

/// A fill of a record that no read returns: it is not taken for a blank one.
fn unknown_record() -> Raised {
    Told::denied(
        "Not written: the present value of companies.industry cannot be known. Repeating this will \
         not help. [entry {entry}]",
        "WRITEGATE_DENIED",
        json!({ "rule": ["field companies.industry"], "fields": ["industry"] }),
    )
    .raised("unknown_record", 1)
}

fn not_found(step: &str, ours: &str) -> Raised {
    Raised {
        step: step.into(),
        class: "NotFoundException",
        status: 404,
        text: format!(
            "(404)\nReason: Not Found\nHTTP response headers: \
             HTTPHeaderDict({{'x-hubspot-ratelimit-max': '190', 'x-hubspot-ratelimit-remaining': \
             '189', 'x-hubspot-ratelimit-interval-milliseconds': '10000', \
             'x-hubspot-ratelimit-daily': '1000000', 'x-hubspot-ratelimit-daily-remaining': '…', \
             'content-type': 'application/json;charset=UTF-8', 'date': '…', 'content-length': \
             '164'{ours}}})\nHTTP response body: {{\"status\":\"error\",\"message\":\"Object not \
             found.  objectId are usually numeric.\",\"correlationId\":\"…\",\"category\":\
             \"OBJECT_NOT_FOUND\"}}\n"
        ),
        reads: 1,
    }
}
