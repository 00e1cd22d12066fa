//! One child of the roster: its view, its history, and the small steps that change both.
//!
//! The roster decides; this file only carries out. It knows no other child.

use std::time::Instant;

use crate::restart::{Decision, Exit, History};
use crate::roll::{ChildView, State};

/// One child: what the fleet sees of it, and what has been decided about it.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) view: ChildView,
    /// Which stage of the start it belongs to.
    pub(super) stage: usize,
    pub(super) history: History,
    pub(super) since: Option<Instant>,
    pub(super) restart_at: Option<Instant>,
    /// What is to follow its exit, where somebody ordered it to leave.
    pub(super) after: Option<After>,
}

/// What follows an exit that was ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// It stays away.
    Stay,
    /// It is started again at once.
    Again,
}

impl Slot {
    pub(super) fn waiting(worker: &str, stage: usize) -> Self {
        let view = ChildView {
            worker: worker.to_owned(),
            state: State::Waiting,
            pid: None,
            started_at: None,
            restarts: 0,
            http: None,
            status: None,
            last_exit: None,
            problem: None,
            late: false,
            silent: false,
            wanted: true,
            lazy: false,
            spawn: None,
        };
        let history = History::default();
        Self { view, stage, history, since: None, restart_at: None, after: None }
    }

    /// Keeps it from being started before somebody needs it.
    pub(super) fn set_lazy(&mut self) {
        // Of no stage: no start begins it.
        self.stage = usize::MAX;
        self.view.state = State::Lazy;
        self.view.lazy = true;
        self.view.wanted = false;
    }

    pub(super) fn is_gone(&self) -> bool {
        !self.view.state.has_process()
    }

    /// Forgets what belonged to the process that has ended.
    pub(super) fn leave(&mut self, exit: Exit) {
        self.since = None;
        self.view.pid = None;
        self.view.started_at = None;
        self.view.http = None;
        self.view.status = None;
        self.view.silent = false;
        self.view.last_exit = Some(exit.to_string());
    }

    /// Starts it with the next tick and a clean slate: a person wants it.
    pub(super) fn start_anew(&mut self, now: Instant) {
        self.history = History::default();
        self.restart_at = Some(now);
        self.view.state = State::Restarting;
        self.view.problem = None;
    }

    pub(super) fn follow(&mut self, decision: Decision, now: Instant) {
        match decision {
            Decision::Restart { after, .. } => {
                self.view.state = State::Restarting;
                self.restart_at = Some(now + after);
            }
            Decision::Fail(failure) => {
                self.view.state = State::Failed;
                self.view.problem = Some(failure.to_string());
            }
            Decision::Stop => self.view.state = State::Stopped,
        }
    }
}
