//! In which of its error shapes a CRM's API answers a path.

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
}
