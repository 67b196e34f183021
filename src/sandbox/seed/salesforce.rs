//! The Salesforce org's seed records.

use serde_json::{Value, json};

use super::super::salesforce::Org;
use super::{
    ACME, ACME_CASE, ACME_RENEWAL, ACME_TASK, ALICE, CYBERDYNE, GLOBEX, GLOBEX_EXPANSION, HANK,
    HOOLI, INITECH, INITECH_PILOT, INTEGRATION_USER, LEAD_ADA, LEAD_MARIE, LEAD_NIKOLA, LUCIUS,
    OPERATIONS_USER, ORGANIZATION, PEPPER, PETER, SALES_USER, SOYLENT, STARK, STARK_PLATFORM,
    TYRELL, UMBRELLA, VANDELAY, WAYNE, WAYNE_WON, WILE, WONKA, records,
};

pub(super) fn fill(org: &mut Org) {
    let tables: [(&str, &[&str], &str); 8] = [
        ("Organization", &[ORGANIZATION], ORGANIZATIONS),
        (
            "User",
            &[INTEGRATION_USER, SALES_USER, OPERATIONS_USER],
            USERS,
        ),
        ("Account", &ACCOUNT_IDS, ACCOUNTS),
        (
            "Contact",
            &[WILE, HANK, PETER, ALICE, PEPPER, LUCIUS],
            CONTACTS,
        ),
        ("Lead", &[LEAD_MARIE, LEAD_NIKOLA, LEAD_ADA], LEADS),
        ("Opportunity", &OPPORTUNITY_IDS, OPPORTUNITIES),
        ("Case", &[ACME_CASE], CASES),
        ("Task", &[ACME_TASK], TASKS),
    ];
    for (object, ids, table) in tables {
        for record in records(ids, table, value) {
            org.place(object, record);
        }
    }
    org.link(
        "Contact",
        "AccountId",
        &[
            (WILE, ACME),
            (HANK, GLOBEX),
            (PETER, INITECH),
            (ALICE, UMBRELLA),
            (PEPPER, STARK),
            (LUCIUS, WAYNE),
        ],
    );
    org.link(
        "Opportunity",
        "AccountId",
        &[
            (ACME_RENEWAL, ACME),
            (GLOBEX_EXPANSION, GLOBEX),
            (INITECH_PILOT, INITECH),
            (STARK_PLATFORM, STARK),
            (WAYNE_WON, WAYNE),
        ],
    );
    org.link("Account", "ParentId", &[(VANDELAY, WONKA)]);
    org.link("Case", "AccountId", &[(ACME_CASE, ACME)]);
    org.link("Case", "ContactId", &[(ACME_CASE, WILE)]);
    org.link("Task", "WhatId", &[(ACME_TASK, ACME)]);
    org.link("Task", "WhoId", &[(ACME_TASK, WILE)]);
}

/// Whole numbers, numbers with a point, flags, and texts; what begins with 0 is a text.
fn value(text: &str) -> Value {
    if text.starts_with('0') {
        return json!(text);
    }
    if let Ok(number) = text.parse::<i64>() {
        return json!(number);
    }
    if let Ok(number) = text.parse::<f64>() {
        return json!(number);
    }
    match text {
        "true" => json!(true),
        "false" => json!(false),
        text => json!(text),
    }
}

const ACCOUNT_IDS: [&str; 12] = [
    ACME, GLOBEX, INITECH, UMBRELLA, STARK, WAYNE, HOOLI, SOYLENT, WONKA, TYRELL, CYBERDYNE,
    VANDELAY,
];

const OPPORTUNITY_IDS: [&str; 5] = [
    ACME_RENEWAL,
    GLOBEX_EXPANSION,
    INITECH_PILOT,
    STARK_PLATFORM,
    WAYNE_WON,
];

const ORGANIZATIONS: &str = "
Name              | OrganizationType  | IsSandbox | InstanceName
Writegate Sandbox | Developer Edition | true      | SBX1
";

const USERS: &str = "
FirstName   | LastName | Title             | IsActive | Email                       | Username
Integration | User     | Integration       | true     | integration@sandbox.example | integration@sandbox.example
Dana        | Reyes    | Account Executive | true     | dana@sandbox.example        | dana@sandbox.example
Kim         | Osei     | Sales Operations  | true     | kim@sandbox.example         | kim@sandbox.example
";

const ACCOUNTS: &str = "
Name                | Type     | Industry        | NumberOfEmployees | AnnualRevenue | Website                   | Phone           | BillingCity   | BillingCountry | Lifecycle_Stage__c | Ext_Id__c | Customer_Number__c | AI_Score__c | AI_Summary__c                 | NextStep__c
Acme Corporation    | Customer |                 |                   |               | https://acme.example      | +1 520 555 0101 | Tucson        | USA            | Customer           | A-1001    | 00001001           |             |                               | Renewal call with procurement
Globex Industries   | Customer | Manufacturing   | 4200              | 910000000.0   | https://globex.example    |                 | Cypress Creek | USA            | Customer           | A-1002    | 00001002           | 82.0        | Expanding into two new plants |
Initech Software    | Prospect | Technology      |                   |               | https://initech.example   |                 | Austin        | USA            | Opportunity        | A-1003    | 00001003           |             |                               |
Umbrella Health     | Prospect |                 | 15000             |               | https://umbrella.example  |                 | Berlin        | Germany        | MQL                | A-1004    | 00001004           |             |                               |
Stark Manufacturing | Prospect | Manufacturing   | 8800              |               | https://stark.example     |                 | New York      | USA            | Opportunity        | A-1005    | 00001005           |             |                               |
Wayne Logistics     | Customer | Transportation  | 2300              | 310000000.0   | https://wayne.example     |                 | Gotham        | USA            | Customer           | A-1006    | 00001006           |             |                               |
Hooli Cloud         | Prospect |                 |                   |               | https://hooli.example     |                 | Palo Alto     | USA            | Lead               | A-1007    | 00001007           |             |                               |
Soylent Foods       | Prospect | Food & Beverage |                   |               | https://soylent.example   |                 |               |                | Lead               | A-1008    | 00001008           |             |                               |
Wonka Confectionery | Customer | Food & Beverage | 640               |               | https://wonka.example     |                 | London        | United Kingdom | Customer           | A-1009    | 00001009           |             |                               |
Tyrell Biotech      | Prospect | Biotechnology   |                   |               | https://tyrell.example    |                 | Los Angeles   | USA            |                    | A-1010    | 00001010           |             |                               |
Cyberdyne Systems   | Prospect |                 | 120               |               | https://cyberdyne.example |                 | Sunnyvale     | USA            |                    | A-1011    | 00001011           |             |                               |
Vandelay Imports    | Other    | Retail          | 14                |               | https://vandelay.example  |                 | New York      | USA            |                    | A-1012    | 00001012           |             |                               |
";

const CONTACTS: &str = "
FirstName | LastName  | Title           | Email                  | LeadSource | Ext_Id__c
Wile      | Coyote    | Head of Product | wile@acme.example      | Web        | C-2001
Hank      | Scorpio   | COO             | hank@globex.example    | Web        | C-2002
Peter     | Gibbons   | Engineer        | peter@initech.example  | Web        | C-2003
Alice     | Abernathy | CISO            | alice@umbrella.example | Referral   | C-2004
Pepper    | Potts     | COO             | pepper@stark.example   | Referral   | C-2005
Lucius    | Fox       | CTO             | lucius@wayne.example   | Web        | C-2006
";

const LEADS: &str = "
FirstName | LastName | Company            | Email                       | Status               | LeadSource | Industry   | NumberOfEmployees | Rating | Lifecycle_Stage__c | AI_Score__c
Marie     | Curie    | Radium Labs        | marie@radium.example        | Open - Not Contacted | Webinar    |            |                   |        | Lead               |
Nikola    | Tesla    | Wardenclyffe Power | nikola@wardenclyffe.example | Working - Contacted  | Web        | Energy     | 75                |        | MQL                |
Ada       | Lovelace | Analytical Engines | ada@analytical.example      | Qualified            | Referral   | Technology |                   | Hot    | SQL                | 91.0
";

const OPPORTUNITIES: &str = "
Name              | StageName            | Amount   | CloseDate  | Probability | ForecastCategoryName | Type             | NextStep
Acme renewal 2027 | Negotiation/Review   | 250000.0 | 2026-12-18 | 90.0        | Commit               | Existing Renewal |
Globex expansion  | Proposal/Price Quote | 480000.0 | 2027-01-29 | 60.0        | Best Case            | Existing Upgrade | Send revised quote
Initech pilot     | Qualification        | 18000.0  | 2027-02-26 | 20.0        | Pipeline             | New Customer     |
Stark platform    | Prospecting          |          | 2027-03-31 | 10.0        | Pipeline             | New Customer     |
Wayne fleet       | Closed Won           | 96000.0  | 2026-10-02 | 100.0       | Closed               | New Customer     |
";

const CASES: &str = "
CaseNumber | Subject                                    | Status | Priority | Origin
00001026   | Rocket skates arrived without instructions | New    | High     | Email
";

const TASKS: &str = "
Subject                  | Status      | Priority | ActivityDate
Prepare renewal proposal | Not Started | Normal   | 2026-12-01
";
