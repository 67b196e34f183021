//! Why a request is not taken apart, and what to use instead; for people.

use http::Method;

/// The first words of a path without its version (`*` is one segment), and what to say. The first that
/// fits speaks.
pub(super) const FAMILIES: [(&str, &str); 45] = [
    ("crm/objects/*/*/associations", LINKS),
    (
        "crm/objects/deals/splits",
        "deal splits replace who gets the credit for a deal",
    ),
    ("crm/associations", LINKS),
    ("crm-associations", LINKS),
    ("crm/lists", LISTS),
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
    ("media-bridge", SCHEMA),
    ("contacts", LEGACY),
    ("companies", LEGACY),
    ("deals", LEGACY),
    ("crm-objects", LEGACY),
    (
        "engagements",
        "use /crm/v3/objects/notes, tasks, calls, meetings or emails",
    ),
    (
        "deal-splits",
        "deal splits replace who gets the credit for a deal",
    ),
    ("crm/timeline", TIMELINE),
    ("integrators/timeline", TIMELINE),
    ("integrations", TIMELINE),
    ("oauth", SECRETS),
    ("visitor-identification", SECRETS),
    ("marketing/transactional/smtp-tokens", SECRETS),
    ("email/public/smtpapi", SECRETS),
    (
        "automation",
        "automation runs or changes what no single record shows",
    ),
    ("marketing", "marketing calls reach people outside the CRM"),
    ("email", "marketing calls reach people outside the CRM"),
    (
        "communication-preferences",
        "it concerns what people consented to",
    ),
    ("conversations", "messages reach people outside the CRM"),
    ("scheduler", "bookings reach people outside the CRM"),
    ("webhooks", "webhooks send records to other systems"),
    ("webhooks-journal", "the journal hands out links to records"),
    ("files", FILES),
    ("filemanager", FILES),
    ("form-integrations", FILES),
];

const LINKS: &str = "changes of links between records are not taken apart; link in `associations` when \
    the record is created";
const LISTS: &str = "list changes are not taken apart; set a property that the list filters on";
const SCHEMA: &str = "it changes what records look like, which only people should";
const LEGACY: &str =
    "legacy writes are not taken apart; use /crm/v3/objects/{type} or its batch endpoints";
const TIMELINE: &str = "timeline events can write properties that they do not name";
const SECRETS: &str = "it shows or makes credentials";
const FILES: &str = "files and links to them leave the API";

/// Why a request to these words (a path without its version) is not taken apart.
pub(super) fn reason(method: &Method, words: &[&str]) -> String {
    let known = FAMILIES.iter().find(|(start, _)| starts_with(words, start));
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

fn starts_with(words: &[&str], start: &str) -> bool {
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
        assert!(say(&Method::PUT, "crm/objects/1/2/associations/x").contains("`associations`"));
        assert!(say(&Method::POST, "crm/imports").contains("batch"));
        assert!(say(&Method::POST, "engagements/engagements").contains("notes"));
        assert!(say(&Method::GET, "x").contains("not known as a read"));
        assert!(say(&Method::POST, "x").contains("use /crm/v3/objects"));
    }
}
