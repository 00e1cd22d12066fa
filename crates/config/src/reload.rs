//! A fleet file that may change while the process runs.
//!
//! Owns the one that applies and the decision to take a newer one: only a file without errors is ever taken, and only when it, or
//! something it names, really changed. Whoever runs a process asks it on a signal or from time to time. Never watches by itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::fleet::Fleet;
use crate::interpolate::Env;
use crate::problem::Problems;

/// Holds the fleet file that applies now.
#[derive(Debug)]
pub struct FleetFile {
    /// `None`: the built-in profile.
    path: Option<PathBuf>,
    current: Arc<Fleet>,
    /// What the file system said of the file when it was last read, taken or not.
    seen: Option<Seen>,
    /// What it said when it was last looked at.
    looked: Option<Seen>,
}

/// Says what became of a file that was read again.
#[derive(Clone, Debug)]
pub enum Reloaded {
    /// Everything is as it was.
    Unchanged,
    /// It applies from now on.
    Taken {
        /// What applies now.
        fleet: Arc<Fleet>,
        /// What changed as well and needs a restart: names of top-level sections.
        restart: Vec<&'static str>,
    },
}

/// What tells at little cost that a file was probably written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    modified: Option<SystemTime>,
    length: u64,
}

impl Seen {
    /// Looks at the file behind all links: a mounted configuration is often one that is turned to another folder.
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self { modified: metadata.modified().ok(), length: metadata.len() })
    }
}

impl FleetFile {
    /// Loads the file, or the built-in profile when there is none.
    ///
    /// # Errors
    /// Everything that is wrong with the file at once.
    pub fn load(path: Option<&Path>, env: Env<'_>) -> Result<Self, Problems> {
        // Looked at before it is read: what is written in between is seen as new.
        let seen = path.and_then(Seen::of);
        let current = Arc::new(Fleet::load(path, env)?);
        Ok(Self { path: path.map(Path::to_owned), current, seen, looked: seen })
    }

    /// Returns what applies now.
    pub fn current(&self) -> &Arc<Fleet> {
        &self.current
    }

    /// Tells whether the file was written since it was last read, and not since it was last looked at: half of a file may
    /// be a valid one. Files that it names are not looked at.
    pub fn is_written(&mut self) -> bool {
        let now = self.path.as_deref().and_then(Seen::of);
        let rests = now == self.looked;
        self.looked = now;
        // A file that is gone is about to come back: whoever writes it anew may remove it first.
        rests && now.is_some() && now != self.seen
    }

    /// Reads the file again, with everything that it names, and takes it if it is right and something changed.
    ///
    /// # Errors
    /// Everything that is wrong with the file at once; what applied before still does.
    pub fn reload(&mut self, env: Env<'_>) -> Result<Reloaded, Problems> {
        self.seen = self.path.as_deref().and_then(Seen::of);
        let fleet = Fleet::load(self.path.as_deref(), env)?;
        if fleet.fingerprint == self.current.fingerprint {
            return Ok(Reloaded::Unchanged);
        }
        let restart = self.current.needs_restart(&fleet);
        let fleet = Arc::new(fleet);
        self.current = Arc::clone(&fleet);
        Ok(Reloaded::Taken { fleet, restart })
    }
}

impl Fleet {
    /// Names the sections whose change a running process cannot follow: they say what it is connected to and reads.
    fn needs_restart(&self, new: &Self) -> Vec<&'static str> {
        let engine = |fleet: &Self| serde_json::to_value(&fleet.engine).unwrap_or_default();
        let redis =
            |fleet: &Self| fleet.engine.redis_url.as_ref().map(|url| url.expose().to_owned());
        let mut sections = Vec::new();
        if engine(self) != engine(new) || redis(self) != redis(new) {
            sections.push("engine");
        }
        if (&self.listen, &self.tokens_file) != (&new.listen, &new.tokens_file) {
            sections.push("server");
        }
        if self.stages != new.stages {
            sections.push("stages");
        }
        let store = |fleet: &Self| {
            (fleet.store.address.as_ref().map(|it| it.expose().to_owned()), fleet.store.keep)
        };
        if store(self) != store(new) {
            sections.push("store");
        }
        sections
    }
}
