//! Scenes about what is written: a blank that is filled, a field that is somebody else's, a value that
//! is there already, a batch.

use http::Method;
use serde_json::{Value, json};

use crate::demo::cast::{Agent, ENRICHMENT};
use crate::demo::scene::{Ask, Scene, Trouble};
use crate::mutation::CrmKind;
use crate::sandbox::seed;

const SALESFORCE: CrmKind = CrmKind::Salesforce;
const HUBSPOT: CrmKind = CrmKind::HubSpot;

/// An agent writes fields of one record.
pub(in crate::demo) fn update(
    agent: Agent,
    crm: CrmKind,
    object: &str,
    id: &str,
    fields: Value,
) -> Ask {
    let (target, body) = match crm {
        CrmKind::Salesforce => (
            format!("/services/data/v60.0/sobjects/{object}/{id}"),
            fields,
        ),
        CrmKind::HubSpot => (
            format!("/crm/v3/objects/{object}/{id}"),
            json!({ "properties": fields }),
        ),
    };
    Ask {
        agent,
        crm,
        method: Method::PATCH,
        target,
        body: Some(body),
    }
}

pub(super) async fn fills(scene: &mut Scene<'_, '_>) -> Result<(), Trouble> {
    let fields = json!({ "Industry": "Manufacturing", "NumberOfEmployees": 1200 });
    let ask = update(ENRICHMENT, SALESFORCE, "Account", seed::ACME, fields);
    let seen = scene.ask(&ask).await?;
    scene.expect_done(&seen, 204);
    scene.expect_change(&seen, "Industry", Value::Null, json!("Manufacturing"));
    scene.expect_change(&seen, "NumberOfEmployees", Value::Null, json!(1200));
    let field = |name| (SALESFORCE, "Account", seed::ACME, name);
    scene.expect_record(field("Industry"), json!("Manufacturing"));
    scene.expect_record(field("NumberOfEmployees"), json!(1200));
    Ok(())
}

pub(super) async fn fills_hubspot(scene: &mut Scene<'_, '_>) -> Result<(), Trouble> {
    let fields = json!({ "industry": "MACHINERY" });
    let ask = update(ENRICHMENT, HUBSPOT, "companies", seed::HS_ACME, fields);
    let seen = scene.ask(&ask).await?;
    scene.expect_done(&seen, 200);
    scene.expect_change(&seen, "industry", Value::Null, json!("MACHINERY"));
    let field = (HUBSPOT, "companies", seed::HS_ACME, "industry");
    scene.expect_record(field, json!("MACHINERY"));
    Ok(())
}

pub(super) async fn denied(scene: &mut Scene<'_, '_>) -> Result<(), Trouble> {
    let fields = json!({ "Amount": 5 });
    let ask = update(
        ENRICHMENT,
        SALESFORCE,
        "Opportunity",
        seed::ACME_RENEWAL,
        fields,
    );
    let seen = scene.ask(&ask).await?;
    scene.expect_refused(&seen, "WRITEGATE_DENIED");
    scene.expect_rules(&seen, &["field Opportunity.Amount"]);
    scene.check("reads at the CRM", 0, seen.crm.reads);
    let field = (SALESFORCE, "Opportunity", seed::ACME_RENEWAL, "Amount");
    scene.expect_record(field, json!(250_000.0));
    Ok(())
}

pub(super) async fn overwrites(scene: &mut Scene<'_, '_>) -> Result<(), Trouble> {
    let fields = json!({ "industry": "RETAIL" });
    let ask = update(ENRICHMENT, HUBSPOT, "companies", seed::HS_GLOBEX, fields);
    let seen = scene.ask(&ask).await?;
    scene.expect_refused(&seen, "WRITEGATE_DENIED");
    scene.expect_rules(&seen, &["field companies.industry"]);
    let field = (HUBSPOT, "companies", seed::HS_GLOBEX, "industry");
    scene.expect_record(field, json!("MACHINERY"));
    Ok(())
}

/// Accounts and headcounts; Globex and Wonka have one already.
const HEADCOUNTS: [(&str, u32); 5] = [
    (seed::INITECH, 310),
    (seed::GLOBEX, 4300),
    (seed::HOOLI, 950),
    (seed::WONKA, 700),
    (seed::SOYLENT, 120),
];

pub(super) async fn batch(scene: &mut Scene<'_, '_>) -> Result<(), Trouble> {
    let seen = scene.ask(&collection(&HEADCOUNTS)).await?;
    scene.expect_refused(&seen, "WRITEGATE_DENIED");
    scene.expect_rules(&seen, &["field Account.NumberOfEmployees"]);
    let message = seen.reply.message().unwrap_or_default();
    for (row, (id, _)) in HEADCOUNTS.iter().enumerate() {
        let bad = [seed::GLOBEX, seed::WONKA].contains(id);
        let what = format!("records[{row}] named");
        scene.check(&what, bad, message.contains(&format!("records[{row}]")));
    }
    let field = |id| (SALESFORCE, "Account", id, "NumberOfEmployees");
    scene.expect_record(field(seed::INITECH), Value::Null);
    scene.expect_record(field(seed::GLOBEX), json!(4200));

    scene.paper.gap()?;
    let good: Vec<(&str, u32)> = HEADCOUNTS
        .into_iter()
        .filter(|(id, _)| ![seed::GLOBEX, seed::WONKA].contains(id))
        .collect();
    let seen = scene.ask(&collection(&good)).await?;
    scene.expect_done(&seen, 200);
    for (id, count) in good {
        scene.expect_record(field(id), json!(count));
    }
    Ok(())
}

/// sObject Collections: up to 200 records in one request.
fn collection(rows: &[(&str, u32)]) -> Ask {
    let record = |(id, count): &(&str, u32)| json!({ "attributes": { "type": "Account" }, "id": id, "NumberOfEmployees": count });
    let records: Vec<Value> = rows.iter().map(record).collect();
    Ask {
        agent: ENRICHMENT,
        crm: SALESFORCE,
        method: Method::PATCH,
        target: "/services/data/v60.0/composite/sobjects".into(),
        body: Some(json!({ "allOrNone": false, "records": records })),
    }
}
