//! What became of each part of a SOAP message: by its result, by its fault (SOAP API Developer Guide,
//! `SaveResult`, `DeleteResult`, `MergeResult`, `LeadConvertResult`, `ApiFault`).

use http::StatusCode;
use roxmltree::Node;

use super::{failed, id};
use crate::crm::{error_code, xml};
use crate::mutation::{Mutation, Operation, Outcome, OutcomeState, RecordKey};

/// Faults after which nobody knows how far it came.
const UNKNOWN: [&str; 4] = [
    "UNKNOWN_EXCEPTION",
    "SERVER_UNAVAILABLE",
    "REQUEST_RUNNING_TOO_LONG",
    "UNABLE_TO_LOCK_ROW",
];

/// Operations whose results say nothing of a success: that there is one says that they ran, or will.
const TESTS: [&str; 2] = ["runTests", "runTestsAsynchronous"];

/// One result, as far as it tells.
#[derive(Debug, Default)]
struct Told {
    success: Option<bool>,
    created: bool,
    id: Option<String>,
    code: Option<String>,
    /// The records that a conversion made or went into: account, contact, opportunity.
    into: [Option<String>; 3],
}

/// One outcome for each mutation.
pub(super) fn outcomes(mutations: &[Mutation], status: StatusCode, body: &[u8]) -> Vec<Outcome> {
    let unknown = vec![Outcome::of(OutcomeState::Unknown); mutations.len()];
    let Ok(document) = xml::parse(body) else {
        return unknown;
    };
    let inside = child(document.root_element(), "Body").and_then(|body| body.first_element_child());
    let Some(answer) = inside else {
        return unknown;
    };
    if answer.tag_name().name() == "Fault" {
        return match fault(answer) {
            Some(code) if !UNKNOWN.contains(&code.as_str()) => {
                vec![failed(error_code(&code).map(str::to_owned)); mutations.len()]
            }
            _ => unknown,
        };
    }
    if status != StatusCode::OK || !answer.tag_name().name().ends_with("Response") {
        return unknown;
    }
    let results: Vec<Told> = answer
        .children()
        .filter(|part| part.is_element() && part.tag_name().name() == "result")
        .map(told)
        .collect();
    let is_test = |mutation: &Mutation| TESTS.contains(&mutation.object.as_str());
    if mutations.iter().all(is_test) && !results.is_empty() {
        return vec![Outcome::of(OutcomeState::Done); mutations.len()];
    }
    each(mutations, &results)
}

/// The results by the row that each mutation stands in. What stands in none is done where any is.
fn each(mutations: &[Mutation], results: &[Told]) -> Vec<Outcome> {
    let rows = rows(mutations);
    let count = rows.iter().flatten().max().map_or(0, |last| last + 1);
    if count > 0 && count != results.len() {
        return vec![Outcome::of(OutcomeState::Unknown); mutations.len()];
    }
    let any = results.iter().any(|told| told.success == Some(true));
    mutations
        .iter()
        .zip(rows)
        .map(
            |(mutation, row)| match row.and_then(|row| results.get(row)) {
                Some(told) => one(mutation, told),
                // an operation without parts: that it was answered says that it ran
                None if count == 0 => Outcome::of(match results {
                    [] => OutcomeState::Done,
                    all if all.iter().all(|told| told.success == Some(false)) => {
                        OutcomeState::Failed
                    }
                    _ => OutcomeState::Done,
                }),
                None if any => Outcome::of(OutcomeState::Done),
                None => Outcome::of(OutcomeState::Failed),
            },
        )
        .collect()
}

/// The place of each mutation's row: `sObjects[3]`.
fn rows(mutations: &[Mutation]) -> Vec<Option<usize>> {
    mutations
        .iter()
        .map(|mutation| {
            let (_, rest) = mutation.row.as_deref()?.split_once('[')?;
            rest.strip_suffix(']')?.parse().ok()
        })
        .collect()
}

fn one(mutation: &Mutation, told: &Told) -> Outcome {
    let asked = match &mutation.record {
        Some(RecordKey::Id { id }) => Some(id),
        Some(RecordKey::External { .. }) | None => None,
    };
    let rows = [Operation::Create, Operation::Update, Operation::Upsert];
    let other = rows.contains(&mutation.operation)
        && matches!((asked, &told.id), (Some(asked), Some(said)) if asked != said);
    match told.success {
        Some(true) if !other => Outcome {
            new_id: made(mutation, told),
            ..Outcome::of(OutcomeState::Done)
        },
        Some(false) => failed(told.code.clone()),
        Some(true) | None => Outcome::of(OutcomeState::Unknown),
    }
}

/// The record that it made, where it made one.
fn made(mutation: &Mutation, told: &Told) -> Option<String> {
    let [account, contact, opportunity] = &told.into;
    let converted = told.into.iter().any(Option::is_some);
    match (mutation.operation, mutation.object.as_str()) {
        (Operation::Create, "Account") if converted => account.clone(),
        (Operation::Create, "Contact") if converted => contact.clone(),
        (Operation::Create, "Opportunity") if converted => opportunity.clone(),
        (Operation::Create, _) => told.id.clone(),
        (Operation::Upsert, _) if told.created => told.id.clone(),
        _ => None,
    }
}

fn told(result: Node<'_, '_>) -> Told {
    let text = |name| child(result, name).and_then(|part| xml::value(part).ok());
    let an_id = |name| text(name).and_then(|text| id::canonical(text).ok());
    let truth = |name| match text(name) {
        Some("true" | "1") => Some(true),
        Some("false" | "0") => Some(false),
        _ => None,
    };
    let error = child(result, "errors").and_then(|error| child(error, "statusCode"));
    let code = error.and_then(|code| xml::value(code).ok());
    Told {
        success: truth("success"),
        created: truth("created") == Some(true),
        id: an_id("id"),
        code: code.and_then(error_code).map(str::to_owned),
        into: ["accountId", "contactId", "opportunityId"].map(an_id),
    }
}

/// The code of a fault, without its prefix.
fn fault(fault: Node<'_, '_>) -> Option<String> {
    let code = xml::value(child(fault, "faultcode")?).ok()?;
    let code = code.rsplit(':').next().unwrap_or(code).trim();
    error_code(code).map(str::to_owned)
}

fn child<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    node.children()
        .find(|part| part.is_element() && part.tag_name().name() == name)
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;
    use crate::mutation::Undo;

    fn mutation(object: &str, operation: Operation, id: Option<&str>, row: &str) -> Mutation {
        Mutation {
            object: object.into(),
            operation,
            record: id.map(RecordKey::id),
            fields: Map::new(),
            row: (!row.is_empty()).then(|| row.to_owned()),
            undo: Undo::Full,
            others: vec![],
        }
    }

    fn answered(mutations: &[Mutation], status: u16, inner: &str) -> Vec<Outcome> {
        let body = format!(
            "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\" \
             xmlns=\"urn:partner.soap.sforce.com\"><e:Body>{inner}</e:Body></e:Envelope>"
        );
        let status = StatusCode::from_u16(status).unwrap();
        outcomes(mutations, status, body.as_bytes())
    }

    const FAILED: &str = "<result><errors><fields>Name</fields><message>m</message>\
                          <statusCode>REQUIRED_FIELD_MISSING</statusCode></errors>\
                          <success>false</success></result>";

    #[test]
    fn each_row_has_its_own_outcome() {
        let rows = [
            mutation("Account", Operation::Create, None, "sObjects[0]"),
            mutation("Account", Operation::Create, None, "sObjects[1]"),
            mutation("EmailHeader", Operation::Send, None, ""),
        ];
        let inner = format!(
            "<createResponse><result><id>001000000000001</id><success>true</success></result>\
             {FAILED}</createResponse>"
        );
        let outcomes = answered(&rows, 200, &inner);
        assert_eq!(outcomes[0].new_id.as_deref(), Some("001000000000001AAA"));
        assert_eq!(outcomes[1].state, OutcomeState::Failed);
        assert_eq!(outcomes[1].code.as_deref(), Some("REQUIRED_FIELD_MISSING"));
        assert_eq!(outcomes[2].state, OutcomeState::Done);
    }

    #[test]
    fn what_does_not_fit_is_unknown() {
        let row = [mutation(
            "Account",
            Operation::Update,
            Some("001000000000001AAA"),
            "sObjects[0]",
        )];
        for (status, inner) in [
            (200, "<updateResponse/>"),
            (
                200,
                "<updateResponse><result><id>001000000000002AAA</id><success>true</success></result></updateResponse>",
            ),
            (200, "<html/>"),
            (
                502,
                "<updateResponse><result><success>true</success></result></updateResponse>",
            ),
            (
                500,
                "<e:Fault><faultcode>sf:UNKNOWN_EXCEPTION</faultcode></e:Fault>",
            ),
            (500, "<e:Fault><faultcode>server</faultcode></e:Fault>"),
        ] {
            let state = answered(&row, status, inner)[0].state;
            assert_eq!(state, OutcomeState::Unknown, "{status} {inner}");
        }
        assert_eq!(
            outcomes(&row, StatusCode::OK, b"")[0].state,
            OutcomeState::Unknown
        );
    }

    #[test]
    fn tests_ran_when_they_are_answered() {
        for (operation, result, state) in [
            (
                "runTests",
                "<result><numFailures>1</numFailures></result>",
                OutcomeState::Done,
            ),
            (
                "runTestsAsynchronous",
                "<result>707000000000001</result>",
                OutcomeState::Done,
            ),
            ("runTests", "", OutcomeState::Unknown),
            (
                "process/approvals",
                "<result><x/></result>",
                OutcomeState::Unknown,
            ),
        ] {
            let parts = ["classids[0]", "suiteids[1]"]
                .map(|row| mutation(operation, Operation::Invoke, None, row));
            let inner = format!("<runResponse>{result}</runResponse>");
            let states = answered(&parts, 200, &inner)
                .into_iter()
                .map(|one| one.state);
            assert!(states.eq([state; 2]), "{operation} {result}");
            let states = answered(&parts, 502, &inner)
                .into_iter()
                .map(|one| one.state);
            assert!(
                states.eq([OutcomeState::Unknown; 2]),
                "{operation} {result}"
            );
        }
    }

    #[test]
    fn a_fault_says_that_nothing_was_done() {
        let row = [mutation("Account", Operation::Create, None, "sObjects[0]")];
        let fault = "<e:Fault><faultcode>sf:INVALID_FIELD</faultcode></e:Fault>";
        let outcome = &answered(&row, 500, fault)[0];
        assert_eq!(outcome.state, OutcomeState::Failed);
        assert_eq!(outcome.code.as_deref(), Some("INVALID_FIELD"));
    }

    #[test]
    fn a_conversion_tells_what_it_made() {
        let row = "leadConverts[0]";
        let rows = [
            mutation("Lead", Operation::Convert, Some("00Q000000000001EAA"), row),
            mutation("Account", Operation::Create, None, row),
            mutation("Opportunity", Operation::Create, None, row),
        ];
        let inner = "<convertLeadResponse><result><accountId>001000000000001AAA</accountId>\
                     <contactId>003000000000001AAA</contactId><leadId>00Q000000000001EAA</leadId>\
                     <opportunityId>006000000000001AAA</opportunityId><success>true</success>\
                     </result></convertLeadResponse>";
        let made: Vec<_> = answered(&rows, 200, inner)
            .into_iter()
            .map(|outcome| outcome.new_id)
            .collect();
        assert_eq!(
            made,
            [
                None,
                Some("001000000000001AAA".into()),
                Some("006000000000001AAA".into())
            ]
        );
    }
}
