//! Orders of events that the roster must survive, told as values and times.

use super::*;
use crate::restart::Reason;

const SECOND: Duration = Duration::from_secs(1);

fn plan(supervised: bool) -> Plan {
    Plan {
        restart: RestartPolicy { supervised, backoff: SECOND, max_restarts: 3 },
        start_timeout: 30 * SECOND,
        shutdown_timeout: 30 * SECOND,
        hand_back: 2 * SECOND,
    }
}

/// A roster of one worker that starts first and two that follow, and a clock that is told to move.
struct Told {
    roster: Roster,
    now: Instant,
}

impl Told {
    fn new(supervised: bool) -> Self {
        let stages = [vec!["validator"], vec!["dependency-checker", "notifier"]];
        Self { roster: Roster::new(plan(supervised), &stages), now: Instant::now() }
    }

    /// A roster whose children all run.
    fn running(supervised: bool) -> Self {
        let mut told = Self::new(supervised);
        assert_eq!(told.begin(), [Action::Start(0)]);
        told.ready(0);
        assert_eq!(told.after(Duration::ZERO), [Action::Start(1), Action::Start(2)]);
        told.ready(1);
        told.ready(2);
        assert!(told.roster.roll().ready());
        told
    }

    fn begin(&mut self) -> Vec<Action> {
        self.roster.begin(self.now)
    }

    fn after(&mut self, pause: Duration) -> Vec<Action> {
        self.now += pause;
        self.roster.tick(self.now)
    }

    fn spawned(&mut self, place: usize) {
        self.roster.spawned(place, 100, self.now, Timestamp::UNIX_EPOCH);
    }

    fn ready(&mut self, place: usize) {
        self.spawned(place);
        self.roster.said(place, Notice::Ready);
    }

    fn exited(&mut self, place: usize, exit: Exit) -> Option<Decision> {
        self.roster.exited(place, exit, self.now, 0.0)
    }

    fn states(&self) -> Vec<State> {
        self.roster.roll().children.iter().map(|child| child.state).collect()
    }
}

#[test]
fn the_validator_is_ready_before_the_others_start() {
    let mut told = Told::new(false);
    assert_eq!(told.begin(), [Action::Start(0)]);
    told.spawned(0);
    assert_eq!(told.after(29 * SECOND), []);
    assert_eq!(told.states(), [State::Starting, State::Waiting, State::Waiting]);
    told.roster.said(0, Notice::Ready);
    assert_eq!(told.after(Duration::ZERO), [Action::Start(1), Action::Start(2)]);
}

#[test]
fn the_others_start_late_when_the_validator_is_not_ready_in_time() {
    let mut told = Told::new(false);
    told.begin();
    told.spawned(0);
    assert_eq!(told.roster.next_wake(), Some(told.now + 30 * SECOND));
    assert_eq!(told.after(30 * SECOND), [Action::Start(1), Action::Start(2)]);
    assert!(told.roster.roll().children[0].late);
    told.ready(1);
    told.ready(2);
    assert!(told.roster.roll().start_is_over() && !told.roster.roll().ready());
    told.roster.said(0, Notice::Ready);
    assert!(told.roster.roll().ready() && !told.roster.roll().children[0].late);
}

#[test]
fn a_worker_that_cannot_start_does_not_hold_the_others_back() {
    let mut told = Told::new(true);
    told.begin();
    told.roster.not_spawned(0, "no such file".to_owned());
    assert_eq!(told.after(Duration::ZERO), [Action::Start(1), Action::Start(2)]);
    let roll = told.roster.roll();
    assert_eq!(roll.children[0].problem.as_deref(), Some("no such file"));
    assert!(!roll.ready());
}

#[test]
fn a_crashed_child_stays_failed_when_unsupervised() {
    let mut told = Told::running(false);
    told.exited(1, Exit::Signal(9));
    assert_eq!(told.after(3600 * SECOND), []);
    assert_eq!(told.states(), [State::Running, State::Failed, State::Running]);
    assert_eq!(told.roster.roll().children[1].last_exit.as_deref(), Some("ended by signal 9"));
}

#[test]
fn a_crashed_child_is_restarted_after_its_backoff_until_the_limit() {
    let mut told = Told::running(true);
    for wait in [1, 2, 4] {
        let decision = told.exited(2, Exit::Signal(9));
        let after = wait * SECOND;
        assert_eq!(decision, Some(Decision::Restart { after, reason: Reason::Crash }));
        assert_eq!(told.after(after.saturating_sub(Duration::from_millis(1))), []);
        assert_eq!(told.after(Duration::from_millis(1)), [Action::Start(2)]);
        assert_eq!(told.after(Duration::ZERO), [], "started once");
        told.ready(2);
    }
    told.exited(2, Exit::Signal(9));
    assert_eq!(told.states(), [State::Running, State::Running, State::Failed]);
    assert_eq!(told.roster.roll().children[2].restarts, 3);
}

#[test]
fn a_drain_tells_the_last_started_first_and_each_next_when_the_one_before_has_left() {
    let mut told = Told::running(true);
    told.roster.drain(told.now);
    assert_eq!(told.after(Duration::ZERO), [], "an echo of the same signal may still arrive");
    assert_eq!(told.after(ECHO_GRACE), [Action::Terminate(2)]);
    assert_eq!(told.after(Duration::ZERO), []);
    for (left, next) in [(2, 1), (1, 0)] {
        assert_eq!(told.exited(left, Exit::Code(0)), None);
        assert_eq!(told.after(Duration::ZERO), [Action::Terminate(next)]);
    }
    assert_eq!(told.roster.ending(), None);
    told.exited(0, Exit::Code(0));
    assert_eq!(told.roster.ending(), Some(Ending::Clean));
}

#[test]
fn a_slow_child_does_not_use_up_the_time_of_the_others() {
    let mut told = Told::running(true);
    told.roster.drain(told.now);
    assert_eq!(told.after(ECHO_GRACE), [Action::Terminate(2)]);
    assert_eq!(told.after(STAGGER), [Action::Terminate(1)]);
    assert_eq!(told.after(STAGGER), [Action::Terminate(0)]);
    told.exited(0, Exit::Code(0));
    told.exited(1, Exit::Code(75));
    told.exited(2, Exit::Code(0));
    assert_eq!(told.roster.ending(), Some(Ending::DeadlinePassed));
}

#[test]
fn who_outstays_the_deadline_is_killed() {
    let mut told = Told::running(false);
    told.roster.drain(told.now);
    let deadline = told.now + 32 * SECOND;
    for _ in 0..3 {
        told.after(STAGGER);
    }
    told.exited(1, Exit::Code(0));
    assert_eq!(told.roster.next_wake(), Some(deadline));
    assert_eq!(told.after(32 * SECOND), [Action::Kill(0), Action::Kill(2)]);
    told.exited(0, Exit::Signal(9));
    told.exited(2, Exit::Signal(9));
    assert_eq!(told.roster.ending(), Some(Ending::DeadlinePassed));
}

#[test]
fn a_child_that_stops_by_itself_is_not_signalled_again() {
    let mut told = Told::running(false);
    told.roster.drain(told.now);
    for place in 0..3 {
        told.roster.said(place, Notice::Stopping);
    }
    assert_eq!(told.after(ECHO_GRACE), []);
    for place in 0..3 {
        told.exited(place, Exit::Code(0));
    }
    assert_eq!(told.roster.ending(), Some(Ending::Clean));
}

#[test]
fn a_drain_cancels_restarts_and_starts_that_have_not_happened() {
    let mut told = Told::new(true);
    told.begin();
    told.spawned(0);
    told.exited(0, Exit::Signal(9));
    told.roster.drain(told.now);
    assert_eq!(told.states(), [State::Stopped; 3]);
    assert_eq!(told.roster.ending(), Some(Ending::Clean));
    assert_eq!(told.after(10 * SECOND), []);
}

#[test]
fn stopping_at_once_kills_whoever_runs() {
    let mut told = Told::running(true);
    told.exited(1, Exit::Signal(9));
    assert_eq!(told.roster.stop_at_once(), [Action::Kill(0), Action::Kill(2)]);
    told.exited(0, Exit::Signal(9));
    told.exited(2, Exit::Signal(9));
    // The one that waited for its restart has no process and is not started any more.
    assert_eq!(told.after(10 * SECOND), []);
    assert_eq!(told.roster.ending(), Some(Ending::DeadlinePassed));
}

#[test]
fn a_fleet_without_children_is_ready_and_ends_with_the_drain() {
    let mut roster = Roster::new(plan(false), &[]);
    let now = Instant::now();
    assert_eq!(roster.begin(now), []);
    assert!(roster.roll().ready() && roster.roll().start_is_over());
    assert_eq!((roster.next_wake(), roster.ending()), (None, None));
    roster.drain(now);
    assert_eq!(roster.ending(), Some(Ending::Clean));
}

#[test]
fn one_more_process_is_no_restart_and_is_refused_while_all_are_stopping() {
    let mut told = Told::running(true);
    let place = told.roster.enrol("notifier", "n-1".to_owned()).unwrap();
    assert_eq!(told.states()[place], State::Waiting);
    told.ready(place);
    assert_eq!(told.after(3600 * SECOND), [], "whoever enrolled it has started it");
    let child = told.roster.roll().children[place].clone();
    assert_eq!((child.state, child.restarts), (State::Running, 0));
    assert_eq!(child.spawn.as_deref(), Some("n-1"));
    told.roster.drain(told.now);
    assert_eq!(told.roster.enrol("notifier", "n-2".to_owned()), None);
    assert_eq!(told.states().len(), 4);
}
