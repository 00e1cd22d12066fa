//! What requests work with that look into Redis themselves: the same as commands do.
//!
//! Made once at start of what the manager was told; each request takes a [`Target`] of its own, so
//! that API and command line share every function. It connects to nothing by itself.

use std::sync::Arc;

use arc_swap::ArcSwap;
use printery_config::Fleet;
use printery_events::topology::{WORKERS, Worker};
use printery_harness::settings::Settings;
use printery_streams::Partitions;

use crate::api::error::ApiError;
use crate::archive::Archive;
use crate::cli::output::Output;
use crate::cli::target::Target;

/// The fleet as requests work on it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Desk {
    settings: Arc<Settings>,
    fleet: Arc<ArcSwap<Fleet>>,
    /// Those that it started with: what it collects and tidies, it learned then.
    stages: Arc<[String]>,
    partitions: Partitions,
    archive: Archive,
}

impl Desk {
    /// Puts together what the manager was told.
    pub(crate) fn new(settings: Settings, fleet: Fleet, partitions: Partitions) -> Self {
        let stages = fleet.stages.clone().into();
        let (settings, fleet) = (Arc::new(settings), Arc::new(ArcSwap::from_pointee(fleet)));
        Self { settings, fleet, stages, partitions, archive: Archive::default() }
    }

    /// Adds what remembers jobs beyond Redis.
    pub(crate) fn with(self, archive: Archive) -> Self {
        Self { archive, ..self }
    }

    /// Works by this fleet file from now on.
    pub(crate) fn renew(&self, fleet: Arc<Fleet>) {
        self.fleet.store(fleet);
    }

    /// What remembers jobs beyond Redis, or that nothing does.
    pub(crate) fn archive(&self) -> &Archive {
        &self.archive
    }

    /// What one request works on; its connection is made when it is first used.
    pub(crate) fn target(&self) -> Target {
        let (fleet, partitions) = (self.fleet.load_full(), self.partitions.clone());
        Target::of((*self.settings).clone(), fleet, partitions, Output::nowhere())
    }

    /// The stages of the fleet's deployments.
    pub(crate) fn stages(&self) -> &[String] {
        &self.stages
    }
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Desk({})", self.partitions.home().keys.prefix())
    }
}

/// Finds a worker by its name or one of its aliases.
pub(crate) fn worker_at(name: &str) -> Result<&'static Worker, ApiError> {
    Worker::find(name).ok_or_else(|| {
        let known: Vec<&str> = WORKERS.iter().map(|worker| worker.name).collect();
        ApiError::not_found(format!("there is no worker {name:?}"))
            .with_details(serde_json::json!({ "workers": known }))
    })
}
