//! The notifier against real receivers on loopback.

use std::time::Duration;

use printery_config::{Fleet, SigningKey};
use printery_events::ids::derived_id;
use printery_events::{Event, Family, Payload};
use printery_harness::{Context, Handler, Outcome, Wish};
use printery_notices::signatures;
use printery_testkit::{Answer, HttpService};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Notifier;
use crate::sample;

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// The server's time at the attempt's begin.
const NOW_MS: u64 = 1_763_791_200_500;

/// A Slack, a signed webhook and the log, all of them told everything.
fn notifier(slack: &str, hook: &str, extra: &str) -> Notifier {
    let file = format!(
        "egress: {{ allow_loopback: true }}\n\
         notifier: {{ attempts: 2, timeout: 2s, backoff: {{ base: 1ms, cap: 1s }} }}\n\
         receivers:\n  chat: {{ slack: {{ url: '{slack}', channel: '#deploys' }} }}\n  \
         bus: {{ webhook: {{ url: '{hook}', secret: {KEY}, events: ['deployment:*'] }} }}\n  \
         book: log\n{extra}"
    );
    Notifier::try_new(&Fleet::parse("f", &file, &|_| None).unwrap()).unwrap()
}

const ALL: &str = "routes: [{ to: [chat, bus, book] }]";
const CHAT: &str = "routes: [{ to: [chat, book] }]";

fn context(attempt: u32) -> Context {
    Context {
        attempt,
        deadline: Instant::now() + Duration::from_secs(60),
        cancelled: CancellationToken::new(),
        started_ms: NOW_MS,
        instance: "notifier-host-1-a".to_owned(),
        records: printery_harness::fleet::Records::try_new("redis://127.0.0.1:1", "t").unwrap(),
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

async fn told(notifier: &Notifier, event: &Event) -> Vec<String> {
    published(&notifier.handle(event, &context(1)).await)
}

#[tokio::test]
async fn everybody_is_told_once_and_an_event_says_so_for_each() {
    let service = HttpService::start().await;
    service.answer_at("/chat/secret", ok());
    let url = service.url();
    let notifier = notifier(&format!("{url}/chat/secret"), &format!("{url}/bus"), ALL);
    let outcome = notifier.handle(&sample::started(), &context(1)).await;
    let expected = ["sent chat slack 1", "sent bus webhook 1", "sent book log 1"];
    assert_eq!(published(&outcome), expected);
    assert_eq!(service.requests().len(), 2);
    let shown = format!("{:?}", outcome.unwrap().payloads().collect::<Vec<_>>());
    assert!(!shown.contains("secret"), "a target shows no credential: {shown}");
    assert!(shown.contains("#deploys by http://127.0.0.1:"), "{shown}");
}

#[tokio::test]
async fn a_webhook_is_signed_over_what_is_sent_and_named_as_its_result() {
    let service = HttpService::start().await;
    let notifier = notifier("http://127.0.0.1:1/x", &service.url(), "routes: [{ to: [bus] }]\n");
    let event = sample::started();
    assert_eq!(told(&notifier, &event).await, ["sent bus webhook 1"]);
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
    let notifier = notifier("http://127.0.0.1:1/x", &service.url(), "routes: [{ to: [bus] }]\n");
    assert_eq!(told(&notifier, &sample::health("HEALTHY")).await, Vec::<String>::new());
    assert!(service.requests().is_empty());
}

#[tokio::test]
async fn a_permanent_refusal_is_published_and_asked_once() {
    let service = HttpService::start().await;
    service.answer_at("/chat", Answer::Full(404, Vec::new(), "no_service".to_owned()));
    let url = service.url();
    let notifier = notifier(&format!("{url}/chat"), &format!("{url}/bus"), ALL);
    let expected = [
        "failed chat slack 1: answered 404 \"no_service\"",
        "sent bus webhook 1",
        "sent book log 1",
    ];
    assert_eq!(told(&notifier, &sample::started()).await, expected);
    assert_eq!(service.requests().len(), 2);
}

#[tokio::test]
async fn an_outage_of_the_only_receiver_puts_the_event_off() {
    let service = HttpService::start().await;
    service.answer(Answer::Status(500));
    let notifier = notifier(&service.url(), "http://127.0.0.1:1/x", CHAT);
    let refusal = notifier.handle(&sample::started(), &context(1)).await.unwrap_err();
    assert_eq!((refusal.code, refusal.wish), ("receiver_unavailable", Wish::Retry));
    assert_eq!(refusal.sentence, "chat: answered 500 \"\"");
    assert_eq!(service.requests().len(), 2, "the policy's two requests");
}

#[tokio::test]
async fn an_unreachable_receiver_puts_the_event_off_without_its_address() {
    let service = HttpService::start().await;
    service.stop();
    let url = format!("{}/hooks/secret", service.url());
    printery_testkit::eventually("refused", Duration::from_secs(5), async || {
        tokio::net::TcpStream::connect(service.addr()).await.is_err()
    })
    .await;
    let notifier = notifier(&url, "http://127.0.0.1:1/x", CHAT);
    let refusal = notifier.handle(&sample::started(), &context(1)).await.unwrap_err();
    assert_eq!(refusal.wish, Wish::Retry);
    assert!(!refusal.sentence.contains("secret"), "{}", refusal.sentence);
}

#[tokio::test]
async fn patience_that_a_receiver_asks_for_is_given() {
    let service = HttpService::start().await;
    let wait = vec![("retry-after".to_owned(), "30".to_owned())];
    service.answer(Answer::Full(429, wait, "rate_limited".to_owned()));
    let notifier = notifier(&service.url(), "http://127.0.0.1:1/x", CHAT);
    let refusal = notifier.handle(&sample::started(), &context(1)).await.unwrap_err();
    assert_eq!(refusal.wish, Wish::RetryAfter(Duration::from_secs(30)));
    assert_eq!(refusal.code, "receiver_busy");
    assert_eq!(service.requests().len(), 1, "it is not asked again before that");
}

#[tokio::test]
async fn who_was_told_is_not_told_again_because_another_is_down() {
    let service = HttpService::start().await;
    service.answer_at("/chat", Answer::Status(503));
    let url = service.url();
    let notifier = notifier(&format!("{url}/chat"), &format!("{url}/bus"), ALL);
    let expected =
        ["failed chat slack 2: answered 503 \"\"", "sent bus webhook 1", "sent book log 1"];
    assert_eq!(told(&notifier, &sample::started()).await, expected);
    let bus = service.requests().iter().filter(|request| request.path == "/bus").count();
    assert_eq!(bus, 1);
}

#[tokio::test]
async fn a_silent_receiver_is_given_up_in_time() {
    let service = HttpService::start().await;
    service.answer(Answer::Hang);
    let file = format!(
        "egress: {{ allow_loopback: true }}\nnotifier: {{ attempts: 1, timeout: 50ms }}\n\
         receivers: {{ chat: {{ slack: '{}' }} }}\nroutes: [{{ to: [chat] }}]",
        service.url()
    );
    let fleet = Fleet::parse("f", &file, &|_| None).unwrap();
    let notifier = Notifier::try_new(&fleet).unwrap();
    let refusal = notifier.handle(&sample::started(), &context(1)).await.unwrap_err();
    assert_eq!(refusal.wish, Wish::Retry);
    assert!(refusal.sentence.contains("no complete answer in time"), "{}", refusal.sentence);
}

#[tokio::test]
async fn this_machine_is_not_told_unless_the_file_allows_it() {
    let service = HttpService::start().await;
    let file = format!(
        "receivers: {{ chat: {{ slack: '{}' }} }}\nroutes: [{{ to: [chat] }}]",
        service.url()
    );
    let fleet = Fleet::parse("f", &file, &|_| None).unwrap();
    let notifier = Notifier::try_new(&fleet).unwrap();
    let lines = told(&notifier, &sample::started()).await;
    assert!(lines[0].contains("blocked by the egress policy"), "{lines:?}");
    assert!(service.requests().is_empty());
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let service = HttpService::start().await;
    let elsewhere = vec![("location".to_owned(), "/elsewhere".to_owned())];
    service.answer_at("/bus", Answer::Full(302, elsewhere, String::new()));
    let hook = format!("{}/bus", service.url());
    let notifier = notifier("http://127.0.0.1:1/x", &hook, "routes: [{ to: [bus] }]\n");
    assert_eq!(told(&notifier, &sample::started()).await, ["failed bus webhook 1: answered 302"]);
    assert_eq!(service.requests().len(), 1);
}

#[tokio::test]
async fn a_dry_run_sends_nothing_and_publishes_nothing() {
    let service = HttpService::start().await;
    let notifier = notifier(&service.url(), &service.url(), ALL);
    let event = Event { dry_run: true, ..sample::failed() };
    assert_eq!(told(&notifier, &event).await, Vec::<String>::new());
    assert!(service.requests().is_empty());
}

#[tokio::test]
async fn a_notification_never_causes_a_notification() {
    let service = HttpService::start().await;
    service.answer(ok());
    let notifier = notifier(&service.url(), &service.url(), ALL);
    let outcome = notifier.handle(&sample::started(), &context(1)).await.unwrap();
    let requests = service.requests().len();
    for payload in outcome.payloads() {
        let event = Event { payload: payload.clone(), ..sample::started() };
        assert_eq!(told(&notifier, &event).await, Vec::<String>::new());
    }
    assert_eq!(service.requests().len(), requests);
}
