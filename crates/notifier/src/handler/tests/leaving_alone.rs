//! Receivers that fail, ask for patience, or take only so much at a time.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use printery_events::Event;
use printery_testkit::{Answer, HttpService, eventually};

use super::{ALL, CHAT, NOBODY, Scene, asked, file, of_deployment, ok, published};

#[tokio::test]
async fn a_dead_receiver_is_left_alone_and_holds_up_nobody() {
    let service = HttpService::start().await;
    service.answer_at("/chat", Answer::Status(500));
    let url = service.url();
    let circuit = "notifier: { circuit: { failures: 3, open: 60s } }\n";
    let extra = format!("{circuit}{ALL}");
    let scene = Scene::new(&format!("{url}/chat"), &format!("{url}/bus"), &extra).await;
    for n in 0..3 {
        let event = of_deployment(&format!("dead-{n}"));
        assert_eq!(scene.owed_to_chat(&event).await.0, "receiver_unavailable", "{n}");
    }
    for n in 3..6 {
        let event = of_deployment(&format!("dead-{n}"));
        let (code, wait, why) = scene.owed_to_chat(&event).await;
        assert_eq!(code, "breaker_open", "{n}: {why}");
        assert!(wait > Duration::from_secs(20), "{wait:?}");
    }
    assert_eq!((asked(&service, "/chat"), asked(&service, "/bus")), (3, 6));
}

#[tokio::test]
async fn a_receiver_that_never_answers_keeps_two_handlers_and_the_others_are_told() {
    let service = HttpService::start().await;
    service.answer_at("/chat", Answer::Hang);
    let url = service.url();
    let extra = format!("notifier: {{ timeout: 10m }}\n{ALL}");
    let scene = Scene::new(&format!("{url}/chat"), &format!("{url}/bus"), &extra).await;
    let events: Vec<Event> = (0..40).map(|n| of_deployment(&format!("d-{n}"))).collect();
    // As many at once as a process has handlers.
    let mut handled = stream::iter(&events)
        .map(|event| async { published(&scene.handle(event).await) })
        .buffer_unordered(5);
    let mut told = 0;
    while told < 38 {
        let lines = handled.next().await.expect("three handlers are left for the others");
        assert_eq!(lines, ["sent bus webhook 1", "sent book log 1"]);
        told += 1;
    }
    // Everybody else has everything, and the one that never answers still has the first two.
    assert_eq!((asked(&service, "/chat"), asked(&service, "/bus")), (2, 40));
}

#[tokio::test]
async fn a_receiver_that_lives_again_is_tried_by_one_event_and_then_by_all() {
    let service = HttpService::start().await;
    service.answer(Answer::Status(500));
    let extra = format!("notifier: {{ circuit: {{ failures: 1, open: 1ms }} }}\n{CHAT}");
    let scene = Scene::new(&service.url(), NOBODY, &extra).await;
    let (first, second) = (of_deployment("first"), of_deployment("second"));
    scene.owed_to_chat(&first).await;
    service.answer(ok());
    scene.told(&second).await;
    // Each long after the one before; the circuit itself goes by the server's clock.
    let mut after = Duration::ZERO;
    let found = eventually("a trial", Duration::from_secs(10), async || {
        after += Duration::from_secs(60);
        let outcome = scene.again(&second, "chat", after).await;
        outcome.map_err(|refusal| refusal.sentence)
    })
    .await;
    assert_eq!(published(&Ok(found)), ["sent chat slack 1"]);
    let again = scene.again(&first, "chat", after).await;
    assert_eq!(published(&again), ["sent chat slack 2"]);
}

#[tokio::test]
async fn a_receiver_s_pace_gives_each_event_a_place() {
    let service = HttpService::start().await;
    service.answer(ok());
    let file = file(&service.url(), NOBODY, CHAT).replace("pace: 0s", "pace: 60s");
    let scene = Scene::of(&file).await;
    let event = |n: u32| of_deployment(&format!("paced-{n}"));
    assert_eq!(scene.told(&event(0)).await, ["sent chat slack 1", "sent book log 1"]);
    for n in 1..4 {
        let (code, wait, why) = scene.owed_to_chat(&event(n)).await;
        assert_eq!((code, why.as_str()), ("receiver_paced", "chat: waits for its place in line"));
        let place = Duration::from_secs(60 * u64::from(n));
        assert!(wait <= place && wait + Duration::from_secs(30) > place, "{n}: {wait:?}");
    }
    assert_eq!(service.requests().len(), 1);
    // Its place has come: it is told without standing in line again.
    let outcome = scene.again(&event(2), "chat", Duration::from_secs(121)).await;
    assert_eq!(published(&outcome), ["sent chat slack 1"]);
}

#[tokio::test]
async fn patience_that_a_receiver_asks_for_is_given() {
    let service = HttpService::start().await;
    for (header, least) in [("30", 25), ("Fri, 31 Dec 2027 23:59:59 GMT", 3590)] {
        let wait = vec![("retry-after".to_owned(), header.to_owned())];
        service.answer(Answer::Full(429, wait, "rate_limited".to_owned()));
        let scene = Scene::new(&service.url(), NOBODY, CHAT).await;
        let before = service.requests().len();
        let (code, wait, _) = scene.owed_to_chat(&of_deployment("one")).await;
        assert_eq!(code, "receiver_busy");
        assert!(wait > Duration::from_secs(least), "{header}: {wait:?}");
        let other = of_deployment("other");
        let why = "chat: it asked to be left alone";
        assert_eq!(scene.owed_to_chat(&other).await.2, why, "nor by another event");
        assert_eq!(service.requests().len(), before + 1, "it is not asked again before that");
    }
}
