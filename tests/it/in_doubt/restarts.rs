//! A restart finds every doubt again, and settles it.

use std::sync::Arc;

use serde_json::json;
use tempfile::TempDir;
use writegate::mutation::CrmKind;
use writegate::sandbox::{Options, Running, Sandbox, Token, seed};

use super::*;
use crate::support::client::Client;
use crate::support::house::{BROKER, KEY, TOKEN};
use crate::support::program::Program;

/// A CRM that outlives the proxies before it.
struct Lasting {
    sandbox: Running,
    clock: Arc<ManualClock>,
    folder: Arc<TempDir>,
}

impl Lasting {
    async fn new() -> Self {
        let clock = Arc::new(ManualClock::new(SystemClock.now()));
        let mut options = Options::with_token(TOKEN);
        options.tokens.push(Token::new(BROKER));
        options.clock = clock.clone();
        let sandbox = Sandbox::start("127.0.0.1:0".parse().unwrap(), options).await;
        Self {
            sandbox: sandbox.unwrap(),
            clock,
            folder: Arc::new(tempfile::tempdir().unwrap()),
        }
    }

    /// A start of the proxy.
    async fn start(&self) -> Scene {
        let house = House::builder()
            .folder(&self.folder)
            .upstream(&self.sandbox.base_url())
            .clock(self.clock.clone())
            .build()
            .await;
        Scene {
            worker: house.worker(),
            house,
            clock: self.clock.clone(),
        }
    }

    fn fail(&self, method: Method, path: &str, fault: Fault) {
        let path = path.to_owned();
        let meant = move |head: &writegate::sandbox::Head<'_>| {
            head.method == method && head.path.starts_with(&path)
        };
        self.sandbox.script(meant, 1, fault);
    }
}

/// The orderly end of a proxy.
async fn end(mut scene: Scene) {
    scene.house.stop().await;
}

#[tokio::test]
async fn a_restart_keeps_the_block_settles_and_remembers() {
    let crm = Lasting::new().await;
    let first = crm.start().await;
    let (acme, globex) = (account(seed::ACME), account(seed::GLOBEX));
    let agent = first.house.agent();
    // the one that is done comes last: the next request would read it back
    crm.fail(Method::PATCH, &globex, Fault::CloseBeforeEffect);
    let lost = doubtful(&agent.patch(&globex, &industry("Retail")).await);
    crm.fail(Method::PATCH, &acme, Fault::CloseAfterEffect);
    let applied = doubtful(&agent.patch(&acme, &industry("Software")).await);
    end(first).await;
    let second = crm.start().await;
    let agent = second.house.agent();
    assert_eq!(second.house.app.in_doubt().await.unwrap(), 2);
    is_blocked_by(
        &agent.patch(&globex, &json!({ "Rating": "Hot" })).await,
        &lost,
    );
    second.wait_out();
    second.look().await;
    assert_eq!(second.state(&applied).await, EntryState::Done);
    assert_eq!(second.state(&lost).await, EntryState::Failed);
    end(second).await;
    // what was settled before a start is known after it
    let third = crm.start().await;
    let agent = third.house.agent();
    assert_eq!(third.house.app.in_doubt().await.unwrap(), 0);
    let reply = agent.patch(&acme, &industry("Software")).await;
    assert_eq!(reply.status, 204);
    assert_eq!(reply.header("x-writegate-replayed"), Some("true"));
    assert_eq!(entry(&reply), applied);
    assert_eq!(crm.sandbox.writes().len(), 2);
    assert_eq!(agent.patch(&globex, &industry("Retail")).await.status, 204);
    assert_eq!(crm.sandbox.writes().len(), 3);
    // what another write superseded is forgotten by a start too
    assert_eq!(agent.patch(&acme, &industry("Media")).await.status, 204);
    end(third).await;
    let fourth = crm.start().await;
    let reply = fourth
        .house
        .agent()
        .patch(&acme, &industry("Software"))
        .await;
    assert_eq!(reply.status, 204);
    assert_eq!(reply.header("x-writegate-replayed"), None);
    assert_eq!(crm.sandbox.writes().len(), 5);
    end(fourth).await;
}

#[tokio::test]
async fn the_next_requests_token_reads_back_where_nothing_else_can() {
    let scene = Scene::without_credentials().await;
    let (acme, globex) = (account(seed::ACME), account(seed::GLOBEX));
    let agent = scene.house.agent();
    let doubt = scene.doubt(Fault::CloseAfterEffect).await;
    scene.wait_out();
    // nobody has a credential, and another account's token does not count
    assert!(scene.look().await.is_empty());
    let other = scene.house.other_agent();
    assert_eq!(
        other
            .patch(&globex, &json!({ "Rating": "Hot" }))
            .await
            .status,
        204
    );
    assert_eq!(scene.state(&doubt).await, EntryState::InDoubt);
    // its own next request reads back before it is judged
    let reply = agent.patch(&acme, &json!({ "Rating": "Hot" })).await;
    assert_eq!(reply.status, 204, "{}", reply.text());
    assert_eq!(scene.state(&doubt).await, EntryState::Done);
    scene.house.finish().await;
}

#[tokio::test]
async fn a_release_credential_reads_back_too() {
    let scene = Scene::of(House::builder().configure(|config| {
        for account in &mut config.service_accounts {
            account.credentials.clear();
        }
        for route in &mut config.routes {
            route.release_credential = Some(writegate::config::Secret::new(BROKER).into());
        }
    }))
    .await;
    let doubt = scene.doubt(Fault::CloseAfterEffect).await;
    assert_eq!(scene.look().await.len(), 1);
    assert_eq!(scene.state(&doubt).await, EntryState::Done);
    let read = scene.house.sandbox.seen().pop().unwrap();
    assert_eq!(read.headers["authorization"], format!("Bearer {BROKER}"));
    scene.house.finish().await;
}

#[tokio::test]
async fn a_crm_that_cannot_be_read_is_asked_again() {
    let scene = Scene::new().await;
    let acme = account(seed::ACME);
    scene.fail(&Method::PATCH, &acme, Fault::CloseAfterEffect);
    let agent = scene.house.agent();
    let doubt = doubtful(&agent.patch(&acme, &industry("Software")).await);
    for status in [401, 429, 500] {
        let fault = Fault::Answer {
            status,
            headers: Vec::new(),
            body: "[]".into(),
        };
        let sandbox = &scene.house.sandbox;
        sandbox.script(|head| head.method == Method::GET, 1, fault);
        assert!(scene.look().await.is_empty(), "{status}");
        assert!(scene.look().await.is_empty(), "it is not due yet");
        scene.clock.advance_ms(60_000);
    }
    // after five looks that failed, nobody is told to try again soon
    for hint in ["try again in", "A person has to settle it"] {
        let fault = Fault::Answer {
            status: 500,
            headers: Vec::new(),
            body: "[]".into(),
        };
        let sandbox = &scene.house.sandbox;
        sandbox.script(|head| head.method == Method::GET, 1, fault);
        assert!(scene.look().await.is_empty());
        let blocked = agent.patch(&acme, &json!({ "Rating": "Hot" })).await;
        is_blocked_by(&blocked, &doubt);
        assert!(blocked.message().contains(hint), "{}", blocked.message());
        scene.clock.advance_ms(60_000);
    }
    assert_eq!(scene.house.sandbox.writes().len(), 1);
    assert_eq!(scene.look().await.len(), 1);
    assert_eq!(scene.state(&doubt).await, EntryState::Done);
    scene.house.finish().await;
}

/// What is written to a record.
fn step(id: &str) -> Value {
    json!({ "Rating": "Hot", "NextStep__c": format!("step {id}") })
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// The sandbox's writes among `ids` go wrong so.
fn among(sandbox: &Running, ids: [&'static str; 3], fault: Fault) {
    let meant = move |head: &writegate::sandbox::Head<'_>| {
        head.method == Method::PATCH && ids.iter().any(|id| head.path.ends_with(id))
    };
    sandbox.script(meant, 3, fault);
}

/// kill -9 of the real program while writes are at the CRM, some done there and some not: the next
/// start finds all of them, and none is sent again.
#[tokio::test]
async fn after_kill_9_all_doubts_are_found_and_told_right() {
    let mut options = Options::with_token(TOKEN);
    options.tokens.push(Token::new(BROKER));
    let sandbox = Sandbox::start("127.0.0.1:0".parse().unwrap(), options)
        .await
        .unwrap();
    let starting = Program::before(&sandbox.base_url());
    let mut program = blocking(move || starting.start()).await;
    let done = [seed::ACME, seed::GLOBEX, seed::WAYNE];
    let not_done = [seed::HOOLI, seed::STARK, seed::TYRELL];
    let (after, waits_after) = gated(true);
    let (before, waits_before) = gated(false);
    among(&sandbox, done, waits_after);
    among(&sandbox, not_done, waits_before);
    // what waits at the second gate never happens
    among(&sandbox, not_done, Fault::CloseBeforeEffect);
    let agent = Client::new(program.salesforce, KEY);
    let sends = done.into_iter().chain(not_done).map(|id| {
        let agent = agent.clone();
        let bytes = step(id).to_string().into();
        tokio::spawn(async move {
            agent
                .try_raw(Method::PATCH, &account(id), Some(bytes))
                .await
        })
    });
    let sends: Vec<_> = sends.collect();
    after.arrived(3).await;
    before.arrived(3).await;
    let folder = blocking(move || {
        program.kill();
        Arc::clone(&program.folder)
    })
    .await;
    for send in sends {
        assert!(send.await.unwrap().is_err());
    }
    before.open();
    after.open();
    let starting = Program::before(&sandbox.base_url()).folder(&folder);
    let program = blocking(move || starting.start()).await;
    // the clockwork reads the done ones back at once, with the broker's credential
    program.logged_times("a write in doubt is settled", 3).await;
    let (program, listed) = blocking(move || {
        let listed = program.verb(&["entries", "list", "--json"]);
        (program, listed)
    })
    .await;
    let states = ["done", "in_doubt"];
    let count = |state: &str| {
        listed
            .out
            .matches(&format!("\"state\":\"{state}\""))
            .count()
    };
    assert_eq!(states.map(count), [3, 3], "{}", listed.out);
    // a repeat of a done one gets its answer, one of the others waits
    let agent = Client::new(program.salesforce, KEY);
    for id in done {
        let reply = agent.patch(&account(id), &step(id)).await;
        assert_eq!(reply.status, 204, "{}", reply.text());
        assert_eq!(reply.header("x-writegate-replayed"), Some("true"));
    }
    for id in not_done {
        let reply = agent.patch(&account(id), &step(id)).await;
        assert_eq!(reply.code(), "WRITEGATE_IN_DOUBT", "{}", reply.text());
    }
    assert_eq!(sandbox.writes().len(), 6);
}

#[tokio::test]
async fn a_create_that_is_found_after_a_restart_answers_with_its_id() {
    let crm = Lasting::new().await;
    let first = crm.start().await;
    crm.fail(Method::POST, ACCOUNTS, Fault::CloseAfterEffect);
    let body = json!({ "Name": "Nakatomi", "NumberOfEmployees": 120 });
    let doubt = doubtful(&first.house.agent().post(ACCOUNTS, &body).await);
    end(first).await;
    let second = crm.start().await;
    assert_eq!(second.look().await.len(), 1);
    let reply = second.house.agent().post(ACCOUNTS, &body).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    assert_eq!(entry(&reply), doubt);
    let id = reply.json()["id"].as_str().unwrap().to_owned();
    let record = crm.sandbox.record(CrmKind::Salesforce, "Account", &id);
    assert_eq!(record.unwrap()["Name"], "Nakatomi");
    assert_eq!(crm.sandbox.writes().len(), 1);
    end(second).await;
}
