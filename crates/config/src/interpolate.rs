//! `${…}` inside the texts of a fleet file.
//!
//! Owns the syntax and the lookups. The reader calls it on each text after YAML has been parsed,
//! so that a value can never become structure. Never shows a value in an error.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;

use sha2::{Digest, Sha256};

use crate::problem::Code;

/// How deep defaults may nest: `${env:A:-${env:B}}` is two.
const DEPTH: usize = 4;

/// How many bytes all replacements of one file may make together. A secret has a hundred; without a bound, a long one that
/// is named often makes of a small file more than there is memory.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// The largest file that `${file:…}` names; it may be a device that never ends.
const LARGEST_FILE: u64 = 1024 * 1024;

/// Looks up a variable of the process environment.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Answers what texts refer to.
pub(crate) struct Variables<'a> {
    env: Env<'a>,
    /// The file's own `vars`, already resolved.
    vars: BTreeMap<String, String>,
    /// How many bytes replacements may still make.
    left: Cell<usize>,
    /// Whether the last failure was this machine's and not the file's.
    not_here: Cell<bool>,
    /// Everything that was answered, so that a changed answer can be noticed.
    trace: RefCell<Sha256>,
}

impl<'a> Variables<'a> {
    /// Answers from the environment, from files and from `vars`.
    pub(crate) fn new(env: Env<'a>, vars: BTreeMap<String, String>) -> Self {
        Self {
            env,
            vars,
            left: Cell::new(MOST_BYTES),
            not_here: Cell::new(false),
            trace: RefCell::default(),
        }
    }

    /// Returns the file's own `vars`.
    pub(crate) fn vars(&self) -> &BTreeMap<String, String> {
        &self.vars
    }

    /// Looks up a variable, or reads the file its `<NAME>_FILE` twin names. An empty value counts
    /// as unset, as it does in a shell's `:-`.
    pub(crate) fn env(&self, name: &str) -> Result<Option<String>, String> {
        if let Some(value) = (self.env)(name).filter(|value| !value.is_empty()) {
            self.note(&value);
            return Ok(Some(value));
        }
        self.note("");
        let twin = format!("{name}_FILE");
        match (self.env)(&twin).filter(|path| !path.is_empty()) {
            Some(path) => self.file(&path).map(Some).map_err(|why| format!("{twin}: {why}")),
            None => Ok(None),
        }
    }

    /// Replaces every `${…}` of a text; `$${` stands for `${` itself.
    pub(crate) fn replace(&self, text: &str) -> Result<String, String> {
        self.not_here.set(false);
        self.replace_within(text, DEPTH)
    }

    /// Returns the code of the last failure: the file is wrong, or this machine lacks what it names.
    pub(crate) fn blame(&self) -> Code {
        if self.not_here.get() { Code::Environment } else { Code::Interpolation }
    }

    fn file(&self, path: &str) -> Result<String, String> {
        let read = file(path);
        self.not_here.set(read.is_err());
        self.note(read.as_deref().unwrap_or_default());
        read
    }

    fn note(&self, answer: &str) {
        let mut trace = self.trace.borrow_mut();
        trace.update(answer.len().to_be_bytes());
        trace.update(answer);
    }

    /// Returns what tells two readings of one text apart: a hash over every answer so far.
    pub(crate) fn trace(&self) -> [u8; 32] {
        self.trace.borrow().clone().finalize().into()
    }

    fn replace_within(&self, text: &str, depth: usize) -> Result<String, String> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            if let Some(before) = before.strip_suffix('$') {
                out.push_str(before);
                out.push_str("${");
                rest = after;
                continue;
            }
            out.push_str(before);
            let (expression, after) = closed(after).ok_or("`${` is never closed by `}`")?;
            let value = self.value(expression, depth)?;
            self.left.set(self.left.get().checked_sub(value.len()).ok_or_else(too_much)?);
            out.push_str(&value);
            rest = after;
        }
        out.push_str(rest);
        Ok(out)
    }

    /// Resolves what stands between the braces.
    fn value(&self, expression: &str, depth: usize) -> Result<String, String> {
        let depth = depth.checked_sub(1).ok_or("`${…}` is nested too deeply")?;
        if let Some(rest) = expression.strip_prefix("env:") {
            return self.env_value(rest, depth);
        }
        if let Some(path) = expression.strip_prefix("file:") {
            return self.file(path);
        }
        if let Some(name) = expression.strip_prefix("var:") {
            let known = self.vars.get(name).cloned();
            return known.ok_or_else(|| format!("variable `{name}` is not in `vars`"));
        }
        if expression.starts_with("event.") {
            return Err(format!("`${{{expression}}}` is not supported by this version"));
        }
        Err(format!(
            "`${{{expression}}}` is none of `${{env:NAME}}`, `${{file:/path}}`, `${{var:name}}`"
        ))
    }

    /// Resolves `NAME`, `NAME:-default` and `NAME:?message`.
    fn env_value(&self, rest: &str, depth: usize) -> Result<String, String> {
        let end =
            rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let (name, tail) = rest.split_at_checked(end).unwrap_or((rest, ""));
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(format!("`${{env:{rest}}}` names no variable"));
        }
        if !(tail.is_empty() || tail.starts_with(":-") || tail.starts_with(":?")) {
            return Err(format!("`${{env:{rest}}}` is none of NAME, NAME:-default, NAME:?message"));
        }
        if let Some(value) = self.env(name)? {
            let breaks = value.contains(['\n', '\r', '\0']);
            let refused = || format!("environment variable {name} holds a line break");
            return if breaks { Err(refused()) } else { Ok(value) };
        }
        if let Some(default) = tail.strip_prefix(":-") {
            return self.replace_within(default, depth);
        }
        self.not_here.set(true);
        match tail.strip_prefix(":?").filter(|message| !message.is_empty()) {
            Some(message) => Err(format!("environment variable {name} is not set: {message}")),
            None => Err(format!("environment variable {name} is not set")),
        }
    }
}

/// Splits at the `}` that closes an expression, counting the nested ones.
fn closed(text: &str) -> Option<(&str, &str)> {
    let mut open = 0_usize;
    let mut before = '\0';
    for (at, c) in text.char_indices() {
        match c {
            '{' if before == '$' => open += 1,
            '}' if open == 0 => return Some((text.get(..at)?, text.get(at + 1..)?)),
            '}' => open -= 1,
            _ => {}
        }
        before = c;
    }
    None
}

fn too_much() -> String {
    format!("all `${{…}}` of this file together make more than {MOST_BYTES} bytes")
}

/// Reads a secret's file; the line break editors add at the end is not part of it.
fn file(path: &str) -> Result<String, String> {
    let unreadable = |error: std::io::Error| format!("cannot read {path}: {error}");
    let mut text = String::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(LARGEST_FILE + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > LARGEST_FILE {
        return Err(format!("cannot read {path}: it has more than {LARGEST_FILE} bytes"));
    }
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
