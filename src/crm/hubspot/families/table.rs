//! The families that are judged as a whole, row by row.

use super::{By, Row};
use crate::mutation::Operation::{
    self, Create, Credential, Delete, Export, Import, Invoke, Schema, Send, Settings,
};

const fn row(
    name: &'static str,
    operation: Operation,
    by: By,
    shapes: &'static str,
    note: &'static str,
) -> Row {
    Row {
        name,
        operation,
        by,
        shapes,
        note,
    }
}

/// The first that fits speaks.
pub(super) static ROWS: &[Row] = &[
    // what mints or shows credentials
    row(
        "oauth",
        Credential,
        By::Any,
        "oauth/**",
        "what mints, shows or revokes tokens; not the login (POST oauth/token) and questions about one's own token",
    ),
    row(
        "smtp-tokens",
        Credential,
        By::Any,
        "marketing/transactional/smtp-tokens marketing/transactional/smtp-tokens/** \
         email/public/smtpapi/**",
        "with them mail leaves past any HTTP proxy",
    ),
    row(
        "visitor-identification",
        Credential,
        By::Any,
        "visitor-identification/**",
        "tokens for any e-mail address",
    ),
    row(
        "consent-links",
        Credential,
        By::Any,
        "communication-preferences/links/**",
        "links with which anyone changes somebody's consent",
    ),
    // what leaves in bulk
    row(
        "exports",
        Export,
        By::Any,
        "crm/exports/**",
        "an export leaves through a link",
    ),
    row(
        "association-report",
        Export,
        By::Any,
        "crm/associations/usage/**",
        "mailed to a user",
    ),
    row(
        "audit-log-export",
        Export,
        By::Any,
        "cms/audit-logs/export",
        "the portal's audit log as a file",
    ),
    row(
        "hubdb-export",
        Export,
        By::Any,
        "cms/hubdb/tables/*/export cms/hubdb/tables/*/draft/export hubdb/api/tables/*/export",
        "a whole table as a file",
    ),
    row(
        "file-links",
        Export,
        By::Any,
        "files/files/*/signed-url files/files/*/download filemanager/api/files/*/signed-url \
         form-integrations/uploaded-files/**",
        "links with which anyone fetches a private file",
    ),
    row(
        "webhooks-journal",
        Export,
        By::Any,
        "webhooks-journal/journal/** webhooks-journal/journal-local/** \
         webhooks-journal/snapshots/**",
        "every change of the portal, by links",
    ),
    row(
        "graphql",
        Export,
        By::Post,
        "collector/graphql",
        "queries over many objects at once; anything but queries is refused",
    ),
    // files of rows
    row(
        "imports",
        Invoke,
        By::Post,
        "crm/imports/*/cancel",
        "stops rows that were not read yet",
    ),
    row(
        "imports",
        Import,
        By::Write,
        "crm/imports",
        "rows of a file",
    ),
    row(
        "hubdb-import",
        Import,
        By::Write,
        "cms/hubdb/tables/*/import cms/hubdb/tables/*/draft/import hubdb/api/tables/*/import",
        "rows of a file",
    ),
    row(
        "source-code-import",
        Import,
        By::Write,
        "cms/source-code/extract/**",
        "unpacks an archive over the website",
    ),
    row(
        "data-studio",
        Delete,
        By::Delete,
        "data-studio/data-source/*",
        "a source of rows",
    ),
    row(
        "data-studio",
        Import,
        By::Write,
        "data-studio/**",
        "rows of a source",
    ),
    row(
        "file-import",
        Import,
        By::Write,
        "files/files/import-from-url/**",
        "makes HubSpot fetch a URL",
    ),
    row(
        "ecommerce-import",
        Import,
        By::Write,
        "extensions/ecomm/imports/** extensions/ecomm/sync/**",
        "rows of a store",
    ),
    // what reaches people
    row(
        "sequence-enrollments",
        Send,
        By::Put,
        "automation/sequences/enrollments automation/sequences/*/enrollments \
         automation/sequences/serviceaccounts/enrollments",
        "a sequence mails the contact in somebody's name",
    ),
    row(
        "messages",
        Send,
        By::Post,
        "conversations/conversations/threads/*/messages conversations/custom-channels/*/messages",
        "chat, mail and channel messages",
    ),
    row(
        "broadcasts",
        Delete,
        By::Delete,
        "broadcast/broadcasts/*",
        "a post that was planned",
    ),
    row(
        "broadcasts",
        Send,
        By::Write,
        "broadcast/**",
        "posts on social networks",
    ),
    row(
        "bookings",
        Send,
        By::Post,
        "scheduler/meetings/calendar scheduler/meetings/meeting-links/book",
        "invites people, and makes or changes their contact",
    ),
    row(
        "marketing-email-publish",
        Send,
        By::Post,
        "marketing/emails/*/publish marketing-emails/emails/*/publish",
        "mails everybody on its lists",
    ),
    // what runs
    row(
        "workflow-triggers",
        Invoke,
        By::Any,
        "automation/webhook-triggers/**",
        "starts a workflow; needs no token",
    ),
    row(
        "workflow-callbacks",
        Invoke,
        By::Write,
        "automation/actions/callbacks/**",
        "lets a waiting workflow go on",
    ),
    row(
        "workflow-enrollments",
        Invoke,
        By::Write,
        "automation/workflows/*/enrollments/**",
        "starts or ends a workflow for a contact",
    ),
    row(
        "flows",
        Invoke,
        By::Write,
        "automation/flows automation/flows/* automation/workflows automation/workflows/*",
        "a workflow runs code, calls any URL, edits and sends; PUT replaces all of it",
    ),
    row(
        "action-functions",
        Invoke,
        By::Write,
        "automation/actions/*/*/functions/**",
        "code that a workflow runs",
    ),
    row(
        "pipeline-approvals",
        Invoke,
        By::Write,
        "crm/pipelines-rules/*/*/approvals/**",
        "starts an approval",
    ),
    row(
        "payments",
        Invoke,
        By::Write,
        "payments-subscriptions/**",
        "cancels, pauses and resumes what people pay for",
    ),
    row(
        "network-origins",
        Invoke,
        By::Write,
        "meta/network-origins/ip-ranges/webhook-subscriptions/*/*/test",
        "calls a URL",
    ),
    row(
        "lead-scoring",
        Invoke,
        By::Post,
        "marketing/lead-scoring/scores/*/deactivate marketing/lead-scoring/scores/*/draft/publish",
        "changes every score",
    ),
    row(
        "publishing",
        Invoke,
        By::Act,
        "cms/blogs/** cms/pages/** cms/hubdb/** content/api/** hubdb/api/** marketing/emails/** \
         commerce/** marketing/marketing-events/**",
        "takes effect for the public or for customers at once",
    ),
    // what records look like
    row(
        "properties",
        Schema,
        By::Write,
        "crm/properties/** properties/** contacts/properties contacts/properties/** \
         companies/properties companies/properties/** deals/properties deals/properties/** \
         contacts/groups contacts/groups/** companies/groups companies/groups/** deals/groups \
         deals/groups/** media-bridge/*/properties/** crm/property-validations/**",
        "deleting a property takes its values",
    ),
    row(
        "schemas",
        Schema,
        By::Write,
        "crm/schemas crm/schemas/** crm-object-schemas/schemas crm-object-schemas/schemas/** \
         media-bridge/*/schemas/** media-bridge/*/settings/object-definitions \
         media-bridge/*/settings/video-association-definition",
        "deleting a schema takes all its records",
    ),
    row(
        "pipelines",
        Schema,
        By::Write,
        "crm/pipelines/** crm-pipelines/pipelines/** crm/pipelines-rules/** deals/pipelines \
         deals/pipelines/**",
        "stages, and the rules of who may move what",
    ),
    row(
        "association-labels",
        Schema,
        By::Write,
        "crm/associations/*/*/labels crm/associations/*/*/labels/* crm/associations/definitions/**",
        "which links there can be",
    ),
    row(
        "object-tags",
        Schema,
        By::Write,
        "crm/object-tags/**",
        "tags that records can have",
    ),
    row(
        "event-definitions",
        Schema,
        By::Write,
        "events/event-definitions events/event-definitions/** events/custom/event-definitions \
         events/custom/event-definitions/**",
        "which events there can be",
    ),
    row(
        "event-templates",
        Schema,
        By::Write,
        "crm/timeline/*/event-templates crm/timeline/*/event-templates/** \
         integrators/timeline/*/event-templates integrators/timeline/*/event-templates/** \
         integrations/*/timeline/event-types integrations/*/timeline/event-types/**",
        "a template can write properties of the record",
    ),
    row(
        "lead-scores",
        Schema,
        By::Write,
        "marketing/lead-scoring/scores marketing/lead-scoring/scores/**",
        "what makes a score",
    ),
    // settings
    row(
        "webhooks",
        Settings,
        By::Write,
        "webhooks/** app-webhooks/** webhooks-journal/subscriptions \
         webhooks-journal/subscriptions/** meta/network-origins/**",
        "send records to other systems",
    ),
    row(
        "custom-actions",
        Settings,
        By::Write,
        "automation/actions/**",
        "what workflows can call",
    ),
    row(
        "sequences",
        Settings,
        By::Write,
        "automation/sequences automation/sequences/**",
        "what sequences mail",
    ),
    row(
        "custom-channels",
        Settings,
        By::Write,
        "conversations/custom-channels conversations/custom-channels/* \
         conversations/custom-channels/*/channel-accounts \
         conversations/custom-channels/*/channel-accounts/* \
         conversations/custom-channels/*/channel-account-staging-tokens/*",
        "where messages go",
    ),
    row(
        "app-extensions",
        Settings,
        By::Write,
        "crm/extensions/calling/*/settings crm/extensions/calling/*/settings/** \
         crm/extensions/cards-dev/** crm/extensions/videoconferencing/** \
         extensions/sales-objects/** extensions/ecomm/settings extensions/ecomm/stores \
         feature-flags/** appinstalls/**",
        "what an app shows and calls",
    ),
    row(
        "media-bridge",
        Settings,
        By::Write,
        "media-bridge/*/settings media-bridge/*/settings/**",
        "what a media app shows",
    ),
    row(
        "users",
        Settings,
        By::Write,
        "settings/users settings/users/** settings/teams settings/teams/**",
        "who may do what in the portal",
    ),
    row(
        "currencies",
        Settings,
        By::Write,
        "settings/currencies/**",
        "what amounts mean",
    ),
    row(
        "portal",
        Settings,
        By::Write,
        "settings/settings",
        "settings of an app",
    ),
    row(
        "meeting-links",
        Settings,
        By::Write,
        "scheduler/meetings/meeting-links/*",
        "where bookings go",
    ),
    row(
        "marketing-event-settings",
        Settings,
        By::Write,
        "marketing/marketing-events/*/settings",
        "where an app has its events",
    ),
    // what only adds
    row(
        "events",
        Create,
        By::Post,
        "events/send events/send/batch events/custom/send events/custom/send/batch",
        "custom events; workflows can start from them",
    ),
    row(
        "media-events",
        Create,
        By::Post,
        "media-bridge/events/**",
        "what somebody watched",
    ),
    row(
        "tracked-events",
        Create,
        By::Any,
        "event",
        "a GET that writes; needs no token",
    ),
    row(
        "files",
        Create,
        By::Post,
        "files/files filemanager/api/files/upload",
        "an upload; a file can carry anything",
    ),
];
