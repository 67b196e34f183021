//! Who plays in the demo: the agents of the shipped rule packs, and an operator.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::clock::Entropy;
use crate::mutation::CrmKind;

/// The operator's name.
pub(super) const OPERATOR: &str = "dana";

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
pub(super) struct Secrets {
    /// The operator's token.
    pub(super) operator: String,
}

impl Secrets {
    /// New ones.
    pub(super) fn new(entropy: &dyn Entropy) -> Self {
        let mut random = [0_u8; 18];
        entropy.fill(&mut random);
        Self {
            operator: format!("demo-{}", URL_SAFE_NO_PAD.encode(random)),
        }
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets")
    }
}
