//! Starts, watches, restarts and drains the children: the roster's decisions, carried out.
//!
//! One task owns all of it; others see what it publishes through a watch channel and wait for
//! nothing. It holds no lock and never waits for a child, so its state can be read at any time.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use printery_fleet::orders::{Spawn, Verb};
use printery_harness::exit;
use printery_harness::own_process::{SPAWN_VARIABLE, name_of};
use printery_harness::shutdown::{Phase, Shutdown};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::child::{Child, Launch, Order, Report, Reporter};
use crate::notify::Notice;
use crate::parent::Parent;
use crate::registrar::{Ended, How, News};
use crate::restart::{Decision, Exit};
use crate::roll::{ChildView, Roll, State};
use crate::roster::{Action, Ending, Plan, Roster};
use crate::socket_directory::SocketDirectory;
use crate::telemetry;

/// Reports that may wait for the supervisor; a child that says more is held up, nobody else. 64.
const INBOX: usize = 64;
/// How long the loop sleeps when nothing is due; only a bound, every event wakes it. 60 s.
const IDLE: Duration = Duration::from_secs(60);

/// A worker of this fleet and how it is started.
#[derive(Debug, Clone)]
pub(crate) struct Enrolled {
    /// The worker's name.
    pub(crate) worker: &'static str,
    /// How its process is started.
    pub(crate) launch: Launch,
    /// Whether that waits until somebody needs it.
    pub(crate) lazy: bool,
}

/// What somebody wants of the children.
#[derive(Debug, Clone)]
pub(crate) enum Command {
    /// An order to a worker kind or to one process, by its instance's name.
    Obey(String, Verb),
    /// One more process.
    Spawn(Spawn),
    /// A worker that is started when somebody needs it.
    Need(String),
    /// The children read their fleet file again, and everything that it names.
    HangUp,
}

/// The task that owns the children.
#[derive(Debug)]
pub(crate) struct Supervisor {
    roster: Roster,
    enrolled: Vec<Enrolled>,
    /// Where the notify sockets are; lives as long as the supervisor.
    directory: SocketDirectory,
    hands: Vec<Option<mpsc::UnboundedSender<Order>>>,
    inbox: mpsc::Receiver<(usize, Report)>,
    reporting: mpsc::Sender<(usize, Report)>,
    tending: JoinSet<()>,
    spawned: u64,
    parent: Parent,
    roll: watch::Sender<Roll>,
    commanding: mpsc::UnboundedSender<Command>,
    commands: mpsc::UnboundedReceiver<Command>,
    news: mpsc::UnboundedSender<News>,
    told: Option<mpsc::UnboundedReceiver<News>>,
}

impl Supervisor {
    /// Enrols the workers, stage by stage in the order of their start; starts nothing.
    ///
    /// # Errors
    /// The directory for the notify sockets cannot be made.
    pub(crate) fn try_new(plan: Plan, stages: Vec<Vec<Enrolled>>) -> std::io::Result<Self> {
        let names: Vec<Vec<&str>> =
            stages.iter().map(|stage| stage.iter().map(|one| one.worker).collect()).collect();
        let mut roster = Roster::new(plan, &names);
        let enrolled: Vec<_> = stages.into_iter().flatten().collect();
        for (place, _) in enrolled.iter().enumerate().filter(|(_, one)| one.lazy) {
            roster.set_lazy(place);
        }
        let (news, told) = mpsc::unbounded_channel();
        let (reporting, inbox) = mpsc::channel(INBOX);
        let (commanding, commands) = mpsc::unbounded_channel();
        Ok(Self {
            commanding,
            commands,
            roll: watch::Sender::new(roster.roll()),
            roster,
            hands: vec![None; enrolled.len()],
            enrolled,
            directory: SocketDirectory::try_new()?,
            inbox,
            reporting,
            tending: JoinSet::new(),
            spawned: 0,
            parent: Parent::from_environment(Instant::now()),
            news,
            told: Some(told),
        })
    }

    /// Where to say what somebody wants of the children.
    pub(crate) fn commands(&self) -> mpsc::UnboundedSender<Command> {
        self.commanding.clone()
    }

    /// What happens to the children, for whoever puts it on record; once.
    pub(crate) fn news(&mut self) -> Option<mpsc::UnboundedReceiver<News>> {
        self.told.take()
    }

    /// The children as they are, now and after every change.
    pub(crate) fn watch(&self) -> watch::Receiver<Roll> {
        self.roll.subscribe()
    }

    /// Runs the children until a shutdown has ended the last of them.
    ///
    /// Woken by reports, by the shutdown's phases and by what the roster has due; ends with the
    /// roster's ending.
    pub(crate) async fn run(mut self, shutdown: Shutdown) -> Ending {
        let begin = self.roster.begin(Instant::now());
        self.act(begin);
        let ending = loop {
            self.catch_up();
            self.publish();
            if let Some(ending) = self.roster.ending() {
                break ending;
            }
            self.turn(&shutdown).await;
        };
        while let Some(joined) = self.tending.join_next().await {
            log_panic(joined);
        }
        ending
    }

    /// Waits for one event and takes note of it.
    async fn turn(&mut self, shutdown: &Shutdown) {
        let draining = self.roll.borrow().draining;
        let stopping = self.roster.is_stopping();
        let wake = tokio::time::sleep_until(self.wake().into());
        tokio::select! {
            Some((place, report)) = self.inbox.recv() => self.hear(place, report),
            Some(command) = self.commands.recv() => self.obey(command),
            Some(joined) = self.tending.join_next() => log_panic(joined),
            () = shutdown.reached(Phase::Draining), if !draining => {
                self.roster.drain(Instant::now());
            }
            () = shutdown.reached(Phase::Stopping), if draining && !stopping => {
                let kills = self.roster.stop_at_once();
                self.act(kills);
            }
            () = wake => {}
        }
    }

    /// Does what is due, and what becomes due by it: a start that fails lets others begin.
    fn catch_up(&mut self) {
        loop {
            let due = self.roster.tick(Instant::now());
            if due.is_empty() {
                return;
            }
            self.act(due);
        }
    }

    fn wake(&self) -> Instant {
        let due = self.roster.next_wake().into_iter().chain(self.parent.next_ping()).min();
        due.unwrap_or_else(|| Instant::now() + IDLE)
    }

    fn publish(&mut self) {
        let roll = self.roster.roll();
        self.parent.tell(&roll, Instant::now());
        telemetry::children(&roll.children);
        self.roll.send_if_modified(|published| {
            let changed = *published != roll;
            *published = roll;
            changed
        });
    }

    fn act(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Start(place) => self.start(place),
                Action::Terminate(place) => self.order(place, Order::Terminate),
                Action::Kill(place) => self.order(place, Order::Kill),
            }
        }
    }

    fn start(&mut self, place: usize) {
        let Some(Enrolled { worker, launch, .. }) = self.enrolled.get(place) else { return };
        self.spawned += 1;
        // A name never used before: what an earlier process still sends goes nowhere.
        let name = format!("{worker}.{}", self.spawned);
        match Child::spawn(launch, self.directory.path(), &name) {
            Ok(child) => {
                tracing::info!(worker, pid = child.pid(), "worker started");
                self.roster.spawned(place, child.pid(), Instant::now(), Timestamp::now());
                let (hand, orders) = mpsc::unbounded_channel();
                if let Some(slot) = self.hands.get_mut(place) {
                    *slot = Some(hand);
                }
                let reporter = Reporter::new(place, self.reporting.clone());
                self.tending.spawn(child.tend(orders, reporter));
            }
            Err(error) => {
                let problem = format!("cannot start {}: {error}", launch.program.display());
                tracing::error!(worker, "{problem}");
                self.tell(News::NotStarted(worker, problem.clone()));
                self.roster.not_spawned(place, problem);
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Spawn(spawn) => self.enrol(&spawn),
            Command::HangUp => {
                for (place, child) in self.roster.roll().children.iter().enumerate() {
                    // Who is about to start reads what stands there now, and a signal could end it.
                    if child.state == State::Running {
                        self.order(place, Order::HangUp);
                    }
                }
            }
            Command::Need(worker) => {
                let is_it = |one: &Enrolled| one.lazy && one.worker == worker;
                if let Some(place) = self.enrolled.iter().position(is_it) {
                    let actions = self.roster.need(place);
                    self.act(actions);
                }
            }
            Command::Obey(whom, verb) => {
                for (place, child) in self.roster.roll().children.iter().enumerate() {
                    let is_it =
                        child.pid.is_some_and(|pid| whom.starts_with(&name_of(&child.worker, pid)));
                    if child.worker == whom || is_it {
                        tracing::info!(worker = child.worker, %verb, "ordered");
                        let actions = self.roster.obey(place, verb, Instant::now());
                        self.act(actions);
                    }
                }
            }
        }
    }

    /// Makes room for one more process of a worker kind and starts it.
    fn enrol(&mut self, spawn: &Spawn) {
        let Some(like) = self.enrolled.iter().find(|one| one.worker == spawn.worker).cloned()
        else {
            tracing::warn!(worker = spawn.worker, "asked for a worker that this manager has not");
            return;
        };
        let Some(place) = self.roster.enrol(like.worker, spawn.id.clone()) else {
            tracing::warn!(worker = like.worker, id = spawn.id, "not started: all are stopping");
            return;
        };
        let mut launch = like.launch;
        let told = serde_json::to_string(spawn).unwrap_or_default();
        launch.environment.push((SPAWN_VARIABLE.to_owned(), Some(told.into())));
        self.enrolled.push(Enrolled { worker: like.worker, launch, lazy: false });
        self.hands.push(None);
        tracing::info!(worker = like.worker, id = spawn.id, "one more was asked for");
        self.act(vec![Action::Start(place)]);
    }

    fn order(&self, place: usize, order: Order) {
        let Some(Some(hand)) = self.hands.get(place) else { return };
        tracing::info!(worker = self.name(place), ?order, "stopping worker");
        if hand.send(order).is_err() {
            tracing::debug!(worker = self.name(place), "worker has already ended");
        }
    }

    fn hear(&mut self, place: usize, report: Report) {
        match report {
            Report::Said(notice) => {
                if notice == Notice::Ready {
                    self.tell(News::Ready(self.name(place)));
                }
                self.roster.said(place, notice);
            }
            Report::Silent => {
                tracing::warn!(worker = self.name(place), "worker is silent: watchdog missed");
                telemetry::health_check_failed(self.name(place));
                self.roster.silent(place, true);
            }
            Report::HeardAgain => self.roster.silent(place, false),
            Report::Exited(exit) => self.ended(place, exit),
        }
    }

    fn ended(&mut self, place: usize, exit: Exit) {
        let chance = rand::random_range(-1.0..=1.0);
        let before = self.roster.roll().children.get(place).cloned();
        let decision = self.roster.exited(place, exit, Instant::now(), chance);
        if let Some(before) = before {
            let restarts = self.roster.restarts_in_a_row(place);
            let ended = ended(self.name(place), &before, exit, (decision, restarts));
            self.tell(News::Ended(ended));
        }
        let worker = self.name(place);
        match decision {
            None => tracing::info!(worker, %exit, "worker stopped"),
            Some(Decision::Restart { after, reason }) => {
                telemetry::restarted(worker, reason);
                tracing::warn!(worker, %exit, ?after, "worker ended, it will be restarted");
            }
            Some(Decision::Fail(why)) => tracing::error!(worker, %exit, %why, "worker failed"),
            Some(Decision::Stop) => {
                tracing::warn!(worker, %exit, "worker stopped though nobody asked it to");
            }
        }
    }

    fn tell(&self, news: News) {
        if self.news.send(news).is_err() {
            tracing::debug!("nobody puts on record what happens to the children");
        }
    }

    fn name(&self, place: usize) -> &'static str {
        self.enrolled.get(place).map_or("", |one| one.worker)
    }
}

/// What there is to put on record about a child that has ended.
fn ended(
    worker: &'static str,
    before: &ChildView,
    exit: Exit,
    (decision, restarts): (Option<Decision>, u32),
) -> Ended {
    let clean = matches!(exit, Exit::Code(exit::DONE | exit::DEADLINE));
    let how = match (before.state, decision) {
        (_, None) if clean => How::Left,
        (_, None) => How::Killed,
        (State::Starting, Some(_)) => How::NeverReady,
        (_, Some(Decision::Stop)) => How::Left,
        (_, Some(_)) => How::Crashed,
    };
    let (restart, result) = match decision {
        Some(Decision::Restart { after, .. }) => (Some((restarts, after)), "restart".to_owned()),
        Some(Decision::Fail(why)) => (None, why.to_string()),
        Some(Decision::Stop) | None => (None, "left".to_owned()),
    };
    let (pid, spawn) = (before.pid, before.spawn.clone());
    Ended { worker, pid, spawn, exit: exit.to_string(), how, restart, result }
}

fn log_panic(joined: Result<(), tokio::task::JoinError>) {
    if let Err(error) = joined {
        tracing::error!(%error, "the task that tends a worker failed");
    }
}

#[cfg(test)]
#[path = "supervisor_tests.rs"]
mod tests;
