//! The Salesforce face: writes.

use serde_json::{Value, json};
use writegate::mutation::CrmKind::Salesforce;
use writegate::sandbox::{EffectKind, seed};

use super::salesforce_reads::{names, query};
use super::started;

pub(super) const ROOT: &str = "/services/data/v60.0";

pub(super) fn row(object: &str, id: &str) -> String {
    format!("{ROOT}/sobjects/{object}/{id}")
}

#[tokio::test]
async fn a_record_lives_from_create_to_the_recycle_bin() {
    let (running, client, clock) = started().await;
    let created = client
        .json(
            "POST",
            &format!("{ROOT}/sobjects/account/"),
            json!({"name": "New", "AnnualRevenue": 5}),
        )
        .await;
    assert_eq!(created.status, 201);
    let id = created.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(id.len(), 18);
    assert!(created.header("location").unwrap().ends_with(&id));

    clock.advance_ms(2000);
    let (short, _) = id.split_at(15);
    let patch = json!({"INDUSTRY": "Retail", "Phone": ""});
    assert_eq!(
        client
            .json("PATCH", &row("Account", short), patch)
            .await
            .status,
        204
    );
    let target = format!("{}?_HttpMethod=PATCH", row("Account", &id));
    assert_eq!(
        client
            .json("POST", &target, json!({"Rating": "Hot"}))
            .await
            .status,
        204
    );
    let fields = "?fields=Name,Industry,AnnualRevenue,Rating,Phone,LastModifiedDate,CreatedDate";
    let read = client
        .get(&format!("{}{fields}", row("Account", &id)))
        .await
        .json();
    let url = row("Account", &id);
    let expected = json!({
        "attributes": {"type": "Account", "url": url}, "Name": "New", "Industry": "Retail",
        "AnnualRevenue": 5.0, "Rating": "Hot", "Phone": null,
        "LastModifiedDate": "2026-01-12T10:00:02.000+0000",
        "CreatedDate": "2026-01-12T10:00:00.000+0000",
    });
    assert_eq!(read, expected);

    assert_eq!(
        client
            .send("DELETE", &row("Account", &id), "", b"")
            .await
            .status,
        204
    );
    assert_eq!(client.get(&row("Account", &id)).await.code(), "NOT_FOUND");
    let again = client.send("DELETE", &row("Account", &id), "", b"").await;
    assert_eq!(
        (again.status, again.code().as_str()),
        (404, "ENTITY_IS_DELETED")
    );
    let deleted = "SELECT Name FROM Account WHERE IsDeleted = true";
    assert!(names(&client.get(&query(deleted)).await).is_empty());
    let all = query(deleted).replace("/query?", "/queryAll?");
    assert_eq!(names(&client.get(&all).await), ["New"]);

    let effects: Vec<(EffectKind, usize)> = running
        .writes()
        .iter()
        .map(|seen| (seen.effects.first().map(|e| e.kind), seen.effects.len()))
        .filter_map(|(kind, count)| Some((kind?, count)))
        .collect();
    use EffectKind::{Created, Deleted, Updated};
    assert_eq!(
        effects,
        [(Created, 1), (Updated, 1), (Updated, 1), (Deleted, 1)]
    );
    assert_eq!(
        running.writes().len(),
        5,
        "the second delete was a write without effect"
    );
}

#[tokio::test]
async fn writes_that_do_not_fit_say_why_and_change_nothing() {
    let (running, client, _) = started().await;
    let before = running.record(Salesforce, "Account", seed::ACME);
    let long = "x".repeat(256);
    for line in REFUSED.trim().lines() {
        let line = line.replace("ACME", seed::ACME).replace("256X", &long);
        let [method, path, body, status, code] =
            line.split('|').map(str::trim).collect::<Vec<_>>()[..]
        else {
            panic!("{line}");
        };
        let target = format!("{ROOT}/{path}");
        let reply = client
            .send(
                method,
                &target,
                "Content-Type: application/json\r\n",
                body.as_bytes(),
            )
            .await;
        let came = (reply.status.to_string(), reply.code());
        assert_eq!(came, (status.to_owned(), code.to_owned()), "{line}");
    }
    let csv = "Content-Type: text/csv\r\n";
    let csv = client
        .send("PATCH", &row("Account", seed::ACME), csv, b"Name")
        .await;
    assert_eq!(csv.status, 415);
    assert_eq!(running.record(Salesforce, "Account", seed::ACME), before);
    assert!(running.writes().iter().all(|seen| seen.effects.is_empty()));
}

const REFUSED: &str = r#"
PATCH | sobjects/Account/ACME | {"Foo__c": 1} | 400 | INVALID_FIELD
PATCH | sobjects/Account/ACME | {"NumberOfEmployees": "x"} | 400 | JSON_PARSER_ERROR
PATCH | sobjects/Account/ACME | {"Phone": 5} | 400 | JSON_PARSER_ERROR
PATCH | sobjects/Account/ACME | {"Name": null} | 400 | REQUIRED_FIELD_MISSING
PATCH | sobjects/Account/ACME | {"Id": "ACME"} | 400 | INVALID_FIELD
PATCH | sobjects/Account/ACME | {"IsDeleted": true} | 400 | INVALID_FIELD_FOR_INSERT_UPDATE
PATCH | sobjects/Account/ACME | {"Size_Tier__c": "SMB"} | 400 | INVALID_FIELD_FOR_INSERT_UPDATE
PATCH | sobjects/Account/ACME | {"Rating": "256X"} | 400 | STRING_TOO_LONG
PATCH | sobjects/Account/ACME | {"OwnerId": "ACME"} | 400 | MALFORMED_ID
PATCH | sobjects/Account/ACME | {"ParentId": "001Wg0000009999IAA"} | 400 | INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY
PATCH | sobjects/Account/ACME | [1] | 400 | JSON_PARSER_ERROR
PATCH | sobjects/Account/ACME | { | 400 | JSON_PARSER_ERROR
PATCH | sobjects/Contact/ACME | {} | 400 | MALFORMED_ID
PATCH | sobjects/Account/001Wg0000000001AAA | {} | 400 | MALFORMED_ID
PATCH | sobjects/Account/001Wg0000009999IAA | {} | 404 | NOT_FOUND
PATCH | sobjects/Nope/ACME | {} | 404 | NOT_FOUND
PUT | sobjects/Account/ACME | {} | 405 | METHOD_NOT_ALLOWED
POST | sobjects/Account/ACME | {} | 405 | METHOD_NOT_ALLOWED
POST | sobjects/Account | {"Name": "x", "Id": "ACME"} | 400 | INVALID_FIELD_FOR_INSERT_UPDATE
POST | sobjects/Opportunity | {"Name": "x"} | 400 | REQUIRED_FIELD_MISSING
POST | sobjects/Opportunity | {"CloseDate": "soon"} | 400 | JSON_PARSER_ERROR
POST | sobjects/Lead | {"LastName": "x"} | 400 | REQUIRED_FIELD_MISSING
POST | sobjects/Contact | {"Email": "nobody"} | 400 | INVALID_EMAIL_ADDRESS
POST | nope | {} | 404 | NOT_FOUND
"#;

#[tokio::test]
async fn of_a_name_that_stands_twice_the_last_one_counts() {
    let (running, client, _) = started().await;
    let body = br#"{"Industry": "First", "Industry": "Last", "Rating": "a", "rating": "b"}"#;
    let json = "Content-Type: application/json\r\n";
    let reply = client
        .send("PATCH", &row("Account", seed::ACME), json, body)
        .await;
    assert_eq!(reply.status, 204);
    let acme = running.record(Salesforce, "Account", seed::ACME).unwrap();
    assert_eq!(
        (&acme["Industry"], &acme["Rating"]),
        (&json!("Last"), &json!("b"))
    );
}

#[tokio::test]
async fn external_ids_find_make_and_refuse_ambiguity() {
    let (running, client, _) = started().await;
    let by = |value: &str| row("Account", &format!("Ext_Id__c/{value}"));
    assert_eq!(client.get(&by("A-1001")).await.json()["Id"], seed::ACME);
    let made = client
        .json("PATCH", &by("a%2Fb"), json!({"Name": "Slash"}))
        .await;
    assert_eq!((made.status, &made.json()["created"]), (201, &json!(true)));
    let found = client
        .json("PATCH", &by("a%2Fb"), json!({"Phone": "1"}))
        .await;
    assert_eq!(
        (found.status, &found.json()["created"]),
        (200, &json!(false))
    );
    let twin = json!({"Name": "Twin", "Ext_Id__c": "A-1001"});
    let twin = client.json("POST", &row("Account", ""), twin).await;
    assert_eq!(twin.status, 201);
    let ambiguous = client
        .json("PATCH", &by("A-1001"), json!({"Phone": "2"}))
        .await;
    assert_eq!(
        (ambiguous.status, ambiguous.json().as_array().unwrap().len()),
        (300, 2)
    );
    assert_eq!(running.writes().last().unwrap().effects, []);
    assert_eq!(client.get(&by("nothing")).await.status, 404);
    assert_eq!(
        client.get(&row("Account", "Phone/1")).await.code(),
        "NOT_FOUND"
    );
    assert_eq!(
        client.send("DELETE", &by("a%2Fb"), "", b"").await.status,
        204
    );
    let nested = json!({"Account": {"Ext_Id__c": "A-1002"}});
    let moved = client
        .json("PATCH", &row("Contact", seed::WILE), nested)
        .await;
    assert_eq!(moved.status, 204);
    let wile = running.record(Salesforce, "Contact", seed::WILE).unwrap();
    assert_eq!(wile["AccountId"], seed::GLOBEX);
}

#[tokio::test]
async fn a_condition_that_does_not_hold_is_a_412() {
    let (running, client, clock) = started().await;
    let acme = row("Account", seed::ACME);
    let read = client.get(&acme).await;
    let etag = read.header("etag").unwrap().to_owned();
    let modified = read.header("last-modified").unwrap().to_owned();
    let patch = |header: String| {
        let (client, acme) = (client.clone(), acme.clone());
        async move {
            let headers = format!("Content-Type: application/json\r\n{header}\r\n");
            client
                .send("PATCH", &acme, &headers, br#"{"Phone":"1"}"#)
                .await
                .status
        }
    };
    assert_eq!(patch(format!("If-Match: {etag}")).await, 204);
    assert_eq!(patch(format!("If-Match: {etag}")).await, 412);
    assert_eq!(patch(format!("If-Unmodified-Since: {modified}")).await, 412);
    clock.advance_ms(60_000);
    let changed = json!("somebody else");
    assert!(running.set_field(Salesforce, "Account", seed::ACME, "Rating", changed));
    assert_eq!(
        patch("If-Unmodified-Since: Mon, 12 Jan 2026 10:00:59 GMT".into()).await,
        412
    );
    assert_eq!(
        patch("If-Unmodified-Since: Mon, 12 Jan 2026 10:01:00 GMT".into()).await,
        204
    );
    assert_eq!(patch("If-Unmodified-Since: yesterday".into()).await, 400);
    let not = format!(
        "If-None-Match: {}\r\n",
        client.get(&acme).await.header("etag").unwrap()
    );
    assert_eq!(client.send("GET", &acme, &not, b"").await.status, 304);
}

#[tokio::test]
async fn collections_answer_row_by_row_or_take_all_back() {
    let (running, client, _) = started().await;
    let many = format!("{ROOT}/composite/sobjects");
    let account = |fields: Value| {
        let mut row = json!({"attributes": {"type": "Account"}});
        row.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        row
    };
    let rows = json!([
        account(json!({"id": seed::ACME, "Phone": "1"})),
        account(json!({"id": seed::GLOBEX, "Nope": "1"})),
        account(json!({"id": seed::WILE, "Phone": "1"})),
        {"id": seed::ACME, "Phone": "2"},
    ]);
    let all = json!({"allOrNone": true, "records": rows});
    let reply = client.json("PATCH", &many, all).await;
    let code = |body: &Value, row: usize| body[row]["errors"][0]["statusCode"].clone();
    let body = reply.json();
    assert_eq!((reply.status, &body[0]["success"]), (200, &json!(false)));
    assert_eq!(code(&body, 0), "ALL_OR_NONE_OPERATION_ROLLED_BACK");
    assert_eq!(code(&body, 1), "INVALID_FIELD");
    assert_eq!(code(&body, 2), "MALFORMED_ID");
    assert_eq!(code(&body, 3), "INVALID_TYPE");
    assert_eq!(running.writes()[0].effects, []);
    let acme = running.record(Salesforce, "Account", seed::ACME).unwrap();
    assert_ne!(acme["Phone"], "1");

    let some = client
        .json("PATCH", &many, json!({"records": rows}))
        .await
        .json();
    assert_eq!(
        (&some[0]["success"], &some[1]["success"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(running.writes()[1].effects.len(), 1);

    let upsert = json!({"records": [
        account(json!({"Ext_Id__c": "A-1001", "Phone": "3"})),
        account(json!({"Ext_Id__c": "A-9", "Name": "Nine"})),
    ]});
    let target = format!("{many}/Account/Ext_Id__c");
    let upserted = client.json("PATCH", &target, upsert).await.json();
    assert_eq!(
        (&upserted[0]["created"], &upserted[1]["created"]),
        (&json!(false), &json!(true))
    );

    let target = format!(
        "{many}?ids={},{}&allOrNone=false",
        seed::VANDELAY,
        "001Wg0000009999IAA"
    );
    let deleted = client.send("DELETE", &target, "", b"").await.json();
    assert_eq!(
        (&deleted[0]["success"], &deleted[1]["success"]),
        (&json!(true), &json!(false))
    );
    let create = json!({"records": vec![account(json!({"Name": "x"})); 201]});
    assert_eq!(
        client.json("POST", &many, create).await.code(),
        "EXCEEDED_MAX_SIZE_REQUEST"
    );
    let create = json!({"records": vec![account(json!({"Name": "x"})); 200]});
    let created = client.json("POST", &many, create).await.json();
    assert_eq!(created.as_array().unwrap().len(), 200);
}
