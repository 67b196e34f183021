//! HubSpot's built-in object types: one name for each, and the other names it goes by.
//!
//! An account's own types go by `p_<name>`, which HubSpot takes on every path of that account; their
//! other names are told by its schemas.
//!
//! Sources: the object type ids of HubSpot's "Understanding the CRM" page, and the paths of its public
//! API description. A type that is neither here nor in the schemas (types whose id no page
//! gives) has no canonical name, so a write to it is not judged.

use serde_json::Value;

use crate::crm::catalog::Catalog;

/// A type of records.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ObjectType {
    /// Canonical name, plural: what rules say.
    pub(super) name: &'static str,
    singular: &'static str,
    /// `0-<n>`; accepted wherever a name is.
    id: Option<&'static str>,
}

/// The name that HubSpot takes on every path, of a type by the name that rules say: the numeric id
/// where it has one.
pub(super) fn on_paths(name: &str) -> Option<&str> {
    match resolve(name) {
        Some(object) => Some(object.id.unwrap_or(object.name)),
        None => is_custom(name).then_some(name),
    }
}

/// The name that rules say, by any name of a type that is built in or was learned.
pub(super) fn name_of(spelled: &str, catalog: &Catalog) -> Option<String> {
    match resolve(spelled) {
        Some(object) => Some(object.name.to_owned()),
        None => catalog.type_name(spelled),
    }
}

/// Whether a name is how we call an account's own type: `p_` and a word.
fn is_custom(name: &str) -> bool {
    name.strip_prefix("p_").is_some_and(is_property)
}

/// The read that tells an account's own types.
pub(super) const SCHEMAS: &str = "/crm/v3/schemas";

/// Every name of the types in an answer to [`SCHEMAS`], with the one that rules say.
pub(super) fn learned(answer: &Value) -> Option<Vec<(String, String)>> {
    let mut names = Vec::new();
    for schema in answer.get("results")?.as_array()? {
        let text = |member: &str| schema.get(member).and_then(Value::as_str);
        let word = text("name")?.to_ascii_lowercase();
        let name = format!("p_{word}");
        if !is_custom(&name) {
            continue;
        }
        // the bare word too, where it is no built-in type's: those are looked up first
        let others = [
            text("objectTypeId"),
            text("fullyQualifiedName"),
            Some(&*word),
        ];
        let others = others.into_iter().flatten().map(str::to_owned);
        names.extend(
            others
                .chain([name.clone()])
                .map(|alias| (alias, name.clone())),
        );
    }
    Some(names)
}

const fn of(name: &'static str, singular: &'static str, id: &'static str) -> ObjectType {
    let id = Some(id);
    ObjectType { name, singular, id }
}

const fn without_id(name: &'static str, singular: &'static str) -> ObjectType {
    let id = None;
    ObjectType { name, singular, id }
}

static TYPES: [ObjectType; 34] = [
    of("contacts", "contact", "0-1"),
    of("companies", "company", "0-2"),
    of("deals", "deal", "0-3"),
    of("tickets", "ticket", "0-5"),
    of("products", "product", "0-7"),
    of("line_items", "line_item", "0-8"),
    of("quotes", "quote", "0-14"),
    of("communications", "communication", "0-18"),
    of("feedback_submissions", "feedback_submission", "0-19"),
    of("tasks", "task", "0-27"),
    of("notes", "note", "0-46"),
    of("meetings", "meeting", "0-47"),
    of("calls", "call", "0-48"),
    of("emails", "email", "0-49"),
    of("invoices", "invoice", "0-53"),
    of("marketing_events", "marketing_event", "0-54"),
    of("subscriptions", "subscription", "0-69"),
    of("goal_targets", "goal_target", "0-74"),
    of("discounts", "discount", "0-84"),
    of("fees", "fee", "0-85"),
    of("taxes", "tax", "0-86"),
    of("commerce_payments", "commerce_payment", "0-101"),
    of("users", "user", "0-115"),
    of("postal_mail", "postal_mail", "0-116"),
    of("orders", "order", "0-123"),
    of("leads", "lead", "0-136"),
    of("carts", "cart", "0-142"),
    of("services", "service", "0-162"),
    of("courses", "course", "0-410"),
    of("listings", "listing", "0-420"),
    of("appointments", "appointment", "0-421"),
    of("projects", "project", "0-970"),
    without_id("partner_clients", "partner_client"),
    without_id("partner_services", "partner_service"),
];

/// The type that a name on a path means: plural, singular or numeric id, in any case (HubSpot's Python
/// client ships its constants in upper case).
pub(super) fn resolve(name: &str) -> Option<&'static ObjectType> {
    let folded = name.to_ascii_lowercase();
    TYPES.iter().find(|object| {
        [Some(object.name), Some(object.singular), object.id].contains(&Some(folded.as_str()))
    })
}

/// The names of all.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    TYPES.iter().map(|object| object.name)
}

/// Whether a name can be a property's: letters, digits and underscores, in any case. Other names are
/// refused, since nobody says how HubSpot folds them.
pub(super) fn is_property(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alias_means_one_type() {
        let mut aliases = Vec::new();
        for object in &TYPES {
            for alias in [Some(object.name), Some(object.singular), object.id]
                .into_iter()
                .flatten()
            {
                assert_eq!(resolve(alias), Some(object));
                assert_eq!(resolve(&alias.to_uppercase()), Some(object));
                if alias != object.singular || object.singular != object.name {
                    aliases.push(alias);
                }
            }
        }
        let all = aliases.len();
        aliases.sort_unstable();
        aliases.dedup();
        assert_eq!(aliases.len(), all, "an alias stands for two types");
    }

    #[test]
    fn an_accounts_own_types_go_by_all_their_names() {
        let answer = serde_json::json!({"results": [
            {"name": "Cars", "objectTypeId": "2-77", "fullyQualifiedName": "p42_Cars"},
            {"name": "contacts", "objectTypeId": "2-78", "fullyQualifiedName": "p42_contacts"},
            {"name": "a b", "objectTypeId": "2-79", "fullyQualifiedName": "p42_a b"},
        ]});
        let catalog = Catalog::builtin(crate::mutation::CrmKind::HubSpot);
        let names = learned(&answer).unwrap();
        catalog.learn_types(names, jiff::Timestamp::UNIX_EPOCH);
        for alias in ["2-77", "p42_cars", "P_CARS", "cars"] {
            assert_eq!(
                name_of(alias, &catalog).as_deref(),
                Some("p_cars"),
                "{alias}"
            );
        }
        assert_eq!(name_of("contacts", &catalog).as_deref(), Some("contacts"));
        assert_eq!(name_of("2-78", &catalog).as_deref(), Some("p_contacts"));
        assert_eq!(name_of("2-79", &catalog), None);
        assert_eq!(on_paths("p_cars"), Some("p_cars"));
        assert_eq!(on_paths("deals"), Some("0-3"));
        assert_eq!(on_paths("p_"), None);
    }

    #[test]
    fn custom_and_unknown_types_have_no_name() {
        for name in [
            "2-123",
            "p_thing",
            "p42_thing",
            "0-9999",
            "contactss",
            "",
            "0-01",
        ] {
            assert_eq!(resolve(name), None, "{name}");
        }
    }
}
