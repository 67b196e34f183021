//! A thousand mixed changes, a tenth of them changed by others since: what is restored, what is left
//! alone, and nothing wrong. The expectation is computed from what the sandbox held, not from entries.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use writegate::mutation::CrmKind::{self, HubSpot, Salesforce};

use super::super::support::client::Client;
use super::{Desk, entry, sums};

const ROWS: &str = "/services/data/v60.0/sobjects/Account";
const COLLECTION: &str = "/services/data/v60.0/composite/sobjects";
const COMPANIES: &str = "/crm/v3/objects/companies";

type Key = (&'static str, String);
type Fields = Map<String, Value>;

/// What the CRM keeps itself.
const STAMPS: [&str; 7] = [
    "LastModifiedDate",
    "LastModifiedById",
    "SystemModstamp",
    "lastmodifieddate",
    "hs_lastmodifieddate",
    "hs_updated_by_user_id",
    "Size_Tier__c",
];

fn object(crm: CrmKind) -> &'static str {
    match crm {
        Salesforce => "Account",
        HubSpot => "companies",
    }
}

/// All records, without what the CRM keeps itself.
fn dump(desk: &Desk) -> BTreeMap<Key, Fields> {
    let mut all = BTreeMap::new();
    for crm in [Salesforce, HubSpot] {
        for id in desk.house.sandbox.ids(crm, object(crm)) {
            let mut record = desk.house.sandbox.record(crm, object(crm), &id).unwrap();
            record.retain(|name, _| !STAMPS.contains(&name.as_str()));
            all.insert((object(crm), id), record);
        }
    }
    all
}

fn fields(value: &Value) -> Fields {
    value.as_object().unwrap().clone()
}

/// New values for a record, different in each wave: texts, numbers and blanks.
fn values(crm: CrmKind, n: usize, wave: usize) -> Value {
    let text = format!("wave {wave} of {n}");
    let blank = n.is_multiple_of(7);
    match crm {
        Salesforce => json!({
            "Industry": text,
            "Phone": if blank { Value::Null } else { json!(format!("+{n}")) },
            "NumberOfEmployees": 10 * n + wave,
            "AnnualRevenue": 0.1 * f64::from(u32::try_from(n).unwrap()) + 0.25,
        }),
        HubSpot => json!({
            "city": text,
            "phone": if blank { json!("") } else { json!(format!("+{n}")) },
            "numberofemployees": 10 * n + wave,
        }),
    }
}

/// The agent at work.
struct Storm {
    salesforce: Client,
    hubspot: Client,
    mutations: usize,
    entries: usize,
}

impl Storm {
    /// Updates in three waves that overlap, and upserts.
    async fn updates(
        &mut self,
        accounts: &[(usize, String)],
        companies: &[(usize, String)],
        part: usize,
    ) {
        self.rows(&accounts[..20 * part], 1).await;
        self.collections(&accounts[10 * part..60 * part], 2).await;
        self.companies(&companies[..15 * part], 1).await;
        self.batches(&companies[5 * part..60 * part], 2).await;
        self.rows(&accounts[30 * part..40 * part], 3).await;
        self.batches(&companies[20 * part..30 * part], 3).await;
        self.upserts(10 * part).await;
    }

    async fn rows(&mut self, ids: &[(usize, String)], wave: usize) {
        for (n, id) in ids {
            let body = values(Salesforce, *n, wave);
            entry(&self.salesforce.patch(&format!("{ROWS}/{id}"), &body).await);
        }
        self.count(ids.len(), ids.len());
    }

    async fn collections(&mut self, ids: &[(usize, String)], wave: usize) {
        for ids in ids.chunks(150) {
            let record = |(n, id): &(usize, String)| {
                let mut record = fields(&values(Salesforce, *n, wave));
                record.insert("attributes".into(), json!({ "type": "Account" }));
                record.insert("id".into(), json!(id));
                Value::Object(record)
            };
            let body = json!({ "records": ids.iter().map(record).collect::<Vec<_>>() });
            entry(&self.salesforce.patch(COLLECTION, &body).await);
            self.count(ids.len(), 1);
        }
    }

    async fn companies(&mut self, ids: &[(usize, String)], wave: usize) {
        for (n, id) in ids {
            let body = json!({ "properties": values(HubSpot, *n, wave) });
            entry(
                &self
                    .hubspot
                    .patch(&format!("{COMPANIES}/{id}"), &body)
                    .await,
            );
        }
        self.count(ids.len(), ids.len());
    }

    async fn batches(&mut self, ids: &[(usize, String)], wave: usize) {
        for ids in ids.chunks(80) {
            let input = |(n, id): &(usize, String)| json!({ "id": id, "properties": values(HubSpot, *n, wave) });
            let body = json!({ "inputs": ids.iter().map(input).collect::<Vec<_>>() });
            entry(
                &self
                    .hubspot
                    .post(&format!("{COMPANIES}/batch/update"), &body)
                    .await,
            );
            self.count(ids.len(), 1);
        }
    }

    async fn deletes(&mut self, accounts: &[(usize, String)], companies: &[(usize, String)]) {
        for (_, id) in accounts {
            entry(&self.salesforce.delete(&format!("{ROWS}/{id}")).await);
        }
        let inputs: Vec<Value> = companies
            .iter()
            .map(|(_, id)| json!({ "id": id }))
            .collect();
        let body = json!({ "inputs": inputs });
        entry(
            &self
                .hubspot
                .post(&format!("{COMPANIES}/batch/archive"), &body)
                .await,
        );
        self.count(accounts.len() + companies.len(), accounts.len() + 1);
    }

    /// Upserts by external id: the first half of the keys exists.
    async fn upserts(&mut self, keys: usize) {
        for n in 0..keys {
            let path = format!("{ROWS}/Ext_Id__c/S-{n}");
            let mut body = fields(&values(Salesforce, n, 8));
            body.insert("Name".into(), json!(format!("Upserted {n}")));
            entry(&self.salesforce.patch(&path, &Value::Object(body)).await);
        }
        self.count(keys, keys);
    }

    fn count(&mut self, mutations: usize, entries: usize) {
        self.mutations += mutations;
        self.entries += entries;
    }
}

/// Makes records in both CRMs; their ids, numbered.
async fn make(
    salesforce: &Client,
    hubspot: &Client,
    count: usize,
    name: &str,
) -> (Vec<(usize, String)>, Vec<(usize, String)>) {
    let ids = |rows: &Value| -> Vec<String> {
        let rows = rows.as_array().unwrap().iter();
        rows.map(|row| row["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let (mut accounts, mut companies) = (Vec::new(), Vec::new());
    for start in (0..count).step_by(100) {
        let range = start..count.min(start + 100);
        let record = |n: usize| json!({ "attributes": { "type": "Account" }, "Name": format!("{name} {n}"), "Phone": format!("0{n}") });
        let body = json!({ "records": range.clone().map(record).collect::<Vec<_>>() });
        let reply = salesforce.post(COLLECTION, &body).await;
        entry(&reply);
        accounts.extend(ids(&reply.json()));
        let input = |n: usize| json!({ "properties": { "name": format!("{name} {n}"), "phone": format!("0{n}") } });
        let body = json!({ "inputs": range.map(input).collect::<Vec<_>>() });
        let reply = hubspot
            .post(&format!("{COMPANIES}/batch/create"), &body)
            .await;
        entry(&reply);
        companies.extend(ids(&reply.json()["results"]));
    }
    let numbered = |ids: Vec<String>| ids.into_iter().enumerate().collect();
    (numbered(accounts), numbered(companies))
}

/// Others change every tenth record: fields that we wrote, and fields that we did not. Returns what they
/// wrote.
fn others(desk: &Desk, keys: &[Key], made: &BTreeSet<Key>) -> BTreeSet<(Key, &'static str)> {
    let mut written = BTreeSet::new();
    for (n, key) in keys.iter().enumerate().filter(|(n, _)| n % 10 == 3) {
        let (crm, names) = match key.0 {
            "Account" => (Salesforce, ["Industry", "Phone", "Description"]),
            _ => (HubSpot, ["city", "phone", "description"]),
        };
        // on a record that was made all count; Salesforce's stamps are too coarse for the third
        let name = if made.contains(key) && crm == Salesforce {
            names[1]
        } else {
            names[n / 10 % 3]
        };
        if crm == HubSpot {
            desk.touch(key.0, &key.1, name, "theirs");
        } else {
            let sandbox = &desk.house.sandbox;
            assert!(sandbox.set_field(crm, key.0, &key.1, name, json!("theirs")));
        }
        written.insert((key.clone(), name));
    }
    written
}

/// What must stand after the revert: values from before, and what others wrote.
fn expected(
    before: &BTreeMap<Key, Fields>,
    held: &BTreeMap<Key, Fields>,
    theirs: &BTreeSet<(Key, &'static str)>,
) -> BTreeMap<Key, Fields> {
    let mut expected = BTreeMap::new();
    for (key, held) in held {
        let kept = theirs.iter().any(|(other, _)| other == key);
        let mut record = match before.get(key) {
            Some(before) => before.clone(),
            None if kept => held.clone(),
            None => continue,
        };
        let by_others = theirs.iter().filter(|(other, _)| other == key);
        for (_, field) in by_others {
            record.insert((*field).to_owned(), held[*field].clone());
        }
        expected.insert(key.clone(), record);
    }
    // what Salesforce has in its recycle bin comes back
    for (key, record) in before.iter().filter(|(key, _)| key.0 == "Account") {
        expected
            .entry(key.clone())
            .or_insert_with(|| record.clone());
    }
    expected
}

#[tokio::test]
async fn a_thousand_mixed_changes_are_undone_and_nothing_of_others_is_lost() {
    let part = 5;
    let desk = Desk::open().await;
    let setup = desk.house.other_agent();
    let setup_hubspot = Client::new(desk.house.hubspot, &setup.token);
    let (accounts, companies) = make(&setup, &setup_hubspot, 75 * part, "Known").await;
    for (n, (_, id)) in accounts.iter().take(5 * part).enumerate() {
        let body = json!({ "Ext_Id__c": format!("S-{n}") });
        entry(&setup.patch(&format!("{ROWS}/{id}"), &body).await);
    }
    let before = dump(&desk);

    let run = |client: Client| client.with("x-writegate-run", "storm");
    let mut storm = Storm {
        salesforce: run(desk.house.agent()),
        hubspot: run(desk.house.hubspot_agent()),
        mutations: 0,
        entries: 0,
    };
    storm.updates(&accounts, &companies, part).await;
    let (new, new_hubspot) = make(&storm.salesforce, &storm.hubspot, 30 * part, "New").await;
    storm.count(60 * part, 2 * (30 * part).div_ceil(100));
    storm
        .deletes(
            &accounts[65 * part..70 * part],
            &companies[65 * part..70 * part],
        )
        .await;
    let after = dump(&desk);

    let key = |object: &'static str| move |(_, id): &(usize, String)| (object, id.clone());
    let made: BTreeSet<Key> = after
        .keys()
        .filter(|key| !before.contains_key(*key))
        .cloned()
        .collect();
    assert_eq!(made.len(), 60 * part + 5 * part);
    assert_eq!(made.len(), new.len() + new_hubspot.len() + 5 * part);
    let mut touched: Vec<Key> = accounts[..60 * part].iter().map(key("Account")).collect();
    touched.extend(companies[..60 * part].iter().map(key("companies")));
    touched.extend(made.iter().cloned());
    let theirs = others(&desk, &touched, &made);
    let held = dump(&desk);

    let writes = desk.house.sandbox.writes().len();
    assert!(storm.mutations >= 1000 && theirs.len() * 10 >= touched.len());
    let wish = json!({ "as": "enrichment-agent", "run": "storm" });
    let report = desk.revert(&wish).await;
    let requests = desk.house.sandbox.writes().len() - writes;

    let expected = expected(&before, &held, &theirs);
    let restored = dump(&desk);
    let wrong: Vec<_> = expected
        .iter()
        .filter(|(key, record)| restored.get(*key) != Some(record))
        .chain(
            restored
                .iter()
                .filter(|(key, _)| !expected.contains_key(*key)),
        )
        .map(|(key, _)| key)
        .collect();
    let (done, skipped, impossible) = sums(&report);
    println!(
        "{} mutations in {} entries, {} records changed by others since: {done} lines restored, \
         {skipped} skipped, {impossible} impossible, in {requests} requests; wrong {}",
        storm.mutations,
        storm.entries,
        theirs.len(),
        wrong.len()
    );
    assert!(wrong.is_empty(), "{wrong:?}");
    assert_eq!(report["summary"]["entries"], storm.entries);
    assert_eq!(impossible, u64::try_from(5 * part).unwrap());
    assert!(skipped >= u64::try_from(theirs.len() / 2).unwrap());

    // and back again: what came back stays, all else is as the storm and the others left it
    let made_by_revert = report["summary"]["made"].clone();
    let back = desk.revert(&json!({ "entries": made_by_revert })).await;
    println!("and reverted again: {:?}", sums(&back));
    let again = dump(&desk);
    for (key, held) in held.iter().filter(|(key, _)| !made.contains(*key)) {
        assert_eq!(&again[key], held, "{key:?}");
    }
    desk.house.finish().await;
}
