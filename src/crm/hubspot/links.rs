//! Which records an association type links (HubSpot's page "Association type ID values", 2026-03).
//!
//! A link in a create names the far record's id but not its type: only the association type tells it.

use super::types::{self, ObjectType};

/// For each type of the created record: the types that its HubSpot-defined association types lead to,
/// each with their ids (unlabelled, primary, billing …). What leads to no record of a built-in type is
/// left out.
const LINKS: [(&str, &str); 29] = [
    (
        "company",
        "company 450 14 13, contact 280 2 930, deal 342 6, ticket 340 25, call 181, \
         email 185, lead 611, meeting 187, note 189, task 191, communication 88, \
         postal_mail 460, invoice 180, order 935 510, commerce_payment 390, quote 72 1335, \
         subscription 298, appointment 909, course 939, listing 885, service 793, \
         feedback_submission 929, project 1237",
    ),
    (
        "contact",
        "contact 449, company 279 1 931, deal 4, ticket 15, call 193, email 197, \
         meeting 199, note 201, task 203, communication 82, postal_mail 454, cart 587, \
         order 508, invoice 178, commerce_payment 388, subscription 296, appointment 907, \
         course 861, listing 883, service 799, feedback_submission 97, project 1243, \
         lead 609, quote 70 703 1227",
    ),
    (
        "deal",
        "deal 451, contact 3, company 341 5, ticket 27, call 205, lead 1038 583, \
         email 209, goal_target 1357, meeting 211, note 213, task 215, communication 86, \
         postal_mail 458, line_item 19, cart 1346, invoice 176, order 511, \
         commerce_payment 392, quote 63, subscription 300, appointment 945, course 863, \
         listing 887, service 795, feedback_submission 985, project 1239",
    ),
    (
        "ticket",
        "ticket 452, contact 16, company 339 26, deal 28, call 219, email 223, \
         meeting 225, note 227, task 229, communication 84, postal_mail 456, order 526, \
         appointment 947, course 941, listing 943, service 797, subscription 1122, \
         commerce_payment 1355, feedback_submission 99, project 1241",
    ),
    (
        "lead",
        "contact 608 578, company 610 580, deal 1037 582, call 596, email 598, \
         meeting 600, note 854, task 646, communication 602, feedback_submission 1162",
    ),
    (
        "appointment",
        "contact 906, company 908, deal 944, ticket 946, call 912, email 916, meeting 918, \
         note 920, task 922, communication 924, postal_mail 926, project 1325",
    ),
    ("goal_target", "deal 1356"),
    (
        "course",
        "contact 860, company 938, deal 862, ticket 940, call 866, email 870, meeting 872, \
         note 874, task 876, communication 878, postal_mail 880, project 1323",
    ),
    (
        "listing",
        "contact 882, company 884, deal 886, ticket 942, call 890, email 894, meeting 896, \
         note 898, task 900, communication 902, postal_mail 904, project 1321",
    ),
    (
        "service",
        "contact 798, company 792, deal 794, ticket 796, call 840, email 842, meeting 838, \
         note 836, task 852, communication 846, postal_mail 848, project 1245",
    ),
    (
        "call",
        "appointment 913, company 182, contact 194, deal 206, feedback_submission 1156, \
         lead 597, order 773, course 867, listing 891, project 1258, service 841, \
         ticket 220",
    ),
    (
        "email",
        "appointment 917, company 186, contact 198, course 871, deal 210, order 777, \
         listing 895, project 1260, service 843, ticket 224",
    ),
    (
        "feedback_submission",
        "contact 98, company 928, deal 984, ticket 100, call 1155, cart 1157, \
         subscription 1173, invoice 1159, lead 1161, order 1167, quote 1171, \
         commerce_payment 1169",
    ),
    (
        "meeting",
        "contact 200, company 188, deal 212, ticket 226, lead 601, order 769, \
         appointment 919, course 873, listing 897, service 839",
    ),
    (
        "note",
        "contact 202, company 190, deal 214, ticket 228, lead 855, order 765, \
         appointment 921, course 875, listing 899, service 837, project 1249",
    ),
    (
        "postal_mail",
        "contact 453, company 459, deal 457, ticket 455, appointment 927, course 881, \
         listing 905, order 788, service 849, project 1264",
    ),
    (
        "task",
        "contact 204, company 192, deal 216, ticket 230, lead 647, quote 218, order 727, \
         appointment 923, course 877, listing 901, service 853, project 1247",
    ),
    (
        "communication",
        "contact 81, company 87, deal 85, ticket 83, lead 603, order 785, appointment 925, \
         course 879, listing 903, service 847, project 1282",
    ),
    (
        "invoice",
        "contact 177, company 179, deal 175, quote 407, subscription 622, order 517, \
         ticket 986, line_item 409, discount 411, fee 413, tax 415, commerce_payment 541, \
         feedback_submission 1160",
    ),
    (
        "commerce_payment",
        "company 389, contact 387, deal 391, discount 428, fee 1326, \
         feedback_submission 1170, invoice 542, line_item 395, order 524, quote 397, \
         subscription 393, ticket 1354",
    ),
    (
        "quote",
        "contact 69 1226 702, company 71 1334, deal 64, line_item 67, discount 362, \
         fee 364, tax 366, task 217, cart 733, invoice 408, order 731, \
         commerce_payment 398, subscription 304, feedback_submission 1172",
    ),
    (
        "line_item",
        "cart 591, commerce_payment 396, deal 20, discount 368, invoice 410, order 514, \
         project 1345, quote 68, subscription 302 565",
    ),
    (
        "order",
        "call 772, cart 593, contact 507, communication 784, company 934 509, deal 512, \
         discount 519, email 776, feedback_submission 1168, invoice 518, line_item 513, \
         meeting 768, note 764, commerce_payment 523, postal_mail 789, quote 730, \
         subscription 516, task 726, ticket 525",
    ),
    (
        "cart",
        "contact 586, deal 1347, discount 588, line_item 590, order 592, quote 732, \
         task 728, ticket 594, feedback_submission 1158",
    ),
    (
        "discount",
        "deal 369, quote 361, invoice 412, order 520, cart 589, line_item 367",
    ),
    ("fee", "commerce_payment 1327, quote 363, invoice 414"),
    (
        "subscription",
        "contact 295, company 297, deal 299, ticket 1121, invoice 623, line_item 301, \
         quote 303, order 515, feedback_submission 1174",
    ),
    ("tax", "quote 365, invoice 416"),
    (
        "project",
        "appointment 1324, call 1257, communication 1281, company 1236 1299, contact 1242, \
         course 1322, deal 1238, email 1259, listing 1320, marketing_event 1250, \
         note 1248, postal_mail 1263, project 1254, service 1244, task 1246, ticket 1240",
    ),
];

/// The type at the far end of a HubSpot-defined association type that starts at `from`; `None` when
/// the id is not known or starts at another type.
pub(super) fn far_end(from: &str, type_id: u64) -> Option<&'static ObjectType> {
    let from = types::resolve(from)?;
    let (_, ends) = LINKS.iter().find(|(start, _)| is(start, from))?;
    let end = ends.split(',').find_map(|end| {
        let mut words = end.split_whitespace();
        let name = words.next()?;
        words.any(|id| id.parse() == Ok(type_id)).then_some(name)
    })?;
    types::resolve(end)
}

/// The type of the link from one type to another that has no label.
pub(super) fn unlabelled(from: &str, to: &str) -> Option<u64> {
    let (from, to) = (types::resolve(from)?, types::resolve(to)?);
    let (_, ends) = LINKS.iter().find(|(start, _)| is(start, from))?;
    ends.split(',').find_map(|end| {
        let mut words = end.split_whitespace();
        let found = words.next().is_some_and(|name| is(name, to));
        words.next().filter(|_| found)?.parse().ok()
    })
}

/// Both ends of a HubSpot-defined association type, which no two pairs share: the type it starts at
/// and the one it leads to.
pub(super) fn ends(type_id: u64) -> Option<(&'static ObjectType, &'static ObjectType)> {
    LINKS.iter().find_map(|(start, _)| {
        let near = types::resolve(start)?;
        Some((near, far_end(near.name, type_id)?))
    })
}

/// Whether a type of link, as a write names it, is known to be of other records than these: by its
/// number among HubSpot's own, or by a name like `contact_to_company`. What is not known is not of others.
pub(super) fn is_of_others(kind: Kind<'_>, near: &str, far: &str) -> bool {
    let ends = match kind {
        Kind::Number(number) => ends(number),
        Kind::Name(name) => named(name),
    };
    ends.is_some_and(|(from, to)| !is(near, from) || !is(far, to))
}

/// A type of link as a write names it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind<'a> {
    /// A number of `HUBSPOT_DEFINED`.
    Number(u64),
    /// A name; some callers write the number in its place.
    Name(&'a str),
}

/// Both ends of a type that is told by its name; a label behind the second one does not count.
fn named(name: &str) -> Option<(&'static ObjectType, &'static ObjectType)> {
    if let Ok(number) = name.parse() {
        return ends(number);
    }
    let name = name.to_ascii_lowercase();
    let (near, rest) = name.split_once("_to_")?;
    let mut shorter = std::iter::successors(Some(rest), |rest| Some(rest.rsplit_once('_')?.0));
    let far = shorter.find_map(types::resolve)?;
    Some((types::resolve(near)?, far))
}

fn is(name: &str, object: &ObjectType) -> bool {
    types::resolve(name).is_some_and(|known| known == object)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_far_end_follows_the_direction() {
        let end = |from: &str, id| far_end(from, id).map(|object| object.name);
        assert_eq!(end("contacts", 1), Some("companies"));
        assert_eq!(end("contact", 279), Some("companies"));
        assert_eq!(end("companies", 280), Some("contacts"));
        assert_eq!(end("0-3", 3), Some("contacts"));
        assert_eq!(end("notes", 202), Some("contacts"));
        assert_eq!(end("orders", 789), Some("postal_mail"));
        // an id of the other direction, and one nobody knows
        assert_eq!(end("contacts", 280), None);
        assert_eq!(end("contacts", 99_999), None);
        assert_eq!(end("products", 1), None);
    }

    #[test]
    fn a_type_of_other_records_is_told() {
        let number = |number, near, far| is_of_others(Kind::Number(number), near, far);
        assert!(!number(1, "contacts", "companies"));
        assert!(!number(279, "contacts", "companies"));
        assert!(number(280, "contacts", "companies"), "the other direction");
        assert!(number(3, "contacts", "companies"));
        assert!(number(1, "p1_cars", "companies"));
        assert!(!number(99_999, "contacts", "companies"), "not known");
        let name = |name, near, far| is_of_others(Kind::Name(name), near, far);
        assert!(!name("contact_to_company", "contacts", "companies"));
        assert!(!name(
            "CONTACT_TO_COMPANY_UNLABELED",
            "contacts",
            "companies"
        ));
        assert!(!name("deal_to_line_item", "deals", "line_items"));
        assert!(!name("279", "contacts", "companies"));
        assert!(name("3", "contacts", "companies"));
        assert!(name("deal_to_contact", "contacts", "companies"));
        assert!(!name("my_label", "contacts", "companies"));
    }

    #[test]
    fn every_row_names_known_types_and_every_id_stands_once() {
        let mut ids = HashSet::new();
        for (from, ends) in LINKS {
            assert!(types::resolve(from).is_some(), "{from}");
            for end in ends.split(',') {
                let mut words = end.split_whitespace();
                let name = words.next().unwrap();
                assert!(types::resolve(name).is_some(), "{name}");
                for id in words {
                    assert!(ids.insert(id.parse::<u64>().unwrap()), "{id}");
                }
            }
        }
    }
}
