//! What the portal's objects look like: names, properties, options.

/// A property's type, as `/crm/v3/properties` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Email,
    Number,
    Bool,
    DateTime,
    /// One of these options; none listed means any.
    Choice(&'static [&'static str]),
}

impl Kind {
    /// `type` and `fieldType`.
    pub(super) fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Text | Self::Email => ("string", "text"),
            Self::Number => ("number", "number"),
            Self::Bool => ("bool", "booleancheckbox"),
            Self::DateTime => ("datetime", "date"),
            Self::Choice(_) => ("enumeration", "select"),
        }
    }
}

/// One property.
#[derive(Clone, Copy, Debug)]
pub(super) struct Property {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) kind: Kind,
    /// Kept by the portal itself.
    pub(super) read_only: bool,
    pub(super) unique: bool,
    /// Made by the portal's owner, not by HubSpot.
    pub(super) custom: bool,
}

/// One object type.
#[derive(Clone, Copy, Debug)]
pub(super) struct Type {
    /// The name in paths and in the log: `contacts`.
    pub(super) name: &'static str,
    pub(super) singular: &'static str,
    pub(super) id: &'static str,
    /// What a read shows that names no properties, besides those of the portal.
    pub(super) shown: &'static [&'static str],
    properties: &'static [Property],
}

impl Type {
    /// All properties: the portal's own first.
    pub(super) fn properties(&self) -> impl Iterator<Item = &'static Property> + use<> {
        SYSTEM.iter().chain(self.properties)
    }

    /// A property by its name, without case.
    pub(super) fn property(&self, name: &str) -> Option<&'static Property> {
        self.properties()
            .find(|property| property.name.eq_ignore_ascii_case(name))
    }
}

/// A type by its plural, its singular or its id, without case.
pub(super) fn of(name: &str) -> Option<&'static Type> {
    TYPES.iter().find(|kind| {
        [kind.name, kind.singular, kind.id]
            .iter()
            .any(|alias| alias.eq_ignore_ascii_case(name))
            || (kind.id.starts_with("2-") && name == FULLY_QUALIFIED)
    })
}

/// Every type of the portal.
pub(super) fn types() -> &'static [Type] {
    &TYPES
}

/// Between which types an association type id links, and its name.
pub(super) fn association(id: u64) -> Option<(&'static str, &'static str, &'static str)> {
    ASSOCIATIONS
        .iter()
        .find(|(number, ..)| *number == id)
        .map(|(_, from, to, name)| (*from, *to, *name))
}

/// The association that lies opposite, from the other record's side.
pub(super) fn opposite(from: &str, to: &str) -> &'static str {
    ASSOCIATIONS
        .iter()
        .find(|(_, f, t, _)| *f == to && *t == from)
        .map_or("", |(.., name)| name)
}

const ASSOCIATIONS: [(u64, &str, &str, &str); 12] = [
    (279, "contacts", "companies", "contact_to_company"),
    (1, "contacts", "companies", "contact_to_company"),
    (280, "companies", "contacts", "company_to_contact"),
    (2, "companies", "contacts", "company_to_contact"),
    (3, "deals", "contacts", "deal_to_contact"),
    (4, "contacts", "deals", "contact_to_deal"),
    (341, "deals", "companies", "deal_to_company"),
    (5, "deals", "companies", "deal_to_company"),
    (342, "companies", "deals", "company_to_deal"),
    (6, "companies", "deals", "company_to_deal"),
    (202, "notes", "contacts", "note_to_contact"),
    (190, "notes", "companies", "note_to_company"),
];

const FULLY_QUALIFIED: &str = "p1442021_health_checks";

const fn property(name: &'static str, label: &'static str, kind: Kind) -> Property {
    Property {
        name,
        label,
        kind,
        read_only: false,
        unique: false,
        custom: false,
    }
}

const fn text(name: &'static str, label: &'static str) -> Property {
    property(name, label, Kind::Text)
}

const fn number(name: &'static str, label: &'static str) -> Property {
    property(name, label, Kind::Number)
}

const fn kept(mut property: Property) -> Property {
    property.read_only = true;
    property
}

const fn unique(mut property: Property) -> Property {
    property.unique = true;
    property
}

const fn custom(mut property: Property) -> Property {
    property.custom = true;
    property
}

const LIFECYCLE: Property = property(
    "lifecyclestage",
    "Lifecycle Stage",
    Kind::Choice(&[
        "subscriber",
        "lead",
        "marketingqualifiedlead",
        "salesqualifiedlead",
        "opportunity",
        "customer",
        "evangelist",
        "other",
    ]),
);
const AI_SUMMARY: Property = custom(text("ai_summary", "AI Summary"));
const AI_SCORE: Property = custom(number("ai_score", "AI Score"));
const NEXT_STEP: Property = custom(text("next_step", "Next Step"));
const EXT_ID: Property = custom(unique(text("ext_id", "External Id")));

static SYSTEM: [Property; 8] = [
    kept(number("hs_object_id", "Record ID")),
    kept(property("createdate", "Create Date", Kind::DateTime)),
    kept(property(
        "hs_createdate",
        "Object create date/time",
        Kind::DateTime,
    )),
    kept(property(
        "lastmodifieddate",
        "Last Modified Date",
        Kind::DateTime,
    )),
    kept(property(
        "hs_lastmodifieddate",
        "Last Modified Date",
        Kind::DateTime,
    )),
    kept(text("hs_merged_object_ids", "Merged record IDs")),
    property("hubspot_owner_id", "Owner", Kind::Choice(&[])),
    kept(property("hs_is_archived", "Archived", Kind::Bool)),
];

static TYPES: [Type; 9] = [
    Type {
        name: "contacts",
        singular: "contact",
        id: "0-1",
        shown: &["email", "firstname", "lastname"],
        properties: &[
            unique(property("email", "Email", Kind::Email)),
            text("firstname", "First Name"),
            text("lastname", "Last Name"),
            text("phone", "Phone Number"),
            text("mobilephone", "Mobile Phone Number"),
            text("jobtitle", "Job Title"),
            text("company", "Company Name"),
            text("website", "Website URL"),
            text("city", "City"),
            text("country", "Country"),
            property(
                "hs_lead_status",
                "Lead Status",
                Kind::Choice(&["NEW", "OPEN", "IN_PROGRESS", "CONNECTED", "UNQUALIFIED"]),
            ),
            property("hs_email_optout", "Unsubscribed from all email", Kind::Bool),
            LIFECYCLE,
            AI_SUMMARY,
            AI_SCORE,
            NEXT_STEP,
            EXT_ID,
        ],
    },
    Type {
        name: "companies",
        singular: "company",
        id: "0-2",
        shown: &["name", "domain"],
        properties: &[
            text("name", "Company name"),
            text("domain", "Company Domain Name"),
            text("phone", "Phone Number"),
            text("city", "City"),
            text("country", "Country"),
            text("description", "Description"),
            property(
                "industry",
                "Industry",
                Kind::Choice(&[
                    "COMPUTER_SOFTWARE",
                    "MACHINERY",
                    "RETAIL",
                    "HOSPITAL_HEALTH_CARE",
                    "LOGISTICS_AND_SUPPLY_CHAIN",
                    "FINANCIAL_SERVICES",
                    "FOOD_BEVERAGES",
                    "BIOTECHNOLOGY",
                ]),
            ),
            number("numberofemployees", "Number of Employees"),
            number("annualrevenue", "Annual Revenue"),
            LIFECYCLE,
            AI_SUMMARY,
            AI_SCORE,
            NEXT_STEP,
            EXT_ID,
        ],
    },
    Type {
        name: "deals",
        singular: "deal",
        id: "0-3",
        shown: &["dealname", "amount", "dealstage", "pipeline", "closedate"],
        properties: &[
            text("dealname", "Deal Name"),
            number("amount", "Amount"),
            property("closedate", "Close Date", Kind::DateTime),
            property(
                "dealstage",
                "Deal Stage",
                Kind::Choice(&[
                    "appointmentscheduled",
                    "qualifiedtobuy",
                    "presentationscheduled",
                    "decisionmakerboughtin",
                    "contractsent",
                    "closedwon",
                    "closedlost",
                ]),
            ),
            property("pipeline", "Pipeline", Kind::Choice(&["default"])),
            property(
                "hs_manual_forecast_category",
                "Forecast category",
                Kind::Choice(&["OMIT", "PIPELINE", "BEST_CASE", "COMMIT", "CLOSED"]),
            ),
            text("description", "Deal Description"),
            AI_SUMMARY,
            AI_SCORE,
            NEXT_STEP,
            EXT_ID,
        ],
    },
    Type {
        name: "tickets",
        singular: "ticket",
        id: "0-5",
        shown: &["subject", "content", "hs_pipeline_stage"],
        properties: &[
            text("subject", "Ticket name"),
            text("content", "Ticket description"),
            property(
                "hs_pipeline_stage",
                "Ticket status",
                Kind::Choice(&["1", "2", "3", "4"]),
            ),
            property(
                "hs_ticket_priority",
                "Priority",
                Kind::Choice(&["LOW", "MEDIUM", "HIGH", "URGENT"]),
            ),
        ],
    },
    Type {
        name: "leads",
        singular: "lead",
        id: "0-136",
        shown: &["hs_lead_name"],
        properties: &[text("hs_lead_name", "Lead name"), AI_SUMMARY],
    },
    Type {
        name: "notes",
        singular: "note",
        id: "0-46",
        shown: &["hs_note_body"],
        properties: &[
            text("hs_note_body", "Note body"),
            property("hs_timestamp", "Activity date", Kind::DateTime),
        ],
    },
    Type {
        name: "tasks",
        singular: "task",
        id: "0-27",
        shown: &["hs_task_subject"],
        properties: &[
            text("hs_task_subject", "Task title"),
            text("hs_task_body", "Task notes"),
            property(
                "hs_task_status",
                "Task status",
                Kind::Choice(&["NOT_STARTED", "IN_PROGRESS", "WAITING", "COMPLETED"]),
            ),
            property("hs_timestamp", "Due date", Kind::DateTime),
        ],
    },
    Type {
        name: "products",
        singular: "product",
        id: "0-7",
        shown: &["name", "price"],
        properties: &[text("name", "Name"), number("price", "Unit price")],
    },
    Type {
        name: "p_health_checks",
        singular: "health_checks",
        id: "2-1442021",
        shown: &["name"],
        properties: &[
            custom(text("name", "Name")),
            custom(number("score", "Score")),
            EXT_ID,
        ],
    },
];
