//! Whose certificates a probe believes.
//!
//! Owns `ca` and `insecure`, which probes over TLS share. The probes crate acts on them. Never reads a certificate.

use std::path::PathBuf;

use serde::Serialize;

use crate::problem::Code;
use crate::table::Table;

/// Says whose certificates are believed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Authorities {
    /// Those of whom this machine trusts.
    #[default]
    Machine,
    /// Those of whom a PEM file names, and of nobody else.
    File(PathBuf),
    /// Anybody's: the connection is encrypted, and it may be with a stranger.
    #[serde(rename = "not verified")]
    Anyone,
}

impl Authorities {
    /// Reads `ca` and `insecure`.
    pub(crate) fn read(table: &mut Table<'_, '_>) -> Self {
        let file = table.text("ca").map(PathBuf::from);
        let at = table.get("insecure").map(|node| node.at);
        let insecure = table.flag("insecure").unwrap_or_default();
        let name = table.name("insecure");
        match (file, insecure, at) {
            (Some(_), true, Some(at)) => {
                let text = format!("{name} and `ca` exclude each other");
                table.reader.report(Code::Conflict, at, text);
                Self::Machine
            }
            (None, true, Some(at)) => {
                let text = format!("{name}: whoever is in between can answer this probe");
                let hint = "name the authority with `ca: /path/to.pem`";
                table.reader.hint(Code::Unverified, at, text, hint);
                Self::Anyone
            }
            (Some(file), ..) => Self::File(file),
            (None, ..) => Self::Machine,
        }
    }

    /// Tells whether anything is said of whom to believe.
    pub(crate) fn is_given(&self) -> bool {
        *self != Self::Machine
    }
}
