//! Which keys a map may have and what their values may be, found by trying.
//!
//! Owns the search: a value of each type is put where a key was asked for, and what the reader then says of it and asks for next
//! is the answer. The schema is written from what it finds. Never knows a key by itself.

use std::collections::{BTreeMap, BTreeSet};

use super::heard::Told;
use super::trial::{Reading, Step, Trial};

/// How deep the search goes: routes may hold routes without end.
const DEEPEST: usize = 14;

/// What may stand in one place.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each says of one type whether it may stand there"
)]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) null: bool,
    pub(super) text: bool,
    /// The one text that is taken where no other is.
    pub(super) only: Option<&'static str>,
    pub(super) words: Vec<String>,
    pub(super) duration: bool,
    pub(super) flag: bool,
    pub(super) number: bool,
    pub(super) least: Option<u64>,
    pub(super) items: Option<Box<Shape>>,
    pub(super) map: Option<Fields>,
    /// Beyond what was searched: anything.
    pub(super) open: bool,
}

/// What a map may hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields {
    pub(super) keys: BTreeMap<&'static str, Shape>,
    pub(super) required: BTreeSet<&'static str>,
    /// What stands under names that the user chose.
    pub(super) names: Option<Box<Shape>>,
    /// What stands under names that begin so: one of these words.
    pub(super) prefixed: BTreeMap<&'static str, Vec<String>>,
    pub(super) variants: Vec<Variant>,
    /// Whether anything may stand here.
    pub(super) open: bool,
}

/// Keys that a map may have only when it has another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Variant {
    pub(super) key: &'static str,
    /// The value the other one must have; any, when there is none.
    pub(super) word: Option<String>,
    pub(super) fields: Fields,
}

/// What one reading asked of one map.
#[derive(Default)]
struct Asked {
    keys: BTreeSet<&'static str>,
    required: BTreeSet<&'static str>,
    names: bool,
    open: bool,
    prefixed: BTreeMap<&'static str, Vec<String>>,
    words: BTreeMap<&'static str, Vec<String>>,
    durations: BTreeSet<&'static str>,
    least: BTreeMap<&'static str, u64>,
}

impl Asked {
    fn of(reading: &Reading, path: &[Step]) -> Self {
        let mut asked = Self::default();
        let mut later = BTreeSet::new();
        for told in reading.told_of(path) {
            match told {
                Told::Key(key) => {
                    asked.keys.insert(key);
                }
                Told::Required(key) => {
                    asked.required.insert(key);
                }
                Told::Later(key) => {
                    later.insert(*key);
                }
                Told::Names => asked.names = true,
                Told::Anything => asked.open = true,
                Told::Prefixed(prefix, words) => {
                    asked.prefixed.insert(prefix, words.clone());
                }
                Told::Words(key, words) => {
                    asked.words.insert(key, words.clone());
                }
                Told::Duration(key) => {
                    asked.durations.insert(key);
                }
                Told::Least(key, least) => {
                    asked.least.insert(key, *least);
                }
            }
        }
        asked.keys.retain(|key| !later.contains(key));
        asked
    }
}

/// Finds what the whole file may hold.
pub(super) fn top() -> Fields {
    fields(&Trial::table(), &[])
}

/// Finds what the map at a path may hold.
fn fields(file: &Trial, path: &[Step]) -> Fields {
    let asked = Asked::of(&file.read(), path);
    grown(file, path, &asked, &BTreeSet::new())
}

/// Finds what the keys mean that are asked for now and were not before.
fn grown(file: &Trial, path: &[Step], asked: &Asked, before: &BTreeSet<&'static str>) -> Fields {
    let known: BTreeSet<&'static str> = asked.keys.union(before).copied().collect();
    let mut found = Fields {
        required: asked.required.clone(),
        prefixed: asked.prefixed.clone(),
        open: asked.open,
        ..Fields::default()
    };
    if asked.names {
        let name = below(path, Step::Key("x".to_owned()));
        found.names = Some(Box::new(shape(file, &name, &[]).0));
    }
    for key in asked.keys.difference(before) {
        let at = below(path, Step::Key((*key).to_owned()));
        let words = asked.words.get(key).map(Vec::as_slice).unwrap_or_default();
        let (mut shape, read) = shape(file, &at, words);
        shape.words = words.to_vec();
        shape.duration = asked.durations.contains(key);
        shape.least = asked.least.get(key).copied();
        for (word, file, reading) in read {
            let now = Asked::of(&reading, path);
            // What must be there whatever else is: with another key, something may do without it.
            found.required.retain(|key| now.required.contains(key));
            if now.keys.iter().any(|key| !known.contains(key)) {
                let fields = grown(&file, path, &now, &known);
                add(&mut found.variants, Variant { key, word, fields });
            }
        }
        found.keys.insert(key, shape);
    }
    found
}

/// Adds a variant; keys that another form of the same value brings are the same keys.
fn add(variants: &mut Vec<Variant>, new: Variant) {
    let same = |old: &&mut Variant| old.key == new.key && old.word == new.word;
    match variants.iter_mut().find(same) {
        Some(old) => {
            for (key, shape) in new.fields.keys {
                old.fields.keys.entry(key).or_insert(shape);
            }
            old.fields.required.retain(|key| new.fields.required.contains(key));
        }
        None => variants.push(new),
    }
}

/// A value that was taken: the word it is, the file with it, and what came of reading that.
type Taken = (Option<String>, Trial, Reading);

/// Finds what the value at a path may be.
fn shape(file: &Trial, at: &[Step], words: &[String]) -> (Shape, Vec<Taken>) {
    let mut shape = Shape::default();
    let mut taken: Vec<Taken> = Vec::new();
    if at.len() > DEEPEST {
        return (Shape { open: true, ..shape }, taken);
    }
    let tried = |value: Trial| {
        let file = file.with(at, value);
        let reading = file.read();
        (file, reading)
    };
    shape.null = tried(Trial::Null).1.may_be_nothing(at);
    for text in words.iter().map(String::as_str) {
        let (file, reading) = tried(Trial::text(text));
        taken.push((Some(text.to_owned()), file, reading));
    }
    let (with_text, reading) = tried(Trial::text("text"));
    shape.text = reading.is_of_type(at);
    if shape.text && words.is_empty() {
        taken.push((None, with_text, reading));
    }
    if !shape.text {
        shape.only = Some("log").filter(|word| tried(Trial::text(word)).1.is_of_type(at));
    }
    let (with_flag, reading) = tried(Trial::Bool);
    shape.flag = reading.is_accepted(at);
    if shape.flag {
        taken.push((None, with_flag, reading));
    }
    for number in ["1", "200"] {
        let (with_number, reading) = tried(Trial::Number(number));
        if reading.is_accepted(at) && !shape.number {
            shape.number = true;
            taken.push((None, with_number, reading));
        }
    }
    let (with_list, reading) = tried(Trial::List(vec![Trial::text("text")]));
    if reading.is_of_type(at) {
        shape.items = Some(Box::new(self::shape(&with_list, &below(at, Step::Item), &[]).0));
        taken.push((None, with_list, reading));
    }
    let (with_map, reading) = tried(Trial::table());
    if reading.is_of_type(at) {
        shape.map = Some(fields(&with_map, at));
        taken.push((None, with_map, reading));
    }
    (shape, taken)
}

fn below(path: &[Step], step: Step) -> Vec<Step> {
    path.iter().cloned().chain([step]).collect()
}
