#![doc = include_str!("../README.md")]

mod facts;
mod receiver;
pub mod render;
mod routing;
#[cfg(test)]
mod sample;
mod severity;
mod sign;
mod verdict;

pub use facts::Facts;
pub use receiver::{Receiver, Telling};
pub use routing::receivers;
pub use sign::signatures;
pub use verdict::Verdict;
