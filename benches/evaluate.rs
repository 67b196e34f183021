//! Change sets to verdicts and charges, under the rules that are shipped.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a benchmark reports to a terminal and may fail loudly"
)]

mod requests;
mod stopwatch;

use std::hint::black_box;
use std::path::Path;

use jiff::Timestamp;
use requests::{Write, composite, hubspot, salesforce};
use serde_json::{Map, Value};
use stopwatch::Stopwatch;
use writegate::mutation::{Acting, Actor, ChangeSet, Claims, Origin, Prior, Snapshot};
use writegate::policy::{self, Question, RuleSet};

fn main() {
    let Some(stopwatch) = Stopwatch::from_arguments() else {
        return;
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    let rules = policy::load(&folder).unwrap();
    let writes: [(&str, Write); 6] = [
        ("salesforce, 1 record", salesforce(1)),
        ("salesforce, 100 records", salesforce(100)),
        ("salesforce, 200 records", salesforce(200)),
        ("salesforce, 25 parts", composite(25)),
        ("hubspot, 1 record", hubspot(1)),
        ("hubspot, 100 records", hubspot(100)),
    ];
    for (name, write) in &writes {
        one_write(&stopwatch, &rules, name, write);
    }
    stopwatch.scenario("load the shipped rules", 1, || {
        black_box(policy::load(&folder).unwrap());
    });
}

/// A verdict takes two rounds: what has to be read, then what the values say.
fn one_write(stopwatch: &Stopwatch, rules: &RuleSet, name: &str, write: &Write) {
    let changes = write.changes();
    let blank = blank(&changes);
    let actor = Actor {
        service_account: "enrichment-agent".into(),
        claims: Claims::default(),
    };
    let acting = Acting::new();
    let question = |snapshot| Question {
        total: None,
        crm: write.crm.0,
        route: "bench",
        actor: &actor,
        origin: Origin::Agent,
        method: write.method.as_str(),
        path: write.path.as_str(),
        acting: &acting,
        changes: &changes,
        snapshot,
        now: Timestamp::UNIX_EPOCH,
    };
    stopwatch.scenario(&format!("ask what to read: {name}"), 1, || {
        black_box(rules.evaluate(&question(None)));
    });
    stopwatch.scenario(&format!("judge: {name}"), 1, || {
        black_box(rules.evaluate(&question(Some(&blank))));
    });
    stopwatch.scenario(&format!("charges: {name}"), 1, || {
        black_box(rules.charges(&question(Some(&blank))));
    });
}

/// Records whose written fields are all blank.
fn blank(changes: &ChangeSet) -> Snapshot {
    let found = |number: usize| Prior::Found {
        id: format!("001Wg0000000{number:03}"),
        fields: Map::from_iter([("Industry".to_owned(), Value::Null)]),
        stamp: None,
    };
    Snapshot::of((0..changes.mutations().len()).map(found).collect())
}
