//! The children at one instant, as the supervisor publishes them.
//!
//! Written by the roster; read by the snapshot, the health checks and the service manager above.
//! Values only: nothing here can change a child.

use std::net::SocketAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Where a child stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// It is started when somebody needs it.
    Lazy,
    /// Its turn in the ordered start has not come.
    Waiting,
    /// Its process runs and has not said that it is ready.
    Starting,
    /// It is ready.
    Running,
    /// It ended and will be started again.
    Restarting,
    /// It finishes its work and leaves.
    Stopping,
    /// It left cleanly and stays away.
    Stopped,
    /// It cannot be started, or crashed and stays away.
    Failed,
}

impl State {
    /// Whether a process of it runs.
    pub(crate) fn has_process(self) -> bool {
        matches!(self, Self::Starting | Self::Running | Self::Stopping)
    }
}

/// One child as everybody may see it.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is shown by itself and none follows another"
)]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChildView {
    /// The worker's name.
    pub(crate) worker: String,
    /// Where it stands.
    pub(crate) state: State,
    /// Its process, while it has one.
    pub(crate) pid: Option<u32>,
    /// When that process was started, by this host's clock.
    pub(crate) started_at: Option<Timestamp>,
    /// How often it has been started again.
    pub(crate) restarts: u32,
    /// Where it serves `/health`, `/ready` and `/metrics`.
    pub(crate) http: Option<SocketAddr>,
    /// What it last said about itself.
    pub(crate) status: Option<String>,
    /// How its last process ended.
    pub(crate) last_exit: Option<String>,
    /// Why it is down.
    pub(crate) problem: Option<String>,
    /// It was not ready within the start timeout.
    pub(crate) late: bool,
    /// It has been silent for longer than the watchdog.
    pub(crate) silent: bool,
    /// Somebody wants it to run: it was not told to stay away.
    pub(crate) wanted: bool,
    /// It is started when somebody needs it, and not before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) lazy: bool,
    /// How whoever asked for it calls it, where it is one more than the fleet starts by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) spawn: Option<String>,
}

/// All children at one instant; what the supervisor publishes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Roll {
    /// The children, in the order of their start.
    pub(crate) children: Vec<ChildView>,
    /// The whole fleet is being stopped.
    pub(crate) draining: bool,
}

impl Roll {
    /// Whether every child is ready now.
    pub(crate) fn ready(&self) -> bool {
        let is_well = |child: &ChildView| child.state == State::Running || !child.wanted;
        !self.draining && self.children.iter().all(is_well)
    }

    /// Whether nobody is waited for any more: each child is ready, late, or down for good.
    pub(crate) fn start_is_over(&self) -> bool {
        self.children.iter().all(|child| match child.state {
            State::Lazy | State::Running | State::Stopping | State::Stopped | State::Failed => true,
            State::Starting | State::Restarting => child.late,
            State::Waiting => false,
        })
    }

    /// One line for people.
    pub(crate) fn sentence(&self) -> String {
        let running = self.children.iter().filter(|child| child.state == State::Running).count();
        let doing = if self.draining { "draining: " } else { "" };
        format!("{doing}{running} of {} workers ready", self.children.len())
    }
}
