//! A share of the CRM's own quota that is kept for people.

/// A limit with `reserve`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reserve {
    /// Its name, unique among all limits of a rule set.
    pub name: String,
    /// Agents stop while no more than this share of the calls is left; 1 to 99.
    pub percent: u64,
}
