//! What the doctor says: each finding with a hint what to do.
//!
//! Pure: from what was gathered to findings. A new check is a function here and a line in [`judge`].

use std::collections::BTreeSet;
use std::path::Path;

use printery_config::Fleet;
use printery_events::topology::WORKERS;
use serde::Serialize;

use crate::cli::doctor::examine::Examined;
use crate::cli::times::span;
use crate::snapshot::InstanceView;

/// How far a host's clock may be off the server's. 5 s: webhook signatures allow minutes, people
/// who compare logs do not.
const CLOCK_OFF_MS: u64 = 5_000;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// As it should be.
    Fine,
    /// Somebody should know.
    Advice,
    /// Somebody must act.
    Wrong,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// How bad it is.
    pub(crate) level: Level,
    /// What it is about.
    pub(crate) about: &'static str,
    /// What was found.
    pub(crate) text: String,
    /// What to do.
    pub(crate) hint: Option<String>,
}

impl Finding {
    /// Nothing to do.
    pub(crate) fn fine(about: &'static str, text: impl Into<String>) -> Self {
        Self { level: Level::Fine, about, text: text.into(), hint: None }
    }

    /// Worth knowing.
    pub(crate) fn advice(
        about: &'static str,
        text: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { level: Level::Advice, about, text: text.into(), hint: Some(hint.into()) }
    }

    /// Wrong.
    pub(crate) fn wrong(
        about: &'static str,
        text: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { level: Level::Wrong, about, text: text.into(), hint: Some(hint.into()) }
    }
}

/// Flags, environment or fleet file cannot be used.
pub(crate) fn configuration(problems: &str) -> Vec<Finding> {
    let hint =
        "correct it; `printery-workers config check` shows the fleet file's problems in place";
    problems.lines().map(|line| Finding::wrong("configuration", line, hint)).collect()
}

/// What somebody should look at in the fleet file.
pub(crate) fn fleet_file(fleet: &Fleet) -> Vec<Finding> {
    let count = format!("{}: {} services", fleet.source(), fleet.services.len());
    let hint = "`printery-workers config check` shows its place";
    let warnings = fleet.warnings.iter();
    let warnings = warnings.map(|it| Finding::advice("configuration", it.to_string(), hint));
    std::iter::once(Finding::fine("configuration", count)).chain(warnings).collect()
}

/// Whether the programs are there.
pub(crate) fn programs_found(directory: &Path, missing: &[&str]) -> Finding {
    let place = directory.display();
    if missing.is_empty() {
        return Finding::fine("programs", format!("all {} are in {place}", WORKERS.len()));
    }
    let text = format!("{} cannot be executed in {place}", missing.join(", "));
    Finding::wrong(
        "programs",
        text,
        "build them (cargo build --workspace), or set PRINTERY_BIN_DIR",
    )
}

/// Redis cannot be asked.
pub(crate) fn unreachable(address: &str, why: &str) -> Finding {
    let hint =
        format!("start it, or correct --redis-url (REDIS_URL); redis-cli -h … ping asks {address}");
    Finding::wrong("redis", format!("{address} cannot be asked: {why}"), hint)
}

/// Judges everything that was found in Redis.
pub(crate) fn judge(examined: &Examined) -> Vec<Finding> {
    [
        server(examined),
        groups(examined),
        partitions(examined),
        workers(examined),
        holders(examined),
        dead_letters(examined),
    ]
    .concat()
}

fn server(examined: &Examined) -> Vec<Finding> {
    let facts = &examined.server;
    let about = format!("{} {} at {}", facts.flavour, facts.version, examined.address);
    let mut findings = vec![Finding::fine("redis", about)];
    findings.extend(examined.remarks.iter().map(|remark| Finding {
        level: if remark.fatal { Level::Wrong } else { Level::Advice },
        about: "redis",
        text: remark.sentence.clone(),
        hint:
            remark.fatal.then(|| "no worker starts on this server until it is changed".to_owned()),
    }));
    if examined.clock_off_ms > CLOCK_OFF_MS {
        let text = format!("this host's clock is {} off the server's", span(examined.clock_off_ms));
        findings.push(Finding::advice(
            "clock",
            text,
            "the fleet goes by the server's; run NTP on both",
        ));
    }
    findings
}

fn groups(examined: &Examined) -> Vec<Finding> {
    let groups = &examined.observation.groups;
    let missing: Vec<_> = groups.iter().filter(|group| !group.exists).collect();
    if missing.is_empty() {
        return vec![Finding::fine("groups", format!("all {} exist", groups.len()))];
    }
    let first = missing.first().map(|group| format!("{} on {}", group.group, group.stream));
    let text = format!(
        "{} of {} do not exist, such as {}",
        missing.len(),
        groups.len(),
        first.unwrap_or_default()
    );
    let hint = "a manager makes them (`printery-workers --worker=none`), and each worker its own";
    vec![Finding::wrong("groups", text, hint)]
}

/// Whether all work on the same partitions, and whether something waits in others.
fn partitions(examined: &Examined) -> Vec<Finding> {
    let disagree = examined.disagreement.iter().map(|problem| {
        let hint = "start them all with the same --partitions (PRINTERY_PARTITIONS)";
        Finding::wrong("partitions", problem.as_str(), hint)
    });
    let left = examined.leftovers.iter().map(|left| {
        let level = if left.is_settled() { Level::Advice } else { Level::Wrong };
        Finding { level, about: "partitions", text: left.sentence(), hint: Some(left.hint()) }
    });
    disagree.chain(left).collect()
}

fn workers(examined: &Examined) -> Vec<Finding> {
    let mut findings = Vec::new();
    for worker in WORKERS {
        let of_worker =
            examined.observation.instances.iter().filter(|(name, _)| name == worker.name);
        let (alive, silent): (Vec<&InstanceView>, Vec<&InstanceView>) =
            of_worker.map(|(_, instance)| instance).partition(|instance| instance.alive);
        let name = worker.name;
        if alive.is_empty() {
            let hint = format!("printery-workers --worker={name}");
            findings.push(Finding::wrong("workers", format!("no {name} runs"), hint));
        } else {
            findings.push(Finding::fine("workers", format!("{name}: {} running", alive.len())));
        }
        for instance in silent {
            let age = span(instance.beat_age_ms);
            let text = format!("{} has not been heard for {age}", instance.instance);
            let hint = "its process is gone or stopped; a manager takes its record away";
            findings.push(Finding::advice("workers", text, hint));
        }
    }
    let instances = examined.observation.instances.iter();
    let versions: BTreeSet<&str> =
        instances.filter(|(_, one)| one.alive).map(|(_, one)| one.version.as_str()).collect();
    if versions.len() > 1 {
        let versions: Vec<&str> = versions.into_iter().collect();
        let text = format!("several versions run side by side: {}", versions.join(", "));
        findings.push(Finding::advice("workers", text, "that is fine while an upgrade goes on"));
    }
    findings
}

fn holders(examined: &Examined) -> Vec<Finding> {
    let alive: BTreeSet<&str> = examined
        .observation
        .instances
        .iter()
        .filter(|(_, instance)| instance.alive)
        .map(|(_, instance)| instance.instance.as_str())
        .collect();
    let dead = examined.holders.iter().filter(|holder| !alive.contains(holder.consumer.as_str()));
    let finding = |holder: &crate::cli::doctor::examine::Holder| {
        let text = format!(
            "{} does not run and holds {} entries of {}",
            holder.consumer, holder.pending, holder.stream
        );
        // Twice the lease is more than a sweep of any live worker leaves.
        let stuck = holder.idle_ms > examined.lease_ms.saturating_mul(2);
        if stuck {
            let hint = format!("no {} takes them over: start one", holder.worker);
            Finding::wrong("consumers", text, hint)
        } else {
            let lease = span(examined.lease_ms);
            Finding::advice("consumers", text, format!("another takes them over after {lease}"))
        }
    };
    dead.map(finding).collect()
}

fn dead_letters(examined: &Examined) -> Vec<Finding> {
    let mut findings = Vec::new();
    for queue in examined.observation.queues.iter().filter(|queue| queue.dead_letters > 0) {
        let text = format!("{} has {}", queue.worker, queue.dead_letters);
        let hint = format!("printery-workers dlq list {}", queue.worker);
        findings.push(Finding::wrong("dead letters", text, hint));
    }
    if findings.is_empty() {
        findings.push(Finding::fine("dead letters", "none"));
    }
    for (worker, count) in examined.lost.iter().filter(|(_, count)| *count > 0) {
        let text = format!("{count} entries of {worker} were deleted by somebody while pending");
        let hint = "look for XDEL, XTRIM or MAXLEN in the producers";
        findings.push(Finding::advice("lost", text, hint));
    }
    findings
}

#[cfg(test)]
#[path = "finding_tests.rs"]
mod tests;
