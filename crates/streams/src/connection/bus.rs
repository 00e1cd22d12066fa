//! What is said about the fleet's Redis: its address, whom it trusts, what it must confirm.
//!
//! Made from settings and handed to [`crate::Redis`]; connects to nothing and never shows a secret.

use std::fmt;
use std::time::Duration;

use super::tls::TlsFiles;

/// An address and what goes with it. A plain URL becomes one by itself.
#[derive(Clone, Default)]
pub struct Bus {
    /// The address; may carry credentials and is never printed.
    pub url: String,
    /// Files for TLS; needs an address that asks for TLS.
    pub tls: TlsFiles,
    /// What a write must have reached before it counts as confirmed; none is the server's word.
    pub durability: Option<Durability>,
}

/// How far a write must have come before it counts as confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Durability {
    /// Replicas that must have it.
    pub replicas: u32,
    /// Whether it must be on the disk: the server's own, and that of so many replicas.
    pub fsync: bool,
    /// How long to wait for that; never longer than a command may take.
    pub timeout: Duration,
}

impl Durability {
    /// Whether there is anything to wait for.
    pub fn asks_for_something(&self) -> bool {
        self.replicas > 0 || self.fsync
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.fsync, self.replicas) {
            (true, 0) => f.write_str("the disk"),
            (true, 1) => f.write_str("the disk and that of 1 replica"),
            (true, replicas) => write!(f, "the disk and those of {replicas} replicas"),
            (false, 1) => f.write_str("1 replica"),
            (false, replicas) => write!(f, "{replicas} replicas"),
        }
    }
}

impl From<&str> for Bus {
    fn from(url: &str) -> Self {
        Self { url: url.to_owned(), ..Self::default() }
    }
}

impl From<&String> for Bus {
    fn from(url: &String) -> Self {
        Self::from(url.as_str())
    }
}

impl From<&Bus> for Bus {
    fn from(bus: &Bus) -> Self {
        bus.clone()
    }
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may hold a password in several places; a scheme never does.
        let scheme = self.url.split_once("://").map_or("", |(scheme, _)| scheme);
        write!(f, "Bus({scheme}://***, {:?}, {:?})", self.tls, self.durability)
    }
}
