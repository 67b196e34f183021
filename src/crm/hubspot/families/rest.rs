//! The rest of each API: families that nothing before them speaks for, each as one operation.

use super::By::Write;
use super::Row;
use super::table::row;
use crate::mutation::Operation::{Create, Invoke, Send, Settings};

/// The first that fits speaks.
pub(super) static ROWS: &[Row] = &[
    row(
        "timeline-events",
        Create,
        Write,
        "crm/timeline/** integrators/timeline/** integrations/*/timeline/**",
        "its template can write properties of the record that it does not name",
    ),
    row(
        "list-folders",
        Settings,
        Write,
        "crm/lists/folders crm/lists/folders/** crm/lists/*/schedule-conversion",
        "where lists stand, and which become static",
    ),
    row(
        "deal-splits",
        Invoke,
        Write,
        "deal-splits/** crm/objects/deals/splits/**",
        "replaces who gets the credit for a deal",
    ),
    row(
        "call-extensions",
        Create,
        Write,
        "crm/extensions/**",
        "calls and transcripts of an app",
    ),
    row(
        "task-series",
        Invoke,
        Write,
        "crm/task-series crm/task-series/**",
        "makes tasks that it does not name",
    ),
    row(
        "secondary-email",
        Invoke,
        Write,
        "contacts/secondary-email/**",
        "further addresses of a contact",
    ),
    row(
        "prospects",
        Invoke,
        Write,
        "leads/**",
        "of an older API; records are at /crm/v3/objects/leads",
    ),
    row(
        "form-definitions",
        Settings,
        Write,
        "forms/** marketing/forms marketing/forms/** contacts/forms contacts/forms/**",
        "which fields a form asks for, and what its submission writes",
    ),
    row(
        "email-templates",
        Settings,
        Write,
        "automation/email-templates automation/email-templates/**",
        "what people send",
    ),
    row(
        "consent",
        Invoke,
        Write,
        "communication-preferences/** email/**",
        "what people consented to",
    ),
    row(
        "conversations",
        Send,
        Write,
        "conversations/**",
        "threads, channels and who answers: what it does can reach people",
    ),
    row(
        "marketing",
        Send,
        Write,
        "marketing/** marketing-emails/**",
        "emails, campaigns and events: what it does can reach people",
    ),
    row(
        "commerce",
        Invoke,
        Write,
        "commerce/**",
        "what customers pay, and by which contract",
    ),
    row(
        "source-code",
        Settings,
        Write,
        "cms/source-code/**",
        "code of the public website",
    ),
    row(
        "website",
        Settings,
        Write,
        "cms/** content/** blogs/** comments/** hubdb/** url-mappings/** keywords/**",
        "pages, blogs, tables and redirects of the public website",
    ),
    row(
        "media-bridge",
        Invoke,
        Write,
        "media-bridge/**",
        "records of a media app",
    ),
    row(
        "file-changes",
        Settings,
        Write,
        "files/** filemanager/**",
        "folders, and what stands in a file that was there",
    ),
];
