//! The words of DESIGN section 6, to the letter.

use serde_json::{Map, Value};

use super::limits::{limited, span};
use super::*;
use crate::control::SwitchScope;
use crate::mutation::{Charge, Count, Effect, Limit, LimitKind, Operation, RecordKey, Then, Undo};

fn now() -> Timestamp {
    "2026-11-20T14:05:30Z".parse().unwrap()
}

fn mutation(row: Option<&str>, fields: &[&str]) -> Mutation {
    let fields: Map<String, Value> = fields
        .iter()
        .map(|name| ((*name).to_owned(), Value::from("secret-value")))
        .collect();
    Mutation {
        object: "Opportunity".into(),
        operation: Operation::Update,
        record: Some(RecordKey::id("006xx0000000001AAA")),
        fields,
        row: row.map(Into::into),
        undo: Undo::Full,
        others: Vec::new(),
    }
}

fn reason(kind: ReasonKind, place: usize, field: Option<&str>, owner: Option<&str>) -> Reason {
    Reason {
        effect: Effect::Deny,
        kind,
        rule: "field Opportunity.Amount".into(),
        mutation: Some(place),
        field: field.map(Into::into),
        message: String::new(),
        owner: owner.map(Into::into),
    }
}

fn deny(reasons: Vec<Reason>) -> Verdict {
    Verdict {
        effect: Effect::Deny,
        reasons,
        ..Verdict::allow()
    }
}

fn say(mutations: Vec<Mutation>, verdict: &Verdict) -> Refusal {
    let entry = EntryId::from_text("01JD");
    let changes = ChangeSet::Mutations(mutations);
    denied(&About {
        service_account: "enrichment-agent",
        entry: &entry,
        method: "PATCH",
        path: &path("/x"),
        changes: &changes,
        verdict,
        live: &LiveLimits::default(),
        now: now(),
    })
}

fn path(raw: &str) -> CanonicalPath {
    CanonicalPath::parse(raw).unwrap()
}

#[test]
fn an_opaque_path_shows_no_value_and_says_what_opens_it() {
    let entry = EntryId::from_text("01JD");
    let secret = path("/oauth/v1/refresh-tokens/SECRET");
    let say = |opaque| {
        denied(&About {
            service_account: "enrichment-agent",
            entry: &entry,
            method: "DELETE",
            path: &secret,
            changes: &ChangeSet::Opaque(opaque),
            verdict: &deny(Vec::new()),
            live: &LiveLimits::default(),
            now: now(),
        })
        .message
    };
    assert_eq!(
        say(Opaque::unknown("it shows or makes credentials")),
        "Not written: cannot tell what DELETE /oauth/v1/refresh-tokens/* would change (it shows or \
         makes credentials). Use the record APIs, or ask for an `endpoints` row. [entry 01JD]"
    );
    assert_eq!(
        say(Opaque::unclear("the header Accept asks for XML")),
        "Not written: cannot tell what DELETE /oauth/v1/refresh-tokens/* would change (the header \
         Accept asks for XML). Change that and send it again; no `endpoints` row opens it. \
         [entry 01JD]"
    );
}

#[test]
fn a_denied_field_names_its_owner_and_what_to_do() {
    let verdict = deny(vec![reason(
        ReasonKind::Field,
        0,
        Some("Amount"),
        Some("VP Sales"),
    )]);
    let refusal = say(vec![mutation(None, &["Amount", "Name"])], &verdict);
    assert_eq!(
        refusal.message,
        "Not written: Opportunity.Amount is not for enrichment-agent (owner: VP Sales). Leave it out \
         and send the rest; repeating this will not help. [entry 01JD]"
    );
    assert_eq!(refusal.fields, ["Amount"]);
    assert!(refusal.rows.is_empty());
}

#[test]
fn nothing_is_left_to_send_when_all_fields_are_denied() {
    let verdict = deny(vec![reason(ReasonKind::Field, 0, Some("Amount"), None)]);
    let refusal = say(vec![mutation(None, &["Amount"])], &verdict);
    assert_eq!(
        refusal.message,
        "Not written: Opportunity.Amount is not for enrichment-agent. Repeating this will not help. \
         [entry 01JD]"
    );
}

#[test]
fn a_batch_names_its_rows_and_how_many_are_fine() {
    let batch: Vec<Mutation> = (0..100)
        .map(|row| mutation(Some(&format!("records[{row}]")), &["Industry"]))
        .collect();
    let verdict = deny(vec![
        reason(ReasonKind::Filled, 3, Some("Industry"), None),
        reason(ReasonKind::Filled, 17, Some("Industry"), None),
    ]);
    let refusal = say(batch, &verdict);
    assert_eq!(
        refusal.message,
        "Not written, 0 of 100: records[3], records[17]: Opportunity.Industry already has a value. \
         Send the other 98 without them. [entry 01JD]"
    );
    assert_eq!(refusal.rows, ["records[3]", "records[17]"]);
}

#[test]
fn after_ten_rows_the_rest_is_counted() {
    let batch: Vec<Mutation> = (0..33)
        .map(|row| mutation(Some(&format!("inputs[{row}]")), &["stage"]))
        .collect();
    let verdict = deny(
        (0..33)
            .map(|place| reason(ReasonKind::Filled, place, Some("stage"), None))
            .collect(),
    );
    let message = say(batch, &verdict).message;
    assert!(message.contains("inputs[9] and 23 more: "), "{message}");
    assert!(
        message.contains("Repeating this will not help."),
        "{message}"
    );
}

#[test]
fn no_value_of_the_request_is_in_a_message() {
    let kinds = [
        ReasonKind::Field,
        ReasonKind::Filled,
        ReasonKind::PriorUnknown,
        ReasonKind::Operation,
    ];
    for kind in kinds {
        let verdict = deny(vec![reason(kind, 0, Some("Amount"), None)]);
        assert!(
            !say(vec![mutation(None, &["Amount"])], &verdict)
                .message
                .contains("secret-value")
        );
    }
}

fn charge(kind: LimitKind, count: Count) -> Charge {
    let limit = Limit {
        name: "hourly".into(),
        count,
        per: Vec::new(),
        kind,
        then: Then::Deny,
    };
    Charge {
        limit,
        key: "a".into(),
        amount: 600,
        records: Vec::new(),
    }
}

#[test]
fn a_rate_says_when_to_try_again() {
    let rate = LimitKind::Rate {
        count: 10,
        period_ms: 1000,
        burst: 20,
    };
    let refusal = limited(&charge(rate, Count::Requests), 20, Some(1200), 0, now());
    assert_eq!(
        refusal.message,
        "Not written: limit hourly allows 10 per second. Try again in 2 s."
    );
    assert_eq!(refusal.retry_after, Some(2));
    assert_eq!(refusal.kind, RefusalKind::Limited);
}

#[test]
fn a_budget_says_when_there_is_room_and_that_repeating_is_useless_till_then() {
    let budget = LimitKind::Budget {
        max: 500,
        window_ms: 3_600_000,
    };
    let refusal = limited(
        &charge(budget, Count::Mutations),
        500,
        Some(4_440_000),
        0,
        now(),
    );
    assert_eq!(
        refusal.message,
        "Not written: limit hourly is used up (500 of 500 mutations in 1 h). Room again at 15:20 UTC; \
         stop until then."
    );
    assert_eq!(refusal.retry_after, None);
    assert_eq!(refusal.kind, RefusalKind::Budget);
}

#[test]
fn a_request_that_alone_exceeds_a_budget_is_told_how_many_fit() {
    let budget = LimitKind::Budget {
        max: 500,
        window_ms: 3_600_000,
    };
    let refusal = limited(&charge(budget, Count::Mutations), 100, None, 400, now());
    assert_eq!(
        refusal.message,
        "Not written: this request alone has 600 mutations, and limit hourly allows 500 in 1 h; 400 \
         fit now. Send fewer at a time."
    );
}

#[test]
fn a_stopped_account_is_told_to_stop_working() {
    let switch = Switch {
        service_account: "enrichment-agent".into(),
        scope: SwitchScope::Writes,
        by: "limit runaway".into(),
        reason: String::new(),
        at: "2026-11-20T14:02:00Z".parse().unwrap(),
        limit: Some("runaway".into()),
    };
    assert_eq!(
        stopped(&switch, "enrichment-agent", now()).message,
        "Not written: enrichment-agent was stopped at 14:02 UTC (limit runaway). Only a person can \
         resume it. Stop working."
    );
    let tomorrow = "2026-11-21T09:00:00Z".parse().unwrap();
    assert!(
        stopped(&switch, "a", tomorrow)
            .message
            .contains("at 2026-11-20 14:02 UTC")
    );
}

#[test]
fn an_unknown_caller_gets_the_line_to_add() {
    assert_eq!(
        unknown_caller(Some("sha256:3f1c")).message,
        "Not written: no service account has this credential (sha256:3f1c). Add that line to \
         `tokens:` of one."
    );
}

#[test]
fn an_unknown_outcome_says_to_read_first() {
    let refusal = unknown_outcome(false, &EntryId::from_text("01JD"), "reset");
    assert_eq!(
        refusal.message,
        "May have been written: the CRM did not answer. Read the record first; this request is not \
         sent again until settled. [entry 01JD]"
    );
    assert_eq!(refusal.kind.status(), 502);
    assert_eq!(
        unknown_outcome(true, &EntryId::from_text("1"), "")
            .kind
            .status(),
        504
    );
}

#[test]
fn spans_are_said_in_the_largest_unit_that_fits() {
    let said: Vec<String> = [3_600_000, 86_400_000, 90_000, 120_000, 1500]
        .into_iter()
        .map(span)
        .collect();
    assert_eq!(said, ["1 h", "1 d", "90 s", "2 min", "1500 ms"]);
}
