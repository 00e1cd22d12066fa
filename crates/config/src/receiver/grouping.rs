//! Which notices people get as one message.
//!
//! Owns `notifier.group`. The notifier gathers by it. Never knows a notice.

use std::time::Duration;

use serde::Serialize;

use crate::problem::Code;
use crate::route::ROUTE_VARIABLES;
use crate::shown;
use crate::suggest::nearest;
use crate::table::Table;

/// The word that every group has unless the file says otherwise.
const DEPLOYMENT: &str = "deployment_id";

/// Says which notices become one message, and how long one waits for others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Grouping {
    /// What the notices of a group have in common, of [`ROUTE_VARIABLES`].
    pub by: Vec<String>,
    /// How long the first one waits for others.
    #[serde(serialize_with = "shown::duration")]
    pub wait: Duration,
    /// The least time between two messages of a group.
    #[serde(serialize_with = "shown::duration")]
    pub interval: Duration,
    /// How long the same words are not said again.
    #[serde(serialize_with = "shown::duration")]
    pub repeat: Duration,
}

impl Default for Grouping {
    fn default() -> Self {
        Self {
            by: vec![DEPLOYMENT.to_owned()],
            wait: Duration::from_secs(2),
            interval: Duration::from_secs(30),
            repeat: Duration::from_secs(4 * 60 * 60),
        }
    }
}

impl Grouping {
    /// Tells whether a group is a deployment.
    pub fn is_by_deployment(&self) -> bool {
        self.by.iter().all(|word| word == DEPLOYMENT)
    }

    /// Reads `group: { by, wait, interval, repeat }`.
    pub(super) fn read(mut table: Table<'_, '_>) -> Self {
        let usual = Self::default();
        let by = table.texts("by").unwrap_or_default();
        for (word, at) in &by {
            if !ROUTE_VARIABLES.contains(&word.as_str()) {
                let hint = nearest(word, ROUTE_VARIABLES).map_or_else(
                    || format!("notices have {}", ROUTE_VARIABLES.join(", ")),
                    |near| format!("did you mean `{near}`?"),
                );
                let text = format!("nothing can be grouped by `{word}`");
                table.reader.hint(Code::UnknownName, *at, text, hint);
            }
        }
        let by: Vec<String> = by.into_iter().map(|(word, _)| word).collect();
        let read = Self {
            by: if by.is_empty() { usual.by } else { by },
            wait: table.duration("wait").unwrap_or(usual.wait),
            interval: table.duration("interval").unwrap_or(usual.interval),
            repeat: table.duration("repeat").unwrap_or(usual.repeat),
        };
        table.close();
        read
    }
}
