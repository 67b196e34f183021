//! Every kind of write that is taken apart, as a client can spell it, with the one spelling that goes
//! on to the CRM. Each changes something in the sandbox's seed data, and works on fresh data.

use http::Method;
use serde_json::{Value, json};
use writegate::mutation::CrmKind;
use writegate::sandbox::seed;

/// Rules that let all of them through.
pub(crate) const SALESFORCE_RULES: &str = "
crm: salesforce
default: allow
objects: { '*': { create: { agents: allow }, delete: { agents: allow } } }
";
/// The same for HubSpot.
pub(crate) const HUBSPOT_RULES: &str = "
crm: hubspot
default: allow
objects:
  '*':
    create: { agents: allow }
    delete: { agents: allow }
    purge: { agents: allow }
    merge: { agents: allow }
    associate: { agents: allow }
";

/// A write.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) crm: CrmKind,
    pub(crate) method: Method,
    /// As the client sends it.
    pub(crate) target: String,
    /// As the CRM gets it.
    pub(crate) canonical: String,
    pub(crate) body: Option<Value>,
}

impl Shape {
    /// The body's bytes, with spaces that a new serialisation would lose.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let text = self.body.as_ref().map(|body| format!(" {body:#}\n"));
        text.unwrap_or_default().into_bytes()
    }
}

/// A target that is its own canonical form, or two that differ: `sent => canonical`.
fn targets(text: &str) -> (String, String) {
    let (sent, canonical) = text.split_once(" => ").unwrap_or((text, text));
    (sent.to_owned(), canonical.to_owned())
}

fn shape(
    crm: CrmKind,
    base: &str,
    name: &'static str,
    line: &str,
    body: impl Into<Option<Value>>,
) -> Shape {
    let (method, target) = line.split_once(' ').unwrap();
    let (sent, canonical) = targets(&target.replace("~", base));
    Shape {
        name,
        crm,
        method: method.parse().unwrap(),
        target: sent,
        canonical,
        body: body.into(),
    }
}

/// Every kind, of both CRMs.
pub(crate) fn all() -> Vec<Shape> {
    let salesforce = [rows(), external_ids(), collections(), nested(), envelopes()];
    [salesforce.concat(), hubspot(), batches()].concat()
}

fn salesforce(name: &'static str, line: &str, body: impl Into<Option<Value>>) -> Shape {
    shape(
        CrmKind::Salesforce,
        "/services/data/v60.0",
        name,
        line,
        body,
    )
}

fn rows() -> Vec<Shape> {
    let acme = seed::ACME;
    let short = &acme[..15];
    let change = || json!({ "Industry": "Software", "Phone": null, "NumberOfEmployees": 12 });
    let new = || json!({ "Name": "New Company", "Industry": "Retail" });
    let update = |name, line: String| salesforce(name, &line, change());
    vec![
        salesforce("create", "POST ~/sobjects/Account", new()),
        salesforce("create at Id", "POST ~/sobjects/Account/Id", new()),
        update("update", format!("PATCH ~/sobjects/Account/{acme}")),
        update("short id", format!("PATCH ~/sobjects/Account/{short}")),
        update(
            "object in another case",
            format!("PATCH ~/sobjects/aCCOUNT/{acme}"),
        ),
        update(
            "escaped letters",
            format!("PATCH ~/sobjects/%41cc%6Funt/{acme} => ~/sobjects/Account/{acme}"),
        ),
        update(
            "slashes around",
            format!("PATCH /~/sobjects/Account/{acme}/ => ~/sobjects/Account/{acme}"),
        ),
        update(
            "login host in front",
            format!(
                "PATCH /acme.my.salesforce.com~/sobjects/Account/{acme} => \
                 ~/sobjects/Account/{acme}"
            ),
        ),
        update(
            "method override",
            format!("POST ~/sobjects/Account/{acme}?_HttpMethod=PATCH"),
        ),
        salesforce(
            "delete",
            &format!("DELETE ~/sobjects/Account/{}", seed::VANDELAY),
            None,
        ),
    ]
}

fn external_ids() -> Vec<Shape> {
    let change = || json!({ "Industry": "Software" });
    vec![
        salesforce(
            "upsert that updates",
            "PATCH ~/sobjects/Account/Ext_Id__c/A-1001",
            change(),
        ),
        salesforce(
            "upsert that creates",
            "PATCH ~/sobjects/Account/Ext_Id__c/N-1",
            json!({ "Name": "New Company", "Ext_Id__c": "N-1" }),
        ),
        salesforce(
            "upsert with an escaped key",
            "PATCH ~/sobjects/Account/Ext_Id__c/a%2D1001 => ~/sobjects/Account/Ext_Id__c/a-1001",
            change(),
        ),
        salesforce(
            "upsert that may not create",
            "PATCH ~/sobjects/Account/Ext_Id__c/A-1001?updateOnly=true",
            change(),
        ),
        salesforce(
            "upsert by Id",
            &format!("PATCH ~/sobjects/Account/Id/{}", seed::ACME),
            change(),
        ),
        salesforce(
            "delete by external id",
            "DELETE ~/sobjects/Account/Ext_Id__c/A-1012",
            None,
        ),
    ]
}

fn collections() -> Vec<Shape> {
    let account = || json!({ "type": "Account" });
    vec![
        salesforce(
            "collection create",
            "POST ~/composite/sobjects",
            json!({ "allOrNone": true, "records": [
                { "attributes": account(), "Name": "One", "Industry": "Retail" },
                { "attributes": { "type": "Contact" }, "LastName": "Two" },
            ] }),
        ),
        salesforce(
            "collection update",
            "PATCH ~/composite/sobjects",
            json!({ "records": [
                { "attributes": account(), "id": seed::ACME, "Industry": "Software" },
                { "attributes": { "type": "Contact" }, "Id": seed::WILE, "Title": "Chief" },
                { "attributes": account(), "id": seed::GLOBEX, "Phone": "+1 555 0199" },
            ] }),
        ),
        salesforce(
            "collection upsert",
            "PATCH ~/composite/sobjects/Account/Ext_Id__c",
            json!({ "records": [
                { "attributes": account(), "Ext_Id__c": "A-1002", "Phone": "+1 555 0199" },
                { "attributes": account(), "Ext_Id__c": "N-2", "Name": "New Company" },
            ] }),
        ),
        salesforce(
            "collection delete",
            &format!(
                "DELETE ~/composite/sobjects?ids={},{}&allOrNone=true",
                seed::VANDELAY,
                seed::LEAD_ADA
            ),
            None,
        ),
    ]
}

/// A sub-request of a composite.
fn part(reference: &str, line: &str, body: Value) -> Value {
    let (method, url) = line.split_once(' ').unwrap();
    let url = url.replace('~', "/services/data/v60.0");
    let mut part = json!({ "method": method, "url": url, "referenceId": reference });
    if !body.is_null() {
        part["body"] = body;
    }
    part
}

fn nested() -> Vec<Shape> {
    let acme = seed::ACME;
    let update = |reference| {
        let line = format!("PATCH ~/sobjects/Account/{acme}");
        part(reference, &line, json!({ "Industry": "Software" }))
    };
    let create = || {
        part(
            "new",
            "POST ~/sobjects/Account",
            json!({ "Name": "New Company" }),
        )
    };
    let child = || {
        let fields = json!({ "LastName": "Two", "AccountId": "@{new.id}" });
        part("child", "POST ~/sobjects/Contact", fields)
    };
    let delete = || {
        let line = format!("DELETE ~/sobjects/Lead/{}", seed::LEAD_ADA);
        part("gone", &line, Value::Null)
    };
    let rows = json!({ "records": [
        { "attributes": { "type": "Contact" }, "id": seed::WILE, "Title": "Chief" },
        { "attributes": { "type": "Account" }, "id": seed::GLOBEX, "Phone": "+1 555 0199" } ] });
    let upsert = json!({ "Phone": "+1 555 0198" });
    vec![
        salesforce(
            "composite",
            "POST ~/composite",
            json!({ "allOrNone": true, "compositeRequest": [
                part("look", "GET ~/query?q=SELECT+Id+FROM+Account", Value::Null),
                update("change"), create(), child(), delete(),
                part("rows", "PATCH ~/composite/sobjects", rows),
                part("key", "PATCH ~/sobjects/Account/Ext_Id__c/A-1004", upsert),
            ] }),
        ),
        salesforce(
            "batch",
            "POST ~/composite/batch",
            json!({ "batchRequests": [
                { "method": "PATCH", "url": format!("v60.0/sobjects/Account/{acme}"),
                  "richInput": { "Industry": "Software" } },
                { "method": "GET", "url": format!("v60.0/sobjects/Contact/{}", seed::WILE) },
                { "method": "POST", "url": "v60.0/sobjects/Account",
                  "richInput": { "Name": "New Company" } },
                { "method": "DELETE", "url": format!("v60.0/sobjects/Lead/{}", seed::LEAD_ADA) },
            ] }),
        ),
        salesforce(
            "graph",
            "POST ~/composite/graph",
            json!({ "graphs": [
                { "graphId": "a", "compositeRequest": [create(), child()] },
                { "graphId": "b", "compositeRequest": [update("new")] },
            ] }),
        ),
        salesforce(
            "tree",
            "POST ~/composite/tree/Account",
            json!({ "records": [
                { "attributes": { "type": "Account", "referenceId": "a" }, "Name": "One",
                  "Contacts": { "records": [
                    { "attributes": { "type": "Contact", "referenceId": "c" }, "LastName": "Two" },
                  ] } },
                { "attributes": { "type": "Account", "referenceId": "b" }, "Name": "Three" },
            ] }),
        ),
    ]
}

fn envelopes() -> Vec<Shape> {
    let acme = seed::ACME;
    let create = || json!({ "apiName": "Account", "fields": { "Name": "New Company" } });
    let query = "mutation M($fields: AccountInput!) { uiapi { \
        one: AccountCreate(input: { Account: $fields }) { Record { Id } } \
        two: AccountUpdate(input: { Id: \"ACME\", Account: { Industry: \"Software\" } }) \
        { success } three: LeadDelete(input: { Id: \"ADA\" }) { Id } } }";
    let query = query.replace("ACME", acme).replace("ADA", seed::LEAD_ADA);
    vec![
        salesforce("UI API create", "POST ~/ui-api/records", create()),
        salesforce(
            "UI API update",
            &format!("PATCH ~/ui-api/records/{acme}"),
            json!({ "fields": { "Industry": "Software" }, "allowSaveOnDuplicate": true }),
        ),
        salesforce(
            "UI API delete",
            &format!("DELETE ~/ui-api/records/{}", seed::VANDELAY),
            None,
        ),
        salesforce(
            "UI API batch",
            "POST ~/ui-api/records/batch",
            json!({ "allOrNone": true, "operations": [
                { "type": "Create", "records": [create()] },
                { "type": "Update", "records": [
                    { "apiName": "Account", "fields": { "Id": acme, "Industry": "Software" } }] },
                { "type": "Delete", "records": [
                    { "apiName": "Lead", "fields": { "Id": seed::LEAD_ADA } }] },
            ] }),
        ),
        salesforce(
            "GraphQL",
            "POST ~/graphql",
            json!({ "query": query, "variables": { "fields": { "Name": "New Company" } } }),
        ),
        salesforce(
            "relationship path",
            &format!("PATCH ~/sobjects/Contact/{}/Account", seed::WILE),
            json!({ "Industry": "Software" }),
        ),
        salesforce(
            "lookup by external id",
            &format!("PATCH ~/sobjects/Contact/{}", seed::WILE),
            json!({ "Account": { "Ext_Id__c": "A-1002" } }),
        ),
    ]
}

fn hubspot_shape(name: &'static str, line: &str, body: impl Into<Option<Value>>) -> Shape {
    shape(CrmKind::HubSpot, "/crm/v3/objects", name, line, body)
}

fn hubspot() -> Vec<Shape> {
    let acme = seed::HS_ACME;
    let change = || json!({ "properties": { "industry": "RETAIL", "phone": "" } });
    let update = |name, line: String| hubspot_shape(name, &line, change());
    vec![
        hubspot_shape(
            "create",
            "POST ~/companies",
            json!({ "properties": { "name": "New Company", "industry": "RETAIL" } }),
        ),
        hubspot_shape(
            "create with a link",
            "POST ~/contacts",
            json!({
                "properties": { "email": "new@acme.example" },
                "associations": [{
                    "to": { "id": acme },
                    "types": [{ "associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 279 }],
                }],
            }),
        ),
        update("update", format!("PATCH ~/companies/{acme}")),
        update(
            "version behind",
            format!("PATCH /crm/objects/v3/companies/{acme}"),
        ),
        update(
            "dated version",
            format!("PATCH /crm/objects/2026-03/companies/{acme}"),
        ),
        update("singular", format!("PATCH ~/company/{acme}")),
        update("type by number", format!("PATCH ~/0-2/{acme}")),
        update(
            "escapes and slashes",
            format!("PATCH /~/compan%69es/{acme}/ => ~/companies/{acme}"),
        ),
        hubspot_shape(
            "update by e-mail",
            "PATCH ~/contacts/wile%40acme.example?idProperty=email => \
             ~/contacts/wile@acme.example?idProperty=email",
            json!({ "properties": { "jobtitle": "Chief" } }),
        ),
        hubspot_shape(
            "archive",
            &format!("DELETE ~/contacts/{}", seed::HS_PEPPER),
            None,
        ),
        hubspot_shape(
            "merge",
            "POST ~/contacts/merge",
            json!({ "primaryObjectId": seed::HS_WILE, "objectIdToMerge": seed::HS_HANK }),
        ),
        hubspot_shape(
            "purge",
            "POST ~/contacts/gdpr-delete",
            json!({ "objectId": "peter@initech.example", "idProperty": "email" }),
        ),
    ]
}

fn batches() -> Vec<Shape> {
    vec![
        hubspot_shape(
            "batch create",
            "POST ~/companies/batch/create",
            json!({ "inputs": [
                { "properties": { "name": "One" }, "objectWriteTraceId": "1" },
                { "properties": { "name": "Two" }, "objectWriteTraceId": "2" },
            ] }),
        ),
        hubspot_shape(
            "batch update",
            "POST ~/contacts/batch/update",
            json!({ "inputs": [
                { "id": seed::HS_WILE, "properties": { "jobtitle": "Chief" } },
                { "id": "hank@globex.example", "idProperty": "email",
                  "properties": { "phone": "+1 555 0199" } },
            ] }),
        ),
        hubspot_shape(
            "batch upsert",
            "POST /crm/objects/2026-03/contacts/batch/upsert",
            json!({ "inputs": [
                { "id": "wile@acme.example", "idProperty": "email",
                  "properties": { "jobtitle": "Chief" } },
                { "id": "new@acme.example", "idProperty": "email",
                  "properties": { "email": "new@acme.example", "firstname": "New" } },
            ] }),
        ),
        hubspot_shape(
            "batch archive",
            "POST ~/contacts/batch/archive",
            json!({ "inputs": [{ "id": seed::HS_ALICE }, { "id": seed::HS_PEPPER }] }),
        ),
    ]
}
