//! The Salesforce org's seed records.

use serde_json::{Value, json};

use super::super::salesforce::Org;
use super::{
    ACME, ACME_CASE, ACME_RENEWAL, ACME_TASK, ALICE, CYBERDYNE, GLOBEX, GLOBEX_EXPANSION, HANK,
    HOOLI, INITECH, INITECH_PILOT, INTEGRATION_USER, LEAD_ADA, LEAD_MARIE, LEAD_NIKOLA, LUCIUS,
    OPERATIONS_USER, ORGANIZATION, PEPPER, PETER, SALES_USER, SOYLENT, STARK, STARK_PLATFORM,
    TYRELL, UMBRELLA, VANDELAY, WAYNE, WAYNE_WON, WILE, WONKA, record,
};

pub(super) fn fill(org: &mut Org) {
    let groups = [
        ("Organization", organization()),
        ("User", users()),
        ("Account", accounts()),
        ("Contact", contacts()),
        ("Lead", leads()),
        ("Opportunity", opportunities()),
        ("Case", cases()),
        ("Task", tasks()),
    ];
    for (object, rows) in groups {
        for (id, fields) in rows {
            org.place(object, record(id, fields));
        }
    }
}

type Rows = Vec<(&'static str, Value)>;

fn organization() -> Rows {
    let fields = json!({
        "Name": "Writegate Sandbox", "OrganizationType": "Developer Edition", "IsSandbox": true,
        "InstanceName": "SBX1",
    });
    vec![(ORGANIZATION, fields)]
}

fn users() -> Rows {
    let user = |first: &str, last: &str, title: &str| {
        let name = first.to_lowercase();
        let email = format!("{name}@sandbox.example");
        json!({
            "Username": email, "Email": email, "FirstName": first, "LastName": last,
            "Title": title, "IsActive": true,
        })
    };
    vec![
        (INTEGRATION_USER, user("Integration", "User", "Integration")),
        (SALES_USER, user("Dana", "Reyes", "Account Executive")),
        (OPERATIONS_USER, user("Kim", "Osei", "Sales Operations")),
    ]
}

fn accounts() -> Rows {
    vec![
        (
            ACME,
            json!({
                "Name": "Acme Corporation", "Type": "Customer", "Phone": "+1 520 555 0101",
                "Website": "https://acme.example", "BillingCity": "Tucson", "BillingCountry": "USA",
                "Lifecycle_Stage__c": "Customer", "Ext_Id__c": "A-1001",
                "NextStep__c": "Renewal call with procurement", "Customer_Number__c": "00001001",
            }),
        ),
        (
            GLOBEX,
            json!({
                "Name": "Globex Industries", "Type": "Customer", "Industry": "Manufacturing",
                "NumberOfEmployees": 4200, "AnnualRevenue": 910_000_000.0, "Rating": "Hot",
                "Website": "https://globex.example", "BillingCity": "Cypress Creek",
                "BillingCountry": "USA", "Lifecycle_Stage__c": "Customer", "Ext_Id__c": "A-1002",
                "AI_Summary__c": "Expanding into two new plants.", "AI_Score__c": 82.0,
                "Customer_Number__c": "00001002",
            }),
        ),
        (
            INITECH,
            json!({
                "Name": "Initech Software", "Type": "Prospect", "Industry": "Technology",
                "Website": "https://initech.example", "BillingCity": "Austin", "BillingCountry": "USA",
                "Lifecycle_Stage__c": "Opportunity", "Ext_Id__c": "A-1003",
                "Customer_Number__c": "00001003",
            }),
        ),
        (
            UMBRELLA,
            json!({
                "Name": "Umbrella Health", "Type": "Prospect", "NumberOfEmployees": 15_000,
                "Website": "https://umbrella.example", "BillingCity": "Berlin",
                "BillingCountry": "Germany", "Lifecycle_Stage__c": "MQL", "Ext_Id__c": "A-1004",
                "Customer_Number__c": "00001004",
            }),
        ),
        (
            STARK,
            json!({
                "Name": "Stark Manufacturing", "Type": "Prospect", "Industry": "Manufacturing",
                "NumberOfEmployees": 8800, "Website": "https://stark.example",
                "BillingCity": "New York", "BillingCountry": "USA",
                "Lifecycle_Stage__c": "Opportunity", "Ext_Id__c": "A-1005",
                "Customer_Number__c": "00001005",
            }),
        ),
        (
            WAYNE,
            json!({
                "Name": "Wayne Logistics", "Type": "Customer", "Industry": "Transportation",
                "NumberOfEmployees": 2300, "AnnualRevenue": 310_000_000.0,
                "Website": "https://wayne.example", "BillingCity": "Gotham", "BillingCountry": "USA",
                "Lifecycle_Stage__c": "Customer", "Ext_Id__c": "A-1006",
                "Customer_Number__c": "00001006",
            }),
        ),
        (
            HOOLI,
            json!({
                "Name": "Hooli Cloud", "Type": "Prospect", "Website": "https://hooli.example",
                "BillingCity": "Palo Alto", "BillingCountry": "USA", "Lifecycle_Stage__c": "Lead",
                "Ext_Id__c": "A-1007", "Customer_Number__c": "00001007",
            }),
        ),
        (
            SOYLENT,
            json!({
                "Name": "Soylent Foods", "Type": "Prospect", "Industry": "Food & Beverage",
                "Website": "https://soylent.example", "Lifecycle_Stage__c": "Lead",
                "Ext_Id__c": "A-1008", "Customer_Number__c": "00001008",
            }),
        ),
        (
            WONKA,
            json!({
                "Name": "Wonka Confectionery", "Type": "Customer", "Industry": "Food & Beverage",
                "NumberOfEmployees": 640, "Website": "https://wonka.example", "BillingCity": "London",
                "BillingCountry": "United Kingdom", "Lifecycle_Stage__c": "Customer",
                "Ext_Id__c": "A-1009", "Customer_Number__c": "00001009",
            }),
        ),
        (
            TYRELL,
            json!({
                "Name": "Tyrell Biotech", "Type": "Prospect", "Industry": "Biotechnology",
                "Website": "https://tyrell.example", "BillingCity": "Los Angeles",
                "BillingCountry": "USA", "Ext_Id__c": "A-1010", "Customer_Number__c": "00001010",
            }),
        ),
        (
            CYBERDYNE,
            json!({
                "Name": "Cyberdyne Systems", "Type": "Prospect", "NumberOfEmployees": 120,
                "Website": "https://cyberdyne.example", "BillingCity": "Sunnyvale",
                "BillingCountry": "USA", "Ext_Id__c": "A-1011", "Customer_Number__c": "00001011",
            }),
        ),
        (
            VANDELAY,
            json!({
                "Name": "Vandelay Imports", "Type": "Other", "Industry": "Retail",
                "NumberOfEmployees": 14, "Website": "https://vandelay.example",
                "BillingCity": "New York", "BillingCountry": "USA", "ParentId": WONKA,
                "Ext_Id__c": "A-1012", "Customer_Number__c": "00001012",
            }),
        ),
    ]
}

fn contacts() -> Rows {
    let contact = |first: &str, last: &str, account: &str, title: &str, ext: &str, email: &str| {
        json!({
            "FirstName": first, "LastName": last, "AccountId": account, "Title": title,
            "Ext_Id__c": ext, "Email": email, "LeadSource": "Web",
        })
    };
    vec![
        (
            WILE,
            contact(
                "Wile",
                "Coyote",
                ACME,
                "Head of Product",
                "C-2001",
                "wile@acme.example",
            ),
        ),
        (
            HANK,
            contact(
                "Hank",
                "Scorpio",
                GLOBEX,
                "CEO",
                "C-2002",
                "hank@globex.example",
            ),
        ),
        (
            PETER,
            contact(
                "Peter",
                "Gibbons",
                INITECH,
                "Engineer",
                "C-2003",
                "peter@initech.example",
            ),
        ),
        (
            ALICE,
            contact(
                "Alice",
                "Abernathy",
                UMBRELLA,
                "CISO",
                "C-2004",
                "alice@umbrella.example",
            ),
        ),
        (
            PEPPER,
            contact(
                "Pepper",
                "Potts",
                STARK,
                "COO",
                "C-2005",
                "pepper@stark.example",
            ),
        ),
        (
            LUCIUS,
            contact(
                "Lucius",
                "Fox",
                WAYNE,
                "CTO",
                "C-2006",
                "lucius@wayne.example",
            ),
        ),
    ]
}

fn leads() -> Rows {
    vec![
        (
            LEAD_MARIE,
            json!({
                "FirstName": "Marie", "LastName": "Curie", "Company": "Radium Labs",
                "Email": "marie@radium.example", "Status": "Open - Not Contacted",
                "LeadSource": "Webinar", "Lifecycle_Stage__c": "Lead",
            }),
        ),
        (
            LEAD_NIKOLA,
            json!({
                "FirstName": "Nikola", "LastName": "Tesla", "Company": "Wardenclyffe Power",
                "Email": "nikola@wardenclyffe.example", "Status": "Working - Contacted",
                "Industry": "Energy", "NumberOfEmployees": 75, "Lifecycle_Stage__c": "MQL",
            }),
        ),
        (
            LEAD_ADA,
            json!({
                "FirstName": "Ada", "LastName": "Lovelace", "Company": "Analytical Engines",
                "Email": "ada@analytical.example", "Status": "Qualified", "Industry": "Technology",
                "Rating": "Hot", "Lifecycle_Stage__c": "SQL", "AI_Score__c": 91.0,
            }),
        ),
    ]
}

fn opportunities() -> Rows {
    vec![
        (
            ACME_RENEWAL,
            json!({
                "Name": "Acme renewal 2027", "AccountId": ACME, "StageName": "Negotiation/Review",
                "Amount": 250_000.0, "CloseDate": "2026-12-18", "Probability": 90.0,
                "ForecastCategoryName": "Commit", "Type": "Existing Customer - Renewal",
            }),
        ),
        (
            GLOBEX_EXPANSION,
            json!({
                "Name": "Globex expansion", "AccountId": GLOBEX, "StageName": "Proposal/Price Quote",
                "Amount": 480_000.0, "CloseDate": "2027-01-29", "Probability": 60.0,
                "ForecastCategoryName": "Best Case", "NextStep": "Send revised quote",
            }),
        ),
        (
            INITECH_PILOT,
            json!({
                "Name": "Initech pilot", "AccountId": INITECH, "StageName": "Qualification",
                "Amount": 18_000.0, "CloseDate": "2027-02-26", "Probability": 20.0,
                "ForecastCategoryName": "Pipeline",
            }),
        ),
        (
            STARK_PLATFORM,
            json!({
                "Name": "Stark platform", "AccountId": STARK, "StageName": "Prospecting",
                "CloseDate": "2027-03-31", "Probability": 10.0, "ForecastCategoryName": "Pipeline",
            }),
        ),
        (
            WAYNE_WON,
            json!({
                "Name": "Wayne fleet", "AccountId": WAYNE, "StageName": "Closed Won",
                "Amount": 96_000.0, "CloseDate": "2026-10-02", "Probability": 100.0,
                "ForecastCategoryName": "Closed",
            }),
        ),
    ]
}

fn cases() -> Rows {
    let fields = json!({
        "CaseNumber": "00001026", "AccountId": ACME, "ContactId": WILE,
        "Subject": "Rocket skates arrived without instructions", "Status": "New",
        "Priority": "High", "Origin": "Email",
    });
    vec![(ACME_CASE, fields)]
}

fn tasks() -> Rows {
    let fields = json!({
        "Subject": "Prepare renewal proposal", "Status": "Not Started", "Priority": "Normal",
        "ActivityDate": "2026-12-01", "WhoId": WILE, "WhatId": ACME,
    });
    vec![(ACME_TASK, fields)]
}
