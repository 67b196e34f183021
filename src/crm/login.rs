//! Logins in either CRM's form: who asks for a token, and what was issued. Nothing here is ever shown but
//! the names of grants.

mod jwt;
pub(super) mod oauth;

use std::fmt;
use std::ops::Range;

use bytes::Bytes;

use super::json::edit::Place;
use super::links::Origins;
use super::{Crm, Head, hubspot, salesforce};
use crate::mutation::CrmKind;

pub use oauth::Basic;

/// A secret on its way through; prints as nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(String);

impl Hidden {
    /// Wraps one.
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret itself, to be fingerprinted.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<hidden>")
    }
}

/// The grant of a login in a SOAP message.
pub const MESSAGE: &str = "soap";

/// What a request on the login path asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Tokens.
    Login(Login),
    /// Whose a token is.
    Whose(Whose),
}

/// A login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The grant, or `soap`.
    pub grant: &'static str,
    /// Everything that names who logs in: client ids, user names.
    pub names: Vec<Hidden>,
    /// The refresh token that is redeemed.
    pub refresh_token: Option<Hidden>,
}

/// A question about a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whose {
    /// The token asked about.
    pub token: Hidden,
    /// Whether it is a refresh token; `None`: it may be either.
    pub refresh: Option<bool>,
    /// Client ids that are given with it.
    pub names: Vec<Hidden>,
    /// Whether the token is all that its body says, under `tokenKey`.
    pub is_token_key: bool,
}

impl Whose {
    /// The same question with a place for another token; `None` where the token does not stand in the body.
    #[must_use]
    pub fn blank(&self) -> Option<(Bytes, Range<usize>)> {
        let body = Bytes::from_static(b"{\"tokenKey\":\"\"}");
        let place = body.len().checked_sub(2)?;
        self.is_token_key.then_some((body, place..place))
    }
}

/// Why a login is not passed on; the text is for the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It has more than one reading.
    #[error("{0}")]
    Malformed(String),
    /// It is of a kind that is not passed on.
    #[error("{0}")]
    Kind(String),
}

impl From<super::Malformed> for Unfit {
    fn from(malformed: super::Malformed) -> Self {
        Self::Malformed(malformed.0)
    }
}

/// What a login brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The answer as the client gets it: addresses lead through the proxy.
    pub body: Bytes,
    /// The access token or session id, and the seconds it is good for where that is said.
    pub access: Option<(Hidden, Option<u64>)>,
    /// The refresh token.
    pub refresh: Option<Hidden>,
}

impl Crm {
    /// What a request that was classified as a login asks for.
    ///
    /// # Errors
    /// [`Unfit`] when it is not passed on.
    pub fn asked(self, head: &Head<'_>, body: &[u8]) -> Result<Asked, Unfit> {
        match self.0 {
            CrmKind::Salesforce => salesforce::login::asked(head, body),
            CrmKind::HubSpot => hubspot::login::asked(head, body),
        }
    }

    /// What the successful answer to a login brought.
    ///
    /// # Errors
    /// What is wrong with it, for our log: then nothing of it is passed on.
    pub fn issued(self, grant: &str, origins: &Origins, body: &Bytes) -> Result<Issued, String> {
        match self.0 {
            CrmKind::Salesforce if grant == MESSAGE => {
                salesforce::login::issued_by_soap(origins, body)
            }
            CrmKind::Salesforce => salesforce::login::issued(origins, body),
            CrmKind::HubSpot => hubspot::login::issued(body),
        }
    }

    /// Where addresses stand in the answer to a read; nowhere in most.
    #[must_use]
    pub fn links(self, head: &Head<'_>) -> &'static [Place] {
        match self.0 {
            CrmKind::Salesforce => salesforce::login::links(head),
            CrmKind::HubSpot => hubspot::login::links(),
        }
    }

    /// The same for the answer to a write.
    #[must_use]
    pub fn links_of_writes(self) -> &'static [Place] {
        match self.0 {
            CrmKind::Salesforce => &[],
            CrmKind::HubSpot => hubspot::login::links(),
        }
    }

    /// The query without a token that a client sends beside its header, and that token; `None` where no
    /// client is known to do so.
    #[must_use]
    pub fn second_token(self, head: &Head<'_>) -> Option<(String, Hidden)> {
        match self.0 {
            CrmKind::Salesforce => {
                salesforce::login::second_token(head).map(|(query, token)| (query, Hidden(token)))
            }
            CrmKind::HubSpot => None,
        }
    }
}
