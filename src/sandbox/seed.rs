//! The seed data: a small sales team's CRM, with the gaps and the deals that the demo and the tests
//! talk about. Every id stands here, and nowhere else.

mod hubspot;
mod salesforce;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::hubspot::Portal;
use super::salesforce::Org;
use super::store::Record;

/// The Salesforce org.
pub const ORGANIZATION: &str = "00DWg0000000001MAA";
/// The user as whom the tokens act.
pub const INTEGRATION_USER: &str = "005Wg0000000001IAA";
/// Dana Reyes of sales, who owns most records.
pub const SALES_USER: &str = "005Wg0000000002IAA";
/// Kim Osei of sales operations.
pub const OPERATIONS_USER: &str = "005Wg0000000003IAA";

/// Acme Corporation: `Industry` and `NumberOfEmployees` are blank, `Ext_Id__c` is `A-1001`.
pub const ACME: &str = "001Wg0000000001IAA";
/// Globex Industries: `Industry` is Manufacturing, `NumberOfEmployees` 4200, `Ext_Id__c` `A-1002`.
pub const GLOBEX: &str = "001Wg0000000002IAA";
/// Initech Software.
pub const INITECH: &str = "001Wg0000000003IAA";
/// Umbrella Health.
pub const UMBRELLA: &str = "001Wg0000000004IAA";
/// Stark Manufacturing.
pub const STARK: &str = "001Wg0000000005IAA";
/// Wayne Logistics.
pub const WAYNE: &str = "001Wg0000000006IAA";
/// Hooli Cloud.
pub const HOOLI: &str = "001Wg0000000007IAA";
/// Soylent Foods.
pub const SOYLENT: &str = "001Wg0000000008IAA";
/// Wonka Confectionery.
pub const WONKA: &str = "001Wg0000000009IAA";
/// Tyrell Biotech.
pub const TYRELL: &str = "001Wg0000000010IAA";
/// Cyberdyne Systems.
pub const CYBERDYNE: &str = "001Wg0000000011IAA";
/// Vandelay Imports.
pub const VANDELAY: &str = "001Wg0000000012IAA";

/// Wile Coyote of Acme: no `AI_Summary__c`, e-mail wile@acme.example, `Ext_Id__c` `C-2001`.
pub const WILE: &str = "003Wg0000000001IAA";
/// Hank Scorpio of Globex, e-mail hank@globex.example.
pub const HANK: &str = "003Wg0000000002IAA";
/// Peter Gibbons of Initech.
pub const PETER: &str = "003Wg0000000003IAA";
/// Alice Abernathy of Umbrella.
pub const ALICE: &str = "003Wg0000000004IAA";
/// Pepper Potts of Stark.
pub const PEPPER: &str = "003Wg0000000005IAA";
/// Lucius Fox of Wayne.
pub const LUCIUS: &str = "003Wg0000000006IAA";

/// Marie Curie of Radium Labs: new, no `Industry`.
pub const LEAD_MARIE: &str = "00QWg0000000001MAA";
/// Nikola Tesla of Wardenclyffe Power: working.
pub const LEAD_NIKOLA: &str = "00QWg0000000002MAA";
/// Ada Lovelace of Analytical Engines: qualified.
pub const LEAD_ADA: &str = "00QWg0000000003MAA";

/// Acme renewal: 250,000 in Negotiation/Review, forecast Commit.
pub const ACME_RENEWAL: &str = "006Wg0000000001IAA";
/// Globex expansion: 480,000 in Proposal/Price Quote, forecast Best Case.
pub const GLOBEX_EXPANSION: &str = "006Wg0000000002IAA";
/// Initech pilot: 18,000 in Qualification, forecast Pipeline.
pub const INITECH_PILOT: &str = "006Wg0000000003IAA";
/// Stark platform: no `Amount` yet, Prospecting.
pub const STARK_PLATFORM: &str = "006Wg0000000004IAA";
/// Wayne fleet deal: 96,000, Closed Won.
pub const WAYNE_WON: &str = "006Wg0000000005IAA";
/// An open case of Acme.
pub const ACME_CASE: &str = "500Wg0000000001IAA";
/// A task on Acme.
pub const ACME_TASK: &str = "00TWg0000000001MAA";

/// The HubSpot portal's id.
pub const PORTAL: u64 = 1_442_021;
/// Acme Corporation: no `industry`, no `numberofemployees`, `ext_id` is `A-1001`.
pub const HS_ACME: &str = "52000000001";
/// Globex Industries: `industry` is MACHINERY, `numberofemployees` 4200.
pub const HS_GLOBEX: &str = "52000000002";
/// Initech Software.
pub const HS_INITECH: &str = "52000000003";
/// Umbrella Health.
pub const HS_UMBRELLA: &str = "52000000004";
/// Stark Manufacturing.
pub const HS_STARK: &str = "52000000005";
/// Wayne Logistics.
pub const HS_WAYNE: &str = "52000000006";
/// Wile Coyote, wile@acme.example: no `ai_summary`.
pub const HS_WILE: &str = "51000000001";
/// Hank Scorpio, hank@globex.example.
pub const HS_HANK: &str = "51000000002";
/// Peter Gibbons, peter@initech.example.
pub const HS_PETER: &str = "51000000003";
/// Alice Abernathy, alice@umbrella.example.
pub const HS_ALICE: &str = "51000000004";
/// Pepper Potts, pepper@stark.example.
pub const HS_PEPPER: &str = "51000000005";
/// Acme renewal: 250000, contractsent.
pub const HS_ACME_RENEWAL: &str = "53000000001";
/// Globex expansion: 480000, presentationscheduled.
pub const HS_GLOBEX_EXPANSION: &str = "53000000002";
/// Initech pilot: 18000, qualifiedtobuy.
pub const HS_INITECH_PILOT: &str = "53000000003";

/// Kim as a user and an owner of the portal; changes by hand are hers, in both CRMs.
pub const HS_OPERATIONS_USER: &str = "77002";

/// The portal's owners: id, e-mail, first and last name.
pub const OWNERS: [(&str, &str, &str, &str); 2] = [
    ("77001", "dana@sandbox.example", "Dana", "Reyes"),
    (HS_OPERATIONS_USER, "kim@sandbox.example", "Kim", "Osei"),
];

/// When the seed data was made: 2026-01-12, 09:00 UTC.
#[must_use]
pub fn founded() -> Timestamp {
    Timestamp::constant(1_768_208_400, 0)
}

/// A Salesforce org with the seed data.
pub(super) fn org(page: usize) -> Org {
    let mut org = Org::new(page);
    salesforce::fill(&mut org);
    org
}

/// A HubSpot portal with the seed data.
pub(super) fn portal() -> Portal {
    let mut portal = Portal::new();
    hubspot::fill(&mut portal);
    portal
}

/// A table of records: a line of field names, then a line for each id, in columns; blank columns are
/// blank fields.
fn records(ids: &[&str], table: &str, read: fn(&str) -> Value) -> Vec<Record> {
    let mut lines = table.trim().lines().map(columns);
    let names = lines.next().unwrap_or_default();
    let row = |(id, values): (&&str, Vec<&str>)| {
        let cells = names.iter().zip(values);
        let fields: Map<String, Value> = cells
            .filter(|(_, text)| !text.is_empty())
            .map(|(name, text)| ((*name).to_owned(), read(text)))
            .collect();
        Record::new((*id).to_owned(), fields, founded())
    };
    ids.iter().zip(lines).map(row).collect()
}

fn columns(line: &str) -> Vec<&str> {
    line.split('|').map(str::trim).collect()
}
