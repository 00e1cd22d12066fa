//! What the handler's tests share: a private Redis, a fleet file, events.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use printery_config::Fleet;
use printery_events::payload::{
    DependencyCheckCompleted, DependencyResult, HealthCheckCompleted, Impaired, RollbackInitiated,
    RolloutPhase,
};
use printery_events::{Encoding, Event, Payload};
use printery_harness::fleet::Records;
use printery_harness::{Context, Handler, Outcome};
use printery_testkit::RedisServer;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::HealthMonitor;

pub(super) fn monitor(health: &str, services: &str) -> HealthMonitor {
    let text = format!(
        "version: 1\nfleet: test\negress: {{ allow_loopback: true }}\n\
         defaults: {{ health: {{ {health} }} }}\nservices:\n{services}"
    );
    let fleet =
        Fleet::parse("test.yaml", &text, &|_| None).unwrap_or_else(|why| panic!("{why}\n{text}"));
    HealthMonitor::try_new(&fleet).expect("a usable fleet file")
}

/// Where the windows of a test are kept.
pub(super) struct Scene {
    pub(super) redis: RedisServer,
}

impl Scene {
    pub(super) async fn set() -> Self {
        Self { redis: RedisServer::start().await }
    }

    pub(super) fn records(&self) -> Records {
        Records::try_new(&self.redis.url(), "t").unwrap()
    }

    pub(super) fn context(&self, within: Duration) -> Context {
        let now = jiff::Timestamp::now().as_millisecond();
        Context {
            attempt: 1,
            deadline: Instant::now() + within,
            cancelled: CancellationToken::new(),
            started_ms: u64::try_from(now).unwrap(),
            instance: "health-monitor-test".to_owned(),
            records: self.records(),
        }
    }

    /// Puts an event where its producer would.
    pub(super) async fn publish(&self, payload: Payload) {
        let id = format!("p-{}", EVENTS.fetch_add(1, Ordering::Relaxed));
        let event = Event::new(id, "/test", payload, jiff::Timestamp::UNIX_EPOCH);
        let stream = format!("t:events:deployment:{}", event.event_type);
        let mut words = vec![b"XADD".to_vec(), stream.into_bytes(), b"*".to_vec()];
        for (name, value) in event.encode(Encoding::Json) {
            words.extend([name, value]);
        }
        self.redis.connect().await.cmd(&words).await;
    }

    pub(super) async fn handle(
        &self,
        monitor: &HealthMonitor,
        event: &Event,
        within: Duration,
    ) -> Outcome {
        monitor.handle(event, &self.context(within)).await
    }

    pub(super) async fn watch_and_ask(
        &self,
        monitor: &HealthMonitor,
        event: &Event,
    ) -> (HealthCheckCompleted, Option<RollbackInitiated>) {
        let effects = self.handle(monitor, event, LONG).await.expect("a failed check is a result");
        let payloads: Vec<&Payload> = effects.payloads().collect();
        match payloads.as_slice() {
            [Payload::HealthCheckCompleted(completed)] => (completed.clone(), None),
            [Payload::HealthCheckCompleted(completed), Payload::RollbackInitiated(rollback)] => {
                (completed.clone(), Some(rollback.clone()))
            }
            other => panic!("one result, not {other:?}"),
        }
    }

    pub(super) async fn watch(
        &self,
        monitor: &HealthMonitor,
        event: &Event,
    ) -> HealthCheckCompleted {
        self.watch_and_ask(monitor, event).await.0
    }
}

/// Longer than every window that is to be taken whole.
pub(super) const LONG: Duration = Duration::from_secs(60);

/// How many events there were: each has an id, and so a window, of its own.
static EVENTS: AtomicU32 = AtomicU32::new(0);

/// A sentence without the time of day that it ends with.
pub(super) fn timeless(sentence: &str) -> &str {
    sentence.split(" since ").next().unwrap_or_default()
}

pub(super) fn checked(phase: RolloutPhase, stage: Option<&str>, services: &[&str]) -> Event {
    let payload = Payload::DependencyCheckCompleted(DependencyCheckCompleted {
        deployment_id: "d-1".to_owned(),
        phase,
        stage: stage.map(str::to_owned),
        services: services.iter().map(|name| (*name).to_owned()).collect(),
        environment: Some("production".to_owned()),
        version: Some("2.0.0".to_owned()),
        result: DependencyResult::AllHealthy,
        statuses: Vec::new(),
        root_causes: vec!["db".to_owned()],
        impaired: vec![Impaired { name: "relay".to_owned(), by: "db".to_owned() }],
        duration_ms: 1,
        summary: "all well".to_owned(),
    });
    let id = format!("e-{}", EVENTS.fetch_add(1, Ordering::Relaxed));
    Event::new(id, "/test", payload, jiff::Timestamp::UNIX_EPOCH)
}

pub(super) fn after_stage(services: &[&str]) -> Event {
    checked(RolloutPhase::PostStage, Some("railway"), services)
}

pub(super) fn before(services: &[&str]) -> Event {
    checked(RolloutPhase::PreDeploy, None, services)
}
