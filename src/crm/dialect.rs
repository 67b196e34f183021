//! In which of its error shapes a CRM's API answers a path.

use http::{HeaderMap, StatusCode};

use super::{Crm, RefusalAnswer, salesforce};
use crate::error::Refusal;
use crate::mutation::CrmKind;

/// An error shape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// The one that most of the API speaks.
    #[default]
    Usual,
    /// SOAP faults.
    Soap,
    /// Salesforce's first bulk API, in XML.
    BulkXml,
    /// The same in JSON.
    BulkJson,
    /// `{data, errors}`.
    GraphQl,
    /// `{error, error_description}` (RFC 6749, 5.2): what gives out and takes back tokens.
    OAuth,
    /// Salesforce's record writes for user interfaces: `{message, enhancedErrorType, output}`.
    UiRecord,
    /// Salesforce's usual list of errors as XML, where a client asked for nothing but XML.
    Xml,
}

impl Crm {
    /// The error shape of a request, by its raw path and its headers.
    #[must_use]
    pub fn dialect(self, path: &str, headers: &HeaderMap) -> Dialect {
        match self.0 {
            CrmKind::Salesforce => salesforce::reply::dialect(path, headers),
            CrmKind::HubSpot => Dialect::Usual,
        }
    }

    /// A refusal in another error shape than the usual one; `None` where it is the usual one.
    #[must_use]
    pub fn refuse_in(self, dialect: Dialect, refusal: &Refusal) -> Option<RefusalAnswer> {
        salesforce::reply::refuse_in(dialect, refusal)
    }

    /// The CRM's answer to a read of ours, which is the caller's answer, in the error shape that the
    /// caller's request has; `None` where that is the answer's own.
    #[must_use]
    pub fn retold(
        self,
        dialect: Dialect,
        status: StatusCode,
        body: &[u8],
    ) -> Option<RefusalAnswer> {
        match self.0 {
            CrmKind::Salesforce => salesforce::reply::retold(dialect, status, body),
            CrmKind::HubSpot => None,
        }
    }
}
