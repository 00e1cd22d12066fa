//! Which addresses the fleet's own requests may reach.
//!
//! Owns the `egress:` section. The probes' guard enforces it for probes and senders. Never
//! resolves a name.

use serde::Serialize;

use crate::table::Table;

/// Holds what the egress guard allows beyond its own rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EgressRules {
    /// Host globs (`*.shop.internal`), addresses and networks (`10.0.0.0/8`); when not empty,
    /// nothing else is reached but, with `allow_loopback`, this machine; senders reach private
    /// addresses only through it.
    pub allow: Vec<String>,
    /// Lets probes and senders reach this machine itself.
    pub allow_loopback: bool,
}

impl EgressRules {
    /// Reads the `egress:` section.
    pub(crate) fn read(top: &mut Table<'_, '_>) -> Self {
        let Some(mut table) = top.table("egress") else { return Self::default() };
        let allow = table.texts("allow").unwrap_or_default();
        let read = Self {
            allow: allow.into_iter().map(|(rule, _)| rule).collect(),
            allow_loopback: table.flag("allow_loopback").unwrap_or_default(),
        };
        table.close();
        read
    }
}
