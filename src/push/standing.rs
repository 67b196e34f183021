//! Which rules are in force here, and where they come from.

use jiff::Timestamp;

use super::moment;
use crate::rules::history::Turn;

/// What stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The newest turn that was followed; 0: none.
    pub number: u64,
    /// Where the rules that judge come from.
    pub origin: Origin,
}

/// Where rules come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// The folder that the configuration names.
    #[default]
    Folder,
    /// A push.
    Push {
        /// Its number.
        number: u64,
        /// Who put it in force.
        by: String,
        /// When.
        at: Timestamp,
    },
}

impl Standing {
    /// After a turn.
    #[must_use]
    pub fn of(turn: &Turn) -> Self {
        let origin = turn.push().map_or(Origin::Folder, |number| Origin::Push {
            number,
            by: turn.by.clone(),
            at: turn.at,
        });
        Self {
            number: turn.number,
            origin,
        }
    }

    /// `push 3, put in force by dana at 2026-11-20 14:02 UTC`; `None`: the folder's.
    #[must_use]
    pub fn told(&self) -> Option<String> {
        match &self.origin {
            Origin::Folder => None,
            Origin::Push { number, by, at } => Some(format!(
                "push {number}, put in force by {by} at {}",
                moment(*at)
            )),
        }
    }

    /// The same for whoever asks, without a name.
    #[must_use]
    pub fn notice(&self) -> String {
        match &self.origin {
            Origin::Folder => "folder".into(),
            Origin::Push { number, .. } => format!("push {number}"),
        }
    }
}
