#![doc = include_str!("../README.md")]

pub mod admit;
pub mod append;
pub mod audit;
mod backlog;
pub mod backoff;
pub mod browse;
pub mod clock;
pub mod connection;
pub mod delay;
pub mod delivery;
pub mod error;
#[cfg(feature = "faults")]
mod faults;
pub mod fetch;
pub mod follow_up;
pub mod group;
pub mod inbox;
pub mod inspect;
pub mod keys;
pub mod lease;
pub mod names;
pub mod order;
pub mod partition;
pub mod publish;
pub mod reclaim;
pub mod redrive;
mod reply;
mod script;
pub mod server;
pub mod settle;
pub mod trigger;
pub mod trim;

pub use backoff::Backoff;
pub use clock::Clock;
pub use connection::{Redis, Session};
pub use delivery::{Delivery, Fence};
pub use error::{Error, ErrorKind};
pub use inbox::History;
pub use keys::Keys;
pub use names::{EntryId, Fields, Member};
pub use partition::{Partition, Partitions};
