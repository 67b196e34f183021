//! What holds for every rule set: rows and rules in any order say the same, more of them never allow
//! more, and reading prior values only decides what was open.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

const OBJECTS: [&str; 4] = ["'*'", "Account", "acc*", "Lead|Account"];
const FIELDS: [&str; 4] = ["A", "'a*'", "B|C", "'*'"];
const WORDS: [&str; 5] = ["allow", "hold", "deny", "fill-else-hold", "fill-else-deny"];
const WHENS: [&str; 7] = [
    "after.A: 1",
    "before.A: { blank: false }",
    "after.B: { more_than: { path: before.B } }",
    "not: { before.C: x }",
    "any: [{ after.A: { changed: true } }, { claims.run: x }]",
    "after.C: { matches: '^x' }",
    "before.Z: { at_least: 2 }",
];

#[derive(Clone, Debug)]
enum Item {
    Default(usize),
    ObjectDefault(usize, usize),
    Field(usize, usize, usize, bool),
    Operation(usize, usize, usize),
    Rule(usize, usize, bool),
}

fn item() -> impl Strategy<Value = Item> {
    prop_oneof![
        (0..3_usize).prop_map(Item::Default),
        (0..4_usize, 0..5_usize).prop_map(|(o, w)| Item::ObjectDefault(o, w)),
        (0..4_usize, 0..4_usize, 0..5_usize, any::<bool>())
            .prop_map(|(o, f, w, named)| Item::Field(o, f, w, named)),
        (0..4_usize, 0..4_usize, 0..3_usize).prop_map(|(o, op, w)| Item::Operation(o, op, w)),
        (0..7_usize, 0..4_usize, any::<bool>()).prop_map(|(w, o, deny)| Item::Rule(w, o, deny)),
    ]
}

impl Item {
    /// A file of its own with this one row or rule.
    fn file(&self, number: usize) -> (String, String) {
        let mut text = "crm: salesforce\n".to_owned();
        match self {
            Self::Default(word) => writeln!(text, "default: {}", WORDS[*word]),
            Self::ObjectDefault(object, word) => {
                writeln!(text, "objects: {{ {}: {{ default: {} }} }}", OBJECTS[*object], WORDS[*word])
            }
            Self::Field(object, field, word, named) => {
                let word = WORDS[*word];
                let row = if *named { format!("{{ agent: {word}, owner: X }}") } else { word.to_owned() };
                let (object, field) = (OBJECTS[*object], FIELDS[*field]);
                writeln!(text, "objects: {{ {object}: {{ fields: {{ {field}: {row} }} }} }}")
            }
            Self::Operation(object, operation, word) => {
                let operation = ["create", "update", "upsert", "delete"][*operation];
                let (object, word) = (OBJECTS[*object], WORDS[*word]);
                writeln!(text, "objects: {{ {object}: {{ {operation}: {word} }} }}")
            }
            Self::Rule(when, object, deny) => {
                let then = if *deny { "deny" } else { "hold" };
                let (when, object) = (WHENS[*when], OBJECTS[*object]);
                writeln!(
                    text,
                    "rules: [{{ name: r{number}, applies: {{ object: {object} }}, when: {{ {when} }}, then: {then} }}]"
                )
            }
        }
        .unwrap();
        // Names are not part of what is judged; their order is that of the items.
        (format!("{number:03}.yaml"), text)
    }
}

fn files(items: &[Item]) -> Vec<(String, String)> {
    items
        .iter()
        .enumerate()
        .map(|(number, item)| item.file(number))
        .collect()
}

fn set(items: &[Item]) -> RuleSet {
    RuleSet::compile(&files(items)).unwrap_or_else(|errors| panic!("{errors}"))
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(null)),
        Just(json!("")),
        Just(json!("x")),
        Just(json!("1.0")),
        (0..4_i64).prop_map(|number| json!(number)),
    ]
}

fn record() -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::btree_map(
        prop::sample::select(vec!["A", "B", "C", "Z"]),
        value(),
        0..4,
    )
    .prop_map(|fields| fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
}

fn write() -> impl Strategy<Value = Mutation> {
    (
        0..4_usize,
        prop::sample::select(vec!["Account", "account", "Case"]),
        record(),
    )
        .prop_map(|(operation, object, fields)| {
            let operation = [
                Operation::Create,
                Operation::Update,
                Operation::Upsert,
                Operation::Delete,
            ][operation];
            let fields = if operation == Operation::Delete {
                Map::new()
            } else {
                fields
            };
            mutation(operation, object, Value::Object(fields))
        })
}

fn prior() -> impl Strategy<Value = Prior> {
    prop_oneof![
        1 => Just(Prior::Unknown),
        1 => Just(Prior::Absent),
        4 => record().prop_map(|fields| Prior::Found { id: "1".into(), fields, stamp: None }),
    ]
}

fn asks() -> impl Strategy<Value = Ask> {
    prop::collection::vec((write(), prior()), 1..3).prop_map(|rows| {
        let (mutations, priors): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        let mut ask = Ask::of(mutations);
        ask.priors = Some(priors);
        ask
    })
}

impl std::fmt::Debug for Ask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {:?}", self.changes, self.priors)
    }
}

/// What is judged, without the names of rules, which tell their place in this test.
fn essence(verdict: &Verdict) -> (Effect, Vec<String>, Vec<Requirement>) {
    let mut reasons: Vec<_> = verdict
        .reasons
        .iter()
        .map(|reason| {
            if reason.kind == ReasonKind::Rule {
                format!("{} {:?} rule", reason.effect.word(), reason.mutation)
            } else {
                format!("{reason:?}")
            }
        })
        .collect();
    reasons.sort();
    (verdict.effect, reasons, verdict.requirements.clone())
}

proptest! {
    #[test]
    fn order_does_not_matter(
        (items, shuffled) in prop::collection::vec(item(), 0..8)
            .prop_flat_map(|items| (Just(items.clone()), Just(items).prop_shuffle())),
        ask in asks(),
    ) {
        let (one, other) = (ask.verdict(&set(&items)), ask.verdict(&set(&shuffled)));
        prop_assert_eq!(essence(&one), essence(&other));
    }

    #[test]
    fn files_in_any_order_are_the_same_set(items in prop::collection::vec(item(), 0..8), ask in asks()) {
        let mut files = files(&items);
        let set = RuleSet::compile(&files).unwrap();
        files.reverse();
        let reversed = RuleSet::compile(&files).unwrap();
        prop_assert_eq!(set.digest(), reversed.digest());
        prop_assert_eq!(ask.verdict(&set), ask.verdict(&reversed));
    }

    #[test]
    fn a_denial_or_a_rule_more_never_loosens(
        items in prop::collection::vec(item(), 0..8), mut more in item(), ask in asks(),
    ) {
        match &mut more {
            Item::Default(word) | Item::ObjectDefault(_, word) | Item::Field(_, _, word, _) => *word = 2,
            Item::Operation(_, _, word) => *word = 2,
            Item::Rule(..) => {}
        }
        let before = ask.verdict(&set(&items)).effect;
        // A default speaks only where none spoke; add one to a set that has one.
        let mut all = items;
        all.push(more);
        let after = ask.verdict(&set(&all)).effect;
        prop_assert!(after >= before, "{:?} {:?}", before, after);
    }

    #[test]
    fn the_most_restrictive_decides(items in prop::collection::vec(item(), 0..8), ask in asks()) {
        let verdict = ask.verdict(&set(&items));
        let strictest = verdict.reasons.iter().map(|reason| reason.effect).max();
        prop_assert_eq!(verdict.effect, strictest.unwrap_or(Effect::Allow));
        prop_assert!(verdict.reasons.iter().all(|reason| reason.effect != Effect::Allow));
        prop_assert!(verdict.reasons.windows(2).all(|pair| pair[0].effect >= pair[1].effect));
        prop_assert_eq!(verdict.requirements.is_empty(), verdict.effect != Effect::Hold);
    }

    #[test]
    fn a_batch_is_as_strict_as_its_strictest_row(items in prop::collection::vec(item(), 0..8), ask in asks()) {
        let set = set(&items);
        let rows = ask.changes.mutations().iter().zip(ask.priors.clone().unwrap_or_default());
        let strictest = rows
            .map(|(row, prior)| Ask::of(vec![row.clone()]).prior(prior).verdict(&set).effect)
            .max();
        prop_assert_eq!(Some(ask.verdict(&set).effect), strictest);
    }

    #[test]
    fn what_is_decided_without_a_read_stays_so(items in prop::collection::vec(item(), 0..8), mut ask in asks()) {
        let set = set(&items);
        let read = ask.verdict(&set);
        ask.priors = None;
        match ask.evaluate(&set) {
            Evaluation::Decided { verdict, rests_on_prior } => {
                prop_assert_eq!(verdict.effect, read.effect);
                prop_assert!(!rests_on_prior);
                if verdict.effect != Effect::Deny {
                    prop_assert_eq!(verdict, read);
                }
            }
            Evaluation::NeedsPrior(wanted) => prop_assert_eq!(wanted.len(), ask.changes.mutations().len()),
        }
    }

    #[test]
    fn fields_that_were_not_asked_for_do_not_matter(
        items in prop::collection::vec(item(), 0..8), mut ask in asks(),
    ) {
        let set = set(&items);
        let full = ask.verdict(&set);
        let priors = ask.priors.take().unwrap_or_default();
        let Evaluation::NeedsPrior(wanted) = ask.evaluate(&set) else {
            return Ok(());
        };
        let kept = ask.changes.mutations().iter().zip(priors).zip(wanted);
        let kept = kept.map(|((row, prior), wanted)| match prior {
            Prior::Found { id, mut fields, stamp } => {
                fields.retain(|name, _| row.fields.contains_key(name) || wanted.contains(name));
                Prior::Found { id, fields, stamp }
            }
            other @ (Prior::Absent | Prior::Unknown) => other,
        });
        ask.priors = Some(kept.collect());
        prop_assert_eq!(ask.verdict(&set), full);
    }

    #[test]
    fn what_only_observes_changes_nothing_and_says_what_it_would(
        items in prop::collection::vec(item(), 0..8), mut ask in asks(),
    ) {
        let enforced: Vec<Item> = items
            .iter()
            .filter(|item| !matches!(item, Item::Rule(..)))
            .cloned()
            .collect();
        let observing: Vec<_> = files(&items)
            .into_iter()
            .map(|(name, text)| (name, text.replace("then: ", "observe: true, then: ")))
            .collect();
        let observing = RuleSet::compile(&observing).unwrap_or_else(|errors| panic!("{errors}"));
        let said = ask.verdict(&observing);
        let told = Verdict { observed: None, ..said.clone() };
        prop_assert_eq!(essence(&told), essence(&ask.verdict(&set(&enforced))));
        // the rules alone, enforced, give the reasons that were observed
        let strict = ask.verdict(&set(&items));
        let spoken: Vec<_> =
            strict.reasons.iter().filter(|reason| reason.kind == ReasonKind::Rule).cloned().collect();
        let observed = said.observed.map(|observed| observed.reasons).unwrap_or_default();
        prop_assert_eq!(observed, spoken);
        // nothing rests on what an observing rule looked at
        let Evaluation::Decided { rests_on_prior, .. } = ask.evaluate(&observing) else {
            return Err(TestCaseError::fail("it was read"));
        };
        let Evaluation::Decided { rests_on_prior: without, .. } = ask.evaluate(&set(&enforced)) else {
            return Err(TestCaseError::fail("it was read"));
        };
        prop_assert_eq!(rests_on_prior, without);
        ask.priors = None;
        if let Evaluation::Decided { verdict, .. } = ask.evaluate(&observing) {
            prop_assert_eq!(verdict.effect, told.effect);
        }
    }

    #[test]
    fn formatting_does_not_matter(items in prop::collection::vec(item(), 1..8), ask in asks()) {
        let files = files(&items);
        let formatted: Vec<_> = files
            .iter()
            .map(|(name, text)| {
                let tree: Value = serde_saphyr::from_str(text).unwrap();
                (name.clone(), serde_saphyr::to_string(&tree).unwrap())
            })
            .collect();
        let (set, again) = (RuleSet::compile(&files).unwrap(), RuleSet::compile(&formatted));
        let again = again.unwrap_or_else(|errors| panic!("{errors}"));
        prop_assert_eq!(ask.verdict(&set), ask.verdict(&again));
    }
}
