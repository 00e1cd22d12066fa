//! What is kept for going back: versions that did well, claims that stand, what came before.

use std::time::Duration;

use printery_fleet::Records;
use printery_fleet::past::Past;
use printery_fleet::rollbacks::{Claim, claim, standing, withdraw};
use printery_fleet::versions::{Proven, before, prove};
use printery_streams::EntryId;
use printery_testkit::RedisServer;

fn names(services: &[&str]) -> Vec<String> {
    services.iter().map(|it| (*it).to_owned()).collect()
}

#[tokio::test]
async fn the_version_before_is_that_of_another_deployment() {
    let server = RedisServer::start().await;
    let records = Records::try_new(&server.url(), "t").unwrap();
    let both = names(&["api", "web"]);
    let proven = |version: &str, deployment: &str| Proven {
        version: version.into(),
        deployment_id: deployment.into(),
        at_ms: 7,
    };
    let of = async |service: &str, deployment: &str| {
        let mut found = before(&records, "staging", &names(&[service]), deployment).await.unwrap();
        found.remove(service).map(|proven| proven.version)
    };
    assert_eq!(of("api", "d-1").await, None);
    prove(&records, "staging", &both, &proven("1.0.0", "d-1")).await.unwrap();
    assert_eq!(of("api", "d-1").await, None, "there was nothing before the first");
    assert_eq!(of("api", "d-2").await.as_deref(), Some("1.0.0"));
    // Two stages of one deployment did well, and then a third did not.
    prove(&records, "staging", &both, &proven("2.0.0", "d-2")).await.unwrap();
    prove(&records, "staging", &names(&["api"]), &proven("2.0.0", "d-2")).await.unwrap();
    assert_eq!(of("api", "d-2").await.as_deref(), Some("1.0.0"));
    assert_eq!(of("web", "d-3").await.as_deref(), Some("2.0.0"));
    let elsewhere = before(&records, "production", &both, "d-3").await.unwrap();
    assert!(elsewhere.is_empty(), "another environment is another matter");
}

#[tokio::test]
async fn claims_stand_in_their_order_until_they_are_withdrawn() {
    let server = RedisServer::start().await;
    let db = server.connect().await;
    let records = Records::try_new(&server.url(), "t").unwrap();
    let day = Duration::from_secs(86_400);
    let mut wanted = Claim {
        entry: EntryId::default(),
        deployment_id: "d-1".into(),
        event_id: "e-1".into(),
        environment: "staging".into(),
        services: names(&["api", "web"]),
    };
    wanted.entry = claim(&records, &wanted).await.unwrap();
    let mut other = Claim { deployment_id: "d-2".into(), ..wanted.clone() };
    other.entry = claim(&records, &other).await.unwrap();
    let now_ms = other.entry.ms;
    let all = standing(&records, now_ms, day).await.unwrap();
    assert_eq!(all, [wanted.clone(), other.clone()]);
    withdraw(&records, wanted.entry, "somebody was first").await.unwrap();
    assert_eq!(standing(&records, now_ms, day).await.unwrap(), [other]);
    let later = standing(&records, now_ms + 86_500_000, day).await.unwrap();
    assert_eq!(later, [], "what is long ago does not count");
    assert_eq!(db.int(&["XLEN", "t:printery:rollbacks"]).await, 3);
}

#[tokio::test]
async fn events_are_walked_back_from_the_youngest() {
    let server = RedisServer::start().await;
    let db = server.connect().await;
    let records = Records::try_new(&server.url(), "t").unwrap();
    let mut past = Past::of(&records, "deployment:started");
    assert_eq!(past.earlier().await.unwrap(), Vec::<printery_streams::Fields>::new());
    for n in 0..450 {
        db.add("t:events:deployment:deployment:started", &[("id", n.to_string())]).await;
    }
    let mut past = Past::of(&records, "deployment:started");
    let mut seen: Vec<u32> = Vec::new();
    loop {
        let page = past.earlier().await.unwrap();
        if page.is_empty() {
            break;
        }
        let id = |(_, value): &(Vec<u8>, Vec<u8>)| -> u32 {
            String::from_utf8_lossy(value).parse().unwrap()
        };
        seen.extend(page.iter().map(|fields| id(&fields[0])));
    }
    let expected: Vec<u32> = (0..450).rev().collect();
    assert_eq!(seen, expected);
}
