//! What `--worker` says: everybody, one, or nobody.

use printery_events::topology::{WORKERS, Worker, every};

/// What is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Every worker, as children.
    All,
    /// One worker.
    One(&'static Worker),
    /// No worker: control plane only.
    ControlPlane,
}

impl Mode {
    /// The workers that this manager starts, in their order.
    pub(crate) fn workers(self) -> Vec<&'static Worker> {
        match self {
            Self::All => WORKERS.to_vec(),
            Self::One(worker) => vec![worker],
            Self::ControlPlane => Vec::new(),
        }
    }

    /// The value of `--worker` that means this.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::One(worker) => worker.name,
            Self::ControlPlane => "none",
        }
    }
}

/// The values of `--worker`, for people.
pub(super) fn worker_words() -> String {
    let mut words = vec!["all".to_owned(), "none".to_owned()];
    for worker in every() {
        words.push(worker.name.to_owned());
        words.extend(worker.aliases.iter().map(|alias| (*alias).to_owned()));
    }
    words.join(", ")
}
