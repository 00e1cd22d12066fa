//! The notifier against real receivers on loopback.

use std::sync::Arc;
use std::time::Duration;

use printery_config::{Fleet, SigningKey};
use printery_events::ids::derived_id;
use printery_events::{Event, Family, Payload};
use printery_fleet::{Records, follow_ups};
use printery_harness::{Context, Handler, Outcome, Wish};
use printery_notices::signatures;
use printery_testkit::{Answer, HttpService, RedisServer, eventually};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Notifier;
use crate::errand::Errand;
use crate::sample;

mod aside;
mod escalation;
mod gathering;
mod hiding;
mod leaving_alone;

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// The server's time at the attempt's begin.
const NOW_MS: u64 = 1_763_791_200_500;

/// A Slack, a signed webhook and the log, all of them told everything.
fn file(slack: &str, hook: &str, extra: &str) -> String {
    format!(
        "egress: {{ allow_loopback: true }}\n\
         receivers:\n  chat: {{ slack: {{ url: '{slack}', channel: '#deploys' }}, pace: 0s }}\n  \
         bus: {{ webhook: {{ url: '{hook}', secret: {KEY}, events: ['deployment:*'] }} }}\n  \
         book: log\n{extra}"
    )
}

const ALL: &str = "routes: [{ to: [chat, bus, book] }]\n";
const CHAT: &str = "routes: [{ to: [chat, book] }]\n";
const BUS: &str = "routes: [{ to: [bus] }]\n";
const NOBODY: &str = "http://127.0.0.1:1/x";

/// A notifier and the Redis that it remembers in.
struct Scene {
    notifier: Notifier,
    server: RedisServer,
}

impl Scene {
    async fn of(file: &str) -> Self {
        let fleet = Fleet::parse("f", file, &|_| None).unwrap();
        Self {
            notifier: Notifier::try_new(&Arc::new(fleet)).unwrap(),
            server: RedisServer::start().await,
        }
    }

    async fn new(slack: &str, hook: &str, extra: &str) -> Self {
        Self::of(&file(slack, hook, extra)).await
    }

    /// Handles an event some time after it was first handled.
    async fn later(&self, event: &Event, after: Duration) -> Outcome {
        self.attempt(event, after, 1).await
    }

    async fn attempt(&self, event: &Event, after: Duration, attempt: u32) -> Outcome {
        let context = Context {
            attempt,
            deadline: Instant::now() + Duration::from_secs(60),
            cancelled: CancellationToken::new(),
            started_ms: NOW_MS + u64::try_from(after.as_millis()).unwrap(),
            instance: "notifier-host-1-a".to_owned(),
            records: self.records(),
        };
        self.notifier.handle(event, &context).await
    }

    fn records(&self) -> Records {
        Records::try_new(&self.server.url(), "t").unwrap()
    }

    /// Handles what was put aside of an event for a receiver, some time after the event came.
    async fn again(&self, event: &Event, receiver: &str, after: Duration) -> Outcome {
        let errand = Errand::Tell(receiver.to_owned());
        let order = format!("{}@{receiver}", event.subject);
        let later = errand.follow_up(event, &order).unwrap();
        self.later(&later, after).await
    }

    /// Whether something is put aside for a receiver of this deployment.
    async fn is_aside(&self, deployment: &str, receiver: &str) -> bool {
        let order = format!("{deployment}@{receiver}");
        follow_ups::any(&self.records(), "notifier", &order).await.unwrap()
    }

    async fn handle(&self, event: &Event) -> Outcome {
        self.later(event, Duration::ZERO).await
    }

    async fn told(&self, event: &Event) -> Vec<String> {
        published(&self.handle(event).await)
    }
}

fn ok() -> Answer {
    Answer::Full(200, Vec::new(), "ok".to_owned())
}

/// Each published event as `sent|failed receiver channel target attempt error`.
fn published(outcome: &Outcome) -> Vec<String> {
    let effects = outcome.as_ref().expect("the event was not put off");
    let line = |payload: &Payload| {
        if let Payload::NotificationSent(n) = payload {
            return format!("sent {} {} {}", n.receiver, n.channel, n.attempt);
        }
        let Payload::NotificationFailed(n) = payload else { panic!("published {payload:?}") };
        let why = n.error_message.as_deref().unwrap_or_default();
        format!("failed {} {} {}: {why}", n.receiver, n.channel, n.attempt)
    };
    effects.payloads().map(line).collect()
}

/// How many requests a path has seen.
fn asked(service: &HttpService, path: &str) -> usize {
    service.requests().iter().filter(|request| request.path == path).count()
}

/// The start of another deployment.
fn of_deployment(id: &str) -> Event {
    let data = serde_json::json!({
        "deployment_id": id, "version": "1.2.0", "environment": "staging", "services": ["api"],
    });
    Event { id: format!("e-{id}"), ..sample::event("deployment:started", &data) }
}

impl Scene {
    /// Handles an event that cannot be told to the chat; what the follow-up says right after.
    async fn owed_to_chat(&self, event: &Event) -> (&'static str, Duration, String) {
        let outcome = self.handle(event).await;
        assert!(!published(&outcome).iter().any(|line| line.contains("chat")), "{outcome:?}");
        assert!(self.is_aside(&event.subject, "chat").await);
        owed(self.again(event, "chat", Duration::ZERO).await)
    }
}

fn owed(outcome: Outcome) -> (&'static str, Duration, String) {
    let refusal = outcome.expect_err("somebody is still owed");
    let Wish::RetryAfter(wait) = refusal.wish else { panic!("{refusal:?}") };
    (refusal.code, wait, refusal.sentence)
}

#[tokio::test]
async fn everybody_is_told_once_and_an_event_says_so_for_each() {
    let service = HttpService::start().await;
    service.answer_at("/chat/secret", ok());
    let url = service.url();
    let scene = Scene::new(&format!("{url}/chat/secret"), &format!("{url}/bus"), ALL).await;
    let outcome = scene.handle(&sample::started()).await;
    let expected = ["sent chat slack 1", "sent bus webhook 1", "sent book log 1"];
    assert_eq!(published(&outcome), expected);
    assert_eq!(service.requests().len(), 2);
    let shown = format!("{:?}", outcome.unwrap().payloads().collect::<Vec<_>>());
    assert!(!shown.contains("secret"), "a target shows no credential: {shown}");
    assert!(shown.contains("#deploys by http://127.0.0.1:"), "{shown}");
}

#[tokio::test]
async fn an_event_that_comes_again_is_told_nobody_twice() {
    let service = HttpService::start().await;
    service.answer_at("/chat", ok());
    let url = service.url();
    let scene = Scene::new(&format!("{url}/chat"), &format!("{url}/bus"), ALL).await;
    let first = scene.told(&sample::started()).await;
    // As a replica does that takes it over before the first one's commit.
    assert_eq!(scene.told(&sample::started()).await, first);
    assert_eq!(service.requests().len(), 2);
    assert_eq!(scene.told(&sample::failed()).await.len(), 3, "another event is news");
    assert_eq!(service.requests().len(), 4);
}

#[tokio::test]
async fn a_webhook_is_signed_over_what_is_sent_and_named_as_its_result() {
    let service = HttpService::start().await;
    let scene = Scene::new(NOBODY, &service.url(), BUS).await;
    assert_eq!(scene.told(&sample::started()).await, ["sent bus webhook 1"]);
    let request = &service.requests()[0];
    let id = derived_id("e-1", "notifier", Family::NotificationSent.pattern(), "bus");
    assert_eq!(request.headers["webhook-id"], id);
    assert_eq!(request.headers["webhook-timestamp"], "1763791200");
    assert_eq!(request.headers["content-type"], "application/json");
    let keys = [SigningKey::try_new(KEY).unwrap()];
    let expected = signatures(&keys, &id, 1_763_791_200, &request.body);
    assert_eq!(request.headers["webhook-signature"], expected);
    assert_eq!(request.json()["type"], "deployment:started");
    assert_eq!(request.json()["data"]["version"], "1.2.0");
}

#[tokio::test]
async fn a_webhook_is_sent_only_the_events_it_wants() {
    let service = HttpService::start().await;
    let scene = Scene::new(NOBODY, &service.url(), BUS).await;
    assert_eq!(scene.told(&sample::health("HEALTHY")).await, Vec::<String>::new());
    assert!(service.requests().is_empty());
}

#[tokio::test]
async fn a_permanent_refusal_is_published_and_asked_once() {
    let service = HttpService::start().await;
    service.answer_at("/chat", Answer::Full(404, Vec::new(), "no_service".to_owned()));
    let url = service.url();
    let scene = Scene::new(&format!("{url}/chat"), &format!("{url}/bus"), ALL).await;
    let expected = [
        "failed chat slack 1: answered 404 \"no_service\"",
        "sent bus webhook 1",
        "sent book log 1",
    ];
    assert_eq!(scene.told(&sample::started()).await, expected);
    assert_eq!(scene.told(&sample::started()).await, expected, "nor is it asked again");
    assert_eq!(service.requests().len(), 2);
}

#[tokio::test]
async fn who_is_owed_is_told_when_the_event_comes_again_and_nobody_else_is() {
    let service = HttpService::start().await;
    service.answer_at("/chat", Answer::Status(503));
    let url = service.url();
    let scene = Scene::new(&format!("{url}/chat"), &format!("{url}/bus"), ALL).await;
    let event = sample::started();
    assert_eq!(scene.told(&event).await, ["sent bus webhook 1", "sent book log 1"]);
    assert_eq!((asked(&service, "/chat"), asked(&service, "/bus")), (1, 1));
    assert!(scene.is_aside("d-1", "chat").await && !scene.is_aside("d-1", "bus").await);

    let (code, wait, why) = owed(scene.again(&event, "chat", Duration::from_secs(2)).await);
    assert_eq!((code, why.as_str()), ("receiver_unavailable", "chat: answered 503"));
    assert!(wait <= Duration::from_secs(4), "it is not due yet: {wait:?}");
    assert_eq!(asked(&service, "/chat"), 1);

    service.answer_at("/chat", ok());
    let outcome = scene.again(&event, "chat", Duration::from_secs(6)).await;
    assert_eq!(published(&outcome), ["sent chat slack 2"]);
    assert_eq!((asked(&service, "/chat"), asked(&service, "/bus")), (2, 1));
}

#[tokio::test]
async fn a_receiver_that_never_answers_is_given_up_and_the_fallback_hears_of_it_once() {
    let service = HttpService::start().await;
    service.answer_at("/bus", Answer::Status(502));
    service.answer_at("/chat", ok());
    let url = service.url();
    let extra = "notifier: { attempts: 2, backoff: { base: 1s, cap: 1s }, fallback: chat }\n\
                 routes: [{ to: [bus] }]\n";
    let scene = Scene::new(&format!("{url}/chat"), &format!("{url}/bus"), extra).await;
    let event = sample::failed();
    assert_eq!(scene.told(&event).await, [""; 0]);
    assert_eq!(asked(&service, "/chat"), 0, "it is not lost yet");
    let expected =
        ["failed bus webhook 2: answered 502; given up after 2 requests", "sent chat slack 1"];
    let last = Duration::from_secs(2);
    assert_eq!(published(&scene.again(&event, "bus", last).await), expected);
    assert_eq!(published(&scene.again(&event, "bus", last).await), expected);
    assert_eq!((asked(&service, "/chat"), asked(&service, "/bus")), (1, 2));
    let said = service.requests().pop().unwrap().json().to_string();
    assert!(said.contains("`bus` could not be told: answered 502; given up"), "{said}");
}

#[tokio::test]
async fn an_unreachable_receiver_puts_the_event_off_without_its_address() {
    let service = HttpService::start().await;
    service.stop();
    let url = format!("{}/hooks/secret", service.url());
    eventually("refused", Duration::from_secs(5), async || {
        tokio::net::TcpStream::connect(service.addr()).await.is_err()
    })
    .await;
    let scene = Scene::new(&url, NOBODY, CHAT).await;
    let (_, _, why) = scene.owed_to_chat(&sample::started()).await;
    assert!(why.starts_with("chat: ") && !why.contains("secret"), "{why}");
}

#[tokio::test]
async fn a_silent_receiver_is_given_up_in_time() {
    let service = HttpService::start().await;
    service.answer(Answer::Hang);
    let extra = format!("notifier: {{ timeout: 50ms }}\n{CHAT}");
    let scene = Scene::new(&service.url(), NOBODY, &extra).await;
    let (_, _, why) = scene.owed_to_chat(&sample::started()).await;
    assert!(why.contains("no complete answer in time"), "{why}");
}

#[tokio::test]
async fn without_its_records_an_event_waits_and_uses_no_attempt() {
    let service = HttpService::start().await;
    service.answer(ok());
    let scene = Scene::new(&service.url(), NOBODY, CHAT).await;
    scene.server.kill9();
    let (code, wait, _) = owed(scene.handle(&sample::started()).await);
    assert_eq!((code, wait), ("redis_unavailable", Duration::from_secs(1)));
    assert!(service.requests().is_empty());
}

#[tokio::test]
async fn this_machine_is_not_told_unless_the_file_allows_it() {
    let service = HttpService::start().await;
    let file = file(&service.url(), NOBODY, CHAT).replace("true", "false");
    let lines = Scene::of(&file).await.told(&sample::started()).await;
    assert!(lines[0].contains("blocked by the egress policy"), "{lines:?}");
    assert!(service.requests().is_empty());
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let service = HttpService::start().await;
    let elsewhere = vec![("location".to_owned(), "/elsewhere".to_owned())];
    service.answer_at("/bus", Answer::Full(302, elsewhere, String::new()));
    let scene = Scene::new(NOBODY, &format!("{}/bus", service.url()), BUS).await;
    assert_eq!(scene.told(&sample::started()).await, ["failed bus webhook 1: answered 302"]);
    assert_eq!(service.requests().len(), 1);
}

#[tokio::test]
async fn a_dry_run_sends_nothing_and_publishes_nothing() {
    let service = HttpService::start().await;
    let scene = Scene::new(&service.url(), &service.url(), ALL).await;
    let event = Event { dry_run: true, ..sample::failed() };
    assert_eq!(scene.told(&event).await, Vec::<String>::new());
    assert!(service.requests().is_empty());
}

#[tokio::test]
async fn a_notification_never_causes_a_notification() {
    let service = HttpService::start().await;
    service.answer(ok());
    let scene = Scene::new(&service.url(), &service.url(), ALL).await;
    let outcome = scene.handle(&sample::started()).await.unwrap();
    let requests = service.requests().len();
    for payload in outcome.payloads() {
        let event = Event { payload: payload.clone(), ..sample::started() };
        assert_eq!(scene.told(&event).await, Vec::<String>::new());
    }
    assert_eq!(service.requests().len(), requests);
}

#[tokio::test]
async fn a_silence_tells_nobody_but_the_log_and_stops_nothing_that_has_begun() {
    let service = HttpService::start().await;
    service.answer(Answer::Status(503));
    let scene = Scene::new(&service.url(), NOBODY, CHAT).await;
    let begun = sample::started();
    scene.owed_to_chat(&begun).await;
    let db = scene.server.connect().await;
    let silence = serde_json::json!({
        "id": "a", "matches": { "event": "deployment:*" }, "since_ms": 1,
        "until_ms": NOW_MS + 60_000, "actor": "ana", "reason": "a rehearsal",
    });
    db.cmd(&["HSET", "t:printery:silences", "a", &silence.to_string()]).await;
    service.answer(ok());
    let quiet = of_deployment("quiet");
    assert_eq!(scene.told(&quiet).await, ["sent book log 1"]);
    let outcome = scene.again(&begun, "chat", Duration::from_secs(6)).await;
    assert_eq!(published(&outcome), ["sent chat slack 2"]);
    let after = of_deployment("after");
    let outcome = scene.later(&after, Duration::from_secs(61)).await;
    assert_eq!(published(&outcome), ["sent chat slack 1", "sent book log 1"]);
}

#[tokio::test]
async fn an_event_that_nobody_hears_of_is_a_failed_attempt_and_the_next_one_tries_anew() {
    let service = HttpService::start().await;
    service.answer(Answer::Status(503));
    let extra = format!("notifier: {{ attempts: 1 }}\n{CHAT}");
    let scene = Scene::new(&service.url(), NOBODY, &extra).await;
    let refusal = scene.handle(&sample::started()).await.unwrap_err();
    assert_eq!((refusal.code, refusal.wish), ("receiver_unavailable", Wish::Retry));
    assert_eq!(refusal.sentence, "chat: answered 503; given up after 1 request");
    service.answer(ok());
    let outcome = scene.attempt(&sample::started(), Duration::from_secs(1), 2).await;
    assert_eq!(published(&outcome), ["sent chat slack 2", "sent book log 1"]);
}
