//! The keys that webhooks are signed with.
//!
//! Owns their form. A webhook receiver holds one for each side of a rotation. Never shows one.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secrecy::{ExposeSecret, SecretSlice};
use serde::{Serialize, Serializer};

use crate::node::{Node, Value};
use crate::problem::Code;
use crate::scalar;
use crate::secret::MASK;
use crate::table::Table;

/// Holds a signing key, decoded.
#[derive(Clone)]
pub struct SigningKey(SecretSlice<u8>);

impl SigningKey {
    /// The least length Standard Webhooks allows, in bytes.
    const LEAST: usize = 24;

    /// Decodes `whsec_<base64>`; the prefix may be missing.
    pub fn try_new(text: &str) -> Result<Self, &'static str> {
        let encoded = text.trim();
        let encoded = encoded.strip_prefix("whsec_").unwrap_or(encoded);
        let Ok(key) = BASE64.decode(encoded) else { return Err("must be `whsec_` and base64") };
        if key.len() < Self::LEAST {
            return Err("must hold at least 24 bytes");
        }
        Ok(Self(SecretSlice::from(key)))
    }

    /// Gives the bytes to the code that signs.
    pub fn expose(&self) -> &[u8] {
        self.0.expose_secret()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl Serialize for SigningKey {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(MASK)
    }
}

/// Reads `secret: …` or `secret: [new, old]`.
pub(super) fn signing_keys(webhook: &mut Table<'_, '_>) -> Vec<SigningKey> {
    let what = webhook.name("secret");
    let Some(node) = webhook.must("secret") else { return Vec::new() };
    let items = match &node.value {
        Value::List(items) => items.as_slice(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::Table(_) => {
            std::slice::from_ref(node)
        }
    };
    let key = |item: &Node| {
        let secret = scalar::secret(webhook.reader, item, &what)?;
        let key = SigningKey::try_new(secret.expose());
        let report = |why| webhook.reader.report(Code::BadValue, item.at, format!("{what} {why}"));
        key.map_err(report).ok()
    };
    items.iter().filter_map(key).collect()
}
