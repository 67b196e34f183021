//! What an SDK's user reads of a hold, word for word. `{hold}`, `{entry}` and `{base}` are filled in.

use serde_json::json;
use writegate::sandbox::seed;

use super::super::hubspot::Told;
use super::super::session::Raised;

/// The SDK, and what its CRM calls things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sdk {
    SimpleSalesforce,
    HubSpot,
}

impl Sdk {
    pub(super) fn name(self) -> &'static str {
        self.of("simple-salesforce", "hubspot-api-client")
    }

    pub(super) fn of<T>(self, salesforce: T, hubspot: T) -> T {
        match self {
            Self::SimpleSalesforce => salesforce,
            Self::HubSpot => hubspot,
        }
    }

    /// Where a program finds the exception.
    fn module(self) -> &'static str {
        self.of(
            "simple_salesforce.exceptions",
            "hubspot.crm.deals.exceptions",
        )
    }

    /// `Opportunity.StageName`
    fn stage(self) -> String {
        let object = self.of("Opportunity", "deals");
        format!("{object}.{}", self.stage_field())
    }

    fn stage_field(self) -> &'static str {
        self.of("StageName", "dealstage")
    }

    /// What Salesforce's SDK names in a refusal with 403.
    fn deal_path(self, id: &str) -> String {
        format!("/services/data/v59.0/sobjects/Opportunity/{id}")
    }
}

/// A refusal, as both SDKs tell it in their own way.
pub(super) struct Words {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) rule: String,
    pub(super) row: Option<String>,
    pub(super) field: Option<&'static str>,
    /// The path, which simple-salesforce shows with a 403.
    pub(super) path: String,
}

const REPEAT: &str = "Repeat exactly this request later to get the CRM's answer; do not vary it.";

impl Words {
    /// Two people are asked for the stage of a large deal.
    pub(super) fn two_people(sdk: Sdk) -> Self {
        let rule = sdk.of("enterprise-stage", "hubspot-enterprise-stage");
        Self::held(
            sdk,
            &format!(
                "Not written yet: waits for Sales Ops and Deal Desk until 2026-11-23 14:02 UTC. \
                 {REPEAT} Why: {} is decided by Sales Ops; Stage changes on enterprise deals need \
                 two people (rule {rule}). [hold {{hold}}]",
                sdk.stage()
            ),
        )
    }

    /// One person is asked for the stage of a small deal.
    pub(super) fn one_person(sdk: Sdk, until: &str) -> Self {
        Self::held(
            sdk,
            &format!(
                "Not written yet: waits for Sales Ops until {until} 14:02 UTC. {REPEAT} Why: {} is \
                 decided by Sales Ops. [hold {{hold}}]",
                sdk.stage()
            ),
        )
    }

    /// The second row of two.
    pub(super) fn second_row(sdk: Sdk, until: &str) -> Self {
        let row = sdk.of("records[1]", "inputs[1]");
        let words = Self::held(
            sdk,
            &format!(
                "Not written yet, 0 of 2: waits for Sales Ops until {until} 14:02 UTC. {REPEAT} \
                 Why: {row}: {} is decided by Sales Ops. [hold {{hold}}]",
                sdk.stage()
            ),
        );
        Self {
            row: Some(row.to_owned()),
            ..words
        }
    }

    fn held(sdk: Sdk, message: &str) -> Self {
        Self {
            status: 423,
            code: "WRITEGATE_HELD",
            message: message.to_owned(),
            rule: format!("field {}", sdk.stage()),
            row: None,
            field: Some(sdk.stage_field()),
            path: sdk.deal_path(seed::GLOBEX_EXPANSION),
        }
    }

    /// Somebody said no.
    pub(super) fn rejected(sdk: Sdk, who: &str) -> Self {
        let message = format!(
            "Not written: {who} said no: \"{}\". Do not send it again. [hold {{hold}}]",
            super::NO
        );
        Self {
            status: 403,
            code: "WRITEGATE_REJECTED",
            ..Self::held(sdk, &message)
        }
    }

    /// Nobody said anything.
    pub(super) fn expired(sdk: Sdk) -> Self {
        let message =
            "Not written: nobody decided within 7 days. Sending it again opens a new hold.";
        Self {
            status: 403,
            code: "WRITEGATE_EXPIRED",
            path: sdk.deal_path(seed::INITECH_PILOT),
            ..Self::held(sdk, message)
        }
    }

    /// A new lead or contact.
    pub(super) fn new_record(sdk: Sdk, until: &str) -> Self {
        let why = sdk.of(
            "Lead.Company is decided by Sales Ops; create of Lead is decided by Sales Ops",
            "create of contacts is decided by Sales Ops",
        );
        let message = format!(
            "Not written yet: waits for Sales Ops until {until} 14:02 UTC. {REPEAT} Why: {why}. \
             [hold {{hold}}]"
        );
        Self {
            rule: "operation contacts.create".to_owned(),
            field: sdk.of(Some("Company"), None),
            ..Self::held(sdk, &message)
        }
    }

    /// It was sent, and the CRM did not answer.
    pub(super) fn in_doubt(sdk: Sdk) -> Self {
        Self {
            status: 502,
            code: "WRITEGATE_UNKNOWN_OUTCOME",
            message:
                "May have been written: this was approved and sent, and the CRM did not answer. \
                      Read the record first; it is not sent again until settled. [entry {entry}] [hold {hold}]"
                    .to_owned(),
            ..Self::new_record(sdk, "")
        }
    }

    /// What the SDK makes of it.
    pub(super) fn raised(&self, sdk: Sdk, step: &str, reads: usize) -> Raised {
        match sdk {
            Sdk::SimpleSalesforce => self.by_simple_salesforce(step, reads),
            Sdk::HubSpot => self.by_hubspot(step, reads),
        }
    }

    fn by_simple_salesforce(&self, step: &str, reads: usize) -> Raised {
        let fields = self
            .field
            .map(|field| format!(", 'fields': ['{field}']"))
            .unwrap_or_default();
        let content = format!(
            "[{{'message': {}, 'errorCode': '{}'{fields}}}]",
            python(&self.message),
            self.code
        );
        let (class, text) = match self.status {
            403 => (
                "SalesforceRefusedRequest",
                format!(
                    "Request refused for {{base}}{}. Response content: {content}",
                    self.path
                ),
            ),
            status => (
                "SalesforceGeneralError",
                format!("Error Code {status}. Response content: {content}"),
            ),
        };
        Raised {
            step: step.into(),
            class,
            status: self.status,
            text,
            reads,
        }
    }

    fn by_hubspot(&self, step: &str, reads: usize) -> Raised {
        let mut context = json!({ "rule": [self.rule] });
        if let Some(row) = &self.row {
            context["rows"] = json!([row]);
        }
        if let Some(field) = self.field {
            context["fields"] = json!([field]);
        }
        let verdict = match self.code {
            "WRITEGATE_HELD" => "hold",
            "WRITEGATE_UNKNOWN_OUTCOME" => "allow",
            _ => "deny",
        };
        Told {
            status: self.status,
            message: &self.message,
            category: self.code,
            context,
            verdict: Some(verdict),
            retry: None,
        }
        .raised(step, reads)
    }
}

/// A text as Python shows it in a list.
fn python(text: &str) -> String {
    if text.contains('\'') && !text.contains('"') {
        return format!("\"{text}\"");
    }
    format!("'{}'", text.replace('\'', "\\'"))
}

/// The last lines of a traceback for held, rejected and expired, with each SDK: what README.md shows.
pub(crate) fn tracebacks() -> Vec<String> {
    let mut lines = Vec::new();
    for sdk in [Sdk::SimpleSalesforce, Sdk::HubSpot] {
        for words in [
            Words::two_people(sdk),
            Words::rejected(sdk, "ann (Sales Ops)"),
            Words::expired(sdk),
        ] {
            let raised = words.raised(sdk, "", 0);
            let text = format!("{}.{}: {}", sdk.module(), raised.class, raised.text);
            lines.extend(text.lines().map(str::to_owned));
        }
    }
    lines
}
