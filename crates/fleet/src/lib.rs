#![doc = include_str!("../README.md")]

pub mod controls;
pub mod dead_letters;
pub mod instances;
pub mod operator_log;
mod records;

pub use records::Records;
