//! What is broken when: drawn from a seed before anything happens.
//!
//! Owns the schedule and carries it out; one seed is one schedule. It never breaks what cannot come back by itself, and it mends
//! what a person would have to mend.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use printery_events::topology::{DEFAULT_STAGES, WORKERS};
use printery_testkit::{History, Mode, WallClock};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::{Instant, sleep_until};

use crate::replicas::Replicas;
use crate::site::{PREFIX, Site, stream};

/// How often something breaks, on average.
const EVERY: Duration = Duration::from_millis(700);

/// One thing that is done. A number names a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Kill(usize),
    Leave(usize),
    Start(usize),
    Stop(usize),
    Continue(usize),
    KillRedis,
    StartRedis,
    FreezeRedis,
    ThawRedis,
    Cut(usize),
    Reset(usize),
    Forget(usize),
    Network(usize, Mode),
    Swallow(usize),
    Hold(usize),
    LetGo(usize),
    Fill,
    MakeRoom,
    FlushScripts,
    KillClients,
    DestroyGroup(usize),
    StepClock(i64),
}

/// A kind of fault: what is done at once, and what is done when it is over.
struct Fault {
    name: &'static str,
    begin: Act,
    end: Option<Act>,
    /// How long it lasts, ms.
    lasts: u64,
}

impl Fault {
    /// Draws a fault; the lot decides which, and on whom.
    fn draw(random: &mut StdRng, replicas: usize, clock: bool) -> Self {
        let who = random.random_range(0..replicas);
        let lasts = random.random_range(100..2500);
        let fault = |name, begin, end| Self { name, begin, end, lasts };
        match random.random_range(0..if clock { 23 } else { 22 }) {
            0..=4 => fault("kill -9 of a worker", Act::Kill(who), Some(Act::Start(who))),
            5 | 6 => fault("SIGTERM to a worker", Act::Leave(who), Some(Act::Start(who))),
            7 | 8 => fault("SIGSTOP of a worker", Act::Stop(who), Some(Act::Continue(who))),
            9 => fault("kill -9 of Redis", Act::KillRedis, Some(Act::StartRedis)),
            10 => fault("SIGSTOP of Redis", Act::FreezeRedis, Some(Act::ThawRedis)),
            11 => fault("connections cut", Act::Cut(who), None),
            12 => fault("connections reset", Act::Reset(who), None),
            13 => fault("connections half open", Act::Forget(who), None),
            14 => network("network silent", who, lasts, Mode::Stall),
            15 => network("network slow", who, lasts, Mode::Delay(Duration::from_millis(60))),
            16 => {
                let narrow = Mode::Trickle { bytes_per_second: 20_000 };
                network("network narrow", who, lasts, narrow)
            }
            17 => fault("reply lost", Act::Swallow(who), None),
            18 => fault("request late", Act::Hold(who), Some(Act::LetGo(who))),
            19 => fault("Redis full", Act::Fill, Some(Act::MakeRoom)),
            20 => fault("SCRIPT FLUSH", Act::FlushScripts, None),
            21 if random.random_range(0..2) == 0 => fault("CLIENT KILL", Act::KillClients, None),
            21 => fault("XGROUP DESTROY", Act::DestroyGroup(who), None),
            _ => {
                let step = random.random_range(-3600..=3600);
                fault("server clock steps", Act::StepClock(step), Some(Act::StepClock(0)))
            }
        }
    }
}

fn network(name: &'static str, who: usize, lasts: u64, mode: Mode) -> Fault {
    Fault { name, begin: Act::Network(who, mode), end: Some(Act::Network(who, Mode::Pass)), lasts }
}

/// The schedule of one soak.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Since the beginning, oldest first.
    acts: Vec<(Duration, Act)>,
    counts: BTreeMap<&'static str, usize>,
}

impl Plan {
    /// Draws a schedule of that length.
    pub(crate) fn draw(seed: u64, length: Duration, replicas: usize, clock: bool) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let (mut acts, mut counts) = (Vec::new(), BTreeMap::new());
        let mut at = Duration::from_secs(2);
        while at < length {
            let fault = Fault::draw(&mut random, replicas, clock);
            *counts.entry(fault.name).or_default() += 1;
            acts.push((at, fault.begin));
            acts.extend(fault.end.map(|end| (at + Duration::from_millis(fault.lasts), end)));
            at += EVERY.mul_f64(random.random_range(0.3..1.7));
        }
        acts.sort_by_key(|(at, _)| *at);
        Self { acts, counts }
    }

    /// Tells whether a group is destroyed, which the fleet makes again.
    pub(crate) fn regroups(&self) -> bool {
        self.acts.iter().any(|(_, act)| matches!(act, Act::DestroyGroup(_)))
    }

    /// Does it all, each thing at its time.
    pub(crate) async fn carry_out(
        &self,
        site: &Site,
        replicas: &mut Replicas,
        clock: &WallClock,
        history: &History,
    ) {
        let began = Instant::now();
        for (at, act) in &self.acts {
            // What took longer than planned delays what follows; nothing is left out.
            sleep_until(began + *at).await;
            history.fault(format!("{act:?}"));
            carry_out(*act, site, replicas, clock).await;
        }
    }
}

async fn carry_out(act: Act, site: &Site, replicas: &mut Replicas, clock: &WallClock) {
    match act {
        Act::Kill(who) => replicas.kill(who),
        Act::Leave(who) => replicas.leave(who),
        Act::Start(who) => replicas.restart(site, who).await,
        Act::Stop(who) => replicas.process(who).sigstop(),
        Act::Continue(who) => replicas.process(who).sigcont(),
        Act::KillRedis => site.redis.kill9(),
        Act::StartRedis => site.redis.restart().await,
        Act::FreezeRedis if site.redis.is_running() => site.redis.freeze(),
        Act::ThawRedis if site.redis.is_running() => site.redis.thaw(),
        Act::FreezeRedis | Act::ThawRedis => {}
        Act::Cut(who) => replicas.proxy(who).cut_once().await,
        Act::Reset(who) => replicas.proxy(who).reset_once().await,
        Act::Forget(who) => replicas.proxy(who).forget_once(),
        Act::Network(who, mode) => replicas.proxy(who).set(mode),
        Act::Swallow(who) => replicas.proxy(who).swallow_next_reply(),
        Act::Hold(who) => replicas.proxy(who).hold_request(&["EVALSHA"]),
        Act::LetGo(who) => replicas.proxy(who).let_go(),
        Act::Fill => ask(site, &["CONFIG", "SET", "maxmemory", "1"]).await,
        Act::MakeRoom => ask(site, &["CONFIG", "SET", "maxmemory", "0"]).await,
        Act::FlushScripts => ask(site, &["SCRIPT", "FLUSH"]).await,
        Act::KillClients => ask(site, &["CLIENT", "KILL", "TYPE", "normal"]).await,
        Act::DestroyGroup(who) => {
            let worker = WORKERS[who % WORKERS.len()];
            let stages = DEFAULT_STAGES.map(ToOwned::to_owned);
            let reads = worker.streams(&stages);
            let key = stream(reads[0].as_str());
            ask(site, &["XGROUP", "DESTROY", &key, &format!("printery-{}", worker.name)]).await;
        }
        Act::StepClock(seconds) => clock.step(seconds),
    }
}

/// Asks Redis for a fault; one that is away needs no other.
async fn ask(site: &Site, words: &[&str]) {
    if !site.redis.is_running() {
        return;
    }
    let patience = Duration::from_millis(500);
    drop(tokio::time::timeout(patience, site.conn.try_cmd(words)).await);
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "faults in {PREFIX}:")?;
        for (name, times) in &self.counts {
            writeln!(f, "  {name:<24}{times:>5}")?;
        }
        Ok(())
    }
}
