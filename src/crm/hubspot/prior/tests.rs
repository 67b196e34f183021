//! Which reads are planned, and what their answers mean.

mod links;

use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Catalog, PriorFailure, PriorPlan, ReadCall};
use crate::crm::hubspot::tests::Request;
use crate::crm::{Crm, json};
use crate::mutation::{ChangeSet, CrmKind, Mutation, Prior};

const HUBSPOT: Crm = Crm(CrmKind::HubSpot);
const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn mutations(request: &Request) -> Vec<Mutation> {
    match request.parse().unwrap() {
        ChangeSet::Mutations(mutations) => mutations,
        ChangeSet::Opaque(opaque) => panic!("{}", opaque.reason),
    }
}

fn reads(request: &Request, wanted: &[&[&str]]) -> Vec<ReadCall> {
    let wanted = wanted
        .iter()
        .map(|names| names.iter().map(|name| (*name).to_owned()).collect())
        .collect();
    let catalog = Catalog::builtin(CrmKind::HubSpot);
    match HUBSPOT.prior(&request.head(), &mutations(request), &wanted, &catalog, NOW) {
        PriorPlan::Reads(reads) => reads,
        PriorPlan::Catalog(call) => panic!("{call:?}"),
    }
}

fn body(call: &ReadCall) -> Value {
    json::parse(call.body.as_ref().unwrap()).unwrap()
}

fn batch_update(inputs: &Value) -> Request {
    let body = json!({ "inputs": inputs }).to_string();
    Request::new("POST", "/crm/v3/objects/contacts/batch/update", body)
}

#[test]
fn one_read_for_one_type_and_kind_of_key() {
    let request = batch_update(&json!([
        {"id": "1", "properties": {"Phone": "1"}},
        {"id": "a@b.c", "idProperty": "email", "properties": {"phone": "2"}},
        {"id": "2", "properties": {"city": "3"}},
    ]));
    let [by_id, by_mail] = reads(&request, &[&["LifecycleStage", "not a name"]])
        .try_into()
        .unwrap();
    assert_eq!(by_id.method, "POST");
    assert_eq!(by_id.target, "/crm/v3/objects/contacts/batch/read");
    assert_eq!(by_id.covers, [0, 2]);
    assert_eq!(
        body(&by_id),
        json!({
            "properties": ["phone", "lifecyclestage", "city", "hs_merged_object_ids"],
            "propertiesWithHistory": [],
            "inputs": [{"id": "1"}, {"id": "2"}],
        })
    );
    assert_eq!(by_mail.covers, [1]);
    assert_eq!(body(&by_mail)["idProperty"], "email");
    assert_eq!(
        body(&by_mail)["properties"],
        json!(["phone", "email", "hs_additional_emails"])
    );
}

#[test]
fn the_read_follows_the_version_and_the_spelling_of_the_write() {
    let body = r#"{"properties":{"amount":"1"}}"#;
    for (path, target) in [
        (
            "/crm/objects/2026-03/0-3/1",
            "/crm/objects/2026-03/0-3/batch/read",
        ),
        ("/crm/objects/v3/deal/1", "/crm/v3/objects/deal/batch/read"),
    ] {
        assert_eq!(
            reads(&Request::new("PATCH", path, body), &[])[0].target,
            target
        );
    }
}

#[test]
fn creates_need_none_and_a_hundred_records_are_one_read() {
    let link = json!({"to": {"id": "9"}, "types": [
        {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 279},
    ]});
    let create = json!({"properties": {"a": "b"}, "associations": [link]}).to_string();
    let create = Request::new("POST", "/crm/v3/objects/contacts", create);
    assert_eq!(reads(&create, &[]), []);
    // a rule that looks at the company
    let [far] = reads(&create, &[&[], &["x"], &["tier"]])
        .try_into()
        .unwrap();
    assert_eq!(
        (far.target.as_str(), far.covers.as_slice()),
        ("/crm/v3/objects/0-2/batch/read", &[2][..])
    );

    let full = |from: u32| (from..from + 100).map(|id| json!({"id": id, "properties": {"a": "b"}}));
    let request = batch_update(&full(1).collect());
    let mut two_hundred = mutations(&request);
    assert_eq!(reads(&request, &[]).len(), 1);
    two_hundred.extend(mutations(&batch_update(&full(101).collect())));
    let catalog = Catalog::builtin(CrmKind::HubSpot);
    let plan = HUBSPOT.prior(&request.head(), &two_hundred, &Vec::new(), &catalog, NOW);
    assert!(matches!(plan, PriorPlan::Reads(reads) if reads.len() == 2));
}

#[test]
fn what_is_deleted_is_read_whole_once_the_property_list_is_known() {
    let request = Request::new("DELETE", "/crm/objects/2026-03/0-1/7", "");
    let catalog = Catalog::builtin(CrmKind::HubSpot);
    let plan = |catalog| {
        HUBSPOT.prior(
            &request.head(),
            &mutations(&request),
            &Vec::new(),
            catalog,
            NOW,
        )
    };
    let PriorPlan::Catalog(call) = plan(&catalog) else {
        panic!()
    };
    assert_eq!(
        (call.method.as_str(), call.target.as_str()),
        ("GET", "/crm/properties/2026-03/0-1")
    );

    let learn = |status: StatusCode, body: &str| {
        let answer = (status, body.as_bytes());
        HUBSPOT.learn(&call, &request.head(), answer, &catalog, NOW)
    };
    assert_eq!(
        learn(StatusCode::UNAUTHORIZED, "{}"),
        Err(PriorFailure::PassOn)
    );
    assert!(matches!(
        learn(StatusCode::OK, "{}"),
        Err(PriorFailure::Failed(_))
    ));
    assert!(matches!(
        learn(StatusCode::OK, r#"{"results":[{}]}"#),
        Err(PriorFailure::Failed(_))
    ));
    assert_eq!(
        learn(
            StatusCode::OK,
            r#"{"results":[{"name":"email"},{"name":"Phone"}]}"#
        ),
        Ok(())
    );

    let PriorPlan::Reads(reads) = plan(&catalog) else {
        panic!()
    };
    let asked = &body(&reads[0])["properties"];
    assert_eq!(*asked, json!(["email", "phone", "hs_merged_object_ids"]));
    assert_eq!(reads[0].target, "/crm/objects/2026-03/0-1/batch/read");
}

/// The priors that an answer brings to a batch update of these keys.
fn found(
    keys: &[(&str, Option<&str>)],
    status: u16,
    answer: &Value,
) -> Result<Vec<Prior>, PriorFailure> {
    let input = |(id, property): &(&str, Option<&str>)| match property {
        Some(name) => json!({"id": id, "idProperty": name, "properties": {"a": "b"}}),
        None => json!({"id": id, "properties": {"a": "b"}}),
    };
    let request = batch_update(&keys.iter().map(input).collect());
    let [call] = reads(&request, &[]).try_into().unwrap();
    let status = StatusCode::from_u16(status).unwrap();
    let answer = answer.to_string();
    let mut priors = HUBSPOT.found(&call, &mutations(&request), status, answer.as_bytes())?;
    priors.sort_by_key(|(place, _)| *place);
    assert_eq!(priors.len(), keys.len());
    Ok(priors.into_iter().map(|(_, prior)| prior).collect())
}

fn record(id: &str, properties: &Value) -> Value {
    json!({"id": id, "properties": properties, "updatedAt": "2026-01-02T03:04:05Z"})
}

fn id(prior: &Prior) -> Option<&str> {
    match prior {
        Prior::Found { id, .. } => Some(id),
        Prior::Absent => None,
        Prior::Unknown => panic!("unknown"),
    }
}

#[test]
fn records_are_matched_whatever_their_order() {
    let answer = json!({"status": "COMPLETE", "results": [
        record("2", &json!({"a": "two"})), record("1", &json!({"a": null})),
    ]});
    let priors = found(&[("1", None), ("2", None)], 200, &answer).unwrap();
    assert_eq!((id(&priors[0]), id(&priors[1])), (Some("1"), Some("2")));
    let Prior::Found { fields, stamp, .. } = &priors[1] else {
        panic!()
    };
    assert_eq!(
        (&fields["a"], stamp.as_deref()),
        (&json!("two"), Some("2026-01-02T03:04:05Z"))
    );
}

#[test]
fn the_id_that_the_read_returns_wins() {
    // a merged record answers under its new id, a contact to any of its addresses
    let merged = json!({"results": [
        record("9", &json!({"hs_merged_object_ids": "1;7"})), record("2", &json!({})),
    ]});
    let priors = found(&[("1", None), ("2", None)], 200, &merged).unwrap();
    assert_eq!((id(&priors[0]), id(&priors[1])), (Some("9"), Some("2")));

    let mail = |address| (address, Some("email"));
    let contacts = json!({"results": [
        record("5", &json!({"email": "a@b.c", "hs_additional_emails": "x@b.c;y@b.c"})),
        record("6", &json!({"email": "d@b.c"})),
    ]});
    let priors = found(&[mail("Y@b.c"), mail("D@B.C")], 200, &contacts).unwrap();
    assert_eq!((id(&priors[0]), id(&priors[1])), (Some("5"), Some("6")));

    // the only record of a read for one key is that key's
    let only = json!({"results": [record("8", &json!({}))]});
    assert_eq!(
        id(&found(&[("1", None)], 200, &only).unwrap()[0]),
        Some("8")
    );
}

#[test]
fn records_that_nobody_asked_for_are_a_failure() {
    let answer = json!({"results": [record("8", &json!({})), record("9", &json!({}))]});
    let result = found(&[("1", None), ("2", None)], 200, &answer);
    assert!(matches!(result, Err(PriorFailure::Failed(_))));
    let one_too_few = json!({"results": [record("8", &json!({}))]});
    let result = found(&[("1", None), ("2", None)], 200, &one_too_few);
    assert!(matches!(result, Err(PriorFailure::Failed(_))));
}

#[test]
fn missing_records_are_absent_unless_hubspot_says_otherwise() {
    let missing = |category: &str| {
        json!({
            "status": "COMPLETE",
            "results": [record("1", &json!({}))],
            "numErrors": 1,
            "errors": [{"status": "error", "category": category, "context": {"ids": ["2"]}}],
        })
    };
    let keys = [("1", None), ("2", None)];
    let priors = found(&keys, 207, &missing("OBJECT_NOT_FOUND")).unwrap();
    assert_eq!((id(&priors[0]), id(&priors[1])), (Some("1"), None));
    let failure = found(&keys, 207, &missing("INTERNAL")).unwrap_err();
    assert!(matches!(failure, PriorFailure::Failed(why) if why.contains("INTERNAL")));
}

#[test]
fn what_a_failed_read_means() {
    let of = |status: u16, answer: &Value| found(&[("1", None)], status, answer).unwrap_err();
    for status in [400, 401, 404, 429] {
        assert_eq!(of(status, &json!({})), PriorFailure::PassOn);
    }
    let scopes = of(403, &json!({"category": "MISSING_SCOPES"}));
    assert!(matches!(scopes, PriorFailure::Unreadable(why) if why.contains("scope")));
    for (status, answer) in [
        (403, json!({})),
        (500, json!({})),
        (302, json!({})),
        (200, json!([])),
    ] {
        assert!(
            matches!(of(status, &answer), PriorFailure::Failed(_)),
            "{status}"
        );
    }
}
