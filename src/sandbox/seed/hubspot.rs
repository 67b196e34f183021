//! The HubSpot portal's seed records: the same companies, people and deals as in Salesforce.

use serde_json::{Value, json};

use super::super::hubspot::Portal;
use super::{
    HS_ACME, HS_ACME_RENEWAL, HS_ALICE, HS_GLOBEX, HS_GLOBEX_EXPANSION, HS_HANK, HS_INITECH,
    HS_INITECH_PILOT, HS_PEPPER, HS_PETER, HS_STARK, HS_UMBRELLA, HS_WAYNE, HS_WILE, OWNERS,
    record,
};

pub(super) fn fill(portal: &mut Portal) {
    let groups = [
        ("companies", companies()),
        ("contacts", contacts()),
        ("deals", deals()),
    ];
    for (object, rows) in groups {
        for (id, fields) in rows {
            portal.place(object, record(id, fields));
        }
    }
    for (contact, company) in [
        (HS_WILE, HS_ACME),
        (HS_HANK, HS_GLOBEX),
        (HS_PETER, HS_INITECH),
        (HS_ALICE, HS_UMBRELLA),
        (HS_PEPPER, HS_STARK),
    ] {
        portal.link(("contacts", contact), ("companies", company));
    }
    for (deal, company) in [
        (HS_ACME_RENEWAL, HS_ACME),
        (HS_GLOBEX_EXPANSION, HS_GLOBEX),
        (HS_INITECH_PILOT, HS_INITECH),
    ] {
        portal.link(("deals", deal), ("companies", company));
    }
}

type Rows = Vec<(&'static str, Value)>;

/// The owner of most records.
fn owner() -> &'static str {
    let [(first, ..), _] = OWNERS;
    first
}

fn companies() -> Rows {
    vec![
        (
            HS_ACME,
            json!({
                "name": "Acme Corporation", "domain": "acme.example", "phone": "+1 520 555 0101",
                "city": "Tucson", "country": "USA", "lifecyclestage": "customer",
                "next_step": "Renewal call with procurement", "ext_id": "A-1001",
                "hubspot_owner_id": owner(),
            }),
        ),
        (
            HS_GLOBEX,
            json!({
                "name": "Globex Industries", "domain": "globex.example", "industry": "MACHINERY",
                "numberofemployees": "4200", "annualrevenue": "910000000", "city": "Cypress Creek",
                "lifecyclestage": "customer", "ai_summary": "Expanding into two new plants.",
                "ai_score": "82", "ext_id": "A-1002", "hubspot_owner_id": owner(),
            }),
        ),
        (
            HS_INITECH,
            json!({
                "name": "Initech Software", "domain": "initech.example",
                "industry": "COMPUTER_SOFTWARE", "city": "Austin", "lifecyclestage": "opportunity",
                "ext_id": "A-1003",
            }),
        ),
        (
            HS_UMBRELLA,
            json!({
                "name": "Umbrella Health", "domain": "umbrella.example", "numberofemployees": "15000",
                "city": "Berlin", "lifecyclestage": "marketingqualifiedlead", "ext_id": "A-1004",
            }),
        ),
        (
            HS_STARK,
            json!({
                "name": "Stark Manufacturing", "domain": "stark.example", "industry": "MACHINERY",
                "numberofemployees": "8800", "lifecyclestage": "opportunity", "ext_id": "A-1005",
            }),
        ),
        (
            HS_WAYNE,
            json!({
                "name": "Wayne Logistics", "domain": "wayne.example",
                "industry": "LOGISTICS_AND_SUPPLY_CHAIN", "numberofemployees": "2300",
                "annualrevenue": "310000000", "lifecyclestage": "customer", "ext_id": "A-1006",
            }),
        ),
    ]
}

fn contacts() -> Rows {
    let contact = |first: &str, last: &str, title: &str, company: &str, stage: &str| {
        let host = company.to_lowercase();
        json!({
            "firstname": first, "lastname": last, "jobtitle": title, "company": company,
            "email": format!("{}@{host}.example", first.to_lowercase()),
            "lifecyclestage": stage, "hubspot_owner_id": owner(),
        })
    };
    vec![
        (
            HS_WILE,
            contact("Wile", "Coyote", "Head of Product", "Acme", "customer"),
        ),
        (
            HS_HANK,
            contact("Hank", "Scorpio", "CEO", "Globex", "customer"),
        ),
        (
            HS_PETER,
            contact("Peter", "Gibbons", "Engineer", "Initech", "opportunity"),
        ),
        (
            HS_ALICE,
            contact(
                "Alice",
                "Abernathy",
                "CISO",
                "Umbrella",
                "marketingqualifiedlead",
            ),
        ),
        (
            HS_PEPPER,
            contact("Pepper", "Potts", "COO", "Stark", "opportunity"),
        ),
    ]
}

fn deals() -> Rows {
    let deal = |name: &str, amount: &str, stage: &str, closes: &str, forecast: &str| {
        json!({
            "dealname": name, "amount": amount, "dealstage": stage, "pipeline": "default",
            "closedate": format!("{closes}T00:00:00.000Z"),
            "hs_manual_forecast_category": forecast, "hubspot_owner_id": owner(),
        })
    };
    vec![
        (
            HS_ACME_RENEWAL,
            deal(
                "Acme renewal 2027",
                "250000",
                "contractsent",
                "2026-12-18",
                "COMMIT",
            ),
        ),
        (
            HS_GLOBEX_EXPANSION,
            deal(
                "Globex expansion",
                "480000",
                "presentationscheduled",
                "2027-01-29",
                "BEST_CASE",
            ),
        ),
        (
            HS_INITECH_PILOT,
            deal(
                "Initech pilot",
                "18000",
                "qualifiedtobuy",
                "2027-02-26",
                "PIPELINE",
            ),
        ),
    ]
}
