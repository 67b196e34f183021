//! Writes in doubt: sent, or maybe sent, with no answer known. They block their records until it is
//! known what became of them: by reading back, or by a person.
//!
//! | file | what |
//! |---|---|
//! | `book` | what is in doubt, what it blocks, what was settled lately |
//! | `flight` | what is being sent now: repeats wait for its answer |
//! | `elsewhere`, `follow` | what other processes are sending; what their rows say |
//! | `decide` | what became of a write, by what the CRM holds now (pure) |
//! | `present` | what the CRM holds now |
//! | `gone` | whether what is not there any more was deleted |
//! | `theirs` | records that another write made, or may have made (pure) |
//! | `settle` | reading back: when, with which credential, and what follows |

mod blocked;
mod book;
mod decide;
mod elsewhere;
mod flight;
mod follow;
mod gone;
mod present;
mod settle;
mod theirs;

pub use blocked::Blocked;
pub use book::{Book, Claim, records};
pub use decide::{Finding, Present, decide};
pub use elsewhere::{Elsewhere, Ended, Twin};
pub use flight::{Arrival, Flight, Flights, Landed, Launch, Seat};
pub use settle::{Reader, read_back, settle_due, settle_some, tick};
pub(crate) use settle::{name_made, settle, settled_as};
