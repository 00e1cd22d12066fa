//! How places fare that are told things, and who was told: shared by all who ask.

use std::time::Duration;

use printery_fleet::Records;
use printery_fleet::destinations::{Circuit, Destination, Fared, Leave, Place};
use printery_fleet::notices::{Cause, Ledger, Notice, State};
use printery_testkit::{RedisServer, eventually};

const CIRCUIT: Circuit = Circuit { failures: 3, open: Duration::from_secs(60) };
const NONE: Duration = Duration::ZERO;
const SOON: Duration = Duration::from_secs(10);

async fn scene() -> (RedisServer, Records) {
    let server = RedisServer::start().await;
    let records = Records::try_new(&server.url(), "t").unwrap();
    (server, records)
}

#[tokio::test]
async fn a_circuit_opens_for_everybody_after_failures_in_a_row() {
    let (_server, records) = scene().await;
    let mut one = Destination::of(&records, "chat");
    let mut other = Destination::of(&records, "chat");
    for _ in 0..2 {
        assert_eq!(one.report(Fared::Failed, CIRCUIT).await.unwrap(), NONE);
    }
    one.report(Fared::Answered, CIRCUIT).await.unwrap();
    for _ in 0..2 {
        assert_eq!(other.report(Fared::Failed, CIRCUIT).await.unwrap(), NONE, "counted anew");
    }
    assert_eq!(one.ask(NONE, Place::None).await.unwrap(), Leave::Go);
    assert_eq!(one.report(Fared::Failed, CIRCUIT).await.unwrap(), CIRCUIT.open);
    let Leave::Open(wait) = other.ask(NONE, Place::None).await.unwrap() else { panic!("closed") };
    assert!(wait <= CIRCUIT.open && wait > CIRCUIT.open / 2, "{wait:?}");
    let standing = other.standing().await.unwrap();
    assert_eq!(standing.failures, 3);
    assert!(standing.open_until_ms > Some(1_000_000_000_000), "{standing:?}");
    let mut elsewhere = Destination::of(&records, "mail");
    assert_eq!(elsewhere.ask(NONE, Place::None).await.unwrap(), Leave::Go);
}

#[tokio::test]
async fn one_at_a_time_tries_a_circuit_again_and_an_answer_closes_it() {
    let (_server, records) = scene().await;
    let mut one = Destination::of(&records, "chat");
    let circuit = Circuit { failures: 1, open: Duration::from_millis(1) };
    one.report(Fared::Failed, circuit).await.unwrap();
    eventually("a trial", SOON, async || {
        let mut one = Destination::of(&records, "chat");
        one.ask(NONE, Place::None).await.unwrap() == Leave::Go
    })
    .await;
    let second = one.ask(NONE, Place::None).await.unwrap();
    assert!(matches!(second, Leave::Open(wait) if wait > Duration::from_secs(5)), "{second:?}");
    one.report(Fared::Answered, circuit).await.unwrap();
    assert_eq!(one.ask(NONE, Place::None).await.unwrap(), Leave::Go);
    assert_eq!(one.standing().await.unwrap().open_until_ms, None);
}

#[tokio::test]
async fn who_asks_to_be_left_alone_is_and_counts_as_alive() {
    let (_server, records) = scene().await;
    let mut one = Destination::of(&records, "chat");
    one.report(Fared::Failed, CIRCUIT).await.unwrap();
    one.report(Fared::Busy(Duration::from_secs(90)), CIRCUIT).await.unwrap();
    let leave = one.ask(NONE, Place::None).await.unwrap();
    assert!(matches!(leave, Leave::Busy(wait) if wait > Duration::from_secs(60)), "{leave:?}");
    assert_eq!(one.standing().await.unwrap().failures, 0);
}

#[tokio::test]
async fn places_in_line_are_given_out_in_order_and_kept() {
    let (_server, records) = scene().await;
    let mut one = Destination::of(&records, "chat");
    let pace = Duration::from_secs(100);
    assert_eq!(one.ask(pace, Place::None).await.unwrap(), Leave::Go);
    for n in 1..4_u32 {
        let leave = one.ask(pace, Place::None).await.unwrap();
        let Leave::Paced(wait) = leave else { panic!("{leave:?}") };
        assert!(wait <= pace * n && wait + pace / 2 > pace * n, "{n}: {wait:?}");
    }
    assert_eq!(one.ask(pace, Place::Kept).await.unwrap(), Leave::Go);
}

#[tokio::test]
async fn what_is_known_about_an_event_s_receivers_is_kept_for_a_week() {
    let (server, records) = scene().await;
    let mut ledger = Ledger::of(&records, "deployment:started", "e-1");
    assert!(ledger.read(&["chat", "mail"]).await.unwrap().is_empty());
    assert!(ledger.read(&[]).await.unwrap().is_empty());
    let notice = Notice {
        state: State::Owed,
        cause: Some(Cause::ReceiverBusy),
        tries: 2,
        since_ms: 5,
        due_ms: 9,
        why: "answered 503".to_owned(),
        earlier: 1,
        lasting: false,
        aside: false,
    };
    ledger.write("chat", &notice).await.unwrap();
    let mut again = Ledger::of(&records, "deployment:started", "e-1");
    let known = again.read(&["mail", "chat"]).await.unwrap();
    assert_eq!(known.into_iter().collect::<Vec<_>>(), [("chat", notice)]);
    let mut other = Ledger::of(&records, "deployment:failed", "e-1");
    assert!(other.read(&["chat"]).await.unwrap().is_empty(), "another event");

    let db = server.connect().await;
    let key = "t:printery:told:deployment:started:e-1";
    let left = db.int(&["PTTL", key]).await;
    assert!(left > 6 * 24 * 3_600_000 && left <= 7 * 24 * 3_600_000, "{left}");
    db.cmd(&["HSET", key, "chat", "what somebody wrote by hand"]).await;
    assert!(again.read(&["chat"]).await.unwrap().is_empty(), "it counts as unknown");
}
