//! HubSpot's built-in object types: one name for each, and the other names it goes by.
//!
//! Sources: the object type ids of HubSpot's "Understanding the CRM" page, and the paths of its public
//! API description. A type that is not here (custom objects, types whose id no page gives) has no
//! canonical name, so a write to it is not judged.

/// A type of records.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ObjectType {
    /// Canonical name, plural: what rules say.
    pub(super) name: &'static str,
    singular: &'static str,
    /// `0-<n>`; accepted wherever a name is.
    id: Option<&'static str>,
}

impl ObjectType {
    /// The name that HubSpot takes on every path: the numeric id where it has one.
    pub(super) fn on_paths(&self) -> &'static str {
        self.id.unwrap_or(self.name)
    }
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
