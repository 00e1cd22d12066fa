//! Going back: asked for once, to a version that is known, and not when something speaks against it.

use printery_events::payload::{
    DeploymentCompleted, DeploymentStarted, DeploymentStatus, HealthCheckCompleted, Migrations,
    RollbackInitiated, StageCompleted, StageStatus,
};
use printery_events::{Event, Payload};
use printery_testkit::{Answer, HttpService};

use super::HealthMonitor;
use super::scene::{Scene, after_stage, before, monitor};

const QUICK: &str = "warmup: 0s, samples: 3, interval: 10ms, timeout: 2s, min_samples: 3, \
                     jitter: 0%, baseline: { samples: 3 }";

/// Guards as they are by default, but for the times, which would keep one test from the next case.
const AUTO: &str = "rollback: { mode: auto, guards: { cooldown: 0s, max_per_service: 100/24h } }";

fn watching(api: &HttpService, rollback: &str) -> HealthMonitor {
    let services = format!("  api: {{ url: \"{}\" }}\n  relay: {{ url: \"{0}\" }}\n", api.url());
    monitor(&format!("{QUICK}, {rollback}"), &services)
}

/// An event of another deployment than the others.
fn of(deployment: &str, event: Event) -> Event {
    let Payload::DependencyCheckCompleted(mut check) = event.payload else { panic!("{event:?}") };
    check.deployment_id = deployment.to_owned();
    let payload = Payload::DependencyCheckCompleted(check);
    Event { subject: deployment.to_owned(), payload, ..event }
}

fn started(deployment: &str, previous: Option<&str>) -> DeploymentStarted {
    DeploymentStarted {
        deployment_id: deployment.to_owned(),
        version: "2.0.0".to_owned(),
        environment: "production".to_owned(),
        strategy: None,
        services: vec!["api".to_owned()],
        previous_version: previous.map(str::to_owned),
        images: std::collections::BTreeMap::new(),
        initiated_by: None,
        labels: Vec::new(),
        migrations: None,
        git: None,
        manifest: None,
    }
}

fn stage_done(deployment: &str, stage: &str) -> Payload {
    Payload::StageCompleted(StageCompleted {
        deployment_id: deployment.to_owned(),
        stage: stage.to_owned(),
        status: StageStatus::Success,
        version: None,
        environment: None,
        services: Vec::new(),
        duration_seconds: None,
        error_message: None,
    })
}

async fn broken() -> (Scene, HttpService) {
    let api = HttpService::start().await;
    api.answer(Answer::Status(503));
    (Scene::set().await, api)
}

#[track_caller]
fn withheld(answer: (HealthCheckCompleted, Option<RollbackInitiated>), why: &str) {
    let (completed, rollback) = answer;
    assert_eq!((completed.rollback_requested, rollback), (false, None), "{}", completed.summary);
    assert!(completed.summary.contains(why), "{why}: {}", completed.summary);
}

#[tokio::test]
async fn a_rollback_names_the_version_and_the_stages_to_go_back_from() {
    let (scene, api) = broken().await;
    let monitor = watching(&api, AUTO);
    scene.publish(Payload::DeploymentStarted(started("d-1", Some("1.9.0")))).await;
    scene.publish(stage_done("d-1", "railway")).await;
    scene.publish(stage_done("d-1", "vercel")).await;
    scene.publish(stage_done("d-0", "folio")).await;
    let (completed, rollback) = scene.watch_and_ask(&monitor, &after_stage(&["api"])).await;
    assert!(completed.rollback_requested, "{}", completed.summary);
    assert!(completed.summary.ends_with("a rollback to 1.9.0 was requested"));
    let rollback = rollback.expect("it is asked for");
    assert_eq!(rollback.deployment_id, "d-1");
    assert_eq!(rollback.previous_version, "1.9.0");
    assert_eq!(rollback.stages_to_rollback, ["vercel", "railway"], "in the fleet's order");
    assert_eq!(rollback.reason, completed.summary);
    assert_eq!(rollback.requested_by.as_deref(), Some("health-monitor"));
}

#[tokio::test]
async fn a_deployment_goes_back_once_whatever_its_stages_show() {
    let (scene, api) = broken().await;
    let monitor = watching(&api, AUTO);
    scene.publish(Payload::DeploymentStarted(started("d-1", Some("1.9.0")))).await;
    let event = after_stage(&["api"]);
    let first = scene.watch_and_ask(&monitor, &event).await;
    // The owner died before the commit: the same event asks again, and it is the same request.
    let again = scene.watch_and_ask(&monitor, &event).await;
    assert!(first.1.is_some() && again.1 == first.1, "{}", again.0.summary);
    let other = scene.watch_and_ask(&monitor, &after_stage(&["api"])).await;
    withheld(other, "a rollback of this deployment was requested before");
}

#[tokio::test]
async fn a_service_that_went_back_is_left_alone_for_a_while() {
    let (scene, api) = broken().await;
    let monitor = watching(&api, "rollback: auto");
    for deployment in ["d-1", "d-2"] {
        let began = started(deployment, Some("1.9.0"));
        scene.publish(Payload::DeploymentStarted(began)).await;
    }
    let (first, _) = scene.watch_and_ask(&monitor, &after_stage(&["api"])).await;
    assert!(first.rollback_requested, "{}", first.summary);
    let second = scene.watch_and_ask(&monitor, &of("d-2", after_stage(&["api"]))).await;
    withheld(second, "a rollback of api was requested within the last 30 m");
}

#[tokio::test]
async fn nothing_goes_back_when_that_cannot_help() {
    let (scene, api) = broken().await;
    let monitor = watching(&api, AUTO);
    // relay needs db, which is down.
    scene.publish(Payload::DeploymentStarted(started("d-1", Some("1.9.0")))).await;
    let answer = scene.watch_and_ask(&monitor, &after_stage(&["relay"])).await;
    withheld(answer, "no rollback is requested: db, which relay needs, is down");

    let migrations = Some(Migrations { required: true, reversible: false });
    let for_good = DeploymentStarted { migrations, ..started("d-2", Some("1.9.0")) };
    scene.publish(Payload::DeploymentStarted(for_good)).await;
    let answer = scene.watch_and_ask(&monitor, &of("d-2", after_stage(&["api"]))).await;
    withheld(answer, "the deployment's migration cannot be undone");

    let answer = scene.watch_and_ask(&monitor, &of("d-3", after_stage(&["api"]))).await;
    withheld(answer, "no earlier version to return to is known");

    scene.publish(Payload::DeploymentStarted(started("d-4", Some("1.9.0")))).await;
    scene.watch(&monitor, &of("d-4", before(&["api"]))).await;
    let answer = scene.watch_and_ask(&monitor, &of("d-4", after_stage(&["api"]))).await;
    withheld(answer, "pre-existing");

    // None of them has used up the deployment's one request.
    let answer = scene.watch_and_ask(&monitor, &after_stage(&["api"])).await;
    assert!(answer.1.is_some(), "{}", answer.0.summary);
}

#[tokio::test]
async fn the_version_before_is_the_one_that_last_did_well() {
    let (scene, api) = broken().await;
    let monitor = watching(&api, AUTO);
    // What another deployment completed, where nobody has watched it.
    let completed = DeploymentCompleted {
        deployment_id: "d-0".to_owned(),
        status: DeploymentStatus::Success,
        environment: None,
        version: Some("1.7.0".to_owned()),
        total_duration_seconds: None,
        stage_results: Vec::new(),
    };
    scene.publish(Payload::DeploymentStarted(started("d-0", None))).await;
    scene.publish(Payload::DeploymentCompleted(completed)).await;
    let (_, rollback) = scene.watch_and_ask(&monitor, &of("d-1", after_stage(&["api"]))).await;
    assert_eq!(rollback.expect("it is known").previous_version, "1.7.0");

    // What has done well since then counts more; the deployment's own good stages do not.
    for (deployment, version) in [("d-2", "1.8.0"), ("d-3", "2.0.0")] {
        api.answer(Answer::Healthy);
        let mut event = of(deployment, after_stage(&["api"]));
        if let Payload::DependencyCheckCompleted(check) = &mut event.payload {
            check.version = Some(version.to_owned());
        }
        scene.watch(&monitor, &event).await;
    }
    api.answer(Answer::Status(503));
    let (_, rollback) = scene.watch_and_ask(&monitor, &of("d-3", after_stage(&["api"]))).await;
    assert_eq!(rollback.expect("it is known").previous_version, "1.8.0");
}

#[tokio::test]
async fn going_back_is_asked_for_only_when_it_is_switched_on_and_meant() {
    let (scene, api) = broken().await;
    let meant = |deployment: &str| of(deployment, after_stage(&["api"]));
    for deployment in ["d-1", "d-2", "d-3", "d-4"] {
        let began = started(deployment, Some("1.9.0"));
        scene.publish(Payload::DeploymentStarted(began)).await;
    }
    let dry = Event { dry_run: true, ..meant("d-3") };
    let cases = [
        ("rollback: \"off\"", meant("d-1"), "(HTTP 503)"),
        ("rollback: suggest", meant("d-2"), "rolling back is advised"),
        (AUTO, dry, "rolling back is advised"),
        (AUTO, of("d-4", before(&["api"])), "pre-existing"),
    ];
    for (rollback, event, expected) in cases {
        let answer = scene.watch_and_ask(&watching(&api, rollback), &event).await;
        withheld(answer, expected);
    }
}
