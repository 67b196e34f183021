//! How a revert is asked for: the operator API and the command line.

use http::StatusCode;
use serde_json::{Value, json};
use writegate::mutation::CrmKind::{HubSpot, Salesforce};
use writegate::sandbox::{Fault, Head, Options, Sandbox, Token, seed};

use super::super::support::client::Client;
use super::super::support::house::{APPROVER, BROKER, TOKEN, VIEWER};
use super::super::support::program::Program;
use super::{Desk, account, company, entry, sums};

/// The agent gives a row another phone: the entry.
async fn phoned(desk: &Desk) -> String {
    let body = json!({ "Phone": "1" });
    entry(&desk.house.agent().patch(&account(seed::ACME), &body).await)
}

#[tokio::test]
async fn what_is_asked_has_one_reading() {
    let desk = Desk::open().await;
    let one = phoned(&desk).await;
    let which = "give `entries`, or `as` and one of `last`, `since` and `run`";
    for (body, status, said) in [
        (json!({}), 422, which),
        (json!({ "as": "enrichment-agent" }), 422, which),
        (json!({ "last": 1 }), 422, which),
        (json!({ "as": "a", "last": 1, "run": "r" }), 422, which),
        (
            json!({ "entries": [one], "as": "a", "last": 1 }),
            422,
            which,
        ),
        (json!({ "entries": [one], "last": 1 }), 422, which),
        (
            json!({ "entries": [] }),
            422,
            "`entries` is not a list of ids",
        ),
        (
            json!({ "entries": [1] }),
            422,
            "`entries` is not a list of ids",
        ),
        (
            json!({ "as": "a", "last": 0 }),
            422,
            "`last` is not a number above 0",
        ),
        (
            json!({ "as": "a", "since": "soon" }),
            422,
            "`since` is not a moment",
        ),
        (
            json!({ "entries": [one], "dryrun": true }),
            422,
            "`dryrun` is not understood",
        ),
        (
            json!({ "entries": [one], "dry_run": "yes" }),
            422,
            "`dry_run` is neither",
        ),
        (
            json!({ "entries": [one], "route": "sf" }),
            422,
            "no route is named sf",
        ),
        (
            json!({ "entries": [one], "route": "hubspot" }),
            404,
            "went through route salesforce",
        ),
        (
            json!({ "entries": [one, "01M0"] }),
            404,
            "no write with the id 01M0",
        ),
        (
            json!({ "as": "nobody", "last": 1 }),
            404,
            "no service account is named nobody",
        ),
        (json!([1]), 422, "not a JSON object"),
    ] {
        let reply = desk.ask(&body).await;
        assert_eq!(reply.status.as_u16(), status, "{body} {}", reply.text());
        assert!(reply.text().contains(said), "{body} {}", reply.text());
    }
    assert_eq!(desk.house.sandbox.writes().len(), 1);
    desk.house.finish().await;
}

#[tokio::test]
async fn a_viewer_does_not_revert() {
    let desk = Desk::open().await;
    let one = phoned(&desk).await;
    let viewer = Client::new(desk.admin, VIEWER);
    let reply = viewer
        .post("/api/v1/reverts", &json!({ "entries": [one] }))
        .await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN);
    let nobody = Client::new(desk.admin, "x");
    let reply = nobody
        .post(&format!("/api/v1/entries/{one}/revert"), &json!({}))
        .await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
    assert_eq!(desk.house.sandbox.writes().len(), 1);
    desk.house.finish().await;
}

#[tokio::test]
async fn a_dry_run_says_the_same_and_writes_nothing() {
    let desk = Desk::open().await;
    let agent = desk.house.agent();
    let body = json!({ "Phone": "1", "Industry": "X" });
    let one = entry(&agent.patch(&account(seed::ACME), &body).await);
    let two = entry(
        &agent
            .post(
                "/services/data/v60.0/sobjects/Account",
                &json!({ "Name": "N" }),
            )
            .await,
    );
    let sandbox = &desk.house.sandbox;
    sandbox.set_field(Salesforce, "Account", seed::ACME, "Phone", json!("2"));
    let rows = desk.house.entries().await.len();
    let wish = |dry_run: bool| json!({ "entries": [one, two], "dry_run": dry_run });
    let mut dry = desk.revert(&wish(true)).await;
    assert_eq!(
        (sandbox.writes().len(), desk.house.entries().await.len()),
        (2, rows)
    );
    let mut wet = desk.revert(&wish(false)).await;
    for report in [&mut dry, &mut wet] {
        report["summary"]["made"] = json!([]);
        report["summary"]["dry_run"] = json!(null);
        for item in report["items"].as_array_mut().unwrap() {
            item["by"] = json!(null);
        }
    }
    assert_eq!(dry, wet);
    assert_eq!(sums(&wet), (2, 1, 0));
    desk.house.finish().await;
}

#[tokio::test]
async fn entries_are_chosen_by_number_time_run_and_route() {
    let desk = Desk::open().await;
    let agent = desk.house.agent();
    let other = desk.house.other_agent();
    let phone = |n: u8| json!({ "Phone": n.to_string() });
    let mut entries = Vec::new();
    for (n, id) in [seed::ACME, seed::GLOBEX, seed::INITECH]
        .into_iter()
        .enumerate()
    {
        let run = if n == 1 { "night" } else { "day" };
        let agent = agent.with("x-writegate-run", run);
        entries.push(entry(&agent.patch(&account(id), &phone(1)).await));
    }
    // what wrote nothing is no entry to count
    let refused = agent.patch(&account("001000000000001"), &phone(1)).await;
    assert_eq!(refused.status, 404);
    entry(&other.patch(&account(seed::STARK), &phone(1)).await);
    let body = json!({ "properties": { "city": "Ulm" } });
    entry(
        &desk
            .house
            .hubspot_agent()
            .patch(&company(seed::HS_ACME), &body)
            .await,
    );
    let since = desk.house.entries().await;
    let third = since
        .iter()
        .find(|entry| entry.id.as_str() == entries[2])
        .unwrap();
    let chosen = async |wish: Value| {
        let mut wish = wish;
        wish["as"] = json!("enrichment-agent");
        wish["dry_run"] = json!(true);
        desk.revert(&wish).await["summary"]["entries"]
            .as_u64()
            .unwrap()
    };
    assert_eq!(chosen(json!({ "last": 2 })).await, 2);
    assert_eq!(chosen(json!({ "last": 9 })).await, 4);
    assert_eq!(chosen(json!({ "last": 9, "route": "salesforce" })).await, 3);
    assert_eq!(chosen(json!({ "run": "night" })).await, 1);
    assert_eq!(chosen(json!({ "run": "day" })).await, 2);
    assert_eq!(chosen(json!({ "run": "never" })).await, 0);
    assert_eq!(chosen(json!({ "since": third.at.to_string() })).await, 2);
    // --last 2 of both routes: the newest two
    desk.revert(&json!({ "as": "enrichment-agent", "last": 2 }))
        .await;
    assert_eq!(
        desk.field(HubSpot, "companies", seed::HS_ACME, "city"),
        "Tucson"
    );
    assert_eq!(
        desk.field(Salesforce, "Account", seed::INITECH, "Phone"),
        json!(null)
    );
    assert_eq!(
        desk.field(Salesforce, "Account", seed::GLOBEX, "Phone"),
        "1"
    );
    assert_eq!(desk.field(Salesforce, "Account", seed::STARK, "Phone"), "1");
    desk.house.finish().await;
}

/// Nobody is guessed to have written something: what the same token did past the proxy, what other service
/// accounts wrote, and what nobody knows the outcome of stay as they are.
#[tokio::test]
async fn only_what_went_through_us_is_taken_back() {
    let desk = Desk::open().await;
    let house = &desk.house;
    let ours = json!({ "Phone": "1" });
    let one = entry(&house.agent().patch(&account(seed::ACME), &ours).await);
    let past = Client::new(house.sandbox.addr, TOKEN);
    for (id, body) in [
        (seed::ACME, json!({ "Industry": "Software" })),
        (
            seed::GLOBEX,
            json!({ "Phone": "2", "Industry": "Software" }),
        ),
    ] {
        let reply = past.patch(&account(id), &body).await;
        assert_eq!(reply.status, StatusCode::NO_CONTENT, "{}", reply.text());
    }
    let theirs = json!({ "Phone": "3" });
    entry(
        &house
            .other_agent()
            .patch(&account(seed::INITECH), &theirs)
            .await,
    );
    let lost = |head: &Head<'_>| head.method == http::Method::PATCH;
    house.sandbox.script(lost, 1, Fault::CloseAfterEffect);
    let unknown = json!({ "Phone": "4" });
    let doubt = house.agent().patch(&account(seed::STARK), &unknown).await;
    assert_eq!(doubt.status, StatusCode::BAD_GATEWAY);
    let report = desk
        .revert(&json!({ "as": "enrichment-agent", "last": 100 }))
        .await;
    assert_eq!(sums(&report), (1, 0, 1), "{report}");
    let lines = report["items"].as_array().unwrap();
    let restored = lines
        .iter()
        .find(|line| line["action"] == "restored")
        .unwrap();
    assert_eq!(
        (&restored["entry"], &restored["field"]),
        (&json!(one), &json!("Phone"))
    );
    let left = lines
        .iter()
        .find(|line| line["action"] == "impossible")
        .unwrap();
    assert!(left["why"].as_str().unwrap().contains("in doubt"), "{left}");
    let field = |id: &str, name: &str| desk.field(Salesforce, "Account", id, name);
    assert_eq!(field(seed::ACME, "Phone"), "+1 520 555 0101");
    assert_eq!(field(seed::ACME, "Industry"), "Software");
    assert_eq!(field(seed::GLOBEX, "Phone"), "2");
    assert_eq!(field(seed::GLOBEX, "Industry"), "Software");
    assert_eq!(field(seed::INITECH, "Phone"), "3");
    assert_eq!(field(seed::STARK, "Phone"), "4");
}

#[tokio::test]
async fn one_entry_has_an_address_of_its_own() {
    let desk = Desk::open().await;
    let one = phoned(&desk).await;
    let client = Client::new(desk.admin, APPROVER);
    let path = format!("/api/v1/entries/{one}/revert");
    let dry = client.post(&path, &json!({ "dry_run": true })).await.json();
    assert_eq!(sums(&dry), (1, 0, 0));
    assert_eq!(desk.field(Salesforce, "Account", seed::ACME, "Phone"), "1");
    let done = client.raw(http::Method::POST, &path, None).await.json();
    assert_eq!(sums(&done), (1, 0, 0));
    assert_eq!(
        desk.field(Salesforce, "Account", seed::ACME, "Phone"),
        "+1 520 555 0101"
    );
    let unknown = client.post("/api/v1/entries/01M0/revert", &json!({})).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    let unread = client.post(&path, &json!({ "entries": [] })).await;
    assert_eq!(unread.status, StatusCode::UNPROCESSABLE_ENTITY);
    desk.house.finish().await;
}

#[tokio::test]
async fn the_command_line_shows_a_table_and_json() {
    let mut options = Options::with_token(TOKEN);
    options.tokens.push(Token::new(BROKER));
    let sandbox = Sandbox::start("127.0.0.1:0".parse().unwrap(), options)
        .await
        .unwrap();
    let starting =
        Program::before(&sandbox.base_url()).route(", release_credential: { env: BROKER }");
    let program = tokio::task::spawn_blocking(|| starting.start())
        .await
        .unwrap();
    let body = json!({ "Industry": "Software", "Phone": "1" });
    let one = entry(&program.agent().patch(&account(seed::ACME), &body).await);
    sandbox.set_field(Salesforce, "Account", seed::ACME, "Phone", json!("+49"));
    let record = format!("Account/{}", seed::ACME);
    let (dry, wet, again, json, usage) = tokio::task::spawn_blocking({
        let one = one.clone();
        move || {
            let mut program = program;
            let dry = program.verb_as(APPROVER, &["revert", &one, "--dry-run"]);
            let wet = program.verb(&["revert", "--as", "enrichment-agent", "--last", "1"]);
            let again =
                program.verb(&["revert", "--as", "operator:dana", "--since", "1h", "--json"]);
            let json = program.verb(&["revert", "--as", "enrichment-agent", "--run", "none"]);
            let usage = program.verb(&["revert", "--as", "enrichment-agent"]);
            program.stop();
            (dry, wet, again, json, usage)
        }
    })
    .await
    .unwrap();
    assert_eq!(dry.err, "");
    let shown: Vec<String> = dry
        .out
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    let sum = "1 restored · 1 skipped · 0 impossible, of 1 entries";
    let expected = [
        "RECORD, FIELD RESULT THEN WRITTEN NOW WHY".to_owned(),
        format!("entry {one}"),
        format!("{record} · last changed by {}", seed::OPERATIONS_USER),
        "Industry restored null \"Software\" \"Software\"".to_owned(),
        "Phone skipped \"+1 520 555 0101\" \"1\" \"+49\" changed since".to_owned(),
        format!("dry run, nothing written: {sum}"),
    ];
    assert_eq!((dry.code, shown), (Some(1), expected.to_vec()));
    let widest = dry.out.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(100), "{}", dry.out);
    assert_eq!(wet.code, Some(1));
    let made = wet.out.lines().last().unwrap();
    assert!(
        made.starts_with("to take this back: writegate revert 01"),
        "{made}"
    );
    assert!(wet.out.contains(sum), "{}", wet.out);
    assert_eq!((again.code, again.err.as_str()), (Some(0), ""));
    assert!(
        again.out.starts_with("{\"items\":[{\"entry\":"),
        "{}",
        again.out
    );
    assert_eq!(
        (json.code, json.out.as_str()),
        (
            Some(0),
            "nothing to take back\n0 restored · 0 skipped · 0 impossible, of 0 entries\n"
        )
    );
    assert_eq!(usage.code, Some(2));
    let record = sandbox.record(Salesforce, "Account", seed::ACME).unwrap();
    assert_eq!(
        (&record["Industry"], &record["Phone"]),
        (&json!("Software"), &json!("+49"))
    );
}
