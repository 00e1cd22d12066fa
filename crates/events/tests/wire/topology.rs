//! Owns the comparison of the topology with the table of contract §2.
//! It spells the table out a second time on purpose: a slip in one of them shows.
//! It never starts anything.

use printery_events::Family;
use printery_events::topology::{DEFAULT_STAGES, SHIELD_LISTENER, WORKERS, Worker};

fn streams(worker: &Worker, stages: &[&str]) -> Vec<String> {
    let stages: Vec<String> = stages.iter().map(|stage| (*stage).to_owned()).collect();
    worker.streams(&stages).iter().map(ToString::to_string).collect()
}

#[test]
fn the_workers_are_those_of_the_contract_in_start_order() {
    let rows: Vec<_> =
        WORKERS.iter().map(|it| (it.name, it.program, it.group(), it.concurrency)).collect();
    let row = |name, program, concurrency| (name, program, String::from(program), concurrency);
    let expected = [
        row("validator", "printery-validator", 1),
        row("dependency-checker", "printery-dependency-checker", 5),
        row("health-monitor", "printery-health-monitor", 10),
        row("notifier", "printery-notifier", 5),
    ];
    assert_eq!(rows, expected);
}

#[test]
fn every_worker_reads_the_streams_of_the_contract() {
    let expected: [&[&str]; 4] = [
        &["deployment:started"],
        &[
            "validation:completed",
            "deployment:stage:vercel:completed",
            "deployment:stage:railway:completed",
            "deployment:stage:folio:completed",
        ],
        &["dependency:check:completed"],
        &[
            "deployment:started",
            "deployment:stage:vercel:completed",
            "deployment:stage:railway:completed",
            "deployment:stage:folio:completed",
            "deployment:completed",
            "deployment:failed",
            "validation:completed",
            "dependency:check:completed",
            "health:check:completed",
            "rollback:initiated",
            "rollback:completed",
        ],
    ];
    for (worker, expected) in WORKERS.iter().zip(expected) {
        assert_eq!(streams(worker, &DEFAULT_STAGES), expected, "{}", worker.name);
    }
    let checker = Worker::find("dependency").unwrap();
    let expected = ["validation:completed", "deployment:stage:only:completed"];
    assert_eq!(streams(checker, &["only"]), expected);
}

#[test]
fn a_worker_is_found_by_its_aliases_only() {
    let name = |text| Worker::find(text).map(|worker| worker.name);
    assert_eq!(name("health"), Some("health-monitor"));
    assert_eq!(name("dependency"), Some("dependency-checker"));
    assert_eq!(name("notifier"), Some("notifier"));
    assert_eq!(name("Validator"), None);
    assert_eq!(name("printery-validator"), None);
}

#[test]
fn every_result_is_published_by_exactly_one_worker() {
    for family in Family::ALL {
        let publishers = WORKERS.iter().filter(|it| it.publishes.contains(family)).count();
        let from_outside = matches!(
            family,
            Family::DeploymentStarted
                | Family::StageStarted
                | Family::StageCompleted
                | Family::DeploymentCompleted
                | Family::RollbackCompleted
        );
        assert_eq!(publishers, usize::from(!from_outside), "{family}");
    }
}

#[test]
fn the_shield_listener_is_found_by_name_and_never_meant_by_all() {
    assert_eq!(Worker::find("shield-listener"), Some(&SHIELD_LISTENER));
    assert!(WORKERS.iter().all(|worker| !worker.is_on_demand()) && SHIELD_LISTENER.is_on_demand());
    assert_eq!(SHIELD_LISTENER.group(), "shield-deployment-listener");
    assert_eq!(
        (SHIELD_LISTENER.program, SHIELD_LISTENER.concurrency),
        ("printery-shield-listener", 5)
    );
    let expected = [
        "deployment:started",
        "deployment:stage:only:started",
        "deployment:stage:only:completed",
        "deployment:completed",
        "deployment:failed",
        "rollback:initiated",
        "rollback:completed",
        "validation:completed",
        "dependency:check:completed",
        "health:check:completed",
    ];
    assert_eq!(streams(&SHIELD_LISTENER, &["only"]), expected);
}
