//! Owns the properties of encoding and decoding over generated events and generated garbage.
//! Every family and both encodings are generated, with texts of all kinds.
//! It never compares with fixed bytes; that is what the golden files are for.

use jiff::Timestamp;
use printery_events::payload::{
    Channel, Check, CheckOutcome, Counts, DeploymentStarted, HealthCheckCompleted, HealthResult,
    HealthStatus, Migrations, Notification, NotificationSeverity, RolloutPhase, ServiceHealth,
    Severity, StageCompleted, StageStatus, ValidationCompleted, VerdictResult,
};
use printery_events::{Encoding, Event, EventType, Family, Payload, Trace, payload, salvage};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value};

use crate::samples;

fn text() -> BoxedStrategy<String> {
    prop_oneof![any::<String>(), "[ -~]{0,20}", Just("\0\u{1b}[0m\r\n\u{202e}".to_owned())].boxed()
}

fn maybe() -> BoxedStrategy<Option<String>> {
    option::of(text()).boxed()
}

fn texts() -> BoxedStrategy<Vec<String>> {
    vec(text(), 0..4).boxed()
}

fn number() -> BoxedStrategy<f64> {
    // Quarters: the JSON reader is exact for them, as for every time anybody measures.
    any::<u32>().prop_map(|quarters| f64::from(quarters) / 4.0).boxed()
}

fn git() -> BoxedStrategy<Option<Map<String, Value>>> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(text(), inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    option::of(btree_map(text(), value, 0..4).prop_map(|map| map.into_iter().collect())).boxed()
}

fn stage() -> BoxedStrategy<String> {
    "[A-Za-z0-9_.-]{1,64}".boxed()
}

prop_compose! {
    fn started(id: String)(
        (version, environment) in (text(), text()),
        strategy in option::of(select(payload::Strategy::ALL)),
        (services, labels) in (texts(), texts()),
        (previous_version, initiated_by) in (maybe(), maybe()),
        images in btree_map(text(), text(), 0..4),
        migrations in option::of(any::<(bool, bool)>()),
        (git, manifest) in (git(), git()),
    ) -> Payload {
        let manifest = manifest.map(Value::Object);
        let migrations =
            migrations.map(|(required, reversible)| Migrations { required, reversible });
        Payload::DeploymentStarted(DeploymentStarted {
            deployment_id: id.clone(), version, environment, strategy, services,
            previous_version, images, initiated_by, labels, migrations, git, manifest,
        })
    }
}

prop_compose! {
    fn stage_completed(id: String)(
        stage in stage(),
        status in select(StageStatus::ALL),
        (version, environment, error_message) in (maybe(), maybe(), maybe()),
        services in texts(),
        duration_seconds in option::of(number()),
    ) -> Payload {
        Payload::StageCompleted(StageCompleted {
            deployment_id: id.clone(), stage, status, version, environment, services,
            duration_seconds, error_message,
        })
    }
}

prop_compose! {
    fn validated(id: String)(
        (version, environment, config_digest, summary) in (text(), text(), text(), text()),
        services in texts(),
        phase in select(RolloutPhase::ALL),
        result in select(VerdictResult::ALL),
        checks in vec(check(), 0..4),
        (duration_ms, pass, fail) in any::<(u64, u32, u32)>(),
    ) -> Payload {
        Payload::ValidationCompleted(ValidationCompleted {
            deployment_id: id.clone(), version, environment, services, phase, result,
            counts: Counts { pass, fail, ..Counts::default() }, checks, duration_ms, config_digest, summary,
        })
    }
}

prop_compose! {
    fn check()(
        (name, kind, target) in (text(), text(), text()),
        (expected, observed, message) in (text(), text(), text()),
        outcome in select(CheckOutcome::ALL),
        severity in select(Severity::ALL),
        (duration_ms, attempts) in any::<(u64, u32)>(),
        (class, reason_code, evidence) in (maybe(), maybe(), maybe()),
        timings in vec((text(), any::<u64>()), 0..3),
    ) -> Check {
        Check {
            name, kind, outcome, severity, target, expected, observed, message, duration_ms,
            attempts, class, reason_code, timings: timings.into_iter().collect(), evidence,
        }
    }
}

prop_compose! {
    fn health(id: String)(
        phase in select(RolloutPhase::ALL),
        stage in maybe(),
        services in vec((text(), select(HealthStatus::ALL), any::<u32>(), number(), text()), 0..4),
        status in select(HealthResult::ALL),
        (rollback_requested, duration_ms) in any::<(bool, u64)>(),
        summary in text(),
    ) -> Payload {
        let services = services.into_iter().map(|(service, status, samples, rate, reason)| {
            ServiceHealth {
                service, status, samples, error_rate: rate, p50_ms: rate, p99_ms: rate, reason,
            }
        });
        Payload::HealthCheckCompleted(HealthCheckCompleted {
            deployment_id: id.clone(), phase, stage, services: services.collect(), status,
            rollback_requested, duration_ms, summary,
        })
    }
}

prop_compose! {
    fn notified(id: String)(
        (trigger_event_id, receiver, target) in (text(), text(), text()),
        stage in stage(),
        channel in select(Channel::ALL),
        severity in select(NotificationSeverity::ALL),
        attempt in any::<u32>(),
        error_message in maybe(),
    ) -> Payload {
        Payload::NotificationFailed(Notification {
            deployment_id: id.clone(), trigger_event_id,
            trigger_event_type: EventType::stage_started(&stage),
            receiver, channel, target, severity, attempt, error_message,
        })
    }
}

fn any_payload() -> impl Strategy<Value = Payload> {
    "[A-Za-z0-9_.:-]{1,128}".prop_flat_map(|id: String| {
        prop_oneof![
            started(id.clone()),
            stage_completed(id.clone()),
            validated(id.clone()),
            health(id.clone()),
            notified(id),
            select(Family::ALL).prop_map(|family| samples::event(family).payload),
        ]
    })
}

prop_compose! {
    fn event()(
        payload in any_payload(),
        id in "[^\\p{Cc}]{1,128}",
        source in option::of("[^\\p{Cc}]{1,40}"),
        correlation_id in "[^\\p{Cc}]{1,128}",
        causation_id in option::of("[^\\p{Cc}]{1,128}"),
        time in option::of(0..4_000_000_000_000_i64),
        trace in option::of("00-1[0-9a-f]{31}-1[0-9a-f]{15}-0[01]"),
        state in option::of("[a-z]{1,9}=[a-z0-9]{1,9}"),
        dry_run in any::<bool>(),
    ) -> Event {
        Event {
            id, source, event_type: payload.event_type(),
            subject: payload.deployment_id().to_owned(),
            time: time.map(|it| Timestamp::from_millisecond(it).unwrap()),
            correlation_id, causation_id,
            trace: trace.map(|parent| Trace { parent, state }),
            dry_run, follow_up: None, payload,
        }
    }
}

fn garbage() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..200),
        text().prop_map(String::into_bytes),
        "[\\[\\]{}\",:0-9a-z\\\\ -]{0,80}".prop_map(String::into_bytes),
        select(&["1.0", "true", "1", "d-1", "application/json", "application/msgpack"][..])
            .prop_map(|it| it.as_bytes().to_vec()),
    ]
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    let names = &[
        "specversion",
        "id",
        "event_id",
        "source",
        "type",
        "subject",
        "deployment_id",
        "time",
        "datacontenttype",
        "data",
        "payload",
        "correlationid",
        "causationid",
        "traceparent",
        "tracestate",
        "dryrun",
    ];
    prop_oneof![9 => select(&names[..]).prop_map(|it| it.as_bytes().to_vec()), 1 => garbage()]
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded_the_same(event in event()) {
        for encoding in [Encoding::Json, Encoding::MessagePack] {
            let fields = event.encode(encoding);
            prop_assert_eq!(Event::decode(None, &fields), Ok(event.clone()));
            prop_assert_eq!(Event::decode(Some(&event.event_type), &fields), Ok(event.clone()));
        }
    }

    #[test]
    fn decoding_garbage_never_panics(
        fields in vec((name(), garbage()), 0..12),
        family in select(Family::ALL),
    ) {
        let implied = EventType::of(family);
        if let Err(invalid) = Event::decode(Some(&implied), &fields) {
            prop_assert!(!invalid.field.is_empty() && !invalid.problem.is_empty());
            prop_assert!(!invalid.to_string().chars().any(char::is_control));
        }
        salvage(&fields);
    }

    #[test]
    fn decoding_a_damaged_entry_never_panics(
        family in select(Family::ALL),
        json in any::<bool>(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        keep in any::<prop::sample::Index>(),
    ) {
        let encoding = if json { Encoding::Json } else { Encoding::MessagePack };
        let event = samples::event(family);
        let mut fields = event.encode(encoding);
        for (name, data) in fields.iter_mut().filter(|(name, _)| name == b"data") {
            prop_assert_eq!(name.as_slice(), b"data");
            for (place, byte) in &damage {
                let place = place.index(data.len());
                data[place] = *byte;
            }
            let length = keep.index(data.len() * 2);
            data.truncate(length.max(1));
        }
        if let Ok(decoded) = Event::decode(None, &fields) {
            let again = Event::decode(None, &decoded.encode(encoding));
            prop_assert_eq!(again, Ok(decoded));
        }
        salvage(&fields);
    }
}
