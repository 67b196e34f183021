//! Writes as agents send them, for one record and for many.

use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Value, json};
use writegate::crm::catalog::Catalog;
use writegate::crm::json;
use writegate::crm::path::CanonicalPath;
use writegate::crm::{Class, Crm, Head, Shape};
use writegate::mutation::{ChangeSet, CrmKind};

/// A write with its body.
pub(crate) struct Write {
    pub(crate) crm: Crm,
    pub(crate) method: Method,
    pub(crate) path: CanonicalPath,
    headers: HeaderMap,
    catalog: Catalog,
    pub(crate) body: Vec<u8>,
}

impl Write {
    fn new(crm: CrmKind, method: Method, path: &str, body: &Value) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(
            http::header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        Self {
            crm: Crm(crm),
            method,
            path: CanonicalPath::parse(path).unwrap(),
            headers,
            catalog: Catalog::builtin(crm),
            body: body.to_string().into_bytes(),
        }
    }

    fn head(&self) -> Head<'_> {
        Head {
            method: &self.method,
            path: &self.path,
            query: None,
            headers: &self.headers,
            sender: writegate::crm::catalog::Sender::default(),
        }
    }

    /// What its head says it is.
    pub(crate) fn shape(&self) -> Shape {
        let class = self.crm.classify(&self.head());
        let Class::Write(shape) = class else {
            panic!("{class:?}");
        };
        shape
    }

    /// What it would change.
    pub(crate) fn changes(&self) -> ChangeSet {
        let shape = self.shape();
        let changes = self
            .crm
            .parse(&shape, &self.head(), &self.body, &self.catalog);
        changes.unwrap()
    }
}

/// An enrichment of one account, or of as many as a collection takes.
pub(crate) fn salesforce(records: u32) -> Write {
    let fields = json!({
        "Industry": "Software",
        "NumberOfEmployees": 4200,
        "AnnualRevenue": 910_000_000.5,
        "Website": "https://acme.example",
        "AI_Summary__c": "Makes rockets, skates and anvils; \u{fc}ber 4,000 people in two plants.",
    });
    if records == 1 {
        let path = "/services/data/v60.0/sobjects/Account/001Wg0000000001IAA";
        return Write::new(CrmKind::Salesforce, Method::PATCH, path, &fields);
    }
    let rows: Vec<Value> = (1..=records)
        .map(|number| {
            let id = format!("001Wg0000000{number:03}");
            let mut row = json!({ "attributes": { "type": "Account" }, "id": id });
            let all = fields.as_object().unwrap().clone();
            row.as_object_mut().unwrap().extend(all);
            row
        })
        .collect();
    let body = json!({ "allOrNone": false, "records": rows });
    let path = "/services/data/v60.0/composite/sobjects";
    Write::new(CrmKind::Salesforce, Method::PATCH, path, &body)
}

/// The same of as many accounts as a composite takes, each in a sub-request of its own.
pub(crate) fn composite(parts: u32) -> Write {
    let row = salesforce(1);
    let fields: Value = json::parse(&row.body).unwrap();
    let parts: Vec<Value> = (1..=parts)
        .map(|number| {
            json!({
                "method": "PATCH",
                "referenceId": format!("part{number}"),
                "url": format!("/services/data/v60.0/sobjects/Account/001Wg0000000{number:03}"),
                "body": fields,
            })
        })
        .collect();
    let body = json!({ "allOrNone": false, "compositeRequest": parts });
    let path = "/services/data/v60.0/composite";
    Write::new(CrmKind::Salesforce, Method::POST, path, &body)
}

/// The same of one company, or of as many as a batch takes.
pub(crate) fn hubspot(records: u32) -> Write {
    let properties = json!({
        "industry": "COMPUTER_SOFTWARE",
        "numberofemployees": "4200",
        "annualrevenue": "910000000.5",
        "website": "https://acme.example",
        "ai_summary": "Makes rockets, skates and anvils; \u{fc}ber 4,000 people in two plants.",
    });
    if records == 1 {
        let body = json!({ "properties": properties });
        let path = "/crm/v3/objects/companies/52000000001";
        return Write::new(CrmKind::HubSpot, Method::PATCH, path, &body);
    }
    let inputs: Vec<Value> = (1..=records)
        .map(|number| json!({ "id": format!("52{number:09}"), "properties": properties }))
        .collect();
    let path = "/crm/v3/objects/companies/batch/update";
    let body = json!({ "inputs": inputs });
    Write::new(CrmKind::HubSpot, Method::POST, path, &body)
}
