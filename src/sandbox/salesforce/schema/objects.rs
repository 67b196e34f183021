//! The org's objects, field by field.

use super::{Field, Kind, Object, Source};

const fn field(name: &'static str, kind: Kind) -> Field {
    let length = match kind {
        Kind::Text | Kind::Picklist | Kind::Url => 255,
        Kind::TextArea => 32000,
        Kind::Email => 80,
        Kind::Phone => 40,
        Kind::Id | Kind::Reference => 18,
        Kind::Boolean
        | Kind::Int
        | Kind::Double
        | Kind::Currency
        | Kind::Percent
        | Kind::Date
        | Kind::DateTime
        | Kind::Address => 0,
    };
    Field {
        name,
        kind,
        source: Source::Stored,
        length,
        external_id: false,
        target: None,
    }
}

const fn text(name: &'static str, length: usize) -> Field {
    let mut field = field(name, Kind::Text);
    field.length = length;
    field
}

const fn from(mut field: Field, source: Source) -> Field {
    field.source = source;
    field
}

const fn required(field: Field) -> Field {
    from(field, Source::Required)
}

const fn external(name: &'static str) -> Field {
    let mut field = text(name, 64);
    field.external_id = true;
    field
}

const fn to(name: &'static str, target: &'static str, relationship: &'static str) -> Field {
    let mut field = field(name, Kind::Reference);
    field.target = Some((target, relationship));
    field
}

/// The owner of a record, where it has one.
pub(super) const OWNER: Field = to("OwnerId", "User", "Owner");

/// What every record has.
pub(super) static SYSTEM: [Field; 7] = [
    from(field("Id", Kind::Id), Source::System),
    from(field("IsDeleted", Kind::Boolean), Source::System),
    from(field("CreatedDate", Kind::DateTime), Source::System),
    from(to("CreatedById", "User", "CreatedBy"), Source::System),
    from(field("LastModifiedDate", Kind::DateTime), Source::System),
    from(
        to("LastModifiedById", "User", "LastModifiedBy"),
        Source::System,
    ),
    from(field("SystemModstamp", Kind::DateTime), Source::System),
];

/// The org's objects.
pub(super) static OBJECTS: [Object; 11] = [
    Object {
        name: "Account",
        plural: "Accounts",
        prefix: "001",
        fields: &[
            required(text("Name", 255)),
            field("Type", Kind::Picklist),
            field("Industry", Kind::Picklist),
            field("NumberOfEmployees", Kind::Int),
            field("AnnualRevenue", Kind::Currency),
            field("Phone", Kind::Phone),
            field("Website", Kind::Url),
            field("Description", Kind::TextArea),
            field("Rating", Kind::Picklist),
            text("BillingStreet", 255),
            text("BillingCity", 40),
            text("BillingState", 80),
            text("BillingPostalCode", 20),
            text("BillingCountry", 80),
            from(field("BillingAddress", Kind::Address), Source::Calculated),
            to("ParentId", "Account", "Parent"),
            field("AI_Summary__c", Kind::TextArea),
            field("AI_Score__c", Kind::Double),
            field("NextStep__c", Kind::Text),
            field("Lifecycle_Stage__c", Kind::Picklist),
            external("Ext_Id__c"),
            from(text("Size_Tier__c", 20), Source::Calculated),
            from(text("Customer_Number__c", 30), Source::AutoNumber),
        ],
    },
    Object {
        name: "Contact",
        plural: "Contacts",
        prefix: "003",
        fields: &[
            text("FirstName", 40),
            required(text("LastName", 80)),
            from(text("Name", 121), Source::Calculated),
            to("AccountId", "Account", "Account"),
            field("Email", Kind::Email),
            field("Phone", Kind::Phone),
            text("Title", 128),
            text("Department", 80),
            field("LeadSource", Kind::Picklist),
            field("DoNotCall", Kind::Boolean),
            field("HasOptedOutOfEmail", Kind::Boolean),
            field("Birthdate", Kind::Date),
            field("Description", Kind::TextArea),
            field("AI_Summary__c", Kind::TextArea),
            field("AI_Score__c", Kind::Double),
            external("Ext_Id__c"),
        ],
    },
    Object {
        name: "Lead",
        plural: "Leads",
        prefix: "00Q",
        fields: &[
            text("FirstName", 40),
            required(text("LastName", 80)),
            from(text("Name", 121), Source::Calculated),
            required(text("Company", 255)),
            field("Email", Kind::Email),
            field("Phone", Kind::Phone),
            text("Title", 128),
            field("Status", Kind::Picklist),
            field("LeadSource", Kind::Picklist),
            field("Industry", Kind::Picklist),
            field("NumberOfEmployees", Kind::Int),
            field("AnnualRevenue", Kind::Currency),
            field("Rating", Kind::Picklist),
            field("Website", Kind::Url),
            field("Description", Kind::TextArea),
            from(field("IsConverted", Kind::Boolean), Source::System),
            field("AI_Summary__c", Kind::TextArea),
            field("AI_Score__c", Kind::Double),
            field("NextStep__c", Kind::Text),
            field("Lifecycle_Stage__c", Kind::Picklist),
        ],
    },
    Object {
        name: "Opportunity",
        plural: "Opportunities",
        prefix: "006",
        fields: &[
            required(text("Name", 120)),
            to("AccountId", "Account", "Account"),
            required(field("StageName", Kind::Picklist)),
            field("Amount", Kind::Currency),
            required(field("CloseDate", Kind::Date)),
            field("Probability", Kind::Percent),
            field("ForecastCategoryName", Kind::Picklist),
            field("Type", Kind::Picklist),
            field("NextStep", Kind::Text),
            field("LeadSource", Kind::Picklist),
            field("Description", Kind::TextArea),
            from(field("IsClosed", Kind::Boolean), Source::Calculated),
            from(field("IsWon", Kind::Boolean), Source::Calculated),
            from(field("ExpectedRevenue", Kind::Currency), Source::Calculated),
            field("AI_Summary__c", Kind::TextArea),
            field("AI_Score__c", Kind::Double),
            field("NextStep__c", Kind::Text),
        ],
    },
    Object {
        name: "Case",
        plural: "Cases",
        prefix: "500",
        fields: &[
            from(text("CaseNumber", 30), Source::AutoNumber),
            to("AccountId", "Account", "Account"),
            to("ContactId", "Contact", "Contact"),
            field("Subject", Kind::Text),
            field("Status", Kind::Picklist),
            field("Priority", Kind::Picklist),
            field("Origin", Kind::Picklist),
            field("Description", Kind::TextArea),
        ],
    },
    Object {
        name: "Task",
        plural: "Tasks",
        prefix: "00T",
        fields: &[
            field("Subject", Kind::Text),
            field("Status", Kind::Picklist),
            field("Priority", Kind::Picklist),
            field("ActivityDate", Kind::Date),
            to("WhoId", "Contact", "Who"),
            to("WhatId", "Account", "What"),
            field("Description", Kind::TextArea),
        ],
    },
    Object {
        name: "User",
        plural: "Users",
        prefix: "005",
        fields: &[
            required(text("Username", 80)),
            text("FirstName", 40),
            required(text("LastName", 80)),
            from(text("Name", 121), Source::Calculated),
            field("Email", Kind::Email),
            field("IsActive", Kind::Boolean),
            text("Title", 80),
        ],
    },
    Object {
        name: "Organization",
        plural: "Organizations",
        prefix: "00D",
        fields: &[
            required(text("Name", 80)),
            field("OrganizationType", Kind::Picklist),
            field("IsSandbox", Kind::Boolean),
            text("InstanceName", 5),
            text("NamespacePrefix", 15),
            field("TrialExpirationDate", Kind::DateTime),
        ],
    },
    Object {
        name: "Health_Check__c",
        plural: "Health Checks",
        prefix: "a00",
        fields: &[
            from(text("Name", 80), Source::AutoNumber),
            to("Account__c", "Account", "Account__r"),
            field("Score__c", Kind::Double),
            field("Checked_On__c", Kind::Date),
            field("Notes__c", Kind::TextArea),
            external("Ext_Id__c"),
        ],
    },
    Object {
        name: "Attachment",
        plural: "Attachments",
        prefix: "00P",
        fields: &[
            required(text("Name", 255)),
            to("ParentId", "Account", "Parent"),
            text("ContentType", 120),
            field("Body", Kind::TextArea),
        ],
    },
    Object {
        name: "Health_Finding__c",
        plural: "Health Findings",
        prefix: "a01",
        fields: &[
            required(text("Name", 80)),
            to("Check__c", "Health_Check__c", "Check__r"),
            field("Severity__c", Kind::Picklist),
        ],
    },
];
