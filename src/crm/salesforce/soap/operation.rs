//! What each operation of the SOAP APIs does (the WSDLs of the partner, enterprise, metadata, Apex and
//! tooling APIs). One that is not here is refused.

use super::Api;
use crate::mutation::Operation;

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Does {
    /// Changes nothing.
    Read,
    /// Changes nothing, unless its query says so.
    Query,
    /// Changes nothing, unless it counts the use of a template.
    Render,
    /// Gives a session for a password.
    Login,
    /// Writes rows.
    Rows(Rows),
    /// Names records by their ids.
    Ids(Operation),
    /// Records into one.
    Merge,
    /// Leads into accounts, contacts, opportunities.
    Convert,
    /// Deletes whatever looks like an example.
    ByExample,
    /// One operation, by this name.
    Whole(Operation, &'static str),
    /// Something that an element of it names.
    Named(Operation, &'static str),
}

/// What is done with rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rows {
    Create,
    Update,
    Upsert,
}

/// What the operation of this name does; `None`: nobody knows it.
pub(super) fn does(api: Api, name: &str) -> Option<Does> {
    match api {
        Api::Partner | Api::Enterprise => record(name),
        Api::Metadata => metadata(name),
        Api::Apex => apex(name),
        Api::Tooling => tooling(name),
        Api::Class => None,
    }
}

fn record(name: &str) -> Option<Does> {
    Some(match name {
        "create" => Does::Rows(Rows::Create),
        "update" => Does::Rows(Rows::Update),
        "upsert" => Does::Rows(Rows::Upsert),
        "delete" => Does::Ids(Operation::Delete),
        "undelete" => Does::Ids(Operation::Restore),
        "emptyRecycleBin" => Does::Ids(Operation::Purge),
        "merge" => Does::Merge,
        "convertLead" => Does::Convert,
        "deleteByExample" => Does::ByExample,
        "sendEmail" => Does::Whole(Operation::Send, "sendEmail"),
        "sendEmailMessage" => Does::Whole(Operation::Send, "sendEmailMessage"),
        "process" => Does::Whole(Operation::Invoke, "process/approvals"),
        "performQuickActions" => Does::Named(Operation::Invoke, "quickActionName"),
        "executeListView" => Does::Whole(Operation::Export, "executeListView"),
        "renderEmailTemplate" | "renderStoredEmailTemplate" => Does::Render,
        "retrieve"
        | "queryMore"
        | "getDeleted"
        | "getUpdated"
        | "findDuplicates"
        | "findDuplicatesByIds"
        | "retrieveQuickActionTemplates"
        | "retrieveMassQuickActionTemplates" => Does::Read,
        other => return of_all(other),
    })
}

/// What the partner, enterprise and tooling APIs share.
fn of_all(name: &str) -> Option<Does> {
    Some(match name {
        "login" => Does::Login,
        "logout" | "invalidateSessions" | "setPassword" | "resetPassword" | "changeOwnPassword" => {
            Does::Whole(Operation::Credential, "sessions")
        }
        "query" | "queryAll" | "search" => Does::Query,
        "queryMore" | "retrieve" | "getDeleted" | "getUpdated" | "getUserInfo"
        | "getServerTimestamp" => Does::Read,
        other if describes(other) => Does::Read,
        _ => return None,
    })
}

fn metadata(name: &str) -> Option<Does> {
    Some(match name {
        "deploy"
        | "deployRecentValidation"
        | "cancelDeploy"
        | "createMetadata"
        | "updateMetadata"
        | "upsertMetadata"
        | "deleteMetadata"
        | "renameMetadata" => Does::Whole(Operation::Schema, "metadata"),
        "retrieve" | "checkRetrieveStatus" => Does::Whole(Operation::Export, "metadata"),
        "readMetadata" | "listMetadata" | "checkDeployStatus" => Does::Read,
        other if describes(other) => Does::Read,
        _ => return None,
    })
}

fn apex(name: &str) -> Option<Does> {
    Some(match name {
        "executeAnonymous" => Does::Whole(Operation::Invoke, "executeAnonymous"),
        "runTests" => Does::Whole(Operation::Invoke, "runTests"),
        "compileClasses" | "compileTriggers" | "compileAndTest" | "wsdlToApex" => {
            Does::Whole(Operation::Schema, "tooling")
        }
        _ => return None,
    })
}

fn tooling(name: &str) -> Option<Does> {
    Some(match name {
        "executeAnonymous" => Does::Whole(Operation::Invoke, "executeAnonymous"),
        "runTests" => Does::Whole(Operation::Invoke, "runTests"),
        "runTestsAsynchronous" => Does::Whole(Operation::Invoke, "runTestsAsynchronous"),
        "create" | "update" | "upsert" | "delete" | "undelete" => {
            Does::Whole(Operation::Schema, "tooling")
        }
        other => return of_all(other),
    })
}

/// `describeSObjects`, `describeGlobal` and the other thirty.
fn describes(name: &str) -> bool {
    name.strip_prefix("describe")
        .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_uppercase()))
}
