//! What a CRM's API can change, family by family, and what is done with each: what `writegate
//! coverage` lists. The tables stand in the CRMs' modules, where the classifier works from them.

use crate::mutation::Operation;

/// What is done with a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// Taken apart into records and fields.
    Decomposed,
    /// Judged as one operation with a name.
    Whole,
    /// Refused, unless an `endpoints` row names its path where that may speak.
    Refused,
}

impl Treatment {
    /// The word in `coverage`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Decomposed => "decomposed",
            Self::Whole => "judged as a whole",
            Self::Refused => "refused",
        }
    }
}

/// A family of endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    /// Its name, for people.
    pub name: &'static str,
    /// What is done with it.
    pub treatment: Treatment,
    /// The operation that rules name, where it is one.
    pub operation: Option<Operation>,
    /// Where it is and what to know of it.
    pub note: &'static str,
}
