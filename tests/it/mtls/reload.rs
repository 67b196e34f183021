//! Other certificates while the real program serves: by SIGHUP and by `reload`, all or nothing.

use std::path::Path;

use serde_json::json;
use writegate::mutation::CrmKind;
use writegate::sandbox::{Options, Running, Sandbox};

use super::row;
use super::secure::{Agents, Listener, Secure, trusting};
use crate::support::client::Client;
use crate::support::house::TOKEN;
use crate::support::program::Program;

const NAME: &str = "agent.agents.acme";

async fn crm() -> Running {
    let options = Options::with_token(TOKEN);
    Sandbox::start("127.0.0.1:0".parse().unwrap(), options)
        .await
        .unwrap()
}

fn started(crm: &Running, listener: &Listener, agents: &Agents) -> Program {
    let starting = Program::before(&crm.base_url());
    let folder = starting.place();
    listener.write(folder.path());
    agents.write(folder.path());
    starting
        .route(", tls: { cert: listener.pem, key: listener.key, client_ca: agents-ca.pem }")
        .start()
}

/// Whether hands are shaken, and a read is answered.
async fn reaches(program: &Program, listener: &Listener, agents: &Agents) -> bool {
    let identity = agents.names(&[NAME], &[]);
    let agent = Secure::try_to(program.salesforce, &trusting(listener, Some(&identity))).await;
    match agent {
        Some(mut agent) => agent
            .try_get(&row(CrmKind::Salesforce), Some(&format!("Bearer {TOKEN}")))
            .await
            .is_some_and(|reply| reply.status == 200),
        None => false,
    }
}

async fn degraded(program: &Program) -> serde_json::Value {
    let ready = Client::new(program.admin, "").get("/readyz").await;
    assert_eq!(ready.status, 200);
    ready.json()["degraded"].clone()
}

#[tokio::test]
async fn other_certificates_are_shown_and_asked_for_and_open_connections_stay() {
    let crm = crm().await;
    let (old, new) = (Listener::new(), Listener::new());
    let (theirs, others) = (Agents::new("Old agents CA"), Agents::new("New agents CA"));
    let mut program = started(&crm, &old, &theirs);
    let folder = program.folder.path().to_owned();
    let identity = theirs.names(&[NAME], &[]);
    let mut open = Secure::to(program.salesforce, &old, Some(&identity)).await;
    let (target, bearer) = (row(CrmKind::Salesforce), format!("Bearer {TOKEN}"));
    assert_eq!(open.get(&target, Some(&bearer)).await.status, 200);

    // the listener's own, by SIGHUP
    new.write(&folder);
    assert!(reaches(&program, &old, &theirs).await, "nobody asked yet");
    program.signal("HUP");
    program.logged("rules reloaded").await;
    assert!(reaches(&program, &new, &theirs).await);
    assert!(!reaches(&program, &old, &theirs).await);

    // the agents' CA, by the verb
    others.write(&folder);
    let ran = program.verb(&["reload"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for says in [
        "certificates of route salesforce read again",
        "certificates of route hubspot read again",
    ] {
        assert!(ran.out.contains(says), "{ran:?}");
    }
    assert!(reaches(&program, &new, &others).await);
    assert!(!reaches(&program, &new, &theirs).await, "shut out");

    // whoever was connected all the while still is
    assert_eq!(open.get(&target, Some(&bearer)).await.status, 200);
    assert_eq!(program.stop(), Some(0));
}

/// What is wrong with the files; each leaves the rest as it was.
type Break = fn(&Path);

#[tokio::test]
async fn a_file_that_cannot_be_used_changes_nothing_and_is_told() {
    let crm = crm().await;
    let (listener, agents) = (Listener::new(), Agents::new("Agents CA"));
    let mut program = started(&crm, &listener, &agents);
    let folder = program.folder.path().to_owned();
    let breaks: [(Break, &str); 4] = [
        (
            |folder| std::fs::remove_file(folder.join("listener.pem")).unwrap(),
            "cannot read",
        ),
        (
            |folder| std::fs::write(folder.join("listener.key"), "nonsense").unwrap(),
            "no private key in PEM form",
        ),
        (
            |folder| {
                let kept = std::fs::read(folder.join("listener.key")).unwrap();
                Listener::new().write(folder);
                std::fs::write(folder.join("listener.key"), kept).unwrap();
            },
            "cannot use the certificates in",
        ),
        (
            |folder| std::fs::write(folder.join("agents-ca.pem"), "").unwrap(),
            "no certificate in PEM form",
        ),
    ];
    for (number, (break_it, says)) in breaks.into_iter().enumerate() {
        break_it(&folder);
        // rules that would be fit go no further than the certificates
        std::fs::write(
            folder.join("rules/more.yaml"),
            "crm: salesforce\ndefault: deny\n",
        )
        .unwrap();
        let ran = program.verb(&["reload"]);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(
            ran.err.contains("route salesforce: ") && ran.err.contains(says),
            "{ran:?}"
        );
        assert!(ran.err.contains("nothing has changed"), "{ran:?}");
        let told = degraded(&program).await;
        assert!(told[0].as_str().unwrap().contains("2 to mend"), "{told}");
        program.signal("HUP");
        program
            .logged_times("rules not reloaded", 2 * number + 2)
            .await;
        assert!(reaches(&program, &listener, &agents).await, "{says}");
        listener.write(&folder);
        agents.write(&folder);
    }
    std::fs::remove_file(folder.join("rules/more.yaml")).unwrap();
    let ran = program.verb(&["reload"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(degraded(&program).await, json!([]));
    assert!(reaches(&program, &listener, &agents).await);
    assert_eq!(program.stop(), Some(0));
}

/// The other way round: rules that are unfit leave the certificates as they are.
#[tokio::test]
async fn unfit_rules_leave_the_certificates_as_they_are() {
    let crm = crm().await;
    let (old, new) = (Listener::new(), Listener::new());
    let agents = Agents::new("Agents CA");
    let mut program = started(&crm, &old, &agents);
    let folder = program.folder.path().to_owned();
    new.write(&folder);
    std::fs::write(folder.join("rules/more.yaml"), "crm: sugar\n").unwrap();
    let ran = program.verb(&["reload"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(reaches(&program, &old, &agents).await);
    assert!(!reaches(&program, &new, &agents).await);
    assert_eq!(program.stop(), Some(0));
}
