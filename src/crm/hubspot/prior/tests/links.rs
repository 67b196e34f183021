//! Links and lists before a write to them.

use http::StatusCode;
use serde_json::{Value, json};

use super::{HUBSPOT, body, mutations, reads};
use crate::crm::hubspot::tests::Request;
use crate::mutation::Prior;

fn cut(pairs: &[(u64, u64)]) -> Request {
    let input = |(from, to): &(u64, u64)| json!({"from": {"id": from}, "to": [{"id": to}]});
    let inputs: Vec<Value> = pairs.iter().map(input).collect();
    let target = "/crm/v4/associations/contacts/companies/batch/archive";
    Request::new("POST", target, json!({ "inputs": inputs }).to_string())
}

fn priors(request: &Request, answer: &Value) -> Result<Vec<Value>, String> {
    let mutations = mutations(request);
    let [call] = reads(request, &[]).try_into().unwrap();
    let answer = answer.to_string();
    let found = HUBSPOT.found(&call, &mutations, StatusCode::OK, answer.as_bytes());
    let mut found = found.map_err(|failure| format!("{failure:?}"))?;
    found.sort_by_key(|(place, _)| *place);
    let types = |(_, prior)| match prior {
        Prior::Found { fields, .. } => fields["association_types"].clone(),
        Prior::Absent | Prior::Unknown => panic!("{prior:?}"),
    };
    Ok(found.into_iter().map(types).collect())
}

#[test]
fn one_read_brings_the_links_of_all_records() {
    let request = cut(&[(1, 11), (2, 12), (1, 13)]);
    let [call] = reads(&request, &[]).try_into().unwrap();
    assert_eq!(call.target, "/crm/v4/associations/0-1/0-2/batch/read");
    assert_eq!(body(&call), json!({"inputs": [{"id": "1"}, {"id": "2"}]}));
    assert_eq!(call.covers, [0, 1, 4, 5, 2, 3]);
    let dated = "/crm/associations/2026-03/contacts/companies/batch/archive";
    let dated = Request::new("POST", dated, request.body);
    let [call] = reads(&dated, &[]).try_into().unwrap();
    assert_eq!(call.target, "/crm/associations/2026-03/0-1/0-2/batch/read");
    // links inside creates take nothing from anybody
    let create = json!({"properties": {}, "associations": [{"to": {"id": 11}, "types": [
        {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 279}]}]});
    let create = Request::new("POST", "/crm/v3/objects/contacts", create.to_string());
    assert_eq!(reads(&create, &[]).len(), 0);
}

#[test]
fn each_end_of_a_link_knows_its_types() {
    let request = cut(&[(1, 11), (2, 12)]);
    let kinds = json!([{"category": "USER_DEFINED", "typeId": 7, "label": "x"},
        {"category": "HUBSPOT_DEFINED", "typeId": 279, "label": null}]);
    let answer = json!({"results": [
        {"from": {"id": "1"}, "to": [{"toObjectId": 11, "associationTypes": kinds}]},
    ]});
    let types = json!("HUBSPOT_DEFINED 279, USER_DEFINED 7");
    let none = Value::Null;
    assert_eq!(
        priors(&request, &answer).unwrap(),
        [types.clone(), types, none.clone(), none]
    );
    // a link that is not among the first ones may still be there
    let more = json!({"results": [{"from": {"id": "1"}, "to": [], "paging": {"next": {}}}]});
    assert!(priors(&request, &more).unwrap_err().contains("more links"));
    assert!(priors(&request, &json!({})).is_err());
}

#[test]
fn a_list_is_read_once_whoever_comes_and_goes() {
    let members = Request::new("PUT", "/crm/v3/lists/7/memberships/remove", "[1,2,3]");
    let [call] = reads(&members, &[]).try_into().unwrap();
    assert_eq!(call.target, "/crm/v3/lists/7?includeFilters=true");
    assert_eq!(call.covers, [0, 1, 2]);
    let old = Request::new("POST", "/contacts/v1/lists/7/remove", r#"{"vids":[1]}"#);
    let [call] = reads(&old, &[]).try_into().unwrap();
    assert_eq!(call.target, "/contacts/v1/lists/7");
}
