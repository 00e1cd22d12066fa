//! The conformance collection of CloudEvents, and what else producers send.
//!
//! Cases are named as in the collection (cloudevents/conformance, `invalid-events.json`,
//! `valid-events.json`); CDEvents are those of its own examples, shortened.

use axum::http::{HeaderMap, HeaderName};

use super::*;

fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

/// A valid event of ours with some attributes set, or removed where they are null.
fn with(changes: &Value) -> Value {
    let mut event = json!({
        "specversion": "1.0", "id": "e-1", "type": "deployment:started",
        "source": "https://cloudevents.io",
        "data": {
            "deployment_id": "d-1", "version": "1.2.0", "environment": "staging",
            "services": ["api"],
        },
    });
    for (name, value) in changes.as_object().unwrap() {
        if value == "absent" {
            event.as_object_mut().unwrap().remove(name);
        } else {
            event[name] = value.clone();
        }
    }
    event
}

fn read(event: &Value) -> Result<Event, Refused> {
    match structured::read(event, now())? {
        Received::Event(event) => Ok(*event),
        Received::Ignored { why, .. } => panic!("{why}"),
    }
}

#[test]
fn what_the_conformance_collection_calls_invalid_is_refused() {
    let cases = [
        ("invalidNoSpecVersion", json!({"specversion": "absent"}), "/specversion"),
        ("invalidNoId", json!({"id": "absent"}), "/id"),
        ("invalidNoType", json!({"type": "absent"}), "/type"),
        ("invalidNoSource", json!({"source": "absent"}), "/source"),
        ("invalidTimeGarbage", json!({"time": "lunchtime"}), "/time"),
        ("invalidTimeToMinute", json!({"time": "2018-04-05T18:31Z"}), "/time"),
        ("invalidTimeOffsetX", json!({"time": "2018-04-05T18:31:00X"}), "/time"),
        ("invalidTimeOffsetOutOfRange", json!({"time": "2018-04-05T18:31:00+25:00"}), "/time"),
        ("invalidTimeOffsetNonInteger", json!({"time": "2018-04-05T18:31:00+xx:00"}), "/time"),
        ("invalidTimeOffsetHourOnly", json!({"time": "2018-04-05T18:31:00+05"}), "/time"),
        ("invalidEmptyId", json!({"id": ""}), "/id"),
        ("invalidEmptyType", json!({"type": ""}), "/type"),
        ("invalidEmptySource", json!({"source": ""}), "/source"),
        ("invalidEmptySpecVersion", json!({"specversion": ""}), "/specversion"),
        ("invalidUnknownSpecVersion", json!({"specversion": "0.9"}), "/specversion"),
        ("invalidNonRfc2046DataContentType", json!({"datacontenttype": "xyz"}), "/datacontenttype"),
        ("invalidEmptyDataContentType", json!({"datacontenttype": ""}), "/datacontenttype"),
        ("invalidEmptyDataSchema", json!({"dataschema": ""}), "/dataschema"),
        ("invalidEmptySubject", json!({"subject": ""}), "/subject"),
        ("invalidNumericId", json!({"id": 25}), "/id"),
        ("invalidObjectId", json!({"id": {"xyz": "abc"}}), "/id"),
        ("invalidCapitalizedExtension", json!({"MyExtension": "bad"}), "/MyExtension"),
        ("invalidPunctuatedExtension", json!({"my.extension": "bad"}), "/my.extension"),
        ("invalidNonIntegerExtensionValue", json!({"myextension": 1.5}), "/myextension"),
        ("invalidBothDataAndDataBase64", json!({"data_base64": "e30="}), "/data_base64"),
    ];
    for (case, changes, pointer) in cases {
        // Without a specversion it would be the short form, which has no data here.
        let mut event = with(&changes);
        if case == "invalidNoSpecVersion" {
            event.as_object_mut().unwrap().remove("data");
        }
        let refused = read(&event).expect_err(case);
        assert_eq!(refused.pointer, pointer, "{case}: {refused}");
    }
    for not_an_object in [json!("not an object"), json!([1]), Value::Null] {
        assert!(!read(&not_an_object).unwrap_err().understood);
    }
}

#[test]
fn what_the_conformance_collection_calls_valid_is_accepted() {
    let cases = [
        ("validMinimal", json!({})),
        (
            "validMinimalWithNullForOptional",
            json!({"datacontenttype": null, "dataschema": null, "subject": null, "time": null}),
        ),
        ("validMinimalWithTimeUsingPositiveOffset", json!({"time": "2018-04-05T18:31:00+01:00"})),
        ("validRelativeSource", json!({"source": "#fragment"})),
        (
            "validAllExtensionTypes",
            json!({
                "extinteger": 10, "extboolean": true, "extstring": "text",
                "exttimestamp": "2023-03-31T15:12:00Z", "extbinary": "ZGF0YQ==",
            }),
        ),
        (
            "validAllCoreAttributes",
            json!({
                "datacontenttype": "application/json", "dataschema": "https://cloudevents.io/d",
                "subject": "d-1", "time": "2018-04-05T17:31:00Z",
            }),
        ),
    ];
    for (case, changes) in cases {
        let event = read(&with(&changes)).unwrap_or_else(|refused| panic!("{case}: {refused}"));
        assert_eq!((event.id.as_str(), event.subject.as_str()), ("e-1", "d-1"), "{case}");
    }
}

#[test]
fn binary_data_is_taken_out_of_its_base64() {
    let data = br#"{"deployment_id":"d-9","version":"1","environment":"e","services":[]}"#;
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, data);
    let event = with(&json!({
        "data": "absent", "data_base64": encoded, "datacontenttype": "application/json",
    }));
    assert_eq!(read(&event).unwrap().subject, "d-9");
    let broken = with(&json!({"data": "absent", "data_base64": "%"}));
    assert_eq!(read(&broken).unwrap_err().pointer, "/data_base64");
}

#[test]
fn what_no_event_of_ours_may_say_is_named_with_its_place() {
    let cases = [
        (json!({"type": "io.cloudevents.test"}), "/type"),
        (json!({"data": {"deployment_id": "d"}}), "/data/version"),
        (json!({"time": "2026-03-01T12:05:01Z"}), "/time"),
        (json!({"subject": "another"}), "/subject"),
        (json!({"dryrun": "perhaps"}), "/dryrun"),
    ];
    for (changes, pointer) in cases {
        let refused = read(&with(&changes)).unwrap_err();
        assert!(refused.understood, "{refused}");
        assert!(refused.pointer.starts_with(pointer), "{pointer}: {refused}");
    }
}

#[test]
fn the_short_form_needs_a_type_and_data() {
    let data = json!({
        "deployment_id": "d-1", "version": "1", "environment": "e", "services": ["api"],
    });
    let short = json!({"type": "deployment:started", "data": data});
    let event = read(&short).unwrap();
    assert_eq!(event.subject, "d-1");
    assert_eq!(event.source.as_deref(), Some("/printery-workers/api"));
    let repeated = json!({"type": "deployment:started", "data": data, "id": "mine"});
    assert_eq!(read(&repeated).unwrap().id, "mine");
    for (wrong, pointer) in [
        (json!({"type": "deployment:started"}), "/data"),
        (json!({"data": data}), "/type"),
        (json!({"type": "deployment:started", "data": data, "servces": 1}), "/servces"),
    ] {
        assert_eq!(read(&wrong).unwrap_err().pointer, pointer);
    }
}

#[test]
fn attributes_may_stand_in_headers() {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("ce-specversion", "1.0"),
        ("ce-id", "e%20%C3%A9"),
        ("ce-type", "deployment:started"),
        ("ce-source", "/ci"),
        ("content-type", "application/json"),
    ] {
        headers.insert(HeaderName::from_static(name), value.parse().unwrap());
    }
    let body = br#"{"deployment_id":"d-1","version":"1","environment":"e","services":[]}"#;
    let Received::Event(event) = binary::read(&headers, body, now()).unwrap() else { panic!() };
    assert_eq!(event.id, "e é");
    headers.insert("ce-id", "%zz".parse().unwrap());
    assert_eq!(binary::read(&headers, body, now()).unwrap_err().pointer, "/id");
    headers.insert("ce-id", "e-1".parse().unwrap());
    assert_eq!(binary::read(&headers, b"{", now()).unwrap_err().pointer, "/data");
}

fn cdevent(kind: &str) -> Value {
    json!({
        "specversion": "1.0", "id": "271069a8", "type": kind, "source": "/event/source/123",
        "data": {
            "context": {
                "specversion": "0.5.1", "id": "271069a8", "chainId": "4c8cb7dd",
                "source": "/event/source/123", "type": kind,
                "timestamp": "2023-03-20T14:27:05.315384Z",
            },
            "subject": {
                "id": "mySubject123", "source": "/event/source/123",
                "content": { "environment": { "id": "test123" }, "artifactId": "pkg:oci/myapp" },
            },
        },
    })
}

#[test]
fn a_cdevent_of_a_service_is_the_end_of_its_deployment() {
    for (kind, ours) in [
        ("dev.cdevents.service.deployed.0.3.0", "deployment:completed"),
        ("dev.cdevents.service.upgraded.0.3.0", "deployment:completed"),
        ("dev.cdevents.service.rolledback.0.3.0", "rollback:completed"),
    ] {
        let event = read(&cdevent(kind)).unwrap();
        assert_eq!(event.event_type.as_str(), ours);
        assert_eq!(event.subject, "cd:mySubject123:4c8cb7dd");
    }
    let other = structured::read(&cdevent("dev.cdevents.pipelinerun.started.0.3.0"), now());
    assert!(matches!(other, Ok(Received::Ignored { .. })), "{other:?}");
    let mut wrong = cdevent("dev.cdevents.service.deployed.0.3.0");
    wrong["data"]["subject"]["id"] = json!("");
    assert_eq!(read(&wrong).unwrap_err().pointer, "/data/subject/id");
}

#[test]
fn a_github_deployment_begins_and_ends() {
    let body = json!({
        "action": "created",
        "deployment": {
            "id": 7, "sha": "abc", "environment": "production", "creator": { "login": "ada" },
        },
        "deployment_status": { "state": "failure", "description": "no room" },
        "repository": { "name": "shop", "full_name": "acme/shop" },
    });
    let of = |name: &str| match github::read("delivery-1", name, &body, now()).unwrap() {
        Received::Event(event) => (event.event_type.to_string(), event.subject),
        Received::Ignored { why, .. } => (String::new(), why),
    };
    let id = "gh:acme.shop:7".to_owned();
    assert_eq!(of("deployment"), ("deployment:started".to_owned(), id.clone()));
    assert_eq!(of("deployment_status"), ("deployment:failed".to_owned(), id));
    assert_eq!(of("ping").0, "");
    let lacking = github::read("d", "deployment", &json!({"deployment": {}}), now());
    assert_eq!(lacking.unwrap_err().pointer, "/deployment/id");
}

#[test]
fn only_the_right_signature_is_one() {
    // From GitHub's "Testing the webhook payload validation".
    let (secret, body) = ("It's a Secret to Everybody", b"Hello, World!");
    let good = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    assert!(github::is_signed(secret, body, good));
    for wrong in [&good[..70], "sha256=", "757107ea", "sha256=zz", ""] {
        assert!(!github::is_signed(secret, body, wrong), "{wrong}");
    }
    assert!(!github::is_signed("other", body, good));
}
