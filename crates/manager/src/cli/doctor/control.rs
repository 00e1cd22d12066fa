//! What the doctor says about what people and circuits keep the fleet from doing.
//!
//! Gathers owners, pauses, guards, circuits, lives, the leader and the budget, and which of them this
//! user may not read; then judges, each finding with a hint. It changes nothing.

use std::collections::BTreeMap;

use printery_events::topology::every;
use printery_fleet::budget::{self, Budget};
use printery_fleet::controls::{self, Controls, Hold, OURSELVES};
use printery_fleet::destinations::{CircuitState, Standing};
use printery_fleet::instances::{self, Instance};
use printery_fleet::lives::{self, Alarm, Life, State};
use printery_fleet::locks::{self, Holder, LEADER};
use printery_streams::{Clock, Error, ErrorKind};

use crate::cli::breaker::circuits;
use crate::cli::budget::level;
use crate::cli::doctor::finding::Finding;
use crate::cli::failure::Failure;
use crate::cli::target::Target;
use crate::cli::times::span;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Controlled {
    /// The server's time, milliseconds.
    pub(crate) now_ms: u64,
    /// What people told the workers.
    pub(crate) controls: Controls,
    /// Who lives.
    pub(crate) instances: Vec<Instance>,
    /// Where processes stand.
    pub(crate) lives: BTreeMap<String, Life>,
    /// Circuits: target, partition and how it stands.
    pub(crate) circuits: Vec<(String, String, Standing)>,
    /// Which manager leads.
    pub(crate) leader: Option<Holder>,
    /// The budget.
    pub(crate) budget: Budget,
    /// What this user may not read.
    pub(crate) refused: Vec<String>,
}

/// Gathers it; what this user may not read is a finding and keeps nothing else from being looked at.
pub(crate) async fn gather(target: &mut Target) -> Result<Controlled, Failure> {
    let clock = Clock::default();
    clock.read(&mut target.session).await?;
    let mut found = Controlled { now_ms: clock.now_ms(), ..Controlled::default() };
    let (session, keys) = (&mut target.session, &target.keys);
    let refused = &mut found.refused;
    found.controls = allowed(controls::read(session, keys).await, refused)?;
    found.instances = allowed(instances::list(session, keys).await, refused)?;
    found.lives = allowed(lives::list(session, keys).await, refused)?;
    found.leader = allowed(locks::holder(session, keys, LEADER).await, refused)?;
    found.budget = allowed(budget::read(session, keys).await, refused)?;
    match circuits(target).await {
        Ok((circuits, _)) => found.circuits = circuits,
        Err(failure) if failure.text.contains("NOPERM") => found.refused.push(failure.text),
        Err(failure) => return Err(failure),
    }
    Ok(found)
}

fn allowed<T: Default>(read: Result<T, Error>, refused: &mut Vec<String>) -> Result<T, Failure> {
    match read {
        Ok(value) => Ok(value),
        Err(error) if error.kind == ErrorKind::Refused => {
            refused.push(error.to_string());
            Ok(T::default())
        }
        Err(error) => Err(error.into()),
    }
}

/// Judges it.
pub(crate) fn judge(found: &Controlled) -> Vec<Finding> {
    [
        permissions(found),
        owners(found),
        guards(found),
        breakers(found),
        lives_of(found),
        leader(found),
        tokens(found),
    ]
    .concat()
}

fn permissions(found: &Controlled) -> Vec<Finding> {
    let hint = "give this user what deploy/acl/manager.acl has, or use the manager's";
    if found.refused.is_empty() {
        return vec![Finding::fine("permissions", "this user may read what it needs")];
    }
    found.refused.iter().map(|text| Finding::wrong("permissions", text, hint)).collect()
}

fn owners(found: &Controlled) -> Vec<Finding> {
    let mut findings = Vec::new();
    for worker in every() {
        let control = found.controls.of(worker.name);
        if control.owner() != OURSELVES {
            let text = format!("{} is run by {}", worker.name, control.owner());
            let hint =
                format!("`printery-workers owner set {} printery` takes it back", worker.name);
            findings.push(Finding::advice("owners", text, hint));
        }
        if let Some(pause) = control.pause {
            let since = span(found.now_ms.saturating_sub(pause.since_ms));
            let text = format!("{} is {}, for {since}", worker.name, Hold::Paused(pause));
            let hint = format!("`printery-workers group resume {}`", worker.name);
            findings.push(Finding::advice("owners", text, hint));
        }
    }
    if findings.is_empty() {
        findings.push(Finding::fine("owners", "every worker is this fleet's, none is paused"));
    }
    findings
}

/// Guards are of the processes' own environment: only they say which one holds them.
fn guards(found: &Controlled) -> Vec<Finding> {
    let alive = found.instances.iter().filter(|one| one.is_alive(found.now_ms));
    let held = alive.filter_map(|one| match &one.hold {
        Some(Hold::Guarded { guard }) => Some((one, guard.as_str())),
        Some(Hold::Paused(_) | Hold::OwnedElsewhere { .. }) | None => None,
    });
    let finding = |(one, guard): (&Instance, &str)| {
        let hint = match guard.split_once(':') {
            Some(("feature", _)) => {
                let name = one.worker.replace('-', "_").to_uppercase();
                format!("it was started with FEATURE_{name}=false; start it without")
            }
            Some(("fleet-mode", mode)) => {
                format!("it was started with FLEET_MODE={mode}; start it with normal")
            }
            Some(("kill-switch", name)) => format!("it was started with {name}; start it without"),
            _ if guard == controls::BUDGET => {
                format!("`printery-workers budget grant {} TOKENS`", one.called())
            }
            _ => "its own log says more".to_owned(),
        };
        Finding::advice("guards", format!("{} takes nothing: {guard}", one.instance), hint)
    };
    let findings: Vec<Finding> = held.map(finding).collect();
    if findings.is_empty() {
        return vec![Finding::fine("guards", "none holds a process")];
    }
    findings
}

fn breakers(found: &Controlled) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (target, partition, standing) in &found.circuits {
        let state = standing.circuit(found.now_ms);
        if state == CircuitState::Closed {
            continue;
        }
        let left = standing.open_until_ms.map_or(0, |until| until.saturating_sub(found.now_ms));
        let text = format!(
            "{target} in {partition} is {} after failures in a row: {}, {} left",
            state.as_str(),
            standing.failures,
            span(left)
        );
        let hint = match target.strip_prefix("start:") {
            Some(worker) => format!(
                "`printery-workers restarts` says why {worker} does not start; then `printery-workers \
                 breaker reset {target}`"
            ),
            None => format!(
                "`printery-workers notify test {target}` asks it; then `printery-workers breaker reset {target}`"
            ),
        };
        findings.push(Finding::wrong("breakers", text, hint));
    }
    if findings.is_empty() {
        findings.push(Finding::fine("breakers", "all are closed"));
    }
    findings
}

fn lives_of(found: &Controlled) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (id, life) in &found.lives {
        let since = span(found.now_ms.saturating_sub(life.since_ms));
        match (life.state, life.alarm) {
            (State::Zombie, _) => findings.push(Finding::wrong(
                "lives",
                format!("{id} of {} is a zombie since {since}", life.worker),
                format!("`printery-workers cleanup {id}`"),
            )),
            (_, Alarm::Critical | Alarm::Warning) => findings.push(Finding::advice(
                "lives",
                format!("{id} of {}: {}", life.worker, life.reason),
                "its process is stopped, or its host is busy or cut off",
            )),
            (_, Alarm::Pending) => findings.push(Finding::advice(
                "lives",
                format!("{id} of {} was asked for {since} ago and does not beat", life.worker),
                "a manager that has the worker starts it; `printery-workers restarts` says what failed",
            )),
            (_, Alarm::None | Alarm::Idle) => {}
        }
    }
    findings
}

fn leader(found: &Controlled) -> Vec<Finding> {
    vec![match &found.leader {
        None => Finding::advice(
            "leader",
            "no manager leads: nothing is trimmed, and nobody judges the silent",
            "start one: `printery-workers --worker=none`",
        ),
        Some(holder) if holder.left.is_none() => Finding::advice(
            "leader",
            format!("{} holds the lead for ever", holder.name),
            "somebody put it there by hand; deleting the lock lets a manager lead",
        ),
        Some(holder) => Finding::fine("leader", holder.name.clone()),
    }]
}

fn tokens(found: &Controlled) -> Vec<Finding> {
    let Budget { total, available, .. } = found.budget;
    let text = format!("{available} of {total} tokens are available");
    let hint = "`printery-workers budget show` says who has them; `budget recalc` takes back those of the dead";
    vec![match level(&found.budget) {
        "critical" => Finding::wrong("budget", text, hint),
        "warning" => Finding::advice("budget", text, hint),
        "off" => Finding::fine("budget", "no limit"),
        _ => Finding::fine("budget", text),
    }]
}

#[cfg(test)]
mod tests {
    use printery_fleet::controls::Pause;

    use super::*;
    use crate::cli::doctor::finding::Level;

    const NOW: u64 = 100_000_000;

    fn well() -> Controlled {
        let leader = Holder {
            name: "manager-h-1".to_owned(),
            epoch: locks::Epoch::new(1),
            left: Some(std::time::Duration::from_secs(1)),
        };
        Controlled { now_ms: NOW, leader: Some(leader), ..Controlled::default() }
    }

    fn worst(found: &Controlled) -> Vec<(Level, &'static str, String, String)> {
        let findings = judge(found).into_iter().filter(|it| it.level != Level::Fine);
        findings.map(|it| (it.level, it.about, it.text, it.hint.unwrap_or_default())).collect()
    }

    fn held(guard: &str) -> Instance {
        let record = serde_json::json!({
            "instance": "health-monitor-h-1-x", "worker": "health-monitor", "host": "h", "pid": 7,
            "version": "1", "phase": "running", "started_ms": 1, "beat_ms": NOW, "concurrency": 1,
            "in_flight": 0, "settled": 0, "failed": 0, "http": null,
            "hold": { "state": "guarded", "guard": guard },
        });
        serde_json::from_value(record).unwrap()
    }

    #[test]
    fn a_fleet_that_nothing_holds_has_no_finding() {
        assert_eq!(worst(&well()), []);
    }

    #[test]
    fn each_guard_is_named_with_what_ends_it() {
        for (guard, hint) in [
            ("feature:health-monitor", "FEATURE_HEALTH_MONITOR=false"),
            ("fleet-mode:recovery", "FLEET_MODE=recovery"),
            ("kill-switch:DISABLE_JOB_EXECUTION", "DISABLE_JOB_EXECUTION"),
            ("budget", "budget grant health-monitor-h-1-x"),
        ] {
            let found = worst(&Controlled { instances: vec![held(guard)], ..well() });
            let (level, about, text, told) = &found[0];
            assert_eq!((*level, *about), (Level::Advice, "guards"));
            assert!(text.ends_with(guard) && told.contains(hint), "{found:?}");
        }
    }

    #[test]
    fn what_is_broken_is_wrong_and_names_the_command() {
        let standing = Standing { failures: 3, open_until_ms: Some(NOW + 60_000) };
        let zombie: Life = serde_json::from_value(serde_json::json!({
            "state": "zombie", "worker": "notifier", "since_ms": NOW - 1000,
        }))
        .unwrap();
        let found = Controlled {
            circuits: vec![("start:notifier".to_owned(), "materi".to_owned(), standing)],
            lives: BTreeMap::from([("n-1".to_owned(), zombie)]),
            budget: Budget { total: 100, available: 1, ..Budget::default() },
            leader: None,
            refused: vec!["NOPERM".to_owned()],
            ..well()
        };
        let shown: Vec<_> = worst(&found)
            .into_iter()
            .map(|(level, about, _, hint)| {
                (level, about, hint.contains('`') || hint.contains("acl"))
            })
            .collect();
        let expected = [
            (Level::Wrong, "permissions", true),
            (Level::Wrong, "breakers", true),
            (Level::Wrong, "lives", true),
            (Level::Advice, "leader", true),
            (Level::Wrong, "budget", true),
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn owners_and_pauses_are_worth_knowing() {
        let pause = Pause { actor: "ada".to_owned(), since_ms: NOW - 5_000, ..Pause::default() };
        assert_eq!(Hold::Paused(pause).to_string(), "paused by ada");
        let fine = judge(&well()).into_iter().find(|it| it.about == "owners").unwrap();
        assert_eq!(fine.level, Level::Fine);
    }
}
