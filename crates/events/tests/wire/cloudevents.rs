//! Owns the cases of the CloudEvents conformance collection (`valid-events.json`, `invalid-events.json`) that fit a flat entry.
//! Each case is named as there; its attributes stand over an entry that is otherwise one of ours.
//! It never covers batches, extensions' value types or `data_base64`, which a flat entry does not have.

use printery_events::{Event, EventType, Family};

use crate::samples::{at, entry, with};

const STARTED: &str =
    r#"{"deployment_id":"d-1","version":"1.2.0","environment":"staging","services":["api"]}"#;

fn decode(name: &str, value: &str) -> Result<Event, String> {
    let base = entry(&[
        ("specversion", "1.0"),
        ("id", "conformance"),
        ("source", "https://cloudevents.io"),
        ("data", STARTED),
    ]);
    let implied = EventType::of(Family::DeploymentStarted);
    let fields = with(&base, name, value.as_bytes());
    Event::decode(Some(&implied), &fields).map_err(|invalid| invalid.field)
}

#[test]
fn valid_attributes_are_accepted() {
    let cases = [
        ("validMinimalWithTimeUtc", "time", "2018-04-05T17:31:00Z"),
        ("validMinimalWithTimeToNanosecondsUtc", "time", "2018-04-05T17:31:00.000000000Z"),
        ("validMinimalWithTimeUsingPositiveOffset", "time", "2018-04-05T18:31:00+01:00"),
        ("validMinimalWithTimeUsingNegativeOffset", "time", "2018-04-05T16:31:00-01:00"),
        ("validRelativeSource", "source", "#fragment"),
        ("validAllExtensionTypes", "exttimestamp", "2023-03-31T15:12:00Z"),
    ];
    for (case, name, value) in cases {
        let event = decode(name, value).expect(case);
        if name == "time" {
            assert_eq!(event.time, Some("2018-04-05T17:31:00Z".parse().unwrap()), "{case}");
            assert!(event.time < Some(at()));
        }
    }
}

#[test]
fn invalid_attributes_are_refused() {
    let cases = [
        ("invalidTimeGarbage", "time", "lunchtime"),
        ("invalidTimeToMinute", "time", "2018-04-05T18:31Z"),
        ("invalidTimeOffsetX", "time", "2018-04-05T18:31:00X"),
        ("invalidTimeOffsetOutOfRange", "time", "2018-04-05T18:31:00+25:00"),
        ("invalidTimeOffsetNonInteger", "time", "2018-04-05T18:31:00+xx:00"),
        ("invalidTimeOffsetHourOnly", "time", "2018-04-05T18:31:00+05"),
        ("invalidEmptyId", "id", ""),
        ("invalidEmptyType", "type", ""),
        ("invalidEmptySource", "source", ""),
        ("invalidEmptySpecVersion", "specversion", ""),
        ("invalidUnknownSpecVersion", "specversion", "0.9"),
        ("invalidNonRfc2046DataContentType", "datacontenttype", "xyz"),
        ("invalidEmptyDataContentType", "datacontenttype", ""),
        ("invalidEmptySubject", "subject", ""),
    ];
    for (case, name, value) in cases {
        assert_eq!(decode(name, value), Err(name.to_owned()), "{case}");
    }
}
