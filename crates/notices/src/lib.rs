#![doc = include_str!("../README.md")]

mod example;
mod facts;
mod gathering;
mod inhibition;
mod receiver;
pub mod render;
mod retry_after;
mod routing;
#[cfg(test)]
mod sample;
mod severity;
mod sign;
mod silencing;
mod verdict;

pub use example::example;
pub use facts::{Facts, Kind};
pub use gathering::{gathered, words};
pub use inhibition::{Cause, Hiding, can_be_hidden, hiding, is_cause};
pub use receiver::{Receiver, Reply, Telling, Ways};
pub use routing::{Routing, receivers, route};
pub use sign::signatures;
pub use silencing::{SILENCE_WORDS, silences};
pub use verdict::Verdict;
