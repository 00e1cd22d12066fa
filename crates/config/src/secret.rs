//! A text that is used but never shown.
//!
//! Owns the one type for tokens, passwords and signing keys of the fleet file. The sections hold
//! it and the senders expose it at the moment of use. Never prints its value: not by `Debug`, not
//! by `Display`, not by `Serialize`.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, Serializer};

/// What stands in place of a secret wherever one would be printed.
pub(crate) const MASK: &str = "***";

/// Holds a secret text; every form of output shows `***`.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Wraps a text.
    pub fn new(text: String) -> Self {
        Self(SecretString::from(text))
    }

    /// Gives the text to the code that must use it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(MASK)
    }
}
