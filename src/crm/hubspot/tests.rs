//! Which request is what, and what a write would change.

mod beside;
mod corpora;
mod families;
mod generated;
mod requests;
mod surface;

use std::path::PathBuf;

use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::crm::catalog::Catalog;
use crate::crm::path::CanonicalPath;
use crate::crm::{Class, Crm, Head, Malformed, Shape};
use crate::mutation::{ChangeSet, CrmKind};

/// A request as a client sends it.
#[derive(Clone, Debug)]
pub(in crate::crm::hubspot) struct Request {
    pub(in crate::crm::hubspot) method: Method,
    pub(in crate::crm::hubspot) path: CanonicalPath,
    pub(in crate::crm::hubspot) query: Option<String>,
    pub(in crate::crm::hubspot) headers: HeaderMap,
    pub(in crate::crm::hubspot) body: Vec<u8>,
}

impl Request {
    /// A request with a JSON body; the path must have one reading.
    pub(in crate::crm::hubspot) fn new(
        method: &str,
        target: &str,
        body: impl Into<Vec<u8>>,
    ) -> Self {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (target, None),
        };
        let request = Self {
            method: method.parse().unwrap(),
            path: CanonicalPath::parse(path).unwrap(),
            query,
            headers: HeaderMap::new(),
            body: body.into(),
        };
        let typed = if request.body.is_empty() {
            None
        } else {
            Some("application/json")
        };
        typed.into_iter().fold(request, |request, kind| {
            request.header("content-type", kind)
        })
    }

    pub(in crate::crm::hubspot) fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        self.headers
            .append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        self
    }

    pub(in crate::crm::hubspot) fn head(&self) -> Head<'_> {
        Head {
            method: &self.method,
            path: &self.path,
            query: self.query.as_deref(),
            headers: &self.headers,
            sender: crate::crm::catalog::Sender::default(),
        }
    }

    pub(in crate::crm::hubspot) fn class(&self) -> Class {
        Crm(CrmKind::HubSpot).classify(&self.head())
    }

    /// The shape of a write.
    pub(in crate::crm::hubspot) fn shape(&self) -> Shape {
        let class = self.class();
        let Class::Write(shape) = class else {
            panic!("{self:?} is {class:?}")
        };
        shape
    }

    pub(in crate::crm::hubspot) fn parse(&self) -> Result<ChangeSet, Malformed> {
        let catalog = Catalog::builtin(CrmKind::HubSpot);
        Crm(CrmKind::HubSpot).parse(&self.shape(), &self.head(), &self.body, &catalog)
    }
}

/// A file of the study that the project rests on, or a printed line that says it is absent.
fn study(variable: &str, beside: &str, file: &str) -> Option<String> {
    let folder = std::env::var_os(variable).map_or_else(
        || {
            PathBuf::from(env!("CARGO_MANIFEST_DIR"))
                .join("..")
                .join(beside)
        },
        PathBuf::from,
    );
    let path = folder.join(file);
    let text = std::fs::read_to_string(&path).ok();
    if text.is_none() {
        println!("skipped: {} is absent", path.display());
    }
    text
}
