#![doc = include_str!("../README.md")]

mod facts;
mod receiver;
pub mod render;
mod retry_after;
mod routing;
#[cfg(test)]
mod sample;
mod severity;
mod sign;
mod verdict;

pub use facts::Facts;
pub use receiver::{Receiver, Reply, Telling, Ways};
pub use routing::receivers;
pub use sign::signatures;
pub use verdict::Verdict;
