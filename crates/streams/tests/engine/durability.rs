//! Durability: a write that has not come as far as was asked for is said to be unconfirmed, and
//! asking again is safe.

use std::time::Duration;

use printery_streams::connection::{Bus, Durability};
use printery_streams::publish::publish;
use printery_streams::settle::Settled;
use printery_streams::{ErrorKind, Keys, Redis, Session, server};
use printery_testkit::{FaultProxy, RedisServer, eventually, follow};

use crate::scene::{EVENT_TYPE, ME, RESULTS, SOON, SOURCE, Scene, commit, fields, publication};

fn durable(url: &str, replicas: u32, fsync: bool) -> Redis {
    let durability = Durability { replicas, fsync, timeout: Duration::from_millis(300) };
    let bus = Bus { url: url.to_owned(), durability: Some(durability), ..Bus::default() };
    Redis::try_new(&bus, SOON).unwrap()
}

async fn publish_one(session: &mut Session, id: &str) -> Result<bool, printery_streams::Error> {
    let body = fields(&[("data", id)]);
    let published = publish(session, &Keys::new("t"), EVENT_TYPE, id, &body).await?;
    Ok(published.deduplicated)
}

#[tokio::test]
async fn a_publication_is_confirmed_by_as_many_replicas_as_were_asked_for() {
    let master = RedisServer::options().with_tcp().arg("--repl-diskless-sync-delay", "0");
    let (master, replica) = (master.start().await, RedisServer::options().with_tcp().start().await);
    follow(&replica, &master).await;
    let mut session = durable(&master.url(), 1, false).session();
    // A replica that has only just come may take a second before it first says how far it is.
    eventually("a publication is confirmed", SOON, async || publish_one(&mut session, "e-1").await)
        .await;
    assert_eq!(replica.connect().await.len(SOURCE).await, 1, "it is there when it is confirmed");

    // The replica is stopped: what is written stands, and is not confirmed.
    replica.freeze();
    let error = publish_one(&mut session, "e-2").await.unwrap_err();
    assert!(error.is_unconfirmed() && error.kind == ErrorKind::Unknown, "{error}");
    for word in ["e-2", "1 replica", "safe"] {
        assert!(error.to_string().contains(word), "{word}: {error}");
    }
    let db = master.connect().await;
    assert_eq!(db.len(SOURCE).await, 2);
    // Nor does a repetition count as confirmed, though it writes no entry, on whatever connection.
    let error = publish_one(&mut session, "e-2").await.unwrap_err();
    assert!(error.is_unconfirmed(), "{error}");
    let mut other = durable(&master.url(), 1, false).session();
    let error = publish_one(&mut other, "e-2").await.unwrap_err();
    assert!(error.is_unconfirmed(), "{error}");
    replica.thaw();
    eventually("a repetition is confirmed", SOON, async || publish_one(&mut other, "e-2").await)
        .await;
    assert_eq!((db.len(SOURCE).await, replica.connect().await.len(SOURCE).await), (2, 2));
}

#[tokio::test]
async fn settlements_are_confirmed_together_and_only_on_their_own_connection() {
    let mut scene = Scene::set().await;
    let fences = scene.deliver(ME, 2).await;
    let proxy = FaultProxy::start(&scene.server).await;
    let redis = durable(&proxy.url(), 1, false);
    let mut session = redis.session();
    let settler = scene.settler(ME);
    let both: Vec<_> = ["e-1", "e-2"]
        .iter()
        .zip(&fences)
        .map(|(id, fence)| commit(fence, id, vec![publication(RESULTS, id)]))
        .collect();
    let both: Vec<_> = both.iter().collect();
    assert_eq!(settler.commit(&mut session, &both).await.unwrap(), [Settled::Done, Settled::Done]);
    let error = session.confirm().await.unwrap_err();
    assert!(error.is_unconfirmed(), "nobody replicates here: {error}");

    // A connection that was lost cannot answer for what went over it.
    let mut session = durable(&proxy.url(), 0, false).session();
    publish_one(&mut session, "e-3").await.unwrap();
    let mut session = durable(&proxy.url(), 1, false).session();
    let error = session.confirm().await.unwrap_err();
    assert!(error.to_string().contains("connection"), "{error}");
    // Where nothing is asked for there is nothing to wait for.
    scene.session.confirm().await.unwrap();
}

#[tokio::test]
async fn what_the_server_cannot_confirm_is_said_at_the_start() {
    let server = RedisServer::start().await;
    let redis = durable(&server.url(), 0, true);
    let mut session = redis.session();
    let facts = server::facts(&mut session).await.unwrap();
    let wanted = redis.durability().unwrap();
    let remarks = server::durability_remarks(&mut session, &facts, wanted).await.unwrap();
    let fatal: Vec<_> = remarks.iter().filter(|remark| remark.fatal).collect();
    assert!(!fatal.is_empty() && fatal[0].sentence.contains("durability.fsync"), "{remarks:?}");

    let wanted = Durability { replicas: 1, fsync: false, timeout: SOON };
    let remarks = server::durability_remarks(&mut session, &facts, wanted).await.unwrap();
    assert!(remarks.len() == 1 && !remarks[0].fatal, "{remarks:?}");
    assert!(remarks[0].sentence.contains("0 replica(s)"), "{remarks:?}");
}

#[tokio::test]
async fn where_the_disk_can_be_waited_for_it_is() {
    let server = RedisServer::options().append_only().start().await;
    let db = server.connect().await;
    let knows = db.cmd(&["COMMAND", "INFO", "waitaof"]).await;
    let mut session = durable(&server.url(), 0, true).session();
    let published = publish_one(&mut session, "e-1").await;
    if format!("{knows:?}").contains("waitaof") {
        published.unwrap();
    } else {
        // Redis 7.0: the start would have been refused; nobody is told that it is on the disk.
        assert!(published.unwrap_err().is_unconfirmed());
    }
    assert_eq!(db.len(SOURCE).await, 1);
}
