#![doc = include_str!("../README.md")]

pub mod baselines;
pub mod controls;
pub mod dead_letters;
pub mod instances;
pub mod operator_log;
pub mod progress;
mod records;
pub mod windows;

pub use records::Records;
