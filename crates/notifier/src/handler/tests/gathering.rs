//! Groups: one message for many notices, at its time, and the same words once.

use std::time::Duration;

use printery_events::Event;
use printery_testkit::{Answer, HttpService};

use super::{Scene, asked, ok, owed, published};
use crate::sample;

const GROUPED: &str = "notifier: { group: { wait: 2s, interval: 30s, repeat: 4h } }\n\
                       routes: [{ to: [chat, bus, book] }]\n";

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

async fn scene(service: &HttpService) -> Scene {
    service.answer(ok());
    let url = service.url();
    Scene::new(&format!("{url}/chat"), &format!("{url}/bus"), GROUPED).await
}

/// A start, a failed validation and a failure, in this order.
fn story() -> [Event; 3] {
    let named = |id: &str, event: Event| Event { id: id.to_owned(), ..event };
    [
        named("e-1", sample::started()),
        named("e-2", sample::health("DEGRADED")),
        named("e-3", sample::failed()),
    ]
}

impl Scene {
    /// Handles events as they happen; nobody who reads along is told yet.
    async fn happen(&self, story: &[Event]) {
        for event in story {
            let told = self.told(event).await;
            assert!(!told.iter().any(|line| line.contains("chat")), "{told:?}");
            assert!(told.contains(&"sent book log 1".to_owned()), "a log is told each");
        }
    }

    /// What the chat was sent, as one text each.
    fn said(service: &HttpService) -> Vec<String> {
        let requests = service.requests();
        let chat = requests.iter().filter(|request| request.path == "/chat");
        chat.map(|request| request.json().to_string()).collect()
    }
}

#[tokio::test]
async fn what_happens_within_the_wait_is_one_message() {
    let service = HttpService::start().await;
    let scene = scene(&service).await;
    let story = story();
    scene.happen(&story).await;
    assert_eq!((asked(&service, "/chat"), asked(&service, "/bus")), (0, 2), "machines hear each");
    assert_eq!(published(&scene.again(&story[0], "chat", secs(2)).await), ["sent chat slack 1"]);
    let said = Scene::said(&service);
    assert_eq!(said.len(), 1);
    for words in ["d-1: deployment failed", "d-1: deployment started", "d-1: health DEGRADED"] {
        assert!(said[0].contains(words), "{words}: {said:?}");
    }
    // Each says that it was told, and nobody tells it again.
    for event in &story[1..] {
        assert_eq!(published(&scene.again(event, "chat", secs(2)).await), ["sent chat slack 1"]);
    }
    assert_eq!(asked(&service, "/chat"), 1);
}

#[tokio::test]
async fn the_next_message_of_a_group_keeps_its_distance() {
    let service = HttpService::start().await;
    let scene = scene(&service).await;
    let story = story();
    scene.happen(&story[..1]).await;
    assert_eq!(published(&scene.again(&story[0], "chat", secs(2)).await), ["sent chat slack 1"]);
    scene.happen(&story[1..]).await;
    let (code, wait, _) = owed(scene.again(&story[2], "chat", secs(5)).await);
    assert_eq!(code, "receiver_grouped");
    assert!(wait <= secs(28) && wait > secs(20), "{wait:?}");
    assert_eq!(published(&scene.again(&story[2], "chat", secs(40)).await), ["sent chat slack 1"]);
    assert_eq!(asked(&service, "/chat"), 2);
}

#[tokio::test]
async fn the_same_words_are_not_said_again_before_their_time() {
    let service = HttpService::start().await;
    let scene = scene(&service).await;
    let event = |n: u32| Event { id: format!("e-{n}"), ..sample::failed() };
    for (n, after, expected) in [
        (1, 2, &["sent chat slack 1"][..]),
        (2, 60, &[]),
        (3, 4 * 3600 - 60, &[]),
        (4, 4 * 3600 + 60, &["sent chat slack 1"]),
    ] {
        let told = published(&scene.again(&event(n), "chat", secs(after)).await);
        assert_eq!(told, expected, "{n}");
        assert_eq!(published(&scene.again(&event(n), "chat", secs(after)).await), expected);
    }
    assert_eq!(asked(&service, "/chat"), 2);
}

#[tokio::test]
async fn a_group_that_cannot_be_told_is_told_with_whoever_came_since() {
    let service = HttpService::start().await;
    let scene = scene(&service).await;
    service.answer_at("/chat", Answer::Status(503));
    let story = story();
    scene.happen(&story[..2]).await;
    assert_eq!(owed(scene.again(&story[0], "chat", secs(2)).await).0, "receiver_unavailable");
    scene.happen(&story[2..]).await;
    service.answer_at("/chat", ok());
    assert_eq!(published(&scene.again(&story[0], "chat", secs(8)).await), ["sent chat slack 2"]);
    let said = Scene::said(&service);
    assert!(!said[0].contains("deployment failed") && said[1].contains("deployment failed"));
    assert_eq!(published(&scene.again(&story[2], "chat", secs(8)).await), ["sent chat slack 2"]);
    assert_eq!(asked(&service, "/chat"), 2);
}
