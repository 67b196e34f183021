//! Families that run something: actions, approvals, rules, code.

use super::{Entry, How, Naming, judged, path, refused, whole};
use crate::mutation::Operation;

/// In the order in which they are tried.
pub(super) static ENTRIES: &[Entry] = &[
    Entry {
        family: crate::crm::family::Family {
            name: "invocable actions",
            treatment: crate::crm::family::Treatment::Whole,
            operation: None,
            note: "actions/…: one operation for each input, named by the action; send where it mails, \
                   posts or notifies, credential where it gives rights, else invoke",
        },
        paths: &[path("PUAD", "actions/**", How::Action)],
    },
    judged(
        "quick actions",
        Operation::Invoke,
        "can make records and send mail; named by the action",
        &[
            path(
                "PUAD",
                "quickActions/*/**",
                How::Whole(Operation::Invoke, Naming::At(1)),
            ),
            path(
                "PUAD",
                "ui-api/actions/perform-quick-action/*",
                How::Whole(Operation::Invoke, Naming::At(3)),
            ),
        ],
    ),
    judged(
        "approvals and process rules",
        Operation::Invoke,
        "named process/approvals, process/rules",
        &[
            whole(
                "PUAD",
                "process/approvals/**",
                Operation::Invoke,
                "process/approvals",
            ),
            whole(
                "PUAD",
                "process/rules/**",
                Operation::Invoke,
                "process/rules",
            ),
        ],
    ),
    judged(
        "Apex code by the tooling API",
        Operation::Invoke,
        "also by GET; named executeAnonymous, runTests…",
        &[
            path(
                "RPUAD",
                "tooling/executeAnonymous/**",
                How::Whole(Operation::Invoke, Naming::At(1)),
            ),
            path(
                "RPUAD",
                "tooling/runTestsAsynchronous/**",
                How::Whole(Operation::Invoke, Naming::At(1)),
            ),
            path(
                "RPUAD",
                "tooling/runTestsSynchronous/**",
                How::Whole(Operation::Invoke, Naming::At(1)),
            ),
        ],
    ),
    refused(
        "Apex REST",
        "services/apexrest: the org's own code, also by GET: `endpoints` rows only",
        &[path("RPUAD", "/services/apexrest/**", How::Refused)],
    ),
    judged(
        "consent",
        Operation::Invoke,
        "consent/action: changes every record of a person through its query string; named \
         consent/action",
        &[whole(
            "PUAD",
            "consent/action/**",
            Operation::Invoke,
            "consent/action",
        )],
    ),
    judged(
        "portability",
        Operation::Export,
        "consent/dsr: a person's data as a file",
        &[whole(
            "RPUAD",
            "consent/dsr/**",
            Operation::Export,
            "consent/dsr",
        )],
    ),
    judged(
        "knowledge",
        Operation::Invoke,
        "knowledgeManagement: publishes, archives and deletes articles",
        &[whole(
            "PUAD",
            "knowledgeManagement/**",
            Operation::Invoke,
            "knowledgeManagement",
        )],
    ),
    judged(
        "models and prompts",
        Operation::Invoke,
        "einstein: record data goes to a model",
        &[
            whole(
                "PUAD",
                "einstein/prompt-templates/**",
                Operation::Invoke,
                "einstein/prompt-templates",
            ),
            whole(
                "PUAD",
                "einstein/ai-evaluations/**",
                Operation::Invoke,
                "einstein/ai-evaluations",
            ),
        ],
    ),
    judged(
        "industry processes",
        Operation::Invoke,
        "loyalty, fundraising, asset lifecycle: programs and processes that are run",
        &[
            whole(
                "PUAD",
                "connect/realtime/loyalty/**",
                Operation::Invoke,
                "connect/loyalty",
            ),
            whole(
                "PUAD",
                "connect/loyalty/programs/*/program-processes/**",
                Operation::Invoke,
                "connect/loyalty",
            ),
            whole(
                "PUAD",
                "connect/fundraising/**",
                Operation::Invoke,
                "connect/fundraising",
            ),
            whole(
                "PUAD",
                "loyalty/programs/*/members/**",
                Operation::Invoke,
                "loyalty",
            ),
            whole(
                "PUAD",
                "loyalty-programs/**",
                Operation::Invoke,
                "loyalty-programs",
            ),
            whole(
                "PUAD",
                "asset-management/assets/collection/actions/**",
                Operation::Invoke,
                "asset-management",
            ),
        ],
    ),
];
