//! What answers mean beside the objects API.

use serde_json::json;

use super::{accepted, done, failed, outcomes, unknown};
use crate::crm::hubspot::tests::Request;
use crate::mutation::Outcome;

fn links() -> Request {
    let kind = json!([{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 279}]);
    let input =
        |from: &str, to: &str| json!({"from": {"id": from}, "to": {"id": to}, "types": kind});
    let body = json!({"inputs": [input("1", "11"), input("2", "12")]});
    let target = "/crm/v4/associations/contacts/companies/batch/create";
    Request::new("POST", target, body.to_string())
}

#[test]
fn a_batch_of_links_names_those_that_it_did_not_make() {
    let error = json!({"category": "OBJECT_NOT_FOUND", "status": "error",
        "context": {"fromObjectId": ["2"], "toObjectId": ["12"]}});
    let partly = json!({"status": "COMPLETE", "results": [{}], "numErrors": 1, "errors": [error]});
    let not = failed(Some("OBJECT_NOT_FOUND"));
    assert_eq!(
        outcomes(&links(), 207, &partly.to_string()),
        [done(None), done(None), not.clone(), not]
    );
    let whole = json!({"status": "COMPLETE", "results": [{}, {}]});
    assert_eq!(
        outcomes(&links(), 201, &whole.to_string()),
        vec![done(None); 4]
    );
    // an error that names nobody may be about any
    let vague = json!({"results": [{}], "errors": [{"category": "INTERNAL_ERROR", "context": {}}]});
    assert_eq!(
        outcomes(&links(), 207, &vague.to_string()),
        vec![unknown(); 4]
    );
    let none = failed(Some("VALIDATION_ERROR"));
    let refused = json!({"category": "VALIDATION_ERROR"});
    assert_eq!(outcomes(&links(), 400, &refused.to_string()), vec![none; 4]);
    assert_eq!(outcomes(&links(), 502, "<html>"), vec![unknown(); 4]);
}

#[test]
fn of_a_list_it_is_told_who_moved_who_stayed_and_who_is_not_there() {
    let request = Request::new("PUT", "/crm/v3/lists/7/memberships/add", "[1, \"2\", 3]");
    let answer = json!({"recordsIdsAdded": ["1"], "recordIdsMissing": [3], "recordIdsRemoved": []});
    let stayed = Outcome {
        code: Some("UNCHANGED".into()),
        ..done(None)
    };
    assert_eq!(
        outcomes(&request, 200, &answer.to_string()),
        [done(None), stayed, failed(None)]
    );
    assert_eq!(outcomes(&request, 204, ""), vec![done(None); 3]);
    let made = Request::new("POST", "/crm/v3/lists", r#"{"name":"x"}"#);
    let answer = r#"{"list":{"listId":"77"}}"#;
    assert_eq!(outcomes(&made, 200, answer), [done(Some("77"))]);
}

#[test]
fn a_record_of_an_older_api_has_its_id_under_the_familys_name() {
    let body = r#"{"properties":[]}"#;
    for (target, answer, id) in [
        ("/contacts/v1/contact", r#"{"vid":51}"#, Some("51")),
        ("/companies/v2/companies", r#"{"companyId":52}"#, Some("52")),
        ("/deals/v1/deal", r#"{"dealId":53}"#, Some("53")),
        (
            "/contacts/v1/contact/createOrUpdate/email/a@b.c",
            r#"{"vid":54,"isNew":true}"#,
            Some("54"),
        ),
        (
            "/contacts/v1/contact/createOrUpdate/email/a@b.c",
            r#"{"vid":54,"isNew":false}"#,
            None,
        ),
    ] {
        let request = Request::new("POST", target, body);
        assert_eq!(outcomes(&request, 200, answer), [done(id)], "{target}");
    }
    // a create whose answer names no record made one that nobody can name
    let request = Request::new("POST", "/deals/v1/deal", body);
    assert_eq!(outcomes(&request, 200, "{}"), [unknown()]);
    let rows = Request::new(
        "POST",
        "/crm-objects/v1/objects/products/batch-create",
        "[[],[]]",
    );
    let answer = r#"[{"objectId":1},{"objectId":2}]"#;
    assert_eq!(
        outcomes(&rows, 200, answer),
        [done(Some("1")), done(Some("2"))]
    );
}

#[test]
fn a_mail_that_was_not_taken_may_have_written_its_contact() {
    let body = r#"{"emailId":1,"message":{"to":"a@b.c"},"contactProperties":{"city":"x"}}"#;
    let request = Request::new("POST", "/marketing/v4/email/single-send", body);
    let taken = r#"{"statusId":"1","sendResult":"QUEUED"}"#;
    assert_eq!(outcomes(&request, 200, taken), vec![done(None); 2]);
    let blocked = r#"{"statusId":"1","sendResult":"BLOCKED_DOMAIN"}"#;
    assert_eq!(outcomes(&request, 200, blocked), [failed(None), unknown()]);
}

#[test]
fn what_is_worked_on_after_the_answer_is_not_done() {
    let body = r#"[{"vid":1,"properties":[]},{"email":"a@b.c","properties":[]}]"#;
    let batch = Request::new("POST", "/contacts/v1/contact/batch", body);
    assert_eq!(outcomes(&batch, 202, ""), vec![accepted(); 2]);
    assert_eq!(outcomes(&batch, 200, ""), vec![done(None); 2]);
    let export = Request::new("POST", "/crm/v3/exports/export/async", "{}");
    assert_eq!(outcomes(&export, 202, r#"{"id":"1"}"#), [accepted()]);
}

#[test]
fn an_operation_is_done_when_the_answer_says_so() {
    let request = Request::new("POST", "/crm/v3/exports/export/async", "{}");
    assert_eq!(outcomes(&request, 200, r#"{"id":"1"}"#), [done(None)]);
    assert_eq!(outcomes(&request, 500, ""), [unknown()]);
    let refused = r#"{"category":"MISSING_SCOPES"}"#;
    assert_eq!(
        outcomes(&request, 403, refused),
        [failed(Some("MISSING_SCOPES"))]
    );
}
