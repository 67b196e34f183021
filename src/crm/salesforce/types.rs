//! The built-in types of Salesforce: names and id prefixes that are the same in every org (Object
//! Reference for the Salesforce Platform; describe global gives both). Types that hold code or
//! settings are left out on purpose: a write to them cannot be judged field by field.

use crate::crm::catalog::OwnType;
use crate::mutation::same_name;

/// An object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Type<'o> {
    /// Its API name.
    pub(super) name: &'o str,
    /// The first three characters of its ids.
    pub(super) prefix: &'o str,
    /// Whether its records carry `LastModifiedDate`.
    pub(super) stamped: bool,
    /// The field that holds a file, where it has one; a file is judged by its name and
    /// digest, not by what it holds.
    pub(super) file: Option<&'static str>,
}

const fn of(name: &'static str, prefix: &'static str) -> Type<'static> {
    Type {
        name,
        prefix,
        stamped: true,
        file: None,
    }
}

const fn unstamped(name: &'static str, prefix: &'static str) -> Type<'static> {
    Type {
        name,
        prefix,
        stamped: false,
        file: None,
    }
}

const fn with_file(name: &'static str, prefix: &'static str, file: &'static str) -> Type<'static> {
    Type {
        name,
        prefix,
        stamped: true,
        file: Some(file),
    }
}

static TYPES: &[Type<'static>] = &[
    of("Account", "001"),
    of("Contact", "003"),
    of("Lead", "00Q"),
    of("Opportunity", "006"),
    of("Case", "500"),
    of("Task", "00T"),
    of("Event", "00U"),
    of("User", "005"),
    of("Campaign", "701"),
    of("CampaignMember", "00v"),
    of("CampaignMemberStatus", "01Y"),
    of("OpportunityLineItem", "00k"),
    of("OpportunityLineItemSchedule", "00o"),
    of("OpportunityContactRole", "00K"),
    of("OpportunityCompetitor", "00J"),
    of("OpportunityTeamMember", "00q"),
    of("AccountContactRelation", "07k"),
    of("AccountContactRole", "02Z"),
    of("AccountTeamMember", "01M"),
    of("AccountShare", "00r"),
    of("ContactShare", "03s"),
    of("LeadShare", "01o"),
    of("OpportunityShare", "00t"),
    of("CaseShare", "01n"),
    of("CampaignShare", "08s"),
    of("CaseComment", AMBIGUOUS),
    of("CaseContactRole", "03j"),
    of("Product2", "01t"),
    of("Pricebook2", "01s"),
    of("PricebookEntry", "01u"),
    of("Contract", "800"),
    of("ContractContactRole", "02a"),
    of("Order", "801"),
    of("OrderItem", "802"),
    of("Asset", "02i"),
    of("Quote", "0Q0"),
    of("QuoteLineItem", "0QL"),
    of("Solution", "501"),
    of("Entitlement", "550"),
    of("ServiceContract", "810"),
    of("ContractLineItem", "811"),
    of("WorkOrder", "0WO"),
    of("WorkOrderLineItem", "1WL"),
    of("ServiceAppointment", "08p"),
    of("Individual", "0PK"),
    of("Note", "002"),
    with_file("Attachment", "00P", "Body"),
    with_file("Document", "015", "Body"),
    with_file("ContentVersion", "068", "VersionData"),
    of("ContentDocument", "069"),
    unstamped("ContentDocumentLink", "06A"),
    of("EmailMessage", "02s"),
    of("EmailTemplate", "00X"),
    with_file("FeedItem", "0D5", "ContentData"),
    unstamped("FeedComment", "0D7"),
    of("CollaborationGroup", "0F9"),
    of("CollaborationGroupMember", "0FB"),
    unstamped("EntitySubscription", "0E8"),
    of("Group", "00G"),
    unstamped("GroupMember", "011"),
    of("Profile", "00e"),
    of("UserRole", "00E"),
    of("PermissionSet", "0PS"),
    unstamped("PermissionSetAssignment", "0Pa"),
    of("BusinessHours", "01m"),
    of("Holiday", "0C0"),
    of("Folder", "00l"),
    of("Idea", "087"),
];

/// Two types share this prefix (`CaseComment`, `IdeaComment`): an id alone names neither.
const AMBIGUOUS: &str = "00a";

/// The standard type with this name, without case.
pub(super) fn by_name(name: &str) -> Option<&'static Type<'static>> {
    TYPES.iter().find(|known| same_name(known.name, name))
}

/// The names of all.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    TYPES.iter().map(|known| known.name)
}

/// The one standard type whose ids begin like this one.
pub(super) fn by_id(id: &str) -> Option<&'static Type<'static>> {
    let prefix = id.get(..3)?;
    TYPES
        .iter()
        .find(|known| known.prefix == prefix && prefix != AMBIGUOUS)
}

/// Whether this can be the name of a platform event.
pub(super) fn is_event(name: &str) -> bool {
    is_name(name) && ends_with(name, "__e")
}

/// Whether this can be the name of an object that an org made for its own records.
pub(super) fn is_own(name: &str) -> bool {
    is_name(name) && ends_with(name, "__c")
}

/// One of an org's own types; their records always carry a stamp.
pub(super) fn own(own: &OwnType) -> Type<'_> {
    named(&own.name, &own.prefix)
}

/// The same by its name and prefix.
pub(super) fn named<'o>(name: &'o str, prefix: &'o str) -> Type<'o> {
    Type {
        name,
        prefix,
        stamped: true,
        file: None,
    }
}

/// Whether the ids of an org's own types begin like this one.
pub(super) fn is_own_id(id: &str) -> bool {
    id.starts_with('a')
}

/// Whether records of this object carry `LastModifiedDate`.
pub(super) fn is_stamped(name: &str) -> bool {
    is_own(name) || by_name(name).is_some_and(|known| known.stamped)
}

/// Why a type is not known, and what to do about it.
pub(super) fn unknown(name: &str) -> String {
    if ends_with(name, "__e") {
        format!("the platform event {name} is published by POST /sobjects/{name}, by itself")
    } else if ends_with(name, "__c") {
        format!("the org has no object {name} that this credential sees")
    } else if ends_with(name, "__x") || ends_with(name, "__b") {
        format!("{name} is an external or big object, which is not taken apart")
    } else {
        format!("the object {name} is not known: use a standard object")
    }
}

fn ends_with(name: &str, suffix: &str) -> bool {
    name.len()
        .checked_sub(suffix.len())
        .and_then(|start| name.get(start..))
        .is_some_and(|end| same_name(end, suffix))
}

/// Whether this can be the API name of an object or a field: `[A-Za-z][A-Za-z0-9_]*`.
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_prefixes_are_unique() {
        for (place, one) in TYPES.iter().enumerate() {
            assert!(is_name(one.name) && !is_own(one.name));
            assert_eq!(one.prefix.len(), 3);
            for other in &TYPES[..place] {
                assert!(!same_name(one.name, other.name), "{} twice", one.name);
                assert_ne!(one.prefix, other.prefix, "{} twice", one.prefix);
            }
        }
    }

    #[test]
    fn a_type_is_found_by_name_and_by_id() {
        assert_eq!(by_name("ACCOUNT").unwrap().name, "Account");
        assert_eq!(by_id("00Qxx0000000001").unwrap().name, "Lead");
        assert_eq!(
            by_id("00q000000000001").unwrap().name,
            "OpportunityTeamMember"
        );
        assert_eq!(by_id("a0B000000000001"), None);
        assert_eq!(by_id("00a000000000001"), None);
        assert_eq!(by_id("é"), None);
        assert_eq!(by_name("ApexClass"), None);
    }
}
