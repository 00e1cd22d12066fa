#![doc = include_str!("../README.md")]

pub mod baselines;
pub mod controls;
pub mod dead_letters;
pub mod destinations;
pub mod instances;
pub mod notices;
pub mod operator_log;
pub mod progress;
pub mod past;
mod records;
mod script;
pub mod threads;
pub mod rollbacks;
pub mod versions;
pub mod windows;

pub use records::Records;
