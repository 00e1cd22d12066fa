//! Owns the table of entries that are no events: what is wrong, and which field the refusal names.
//! Each row is one thing a producer gets wrong or an attacker tries.
//! It never checks whole sentences, only the field, a word of the problem, and that nothing leaks.

use printery_events::{Encoding, Event, EventType, Family, Invalid};
use serde_json::json;

use crate::samples::{self, Fields, entry, with, without};

const STARTED: &str =
    r#"{"deployment_id":"d-1","version":"1.2.0","environment":"staging","services":["api"]}"#;

/// A whole valid entry to break.
fn valid() -> Fields {
    entry(&[("id", "1"), ("subject", "d-1"), ("data", STARTED)])
}

fn refusal(family: Family, fields: &Fields) -> Invalid {
    let stage = EventType::stage_completed("railway");
    let implied = if family.is_staged() { stage } else { EventType::of(family) };
    Event::decode(Some(&implied), fields).expect_err("this is no event")
}

fn assert_refused(fields: &Fields, field: &str, word: &str) {
    let invalid = refusal(Family::DeploymentStarted, fields);
    assert_eq!(invalid.field, field, "{invalid}");
    assert!(invalid.problem.contains(word), "{invalid} does not say {word}");
}

#[test]
fn a_broken_attribute_is_named() {
    let long = "x".repeat(129);
    let rows: [(&str, &[u8], &str); 32] = [
        ("specversion", b"0.9", "must be 1.0, not `0.9`"),
        ("specversion", b"", "is empty"),
        ("specversion", b"1.0\xff", "UTF-8"),
        ("id", b"", "is empty"),
        ("id", b"a\0b", "control"),
        ("id", b"a\nb", "control"),
        ("id", b"\xc3\x28", "UTF-8"),
        ("id", long.as_bytes(), "128"),
        ("source", b"", "is empty"),
        ("source", b"\xff", "UTF-8"),
        ("source", b"a\x1b[31m", "control"),
        ("type", b"", "is empty"),
        ("type", b"deployment:failed", "must be deployment:started"),
        ("type", b"\xff", "UTF-8"),
        ("subject", b"", "is empty"),
        ("subject", b"d 1", "must be [A-Za-z0-9_.:-]{1,128}"),
        ("subject", b"{d-1}", "must be"),
        ("subject", b"d-1\0", "must be"),
        ("subject", b"d-2", "differs from data.deployment_id"),
        ("subject", long.as_bytes(), "128"),
        ("time", b"lunchtime", "RFC 3339"),
        ("time", b"", "is empty"),
        ("datacontenttype", b"xyz", "application/json"),
        ("datacontenttype", b"", "is empty"),
        ("datacontenttype", b"application/msgpack", ""),
        ("data", b"", "is empty"),
        ("correlationid", b"", "is empty"),
        ("correlationid", b"a\rb", "control"),
        ("causationid", b"a\tb", "control"),
        ("dryrun", b"", "is empty"),
        ("dryrun", b"yes", "true or false"),
        ("dryrun", b"\xff", "UTF-8"),
    ];
    for (name, value, word) in rows {
        let fields = with(&valid(), name, value);
        let field = if value == b"application/msgpack" { "data" } else { name };
        assert_refused(&fields, field, word);
    }
}

#[test]
fn a_missing_attribute_is_named() {
    assert_refused(&without(&valid(), "id"), "id", "is missing");
    assert_refused(&without(&valid(), "data"), "data", "is missing");
    assert_refused(&vec![], "id", "is missing");
    let invalid = Event::decode(None, &valid()).unwrap_err();
    assert_eq!(invalid.to_string(), "type: is missing");
    let unknown = with(&valid(), "type", b"deployment:paused");
    assert_eq!(Event::decode(None, &unknown).unwrap_err().field, "type");
}

#[test]
fn a_repeated_attribute_is_named_under_any_alias() {
    for (alias, field) in [
        ("id", "id"),
        ("event_id", "id"),
        ("deployment_id", "subject"),
        ("payload", "data"),
        ("data", "data"),
    ] {
        let mut fields = valid();
        fields.push((alias.into(), b"d-1".into()));
        assert_refused(&fields, field, "more than once");
    }
    let mut fields = valid();
    fields.extend(entry(&[("timestamp", "1"), ("time", "1")]));
    assert_refused(&fields, "time", "more than once");
}

#[test]
fn an_entry_beyond_the_limits_is_refused_as_a_whole() {
    let mut many = valid();
    many.extend((0..20_000).map(|number| (format!("f{number}").into_bytes(), vec![])));
    assert_refused(&many, "entry", "20003 fields");
    let mut one_too_many = valid();
    one_too_many.extend((0..998).map(|number| (format!("f{number}").into_bytes(), vec![])));
    assert_refused(&one_too_many, "entry", "1001 fields");
    assert_refused(&with(&valid(), "big", &vec![b'x'; 1 << 20]), "entry", "1048576");
    assert_refused(&with(&valid(), &"n".repeat(257), b""), "entry", "field name of 257");
}

#[test]
fn data_that_is_no_map_is_refused() {
    for data in ["[]", "1", "null", "\"{}\"", "true", "", " ", "\u{feff}{}"] {
        let fields = with(&valid(), "data", data.as_bytes());
        let fields = with(&fields, "datacontenttype", b"application/json");
        assert_refused(&fields, "data", "");
    }
    for data in [&[0x90][..], &[0x01], &[0xc0], &[0xa1, b'a'], &[0xc1], &[0x81], b"garbage"] {
        assert_refused(&with(&valid(), "data", data), "data", "");
    }
}

#[test]
fn malformed_json_is_refused() {
    let deep =
        format!(r#"{{"deployment_id":"d-1","x":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    let just_too_deep = format!(r#"{{"x":{}{}}}"#, "[".repeat(64), "]".repeat(64));
    let long = STARTED.replace("1.2.0", &"x".repeat(256 * 1024 + 1));
    let rows = [
        ("{", "is not JSON"),
        ("{'a':1}", "is not JSON"),
        (r#"{"a":NaN}"#, "is not JSON"),
        (r#"{"a":1e999}"#, "is not JSON"),
        (r#"{"a":"\ud800"}"#, "is not JSON"),
        ("{\"a\":\"\0\"}", "is not JSON"),
        (&format!("{STARTED}{{}}"), "is not JSON"),
        (&format!("{STARTED}\0"), "is not JSON"),
        (&STARTED.replace('{', r#"{"version":"1","#), "the key `version` twice"),
        (r#"{"unknown":{"a":1,"b":2,"a":1}}"#, "the key `a` twice"),
        (r#"{"a":1,"\u0061":2}"#, "the key `a` twice"),
        (&deep, "deeper than 64"),
        (&just_too_deep, "deeper than 64"),
        (&long, "262145 bytes"),
    ];
    for (data, word) in rows {
        assert_refused(&with(&valid(), "data", data.as_bytes()), "data", word);
    }
    let not_utf8 = [STARTED.as_bytes().split_at(20).0, b"\xff\"}"].concat();
    assert_refused(&with(&valid(), "data", &not_utf8), "data", "is not JSON");
}

#[test]
fn malformed_message_pack_is_refused() {
    let good = samples::event(Family::DeploymentStarted).encode(Encoding::MessagePack);
    let (_, data) = good.iter().find(|(name, _)| name == b"data").unwrap();
    let deep = |levels| [&[0x81, 0xa1, b'x'][..], &vec![0x91; levels], &[0xc0]].concat();
    let twice = |key: &[u8]| [&[0x82][..], key, &[1], key, &[1]].concat();
    let long = [&[0x81, 0xa1, b'x', 0xdb, 0, 4, 0, 1][..], &vec![b'x'; 256 * 1024 + 1]].concat();
    let rows: [(Vec<u8>, &str); 18] = [
        (vec![0x81; 10_000], "a key that is a map"),
        (vec![0x81, 0xc7, 0, 1, 0], "a key that is an extension"),
        ([data, &[0xc0][..]].concat(), "trailing"),
        ([data, &[0x91][..]].concat(), "trailing"),
        ([data, data.as_slice()].concat(), "trailing"),
        (data[..data.len() - 1].to_vec(), "too early"),
        (deep(10_000), "deeper than 64"),
        (deep(64), "deeper than 64"),
        (twice(&[0xa1, b'a']), "the key `a` twice"),
        (vec![0x82, 0xa1, b'a', 1, 0xc4, 1, b'a', 1], "the key `a` twice"),
        (vec![0x81, 0x01, 0x01], "a key that is an integer"),
        (vec![0x81, 0x90, 0x01], "a key that is a list"),
        (vec![0x81, 0xa1, 0xff, 0x01], "a key that is bytes"),
        (vec![0x81, 0xa1, b'x', 0xd4, 1, 2], "extension"),
        ([&[0x81, 0xa1, b'x', 0xcb][..], &f64::NAN.to_be_bytes()].concat(), "not finite"),
        ([&[0x81, 0xa1, b'x', 0xcb][..], &f64::INFINITY.to_be_bytes()].concat(), "not finite"),
        (vec![0xdf, 0xff, 0xff, 0xff, 0xff], "too early"),
        (long, "262145 bytes"),
    ];
    for (data, word) in rows {
        assert_refused(&with(&valid(), "data", &data), "data", word);
    }
}

#[test]
fn a_value_that_does_not_fit_is_named_by_its_path() {
    let check = &samples::event(Family::ValidationCompleted).payload;
    let rows = [
        ("/version", json!(null), "data.version", "must be a text, not null"),
        ("/result", json!("MAYBE"), "data.result", "PASSED, WARNINGS, FAILED, not `MAYBE`"),
        ("/result", json!(1), "data.result", "not an integer"),
        ("/services", json!("api"), "data.services", "must be a list, not a text"),
        ("/services", json!(["api", 7]), "data.services[1]", "must be a text"),
        ("/checks/0/outcome", json!("no"), "data.checks[0].outcome", "inconclusive"),
        ("/checks/0/duration_ms", json!(-5), "data.checks[0].duration_ms", "not -5"),
        ("/checks/0/duration_ms", json!(1.5), "data.checks[0].duration_ms", "not a number"),
        ("/checks/0/attempts", json!(1_u64 << 32), "data.checks[0].attempts", "4294967296"),
        ("/checks/0", json!([]), "data.checks[0]", "must be a map, not a list"),
        ("/checks/0", json!({}), "data.checks[0].name", "is missing"),
        ("/deployment_id", json!("d-2"), "subject", "differs"),
    ];
    for (pointer, value, field, word) in rows {
        let mut data = serde_json::to_value(check).unwrap();
        *data.pointer_mut(pointer).unwrap() = value;
        for bytes in [data.to_string().into_bytes(), rmp_serde::to_vec_named(&data).unwrap()] {
            let invalid = refusal(Family::ValidationCompleted, &with(&valid(), "data", &bytes));
            assert_eq!(invalid.field, field, "{invalid}");
            assert!(invalid.problem.contains(word), "{invalid} does not say {word}");
        }
    }
}

#[test]
fn a_required_key_is_missed_by_its_name() {
    let data = r#"{"deployment_id":"d-1","environment":"staging","services":[]}"#;
    assert_refused(&with(&valid(), "data", data.as_bytes()), "data.version", "is missing");
    assert_refused(&with(&valid(), "data", b"{}"), "data.deployment_id", "is missing");
    let images = STARTED.replace('{', r#"{"images":{"a\nb":1},"#);
    assert_refused(&with(&valid(), "data", images.as_bytes()), r"data.images.a\nb", "a text");
}

#[test]
fn a_deployment_id_in_data_must_be_one_too() {
    let fields = without(&valid(), "subject");
    for id in ["", "d 1", "d\\u0000", "../d"] {
        let data = STARTED.replace("d-1", id);
        assert_refused(&with(&fields, "data", data.as_bytes()), "data.deployment_id", "must be");
    }
}

#[test]
fn a_stage_must_be_that_of_the_stream() {
    let data = br#"{"deployment_id":"d-1","stage":"vercel","status":"success"}"#;
    let invalid = refusal(Family::StageCompleted, &with(&valid(), "data", data));
    assert_eq!(invalid.to_string(), "data.stage: must be railway as in the type, not `vercel`");
}

#[test]
fn a_refusal_never_repeats_more_than_a_little_of_the_entry() {
    let secret = "s3cr3t\u{1b}\n".repeat(40);
    let json = |text: &str| serde_json::to_string(text).unwrap();
    let key = STARTED.replace('{', &format!("{{{}:1,{}:2,", json(&secret), json(&secret)));
    let map = STARTED.replace('{', &format!(r#"{{"images":{{{}:1}},"#, json(&secret)));
    let word = STARTED.replace('{', &format!(r#"{{"strategy":{},"#, json(&secret)));
    let id = STARTED.replace("\"d-1\"", &json(&secret));
    let mut broken = vec![
        with(&valid(), "data", key.as_bytes()),
        with(&valid(), "data", map.as_bytes()),
        with(&valid(), "data", word.as_bytes()),
        with(&valid(), "data", id.as_bytes()),
        with(&valid(), "data", secret.as_bytes()),
    ];
    for name in ["specversion", "id", "type", "subject", "time", "datacontenttype", "dryrun"] {
        broken.push(with(&valid(), name, secret.as_bytes()));
    }
    for fields in broken {
        let text = refusal(Family::DeploymentStarted, &fields).to_string();
        let repeats = text.matches("s3cr3t").count();
        assert!(repeats <= 64 / "s3cr3t".len() && text.len() < 300, "{text}");
        assert!(!text.chars().any(char::is_control), "{text}");
    }
}
