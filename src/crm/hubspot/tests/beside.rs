//! Requests beside the objects API that are refused, or not guessed at.

use serde_json::json;

use super::Request;
use crate::mutation::ChangeSet;

/// What an older encoding or a list can say twice, or in a way that nobody knows, is refused.
#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn what_has_two_readings_beside_the_objects_api_is_refused() {
    let kind = json!({"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 279});
    let link = json!({"from": {"id": 1}, "to": {"id": 2}, "types": [kind]});
    let twice = json!([
        {"property": "city", "value": "a"},
        {"property": "City", "value": "b"},
    ]);
    for (method, target, body) in [
        (
            "POST",
            "/contacts/v1/contact/vid/1/profile",
            json!({ "properties": twice }),
        ),
        (
            "POST",
            "/contacts/v1/contact",
            json!({"properties": {"city": "a"}}),
        ),
        (
            "POST",
            "/contacts/v1/contact",
            json!({"properties": [], "vid": 7}),
        ),
        (
            "POST",
            "/contacts/v1/contact/batch",
            json!([{"vid": 1, "email": "a@b.c", "properties": []}]),
        ),
        (
            "POST",
            "/contacts/v1/contact/batch",
            json!([{"vid": 1, "properties": []}, {"vid": "1", "properties": []}]),
        ),
        ("PUT", "/deals/v1/deal/x", json!({"properties": []})),
        (
            "PUT",
            "/crm-objects/v1/objects/products/1",
            json!({"properties": []}),
        ),
        (
            "POST",
            "/crm/v4/associations/0-1/0-2/batch/create",
            json!({"inputs": [link, link]}),
        ),
        (
            "POST",
            "/crm/v4/associations/0-1/0-2/batch/create",
            json!({"inputs": []}),
        ),
        (
            "PUT",
            "/crm/v4/objects/contacts/1/associations/companies/2",
            json!([]),
        ),
        ("PUT", "/crm/v3/lists/7/memberships/add", json!([1, "1"])),
        (
            "PUT",
            "/crm/v3/lists/7/memberships/add",
            json!({"ids": [1]}),
        ),
        (
            "PUT",
            "/crm/v3/lists/7/memberships/add-and-remove",
            json!({"recordIdsToAdd": [1], "recordIdsToRemove": [1]}),
        ),
        (
            "PUT",
            "/crm/v3/lists/7/update-list-name?listName=a&listName=b",
            json!({}),
        ),
        ("PUT", "/crm/v3/lists/7/memberships/add?x=1", json!([1])),
        (
            "POST",
            "/marketing/v4/email/single-send",
            json!({"emailId": 1, "message": {}}),
        ),
        (
            "POST",
            "/marketing/v4/email/single-send",
            json!({"message": {"to": "a@b.c"}, "contactProperties": [{"name": "city"}]}),
        ),
        (
            "POST",
            "/crm/v3/exports/export/async",
            json!({"a": 1, "A": 2}),
        ),
        (
            "POST",
            "/submissions/v3/integration/submit/1/2",
            json!({"fields": [{"name": "email", "value": "a@b.c"}, {"name": "City", "value": "x"}, {"name": "city", "value": "y"}]}),
        ),
        (
            "POST",
            "/submissions/v3/integration/submit/1/2",
            json!({"fields": [{"name": "email", "value": "a@b.c"}], "more": 1}),
        ),
        (
            "POST",
            "/submissions/v3/integration/submit/1/2",
            json!({"fields": [{"name": "email", "value": "a@b.c", "more": 1}]}),
        ),
    ] {
        let request = Request::new(method, target, body.to_string());
        let parsed = request.parse();
        assert!(parsed.is_err(), "{method} {target} {body}: {parsed:?}");
    }
    let plain = Request::new("POST", "/automation/v4/flows", "");
    let plain = Request {
        body: b"{}".to_vec(),
        ..plain
    }
    .header("content-type", "text/plain");
    assert!(plain.parse().is_err());
}

/// What its body does not tell is not guessed, and no row opens it.
#[test]
fn what_the_body_does_not_tell_is_unclear() {
    for (method, target, body) in [
        (
            "POST",
            "/engagements/v1/engagements",
            json!({"engagement": {"type": "PUBLISHING_TASK"}}),
        ),
        (
            "PATCH",
            "/engagements/v1/engagements/1",
            json!({"engagement": {"ownerId": 7}}),
        ),
        (
            "PATCH",
            "/engagements/v1/engagements/1",
            json!({"engagement": {"type": "NOTE"}, "associations": {"contactIds": [2]}}),
        ),
        (
            "POST",
            "/engagements/v1/engagements",
            json!({"engagement": {"type": "EMAIL"}, "metadata": {"to": [{"email": "a@b.c"}]}}),
        ),
        (
            "PUT",
            "/crm-associations/v1/associations",
            json!({"fromObjectId": 1, "toObjectId": 2, "category": "USER_DEFINED", "definitionId": 1}),
        ),
        (
            "POST",
            "/submissions/v3/integration/submit/1/2",
            json!({"fields": [{"name": "email", "value": "a@b.c"}, {"objectTypeId": "0-2", "name": "name", "value": "x"}]}),
        ),
        (
            "POST",
            "/submissions/v3/integration/submit/1/2",
            json!({"fields": [{"name": "city", "value": "x"}], "context": {"hutk": "abc"}}),
        ),
        (
            "POST",
            "/collector/graphql",
            json!({"query": "mutation { a }"}),
        ),
    ] {
        let parsed = Request::new(method, target, body.to_string()).parse();
        let Ok(ChangeSet::Opaque(opaque)) = parsed else {
            panic!("{target} {body}: {parsed:?}")
        };
        assert!(!opaque.openable, "{target}");
    }
}
