//! What the rules say: denied, held, opaque.

use http::Method;
use serde_json::{Value, json};
use writegate::mutation::CrmKind;
use writegate::sandbox::seed;

use super::{BOTH, Expected, clock, expected, house_with, recorded};
use crate::support::house::House;

const SALESFORCE: &str = "
crm: salesforce
default: allow
objects:
  '*':
    create: { agents: allow }
    delete: { sdr-agent: allow, owner: RevOps }
  Opportunity:
    fields:
      Amount: { owner: VP Sales }
      StageName: { agents: hold, owner: Sales Ops }
  Account: { fields: { Industry: { agents: fill-else-deny, owner: RevOps } } }
rules:
  - name: no-tests
    applies: { object: Account, field: Name }
    when: { after.Name: { matches: '^Test' } }
    then: deny
    reason: Test accounts belong in the sandbox.
";
const HUBSPOT: &str = "
crm: hubspot
default: allow
objects:
  '*':
    create: { agents: allow }
    delete: { sdr-agent: allow, owner: RevOps }
  deals:
    fields:
      amount: { owner: VP Sales }
      dealstage: { agents: hold, owner: Sales Ops }
  companies: { fields: { industry: { agents: fill-else-deny, owner: RevOps } } }
rules:
  - name: no-test-companies
    applies: { object: companies, field: name }
    when: { after.name: { matches: '^Test' } }
    then: deny
    reason: Test accounts belong in the sandbox.
";

struct Case {
    crm: CrmKind,
    line: String,
    body: Option<Value>,
    says: Expected,
    /// Fields and rows beside the message.
    fields: Value,
    rows: Value,
}

impl Case {
    /// Without a body where that is null.
    fn of(crm: CrmKind, line: &str, body: Value, says: Expected) -> Self {
        Self {
            crm,
            line: line.to_owned(),
            body: Some(body).filter(|body| !body.is_null()),
            says,
            fields: Value::Null,
            rows: Value::Null,
        }
    }

    fn fields(mut self, fields: Value) -> Self {
        self.fields = fields;
        self
    }

    fn rows(mut self, rows: Value) -> Self {
        self.rows = rows;
        self
    }
}

fn denied(message: &str) -> Expected {
    expected(
        403,
        "WRITEGATE_DENIED",
        format!("{message} [entry {{entry}}]"),
    )
}

async fn run(house: &House, case: &Case) {
    let (method, target) = case.line.split_once(' ').unwrap();
    let method: Method = method.parse().unwrap();
    let agent = house.agent_of(case.crm);
    let reply = agent.send(method, target, case.body.as_ref()).await;
    let entry = case.says.check(&reply, case.crm);
    if reply.code() != "WRITEGATE_HELD" {
        recorded(house, entry.as_deref(), &reply.message()).await;
    }
    let body = reply.json();
    let (fields, rows) = match case.crm {
        CrmKind::Salesforce => (&body[0]["fields"], &Value::Null),
        CrmKind::HubSpot => (&body["context"]["fields"], &body["context"]["rows"]),
    };
    assert_eq!(*fields, case.fields, "{body}");
    if case.crm == CrmKind::HubSpot {
        assert_eq!(*rows, case.rows, "{body}");
    }
    // Prior values: Globex makes machines, Acme's renewal is in negotiation.
    let text = reply.text();
    for value in [
        "Manufactur",
        "MACHINERY",
        "Negotiation",
        "contractsent",
        "250000",
        "Globex",
    ] {
        assert!(!text.contains(value), "{text}");
    }
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn single() -> Vec<Case> {
    let data = "/services/data/v60.0/sobjects";
    let objects = "/crm/v3/objects";
    let of = Case::of;
    let (sf, hs) = BOTH.into();
    let amount = |object: &str| {
        denied(&format!(
            "Not written: {object} is not for enrichment-agent (owner: VP Sales). Leave it out and \
             send the rest; repeating this will not help."
        ))
    };
    let filled = |field: &str| {
        denied(&format!(
            "Not written: {field} already has a value. Repeating this will not help."
        ))
    };
    let deleted = |object: &str| {
        denied(&format!(
            "Not written: delete of {object} is not for enrichment-agent (owner: RevOps). Repeating \
             this will not help."
        ))
    };
    let ruled = |rule: &str| {
        denied(&format!(
            "Not written: Test accounts belong in the sandbox (rule {rule}). Leave it out and send \
             the rest; repeating this will not help."
        ))
    };
    let held = |field: &str| {
        expected(
            423,
            "WRITEGATE_HELD",
            format!(
                "Not written yet: waits for Sales Ops until 2026-11-27 14:02 UTC. Repeat exactly this \
                 request later to get the CRM's answer; do not vary it. Why: {field} is decided by \
                 Sales Ops. [hold {{hold}}]"
            ),
        )
        .verdict(Some("hold"))
    };
    let renewal = format!("PATCH {data}/Opportunity/{}", seed::ACME_RENEWAL);
    let deal = format!("PATCH {objects}/deals/{}", seed::HS_ACME_RENEWAL);
    let globex = format!("PATCH {data}/Account/{}", seed::GLOBEX);
    let company = format!("PATCH {objects}/companies/{}", seed::HS_GLOBEX);
    let properties = |properties: Value| json!({ "properties": properties });
    vec![
        of(
            sf,
            &renewal,
            json!({ "Amount": 5, "NextStep": "call" }),
            amount("Opportunity.Amount"),
        )
        .fields(json!(["Amount"])),
        of(
            hs,
            &deal,
            properties(json!({ "amount": "5", "next_step": "call" })),
            amount("deals.amount"),
        )
        .fields(json!(["amount"])),
        of(
            sf,
            &globex,
            json!({ "Industry": "Retail" }),
            filled("Account.Industry"),
        )
        .fields(json!(["Industry"])),
        of(
            hs,
            &company,
            properties(json!({ "industry": "RETAIL" })),
            filled("companies.industry"),
        )
        .fields(json!(["industry"])),
        of(
            sf,
            &format!("DELETE {data}/Account/{}", seed::ACME),
            Value::Null,
            deleted("Account"),
        ),
        of(
            hs,
            &format!("DELETE {objects}/companies/{}", seed::HS_ACME),
            Value::Null,
            deleted("companies"),
        ),
        of(
            sf,
            &globex,
            json!({ "Name": "Test one", "Phone": "1" }),
            ruled("no-tests"),
        )
        .fields(json!(["Name"])),
        of(
            hs,
            &company,
            properties(json!({ "name": "Test one", "phone": "1" })),
            ruled("no-test-companies"),
        )
        .fields(json!(["name"])),
        of(
            sf,
            &renewal,
            json!({ "StageName": "Closed Won" }),
            held("Opportunity.StageName"),
        )
        .fields(json!(["StageName"])),
        of(
            hs,
            &deal,
            properties(json!({ "dealstage": "closedwon" })),
            held("deals.dealstage"),
        )
        .fields(json!(["dealstage"])),
    ]
}

fn batches() -> Vec<Case> {
    let (sf, hs) = BOTH.into();
    let ids = [seed::ACME, seed::GLOBEX, seed::INITECH, seed::HOOLI];
    let hs_ids = [
        seed::HS_ACME,
        seed::HS_GLOBEX,
        seed::HS_INITECH,
        seed::HS_UMBRELLA,
    ];
    let rows = |ids: &[&str]| -> Value {
        let row = |id: &&str| json!({ "attributes": { "type": "Account" }, "id": id, "Industry": "Retail" });
        json!({ "records": ids.iter().map(row).collect::<Value>() })
    };
    let inputs = |ids: &[&str]| -> Value {
        let row = |id: &&str| json!({ "id": id, "properties": { "industry": "RETAIL" } });
        json!({ "inputs": ids.iter().map(row).collect::<Value>() })
    };
    let two = |rows: &str, field: &str| {
        denied(&format!(
            "Not written, 0 of 4: {rows}: {field} already has a value. Send the other 2 without them."
        ))
    };
    let many: Vec<Value> = (0..13)
        .map(|row| json!({ "attributes": { "type": "Account" }, "Name": format!("Test {row}") }))
        .collect();
    let many_inputs: Vec<Value> = (0..13)
        .map(|row| json!({ "properties": { "name": format!("Test {row}") } }))
        .collect();
    let ten = |list: &str| -> String {
        (0..10)
            .map(|row| format!("{list}[{row}]"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let all = |list: &str| -> Value { (0..13).map(|row| format!("{list}[{row}]")).collect() };
    let thirteen = |list: &str, rule: &str| {
        denied(&format!(
            "Not written, 0 of 13: {} and 3 more: Test accounts belong in the sandbox (rule \
             {rule}). Repeating this will not help.",
            ten(list)
        ))
    };
    vec![
        Case::of(
            sf,
            "PATCH /services/data/v60.0/composite/sobjects",
            rows(&ids),
            two("records[1], records[2]", "Account.Industry"),
        )
        .fields(json!(["Industry"])),
        Case::of(
            hs,
            "POST /crm/v3/objects/companies/batch/update",
            inputs(&hs_ids),
            two("inputs[1], inputs[2]", "companies.industry"),
        )
        .fields(json!(["industry"]))
        .rows(json!(["inputs[1]", "inputs[2]"])),
        Case::of(
            sf,
            "POST /services/data/v60.0/composite/sobjects",
            json!({ "records": many }),
            thirteen("records", "no-tests"),
        )
        .fields(json!(["Name"])),
        Case::of(
            hs,
            "POST /crm/v3/objects/companies/batch/create",
            json!({ "inputs": many_inputs }),
            thirteen("inputs", "no-test-companies"),
        )
        .fields(json!(["name"]))
        .rows(all("inputs")),
    ]
}

fn not_understood() -> Vec<Case> {
    let says = |line: &str, why: &str| {
        expected(
            403,
            "WRITEGATE_OPAQUE",
            format!(
                "Not written: cannot tell what {line} would change ({why}). Use the record APIs, or \
                 ask for an `endpoints` row. [entry {{entry}}]"
            ),
        )
    };
    let graph = "POST /services/data/v60.0/composite/unheard-of";
    let event = "DELETE /engagements/v1/engagements/1";
    vec![
        Case::of(
            CrmKind::Salesforce,
            graph,
            json!({ "graphs": [] }),
            says(
                graph,
                "no such composite request is documented: use POST /composite, /composite/batch, \
                 /composite/graph, /composite/tree/{type}, or /composite/sobjects",
            ),
        ),
        Case::of(
            CrmKind::HubSpot,
            event,
            json!({ "name": "x" }),
            says(
                "DELETE /engagements/v1/engagements/*",
                "use /crm/v3/objects/notes, tasks, calls, meetings or emails",
            ),
        ),
    ]
}

#[tokio::test]
async fn what_the_rules_say() {
    let house = house_with(clock(), SALESFORCE, HUBSPOT).build().await;
    let kinds = [single(), batches(), not_understood()];
    let cases: Vec<Case> = kinds.into_iter().flatten().collect();
    for case in &cases {
        run(&house, case).await;
    }
    println!(
        "answers of the rules: {} checked word for word",
        cases.len()
    );
    assert!(house.sandbox.writes().is_empty());
    house.finish().await;
}
