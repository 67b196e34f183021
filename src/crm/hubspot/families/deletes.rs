//! What deletes within a family of the rest: judged as a delete, or as one past any recycle bin, so that
//! whoever may change a family may not therefore empty it.

use super::By::{Deletes, Purges};
use super::Row;
use super::table::row;
use crate::mutation::Operation::{Delete, Purge};

/// The first that fits speaks.
pub(super) static ROWS: &[Row] = &[
    row(
        "file-changes",
        Purge,
        Purges,
        "files/** filemanager/**",
        "a file and all that is kept of it",
    ),
    row(
        "website",
        Purge,
        Purges,
        "cms/** content/** blogs/** comments/** hubdb/** url-mappings/** keywords/**",
        "rows and pages, for good",
    ),
    row(
        "timeline-events",
        Delete,
        Deletes,
        "crm/timeline/** integrators/timeline/** integrations/*/timeline/**",
        "what stands in the history of a record",
    ),
    row(
        "list-folders",
        Delete,
        Deletes,
        "crm/lists/folders crm/lists/folders/**",
        "a folder of lists",
    ),
    row(
        "deal-splits",
        Delete,
        Deletes,
        "deal-splits/** crm/objects/deals/splits/**",
        "who gets the credit for a deal",
    ),
    row(
        "call-extensions",
        Delete,
        Deletes,
        "crm/extensions/**",
        "calls and transcripts of an app",
    ),
    row(
        "task-series",
        Delete,
        Deletes,
        "crm/task-series crm/task-series/**",
        "a series, with its tasks",
    ),
    row("prospects", Delete, Deletes, "leads/**", "of an older API"),
    row(
        "form-definitions",
        Delete,
        Deletes,
        "forms/** marketing/forms marketing/forms/** contacts/forms contacts/forms/**",
        "a form of the website",
    ),
    row(
        "email-templates",
        Delete,
        Deletes,
        "automation/email-templates automation/email-templates/**",
        "what people send",
    ),
    row(
        "conversations",
        Delete,
        Deletes,
        "conversations/**",
        "threads and channels",
    ),
    row(
        "marketing",
        Delete,
        Deletes,
        "marketing/** marketing-emails/**",
        "emails, campaigns and events, and what they are tied to",
    ),
    row(
        "commerce",
        Delete,
        Deletes,
        "commerce/**",
        "links to pay by, and prices",
    ),
    row(
        "source-code",
        Delete,
        Deletes,
        "cms/source-code/**",
        "code of the public website",
    ),
    row(
        "website",
        Delete,
        Deletes,
        "cms/** content/** blogs/** comments/** hubdb/** url-mappings/** keywords/**",
        "pages, blogs, tables and redirects of the public website",
    ),
    row(
        "media-bridge",
        Delete,
        Deletes,
        "media-bridge/**",
        "records of a media app",
    ),
    row(
        "file-changes",
        Delete,
        Deletes,
        "files/** filemanager/**",
        "files and folders",
    ),
];
