//! What logins brought: whose an issued token is, by its fingerprint alone. Each is a row of the ledger
//! before the agent gets it, so that restarts and other replicas know it too.
//!
//! The configuration wins: a token that it names is never learned for somebody else, and one that was
//! learned by a client that no `clients:` names any more is forgotten.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::app::App;
use crate::config::{Config, Fingerprint};
use crate::error::StoreError;
use crate::journal::Journal;
use crate::ledger::{Row, RowKind};

/// A token is known for this long past its end: the CRM says itself that it is over, in the words that
/// make a client log in again.
const PAST_ITS_END: SignedDuration = SignedDuration::from_hours(24);
/// How long one is known that does not say how long it is good for. Each use in the second half of it is
/// a new beginning.
const UNSAID: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How many are known of one service account; the ones that end first go first.
const MOST: usize = 2_000;

/// What a token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Use {
    /// To be sent with requests: an access token, a session id.
    Access,
    /// To get another access token.
    Refresh,
}

/// A token to be learned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
    /// What it is good for.
    pub used: Use,
    /// How long it is known.
    pub until: Timestamp,
    /// Whether it is known for longer when it is used: it does not say when it ends.
    pub slides: bool,
}

impl Token {
    /// A token that was issued just now, for so many seconds where that is said.
    #[must_use]
    pub fn issued(secret: &str, used: Use, seconds: Option<u64>, now: Timestamp) -> Self {
        Self::of(Fingerprint::of(secret.as_bytes()), used, seconds, now)
    }

    /// The same by its fingerprint.
    #[must_use]
    pub fn of(fingerprint: Fingerprint, used: Use, seconds: Option<u64>, now: Timestamp) -> Self {
        let life = seconds.map_or(UNSAID, |seconds| {
            let seconds = i64::try_from(seconds.min(UNSAID.as_secs().unsigned_abs()));
            SignedDuration::from_secs(seconds.unwrap_or(0)) + PAST_ITS_END
        });
        Self {
            fingerprint,
            used,
            until: now.checked_add(life).unwrap_or(Timestamp::MAX),
            slides: seconds.is_none(),
        }
    }
}

/// Owner tokens a login brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner<'a> {
    /// The route.
    pub route: &'a str,
    /// The service account.
    pub service_account: &'a str,
    /// The fingerprint of the name that it logged in by.
    pub client: Fingerprint,
}

/// A token that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The service account.
    pub service_account: String,
    /// The fingerprint of the name that it logged in by.
    pub client: Fingerprint,
    /// Whether another row should tell that it is still used.
    pub ageing: bool,
    until: Timestamp,
    slides: bool,
}

type Key = (String, Use, Fingerprint);

/// For how long a token that nobody knows is not looked for again: none is used before it is issued.
const MISSED: SignedDuration = SignedDuration::from_secs(1);
/// How many of those are kept in mind.
const MISSED_MOST: usize = 10_000;

/// The tokens that are known here.
#[derive(Debug, Default)]
pub struct Book {
    known: RwLock<HashMap<Key, Known>>,
    missed: Mutex<HashMap<Fingerprint, Timestamp>>,
}

/// What a row says.
#[derive(Debug, Serialize, Deserialize)]
struct Said {
    client: Fingerprint,
    tokens: Vec<Token>,
}

/// The fingerprint of a client id or user name; they compare without case.
#[must_use]
pub fn client_of(name: &str) -> Fingerprint {
    Fingerprint::of(name.to_ascii_lowercase().as_bytes())
}

impl Book {
    /// What the ledger's rows say that still counts.
    ///
    /// # Errors
    /// The ledger's.
    pub async fn load(
        journal: &Journal,
        config: &Config,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let book = Self::default();
        let since = now.checked_sub(UNSAID + PAST_ITS_END);
        for row in journal
            .learned_since(since.unwrap_or(Timestamp::MIN))
            .await?
        {
            book.follow(config, &row, now);
        }
        Ok(book)
    }

    /// Takes over what a row says, if it is about tokens.
    pub fn follow(&self, config: &Config, row: &Row, now: Timestamp) {
        let (RowKind::Learned, Some(route), Some(service_account)) =
            (row.kind, &row.route, &row.service_account)
        else {
            return;
        };
        let Ok(said) = Said::deserialize(&row.meta) else {
            tracing::error!(entry = %row.entry, "a row of tokens has an unknown form");
            return;
        };
        let owner = Owner {
            route,
            service_account,
            client: said.client,
        };
        self.put(config, &owner, &said.tokens, now);
    }

    fn put(&self, config: &Config, owner: &Owner<'_>, tokens: &[Token], now: Timestamp) {
        let accounts = &config.service_accounts;
        let still = accounts.iter().any(|account| {
            let named = |name: &String| client_of(name) == owner.client;
            account.name == owner.service_account && account.clients.iter().any(named)
        });
        if !still {
            return;
        }
        let mut known = self.known.write();
        for token in tokens.iter().filter(|token| token.until > now) {
            let key = (owner.route.to_owned(), token.used, token.fingerprint);
            let token = Known {
                service_account: owner.service_account.to_owned(),
                client: owner.client,
                ageing: false,
                until: token.until,
                slides: token.slides,
            };
            known.insert(key, token);
        }
        // looking at all of them is left until there may be too many
        if known.len() <= MOST {
            return;
        }
        known.retain(|_, token| token.until > now);
        let theirs = |token: &Known| token.service_account == owner.service_account;
        while known.values().filter(|token| theirs(token)).count() > MOST {
            let first = known.iter().filter(|(_, token)| theirs(token));
            let Some(first) = first.min_by_key(|(_, token)| token.until) else {
                return;
            };
            let key = first.0.clone();
            known.remove(&key);
        }
    }

    /// Whether a token was looked for just now, and not known.
    #[must_use]
    pub fn missed(&self, fingerprint: Fingerprint, now: Timestamp) -> bool {
        let missed = self.missed.lock();
        let at = missed.get(&fingerprint);
        at.is_some_and(|at| now.duration_since(*at).abs() < MISSED)
    }

    /// Keeps in mind that a token is not known.
    pub fn miss(&self, fingerprint: Fingerprint, now: Timestamp) {
        let mut missed = self.missed.lock();
        if missed.len() >= MISSED_MOST {
            missed.clear();
        }
        missed.insert(fingerprint, now);
    }

    /// A token that is known on this route.
    #[must_use]
    pub fn find(
        &self,
        route: &str,
        used: Use,
        fingerprint: Fingerprint,
        now: Timestamp,
    ) -> Option<Known> {
        let known = self.known.read();
        if known.is_empty() {
            return None;
        }
        let token = known.get(&(route.to_owned(), used, fingerprint))?;
        let left = token.until.duration_since(now);
        left.is_positive().then(|| Known {
            ageing: token.slides && left < UNSAID / 2,
            ..token.clone()
        })
    }
}

/// Learns tokens: durable when it returns.
///
/// # Errors
/// The ledger's: then they are not learned.
pub async fn learn(
    app: &App,
    owner: &Owner<'_>,
    tokens: &[Token],
    now: Timestamp,
) -> Result<(), StoreError> {
    let said = json!(Said {
        client: owner.client,
        tokens: tokens.to_vec(),
    });
    let entry = app.entry_id(now);
    app.journal
        .learned(&entry, (owner.route, owner.service_account), said, now)
        .await?;
    app.learned.put(&app.config, owner, tokens, now);
    Ok(())
}
