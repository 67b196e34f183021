//! The Salesforce face: tokens, reads, queries, descriptions, encodings.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use writegate::mutation::CrmKind::Salesforce;
use writegate::sandbox::seed;

use super::client::{Client, Reply};
use super::salesforce::{ROOT, row};
use super::started;

pub(super) fn query(text: &str) -> String {
    let encoded: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
    format!("{ROOT}/query?q={encoded}")
}

pub(super) fn names(reply: &Reply) -> Vec<String> {
    let body = reply.json();
    let rows = body["records"].as_array().unwrap();
    rows.iter()
        .map(|row| row["Name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn snapshot_reads_keep_order_and_say_what_is_missing() {
    let (running, client, _) = started().await;
    let target = format!("{ROOT}/composite/sobjects/Account");
    let ids = json!([seed::GLOBEX, "001Wg0000009999IAA", seed::ACME]);
    let body = json!({"ids": ids, "fields": ["Name"]});
    let reply = client.json("POST", &target, body).await.json();
    assert_eq!(reply[0]["Name"], "Globex Industries");
    assert_eq!(
        (&reply[1], &reply[2]["Name"]),
        (&Value::Null, &json!("Acme Corporation"))
    );
    let by_get = format!(
        "{target}?ids={},{}&fields=Name,Industry",
        seed::ACME,
        seed::GLOBEX
    );
    assert_eq!(
        client.get(&by_get).await.json()[1]["Industry"],
        "Manufacturing"
    );

    let blind = Client::new(running.addr, "blind");
    let body = json!({"ids": [seed::ACME], "fields": ["Name", "AnnualRevenue"]});
    assert_eq!(
        blind.json("POST", &target, body).await.code(),
        "INVALID_FIELD"
    );
    let whole = blind.get(&row("Account", seed::ACME)).await.json();
    assert!(whole.get("AnnualRevenue").is_none() && whole.get("Industry").is_some());
    let write = json!({"AnnualRevenue": 1});
    let denied = blind
        .json("PATCH", &row("Account", seed::ACME), write)
        .await;
    assert_eq!(denied.code(), "INVALID_FIELD");
}

#[tokio::test]
async fn one_composite_reads_and_writes_records_of_several_types() {
    let (running, client, _) = started().await;
    let target = format!("{ROOT}/composite/sobjects/Account");
    let part = |id: &str, method: &str, url: String, body: Value| json!({"referenceId": id, "method": method, "url": url, "body": body});
    let reads = json!({"compositeRequest": [
        part("a", "GET", format!("{}?fields=Amount", row("Opportunity", seed::ACME_RENEWAL)), Value::Null),
        part("b", "POST", target.clone(), json!({"ids": [seed::ACME], "fields": ["Name"]})),
        part("c", "GET", query("SELECT Id FROM Lead"), Value::Null),
        part("d", "GET", row("Contact", "003Wg0000009999IAA"), Value::Null),
        part("e", "POST", format!("{ROOT}/composite"), json!({})),
    ]});
    let reply = client
        .json("POST", &format!("{ROOT}/composite"), reads)
        .await
        .json();
    let parts = reply["compositeResponse"].as_array().unwrap();
    let statuses: Vec<u64> = parts
        .iter()
        .map(|p| p["httpStatusCode"].as_u64().unwrap())
        .collect();
    assert_eq!(statuses, [200, 200, 200, 404, 400]);
    assert_eq!(parts[0]["body"]["Amount"], 250_000.0);

    let writes = json!({"allOrNone": true, "compositeRequest": [
        part("a", "PATCH", row("Account", seed::ACME), json!({"Phone": "9"})),
        part("b", "PATCH", row("Account", seed::ACME), json!({"Nope": "9"})),
    ]});
    let reply = client
        .json("POST", &format!("{ROOT}/composite"), writes)
        .await
        .json();
    assert_eq!(
        reply["compositeResponse"][0]["body"][0]["errorCode"],
        "PROCESSING_HALTED"
    );
    assert!(running.writes().iter().all(|seen| seen.effects.is_empty()));
}

#[tokio::test]
async fn queries_filter_sort_and_page() {
    let (_running, client, _) = started().await;
    let cases: [(&str, &[&str]); 8] = [
        (
            "Industry = null AND NumberOfEmployees > 100",
            &["Cyberdyne Systems", "Umbrella Health"],
        ),
        (
            "(Name LIKE 'ac%' OR Name = 'hooli cloud') AND NOT Type = 'Customer'",
            &["Hooli Cloud"],
        ),
        (
            "NumberOfEmployees IN (14, 640)",
            &["Vandelay Imports", "Wonka Confectionery"],
        ),
        (
            "Industry NOT IN ('Manufacturing') AND Industry != null AND Type = 'Customer'",
            &["Wayne Logistics", "Wonka Confectionery"],
        ),
        ("Parent.Name = 'Wonka Confectionery'", &["Vandelay Imports"]),
        ("Id = '001Wg0000000001'", &["Acme Corporation"]),
        (
            "AnnualRevenue >= 310000000.0 AND CreatedDate < 2026-02-01T00:00:00Z",
            &["Globex Industries", "Wayne Logistics"],
        ),
        ("Name = 'O\\'Neill'", &[]),
    ];
    for (filter, expected) in cases {
        let text = format!("SELECT Name FROM Account WHERE {filter} ORDER BY Name");
        let reply = client.get(&query(&text)).await;
        assert_eq!(reply.status, 200, "{filter}: {}", reply.json());
        assert_eq!(names(&reply), expected, "{filter}");
    }
    for (text, code) in [
        ("SELECT Nope FROM Account", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE Nope = 1", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE Name = 1", "INVALID_FIELD"),
        (
            "SELECT Id FROM Account WHERE NumberOfEmployees = '1'",
            "INVALID_FIELD",
        ),
        ("SELECT Id FROM Nope", "INVALID_TYPE"),
        ("SELECT FIELDS(ALL) FROM Account", "MALFORMED_QUERY"),
        ("DELETE FROM Account", "MALFORMED_QUERY"),
    ] {
        assert_eq!(client.get(&query(text)).await.code(), code, "{text}");
    }
    let counted = client
        .get(&query("SELECT COUNT() FROM Account"))
        .await
        .json();
    assert_eq!(
        (&counted["totalSize"], &counted["records"]),
        (&json!(12), &json!([]))
    );

    let mut seen = Vec::new();
    let mut target = query("SELECT Name FROM Account ORDER BY Name DESC");
    loop {
        let page = client.get(&target).await;
        seen.extend(names(&page));
        match page.json()["nextRecordsUrl"].as_str() {
            Some(next) => next.clone_into(&mut target),
            None => break,
        }
    }
    assert_eq!(seen.len(), 12);
    assert!(seen.is_sorted_by(|a, b| a > b));
    let gone = client
        .get(&format!("{ROOT}/query/01gWg0000000001MAA-5"))
        .await;
    assert_eq!(gone.code(), "INVALID_QUERY_LOCATOR");
}

#[tokio::test]
async fn describe_tells_what_can_be_written() {
    let (_running, client, _) = started().await;
    let described = client.get(&row("Account", "describe")).await.json();
    assert_eq!(described["keyPrefix"], "001");
    let fields = described["fields"].as_array().unwrap();
    let flags = |name: &str| {
        let field = fields.iter().find(|field| field["name"] == name).unwrap();
        [
            "createable",
            "updateable",
            "nillable",
            "externalId",
            "idLookup",
            "calculated",
            "autoNumber",
        ]
        .map(|flag| field[flag].as_bool().unwrap())
    };
    assert_eq!(
        flags("Name"),
        [true, true, false, false, false, false, false]
    );
    assert_eq!(
        flags("Ext_Id__c"),
        [true, true, true, true, true, false, false]
    );
    assert_eq!(
        flags("Size_Tier__c"),
        [false, false, true, false, false, true, false]
    );
    assert_eq!(
        flags("Customer_Number__c"),
        [false, false, true, false, false, false, true]
    );
    assert_eq!(
        flags("Id"),
        [false, false, false, false, true, false, false]
    );
    let global = client.get(&format!("{ROOT}/sobjects")).await.json();
    assert!(global["sobjects"].as_array().unwrap().len() >= 9);
}

#[tokio::test]
async fn bodies_may_be_compressed_both_ways() {
    let (running, client, _) = started().await;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(br#"{"Phone":"42"}"#).unwrap();
    let body = encoder.finish().unwrap();
    let headers = "Content-Type: application/json\r\nContent-Encoding: gzip\r\n";
    let acme = row("Account", seed::ACME);
    assert_eq!(
        client.send("PATCH", &acme, headers, &body).await.status,
        204
    );
    let record = running.record(Salesforce, "Account", seed::ACME).unwrap();
    assert_eq!(record["Phone"], "42");
    assert_eq!(
        running.writes()[0].body,
        body,
        "the log keeps what came over the wire"
    );
    let broken = client.send("PATCH", &acme, headers, b"no gzip").await;
    assert_eq!(broken.code(), "JSON_PARSER_ERROR");

    let asking = client
        .send("GET", &acme, "Accept-Encoding: gzip\r\n", b"")
        .await;
    assert_eq!(asking.header("content-encoding"), Some("gzip"));
    let mut plain = Vec::new();
    GzDecoder::new(asking.body.as_slice())
        .read_to_end(&mut plain)
        .unwrap();
    assert_eq!(plain, client.get(&acme).await.body);
    let small = format!("{acme}?fields=Name");
    let small = client
        .send("GET", &small, "Accept-Encoding: gzip\r\n", b"")
        .await;
    assert_eq!(small.header("content-encoding"), None);
}
#[tokio::test]
async fn only_its_tokens_are_let_in() {
    let (running, client, _) = started().await;
    assert_eq!(client.get("/services/data").await.status, 200);
    let stranger = Client::new(running.addr, "other");
    assert_eq!(stranger.get("/services/data").await.status, 200);
    let refused = stranger.get(&row("Account", seed::ACME)).await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (401, "INVALID_SESSION_ID")
    );
    let login = stranger
        .json("POST", "/services/oauth2/token", json!({}))
        .await;
    assert_eq!(login.status, 400);
    let known = client.get(ROOT).await;
    assert!(
        known
            .header("sforce-limit-info")
            .unwrap()
            .starts_with("api-usage=1/")
    );
    let identity = known.json()["identity"].as_str().unwrap().to_owned();
    assert!(identity.starts_with(&running.base_url()), "{identity}");
    assert_eq!(client.get("/services/data/v9.0/limits").await.status, 404);
}
