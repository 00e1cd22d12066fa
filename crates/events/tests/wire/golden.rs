//! Owns the comparison of every family's sample with its committed entry, in both encodings and both directions.
//! A golden file is what other services were promised: one `name value` line for each field, `data` of MessagePack in hex.
//! It never writes one; a wanted change is made by hand, from what the failing test prints.

use std::fmt::Write as _;
use std::path::PathBuf;

use printery_events::{Encoding, Event, Family, schemas};
use serde_json::Value;

use crate::samples::{self, Fields};

const ENCODINGS: [Encoding; 2] = [Encoding::Json, Encoding::MessagePack];

fn file(family: Family) -> PathBuf {
    let name = family.pattern().replace(['<', '>'], "").replace(':', "-");
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.txt"))
}

fn render(event: &Event) -> String {
    let mut text = String::new();
    for encoding in ENCODINGS {
        writeln!(text, "# {encoding}").unwrap();
        for (name, value) in event.encode(encoding) {
            let name = String::from_utf8(name).unwrap();
            let value = if (name.as_str(), encoding) == ("data", Encoding::MessagePack) {
                hex(&value)
            } else {
                String::from_utf8(value).unwrap()
            };
            writeln!(text, "{name} {value}").unwrap();
        }
    }
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(hex_digit).collect()
}

fn hex_digit(value: u8) -> char {
    char::from_digit(value.into(), 16).unwrap()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// Reads the two entries of a golden file.
fn entries(golden: &str) -> [Fields; 2] {
    let (json, message_pack) = golden.split_once("# msgpack\n").unwrap();
    let fields = |part: &str| -> Fields {
        let lines = part.lines().filter(|line| !line.starts_with('#'));
        let pairs = lines.map(|line| line.split_once(' ').unwrap());
        pairs.map(|(name, value)| (name.into(), value.into())).collect()
    };
    let mut message_pack = fields(message_pack);
    for (_, value) in message_pack.iter_mut().filter(|(name, _)| name == b"data") {
        *value = unhex(str::from_utf8(value).unwrap());
    }
    [fields(json), message_pack]
}

#[test]
fn every_family_is_written_as_committed() {
    for family in Family::ALL {
        let rendered = render(&samples::event(*family));
        let golden = std::fs::read_to_string(file(*family)).unwrap_or_default();
        assert_eq!(rendered, golden, "{family} is no longer written as in {:?}", file(*family));
    }
}

#[test]
fn every_committed_entry_is_read_as_its_event() {
    for family in Family::ALL {
        let event = samples::event(*family);
        let golden = std::fs::read_to_string(file(*family)).unwrap();
        for fields in entries(&golden) {
            assert_eq!(Event::decode(None, &fields), Ok(event.clone()), "{family}");
            assert_eq!(Event::decode(Some(&event.event_type), &fields), Ok(event.clone()));
        }
    }
}

#[test]
fn every_committed_data_keeps_its_schema() {
    for family in Family::ALL {
        let schema = schemas::schema(*family);
        let validator = jsonschema::validator_for(&schema).unwrap();
        let [json, _] = entries(&std::fs::read_to_string(file(*family)).unwrap());
        let (_, data) = json.iter().find(|(name, _)| name == b"data").unwrap();
        let data: Value = serde_json::from_slice(data).unwrap();
        let problems: Vec<_> = validator.iter_errors(&data).map(|it| it.to_string()).collect();
        assert_eq!(problems, Vec::<String>::new(), "{family}");
        assert!(!validator.is_valid(&serde_json::json!({ "deployment_id": "d 1" })), "{family}");
    }
}

#[test]
fn a_schema_requires_exactly_what_decoding_requires() {
    for family in Family::ALL {
        let schema = schemas::schema(*family);
        let event = samples::event(*family);
        let data = serde_json::to_value(&event.payload).unwrap();
        let required: Vec<&str> =
            schema["required"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
        for key in data.as_object().unwrap().keys() {
            let mut without = data.clone();
            without.as_object_mut().unwrap().remove(key);
            let data = without.to_string();
            let fields = samples::entry(&[("id", "1"), ("subject", "d-1"), ("data", &data)]);
            let decoded = Event::decode(Some(&event.event_type), &fields);
            assert_eq!(decoded.is_err(), required.contains(&key.as_str()), "{family} {key}");
        }
    }
}
