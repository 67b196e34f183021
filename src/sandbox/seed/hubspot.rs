//! The HubSpot portal's seed records: the same companies, people and deals as in Salesforce.

use serde_json::Value;

use super::super::hubspot::Portal;
use super::{
    HS_ACME, HS_ACME_RENEWAL, HS_ALICE, HS_GLOBEX, HS_GLOBEX_EXPANSION, HS_HANK, HS_INITECH,
    HS_INITECH_PILOT, HS_PEPPER, HS_PETER, HS_STARK, HS_UMBRELLA, HS_WAYNE, HS_WILE, records,
};

pub(super) fn fill(portal: &mut Portal) {
    let companies = [
        HS_ACME,
        HS_GLOBEX,
        HS_INITECH,
        HS_UMBRELLA,
        HS_STARK,
        HS_WAYNE,
    ];
    let contacts = [HS_WILE, HS_HANK, HS_PETER, HS_ALICE, HS_PEPPER];
    let deals = [HS_ACME_RENEWAL, HS_GLOBEX_EXPANSION, HS_INITECH_PILOT];
    let tables: [(&str, &[&str], &str); 3] = [
        ("companies", &companies, COMPANIES),
        ("contacts", &contacts, CONTACTS),
        ("deals", &deals, DEALS),
    ];
    for (object, ids, table) in tables {
        for record in records(ids, table, |text| Value::from(text)) {
            portal.place(object, record);
        }
    }
    // the first contacts and deals belong to the first companies
    for (contact, company) in contacts.into_iter().zip(companies) {
        portal.link(("contacts", contact), ("companies", company));
    }
    for (deal, company) in deals.into_iter().zip(companies) {
        portal.link(("deals", deal), ("companies", company));
    }
}

const COMPANIES: &str = "
name                | domain           | industry                   | numberofemployees | annualrevenue | phone           | city          | country | lifecyclestage         | ext_id | hubspot_owner_id | ai_score | ai_summary                    | next_step
Acme Corporation    | acme.example     |                            |                   |               | +1 520 555 0101 | Tucson        | USA     | customer               | A-1001 | 77001            |          |                               | Renewal call with procurement
Globex Industries   | globex.example   | MACHINERY                  | 4200              | 910000000     |                 | Cypress Creek | USA     | customer               | A-1002 | 77001            | 82       | Expanding into two new plants |
Initech Software    | initech.example  | COMPUTER_SOFTWARE          |                   |               |                 | Austin        | USA     | opportunity            | A-1003 | 77001            |          |                               |
Umbrella Health     | umbrella.example |                            | 15000             |               |                 | Berlin        | Germany | marketingqualifiedlead | A-1004 | 77002            |          |                               |
Stark Manufacturing | stark.example    | MACHINERY                  | 8800              |               |                 | New York      | USA     | opportunity            | A-1005 | 77002            |          |                               |
Wayne Logistics     | wayne.example    | LOGISTICS_AND_SUPPLY_CHAIN | 2300              | 310000000     |                 | Gotham        | USA     | customer               | A-1006 | 77002            |          |                               |
";

const CONTACTS: &str = "
firstname | lastname  | email                  | jobtitle        | company             | lifecyclestage         | hubspot_owner_id
Wile      | Coyote    | wile@acme.example      | Head of Product | Acme Corporation    | customer               | 77001
Hank      | Scorpio   | hank@globex.example    | COO             | Globex Industries   | customer               | 77001
Peter     | Gibbons   | peter@initech.example  | Engineer        | Initech Software    | opportunity            | 77001
Alice     | Abernathy | alice@umbrella.example | CISO            | Umbrella Health     | marketingqualifiedlead | 77002
Pepper    | Potts     | pepper@stark.example   | COO             | Stark Manufacturing | opportunity            | 77002
";

const DEALS: &str = "
dealname          | amount | dealstage             | pipeline | closedate                | hs_manual_forecast_category | hubspot_owner_id
Acme renewal 2027 | 250000 | contractsent          | default  | 2026-12-18T00:00:00.000Z | COMMIT                      | 77001
Globex expansion  | 480000 | presentationscheduled | default  | 2027-01-29T00:00:00.000Z | BEST_CASE                   | 77001
Initech pilot     | 18000  | qualifiedtobuy        | default  | 2027-02-26T00:00:00.000Z | PIPELINE                    | 77001
";
