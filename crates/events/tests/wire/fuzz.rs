//! Owns the proof that no bytes whatever make decoding or salvage panic, hang or use memory that nobody sent.
//! Trees of any shape are written in both encodings, which must mean the same; bombs claim what they do not hold.
//! It never asserts a wording: only that there is an event or a reason.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "places are drawn from the value they index, and a test fails by panicking"
)]

use std::process::Command;

use printery_events::{Encoding, Event, Family, salvage};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::samples::{self, Fields, with, without};

/// How much address space the bombs may use, in KiB: 1 GiB. Most of them claim four times as much.
const ADDRESS_SPACE_KIB: u32 = 1 << 20;

/// A value as a producer might write it; keys may stand twice.
#[derive(Clone, Debug)]
enum Tree {
    Null,
    Bool(bool),
    Int(i64),
    Eighths(i32),
    Text(String),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

impl Tree {
    fn json(&self) -> String {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::Eighths(value) => format!("{:?}", f64::from(*value) / 8.0),
            Self::Text(text) => quoted(text),
            Self::List(values) => {
                format!("[{}]", values.iter().map(Self::json).collect::<Vec<_>>().join(","))
            }
            Self::Map(pairs) => {
                let pairs = pairs.iter().map(|(key, it)| format!("{}:{}", quoted(key), it.json()));
                format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
            }
        }
    }

    fn message_pack(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.push(0xc0),
            Self::Bool(value) => out.push(if *value { 0xc3 } else { 0xc2 }),
            Self::Int(value) => {
                out.push(0xd3);
                out.extend(value.to_be_bytes());
            }
            Self::Eighths(value) => {
                out.push(0xcb);
                out.extend((f64::from(*value) / 8.0).to_be_bytes());
            }
            Self::Text(text) => counted(out, 0xdb, text.len(), |out| out.extend(text.bytes())),
            Self::List(values) => counted(out, 0xdd, values.len(), |out| {
                for value in values {
                    value.message_pack(out);
                }
            }),
            Self::Map(pairs) => counted(out, 0xdf, pairs.len(), |out| {
                for (key, value) in pairs {
                    Self::Text(key.clone()).message_pack(out);
                    value.message_pack(out);
                }
            }),
        }
    }

    fn written(&self, encoding: Encoding) -> Vec<u8> {
        let mut out = Vec::new();
        match encoding {
            Encoding::Json => out.extend(self.json().bytes()),
            Encoding::MessagePack => self.message_pack(&mut out),
        }
        out
    }
}

fn counted(out: &mut Vec<u8>, marker: u8, count: usize, content: impl FnOnce(&mut Vec<u8>)) {
    out.push(marker);
    out.extend(u32::try_from(count).unwrap().to_be_bytes());
    content(out);
}

fn of_json(value: &serde_json::Value) -> Tree {
    match value {
        serde_json::Value::Null => Tree::Null,
        serde_json::Value::Bool(value) => Tree::Bool(*value),
        serde_json::Value::Number(number) => number.as_i64().map_or(Tree::Eighths(4), Tree::Int),
        serde_json::Value::String(text) => Tree::Text(text.clone()),
        serde_json::Value::Array(values) => Tree::List(values.iter().map(of_json).collect()),
        serde_json::Value::Object(pairs) => {
            Tree::Map(pairs.iter().map(|(key, value)| (key.clone(), of_json(value))).collect())
        }
    }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-z_:./-]{0,12}",
        select(&["", "d-1", "PASSED", "2026-01-01T00:00:00Z", "\0", "\u{202e}", "success"][..])
            .prop_map(str::to_owned),
    ]
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        Just(Tree::Null),
        any::<bool>().prop_map(Tree::Bool),
        prop_oneof![any::<i64>(), -2..3_i64, Just(i64::MAX), Just(i64::MIN)].prop_map(Tree::Int),
        (-1000..1000).prop_map(Tree::Eighths),
        text().prop_map(Tree::Text),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Tree::List),
            vec((text(), inner), 0..6).prop_map(Tree::Map),
        ]
    })
}

fn family() -> impl Strategy<Value = Family> {
    select(Family::ALL)
}

/// The data of a sample, with one value anywhere at the top replaced, left out or doubled.
fn nearly_right() -> impl Strategy<Value = (Family, Tree)> {
    (family(), any::<prop::sample::Index>(), 0..4_u8, tree()).prop_map(|(family, at, how, odd)| {
        let fields = samples::event(family).encode(Encoding::Json);
        let data = &fields.iter().find(|(name, _)| name == b"data").unwrap().1;
        let data: serde_json::Value = serde_json::from_slice(data).unwrap();
        let Tree::Map(mut pairs) = of_json(&data) else { panic!("data is a map") };
        let at = at.index(pairs.len());
        match how {
            0 => pairs[at].1 = odd,
            1 => drop(pairs.remove(at)),
            2 => pairs.push((pairs[at].0.clone(), odd)),
            _ => pairs.push(("something_else".to_owned(), odd)),
        }
        (family, Tree::Map(pairs))
    })
}

/// Decodes an entry, which gives an event that can be written and read again, or a reason.
fn decoded(family: Family, fields: &Fields) -> Option<Event> {
    salvage(fields);
    let implied = samples::event(family).event_type;
    match Event::decode(Some(&implied), fields) {
        Ok(event) => {
            for encoding in [Encoding::Json, Encoding::MessagePack] {
                assert_eq!(Event::decode(None, &event.encode(encoding)), Ok(event.clone()));
            }
            Some(event)
        }
        Err(invalid) => {
            assert!(!invalid.field.is_empty() && !invalid.problem.is_empty(), "{invalid:?}");
            assert!(!invalid.to_string().chars().any(char::is_control), "{invalid:?}");
            None
        }
    }
}

fn entry(data: &[u8], encoding: Option<Encoding>) -> Fields {
    let mut fields = vec![(b"id".to_vec(), b"e-1".to_vec()), (b"data".to_vec(), data.to_vec())];
    let media_type = encoding.map(|it| (b"datacontenttype".to_vec(), it.content_type().into()));
    fields.extend(media_type);
    fields
}

/// Data that claims to be longer, deeper or more than it is, or is as much as an entry may hold.
fn bombs() -> Vec<Vec<u8>> {
    const EDGE: usize = 1 << 20;
    let filled = |pattern: &[u8], bytes: usize| pattern.repeat(bytes / pattern.len());
    let mut bombs = Vec::new();
    for levels in [63, 64, 65, 10_000, 400_000] {
        bombs.push([b"{\"x\":".to_vec(), filled(b"[", levels), filled(b"]", levels)].concat());
        bombs.push([filled(b"{\"x\":", levels), b"1".to_vec(), filled(b"}", levels)].concat());
        bombs.push([vec![0x81, 0xa1, b'x'], filled(&[0x91], levels), vec![0xc0]].concat());
        bombs.push([filled(&[0x81, 0xa1, b'x'], 3 * levels), vec![0xc0]].concat());
    }
    for digits in [400, 300_000] {
        bombs.push(format!("{{\"x\":{}}}", "9".repeat(digits)).into_bytes());
        bombs.push(format!("{{\"x\":0.{}1}}", "0".repeat(digits)).into_bytes());
        bombs.push(format!("{{\"x\":1e{}}}", "9".repeat(digits)).into_bytes());
    }
    bombs.push(format!("{{{}\"x\":1}}", "\"x\":1,".repeat(100_000)).into_bytes());
    let many = (0..70_000).map(|key| format!("\"k{key}\":0,")).collect::<Vec<_>>().concat();
    bombs.push(format!("{{{many}\"k1\":0}}").into_bytes());
    bombs.push(filled(b"\0", EDGE / 2));
    bombs.push(format!("{{\"x\":\"{}\"}}", "\\u0000".repeat(100_000)).into_bytes());
    // A length of four bytes, claimed by every kind of value that has one, alone and within each other.
    for marker in [0xc6, 0xc9, 0xdb, 0xdd, 0xdf] {
        let claim = [&[marker][..], &[0xff; 4]].concat();
        bombs.push(claim.clone());
        bombs.push([&[0x81, 0xa1, b'x'][..], &claim].concat());
        bombs.push([vec![0x81, 0xa1, b'x'], filled(&claim, EDGE / 2)].concat());
        bombs.push([vec![0x81, 0xa1, b'x'], claim, filled(&[0xc0], EDGE / 2)].concat());
    }
    for marker in 0..=255_u8 {
        bombs.push([&[marker][..], &[0xff; 9]].concat());
        bombs.push([&[0x81, 0xa1, b'x', marker][..], &[0xff; 9]].concat());
        bombs.push([&[0x81, marker][..], &[0x7f; 9]].concat());
    }
    bombs
}

proptest! {
    #[test]
    fn any_tree_is_an_event_or_a_reason(family in family(), tree in tree()) {
        for encoding in [Encoding::Json, Encoding::MessagePack] {
            decoded(family, &entry(&tree.written(encoding), Some(encoding)));
        }
    }

    #[test]
    fn both_encodings_of_nearly_right_data_mean_the_same((family, data) in nearly_right()) {
        let [json, packed] = [Encoding::Json, Encoding::MessagePack]
            .map(|encoding| decoded(family, &entry(&data.written(encoding), Some(encoding))));
        prop_assert_eq!(json, packed);
    }

    #[test]
    fn pieces_of_valid_data_in_any_order_never_panic(
        families in vec((family(), any::<bool>()), 2..4),
        cuts in vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 2..6),
        kind in prop::option::of(any::<bool>()),
    ) {
        let encoding = |json| if json { Encoding::Json } else { Encoding::MessagePack };
        let whole: Vec<u8> = families.iter().flat_map(|(family, json)| {
            let fields = samples::event(*family).encode(encoding(*json));
            fields.into_iter().find(|(name, _)| name == b"data").unwrap().1
        }).collect();
        let pieces = cuts.iter().flat_map(|(from, till)| {
            let (from, till) = (from.index(whole.len()), till.index(whole.len()));
            whole[from.min(till)..from.max(till)].iter().copied()
        });
        let data: Vec<u8> = pieces.collect();
        decoded(families[0].0, &entry(&data, kind.map(encoding)));
    }
}

#[test]
fn data_that_ends_too_early_is_refused_wherever_it_ends() {
    for family in Family::ALL {
        for encoding in [Encoding::Json, Encoding::MessagePack] {
            let whole = samples::event(*family).encode(encoding);
            let data = whole.iter().find(|(name, _)| name == b"data").unwrap().1.clone();
            for end in 0..data.len() {
                let cut = with(&without(&whole, "data"), "data", &data[..end]);
                assert_eq!(decoded(*family, &cut), None, "{family:?} {encoding:?} {end}");
            }
        }
    }
}

#[test]
fn bombs_are_refused() {
    for bomb in bombs() {
        for encoding in [None, Some(Encoding::Json), Some(Encoding::MessagePack)] {
            let event = decoded(Family::DeploymentStarted, &entry(&bomb, encoding));
            assert_eq!(event, None, "{} bytes: {:?}", bomb.len(), &bomb[..bomb.len().min(20)]);
        }
    }
}

#[test]
fn bombs_use_no_memory_that_nobody_sent() {
    let limited = format!("ulimit -v {ADDRESS_SPACE_KIB}; exec \"$0\" \"$@\"");
    let output = Command::new("sh")
        .args(["-c", &limited])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "fuzz::bombs_are_refused", "--test-threads=1"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{output:?}");
}
