//! Carries what is ordered in Redis to the supervisor of this manager's children.
//!
//! One task per manager; old orders are taken away by the leader. It looks once a second, so that an order from any host is followed sooner
//! than the process itself hears of it with its beat. What was ordered before this manager lived is
//! not for its children; each order is carried once.

use std::collections::BTreeMap;
use std::time::Duration;

use printery_fleet::instances::{self, Instance};
use printery_fleet::lives::{self, State, Step};
use printery_fleet::locks::{Claim, Lock};
use printery_fleet::orders::{self, Orders, Spawn};
use printery_fleet::starts::{self, Starts};
use printery_streams::{Clock, Error, Keys, Partition, Session};
use tokio::sync::mpsc;

use crate::leadership::Lead;
use crate::services::Chosen;
use crate::supervisor::Command;

/// How often it looks. 1 s: nothing may ask more often while the fleet is idle.
const EVERY: Duration = Duration::from_secs(1);
/// After which time an order is taken away: nobody is meant by it any more. 10 min.
const OLD_MS: u64 = 600_000;

/// How long a worker that somebody needs may take to be ready; no other manager starts it in that
/// time. 30 s, P-089.
pub(crate) const START_WITHIN: Duration = Duration::from_secs(30);

/// The task that carries orders.
#[derive(Debug)]
pub(crate) struct Steward {
    keys: Keys,
    session: Session,
    commands: mpsc::UnboundedSender<Command>,
    /// The worker kinds that this manager starts.
    kinds: Vec<&'static str>,
    /// Those of them that it starts when somebody needs them.
    lazy: Vec<&'static str>,
    /// What was carried, by target: when it was given.
    carried: BTreeMap<String, u64>,
    /// When this manager first looked, the server's milliseconds.
    since_ms: Option<u64>,
    lead: Lead,
    home: Partition,
    /// What this manager is called.
    name: String,
}

impl Steward {
    /// Prepares to carry; asks nothing yet.
    pub(crate) fn new(
        home: &Partition,
        commands: mpsc::UnboundedSender<Command>,
        chosen: &Chosen,
        (lead, name): (Lead, &str),
    ) -> Self {
        Self {
            keys: home.keys.clone(),
            session: home.redis.session(),
            commands,
            kinds: chosen.workers.iter().map(|worker| worker.name).collect(),
            lazy: chosen.lazy.clone(),
            carried: BTreeMap::new(),
            since_ms: None,
            lead,
            home: home.clone(),
            name: name.to_owned(),
        }
    }

    /// Carries until it is dropped at the end of the process.
    pub(crate) async fn run(mut self) {
        loop {
            if let Err(error) = self.look_once().await {
                tracing::debug!(%error, "orders cannot be read, next time again");
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Looks once and carries what is new.
    ///
    /// # Redis
    /// `HGETALL` of a small hash; the first time `TIME`.
    async fn look_once(&mut self) -> Result<(), Error> {
        let since_ms = if let Some(since_ms) = self.since_ms {
            since_ms
        } else {
            let clock = Clock::default();
            clock.read(&mut self.session).await?;
            *self.since_ms.insert(clock.now_ms())
        };
        let Orders { orders, spawns, starts } = orders::read(&mut self.session, &self.keys).await?;
        let youngest = orders.values().map(|order| order.since_ms).max().unwrap_or(0);
        let mut old = Vec::new();
        for (target, order) in orders {
            if order.since_ms.saturating_add(OLD_MS) < youngest.max(since_ms) {
                old.push((target, order.since_ms));
                continue;
            }
            let known = self.carried.get(&target).copied().unwrap_or(since_ms);
            if order.since_ms > known {
                self.carried.insert(target.clone(), order.since_ms);
                self.carry(Command::Obey(target, order.verb));
            }
        }
        if let Some(epoch) = self.lead.epoch() {
            orders::withdraw(&mut self.session, &self.keys, epoch, &old).await?;
        }
        for spawn in spawns {
            let is_ours = self.kinds.contains(&spawn.worker.as_str());
            if is_ours && orders::claim(&mut self.session, &self.keys, &spawn.id).await? {
                self.spawn(spawn).await?;
            }
        }
        for worker in starts {
            let is_ours = self.lazy.contains(&worker.as_str());
            if is_ours && starts::take(&mut self.session, &self.keys, &worker).await? {
                self.start(worker).await?;
            }
        }
        Ok(())
    }

    /// Has a process started that was asked for, unless its kind cools down.
    async fn spawn(&mut self, spawn: Spawn) -> Result<(), Error> {
        match Starts::of(&self.home, &spawn.worker).ask().await? {
            None => self.carry(Command::Spawn(spawn)),
            Some(cooldown) => {
                let step = Step::new(&spawn.id, State::Failed, cooldown.to_string());
                lives::take_step(&mut self.session, &self.keys, None, &step).await?;
            }
        }
        Ok(())
    }

    /// Has a worker started that somebody needs: by one manager only, and once.
    async fn start(&mut self, worker: String) -> Result<(), Error> {
        let clock = Clock::default();
        clock.read(&mut self.session).await?;
        let recorded = instances::list(&mut self.session, &self.keys).await?;
        let lives = |one: &Instance| one.worker == worker && one.is_alive(clock.now_ms());
        let mut lock = Lock::new(&self.home, &format!("START-{worker}"), &self.name, START_WITHIN);
        if recorded.iter().any(lives) || matches!(lock.hold().await?, Claim::Theirs(_)) {
            return Ok(());
        }
        match Starts::of(&self.home, &worker).ask().await? {
            None => self.carry(Command::Need(worker)),
            Some(cooldown) => tracing::warn!("{cooldown}"),
        }
        Ok(())
    }

    fn carry(&self, command: Command) {
        if self.commands.send(command).is_err() {
            tracing::debug!("the supervisor has ended");
        }
    }
}
