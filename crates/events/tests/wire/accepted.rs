//! Owns the forms of an entry that contract §3 accepts beyond what the fleet writes.
//! Each test is one promise to producers that are not ours.
//! It never covers what is refused; that is the neighbouring table.

use jiff::Timestamp;
use printery_events::payload::{DependencyResult, RolloutPhase, Strategy, VerdictResult};
use printery_events::{Encoding, Event, EventType, Family, Payload};
use serde::Serialize;
use serde_json::json;

use crate::samples::{self, entry, with, without};

const STARTED: &str =
    r#"{"deployment_id":"d-1","version":"1.2.0","environment":"staging","services":["api"]}"#;

fn started(fields: &[(&str, &str)]) -> Event {
    let implied = EventType::of(Family::DeploymentStarted);
    Event::decode(Some(&implied), &entry(fields)).unwrap()
}

#[test]
fn an_id_and_data_from_redis_cli_are_enough() {
    let event = started(&[("id", "1"), ("data", STARTED)]);
    assert_eq!((event.id.as_str(), event.subject.as_str()), ("1", "d-1"));
    assert_eq!((event.correlation_id.as_str(), event.source.as_deref()), ("1", None));
    assert_eq!((event.time, event.causation_id, event.trace), (None, None, None));
    assert!(!event.dry_run);
    let Payload::DeploymentStarted(data) = event.payload else { panic!("another family") };
    assert_eq!((data.version.as_str(), data.strategy), ("1.2.0", None));
    assert_eq!(data.services, ["api"]);
    assert!(data.images.is_empty() && data.labels.is_empty());
}

#[test]
fn every_alias_means_its_attribute() {
    let plain = started(&[
        ("id", "1"),
        ("type", "deployment:started"),
        ("subject", "d-1"),
        ("correlationid", "c"),
        ("time", "2024-11-22T06:00:00.123Z"),
        ("data", STARTED),
    ]);
    let aliased = started(&[
        ("payload", STARTED),
        ("timestamp", "1732255200123"),
        ("correlation_id", "c"),
        ("deployment_id", "d-1"),
        ("event_type", "deployment:started"),
        ("event_id", "1"),
    ]);
    assert_eq!(aliased, plain);
    assert_eq!(plain.time, Some(samples::at()));
}

#[test]
fn unknown_fields_of_any_bytes_are_ignored() {
    let mut fields = entry(&[("id", "1"), ("data", STARTED), ("", ""), ("dataschema", "")]);
    fields.push((vec![0xff, 0], vec![0xfe; 1000]));
    fields.push((vec![0xff, 0], vec![]));
    let implied = EventType::of(Family::DeploymentStarted);
    let event = Event::decode(Some(&implied), &fields).unwrap();
    assert_eq!(event, started(&[("id", "1"), ("data", STARTED)]));
}

#[test]
fn unknown_keys_in_data_are_ignored() {
    let data = STARTED.replace('{', r#"{"canary":{"steps":[5,25,null,{"a":[]}]},"\u0000":1.5e3,"#);
    assert_eq!(
        started(&[("id", "1"), ("data", &data)]),
        started(&[("id", "1"), ("data", STARTED)])
    );
}

#[test]
fn data_without_a_content_type_is_json_when_it_starts_with_a_brace() {
    let data = format!(" \r\n\t{STARTED} \n");
    assert_eq!(started(&[("id", "1"), ("data", &data)]).subject, "d-1");
    let sample = samples::event(Family::DeploymentStarted);
    let fields = without(&sample.encode(Encoding::MessagePack), "datacontenttype");
    assert_eq!(Event::decode(None, &fields), Ok(sample));
}

#[test]
fn enumerations_are_read_whatever_their_case_and_written_in_the_contracts() {
    let mut sample = samples::event(Family::DependencyCheckCompleted);
    let fields = with(
        &sample.encode(Encoding::Json),
        "data",
        serde_json::to_string(&sample.payload)
            .unwrap()
            .replace("SOME_DEGRADED", "some_Degraded")
            .replace("post-stage", "POST-STAGE")
            .replace("unhealthy", "UNHEALTHY")
            .as_bytes(),
    );
    sample.time = Some(samples::at());
    assert_eq!(Event::decode(None, &fields), Ok(sample));
    assert_eq!(json!(DependencyResult::AllHealthy), json!("ALL_HEALTHY"));
    assert_eq!(json!(VerdictResult::Passed), json!("PASSED"));
    assert_eq!(json!(RolloutPhase::PreDeploy), json!("pre-deploy"));
    assert_eq!(
        serde_json::from_value::<Strategy>(json!("Blue-Green")).unwrap(),
        Strategy::BlueGreen
    );
}

#[test]
fn null_means_absent_for_what_is_optional() {
    let data = r#"{"deployment_id":"d-1","version":"1","environment":"e","services":[],
        "strategy":null,"images":null,"labels":null,"migrations":null,"git":null,"initiated_by":null}"#;
    let plain = r#"{"deployment_id":"d-1","version":"1","environment":"e","services":[]}"#;
    assert_eq!(started(&[("id", "1"), ("data", data)]), started(&[("id", "1"), ("data", plain)]));
}

#[test]
fn text_in_data_may_hold_anything_that_is_utf_8() {
    let data = r#"{"deployment_id":"d-1","version":"\u0000\r\n\u001b[31m<script>${jndi:é😀","environment":"e","services":[""]}"#;
    let event = started(&[("id", "1"), ("data", data)]);
    let Payload::DeploymentStarted(read) = event.payload else { panic!("another family") };
    assert_eq!(read.version, "\0\r\n\u{1b}[31m<script>${jndi:é😀");
}

/// A map whose keys and texts are of the kind `bin`, as some older libraries write them.
#[derive(Serialize)]
struct Binary<'a>(#[serde(with = "serde_bytes")] &'a [u8]);

#[test]
fn message_pack_may_write_text_as_binary() {
    let mut data = vec![0x84];
    for (key, value) in [("deployment_id", "d-1"), ("version", "1"), ("environment", "e")] {
        data.extend(rmp_serde::to_vec(&Binary(key.as_bytes())).unwrap());
        data.extend(rmp_serde::to_vec(&Binary(value.as_bytes())).unwrap());
    }
    data.extend(rmp_serde::to_vec(&("services", ["api"])).unwrap().split_off(1));
    let implied = EventType::of(Family::DeploymentStarted);
    let fields = with(&entry(&[("id", "1")]), "data", &data);
    let Payload::DeploymentStarted(read) = Event::decode(Some(&implied), &fields).unwrap().payload
    else {
        panic!("another family")
    };
    assert_eq!((read.version.as_str(), read.environment.as_str()), ("1", "e"));
}

#[test]
fn an_invalid_trace_is_dropped_and_the_event_goes_on() {
    let sample = samples::event(Family::ValidationStarted).encode(Encoding::MessagePack);
    for parent in [&b"00-zz"[..], b"", b"\xff\xfe"] {
        let event = Event::decode(None, &with(&sample, "traceparent", parent)).unwrap();
        assert_eq!(event.trace, None);
    }
    let event = Event::decode(None, &with(&sample, "tracestate", b"\xff")).unwrap();
    assert_eq!(event.trace.unwrap().state, None);
}

#[test]
fn a_derived_event_carries_the_story_and_repeats_its_id() {
    let input = samples::event(Family::DeploymentStarted);
    let payload = samples::event(Family::ValidationCompleted).payload;
    let late = Timestamp::from_millisecond(1).unwrap();
    let one = Event::derived(&input, "validator", payload.clone(), "", samples::at());
    let again = Event::derived(&input, "validator", payload.clone(), "", late);
    let other = Event::derived(&input, "validator", payload.clone(), "attempt 2", late);
    assert_eq!(one.id, again.id);
    assert_ne!(one.id, other.id);
    assert_eq!(one.source.as_deref(), Some("/printery/validator"));
    assert_eq!(one.causation_id.as_deref(), Some(input.id.as_str()));
    assert_eq!((&one.correlation_id, &one.trace), (&input.correlation_id, &input.trace));
    assert!(one.dry_run);
    let first = Event::new("first", "/ci", payload, samples::at());
    assert_eq!((first.correlation_id.as_str(), first.causation_id), ("first", None));
}

#[test]
fn an_entry_may_be_as_large_as_the_limits_say() {
    let implied = EventType::of(Family::DeploymentStarted);
    let mut fields = entry(&[("id", &"é".repeat(128)), ("data", STARTED)]);
    fields.extend((2..1000).map(|number| (format!("extension{number}").into_bytes(), vec![])));
    assert!(Event::decode(Some(&implied), &fields).is_ok());
    let used: usize = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
    fields[2].1 = vec![0xff; (1 << 20) - used];
    assert!(Event::decode(Some(&implied), &fields).is_ok());
}
