#![doc = include_str!("../README.md")]

pub mod activity;
pub mod approvals;
pub mod baselines;
pub mod budget;
pub mod causes;
pub mod controls;
pub mod dead_letters;
pub mod deployments;
pub mod destinations;
pub mod eased;
pub mod follow_ups;
pub mod instances;
pub mod jobs;
pub mod lives;
pub mod locks;
pub mod notices;
pub mod operator_log;
pub mod orders;
pub mod past;
pub mod progress;
mod records;
pub mod restarts;
pub mod rollbacks;
pub mod said;
mod script;
pub mod silences;
pub mod starts;
pub mod threads;
pub mod versions;
pub mod windows;

pub use records::Records;
