//! The portal's types, property by property.

use super::{Kind, Property, Type};

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

/// What every record has.
pub(super) static SYSTEM: [Property; 9] = [
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
    kept(number("hs_updated_by_user_id", "Updated by user ID")),
    property("hubspot_owner_id", "Owner", Kind::Choice(&[])),
    kept(property("hs_is_archived", "Archived", Kind::Bool)),
];

/// The portal's types.
pub(super) static TYPES: [Type; 9] = [
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
