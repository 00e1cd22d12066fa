#![doc = include_str!("../README.md")]

pub mod ids;
pub mod payload;
pub mod schemas;
pub mod status;
pub mod topology;

mod encoding;
mod envelope;
mod event_type;
mod invalid;
mod kinds;
mod salvage;
mod tree;

pub use encoding::Encoding;
pub use envelope::{Event, FollowUp, MAX_ENTRY_BYTES, MAX_FIELD_NAME_BYTES, MAX_FIELDS, Trace};
pub use event_type::EventType;
pub use invalid::{Invalid, MAX_QUOTED};
pub use kinds::{Family, Payload};
pub use salvage::{Salvage, salvage};
