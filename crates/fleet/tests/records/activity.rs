//! The activity feed: read back in order, resumed after any record, bounded.

use std::time::Duration;

use printery_fleet::activity::{Happening, latest, since, tell};
use printery_streams::{EntryId, Keys, Redis};
use printery_testkit::RedisServer;
use serde_json::{Value, json};

#[tokio::test]
async fn a_feed_is_resumed_where_it_was_left() {
    let server = RedisServer::start().await;
    let mut session = Redis::try_new(&server.url(), Duration::from_secs(10)).unwrap().session();
    let keys = Keys::new("t");
    let mut ids = Vec::new();
    for n in 0..3 {
        let happening = Happening {
            kind: "worker:running".into(),
            subject: format!("i-{n}"),
            sentence: "it runs".into(),
            detail: if n == 0 { Value::Null } else { json!({ "n": n }) },
        };
        ids.push(tell(&mut session, &keys, &happening).await.unwrap());
    }
    let subjects = |all: Vec<printery_fleet::activity::Activity>| -> Vec<String> {
        all.into_iter().map(|one| one.subject).collect()
    };
    let all = since(&mut session, &keys, EntryId::default(), 10).await.unwrap();
    assert_eq!((all[0].detail.clone(), all[1].detail.clone()), (Value::Null, json!({ "n": 1 })));
    assert_eq!(subjects(all), ["i-0", "i-1", "i-2"]);
    let resumed = since(&mut session, &keys, ids[0], 10).await.unwrap();
    assert_eq!(subjects(resumed), ["i-1", "i-2"]);
    let last = latest(&mut session, &keys, None, 2).await.unwrap();
    assert_eq!(subjects(last), ["i-2", "i-1"]);
    let older = latest(&mut session, &keys, Some(ids[1]), 2).await.unwrap();
    assert_eq!(subjects(older), ["i-0"]);
}
