//! The supervisor with real processes: shells that sleep, exit and ignore signals.

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use super::*;
use crate::child::OnSilence;
use crate::restart::RestartPolicy;

const SLEEP: &str = "exec sleep 600";

struct Fleet {
    sockets: PathBuf,
    roll: watch::Receiver<Roll>,
    shutdown: Shutdown,
    running: JoinSet<Ending>,
}

impl Fleet {
    fn start(supervised: bool, stages: &[&[(&'static str, &str)]]) -> Self {
        let restart =
            RestartPolicy { supervised, backoff: Duration::from_millis(1), max_restarts: 2 };
        let plan = Plan {
            restart,
            start_timeout: Duration::from_secs(600),
            shutdown_timeout: Duration::ZERO,
            hand_back: Duration::from_secs(1),
        };
        let stages = stages
            .iter()
            .map(|stage| stage.iter().map(|(worker, script)| enrolled(worker, script)).collect());
        let supervisor = Supervisor::try_new(plan, stages.collect()).unwrap();
        let (sockets, roll) = (supervisor.directory.path().to_owned(), supervisor.watch());
        let shutdown = Shutdown::default();
        let mut running = JoinSet::new();
        running.spawn(supervisor.run(shutdown.clone()));
        Self { sockets, roll, shutdown, running }
    }

    /// Waits until a child looks as wanted.
    async fn child(&self, worker: &str, wanted: impl Fn(&ChildView) -> bool) -> ChildView {
        let of = |roll: &Roll| {
            roll.children.iter().find(|child| child.worker == worker).cloned().unwrap()
        };
        let mut watched = self.roll.clone();
        let found = tokio::time::timeout(
            Duration::from_secs(10),
            watched.wait_for(|roll| wanted(&of(roll))),
        );
        let Ok(roll) = found.await else {
            panic!("{worker} does not get there: {:?}", self.roll.borrow());
        };
        of(&roll.unwrap())
    }

    async fn state(&self, worker: &str, state: State) -> ChildView {
        self.child(worker, |child| child.state == state).await
    }

    /// Says READY in the name of the process that was started as number `start`.
    async fn ready(&self, worker: &str, start: u64) -> ChildView {
        self.state(worker, State::Starting).await;
        let socket = self.sockets.join(format!("{worker}.{start}.sock"));
        UnixDatagram::unbound().unwrap().send_to(b"READY=1\n", socket).unwrap();
        self.state(worker, State::Running).await
    }

    async fn end(mut self) -> Ending {
        let ended = tokio::time::timeout(Duration::from_secs(10), self.running.join_next());
        ended.await.expect("it ends").unwrap().unwrap()
    }
}

fn enrolled(worker: &'static str, script: &str) -> Enrolled {
    let launch = Launch {
        program: "/bin/sh".into(),
        arguments: vec!["-c".into(), script.into()],
        environment: Vec::new(),
        watchdog: Duration::from_secs(600),
        on_silence: OnSilence::Kill,
    };
    Enrolled { worker, launch, lazy: false }
}

fn kill(pid: Option<u32>) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid.unwrap()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[tokio::test]
async fn the_second_stage_starts_when_the_first_is_ready() {
    let fleet = Fleet::start(false, &[&[("validator", SLEEP)], &[("notifier", SLEEP)]]);
    fleet.state("validator", State::Starting).await;
    assert_eq!(fleet.roll.borrow().children[1].state, State::Waiting);
    fleet.ready("validator", 1).await;
    fleet.ready("notifier", 2).await;
    assert!(fleet.roll.borrow().ready());
    fleet.shutdown.advance(Phase::Draining);
    assert_eq!(fleet.end().await, Ending::Clean);
}

#[tokio::test]
async fn a_killed_child_stays_failed_and_the_others_live() {
    let fleet = Fleet::start(false, &[&[("validator", SLEEP), ("notifier", SLEEP)]]);
    let validator = fleet.ready("validator", 1).await;
    let notifier = fleet.ready("notifier", 2).await;
    kill(validator.pid);
    let failed = fleet.state("validator", State::Failed).await;
    assert_eq!((failed.pid, failed.last_exit.as_deref()), (None, Some("ended by signal 9")));
    assert_eq!(fleet.roll.borrow().children[1], notifier);
    fleet.shutdown.advance(Phase::Draining);
    assert_eq!(fleet.end().await, Ending::Clean);
}

#[tokio::test]
async fn a_killed_child_is_another_process_when_supervised() {
    let fleet = Fleet::start(true, &[&[("validator", SLEEP)]]);
    let first = fleet.ready("validator", 1).await;
    kill(first.pid);
    let second = fleet.child("validator", |child| child.restarts == 1).await;
    assert_eq!(fleet.ready("validator", 2).await.restarts, 1);
    assert_ne!(first.pid, second.pid);
    fleet.shutdown.advance(Phase::Draining);
    assert_eq!(fleet.end().await, Ending::Clean);
}

#[tokio::test]
async fn a_child_that_always_crashes_is_given_up() {
    let fleet = Fleet::start(true, &[&[("validator", "exit 70")]]);
    let failed = fleet.state("validator", State::Failed).await;
    assert_eq!(failed.restarts, 2);
    assert!(failed.problem.unwrap().contains("given up"));
    fleet.shutdown.advance(Phase::Draining);
    assert_eq!(fleet.end().await, Ending::Clean);
}

#[tokio::test]
async fn a_program_that_does_not_exist_fails_alone() {
    let mut stage = vec![enrolled("validator", SLEEP)];
    stage[0].launch.program = "/nowhere/printery-validator".into();
    let plan = Plan {
        restart: RestartPolicy { supervised: true, backoff: Duration::ZERO, max_restarts: 0 },
        start_timeout: Duration::from_secs(600),
        shutdown_timeout: Duration::ZERO,
        hand_back: Duration::from_secs(1),
    };
    let stages = vec![stage, vec![enrolled("notifier", SLEEP)]];
    let supervisor = Supervisor::try_new(plan, stages).unwrap();
    let (roll, sockets) = (supervisor.watch(), supervisor.directory.path().to_owned());
    let shutdown = Shutdown::default();
    let mut running = JoinSet::new();
    running.spawn(supervisor.run(shutdown.clone()));
    let fleet = Fleet { sockets, roll, shutdown, running };
    let failed = fleet.state("validator", State::Failed).await;
    assert!(failed.problem.unwrap().starts_with("cannot start /nowhere/printery-validator"));
    fleet.state("notifier", State::Starting).await;
    fleet.shutdown.advance(Phase::Draining);
    assert_eq!(fleet.end().await, Ending::Clean);
}

#[tokio::test]
async fn a_child_that_does_not_leave_is_killed_after_the_deadline() {
    let script = "trap '' TERM; exec sleep 600";
    let fleet = Fleet::start(false, &[&[("validator", script)]]);
    fleet.ready("validator", 1).await;
    fleet.shutdown.advance(Phase::Draining);
    assert_eq!(fleet.end().await, Ending::DeadlinePassed);
}

#[tokio::test]
async fn a_second_signal_ends_everything_at_once() {
    let script = "trap '' TERM; exec sleep 600";
    let fleet = Fleet::start(false, &[&[("validator", script), ("notifier", script)]]);
    fleet.ready("validator", 1).await;
    fleet.ready("notifier", 2).await;
    fleet.shutdown.advance(Phase::Stopping);
    let asked = Instant::now();
    assert_eq!(fleet.end().await, Ending::DeadlinePassed);
    assert!(asked.elapsed() < Duration::from_secs(1), "before any deadline");
}
