//! Who asks the CRM, as the parser and the catalog know it.

use super::actor::{Caller, Credential};
use crate::crm::catalog::Sender;

impl Caller {
    /// Who sends this caller's requests.
    #[must_use]
    pub fn sender(&self) -> Sender<'_> {
        let service_account = self.service_account.as_deref().unwrap_or_default();
        self.credential.sender(service_account)
    }
}

impl Credential {
    /// Who sends with this credential.
    #[must_use]
    pub fn sender<'a>(&'a self, service_account: &'a str) -> Sender<'a> {
        Sender {
            service_account,
            credential: match self {
                Self::Own(_, value) | Self::Session(value) => value.as_bytes(),
                Self::Broker(_) | Self::None => &[],
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::AUTHORIZATION;

    use super::*;
    use crate::crm::catalog::Catalog;
    use crate::mutation::CrmKind;

    #[test]
    fn senders_are_told_apart_wherever_their_credential_stands() {
        let catalog = Catalog::builtin(CrmKind::Salesforce);
        let who = |service_account: &str, credential: Credential| {
            let caller = Caller {
                service_account: Some(service_account.to_owned()),
                fingerprint: None,
                credential,
            };
            catalog.who(caller.sender())
        };
        let session = |text| Credential::Session(HeaderValue::from_static(text));
        let one = who("a", session("Bearer 1"));
        assert_ne!(one, who("a", session("Bearer 2")));
        assert_ne!(who("a", Credential::None), who("b", Credential::None));
        let header = Credential::Own(AUTHORIZATION, HeaderValue::from_static("Bearer 1"));
        assert_eq!(one, who("a", header));
    }
}
