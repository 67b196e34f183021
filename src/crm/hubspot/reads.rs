//! What is a read, recognised by the shape of its path. A request that is not here is not a read.
//!
//! Source: HubSpot's public API description and the legacy pages, collected in 2026-11: every GET that
//! neither writes, nor shows credentials, nor hands out files or links that leave the API.

/// Reads by GET: the first two words of a path without its version, and what may follow. `.` nothing,
/// `*` one segment, `+` one segment that may hold a slash, `**` all that is left.
const BY_GET: [(&str, &str); 127] = [
    ("account-info/activity", "audit-logs login security"),
    ("account-info/api-usage", "daily daily/private-apps"),
    ("account-info/details", "."),
    ("analytics/reports", "*/*"),
    ("analytics/views", "."),
    ("app-webhooks/*", "settings subscriptions subscriptions/*"),
    ("automation/action-types", "."),
    (
        "automation/actions",
        "* */* */*/functions */*/functions/* */*/functions/*/* */*/requires-object \
         */*/revisions */*/revisions/*",
    ),
    ("automation/email-templates", ". *"),
    ("automation/flows", ". * */revisions/* performance/*"),
    ("automation/performance", "workflow/*"),
    (
        "automation/sequences",
        ". * enrollments/contact/* serviceaccounts/sequences serviceaccounts/sequences/* \
         serviceaccounts/sequences/*/performance",
    ),
    ("automation/workflows", ". * enrollments/contacts/*"),
    ("blogs/blog-authors", ". *"),
    ("blogs/topics", ". *"),
    ("broadcast/broadcasts", ". *"),
    ("broadcast/channels", "* setting/publish/current"),
    ("business-units/business-units", "user/*"),
    ("business-units/public", "business-units/user/*"),
    ("calendar/events", "task"),
    ("calling/dispositions", "."),
    ("cms/audit-logs", "."),
    (
        "cms/blog-settings",
        "settings settings/* settings/*/revisions settings/*/revisions/*",
    ),
    (
        "cms/blogs",
        "authors authors/* authors/cursor/query posts posts/* posts/*/draft posts/*/revisions \
         posts/*/revisions/* posts/cursor/query tags tags/* tags/cursor/query",
    ),
    ("cms/domains", ". *"),
    (
        "cms/hubdb",
        "tables tables/* tables/*/draft tables/*/rows tables/*/rows/* tables/*/rows/*/draft",
    ),
    (
        "cms/pages",
        "landing-pages landing-pages/* landing-pages/*/draft landing-pages/*/revisions \
         landing-pages/*/revisions/* landing-pages/cursor/query landing-pages/folders/* \
         landing-pages/folders/*/revisions landing-pages/folders/*/revisions/* \
         landing-pages/folders/cursor/query site-pages site-pages/* site-pages/*/draft \
         site-pages/*/revisions site-pages/*/revisions/* site-pages/cursor/query",
    ),
    ("cms/site-search", "indexed-data/* search"),
    (
        "cms/source-code",
        "*/content/** */metadata/** extract/async/tasks/*/status",
    ),
    ("cms/url-redirects", ". * url-mappings/*"),
    ("comments/comments", ". *"),
    (
        "commerce/contracts",
        "changes/* contracts/* contracts/*/changes",
    ),
    ("commerce/payment-accounts", "status"),
    ("commerce/payment-links", "payment-links payment-links/*"),
    (
        "commerce/price-books",
        "price-books price-books/* price-books/*/items price-books/*/items/*",
    ),
    ("communication-preferences/definitions", "."),
    ("communication-preferences/status", "email/*"),
    ("communication-preferences/statuses", "* */unsubscribe-all"),
    (
        "companies/companies",
        "* */contacts */vids recent/created recent/modified",
    ),
    ("companies/groups", "."),
    ("companies/properties", ". named/*"),
    (
        "contacts/contact",
        "email/*/profile emails/batch utk/*/profile utks/batch vid/*/profile vids/batch",
    ),
    ("contacts/contacts", "statistics"),
    ("contacts/fields", "*"),
    ("contacts/forms", "."),
    ("contacts/groups", "."),
    ("contacts/lists", ". * */contacts/all */contacts/recent"),
    ("contacts/properties", ". named/*"),
    ("contacts/search", "query"),
    ("contacts/secondary-email", "*"),
    (
        "content/api",
        "blog-posts blog-posts/* blog-posts/*/buffer blog-posts/*/has-buffered-changes \
         blog-posts/*/versions blog-posts/*/versions/* blogs blogs/* blogs/*/versions \
         blogs/*/versions/* layouts pages pages/* pages/*/buffer pages/*/has-buffered-changes \
         pages/*/versions templates",
    ),
    (
        "conversations/conversations",
        "actors/* channel-accounts channel-accounts/* channels channels/* inboxes inboxes/* \
         threads threads/* threads/*/messages threads/*/messages/* \
         threads/*/messages/*/original-content",
    ),
    (
        "conversations/custom-channels",
        ". * */channel-accounts */channel-accounts/* */messages/*",
    ),
    ("crm-associations/associations", "*/HUBSPOT_DEFINED/*"),
    ("crm-object-schemas/schemas", ". *"),
    ("crm-objects/change-log", "line_items products tickets"),
    ("crm-objects/objects", "*/*"),
    ("crm-pipelines/pipelines", "* */*"),
    (
        "crm/associations",
        "*/*/labels */*/types definitions/configurations/*/* definitions/configurations/all",
    ),
    (
        "crm/extensions",
        "calling/*/settings calling/*/settings/channel-connection \
         calling/*/settings/recording calling/connection-statuses \
         calling/connection-statuses/me calling/transcripts/* cards-dev/* cards-dev/*/* \
         videoconferencing/settings/*",
    ),
    ("crm/imports", ". * */errors"),
    (
        "crm/limits",
        "associations/labels associations/records/*/* associations/records/from \
         calculated-properties custom-object-types custom-properties pipelines records",
    ),
    (
        "crm/lists",
        ". * */memberships */memberships/join-order */schedule-conversion \
         */size-and-edits-history/between object-type-id/*/name/* records/*/*/memberships",
    ),
    ("crm/object-library", "enablement enablement/*"),
    ("crm/object-tags", "* */*"),
    ("crm/objects", "* */*/associations/* */+"),
    ("crm/owners", ". *"),
    (
        "crm/pipelines",
        "* */* */*/audit */*/stages */*/stages/* */*/stages/*/audit",
    ),
    (
        "crm/pipelines-rules",
        "*/* */*/approvals/* */*/stage-edit-permissions",
    ),
    ("crm/properties", "* */* */groups/*"),
    ("crm/property-validations", "* */* */*/rule-type/*"),
    ("crm/schemas", ". *"),
    ("crm/task-series", "*"),
    (
        "crm/timeline",
        "*/event-templates */event-templates/* events/*/* events/*/*/detail events/*/*/render",
    ),
    ("data-studio/data-source", "*"),
    (
        "deals/deal",
        "* associated/*/*/paged recent/created recent/modified",
    ),
    ("deals/groups", "."),
    ("deals/pipelines", ". *"),
    ("deals/properties", ". named/*"),
    (
        "email/public",
        "campaigns campaigns/* events events/*/* subscriptions subscriptions/*",
    ),
    (
        "engagements/engagements",
        "* associated/*/*/paged recent/modified",
    ),
    ("events/custom", "event-definitions event-definitions/*"),
    ("events/event-definitions", ". *"),
    ("events/event-occurrences", ". event-types"),
    ("events/events", ". event-types"),
    (
        "extensions/ecomm",
        "settings stores stores/* sync/errors sync/errors/app/* sync/errors/portal \
         sync/status/*/*/*",
    ),
    (
        "feature-flags/*",
        "flags/* flags/*/portals flags/*/portals/*",
    ),
    ("filemanager/api", "files files/* folders folders/*"),
    (
        "files/files",
        "* import-from-url/async/tasks/*/status stat/**",
    ),
    ("files/folders", "* update/async/tasks/*/status"),
    ("forecast-settings/forecast-types", ". *"),
    ("forecast-submissions/events", "."),
    ("form-integrations/submissions", "forms/*"),
    ("forms/fields", "* */*"),
    ("forms/forms", ". *"),
    ("hubdb/api", "tables"),
    (
        "integrations/*",
        "timeline/event/*/* timeline/event-types timeline/event-types/* \
         timeline/event-types/*/properties",
    ),
    ("integrations/limit", "daily"),
    ("integrations/me", "."),
    (
        "integrators/timeline",
        "*/event-templates */event-templates/* events/*/* events/*/*/detail events/*/*/render",
    ),
    ("keywords/keywords", ". *"),
    ("leads/lead", "*"),
    ("leads/list", "."),
    (
        "marketing-emails/emails",
        ". * */has-buffered-changes */versions with-statistics/*",
    ),
    (
        "marketing/aeo",
        "prompt-runs/* prompts prompts/* prompts/*/runs recommendations recommendations/*",
    ),
    (
        "marketing/campaigns",
        ". * */assets/* */budget/* */reports/contacts/* */reports/metrics */reports/revenue \
         */spend/* clone/*/status clone/asset-types",
    ),
    (
        "marketing/emails",
        ". * */ab-test/get-variation */draft */revisions */revisions/* statistics/histogram \
         statistics/list",
    ),
    ("marketing/forms", ". *"),
    (
        "marketing/lead-scoring",
        "score-values/object-history scores scores/* scores/*/draft",
    ),
    (
        "marketing/marketing-events",
        ". * */identifiers */settings associations/*/*/lists associations/*/lists events/* \
         participations/* participations/*/* participations/*/*/breakdown",
    ),
    (
        "media-bridge/*",
        "properties/* properties/*/* properties/*/groups/* schemas schemas/* \
         settings/event-visibility settings/object-definitions/* settings/oembed-domains \
         settings/oembed-domains/*",
    ),
    ("media-bridge/objects", "* */*"),
    (
        "meta/network-origins",
        "ip-ranges ip-ranges/simple ip-ranges/webhook-subscriptions/*",
    ),
    ("notetaker/conversation", "recap/*/*"),
    ("owners/owners", ". *"),
    (
        "properties/*",
        "groups groups/named/* properties properties/named/*",
    ),
    ("prospects/timeline", "."),
    ("reports/events", "."),
    (
        "scheduler/meetings",
        "meeting-links meeting-links/book/* meeting-links/book/availability-page/*",
    ),
    (
        "settings/currencies",
        "central-fx-rates/information central-fx-rates/unsupported-currencies codes \
         company-currency exchange-rates exchange-rates/*",
    ),
    ("settings/settings", "."),
    ("settings/teams", ". * */members"),
    ("settings/users", ". *"),
    ("tax-rates/tax-rates", ". *"),
    ("url-mappings/url-mappings", ". *"),
    (
        "webhooks-journal/subscriptions",
        ". * filters/* filters/subscription/*",
    ),
    ("webhooks/*", "settings subscriptions subscriptions/*"),
];

/// Reads by POST, their body is a question.
const BY_POST: [&str; 27] = [
    "automation/flows/batch/read",
    "automation/workflow-id-mappings/batch/read",
    "cms/blogs/*/batch/read",
    "cms/hubdb/tables/*/rows/batch/read",
    "cms/hubdb/tables/*/rows/draft/batch/read",
    "cms/pages/*/batch/read",
    "cms/pages/landing-pages/folders/batch/read",
    "communication-preferences/statuses/batch/read",
    "communication-preferences/statuses/batch/unsubscribe-all/read",
    "companies/domains/*/companies",
    "conversations/conversations/actors/batch/read",
    "crm-object-schemas/schemas/batch/read",
    "crm-objects/objects/*/batch-read",
    "crm/associations/*/*/batch/read",
    "crm/extensions/calling/connection-statuses/batch/read",
    "crm/lists/all",
    "crm/lists/idmapping",
    "crm/lists/records/memberships/batch/read",
    "crm/lists/search",
    "crm/objects/*/batch/read",
    "crm/objects/*/search",
    "crm/objects/deals/splits/batch/read",
    "crm/properties/*/batch/read",
    "deal-splits/batch/read",
    "marketing/campaigns/batch/read",
    "media-bridge/*/properties/*/batch/read",
    "settings/currencies/exchange-rates/batch/read",
];

/// Whether a GET of these words (a path without its version) is a read.
pub(super) fn by_get(words: &[&str]) -> bool {
    let [root, family, rest @ ..] = words else {
        return false;
    };
    BY_GET.iter().any(|(start, shapes)| {
        let mut start = start.split('/');
        let same = [root, family]
            .into_iter()
            .all(|word| start.next().is_some_and(|s| one(s, word)));
        same && shapes.split_whitespace().any(|shape| fits(shape, rest))
    })
}

/// Whether a POST to these words is a read.
pub(super) fn by_post(words: &[&str]) -> bool {
    BY_POST.iter().any(|shape| fits(shape, words))
}

/// Whether words fit a shape: see [`BY_GET`].
pub(super) fn fits(shape: &str, words: &[&str]) -> bool {
    if shape == "." {
        return words.is_empty();
    }
    let mut words = words.iter();
    for part in shape.split('/') {
        match (part, words.next()) {
            ("**", Some(_)) => return true,
            (part, Some(word)) if one(part, word) => {}
            _ => return false,
        }
    }
    words.next().is_none()
}

/// Whether a segment fits one part of a shape. A segment with an encoded slash fits only where it can
/// do no harm: a server that decodes too early would see another path.
fn one(part: &str, word: &str) -> bool {
    match part {
        "+" => true,
        "*" => !word.contains('/'),
        literal => literal == word,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(path: &str) -> Vec<&str> {
        path.split(' ').collect()
    }

    #[test]
    fn shapes_are_exact() {
        for path in [
            "crm objects contacts",
            "crm objects contacts a/b@c.d",
            "crm objects contacts 1 associations deals",
            "cms source-code draft content a b c.html",
            "owners owners",
            "webhooks 42 settings",
        ] {
            assert!(by_get(&split(path)), "{path}");
        }
        for path in [
            "crm",
            "crm objects",
            "crm objects contacts 1 merge",
            "crm objects contacts/1",
            "crm exports export 1",
            "files files 1/signed-url",
            "files files 1 signed-url",
            "cms source-code draft content",
            "oauth access-tokens abc",
            "nothing known",
        ] {
            assert!(!by_get(&split(path)), "{path}");
        }
        assert!(by_post(&split("crm objects p_custom search")));
        assert!(!by_post(&split("crm objects contacts batch update")));
        assert!(!by_post(&split("collector graphql")));
    }
}
