//! Deliveries that could not be done: what is written of them, and what becomes of them.
//!
//! The harness writes the fields of [`Epitaph`] behind the entry's own; the command line and the
//! API list, sum up, redrive, put away and purge. Nothing here is done by itself: every letter
//! stays until a person decides.

mod browsing;
mod epitaph;
mod filter;
mod following;
mod groups;
mod letter;
mod moving;

pub use browsing::{PAGE, Pages, get, list};
pub use epitaph::{Epitaph, fingerprint};
pub use filter::Filter;
pub use following::{Following, Verdicts};
pub use groups::{Group, Groups};
pub use letter::DeadLetter;
pub use moving::{Decision, PutAway, Redriven, Resolution, purge, put_away, redrive, revive};
