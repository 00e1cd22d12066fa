//! Where jobs are remembered for longer than Redis keeps them.
//!
//! Owns the `store:` section, the layer below `--store-url`. The manager starts the store with it,
//! the store keeps by it. Never opens anything.

use std::time::Duration;

use serde::Serialize;

use crate::problem::Code;
use crate::secret::Secret;
use crate::shown;
use crate::table::Table;

/// Says where jobs are kept, and for how long.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Store {
    /// A file, or `postgres://…` with its password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Secret>,
    /// Jobs that ended longer ago are forgotten; `None`: none is.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "shown::optional_duration")]
    pub keep: Option<Duration>,
}

impl Store {
    /// Reads `store: { sqlite: /var/lib/printery/history.db, keep: 30d }`.
    pub(crate) fn read(top: &mut Table<'_, '_>) -> Self {
        let Some(mut table) = top.table("store") else { return Self::default() };
        let sqlite = table.text("sqlite").map(Secret::new);
        let postgres = table.secret("postgres");
        if let Some(url) = &postgres
            && !is_postgres(url.expose())
        {
            let text = format!("{} must begin with postgres://", table.name("postgres"));
            table.reader.report(Code::BadValue, table.at, text);
        }
        if sqlite.is_some() && postgres.is_some() {
            let text = format!("{} and `postgres` are two places", table.name("sqlite"));
            table.reader.report(Code::Conflict, table.at, text);
        }
        let read = Self { address: sqlite.or(postgres), keep: table.span("keep") };
        table.close();
        read
    }
}

/// Whether an address of jobs is one of PostgreSQL; everything else is a file.
pub fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}
