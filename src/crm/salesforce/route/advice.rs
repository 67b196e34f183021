//! What to do instead of a request that is not taken apart.

use super::reads;

/// By the path below `/services/data/vNN.N/`.
pub(super) fn advice(rest: &[&str]) -> String {
    let text = match rest {
        ["composite", ..] | ["connect" | "tooling", "batch" | "composite", ..] => {
            "no such composite request is documented: use POST /composite, /composite/batch, \
             /composite/graph, /composite/tree/{type}, or /composite/sobjects"
        }
        ["graphql", ..] => "GraphQL is taken by POST alone: read with /query, write with /sobjects",
        ["jobs" | "async-queries", ..] => {
            "no such step of a bulk job is documented: use /jobs/ingest and /jobs/query, or for up \
             to 200 rows /composite/sobjects"
        }
        ["ui-api", ..] => {
            "this part of the UI API is not taken apart: write records with /sobjects or \
             /composite/sobjects"
        }
        ["tooling", "executeAnonymous", ..] => {
            "this runs Apex code, which can change anything: use /sobjects"
        }
        ["tooling" | "metadata", ..] => "this may change code or what records look like",
        ["actions" | "quickActions" | "process", ..] | ["sobjects", _, "quickActions", ..] => {
            "this runs automation, which can change anything: use /sobjects, or ask for an \
             `endpoints` row"
        }
        ["consent", ..] => "this path writes consent data through its query string",
        ["chatter" | "connect", ..] => "this may post or notify people: ask for an `endpoints` row",
        ["sobjects", .., last] if reads::is_file_field(last) => {
            "this exports a file: spell its field as the API does"
        }
        ["sobjects", ..] => "no such path below /sobjects is documented",
        ["analytics", ..] => {
            "this exports or changes a report: read with /query, or ask for an `endpoints` row"
        }
        _ => "this path is not known: use /sobjects, /composite/sobjects or /query",
    };
    text.to_owned()
}

/// The same outside `/services/data/`.
pub(super) fn outside(path: &[&str]) -> String {
    let text = match path {
        ["services", "Soap", ..] => {
            "SOAP is not taken apart yet: use the REST API, /services/data/vNN.N/sobjects"
        }
        ["services", "apexrest", ..] => {
            "this runs the org's own code, which can change anything, even on GET: ask for an \
             `endpoints` row"
        }
        ["services", "async", ..] => {
            "of Bulk API 1.0 only jobs and their batches are taken apart, not specs, which give \
             columns other names"
        }
        ["services", "oauth2", ..] => {
            "of the login paths only POST /services/oauth2/token is passed on as a login"
        }
        _ => "this path is not known: use /services/data/vNN.N/",
    };
    text.to_owned()
}
