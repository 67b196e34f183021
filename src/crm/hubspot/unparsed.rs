//! Why a request is not taken apart, and what to use instead; for people.

use http::Method;

/// Families that are refused: the first words of their paths without the version (`*` is one segment),
/// and what to say. The first that fits speaks.
pub(super) const FAMILIES: [(&str, &str); 3] = [
    (
        "crm/lists",
        "conversions and whole memberships of lists are not taken apart; add and remove records by id",
    ),
    (
        "engagements",
        "use /crm/v3/objects/notes, tasks, calls, meetings or emails",
    ),
    (
        "public/api/versioning",
        "HubSpot's test of its own versioning",
    ),
];

/// Further beginnings of paths, of families that are understood: what fits no shape there.
const HINTS: [(&str, &str); 60] = [
    ("crm/objects/*/*/associations", LINKS),
    ("crm/associations", LINKS),
    ("crm-associations", LINKS),
    ("contacts/lists", LISTS),
    (
        "crm/imports",
        "the rows of an import are in a file; use the batch endpoints, 100 records a call",
    ),
    (
        "crm/exports",
        "an export leaves through a link; use search or batch/read",
    ),
    ("crm/properties", SCHEMA),
    ("crm/property-validations", SCHEMA),
    ("crm/schemas", SCHEMA),
    ("crm-object-schemas", SCHEMA),
    ("crm/pipelines", SCHEMA),
    ("crm/pipelines-rules", SCHEMA),
    ("crm-pipelines", SCHEMA),
    ("properties", SCHEMA),
    ("contacts/properties", SCHEMA),
    ("companies/properties", SCHEMA),
    ("deals/properties", SCHEMA),
    ("deals/pipelines", SCHEMA),
    ("contacts", LEGACY),
    ("companies", LEGACY),
    ("deals", LEGACY),
    ("crm-objects", LEGACY),
    ("oauth", SECRETS),
    ("visitor-identification", SECRETS),
    (
        "automation",
        "automation runs or changes what no single record shows",
    ),
    ("scheduler", "bookings reach people outside the CRM"),
    ("webhooks", "webhooks send records to other systems"),
    ("webhooks-journal", "the journal hands out links to records"),
    ("form-integrations", FILES),
    ("submissions", FORMS),
    ("uploads", FORMS),
    (
        "crm/objects/deals/splits",
        "deal splits replace who gets the credit for a deal",
    ),
    (
        "deal-splits",
        "deal splits replace who gets the credit for a deal",
    ),
    ("crm/timeline", TIMELINE),
    ("integrators/timeline", TIMELINE),
    ("integrations", TIMELINE),
    (
        "crm/extensions",
        "calls and transcripts of an app are not taken apart; use /crm/v3/objects/calls",
    ),
    (
        "crm/task-series",
        "a series makes tasks that it does not name; use /crm/v3/objects/tasks",
    ),
    (
        "contacts/secondary-email",
        "use /crm/v3/objects/contacts and `hs_additional_emails`",
    ),
    ("contacts/forms", FORMS),
    ("forms", FORMS),
    ("marketing/forms", FORMS),
    (
        "leads",
        "prospects of an older API; use /crm/v3/objects/leads",
    ),
    (
        "automation/email-templates",
        "templates are what people send",
    ),
    ("marketing", "marketing calls reach people outside the CRM"),
    (
        "marketing-emails",
        "marketing calls reach people outside the CRM",
    ),
    ("email", "it concerns what people consented to"),
    (
        "communication-preferences",
        "it concerns what people consented to",
    ),
    ("conversations", "messages reach people outside the CRM"),
    (
        "commerce",
        "it changes what customers pay, and by which contract",
    ),
    ("cms", WEBSITE),
    ("content", WEBSITE),
    ("blogs", WEBSITE),
    ("comments", WEBSITE),
    ("hubdb", WEBSITE),
    ("url-mappings", WEBSITE),
    ("keywords", WEBSITE),
    ("media-bridge", "records of a media app are not taken apart"),
    ("files", FILES),
    ("filemanager", FILES),
];

const LINKS: &str =
    "it is no change of links that is known; use /crm/v4/objects/{type}/{id}/associations";
const LISTS: &str = "it is no change of a list that is known; use /crm/v3/lists/{id}/memberships";
const WEBSITE: &str = "it changes the public website, which is not taken apart";
const TIMELINE: &str = "timeline events can write properties that they do not name";
const FORMS: &str = "forms write records that they do not name";
const SCHEMA: &str = "it changes what records look like, which only people should";
const LEGACY: &str =
    "it is no legacy write that is known; use /crm/v3/objects/{type} or its batch endpoints";
const SECRETS: &str = "it shows or makes credentials";
const FILES: &str = "files and links to them leave the API";

/// Why a request to these words (a path without its version) is not taken apart.
pub(super) fn reason(method: &Method, words: &[&str]) -> String {
    let mut known = FAMILIES.iter().chain(&HINTS);
    let known = known.find(|(start, _)| starts_with(words, start));
    match known {
        Some((_, reason)) => (*reason).to_owned(),
        None if method == Method::GET || method == Method::HEAD => {
            "its path is not known as a read".to_owned()
        }
        None => {
            "its path is not known; use /crm/v3/objects/{type} or its batch endpoints".to_owned()
        }
    }
}

pub(super) fn starts_with(words: &[&str], start: &str) -> bool {
    let mut words = words.iter();
    start.split('/').all(|part| {
        words
            .next()
            .is_some_and(|word| part == "*" || part == *word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_says_what_to_use() {
        let say =
            |method: &Method, path: &str| reason(method, &path.split('/').collect::<Vec<_>>());
        assert!(say(&Method::POST, "contacts/contact").contains("/crm/v3/objects"));
        assert!(say(&Method::PUT, "crm/objects/1/2/associations/x").contains("v4"));
        assert!(say(&Method::POST, "crm/imports").contains("batch"));
        assert!(say(&Method::POST, "engagements/engagements").contains("notes"));
        assert!(say(&Method::GET, "x").contains("not known as a read"));
        assert!(say(&Method::POST, "x").contains("use /crm/v3/objects"));
    }
}
