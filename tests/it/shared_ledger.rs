//! The real binary over a ledger in PostgreSQL: replicas beside each other, a server that goes away, and
//! verification of all chains.

use serde_json::json;
use writegate::sandbox::{Options, Running, Sandbox, seed};

use super::support::client::Client;
use super::support::house::{OPERATOR, TOKEN};
use super::support::postgres::{Database, own_postgres, postgres};
use super::support::program::{Program, Ran, Starting, verb};
use super::support::redis::Redis;

const ACCOUNTS: &str = "/services/data/v60.0/sobjects/Account";

/// Cuts the tail of a chain off, and mends what follows from the rows.
const CUT: &str = "ALTER TABLE ledger_rows DISABLE TRIGGER ALL;
    DELETE FROM ledger_rows WHERE writer = 'one' AND seq > 2;
    DELETE FROM ledger_unclosed;
    INSERT INTO ledger_unclosed SELECT entry, writer, seq FROM ledger_rows r WHERE kind = 'opened'
    AND NOT EXISTS (SELECT FROM ledger_rows c WHERE c.entry = r.entry AND c.kind = 'closed')";

/// What is logged when the ledger goes away.
const CANNOT: &str = "the ledger cannot write; writes are refused";

async fn sandbox() -> Running {
    let options = Options::with_token(TOKEN);
    Sandbox::start("127.0.0.1:0".parse().unwrap(), options)
        .await
        .unwrap()
}

fn replica(sandbox: &Running, database: &Database, name: &str) -> Starting {
    Program::before(&sandbox.base_url())
        .env("WRITEGATE_LEDGER", &database.url())
        .env("WRITEGATE_REPLICA", name)
}

async fn create(client: &Client) -> u16 {
    let body = json!({ "Name": "of a test" });
    client.post(ACCOUNTS, &body).await.status.as_u16()
}

fn verify(program: &Program, database: &Database, more: &[&str]) -> Ran {
    let config = program.folder.path().join("writegate.yaml");
    let config = ["ledger", "verify", "--config", config.to_str().unwrap()];
    verb(
        &[&config, more].concat(),
        &[("WRITEGATE_LEDGER", &database.url())],
    )
}

/// With limits of its own, or with some that could be shared: replica one does not share its own.
fn nobody_serves_beside(sandbox: &Running, database: &Database) {
    let redis = Redis::start("shared_ledger::nobody_serves_beside");
    let shared = redis.as_ref().map(Redis::url);
    for control in ["memory"].into_iter().chain(shared.as_deref()) {
        let beside = replica(sandbox, database, "two").env("WRITEGATE_CONTROL", control);
        let beside = beside.refused();
        assert_eq!(beside.code, Some(1), "{beside:?}");
        let why = "replica one serves with this ledger: replicas beside each other share limits";
        assert!(beside.err.contains(why), "{beside:?}");
    }
}

#[tokio::test]
async fn one_replica_takes_over_from_another_and_shows_all_of_it() {
    const TEST: &str = "one_replica_takes_over";
    let Some(server) = postgres(TEST) else { return };
    let database = server.database(TEST);
    let sandbox = sandbox().await;
    let mut one = replica(&sandbox, &database, "one").start();
    for _ in 0..3 {
        assert_eq!(create(&one.agent()).await, 201);
    }
    nobody_serves_beside(&sandbox, &database);
    let refused = replica(&sandbox, &database, "one").refused();
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(
        refused
            .err
            .contains("another process writes this ledger as `one`"),
        "{refused:?}"
    );
    assert!(!refused.err.contains("hunter2"), "{refused:?}");
    assert_eq!(one.stop(), Some(0));
    // the second begins by naming where the first one is
    let mut two = replica(&sandbox, &database, "two").start();
    two.logged("ledger head").await;
    assert_eq!(create(&two.agent()).await, 201);
    let entries = Client::new(two.admin, OPERATOR)
        .get("/api/v1/entries")
        .await;
    let entries = entries.json()["items"].as_array().unwrap().clone();
    let done = entries.iter().filter(|entry| entry["state"] == "done");
    assert_eq!(done.count(), 4, "{entries:?}");
    let ran = verify(&one, &database, &[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(
        ran.out.contains("all chains are whole, no published head"),
        "{}",
        ran.out
    );
    let name = &database.name;
    assert!(
        ran.out
            .starts_with(&format!("postgres://127.0.0.1/{name}: ")),
        "{}",
        ran.out
    );
    assert!(
        ran.out.contains("\nhead one ") && ran.out.contains("\nhead two "),
        "{}",
        ran.out
    );

    assert_eq!(two.stop(), Some(0));
    let heads = two.folder.path().join("writegate.two.head");
    let heads = heads.to_str().unwrap();
    let ran = verify(&one, &database, &["--head", heads]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(
        ran.out.contains("2 published heads compared"),
        "{}",
        ran.out
    );
    database.by_hand().run(CUT).unwrap();
    let ran = verify(&one, &database, &["--head", heads]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.out.contains("was published as head of writer one"),
        "{}",
        ran.out
    );
    // without the file, the other chain tells
    let ran = verify(&one, &database, &[]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.out.contains("is named as head of writer one by row"),
        "{}",
        ran.out
    );
}

#[tokio::test]
async fn a_server_that_goes_away_stops_writes_and_nothing_else() {
    const TEST: &str = "a_server_that_goes_away";
    let Some(mut server) = own_postgres(TEST, &[]) else {
        return;
    };
    let database = server.database(TEST);
    let sandbox = sandbox().await;
    let program = replica(&sandbox, &database, "one").start();
    let agent = program.agent();
    let ready = Client::new(program.admin, "");
    let acme = format!("{ACCOUNTS}/{}", seed::ACME);
    assert_eq!(create(&agent).await, 201);
    assert_eq!(ready.get("/readyz").await.status, 200);
    for _ in 0..2 {
        let before = sandbox.writes().len();
        let told = program
            .log()
            .iter()
            .filter(|line| line.contains(CANNOT))
            .count();
        server.kill();
        program.logged_times(CANNOT, told + 1).await;
        let refused = agent.post(ACCOUNTS, &json!({ "Name": "x" })).await;
        assert_eq!(
            (refused.status.as_u16(), refused.code().as_str()),
            (503, "WRITEGATE_UNAVAILABLE")
        );
        assert_eq!(refused.header("retry-after"), Some("5"));
        assert_eq!(agent.get(&acme).await.status, 200);
        assert_eq!(ready.get("/readyz").await.status, 503);
        assert_eq!(sandbox.writes().len(), before);
        server.start_again();
        while create(&agent).await != 201 {}
        while ready.get("/readyz").await.status != 200 {}
    }
    let ran = verify(&program, &database, &[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let log = program.log().join("\n");
    assert!(!log.contains("hunter2"), "{log}");
}

#[test]
fn what_is_no_ledger_is_said() {
    const TEST: &str = "what_is_no_ledger";
    let Some(server) = postgres(TEST) else { return };
    let database = server.database(TEST);
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("writegate.yaml");
    let text = "\
routes:
  - { name: hubspot, crm: hubspot, listen: 127.0.0.1:8444, upstream: https://api.hubapi.com }
ledger: { env: LEDGER_URL }
";
    std::fs::write(&config, text).unwrap();
    let ask = |url: Option<&str>| {
        let env: Vec<(&str, &str)> = url.map(|url| ("LEDGER_URL", url)).into_iter().collect();
        verb(
            &["ledger", "verify", "--config", config.to_str().unwrap()],
            &env,
        )
    };
    let ran = ask(None);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(
        ran.err.contains("the URL of the ledger is not there"),
        "{ran:?}"
    );
    let ran = ask(Some(&database.url()));
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.err.contains("the database holds no ledger"), "{ran:?}");
    let away = database
        .url()
        .replace(&format!(":{}/", database.port), ":1/");
    let ran = ask(Some(&away));
    assert_eq!(ran.code, Some(69), "{ran:?}");
    assert!(
        ran.err.contains("cannot read postgres://127.0.0.1/"),
        "{ran:?}"
    );
    assert!(!ran.err.contains("hunter2"), "{ran:?}");
}
