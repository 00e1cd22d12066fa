//! A deployment's record, whatever the order of its events.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::EventType;
use crate::topology::DEFAULT_STAGES;

fn stages() -> Vec<String> {
    DEFAULT_STAGES.map(str::to_owned).into()
}

fn event(number: i64, kind: &str, mut data: Value) -> Event {
    data["deployment_id"] = json!("d-1");
    let time = Timestamp::from_second(1_700_000_000 + number).unwrap().to_string();
    let fields = [
        ("id", format!("e-{number}")),
        ("time", time),
        ("datacontenttype", "application/json".to_owned()),
        ("data", data.to_string()),
    ];
    let fields: Vec<(Vec<u8>, Vec<u8>)> =
        fields.map(|(name, value)| (name.as_bytes().to_vec(), value.into_bytes())).into();
    Event::decode(Some(&EventType::parse(kind).unwrap()), &fields)
        .unwrap_or_else(|invalid| panic!("{kind}: {invalid}"))
}

/// A whole deployment, one event a second.
fn deployment() -> Vec<Event> {
    let mut events = vec![event(
        0,
        "deployment:started",
        json!({"version": "1.2.0", "environment": "staging", "services": ["api"]}),
    )];
    for (index, stage) in DEFAULT_STAGES.iter().enumerate() {
        let number = i64::try_from(index).unwrap() * 2 + 1;
        let begun = json!({"stage": stage, "version": "1.2.0", "services": ["api"]});
        events.push(event(number, &format!("deployment:stage:{stage}:started"), begun));
        let done = json!({"stage": stage, "status": "success"});
        events.push(event(number + 1, &format!("deployment:stage:{stage}:completed"), done));
    }
    events.push(event(7, "deployment:completed", json!({"status": "success"})));
    events
}

fn folded(events: &[Event]) -> Record {
    let mut record = Record::new("d-1");
    for event in events {
        record.apply(event, Timestamp::UNIX_EPOCH, &stages());
    }
    record
}

#[test]
fn progress_goes_by_the_contract_s_table() {
    let mut record = Record::new("d-1");
    let mut seen = Vec::new();
    for event in deployment() {
        assert!(record.apply(&event, Timestamp::UNIX_EPOCH, &stages()));
        assert!(!record.apply(&event, Timestamp::now(), &stages()), "the second time is no news");
        seen.push(record.progress);
    }
    assert_eq!(seen, [10, 20, 35, 40, 65, 75, 85, 100]);
    assert_eq!((record.status, record.stage.as_deref()), (Standing::Success, Some("folio")));
    assert_eq!((record.duration_seconds, record.message.as_str()), (Some(7), "1.2.0 is in place"));
}

#[test]
fn an_event_without_a_time_is_no_news_the_second_time() {
    let mut untimed = deployment();
    for event in &mut untimed {
        event.time = None;
    }
    let mut record = Record::new("d-1");
    for (index, event) in untimed.iter().enumerate() {
        let now = Timestamp::from_second(i64::try_from(index).unwrap()).unwrap();
        assert!(record.apply(event, now, &stages()));
    }
    let before = record.clone();
    for event in &untimed {
        assert!(!record.apply(event, Timestamp::now(), &stages()), "{}", event.event_type);
    }
    assert_eq!(record, before);
}

#[test]
fn how_it_ended_is_told_in_the_contract_s_words() {
    let failed = json!({"reason": "no room", "failed_stage": "folio"});
    let asked = json!({"previous_version": "1.1.0", "reason": "errors", "stages_to_rollback": []});
    let back = json!({"status": "success", "restored_version": "1.1.0"});
    let not_back = json!({"status": "failure", "restored_version": "1.1.0"});
    let cases = [
        ("deployment:failed", failed, Standing::Failure, 100),
        ("rollback:initiated", asked, Standing::Running, 85),
        ("rollback:completed", back, Standing::RolledBack, 100),
        ("rollback:completed", not_back, Standing::Failure, 100),
        ("deployment:completed", json!({"status": "failure"}), Standing::Failure, 100),
        ("deployment:completed", json!({"status": "rolled_back"}), Standing::RolledBack, 100),
    ];
    for (kind, data, standing, progress) in cases {
        let mut events = deployment();
        events.pop();
        events.push(event(9, kind, data));
        let record = folded(&events);
        assert_eq!((record.status, record.progress), (standing, progress), "{kind}");
    }
    let record = folded(&[event(
        1,
        "deployment:failed",
        json!({"reason": "no room", "failed_stage": "folio"}),
    )]);
    assert_eq!(record.error.as_deref(), Some("no room"));
    assert_eq!(record.failed_stages, BTreeSet::from(["folio".to_owned()]));
}

#[test]
fn a_record_comes_back_from_json_as_it_was() {
    let record = folded(&deployment());
    let text = serde_json::to_string(&record).unwrap();
    assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&json["status"], &json["progress"]), (&json!("SUCCESS"), &json!(100)));
}

proptest! {
    #[test]
    fn every_order_and_every_repetition_ends_in_the_same_record(
        order in proptest::collection::vec(0_usize..10, 0..20),
    ) {
        let mut all = deployment();
        all.push(event(8, "deployment:failed", json!({"reason": "x", "failed_stage": "folio"})));
        let again = json!({"stage": "folio", "status": "failure", "error_message": "late"});
        all.push(event(9, "deployment:stage:folio:completed", again));
        let mut mixed: Vec<Event> = order.iter().map(|index| all[*index].clone()).collect();
        mixed.extend(all.iter().rev().cloned());
        prop_assert_eq!(folded(&mixed), folded(&all));
    }
}
