//! Judges by their beats who lives: raises alarms, declares the silent dead, files the ended away.
//!
//! One task per manager, of which the leader's judges. [`judge`] is pure; each step that it asks for is
//! one script that carries the leader's epoch. It signals nobody.

use std::collections::BTreeMap;
use std::time::Duration;

use printery_fleet::activity::{self, Happening};
use printery_fleet::instances::{self, Instance};
use printery_fleet::lives::{self, Alarm, Life, Moved, State, Step};
use printery_fleet::locks::Epoch;
use printery_streams::{Clock, Error, Keys, Partition, Session};
use serde_json::json;

use crate::leadership::Lead;

mod thresholds;

pub(crate) use thresholds::Thresholds;

/// How often it judges: a third of the time after which silence is odd, within these bounds.
const RARELY: Duration = Duration::from_secs(30);
const OFTEN: Duration = Duration::from_millis(500);
/// How long it waits before it believes that somebody is dead, and looks again. 2 s.
const DOUBLE_CHECK: Duration = Duration::from_secs(2);
/// Having nothing to do for so long is worth a word, once. 5 min.
const IDLE_MS: u64 = 300_000;
/// Being asked for and not beating for so long is. 1 min.
const PENDING_MS: u64 = 60_000;
/// After which time nobody is expected to start what was asked for. 10 min.
const NEVER_STARTED_MS: u64 = 600_000;
/// How long an ended life waits before it is filed away by itself. 7 days.
pub(crate) const ENDED_MS: u64 = 7 * 24 * 3_600_000;
/// How long it is kept then. 30 days.
const ARCHIVED_MS: u64 = 30 * 24 * 3_600_000;
/// So many working processes are worth a word, and so many an alarm.
const POOL: [(usize, &str); 2] = [(15, "critical"), (10, "warning")];

/// What the fleet looks like at one moment.
#[derive(Debug, Default)]
struct Seen {
    now_ms: u64,
    instances: Vec<Instance>,
    lives: BTreeMap<String, Life>,
}

impl Seen {
    /// # Redis
    /// `TIME`, `HVALS`, `HGETALL`.
    async fn look(session: &mut Session, keys: &Keys) -> Result<Self, Error> {
        let clock = Clock::default();
        let instances = instances::list(session, keys).await?;
        let lives = lives::list(session, keys).await?;
        // Last: nobody seems younger than they are.
        clock.read(session).await?;
        Ok(Self { now_ms: clock.now_ms(), instances, lives })
    }

    fn silence(&self, one: &Instance) -> Duration {
        Duration::from_millis(self.now_ms.saturating_sub(one.beat_ms))
    }
}

/// The task that judges.
#[derive(Debug)]
pub(crate) struct Census {
    home: Partition,
    thresholds: Thresholds,
    lead: Lead,
    /// What was last said of how many work.
    pool: &'static str,
}

impl Census {
    /// Prepares to judge; asks nothing yet.
    pub(crate) fn new(home: &Partition, thresholds: Thresholds, lead: Lead) -> Self {
        Self { home: home.clone(), thresholds, lead, pool: "" }
    }

    /// Judges while this manager leads; dropped at the end of the process.
    pub(crate) async fn run(mut self) {
        let every = (self.thresholds.warning / 3).clamp(OFTEN, RARELY);
        loop {
            tokio::time::sleep(every).await;
            let Some(epoch) = self.lead.epoch() else { continue };
            if let Err(error) = self.judge_once(epoch).await {
                tracing::debug!(%error, "nobody was judged, next time again");
            }
        }
    }

    async fn judge_once(&mut self, epoch: Epoch) -> Result<(), Error> {
        let (mut session, keys) = (self.home.redis.session(), self.home.keys.clone());
        let seen = Seen::look(&mut session, &keys).await?;
        let mut steps = judge(&seen, self.thresholds);
        if steps.iter().any(|step| step.to == State::Zombie) {
            tokio::time::sleep(DOUBLE_CHECK).await;
            let again = judge(&Seen::look(&mut session, &keys).await?, self.thresholds);
            let dead_still =
                |step: &Step| again.iter().any(|it| it.id == step.id && it.to == step.to);
            steps.retain(|step| step.to != State::Zombie || dead_still(step));
        }
        for step in steps {
            match lives::take_step(&mut session, &keys, Some(epoch), &step).await? {
                Moved::Done(_) => tell(&step),
                Moved::Deposed => return Ok(()),
                Moved::Stood | Moved::Refused => {}
            }
        }
        lives::forget(&mut session, &keys, epoch, &forgotten(&seen)).await?;
        self.count(&seen, &mut session).await
    }

    /// Says once when many work, and when they are fewer again.
    async fn count(&mut self, seen: &Seen, session: &mut Session) -> Result<(), Error> {
        let works = |life: &&Life| matches!(life.state, State::Running | State::Idle);
        let count = seen.lives.values().filter(works).count();
        let level = POOL.iter().find(|(least, _)| count >= *least).map_or("", |(_, level)| level);
        if std::mem::replace(&mut self.pool, level) == level {
            return Ok(());
        }
        let happening = Happening {
            kind: "worker:pool_size_alert".to_owned(),
            subject: "fleet".to_owned(),
            sentence: format!("so many processes work: {count}"),
            detail: json!({ "count": count, "level": if level.is_empty() { "normal" } else { level } }),
        };
        activity::tell(session, &self.home.keys, &happening).await.map(drop)
    }
}

fn tell(step: &Step) {
    let Step { id, to, reason, alarm, .. } = step;
    if *to == State::Zombie || alarm.is_some_and(|alarm| alarm == Alarm::Critical) {
        tracing::warn!(process = id, state = to.as_str(), reason, "judged");
    } else {
        tracing::info!(process = id, state = to.as_str(), reason, "judged");
    }
}

/// What follows from what was seen.
fn judge(seen: &Seen, thresholds: Thresholds) -> Vec<Step> {
    let of = |id: &str| seen.instances.iter().find(|one| one.called() == id);
    let mut steps: Vec<Step> = seen
        .lives
        .iter()
        .filter_map(|(id, life)| {
            let age = seen.now_ms.saturating_sub(life.since_ms);
            match (life.state, of(id)) {
                (State::Archived, _) => None,
                (State::Completed | State::Failed, _) => (life.since_ms > 0 && age >= ENDED_MS)
                    .then(|| Step::new(id, State::Archived, "it ended long ago")),
                (State::Pending, _) => pending(id, life, age),
                (State::Zombie, None) => Some(Step::new(id, State::Archived, "its record is gone")),
                // Whoever took the record away knew that it does not live any more.
                (_, None) => Some(Step::new(id, State::Failed, "its record is gone")),
                (_, Some(one)) => beating(id, life, seen.silence(one), age, thresholds),
            }
        })
        .collect();
    // Processes of a version that keeps no lives.
    let unknown = seen.instances.iter().filter(|one| !seen.lives.contains_key(one.called()));
    let silent = unknown.filter(|one| seen.silence(one) >= thresholds.zombie);
    steps.extend(silent.map(|one| zombie(one.called(), seen.silence(one))));
    steps
}

fn pending(id: &str, life: &Life, age: u64) -> Option<Step> {
    if age >= NEVER_STARTED_MS {
        return Some(Step::new(id, State::Failed, "no manager started it"));
    }
    let odd = age >= PENDING_MS && life.alarm == Alarm::None;
    let reason = "asked for, and it does not beat".to_owned();
    odd.then(|| Step::alarm(id, State::Pending, Alarm::Pending, "pending_warning", reason))
}

fn zombie(id: &str, silence: Duration) -> Step {
    let reason = format!("silent for {} s", silence.as_secs());
    Step {
        alarm: Some(Alarm::None),
        kind: "zombie_detected",
        ..Step::new(id, State::Zombie, reason)
    }
}

fn beating(
    id: &str,
    life: &Life,
    silence: Duration,
    age: u64,
    thresholds: Thresholds,
) -> Option<Step> {
    let alarm = |alarm, kind, reason| Some(Step::alarm(id, life.state, alarm, kind, reason));
    if life.state == State::Zombie {
        return None;
    }
    let silent = || format!("silent for {} s", silence.as_secs());
    if silence >= thresholds.zombie {
        return Some(zombie(id, silence));
    }
    if silence >= thresholds.critical {
        let told = life.alarm == Alarm::Critical;
        return if told { None } else { alarm(Alarm::Critical, "heartbeat_critical", silent()) };
    }
    if silence >= thresholds.warning {
        let told = matches!(life.alarm, Alarm::Warning | Alarm::Critical);
        return if told { None } else { alarm(Alarm::Warning, "heartbeat_warning", silent()) };
    }
    match life.alarm {
        Alarm::Warning | Alarm::Critical => {
            alarm(Alarm::None, "heartbeat_resumed", "it beats again".to_owned())
        }
        Alarm::None if life.state == State::Idle && age >= IDLE_MS => {
            alarm(Alarm::Idle, "idle_warning", "nothing to do".to_owned())
        }
        Alarm::None | Alarm::Idle | Alarm::Pending => None,
    }
}

/// The lives that were filed away so long ago that nobody asks for them.
fn forgotten(seen: &Seen) -> Vec<(String, u64)> {
    let old = |life: &Life| {
        life.state == State::Archived && seen.now_ms.saturating_sub(life.since_ms) >= ARCHIVED_MS
    };
    let old = seen.lives.iter().filter(|(_, life)| old(life));
    old.map(|(id, life)| (id.clone(), life.since_ms)).collect()
}

#[cfg(test)]
#[path = "census_tests.rs"]
mod tests;
