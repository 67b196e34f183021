//! Who plays in the demo: the agents of the shipped rule packs, and two operators.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::clock::Entropy;
use crate::mutation::CrmKind;

/// An operator.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operator {
    pub(super) name: &'static str,
    /// The role and the teams, as the configuration lists them.
    pub(super) role: &'static str,
    pub(super) teams: &'static str,
}

/// Runs the place.
pub(super) const DANA: Operator = Operator {
    name: "dana",
    role: "admin",
    teams: "RevOps, Sales Ops, VP Sales",
};
/// Agrees to large deals.
pub(super) const LEE: Operator = Operator {
    name: "lee",
    role: "approver",
    teams: "Deal Desk, RevOps",
};

/// Both of them.
pub(super) const OPERATORS: [Operator; 2] = [DANA, LEE];

/// An agent. Its CRM tokens are the same in every demo: they open nothing but the sandbox.
#[derive(Clone, Copy, Debug)]
pub(super) struct Agent {
    /// The service account, as the shipped packs name it.
    pub(super) name: &'static str,
}

/// Fills firmographics.
pub(super) const ENRICHMENT: Agent = Agent {
    name: "enrichment-agent",
};
/// Works leads, contacts and early stages.
pub(super) const SDR: Agent = Agent { name: "sdr-agent" };
/// Writes scores.
pub(super) const SCORING: Agent = Agent {
    name: "scoring-agent",
};

/// All of them.
pub(super) const AGENTS: [Agent; 3] = [ENRICHMENT, SDR, SCORING];

impl Agent {
    /// Its token for a CRM, in that CRM's form.
    pub(super) fn token(self, crm: CrmKind) -> String {
        match crm {
            CrmKind::Salesforce => format!("00DWg0000000001!demo.{}", self.name),
            CrmKind::HubSpot => format!("pat-demo-{}", self.name),
        }
    }

    /// Its tokens for Salesforce and HubSpot.
    pub(super) fn tokens(self) -> [String; 2] {
        [CrmKind::Salesforce, CrmKind::HubSpot].map(|crm| self.token(crm))
    }
}

/// What is made anew for each demo.
#[derive(Clone)]
pub(super) struct Secrets(String);

impl Secrets {
    /// New ones.
    pub(super) fn new(entropy: &dyn Entropy) -> Self {
        let mut random = [0_u8; 18];
        entropy.fill(&mut random);
        Self(URL_SAFE_NO_PAD.encode(random))
    }

    /// An operator's token.
    pub(super) fn of(&self, operator: Operator) -> String {
        format!("demo-{}-{}", operator.name, self.0)
    }

    /// What releases and reverts reach the sandbox with, on both routes.
    pub(super) fn release(&self) -> String {
        format!("demo-release-{}", self.0)
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets")
    }
}
