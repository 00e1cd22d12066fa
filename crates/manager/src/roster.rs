//! The children as a state machine: who is to be started, signalled or given up, and when.
//!
//! The supervisor feeds it events and the time, and carries out the actions that it returns. It
//! holds no process, no clock and no channel, so every order of events can be tried in a test.

mod slot;

use std::time::{Duration, Instant};

use jiff::Timestamp;
use printery_fleet::orders::Verb;
use printery_harness::exit;

use crate::notify::Notice;
use crate::restart::{Decision, Exit, History, RestartPolicy};
use crate::roll::{Roll, State};
use slot::{After, Slot};

/// How long children get to react to a signal that reached the whole process group (Ctrl-C) or all
/// processes by name, before they get ours: a second SIGTERM would make them drop their work.
const ECHO_GRACE: Duration = Duration::from_millis(200);
/// Longest time between two SIGTERMs of a drain: the order is kept where children leave at once,
/// and slow ones still get nearly all of the time.
const STAGGER: Duration = Duration::from_millis(250);
/// How the children are started, restarted and stopped.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// What follows an exit.
    pub(crate) restart: RestartPolicy,
    /// How long one stage of the start may take before the next begins anyway.
    pub(crate) start_timeout: Duration,
    /// How long running handlers may go on after SIGTERM.
    pub(crate) shutdown_timeout: Duration,
    /// What children get on top of that before they are killed.
    pub(crate) hand_back: Duration,
}

/// What the supervisor has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Start the process of the child at this place.
    Start(usize),
    /// Send it SIGTERM.
    Terminate(usize),
    /// Send it SIGKILL.
    Kill(usize),
}

/// How the whole ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Every child left by itself and finished its work.
    Clean,
    /// Some child handed work back or had to be killed.
    DeadlinePassed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    Draining(Drain),
    Stopping,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Drain {
    /// Who was told to leave last.
    told: Option<usize>,
    /// When the next one is told though the last has not left yet.
    next_at: Instant,
    /// When whoever still runs is killed.
    deadline: Instant,
}

/// The children and what has been decided about them.
#[derive(Debug)]
pub(crate) struct Roster {
    plan: Plan,
    slots: Vec<Slot>,
    phase: Phase,
    /// The stage that is being started, and when the next begins at the latest.
    stage: usize,
    stage_deadline: Option<Instant>,
    deadline_passed: bool,
}

impl Roster {
    /// Enrols the workers of each stage; nothing is started yet.
    pub(crate) fn new(plan: Plan, stages: &[Vec<&str>]) -> Self {
        let slots = stages.iter().enumerate().flat_map(|(stage, workers)| {
            workers.iter().map(move |worker| Slot::waiting(worker, stage))
        });
        Self {
            plan,
            slots: slots.collect(),
            phase: Phase::Running,
            stage: 0,
            stage_deadline: None,
            deadline_passed: false,
        }
    }

    /// Begins the ordered start.
    pub(crate) fn begin(&mut self, now: Instant) -> Vec<Action> {
        self.begin_stage(now)
    }

    /// Takes note that a child's process runs.
    pub(crate) fn spawned(&mut self, place: usize, pid: u32, now: Instant, at: Timestamp) {
        let Some(slot) = self.slots.get_mut(place) else { return };
        slot.since = Some(now);
        slot.view.pid = Some(pid);
        slot.view.started_at = Some(at);
        slot.view.state = State::Starting;
    }

    /// Takes note that a child's process cannot be started at all.
    pub(crate) fn not_spawned(&mut self, place: usize, problem: String) {
        let Some(slot) = self.slots.get_mut(place) else { return };
        slot.view.state = State::Failed;
        slot.view.problem = Some(problem);
    }

    /// Takes note of what a child says.
    pub(crate) fn said(&mut self, place: usize, notice: Notice) {
        let Some(slot) = self.slots.get_mut(place) else { return };
        match notice {
            Notice::Ready if slot.view.state == State::Starting => {
                slot.view.state = State::Running;
                slot.view.late = false;
            }
            Notice::Stopping if slot.view.state.has_process() => slot.view.state = State::Stopping,
            Notice::Ready | Notice::Stopping | Notice::Alive => {}
            Notice::Status(text) => slot.view.status = Some(text),
            Notice::Http(address) => slot.view.http = Some(address),
        }
    }

    /// Takes note that a child is silent, or heard again.
    pub(crate) fn silent(&mut self, place: usize, silent: bool) {
        if let Some(slot) = self.slots.get_mut(place) {
            slot.view.silent = silent;
        }
    }

    /// Decides about a child that has ended; none when it was asked to.
    pub(crate) fn exited(
        &mut self,
        place: usize,
        exit: Exit,
        now: Instant,
        chance: f64,
    ) -> Option<Decision> {
        let running = self.phase == Phase::Running;
        let policy = self.plan.restart;
        let slot = self.slots.get_mut(place)?;
        let uptime = slot.since.map_or(Duration::ZERO, |since| now.duration_since(since));
        slot.leave(exit);
        if !running {
            slot.view.state = State::Stopped;
            self.deadline_passed |= exit == Exit::Code(exit::DEADLINE);
            return None;
        }
        match slot.after.take() {
            Some(After::Stay) => {
                slot.view.state = State::Stopped;
                return None;
            }
            Some(After::Again) => {
                slot.start_anew(now);
                return None;
            }
            None => {}
        }
        let (decision, history) = policy.decide(exit, slot.history, uptime, chance);
        slot.history = history;
        slot.follow(decision, now);
        Some(decision)
    }

    /// Keeps a child from being started before somebody needs it.
    pub(crate) fn set_lazy(&mut self, place: usize) {
        if let Some(slot) = self.slots.get_mut(place) {
            slot.set_lazy();
        }
    }

    /// Has a child started that is lazy and does not run; somebody needs it now.
    pub(crate) fn need(&mut self, place: usize) -> Vec<Action> {
        let running = self.phase == Phase::Running;
        let Some(slot) = self.slots.get_mut(place).filter(|slot| running && slot.view.lazy) else {
            return Vec::new();
        };
        if !matches!(slot.view.state, State::Lazy | State::Stopped | State::Failed) {
            return Vec::new();
        }
        slot.history = History::default();
        slot.view.problem = None;
        slot.view.wanted = true;
        vec![Action::Start(place)]
    }

    /// Restarts of a child in a row since it was last stable.
    pub(crate) fn restarts_in_a_row(&self, place: usize) -> u32 {
        self.slots.get(place).map_or(0, |slot| slot.history.restarts)
    }

    /// Enrols one more process of a worker, which the caller starts at once; none while all of them
    /// are being stopped.
    pub(crate) fn enrol(&mut self, worker: &str, spawn: String) -> Option<usize> {
        if self.phase != Phase::Running {
            return None;
        }
        let mut slot = Slot::waiting(worker, self.stage);
        slot.view.spawn = Some(spawn);
        self.slots.push(slot);
        Some(self.slots.len() - 1)
    }

    /// Does what somebody ordered of a child; nothing while all of them are being stopped.
    pub(crate) fn obey(&mut self, place: usize, verb: Verb, now: Instant) -> Vec<Action> {
        let running = self.phase == Phase::Running;
        let Some(slot) = self.slots.get_mut(place).filter(|_| running) else { return Vec::new() };
        let runs = slot.view.state.has_process();
        slot.view.wanted = verb == Verb::Restart;
        match verb {
            Verb::Kill if runs => {
                slot.after = Some(After::Stay);
                vec![Action::Kill(place)]
            }
            Verb::Stop | Verb::Drain | Verb::Restart if runs => {
                let after = if verb == Verb::Restart { After::Again } else { After::Stay };
                slot.after = Some(after);
                // A second SIGTERM would make it drop its work.
                let told = std::mem::replace(&mut slot.view.state, State::Stopping);
                let again = told == State::Stopping;
                if again { Vec::new() } else { vec![Action::Terminate(place)] }
            }
            Verb::Restart => {
                slot.start_anew(now);
                Vec::new()
            }
            Verb::Stop | Verb::Drain | Verb::Kill => {
                slot.restart_at = None;
                slot.view.state = State::Stopped;
                Vec::new()
            }
        }
    }

    /// Begins to stop all children, the last started first.
    pub(crate) fn drain(&mut self, now: Instant) {
        if self.phase != Phase::Running {
            return;
        }
        let deadline = now + self.plan.shutdown_timeout + self.plan.hand_back;
        let drain = Drain { told: None, next_at: now + ECHO_GRACE, deadline };
        self.phase = Phase::Draining(drain);
        for slot in &mut self.slots {
            if matches!(slot.view.state, State::Lazy | State::Waiting | State::Restarting) {
                slot.view.state = State::Stopped;
                slot.restart_at = None;
            }
        }
    }

    /// Kills every child that still runs.
    pub(crate) fn stop_at_once(&mut self) -> Vec<Action> {
        self.phase = Phase::Stopping;
        let alive = self.alive();
        self.deadline_passed |= !alive.is_empty();
        alive.into_iter().map(Action::Kill).collect()
    }

    /// Does what has become due.
    pub(crate) fn tick(&mut self, now: Instant) -> Vec<Action> {
        match self.phase {
            Phase::Running => {
                let mut actions = self.due_restarts(now);
                if self.stage_is_over(now) {
                    self.stage += 1;
                    actions.extend(self.begin_stage(now));
                }
                actions
            }
            Phase::Draining(drain) if now >= drain.deadline => self.stop_at_once(),
            Phase::Draining(drain) => self.drain_step(now, drain),
            Phase::Stopping => Vec::new(),
        }
    }

    /// When [`Roster::tick`] must be called at the latest.
    pub(crate) fn next_wake(&self) -> Option<Instant> {
        match self.phase {
            Phase::Running => {
                let restarts = self.slots.iter().filter_map(|slot| slot.restart_at);
                restarts.chain(self.stage_deadline).min()
            }
            Phase::Draining(drain) if self.untold().is_some() => {
                Some(drain.next_at.min(drain.deadline))
            }
            Phase::Draining(drain) => Some(drain.deadline),
            Phase::Stopping => None,
        }
    }

    /// Whether whoever runs has been killed.
    pub(crate) fn is_stopping(&self) -> bool {
        self.phase == Phase::Stopping
    }

    /// How it ended, once nothing runs any more after a drain.
    pub(crate) fn ending(&self) -> Option<Ending> {
        let over = self.phase != Phase::Running && self.alive().is_empty();
        over.then_some(if self.deadline_passed { Ending::DeadlinePassed } else { Ending::Clean })
    }

    /// The children as everybody may see them.
    pub(crate) fn roll(&self) -> Roll {
        Roll {
            children: self.slots.iter().map(|slot| slot.view.clone()).collect(),
            draining: self.phase != Phase::Running,
        }
    }

    fn begin_stage(&mut self, now: Instant) -> Vec<Action> {
        let stage = self.stage;
        let due: Vec<_> = self.places(|slot| slot.stage == stage).map(Action::Start).collect();
        self.stage_deadline = (!due.is_empty()).then(|| now + self.plan.start_timeout);
        due
    }

    /// Whether the next stage may begin; marks whoever is late.
    fn stage_is_over(&mut self, now: Instant) -> bool {
        let Some(deadline) = self.stage_deadline else { return false };
        let stage = self.stage;
        let mut over = true;
        for slot in self.slots.iter_mut().filter(|slot| slot.stage == stage) {
            if matches!(slot.view.state, State::Waiting | State::Starting | State::Restarting) {
                slot.view.late = now >= deadline;
                over &= slot.view.late;
            }
        }
        over
    }

    fn due_restarts(&mut self, now: Instant) -> Vec<Action> {
        let is_due = |slot: &Slot| slot.restart_at.is_some_and(|at| now >= at);
        let due: Vec<usize> = self.places(is_due).collect();
        for slot in self.slots.iter_mut().filter(|slot| is_due(slot)) {
            slot.restart_at = None;
            slot.view.restarts = slot.view.restarts.saturating_add(1);
        }
        due.into_iter().map(Action::Start).collect()
    }

    /// Tells one more child to leave, when the one before it has left or had its head start.
    fn drain_step(&mut self, now: Instant, drain: Drain) -> Vec<Action> {
        let told_left =
            drain.told.and_then(|place| self.slots.get(place)).is_some_and(Slot::is_gone);
        let Some(place) = self.untold().filter(|_| told_left || now >= drain.next_at) else {
            return Vec::new();
        };
        if let Some(slot) = self.slots.get_mut(place) {
            slot.view.state = State::Stopping;
        }
        self.phase = Phase::Draining(Drain { told: Some(place), next_at: now + STAGGER, ..drain });
        vec![Action::Terminate(place)]
    }

    /// The last started child that runs and has not been told to leave.
    fn untold(&self) -> Option<usize> {
        let untold = |slot: &Slot| matches!(slot.view.state, State::Starting | State::Running);
        self.slots.iter().rposition(untold)
    }

    fn alive(&self) -> Vec<usize> {
        self.places(|slot| slot.view.state.has_process()).collect()
    }

    fn places(&self, wanted: impl Fn(&Slot) -> bool) -> impl Iterator<Item = usize> {
        self.slots.iter().enumerate().filter(move |(_, slot)| wanted(slot)).map(|(place, _)| place)
    }
}

#[cfg(test)]
#[path = "roster_tests.rs"]
mod tests;
