//! What a source does: when it asks, how often, and what it says. The clock is the test's.

use std::collections::VecDeque;

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::*;
use crate::clock::ManualClock;
use crate::config::{Mode, Secret};
use crate::mutation::CrmKind;

/// A login host that answers what it was told to, once for each permit.
struct Told {
    answers: Mutex<VecDeque<(u16, String)>>,
    asked: Mutex<Vec<String>>,
    open: Semaphore,
}

impl std::fmt::Debug for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Told")
    }
}

#[async_trait]
impl LoginHost for Told {
    async fn post(&self, path: &str, form: String) -> Result<(u16, Bytes), String> {
        self.asked.lock().push(format!("{path} {form}"));
        self.open.acquire().await.unwrap().forget();
        let answer = self.answers.lock().pop_front();
        let (status, body) = answer.ok_or("nobody is there")?;
        Ok((status, Bytes::from(body)))
    }
}

struct Scene {
    host: Arc<Told>,
    clock: Arc<ManualClock>,
    keyring: Keyring,
    from: config::Source,
}

fn route(crm: CrmKind) -> Route {
    Route {
        name: "crm".into(),
        crm,
        listen: "127.0.0.1:0".parse().unwrap(),
        public_url: "http://127.0.0.1".parse().unwrap(),
        upstream: "https://acme.my.salesforce.com".parse().unwrap(),
        login: "https://login.salesforce.com".parse().unwrap(),
        tls: None,
        upstream_ca: None,
        release_credential: None,
        mode: Mode::Enforce,
    }
}

fn scene(crm: CrmKind, from: config::Source, answers: &[(u16, &str)]) -> Scene {
    let answers = answers.iter();
    let host = Arc::new(Told {
        answers: Mutex::new(
            answers
                .map(|(status, body)| (*status, (*body).to_owned()))
                .collect(),
        ),
        asked: Mutex::default(),
        open: Semaphore::new(100),
    });
    let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
    let theirs: Arc<dyn LoginHost> = host.clone();
    let dynamic: Arc<dyn Clock> = clock.clone();
    let source = Source::new(&route(crm), &from, theirs, dynamic);
    let held = Held {
        route: "crm".into(),
        from: from.clone(),
        source: Arc::new(source),
    };
    Scene {
        host,
        clock,
        keyring: Keyring { held: vec![held] },
        from,
    }
}

/// Lets the other tasks of this runtime go as far as they can: none of them waits for the world.
async fn turns() {
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
}

fn client() -> config::Source {
    config::Source::ClientCredentials {
        client_id: "3MVG9".into(),
        client_secret: Secret::new("canary-client-secret"),
        scope: Some("api".into()),
    }
}

impl Scene {
    fn source(&self) -> Arc<Source> {
        Arc::clone(&self.keyring.held[0].source)
    }

    /// What is sent now. A host that does not answer keeps nobody waiting: that is a failure here.
    async fn bearer(&self) -> Result<String, Unavailable> {
        let mut headers = HeaderMap::new();
        let source = self.source();
        let token = tokio::select! {
            biased;
            token = source.token() => token?,
            () = turns() => panic!("it waits for the login host"),
        };
        token.put(&mut headers);
        Ok(headers[AUTHORIZATION].to_str().unwrap().to_owned())
    }

    fn asked(&self) -> usize {
        self.host.asked.lock().len()
    }
}

const ONE: (u16, &str) = (
    200,
    r#"{"access_token":"one","instance_url":"https://ACME.my.salesforce.com:443","expires_in":"1800"}"#,
);
const TWO: (u16, &str) = (200, r#"{"access_token":"two","expires_in":1800}"#);

#[tokio::test]
async fn a_token_is_got_on_first_use_and_kept() {
    let scene = scene(CrmKind::Salesforce, client(), &[ONE]);
    assert_eq!(scene.asked(), 0);
    for _ in 0..3 {
        assert_eq!(scene.bearer().await.unwrap(), "Bearer one");
    }
    assert_eq!(
        *scene.host.asked.lock(),
        [
            "/services/oauth2/token grant_type=client_credentials&client_id=3MVG9&client_secret=canary-client-secret&scope=api"
        ]
    );
    assert_eq!(scene.keyring.handle("crm", &scene.from), Some(Handle(0)));
    assert_eq!(scene.keyring.handle("other", &scene.from), None);
}

#[tokio::test]
async fn many_who_need_it_at_once_ask_once() {
    let scene = scene(CrmKind::Salesforce, client(), &[ONE, TWO]);
    scene.host.open.forget_permits(100);
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let source = scene.source();
            tokio::spawn(async move { source.token().await.is_ok() })
        })
        .collect();
    turns().await;
    assert_eq!(scene.asked(), 1);
    // whoever asked first leaves: what is granted is there for the others
    let mut tasks = tasks.into_iter();
    tasks.next().unwrap().abort();
    scene.host.open.add_permits(20);
    for task in tasks {
        assert!(task.await.unwrap());
    }
    assert_eq!(scene.asked(), 1);
}

#[tokio::test]
async fn a_token_is_renewed_ahead_of_its_end_while_it_is_still_used() {
    let scene = scene(CrmKind::HubSpot, refresh(None), &[ONE, TWO]);
    assert_eq!(scene.bearer().await.unwrap(), "Bearer one");
    scene.clock.advance_ms(1_619_000);
    assert_eq!(scene.bearer().await.unwrap(), "Bearer one");
    turns().await;
    assert_eq!(scene.asked(), 1);
    scene.clock.advance_ms(1_000);
    scene.host.open.forget_permits(100);
    for _ in 0..5 {
        assert_eq!(scene.bearer().await.unwrap(), "Bearer one");
    }
    turns().await;
    assert_eq!(scene.asked(), 2);
    scene.host.open.add_permits(5);
    turns().await;
    assert_eq!(scene.bearer().await.unwrap(), "Bearer two");
    assert_eq!(scene.asked(), 2);
}

#[tokio::test]
async fn a_host_that_does_not_grant_is_left_alone_longer_and_longer() {
    let refused = (
        400,
        r#"{"error":"invalid_client","error_description":"canary-client-secret"}"#,
    );
    let scene = scene(
        CrmKind::Salesforce,
        client(),
        &[refused, (500, "canary-client-secret"), ONE],
    );
    let first = scene.bearer().await.unwrap_err();
    assert_eq!(first.why, "the login host answered 400 (invalid_client)");
    assert_eq!(first.retry_after, 1);
    assert_eq!(scene.bearer().await.unwrap_err(), first);
    assert_eq!(scene.asked(), 1);
    scene.clock.advance_ms(1_000);
    let second = scene.bearer().await.unwrap_err();
    assert_eq!(second.why, "the login host answered 500");
    assert_eq!(second.retry_after, 2);
    scene.clock.advance_ms(1_500);
    assert!(scene.bearer().await.is_err());
    assert_eq!(scene.asked(), 2);
    assert_eq!(
        scene.keyring.trouble(),
        ["route crm cannot get a credential of its own: the login host answered 500"]
    );
    scene.clock.advance_ms(500);
    assert_eq!(scene.bearer().await.unwrap(), "Bearer one");
    assert!(scene.keyring.trouble().is_empty());
}

#[tokio::test]
async fn a_token_that_was_refused_is_asked_for_once_in_a_while() {
    let scene = scene(CrmKind::Salesforce, client(), &[ONE, TWO, ONE]);
    let first = scene.source().token().await.unwrap();
    assert!(scene.source().refused(&first));
    let second = scene.source().token().await.unwrap();
    // somebody else found the first one refused, too: there is another already
    assert!(scene.source().refused(&first));
    assert!(!scene.source().refused(&second), "within ten seconds");
    assert_eq!(scene.bearer().await.unwrap(), "Bearer two");
    scene.clock.advance_ms(10_000);
    assert!(scene.source().refused(&second));
    assert_eq!(scene.bearer().await.unwrap(), "Bearer one");
    assert_eq!(scene.asked(), 3);
}

#[tokio::test]
async fn a_token_that_stands_somewhere_is_never_asked_for() {
    let fixed = config::Source::Static(Secret::new("fixed"));
    let scene = scene(CrmKind::Salesforce, fixed, &[]);
    let token = scene.source().token().await.unwrap();
    assert!(!scene.source().refused(&token));
    assert_eq!(scene.bearer().await.unwrap(), "Bearer fixed");
    assert_eq!(scene.asked(), 0);
}

#[tokio::test]
async fn an_answer_that_leads_elsewhere_or_holds_no_token_is_not_used() {
    let elsewhere = "the login host names another instance than `upstream`";
    let cases = [
        (
            r#"{"access_token":"t","instance_url":"https://evil.example"}"#,
            elsewhere,
        ),
        (
            r#"{"access_token":"t","instance_url":"https://acme.my.salesforce.com:8443"}"#,
            elsewhere,
        ),
        (
            r#"{"access_token":"t","instance_url":"https://acme.my.salesforce.com.evil.example"}"#,
            elsewhere,
        ),
        (
            r#"{"access_token":"t","instance_url":"nonsense at all"}"#,
            elsewhere,
        ),
        (
            r#"{"access_token":""}"#,
            "the login host's answer holds no access token",
        ),
        ("<html>", "the login host's answer holds no access token"),
        (
            r#"{"access_token":"a\nb"}"#,
            "the login host's token cannot stand in a header",
        ),
    ];
    for (body, why) in cases {
        let scene = scene(CrmKind::Salesforce, client(), &[(200, body)]);
        assert_eq!(scene.bearer().await.unwrap_err().why, why, "{body}");
    }
    let moved = scene(CrmKind::Salesforce, client(), &[(302, "")]);
    assert_eq!(
        moved.bearer().await.unwrap_err().why,
        "the login host answered 302"
    );
}

fn refresh(file: Option<std::path::PathBuf>) -> config::Source {
    config::Source::Refresh {
        client_id: "app".into(),
        client_secret: None,
        refresh_token: Secret::new("first"),
        file,
    }
}

#[tokio::test]
async fn a_refresh_token_that_takes_anothers_place_is_used_from_then_on() {
    let granted = |token: &str| {
        format!(r#"{{"access_token":"t","refresh_token":"{token}","expires_in":10}}"#)
    };
    let (second, third) = (granted("second"), granted("third"));
    let answers = [
        (200, second.as_str()),
        (200, third.as_str()),
        (200, third.as_str()),
    ];
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("refresh");
    std::fs::write(&file, "first\n").unwrap();
    for kept in [None, Some(file.clone())] {
        let scene = scene(CrmKind::HubSpot, refresh(kept.clone()), &answers);
        for token in ["first", "second", "third"] {
            scene.bearer().await.unwrap();
            scene.clock.advance_ms(10_000);
            let form = "/oauth/v3/token grant_type=refresh_token&client_id=app";
            let asked = scene.host.asked.lock().last().cloned().unwrap();
            assert_eq!(asked, format!("{form}&refresh_token={token}"));
        }
        if kept.is_some() {
            assert_eq!(std::fs::read_to_string(&file).unwrap(), "third\n");
        }
    }
}

#[tokio::test]
async fn nothing_prints_a_secret() {
    let scene = scene(CrmKind::Salesforce, client(), &[ONE]);
    scene.bearer().await.unwrap();
    let shown = format!("{:?} {:?}", scene.keyring, scene.source().token().await);
    for secret in ["canary-client-secret", "Bearer one", "\"one\""] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
