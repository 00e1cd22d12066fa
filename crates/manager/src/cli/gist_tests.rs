//! What each event looks like in one line.

use jiff::Timestamp;
use printery_events::{EventType, Family};

use super::*;

fn gist(event_type: &str, data: &str) -> String {
    let event_type = EventType::parse(event_type).unwrap();
    let fields = [("id", "1"), ("data", data)];
    let fields: Vec<_> =
        fields.map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).into();
    let event = Event::decode(Some(&event_type), &fields).unwrap_or_else(|why| panic!("{why}"));
    let Gist { word, subject, detail, .. } = Gist::of(&event);
    format!("{word}|{subject}|{detail}")
}

#[test]
fn every_kind_of_event_has_its_line() {
    let table = [
        (
            "deployment:started",
            r#"{"deployment_id":"d","version":"2","environment":"staging","services":["a","b"]}"#,
            "started|deployment|2 to staging: a, b",
        ),
        (
            "deployment:stage:folio:started",
            r#"{"deployment_id":"d","stage":"folio","version":"2","services":["a"]}"#,
            "started|stage folio|a",
        ),
        (
            "deployment:stage:folio:completed",
            r#"{"deployment_id":"d","stage":"folio","status":"failure","error_message":"no room"}"#,
            "failure|stage folio|no room",
        ),
        (
            "deployment:stage:folio:completed",
            r#"{"deployment_id":"d","stage":"folio","status":"success","duration_seconds":1.25}"#,
            "success|stage folio|1.2 s",
        ),
        (
            "deployment:completed",
            r#"{"deployment_id":"d","status":"success","version":"2"}"#,
            "success|deployment|2 is in place",
        ),
        (
            "deployment:failed",
            r#"{"deployment_id":"d","reason":"broken","failed_stage":"folio"}"#,
            "failed|deployment|at folio: broken",
        ),
        (
            "rollback:initiated",
            r#"{"deployment_id":"d","previous_version":"1","reason":"bad","stages_to_rollback":[]}"#,
            "asked for|rollback|to 1: bad",
        ),
        (
            "dependency:check:started",
            r#"{"deployment_id":"d","phase":"post-stage","stage":"folio","services":["a"],"attempt":2}"#,
            "running|dependencies after folio|a, attempt 2",
        ),
        (
            "notification:failed",
            r#"{"deployment_id":"d","trigger_event_id":"1","trigger_event_type":"deployment:failed","receiver":"hook","channel":"webhook","target":"http://h/***","severity":"critical","attempt":3,"error_message":"answered 410"}"#,
            "not told|hook|webhook about deployment:failed, critical: answered 410",
        ),
    ];
    for (event_type, data, expected) in table {
        assert_eq!(gist(event_type, data), expected, "{event_type}");
    }
}

#[test]
fn a_verdict_names_what_is_wrong() {
    let data = r#"{"deployment_id":"d","phase":"pre-deploy","services":["a"],"result":"SOME_DEGRADED",
        "statuses":[],"root_causes":["db"],"impaired":[{"name":"a","by":"db"}],"duration_ms":1500,"summary":"s\u001b"}"#;
    assert_eq!(
        gist("dependency:check:completed", data),
        "SOME_DEGRADED|dependencies before|s\u{fffd}"
    );
    let event_type = EventType::of(Family::DependencyCheckCompleted);
    let fields =
        vec![(b"id".to_vec(), b"1".to_vec()), (b"data".to_vec(), data.as_bytes().to_vec())];
    let event = Event::decode(Some(&event_type), &fields).unwrap();
    assert_eq!(findings(&event.payload), ["root cause: db", "impaired: a by db"]);
    assert_eq!(took(&event.payload).as_deref(), Some("1.5 s"));
}

#[test]
fn a_dry_run_is_marked() {
    let payload = r#"{"deployment_id":"d","version":"2","environment":"e","services":[]}"#;
    let event_type = EventType::of(Family::DeploymentStarted);
    let fields =
        vec![(b"id".to_vec(), b"1".to_vec()), (b"data".to_vec(), payload.as_bytes().to_vec())];
    let event = Event::decode(Some(&event_type), &fields).unwrap();
    let mut event = Event::new("2", "/test", event.payload, Timestamp::UNIX_EPOCH);
    event.dry_run = true;
    assert!(Gist::of(&event).detail.ends_with("(dry run)"));
}
