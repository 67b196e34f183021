//! Families that change the org itself, its secrets or its reports, and what is refused.

use super::{Entry, How, Naming, decomposed, entry, judged, path, refused, whole};
use crate::crm::family::Treatment;
use crate::crm::salesforce::soap::Api;
use crate::mutation::Operation;

/// In the order in which they are tried.
pub(super) static ENTRIES: &[Entry] = &[
    judged(
        "credentials",
        Operation::Credential,
        "logins other than oauth2/token, tokens, app secrets, stored secrets; named oauth2, \
         named-credentials …",
        &[
            whole(
                "RPUAD",
                "tooling/sandboxAuth",
                Operation::Credential,
                "tooling/sandboxAuth",
            ),
            whole(
                "PUAD",
                "named-credentials/**",
                Operation::Credential,
                "named-credentials",
            ),
            whole(
                "RPUAD",
                "apps/oauth/credentials/**",
                Operation::Credential,
                "apps/oauth",
            ),
            whole("PUAD", "apps/oauth/**", Operation::Credential, "apps/oauth"),
            whole(
                "RPUAD",
                "/services/oauth2/**",
                Operation::Credential,
                "oauth2",
            ),
            whole("RPUAD", "/services/auth/**", Operation::Credential, "auth"),
            whole(
                "RPUAD",
                "/services/a360/token",
                Operation::Credential,
                "a360",
            ),
            whole("RPUAD", "/secur/**", Operation::Credential, "secur"),
        ],
    ),
    judged(
        "tooling and metadata",
        Operation::Schema,
        "code, objects, fields, deployments; named by the tooling object, else tooling, metadata",
        &[
            path(
                "PUAD",
                "tooling/sobjects/*/**",
                How::Whole(Operation::Schema, Naming::At(2)),
            ),
            whole("PUAD", "tooling/**", Operation::Schema, "tooling"),
            whole("PUAD", "metadata/**", Operation::Schema, "metadata"),
            whole("RPUAD", "folders/**", Operation::Schema, "folders"),
            whole(
                "P",
                "connect/communities",
                Operation::Schema,
                "connect/communities",
            ),
            whole(
                "P",
                "connect/communities/*/publish",
                Operation::Schema,
                "connect/communities",
            ),
            whole(
                "P",
                "connect/business-rules/decision-table/definitions",
                Operation::Schema,
                "connect/business-rules",
            ),
            whole(
                "UAD",
                "connect/business-rules/decision-table/definitions/**",
                Operation::Schema,
                "connect/business-rules",
            ),
            whole(
                "PUAD",
                "connect/business-rules/expression-set/**",
                Operation::Schema,
                "connect/business-rules",
            ),
            whole(
                "PUAD",
                "ui-api/list-info/**",
                Operation::Schema,
                "ui-api/list-info",
            ),
        ],
    ),
    judged(
        "report and dashboard runs",
        Operation::Export,
        "also by GET; named analytics/reports, connect/business-rules",
        &[
            whole("RP", "analytics/reports/*", Operation::Export, REPORTS),
            whole(
                "P",
                "analytics/reports/*/instances",
                Operation::Export,
                REPORTS,
            ),
            whole(
                "R",
                "analytics/reports/*/instances/*",
                Operation::Export,
                REPORTS,
            ),
            whole(
                "P",
                "connect/business-rules/decision-models/export",
                Operation::Export,
                "connect/business-rules",
            ),
        ],
    ),
    judged(
        "report and dashboard definitions",
        Operation::Schema,
        "named analytics/reports, analytics/dashboards",
        &[
            whole("P", "analytics/reports", Operation::Schema, REPORTS),
            whole("AD", "analytics/reports/*", Operation::Schema, REPORTS),
            whole("P", "analytics/dashboards", Operation::Schema, DASHBOARDS),
            whole(
                "PAD",
                "analytics/dashboards/*",
                Operation::Schema,
                DASHBOARDS,
            ),
        ],
    ),
    judged(
        "dashboard refreshes",
        Operation::Invoke,
        "named analytics/dashboards",
        &[
            whole("U", "analytics/dashboards/*", Operation::Invoke, DASHBOARDS),
            whole(
                "D",
                "analytics/reports/*/instances/*",
                Operation::Invoke,
                REPORTS,
            ),
        ],
    ),
    judged(
        "settings of people",
        Operation::Settings,
        "favourites, apps, list preferences, report subscriptions; named ui-api/favorites …",
        &[
            path("PUAD", "ui-api/favorites/**", UI_SETTING),
            path("PUAD", "ui-api/apps/**", UI_SETTING),
            path("PUAD", "ui-api/list-preferences/**", UI_SETTING),
            path("PUAD", "ui-api/related-list-info/**", UI_SETTING),
            whole(
                "UAD",
                "analytics/notifications/**",
                Operation::Settings,
                "analytics/notifications",
            ),
        ],
    ),
    decomposed(
        "SOAP",
        "services/Soap/u and /c: rows, merges and conversions by record, sends, approvals, quick \
         actions and secrets by name; reads pass; the session may stand in the message",
        &[
            path("P", "/services/Soap/u/*", How::Soap(Api::Partner)),
            path("P", "/services/Soap/u/*/*", How::Soap(Api::Partner)),
            path("P", "/services/Soap/u/*/*/*", How::Soap(Api::Partner)),
            path("P", "/services/Soap/c/*", How::Soap(Api::Enterprise)),
            path("P", "/services/Soap/c/*/*", How::Soap(Api::Enterprise)),
            path("P", "/services/Soap/c/*/*/*", How::Soap(Api::Enterprise)),
        ],
    ),
    entry(
        "SOAP for metadata, Apex and tooling",
        Treatment::Whole,
        None,
        "services/Soap/m, /s, /T: schema, invoke, export and credential by operation; named metadata, \
         tooling, executeAnonymous …; reads pass",
        &[
            path("P", "/services/Soap/m/*", How::Soap(Api::Metadata)),
            path("P", "/services/Soap/m/*/*", How::Soap(Api::Metadata)),
            path("P", "/services/Soap/s/*", How::Soap(Api::Apex)),
            path("P", "/services/Soap/s/*/*", How::Soap(Api::Apex)),
            path("P", "/services/Soap/T/*", How::Soap(Api::Tooling)),
            path("P", "/services/Soap/T/*/*", How::Soap(Api::Tooling)),
        ],
    ),
    refused(
        "SOAP of the org's own classes",
        "services/Soap/class and all else below services/Soap: `endpoints` rows only",
        &[path("RPUAD", "/services/Soap/**", How::Refused)],
    ),
    refused(
        "industries, commerce, analytics, Data 360",
        "commerce, industries, revenue, health, wave, ssot …: `endpoints` rows only",
        &[
            path("PUAD", "commerce/**", How::Refused),
            path("PUAD", "wave/**", How::Refused),
            path("PUAD", "ssot/**", How::Refused),
            path("PUAD", "connect/**", How::Refused),
            path("PUAD", "ui-api/**", How::Refused),
        ],
    ),
    refused(
        "everything else",
        "paths that are in no table, other hosts' paths, the pages of the user interface: `endpoints` \
         rows only",
        &[
            path("PUAD", "**", How::Refused),
            path("PUAD", "/**", How::Refused),
        ],
    ),
];

const REPORTS: &str = "analytics/reports";
const DASHBOARDS: &str = "analytics/dashboards";
const UI_SETTING: How = How::Whole(Operation::Settings, Naming::Below("ui-api"));
