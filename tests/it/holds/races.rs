//! Races: two things happen to one hold at once, and there is one outcome. The rounds of a race run
//! many at a time on records of their own.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "any other state fails the test"
)]

use std::future::Future;
use std::sync::Arc;

use http::StatusCode;
use serde_json::json;
use writegate::clock::ManualClock;
use writegate::control::{Switch, SwitchChange, SwitchScope};
use writegate::hold::{End, Hold, State};
use writegate::ledger::{Ledger, RowFilter, RowKind};
use writegate::policy::RuleSet;
use writegate::proxy::releases;

use super::{Bench, OPERATOR, RULES, SALES_OPS, builder, clock, hold_of, without_credentials};
use crate::support::client::Reply;
use crate::support::house::Builder;
use crate::support::long;

/// Rounds of each pair.
fn rounds() -> usize {
    if long() { 2_000 } else { 200 }
}

/// As many holds wait at once.
const AT_ONCE: usize = 20;
const TASKS: &str = "/services/data/v61.0/sobjects/Task";

/// Creates wait for an approver: each round has a record of its own.
fn rules() -> String {
    RULES.replace("Lead:", "Task:")
}

/// One round's request, parked.
async fn parked(bench: &Bench, round: usize) -> (String, String) {
    let id = hold_of(&sent(bench, round).await);
    let digest = bench.slot(&id).look().unwrap().terms.shown.clone();
    (id, digest)
}

async fn sent(bench: &Bench, round: usize) -> Reply {
    let body = json!({ "Subject": format!("round {round}") });
    bench.house.agent().post(TASKS, &body).await
}

/// How often the CRM saw a round's write.
fn writes(bench: &Bench, round: usize) -> usize {
    let body = json!({ "Subject": format!("round {round}") }).to_string();
    let writes = bench.writes();
    writes.iter().filter(|write| write.body == body).count()
}

/// Runs the rounds of a race, some at a time, and hands each settled hold to `check`.
async fn race<R, F, C>(bench: &Arc<Bench>, run: R, mut check: C)
where
    R: Fn(Arc<Bench>, usize, String, String) -> F,
    F: Future<Output = Vec<u16>> + Send + 'static,
    C: FnMut(&Bench, usize, &str, &[u16]),
{
    let mut round = 0;
    while round < rounds() {
        let mut waiting = Vec::new();
        for number in round..round + AT_ONCE {
            let (id, digest) = parked(bench, number).await;
            waiting.push((number, id, digest));
        }
        let running: Vec<_> = waiting
            .into_iter()
            .map(|(number, id, digest)| {
                let task = tokio::spawn(run(Arc::clone(bench), number, id.clone(), digest));
                (number, id, task)
            })
            .collect();
        let mut done = Vec::new();
        for (number, id, task) in running {
            done.push((number, id, task.await.unwrap()));
        }
        bench.house.idle().await;
        for (number, id, statuses) in done {
            check(bench, number, &id, &statuses);
        }
        round += AT_ONCE;
    }
    println!("{round} rounds, contradictory outcomes 0");
}

/// Lets the other side of a race come as far as the round says: nowhere, a little, until the release
/// has begun, until it is opened.
async fn pace(bench: &Bench, id: &str, round: usize) {
    let slot = bench.slot(id);
    let holds = &bench.house.app.holds;
    match round % 4 {
        0 => {}
        1 => {
            for _ in 0..round {
                tokio::task::yield_now().await;
            }
        }
        2 => {
            let early = |hold: &Hold| !hold.releasing && hold.end.is_none();
            holds.wait(&slot, super::PATIENCE, early).await;
        }
        _ => {
            let early = |hold: &Hold| !hold.opened && hold.end.is_none();
            holds.wait(&slot, super::PATIENCE, early).await;
        }
    }
}

async fn decide(bench: &Bench, token: &str, id: &str, what: &str, digest: &str) -> u16 {
    let body = json!({ "digest": digest, "reason": "a race" });
    bench.decide(token, id, what, &body).await.status.as_u16()
}

fn state(bench: &Bench, id: &str) -> State {
    let hold = bench.slot(id).look().unwrap();
    hold.state(&bench.house.app.config)
}

async fn bench(builder: Builder) -> Arc<Bench> {
    Arc::new(Bench::of(builder).await)
}

async fn finish(bench: Arc<Bench>) {
    Arc::into_inner(bench).unwrap().finish().await;
}

/// Rows of one kind under a hold's entry.
async fn rows(bench: &Bench, kind: RowKind) -> Vec<writegate::ledger::Row> {
    let filter = RowFilter {
        kinds: vec![kind],
        ..RowFilter::default()
    };
    bench.house.ledger.rows(filter).await.unwrap()
}

#[tokio::test]
async fn approve_and_approve() {
    let bench = bench(builder(&rules())).await;
    let run = |bench: Arc<Bench>, _, id: String, digest: String| async move {
        let (one, two, three) = tokio::join!(
            decide(&bench, SALES_OPS, &id, "approve", &digest),
            decide(&bench, OPERATOR, &id, "approve", &digest),
            decide(&bench, SALES_OPS, &id, "approve", &digest),
        );
        vec![one, two, three]
    };
    race(&bench, run, |bench, round, id, statuses| {
        assert_eq!(state(bench, id), State::Released);
        assert_eq!(writes(bench, round), 1);
        let yes = statuses.iter().filter(|status| **status == 200).count();
        let late = statuses.iter().filter(|status| **status == 409).count();
        assert!(yes >= 1 && yes + late == 3, "{statuses:?}");
    })
    .await;
    assert_eq!(rows(&bench, RowKind::Decided).await.len(), rounds());
    assert_eq!(rows(&bench, RowKind::Opened).await.len(), rounds());
    finish(bench).await;
}

#[tokio::test]
async fn approve_and_reject() {
    let bench = bench(builder(&rules())).await;
    let run = |bench: Arc<Bench>, round: usize, id: String, digest: String| async move {
        let (yes, no) = tokio::join!(decide(&bench, SALES_OPS, &id, "approve", &digest), async {
            pace(&bench, &id, round).await;
            decide(&bench, OPERATOR, &id, "reject", &digest).await
        });
        vec![yes, no]
    };
    let (mut released, mut rejected) = (0, 0);
    race(&bench, run, |bench, round, id, statuses| {
        match state(bench, id) {
            State::Released => {
                released += 1;
                assert_eq!((writes(bench, round), statuses), (1, &[200, 409][..]));
            }
            State::Rejected => {
                rejected += 1;
                // The yes may have come first; the no then came before it was sent.
                assert_eq!((writes(bench, round), statuses[1]), (0, 200));
            }
            other => panic!("{other:?}"),
        }
    })
    .await;
    println!("released {released}, rejected {rejected}");
    assert!(released > 0 && rejected > 0);
    finish(bench).await;
}

#[tokio::test]
async fn approve_and_expire() {
    let clock = clock();
    let bench = bench(builder(&rules()).clock(clock.clone())).await;
    let week = 7 * 24 * 3_600_000;
    let run = move |bench: Arc<Bench>, round: usize, id: String, digest: String| {
        let clock: Arc<ManualClock> = Arc::clone(&clock);
        async move {
            let (yes, ()) =
                tokio::join!(decide(&bench, SALES_OPS, &id, "approve", &digest), async {
                    // One of those that run at once moves the clock past the end of all.
                    if round % AT_ONCE == AT_ONCE / 2 {
                        let how = [3, 0, 4 * round + 1];
                        pace(&bench, &id, how[round / AT_ONCE % how.len()]).await;
                        clock.advance_ms(week);
                        releases::tick(&bench.house.app).await;
                    }
                });
            vec![yes]
        }
    };
    let (mut released, mut expired) = (0, 0);
    race(&bench, run, |bench, round, id, statuses| {
        match state(bench, id) {
            State::Released => {
                released += 1;
                assert_eq!((writes(bench, round), statuses), (1, &[200][..]));
            }
            State::Expired => {
                expired += 1;
                let hold = bench.slot(id).look().unwrap();
                // A yes that came first is on record, and so is that nothing came of it.
                let approved = hold.end == Some(End::Expired { approved: true });
                let status = if approved { 200 } else { 409 };
                assert_eq!((writes(bench, round), statuses), (0, &[status][..]));
            }
            other => panic!("{other:?}"),
        }
    })
    .await;
    println!("released {released}, expired {expired}");
    assert!(released > 0 && expired > 0);
    finish(bench).await;
}

#[tokio::test]
async fn approve_and_kill() {
    let bench = bench(builder(&rules())).await;
    let app = Arc::clone(&bench.house.app);
    let (mut before, mut kept) = (0, 0);
    for round in 0..rounds() {
        let (id, digest) = parked(&bench, round).await;
        let switch = Switch {
            service_account: "enrichment-agent".into(),
            scope: SwitchScope::Writes,
            by: "dana".into(),
            reason: String::new(),
            at: app.clock.now(),
            limit: None,
        };
        let slot = bench.slot(&id);
        let kill = async {
            pace(&bench, &id, round).await;
            app.control
                .set_switch(SwitchChange::Throw(switch))
                .await
                .unwrap();
            app.confirm().await;
            // Acknowledged: what is not opened by now never gets a first byte.
            slot.look().unwrap().opened
        };
        let (yes, opened) = tokio::join!(decide(&bench, SALES_OPS, &id, "approve", &digest), kill);
        assert_eq!(yes, 200);
        bench.house.idle().await;
        let moving = |hold: &Hold| hold.end.is_none() && hold.note.is_none();
        app.holds.wait(&slot, super::PATIENCE, moving).await;
        match state(&bench, &id) {
            State::Released => {
                before += 1;
                assert_eq!((writes(&bench, round), opened), (1, true));
            }
            State::Approved | State::NotSent => {
                kept += 1;
                assert_eq!(writes(&bench, round), 0);
            }
            other => panic!("{other:?}"),
        }
        let resume = crate::support::resume_of(&*app.control, "enrichment-agent");
        app.control.set_switch(resume).await.unwrap();
        if state(&bench, &id) == State::Approved {
            bench.reject(OPERATOR, &id, "next round").await;
        }
    }
    println!(
        "{} rounds: sent before the kill {before}, kept {kept}",
        rounds()
    );
    assert!(kept > 0);
    drop(app);
    finish(bench).await;
}

#[tokio::test]
async fn approve_and_reload() {
    let bench = bench(builder(&rules())).await;
    let compile = |text: &str| {
        let files = [("rules.yaml".to_owned(), text.to_owned())];
        Arc::new(RuleSet::compile(&files).unwrap())
    };
    let (holds, denies) = (
        compile(&rules()),
        compile("crm: salesforce\ndefault: deny\n"),
    );
    let (mut released, mut denied) = (0, 0);
    for round in 0..rounds() {
        let app = &bench.house.app;
        app.rules.store(Arc::clone(&holds));
        let (id, digest) = parked(&bench, round).await;
        let reload = async {
            pace(&bench, &id, round).await;
            app.rules.store(Arc::clone(&denies));
        };
        let (yes, ()) = tokio::join!(decide(&bench, SALES_OPS, &id, "approve", &digest), reload);
        assert_eq!(yes, 200);
        let slot = bench.slot(&id);
        app.holds
            .wait(&slot, super::PATIENCE, |hold| hold.end.is_none())
            .await;
        match state(&bench, &id) {
            State::Released => {
                released += 1;
                assert_eq!(writes(&bench, round), 1);
            }
            State::Denied => {
                denied += 1;
                assert_eq!(writes(&bench, round), 0);
            }
            other => panic!("{other:?}"),
        }
    }
    println!("{} rounds: released {released}, denied {denied}", rounds());
    assert!(released > 0 && denied > 0);
    bench.house.idle().await;
    finish(bench).await;
}

#[tokio::test]
async fn a_decision_and_repeats() {
    for carries in [false, true] {
        let builder = builder(&rules());
        let bench = bench(if carries {
            without_credentials(builder)
        } else {
            builder
        })
        .await;
        let run = |bench: Arc<Bench>, round: usize, id: String, digest: String| async move {
            let (yes, one, two) = tokio::join!(
                decide(&bench, SALES_OPS, &id, "approve", &digest),
                sent(&bench, round),
                sent(&bench, round),
            );
            assert_eq!(yes, 200);
            vec![one.status.as_u16(), two.status.as_u16()]
        };
        let mut carried = Vec::new();
        race(&bench, run, |bench, round, id, statuses| {
            assert!(
                statuses.iter().all(|status| [201, 423].contains(status)),
                "{statuses:?}"
            );
            let expected = usize::from(state(bench, id) == State::Released);
            assert_eq!(writes(bench, round), expected);
            carried.push(round);
        })
        .await;
        // In the end all have the CRM's answer, and none was sent twice.
        for round in carried {
            let answer = sent(&bench, round).await;
            assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
            assert_eq!(writes(&bench, round), 1);
        }
        finish(bench).await;
    }
}

/// Many equal requests at once: one hold, charged once.
#[tokio::test]
async fn equal_requests_at_once_are_one_hold() {
    let limits = "
limits:
  - { name: hourly, per: service_account, count: mutations, max: 100000, window: 1h }
  - { name: queue, per: service_account, count: holds, max: 100000 }
";
    let bench = bench(builder(&format!("{}{limits}", rules()))).await;
    for round in 0..rounds() / 10 {
        let calls: Vec<_> = (0..10)
            .map(|_| {
                let bench = Arc::clone(&bench);
                tokio::spawn(async move { hold_of(&sent(&bench, round).await) })
            })
            .collect();
        let mut ids = Vec::new();
        for call in calls {
            ids.push(call.await.unwrap());
        }
        ids.dedup();
        assert_eq!(ids.len(), 1);
    }
    let app = &bench.house.app;
    let usage = app.control.usage(app.clock.now()).await.unwrap();
    let wanted = u64::try_from(rounds() / 10).unwrap();
    assert_eq!(usage.len(), 2);
    assert!(usage.iter().all(|one| one.used == wanted), "{usage:?}");
    assert_eq!(rows(&bench, RowKind::Held).await.len(), rounds() / 10);
    bench.house.idle().await;
    finish(bench).await;
}
