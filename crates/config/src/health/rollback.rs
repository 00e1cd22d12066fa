//! When a bad verdict asks for going back, and what forbids it.
//!
//! Owns `rollback:`: its mode, what triggers it and its guards. The health-monitor decides by them.
//! Never knows a deployment.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use serde::Serialize;

use crate::node::Value;
use crate::problem::Code;
use crate::reader::Refers;
use crate::scalar;
use crate::shown;
use crate::table::Table;

/// The window in which nothing is rolled back by itself, where `frozen` is a guard.
pub const FREEZE: &str = "freeze";

/// The words of `rollback.mode`.
const MODES: [(&str, RollbackMode); 3] =
    [("off", RollbackMode::Off), ("suggest", RollbackMode::Suggest), ("auto", RollbackMode::Auto)];

/// The words of `rollback.trigger`.
const TRIGGERS: [(&str, Trigger); 2] =
    [("unhealthy", Trigger::Unhealthy), ("degraded", Trigger::Degraded)];

/// The words of `rollback.guards.not_if`.
const OBSTACLES: [(&str, Obstacle); 4] = [
    ("upstream_root_cause", Obstacle::UpstreamRootCause),
    ("pre_existing", Obstacle::PreExisting),
    ("irreversible_migration", Obstacle::IrreversibleMigration),
    ("frozen", Obstacle::Frozen),
];

/// Says what a bad verdict asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RollbackMode {
    /// Nothing.
    Off,
    /// A person is told that rolling back is advised.
    #[default]
    Suggest,
    /// `rollback:initiated` is published.
    Auto,
}

/// Names a verdict that asks for going back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Trigger {
    /// It does not work.
    Unhealthy,
    /// It works, not comfortably.
    Degraded,
}

/// Names what forbids going back by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Obstacle {
    /// Something else is down that the service needs.
    UpstreamRootCause,
    /// It was so before the deployment.
    PreExisting,
    /// The deployment has changed the database for good.
    IrreversibleMigration,
    /// The window [`FREEZE`] is open.
    Frozen,
}

/// Says how often something may happen in a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PerPeriod {
    /// So often.
    pub times: NonZeroU32,
    /// In any time of this length.
    #[serde(serialize_with = "shown::duration")]
    pub period: Duration,
}

/// Says when a bad verdict asks for going back, and what forbids it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RollbackRules {
    /// What is asked for.
    pub mode: RollbackMode,
    /// The verdicts that ask for it.
    pub trigger: BTreeSet<Trigger>,
    /// How often the fleet may ask for one service.
    pub max_per_service: PerPeriod,
    /// How long the fleet does not ask again for a service.
    #[serde(serialize_with = "shown::duration")]
    pub cooldown: Duration,
    /// Whether the version to return to must be known.
    pub require_previous_version: bool,
    /// What forbids it.
    pub not_if: BTreeSet<Obstacle>,
}

impl Default for RollbackRules {
    fn default() -> Self {
        Self {
            mode: RollbackMode::default(),
            trigger: BTreeSet::from([Trigger::Unhealthy]),
            max_per_service: PerPeriod {
                times: NonZeroU32::MIN.saturating_add(1),
                period: Duration::from_secs(24 * 60 * 60),
            },
            cooldown: Duration::from_secs(30 * 60),
            require_previous_version: true,
            not_if: BTreeSet::from([
                Obstacle::UpstreamRootCause,
                Obstacle::PreExisting,
                Obstacle::IrreversibleMigration,
            ]),
        }
    }
}

impl RollbackRules {
    /// Reads `rollback: auto` or `rollback: { mode: auto, … }` over given rules.
    pub(super) fn read(table: &mut Table<'_, '_>, base: &Self) -> Self {
        let mut read = base.clone();
        let Some(node) = table.get("rollback") else { return read };
        if !matches!(node.value, Value::Table(_)) {
            read.mode = table.word("rollback", &MODES).unwrap_or(base.mode);
            return read;
        }
        let Some(mut rollback) = table.table("rollback") else { return read };
        read.mode = rollback.word("mode", &MODES).unwrap_or(base.mode);
        if let Some(trigger) = words(&mut rollback, "trigger", &TRIGGERS) {
            read.trigger = trigger;
        }
        if let Some(mut guards) = rollback.table("guards") {
            read.max_per_service =
                guards.parse("max_per_service", per_period).unwrap_or(base.max_per_service);
            read.cooldown = guards.duration("cooldown").unwrap_or(base.cooldown);
            let require = guards.flag("require_previous_version");
            read.require_previous_version = require.unwrap_or(base.require_previous_version);
            if let Some(not_if) = words(&mut guards, "not_if", &OBSTACLES) {
                if not_if.contains(&Obstacle::Frozen)
                    && let Some(node) = guards.get("not_if")
                {
                    guards.reader.refer(Refers::Window, FREEZE, node.at);
                }
                read.not_if = not_if;
            }
            guards.close();
        }
        rollback.close();
        read
    }
}

/// Reads a list of words; one that is not among them is reported.
fn words<T: Copy + Ord>(
    table: &mut Table<'_, '_>,
    key: &'static str,
    words: &[(&str, T)],
) -> Option<BTreeSet<T>> {
    let what = table.name(key);
    let texts = table.texts(key)?;
    let mut read = BTreeSet::new();
    for (text, at) in texts {
        let known = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(&text));
        if let Some((_, value)) = known {
            read.insert(*value);
        } else {
            let listed: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
            let text = format!("{what} must be of {}, found `{text}`", listed.join(", "));
            table.reader.report(Code::BadValue, at, text);
        }
    }
    Some(read)
}

/// Reads `2/24h`.
fn per_period(text: &str) -> Result<PerPeriod, String> {
    let wrong = || "must be a number of times in a time, such as `2/24h`".to_owned();
    let (times, period) = text.split_once('/').ok_or_else(wrong)?;
    let times = times.trim().parse::<NonZeroU32>().map_err(|_not_a_number| wrong())?;
    let period = scalar::duration(period)?;
    if period.is_zero() { Err(wrong()) } else { Ok(PerPeriod { times, period }) }
}
