//! Who is put aside: in a line of its own, behind what it is still owed, and said once.

use std::time::Duration;

use printery_events::{Event, FollowUp};
use printery_harness::Wish;
use printery_testkit::{Answer, HttpService};

use super::{ALL, NOBODY, Scene, asked, of_deployment, ok, published};
use crate::sample;

const SOON: Duration = Duration::from_secs(6);

#[tokio::test]
async fn a_receiver_that_is_owed_something_older_is_told_it_first() {
    let service = HttpService::start().await;
    service.answer_at("/chat", Answer::Status(503));
    let url = service.url();
    let scene = Scene::new(&format!("{url}/chat"), &format!("{url}/bus"), ALL).await;
    let (first, second) = (sample::started(), Event { id: "e-2".to_owned(), ..sample::failed() });
    scene.told(&first).await;
    service.answer_at("/chat", ok());
    // The chat would take it now; the others are told at once.
    assert_eq!(scene.told(&second).await, ["sent bus webhook 1", "sent book log 1"]);
    assert_eq!((asked(&service, "/chat"), asked(&service, "/bus")), (1, 2));
    let behind = scene.server.connect().await;
    assert_eq!(behind.int(&["ZCARD", "t:printery:line:notifier"]).await, 1);
    assert_eq!(published(&scene.again(&first, "chat", SOON).await), ["sent chat slack 2"]);
    assert_eq!(published(&scene.again(&second, "chat", SOON).await), ["sent chat slack 1"]);
    // Another deployment is in another line.
    let expected = ["sent chat slack 1", "sent bus webhook 1", "sent book log 1"];
    assert_eq!(scene.told(&of_deployment("d-2")).await, expected);
}

#[tokio::test]
async fn an_event_that_comes_again_leaves_what_it_put_aside_to_the_follow_up() {
    let service = HttpService::start().await;
    service.answer_at("/chat", Answer::Status(503));
    let url = service.url();
    let scene = Scene::new(&format!("{url}/chat"), &format!("{url}/bus"), ALL).await;
    let event = sample::started();
    let first = scene.told(&event).await;
    // As a replica does that takes it over before the first one's commit.
    assert_eq!(scene.told(&event).await, first);
    service.answer_at("/chat", ok());
    assert_eq!(published(&scene.again(&event, "chat", SOON).await), ["sent chat slack 2"]);
    assert_eq!(scene.told(&event).await, first, "who was told is said by the follow-up alone");
    assert_eq!((asked(&service, "/chat"), asked(&service, "/bus")), (2, 1));
    let waiting = scene.server.connect().await;
    assert_eq!(waiting.int(&["ZCARD", "t:printery:delay:notifier"]).await, 1, "put aside once");
}

#[tokio::test]
async fn the_last_one_that_is_given_up_is_for_a_person_to_decide() {
    let service = HttpService::start().await;
    service.answer(Answer::Status(503));
    let url = service.url();
    let extra = "notifier: { attempts: 2, backoff: { base: 1s, cap: 1s } }\n\
                 routes: [{ to: [chat, bus] }]\n";
    let scene = Scene::new(&format!("{url}/chat"), &format!("{url}/bus"), extra).await;
    let event = sample::started();
    assert_eq!(scene.told(&event).await, [""; 0]);
    let later = Duration::from_secs(2);
    let given_up = ["failed chat slack 2: answered 503; given up after 2 requests"];
    assert_eq!(published(&scene.again(&event, "chat", later).await), given_up);
    let refusal = scene.again(&event, "bus", later).await.unwrap_err();
    assert_eq!((refusal.code, refusal.wish), ("receiver_unavailable", Wish::Retry));
    // Tried anew, alone.
    service.answer(ok());
    let later = Duration::from_secs(4);
    assert_eq!(published(&scene.again(&event, "bus", later).await), ["sent bus webhook 3"]);
    assert_eq!((asked(&service, "/chat"), asked(&service, "/bus")), (2, 3));
}

#[tokio::test]
async fn what_nobody_can_do_any_more_is_for_a_person_to_decide() {
    let scene = Scene::new(NOBODY, NOBODY, ALL).await;
    let gone = scene.again(&sample::started(), "gone", SOON).await.unwrap_err();
    assert_eq!((gone.code, gone.wish), ("receiver_unknown", Wish::Reject));
    let odd = Some(FollowUp::try_new("dance", "d-1").unwrap());
    let odd = scene.handle(&Event { follow_up: odd, ..sample::started() }).await.unwrap_err();
    assert_eq!((odd.code, odd.wish), ("unknown_errand", Wish::Reject));
}
