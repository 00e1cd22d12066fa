//! Whom to tell when nobody does anything about it.
//!
//! Owns `escalate:` of a route. The notifier goes by it some time after it told somebody. Never
//! knows whether anybody did.

use std::time::Duration;

use serde::Serialize;

use crate::problem::Code;
use crate::reader::Refers;
use crate::shown;
use crate::table::Table;

/// Characters of all names together, with room for the rest of what the notifier notes down.
const LONGEST: usize = 180;

/// Says who is told when something has been neither resolved nor acknowledged for a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Escalate {
    /// How long it may stand.
    #[serde(serialize_with = "shown::duration")]
    pub after: Duration,
    /// Names of receivers.
    pub to: Vec<String>,
}

impl Escalate {
    /// Reads `escalate: { after: 10m, to: [oncall] }`.
    pub(crate) fn read(mut table: Table<'_, '_>) -> Option<Self> {
        table.must("after");
        table.must("to");
        let after = table.span("after");
        let to = table.texts("to").unwrap_or_default();
        for (name, at) in &to {
            table.reader.refer(Refers::Receiver, name, *at);
        }
        let names: Vec<String> = to.iter().map(|(name, _)| name.clone()).collect();
        if let Some((_, at)) = to.first().filter(|_| names.join(",").len() > LONGEST) {
            let text = format!("an escalation names receivers of at most {LONGEST} characters");
            table.reader.report(Code::BadValue, *at, text);
        }
        table.close();
        Some(Self { after: after?, to: names }).filter(|read| !read.to.is_empty())
    }
}
