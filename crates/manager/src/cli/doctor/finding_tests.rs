//! What the doctor says about what it finds.

use printery_streams::server::{Remark, ServerFacts};

use super::*;
use crate::cli::doctor::examine::Holder;
use crate::leftovers::Leftover;
use crate::snapshot::tests::observation;
use crate::snapshot::{GroupView, QueueView};
use crate::totals::Open;

fn instance(worker: &str, alive: bool) -> (String, InstanceView) {
    let instance = InstanceView {
        instance: format!("{worker}-h-1-x"),
        phase: "running".to_owned(),
        alive,
        beat_age_ms: 61_000,
        host: "h".to_owned(),
        pid: 1,
        version: "1.2.3".to_owned(),
        concurrency: 5,
        in_flight: 0,
        settled: 0,
        failed: 0,
        http: None,
        partitions: None,
        hold: None,
    };
    (worker.to_owned(), instance)
}

fn well() -> Examined {
    let mut observation = observation();
    observation.instances = WORKERS.iter().map(|worker| instance(worker.name, true)).collect();
    Examined {
        address: "h:1".to_owned(),
        server: ServerFacts::default(),
        remarks: Vec::new(),
        clock_off_ms: 10,
        lease_ms: 15_000,
        observation,
        holders: Vec::new(),
        lost: vec![("validator", 0)],
        disagreement: None,
        leftovers: Vec::new(),
    }
}

fn worst(examined: &Examined) -> Vec<(Level, String)> {
    let findings = judge(examined).into_iter().filter(|it| it.level != Level::Fine);
    findings.map(|it| (it.level, format!("{}: {}", it.about, it.text))).collect()
}

#[test]
fn a_fleet_that_is_well_has_no_finding() {
    assert_eq!(worst(&well()), []);
}

#[test]
fn everything_that_is_wrong_is_found() {
    let mut ill = well();
    ill.observation.instances = vec![instance("notifier", true), instance("validator", false)];
    ill.observation.groups.push(GroupView {
        worker: "validator".to_owned(),
        stream: "deployment:started".to_owned(),
        group: "printery-validator".to_owned(),
        exists: false,
        length: 0,
        lag: None,
        pending: 0,
        oldest_pending_ms: None,
        oldest_waiting_ms: None,
        consumers: 0,
    });
    let worker = "notifier".to_owned();
    ill.observation.queues.push(QueueView {
        worker,
        inbox: 0,
        delayed: 0,
        in_line: 0,
        dead_letters: 2,
    });
    ill.remarks.push(Remark { fatal: true, sentence: "it evicts".to_owned() });
    ill.clock_off_ms = 9_000;
    ill.lost = vec![("validator", 1)];
    ill.disagreement = Some("notifier-x was told of 5".to_owned());
    let leftover = |prefix: &str, pending, alive: &[&str]| Leftover {
        prefix: prefix.to_owned(),
        open: Open { lag: Some(0), pending, ..Open::default() },
        alive: alive.iter().map(|name| (*name).to_owned()).collect(),
    };
    ill.leftovers = vec![
        leftover("{materi.5}", 4, &[]),
        leftover("{materi.6}", 0, &[]),
        leftover("{materi.0}", 0, &["notifier-y"]),
    ];
    let holder = |consumer: &str, idle_ms| Holder {
        worker: "validator",
        stream: "deployment:started".to_owned(),
        consumer: consumer.to_owned(),
        pending: 4,
        idle_ms,
    };
    ill.holders =
        vec![holder("gone-long", 31_000), holder("gone", 20_000), holder("notifier-h-1-x", 90_000)];
    let expected = [
        (Level::Wrong, "redis: it evicts"),
        (Level::Advice, "clock: this host's clock is 9.0 s off the server's"),
        (
            Level::Wrong,
            "groups: 1 of 1 do not exist, such as printery-validator on deployment:started",
        ),
        (Level::Wrong, "partitions: notifier-x was told of 5"),
        (
            Level::Wrong,
            "partitions: {materi.5} has what nobody with these settings reads: entries 4, dead letters 0",
        ),
        (
            Level::Advice,
            "partitions: {materi.6} has streams of other settings; everything there is settled",
        ),
        (
            Level::Wrong,
            "partitions: processes alive under another prefix, {materi.0}: 1, such as notifier-y",
        ),
        (Level::Wrong, "workers: no validator runs"),
        (Level::Advice, "workers: validator-h-1-x has not been heard for 1m 01s"),
        (Level::Wrong, "workers: no dependency-checker runs"),
        (Level::Wrong, "workers: no health-monitor runs"),
        (
            Level::Wrong,
            "consumers: gone-long does not run and holds 4 entries of deployment:started",
        ),
        (Level::Advice, "consumers: gone does not run and holds 4 entries of deployment:started"),
        (Level::Wrong, "dead letters: notifier has 2"),
        (Level::Advice, "lost: 1 entries of validator were deleted by somebody while pending"),
    ];
    let expected: Vec<_> =
        expected.into_iter().map(|(level, text)| (level, text.to_owned())).collect();
    assert_eq!(worst(&ill), expected);
    let hinted = judge(&ill).iter().all(|it| it.level == Level::Fine || it.hint.is_some());
    assert!(hinted, "each finding says what to do");
}

#[test]
fn programs_that_are_missing_are_named() {
    let finding = programs_found(Path::new("/bin"), &["printery-notifier"]);
    assert_eq!(finding.level, Level::Wrong);
    assert!(finding.text.contains("printery-notifier") && finding.text.contains("/bin"));
    assert_eq!(programs_found(Path::new("/bin"), &[]).level, Level::Fine);
}
