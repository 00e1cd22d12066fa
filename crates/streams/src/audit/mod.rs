//! Accounts for entries: what a stream, a group, the ledger and the places beside them say.
//!
//! Called by the manager's `audit`, which compares and judges. It reads in pages, each of them at
//! one instant of the server; what changes anything is in [`mend`], one script per change.

mod account;
pub mod mend;
mod parked;
mod places;
mod rows;
mod sieve;
mod traces;

pub use account::{Account, Flow, Position, account, flow, undelivered};
pub use parked::{Body, Head, Parked, Waits, bodies, heads, parked};
pub use places::{Place, remembered, still_there};
pub use rows::{Row, rows};
pub use sieve::Sieve;
pub use traces::{Traces, Wanted};

/// Entries that one call looks at: bounds the time the server is busy with it.
const PAGE: usize = 128;
