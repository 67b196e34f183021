//! Families that write records: rows, collections, sub-requests, the UI API, GraphQL, bulk.

use super::{Entry, How, Naming, Nest, decomposed, judged, path, refused, whole};
use crate::mutation::Operation;

const FILES: &str = "a file that leaves the org; named by its object";

/// In the order in which they are tried.
pub(super) static ENTRIES: &[Entry] = &[
    judged(
        "stored secrets",
        Operation::Credential,
        "NamedCredential, AuthProvider, ConnectedApplication, Certificate … as records and as metadata; \
         named by the object; none of their fields is kept",
        &[
            path(
                "PUAD",
                "sobjects/@secret/**",
                How::Whole(Operation::Credential, Naming::At(1)),
            ),
            path(
                "PUAD",
                "tooling/sobjects/@secret/**",
                How::Whole(Operation::Credential, Naming::At(2)),
            ),
        ],
    ),
    judged(
        "passwords",
        Operation::Credential,
        "sobjects/User/{id}/password: named User, SelfServiceUser",
        &[
            path(
                "PUAD",
                "sobjects/~User/*/password",
                How::Whole(Operation::Credential, Naming::At(1)),
            ),
            path(
                "PUAD",
                "sobjects/~SelfServiceUser/*/password",
                How::Whole(Operation::Credential, Naming::At(1)),
            ),
        ],
    ),
    judged(
        "file downloads",
        Operation::Export,
        FILES,
        &[
            path("R", "sobjects/*/*/Body", EXPORT_OF_TYPE),
            path("R", "sobjects/*/*/VersionData", EXPORT_OF_TYPE),
            path("R", "sobjects/*/*/LogFile", EXPORT_OF_TYPE),
            path("R", "sobjects/*/*/ContentData", EXPORT_OF_TYPE),
            path("R", "sobjects/*/*/Document", EXPORT_OF_TYPE),
            path("R", "sobjects/*/*/Content", EXPORT_OF_TYPE),
            path("R", "sobjects/*/*/Binary", EXPORT_OF_TYPE),
            path("R", "sobjects/*/*/richTextImageFields/**", EXPORT_OF_TYPE),
            path(
                "R",
                "tooling/sobjects/*/*/Body",
                How::Whole(Operation::Export, Naming::At(2)),
            ),
        ],
    ),
    judged(
        "list view results",
        Operation::Export,
        "the records of a list view; named listviews",
        &[whole(
            "R",
            "sobjects/*/listviews/*/results",
            Operation::Export,
            "listviews",
        )],
    ),
    judged(
        "streaming channels",
        Operation::Send,
        "what all listeners get; named StreamingChannel",
        &[whole(
            "PUAD",
            "sobjects/~StreamingChannel/*/push",
            Operation::Send,
            "StreamingChannel",
        )],
    ),
    refused(
        "event series",
        "one DELETE that deletes many events: delete each by its own id",
        &[path(
            "PUAD",
            "sobjects/~Event/*/fromThisEventOnwards",
            How::Refused,
        )],
    ),
    judged(
        "object quick actions",
        Operation::Invoke,
        "can make records and send mail; named Object.Action",
        &[path(
            "PUAD",
            "sobjects/*/quickActions/**",
            How::Whole(Operation::Invoke, Naming::Dotted(1, 3)),
        )],
    ),
    decomposed(
        "rows",
        "sobjects/{type}: create, update, upsert and delete, by id, external id or one relationship; of \
         built-in types and of the org's own; in JSON or XML, with a file beside it; platform events are \
         sends named by the event",
        &[path("PUAD", "sobjects/**", How::Row)],
    ),
    decomposed(
        "collections",
        "composite/sobjects: up to 200 rows, with files beside them",
        &[path("PUAD", "composite/sobjects/**", How::Collection)],
    ),
    decomposed(
        "composite requests",
        "composite, composite/batch, composite/graph, connect/batch: each sub-request is judged like \
         one of its own; none inside another",
        &[
            path("P", "composite", How::Nest(Nest::Composite)),
            path("P", "composite/batch", How::Nest(Nest::Batch)),
            path("P", "connect/batch", How::Nest(Nest::Batch)),
            path("P", "composite/graph", How::Nest(Nest::Graph)),
            path("P", "tooling/composite", How::Nest(Nest::Composite)),
            path("P", "tooling/composite/batch", How::Nest(Nest::Batch)),
            path("P", "tooling/composite/graph", How::Nest(Nest::Graph)),
        ],
    ),
    decomposed(
        "trees",
        "composite/tree/{type}: records with their children, in JSON or XML",
        &[path("P", "composite/tree/*", How::Tree)],
    ),
    decomposed(
        "UI API records",
        "ui-api/records, ui-api/records/batch",
        &[
            path("P", "ui-api/records", How::UiRecord),
            path("AD", "ui-api/records/*", How::UiRecord),
            path("P", "ui-api/records/batch", How::UiBatch),
        ],
    ),
    decomposed(
        "GraphQL",
        "graphql by POST: the mutations of the operation that runs; queries are reads",
        &[path("P", "graphql", How::GraphQl)],
    ),
    decomposed(
        "search by POST",
        "parameterizedSearch: a read, unless it writes usage data",
        &[path("P", "parameterizedSearch", How::Search)],
    ),
    judged(
        "bulk results",
        Operation::Export,
        "named jobs/ingest (of one's own rows), jobs/ingest/others, jobs/query, async/job",
        &[
            whole(
                "R",
                "jobs/ingest/*/successfulResults",
                Operation::Export,
                "jobs/ingest",
            ),
            whole(
                "R",
                "jobs/ingest/*/failedResults",
                Operation::Export,
                "jobs/ingest",
            ),
            whole(
                "R",
                "jobs/ingest/*/unprocessedrecords",
                Operation::Export,
                "jobs/ingest",
            ),
            whole("P", "jobs/query", Operation::Export, "jobs/query"),
            whole("R", "jobs/query/*/results", Operation::Export, "jobs/query"),
            whole(
                "R",
                "jobs/query/*/resultPages",
                Operation::Export,
                "jobs/query",
            ),
            whole(
                "R",
                "/services/async/*/job/*/batch/*/request",
                Operation::Export,
                "async/job",
            ),
            whole(
                "R",
                "/services/async/*/job/*/batch/*/result/**",
                Operation::Export,
                "async/job",
            ),
        ],
    ),
    decomposed(
        "bulk jobs",
        "jobs/ingest: judged at the commit, by the rows that were uploaded here; their number and \
         each row's fields",
        &[
            path("P", "jobs/ingest", How::Job),
            path("U", "jobs/ingest/*/batches", How::Job),
            path("AD", "jobs/ingest/*", How::Job),
        ],
    ),
    decomposed(
        "bulk batches",
        "services/async (Bulk API 1.0): each batch (CSV, XML, JSON; at most 10,000,000 bytes and \
         10,000 rows) is judged row by row before it goes; queries are exports, named async/job",
        &[
            path("P", "/services/async/*/job", How::Job),
            path("P", "/services/async/*/job/*", How::Job),
            path("P", "/services/async/*/job/*/batch", How::Job),
        ],
    ),
    refused(
        "other bulk jobs",
        "the rest of jobs, services/async: specs, which give columns other names, and zipped \
         batches; use jobs/ingest, or for up to 200 rows composite/sobjects",
        &[
            path("PUAD", "jobs/**", How::Refused),
            path("PUAD", "/services/async/**", How::Refused),
        ],
    ),
    judged(
        "async SOQL",
        Operation::Import,
        "async-queries: writes what a query finds into another object",
        &[whole(
            "PUAD",
            "async-queries/**",
            Operation::Import,
            "async-queries",
        )],
    ),
];

const EXPORT_OF_TYPE: How = How::Whole(Operation::Export, Naming::At(1));
