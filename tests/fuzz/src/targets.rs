//! What has to hold for every input, parser by parser. Each target panics where something does not;
//! the bytes come from libFuzzer, or from a corpus when these run as plain tests.

mod csv;
mod decode;
mod http1;
mod json;
mod multipart;
mod path;
mod query;
mod request;
mod rules;
mod soap;
mod xml;

use writegate::mutation::CrmKind;

/// A property of a parser, for any input.
pub(crate) type Target = fn(&[u8]);

/// All of them, by the names of their corpora.
pub(crate) const TARGETS: [(&str, Target); 14] = [
    ("json", json::target),
    ("xml", xml::target),
    ("path", path::target),
    ("csv", csv::target),
    ("multipart", multipart::target),
    ("http1", http1::target),
    ("soql", query::soql),
    ("graphql", query::graphql),
    ("salesforce", |data| {
        request::target(CrmKind::Salesforce, data)
    }),
    ("soap", soap::target),
    ("hubspot", |data| request::target(CrmKind::HubSpot, data)),
    ("decode", decode::target),
    ("rules", rules::target),
    ("jsonpath", rules::jsonpath),
];
