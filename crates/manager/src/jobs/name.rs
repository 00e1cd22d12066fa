//! How jobs are called: `<worker>-manual-<ms>` where a person asked for it, otherwise
//! `<worker>-<deployment>-<entry>`.
//!
//! Pure. A name says where its job is to be found; nothing remembers names.

use std::fmt;

use printery_events::topology::{WORKERS, Worker};
use printery_fleet::jobs::{MANUAL, is_manual, of_event};
use printery_streams::EntryId;

use crate::cli::explain::search::Item;

/// A job's name, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum JobName {
    /// A person asked for it; the whole text is the event's id too.
    Manual {
        /// The worker.
        worker: &'static str,
        /// The event's id.
        event_id: String,
    },
    /// An event asked for it.
    Event {
        /// The worker.
        worker: &'static str,
        /// The deployment; empty where it is not known.
        deployment: String,
        /// The entry.
        entry: EntryId,
    },
}

impl JobName {
    /// Names the job that a worker has with an entry.
    pub(crate) fn of(worker: &'static Worker, item: &Item) -> Self {
        let worker = worker.name;
        match &item.event_id {
            Some(id) if Self::is_manual(id) && id.starts_with(worker) => {
                Self::Manual { worker, event_id: id.clone() }
            }
            Some(_) | None => Self::Event {
                worker,
                deployment: item.subject().unwrap_or_default().to_owned(),
                entry: item.entry,
            },
        }
    }

    /// Names a job that a person asks for; `again` tells those of one millisecond apart.
    pub(crate) fn manual(worker: &'static Worker, now_ms: u64, again: u32) -> Self {
        let again = if again == 0 { String::new() } else { format!("-{again}") };
        let event_id = format!("{}{MANUAL}{now_ms}{again}", worker.name);
        Self::Manual { worker: worker.name, event_id }
    }

    /// Whether a text is the name of a job that a person asked for.
    pub(crate) fn is_manual(text: &str) -> bool {
        WORKERS.iter().any(|one| is_manual(one.name, text))
    }

    /// Takes a name apart.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (worker, rest) = WORKERS
            .iter()
            .find_map(|one| Some((one.name, text.strip_prefix(one.name)?.strip_prefix('-')?)))?;
        if Self::is_manual(text) {
            return Some(Self::Manual { worker, event_id: text.to_owned() });
        }
        let (rest, seq) = rest.rsplit_once('-')?;
        let (deployment, ms) = rest.rsplit_once('-').unwrap_or(("", rest));
        let entry = format!("{ms}-{seq}").parse().ok()?;
        Some(Self::Event { worker, deployment: deployment.to_owned(), entry })
    }
}

impl fmt::Display for JobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manual { event_id, .. } => f.write_str(event_id),
            Self::Event { worker, deployment, entry } => {
                f.write_str(&of_event(worker, deployment, *entry))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use printery_events::topology::DEPENDENCY_CHECKER;

    use super::*;

    #[test]
    fn a_name_is_taken_apart_as_it_was_made() {
        for (again, text) in
            [(0, "dependency-checker-manual-17"), (2, "dependency-checker-manual-17-2")]
        {
            let name = JobName::manual(&DEPENDENCY_CHECKER, 17, again);
            assert_eq!(name.to_string(), text);
            assert_eq!(JobName::parse(text), Some(name));
        }
        let name = JobName::Event {
            worker: "health-monitor",
            deployment: "d-1-manual-x".to_owned(),
            entry: EntryId { ms: 5, seq: 3 },
        };
        assert_eq!(name.to_string(), "health-monitor-d-1-manual-x-5-3");
        assert_eq!(JobName::parse("health-monitor-d-1-manual-x-5-3"), Some(name));
        for wrong in ["", "validator", "validator-", "nobody-d-5-1", "validator-d-x-1"] {
            assert_eq!(JobName::parse(wrong), None, "{wrong}");
        }
    }
}
