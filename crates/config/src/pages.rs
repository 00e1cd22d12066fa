//! The fleet's own words: templates of messages, from a directory beside the fleet file.
//!
//! Owns the `templates:` section and which file is whose. Receivers are told by them. Never fills
//! one in.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use printery_expressions::{Fault, Page};
use serde::Serialize;
use serde::ser::Serializer;

use crate::problem::Code;
use crate::reader::Reader;
use crate::route::ROUTE_VARIABLES;
use crate::suggest::nearest;
use crate::table::Table;

/// What a template may ask for beside [`ROUTE_VARIABLES`].
pub const PAGE_VARIABLES: [&str; 9] =
    ["title", "icon", "headline", "lines", "details", "note", "also", "event_id", "data"];

/// What a template of a channel may make.
const CHANNELS: [(&str, &[&str]); 6] = [
    ("slack", &["json"]),
    ("email", &["html", "txt"]),
    ("webhook", &["json"]),
    ("discord", &["json"]),
    ("teams", &["json"]),
    ("ntfy", &["txt"]),
];

/// Which events a template is for; `default` is for all that have none of their own.
pub const PAGE_NAMES: [&str; 10] = [
    "default",
    "deployment-started",
    "deployment-stage-completed",
    "deployment-completed",
    "deployment-failed",
    "validation-completed",
    "dependency-check-completed",
    "health-check-completed",
    "rollback-initiated",
    "rollback-completed",
];

/// The largest template, in bytes.
const LARGEST: u64 = 64 * 1024;

/// Holds every template of the fleet, by channel and file name.
#[derive(Clone, Debug, Default)]
pub struct Pages {
    pages: BTreeMap<String, Page>,
    sources: BTreeMap<String, String>,
}

impl Serialize for Pages {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.sources.serialize(to)
    }
}

impl Pages {
    /// Returns the template for an event's type, in a form of a channel, and what it is called.
    pub fn find(&self, channel: &str, event_type: &str, form: &str) -> Option<(&str, &Page)> {
        let own = format!("{channel}/{}.{form}.j2", page_name(event_type));
        let usual = format!("{channel}/default.{form}.j2");
        let found = self.pages.get_key_value(&own).or_else(|| self.pages.get_key_value(&usual));
        found.map(|(name, page)| (name.as_str(), page))
    }

    /// The texts, to tell two readings apart.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &str> {
        self.sources.iter().flat_map(|(name, source)| [name.as_str(), source.as_str()])
    }

    /// Reads `templates: { dir: ./templates }`, and all there is in it.
    pub(crate) fn read(top: &mut Table<'_, '_>) -> Self {
        let Some(mut table) = top.table("templates") else { return Self::default() };
        let at = table.must("dir").map(|node| node.at);
        let dir = table.text("dir");
        table.close();
        let (Some(dir), Some(at)) = (dir, at) else { return Self::default() };
        let reader = top.reader;
        let beside = Path::new(reader.file()).parent().unwrap_or(Path::new(""));
        let mut pages = Self::default();
        match channels(&beside.join(&dir)) {
            Ok(folders) => {
                for (channel, folder) in folders {
                    pages.read_folder(reader, &channel, &folder);
                }
            }
            Err(why) => {
                reader.report(Code::Environment, at, format!("`templates.dir` {dir}: {why}"));
            }
        }
        pages
    }

    fn read_folder(&mut self, reader: &Reader<'_>, channel: &str, folder: &Path) {
        let forms = CHANNELS.iter().find(|(name, _)| *name == channel).map(|(_, forms)| *forms);
        let Some(forms) = forms else {
            let known = CHANNELS.map(|(name, _)| name);
            let text = format!("no channel is called `{channel}`{}", hint(channel, &known));
            return reader.report_in(folder, "", Code::UnknownName, 1, text);
        };
        let files = match listed(folder) {
            Ok(files) => files,
            Err(why) => return reader.report_in(folder, "", Code::Environment, 1, why),
        };
        for file in files {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let Some(stem) = name.strip_suffix(".j2") else { continue };
            let (of, form) = stem.split_once('.').unwrap_or((stem, ""));
            if !forms.contains(&form) {
                let text =
                    format!("a template of {channel} ends with .{}.j2", forms.join(".j2 or ."));
                reader.report_in(&file, "", Code::UnknownName, 1, text);
                continue;
            }
            if !PAGE_NAMES.contains(&of) {
                let text = format!("no template is called `{of}`{}", hint(of, &PAGE_NAMES));
                reader.report_in(&file, "", Code::UnknownName, 1, text);
                continue;
            }
            match source(&file) {
                Ok(source) => self.compile(reader, &file, format!("{channel}/{name}"), source),
                Err(why) => reader.report_in(&file, "", Code::Environment, 1, why),
            }
        }
    }

    fn compile(&mut self, reader: &Reader<'_>, file: &Path, name: String, source: String) {
        let page = match Page::compile(&name, &source) {
            Ok(page) => page,
            Err(Fault { line, why }) => {
                return reader.report_in(file, &source, Code::Expression, line, why);
            }
        };
        let known: Vec<&str> = ROUTE_VARIABLES.into_iter().chain(PAGE_VARIABLES).collect();
        for unknown in page.asks_for().iter().filter(|name| !known.contains(&name.as_str())) {
            let line = source.lines().position(|line| line.contains(unknown.as_str()));
            let text = format!("no message has `{unknown}`{}", hint(unknown, &known));
            let line = line.unwrap_or_default() + 1;
            reader.report_in(file, &source, Code::Expression, line, text);
        }
        self.pages.insert(name.clone(), page);
        self.sources.insert(name, source);
    }
}

/// What the template of an event's type is called: of a stage, whichever it is.
fn page_name(event_type: &str) -> String {
    match event_type.split(':').collect::<Vec<_>>().as_slice() {
        ["deployment", "stage", _, end] => format!("deployment-stage-{end}"),
        words => words.join("-"),
    }
}

fn hint(name: &str, known: &[&str]) -> String {
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("; did you mean `{near}`?"),
        None => format!("; known are {}", known.join(", ")),
    }
}

/// The directories of a directory, by name.
fn channels(dir: &Path) -> Result<Vec<(String, PathBuf)>, String> {
    let folders = listed(dir)?.into_iter().filter(|path| path.is_dir());
    let named = |path: PathBuf| {
        let name = path.file_name()?.to_string_lossy().into_owned();
        (!name.starts_with('.')).then_some((name, path))
    };
    Ok(folders.filter_map(named).collect())
}

fn listed(dir: &Path) -> Result<Vec<PathBuf>, String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    let entries = fs::read_dir(dir).map_err(unreadable)?;
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.map_err(unreadable)?.path());
    }
    paths.sort();
    Ok(paths)
}

fn source(file: &Path) -> Result<String, String> {
    let facts = fs::metadata(file).map_err(|error| format!("cannot be read: {error}"))?;
    if !facts.is_file() || facts.len() > LARGEST {
        return Err(format!("is no file of at most {LARGEST} bytes"));
    }
    fs::read_to_string(file).map_err(|error| format!("cannot be read: {error}"))
}
