//! `rules push|history|rollback` against the real binary, over each ledger.

use serde_json::{Value, json};
use tempfile::TempDir;
use writegate::sandbox::{Options, Running, Sandbox, seed};

use super::{case, only};
use crate::support::client::Client;
use crate::support::house::{TOKEN, VIEWER};
use crate::support::postgres::postgres;
use crate::support::program::{Program, Starting, verb};

async fn crm() -> Running {
    let listen = "127.0.0.1:0".parse().unwrap();
    let options = Options::with_token(TOKEN);
    Sandbox::start(listen, options).await.unwrap()
}

fn starting(crm: &Running) -> Starting {
    Program::before(&crm.base_url()).rules(&[("test.yaml", &only("red"))])
}

fn folder(colour: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("test.yaml"), only(colour)).unwrap();
    std::fs::write(folder.path().join("test.cases.yaml"), case(colour)).unwrap();
    folder
}

async fn paint(client: &Client, colour: &str) -> u16 {
    let account = format!("/services/data/v60.0/sobjects/Account/{}", seed::ACME);
    let body = json!({ "Industry": colour });
    client.patch(&account, &body).await.status.as_u16()
}

#[expect(clippy::disallowed_methods, reason = "what a verb says")]
fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn the_verbs_push_list_and_go_back() {
    let crm = crm().await;
    let mut program = starting(&crm).start();
    let blue = folder("blue");
    let path = blue.path().to_str().unwrap().to_owned();
    let none = program.verb(&["rules", "history"]);
    assert!(
        none.out.ends_with(" (folder)\nnothing was pushed\n"),
        "{none:?}"
    );
    let pushed = program.verb(&["rules", "push", &path, "--reason", "blue is better"]);
    assert_eq!(pushed.code, Some(0), "{pushed:?}");
    assert!(pushed.out.starts_with("rules pushed: "), "{pushed:?}");
    assert!(
        pushed.out.contains("\ncases: 1 of 1 passed\n"),
        "{pushed:?}"
    );
    assert_eq!(paint(&program.agent(), "blue").await, 204);
    assert_eq!(paint(&program.agent(), "red").await, 403);
    let again = program.verb(&["rules", "push", &path]);
    assert!(
        again.out.starts_with("these files are in force already: "),
        "{again:?}"
    );
    let history = program.verb_as(VIEWER, &["rules", "history"]).out;
    let line = history.lines().last().unwrap();
    for part in ["1", "dana", "push", "in force", "blue is better"] {
        assert!(line.contains(part), "{history}");
    }
    let listed = parsed(&program.verb(&["rules", "history", "--json"]).out);
    assert_eq!(listed["items"][0]["reason"], "blue is better");
    let status = program.verb(&["status"]).out;
    assert!(
        status.contains("push 1, put in force by dana at "),
        "{status}"
    );
    let reload = program.verb(&["reload"]);
    assert_eq!(reload.code, Some(1));
    assert!(
        reload.err.contains("pushed: the rules in force are push 1"),
        "{reload:?}"
    );
    program.signal("HUP");
    program.logged("the folder is not read").await;

    // a folder that is unfit does not matter while others are in force
    let place = program.folder.clone();
    assert_eq!(program.stop(), Some(0));
    let broken = starting(&crm).rules(&[("test.yaml", "nonsense")]);
    let mut program = broken.folder(&place).start();
    assert_eq!(paint(&program.agent(), "blue").await, 204);
    let back = program.verb(&["rules", "rollback"]);
    assert_eq!(back.code, Some(1), "{back:?}");
    assert!(back.err.contains("unfit: nothing has changed"), "{back:?}");
    std::fs::write(place.path().join("rules/test.yaml"), only("red")).unwrap();
    let back = program.verb(&["rules", "rollback", "--reason", "red again", "--json"]);
    assert_eq!(parsed(&back.out)["changed"], true, "{back:?}");
    assert_eq!(paint(&program.agent(), "red").await, 204);
    let history = program.verb(&["rules", "history"]).out;
    assert!(history.contains("rollback to the folder"), "{history}");
    assert_eq!(program.stop(), Some(0));
    // now it does
    let refused = starting(&crm)
        .rules(&[("test.yaml", "nonsense")])
        .folder(&place)
        .refused();
    assert_eq!(refused.code, Some(78), "{refused:?}");
    assert!(refused.err.contains("test.yaml:1"), "{refused:?}");
}

/// Nothing is asked of a proxy before the folder is fit.
#[test]
fn mistakes_are_told_with_their_place_before_anything_is_sent() {
    let blue = folder("blue");
    let path = blue.path().to_str().unwrap();
    let broken = only("blue").replace("then: deny", "then: allow");
    std::fs::write(blue.path().join("test.yaml"), broken).unwrap();
    let ran = verb(&["rules", "push", path], &[]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(78), ""));
    assert!(
        ran.err
            .contains(&format!("{path}/test.yaml:8:11: unknown `then`")),
        "{ran:?}"
    );
    std::fs::write(blue.path().join("test.yaml"), only("green")).unwrap();
    let ran = verb(&["rules", "push", path, "--json"], &[]);
    assert_eq!(ran.code, Some(78), "{ran:?}");
    let said = parsed(&ran.out)["mistakes"].to_string();
    assert!(
        said.contains(&format!("{path}/test.cases.yaml:1: case c: expected")),
        "{said}"
    );
    let ran = verb(&["rules", "push", "/nowhere"], &[]);
    assert_eq!(ran.code, Some(78), "{ran:?}");
    for verb_of in [
        &["rules"][..],
        &["rules", "push"],
        &["rules", "history"],
        &["rules", "rollback"],
    ] {
        let ran = verb(&[verb_of, &["--help"]].concat(), &[]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }
}

/// The next replica on the same PostgreSQL begins with what was pushed to the one before.
#[tokio::test]
async fn rules_in_postgresql_are_every_replicas() {
    const TEST: &str = "rules_in_postgresql";
    let Some(server) = postgres(TEST) else { return };
    let database = server.database(TEST);
    let crm = crm().await;
    let replica = |name: &str| {
        starting(&crm)
            .env("WRITEGATE_LEDGER", &database.url())
            .env("WRITEGATE_REPLICA", name)
    };
    let mut one = replica("one").start();
    for colour in ["blue", "green"] {
        let rules = folder(colour);
        let ran = one.verb(&["rules", "push", rules.path().to_str().unwrap()]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }
    assert_eq!(one.stop(), Some(0));
    let mut two = replica("two").start();
    assert_eq!(paint(&two.agent(), "green").await, 204);
    assert_eq!(two.verb(&["rules", "rollback"]).code, Some(0));
    assert_eq!(paint(&two.agent(), "blue").await, 204);
    assert_eq!(two.stop(), Some(0));
    let one = replica("one").start();
    assert_eq!(paint(&one.agent(), "blue").await, 204);
    let history = one.verb(&["rules", "history"]).out;
    assert!(history.contains("rollback to push 1"), "{history}");
}
