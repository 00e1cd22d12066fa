//! Turns nodes into values and remembers everything that is wrong.
//!
//! Owns the list of problems, the names to look up at the end, and the scalar rules (units,
//! interpolation). Every section's `read` goes through it and its [`Table`](crate::table::Table).
//! Never gives up early: what cannot be read is reported and left out.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::interpolate::Variables;
use crate::node::{Node, Value, line_of};
use crate::problem::{Code, Position, Problem, Severity, clause, one_line};
use crate::schema::{Ear, Told};
use crate::secret::MASK;
use crate::suggest::nearest;

/// How many errors, and how many warnings, are said of one file: nobody reads further, and each holds a line of it.
const MOST_PROBLEMS: usize = 100;

/// Says what kind of thing a name in the file refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Refers {
    Dependency,
    Check,
    Receiver,
    Window,
}

impl Refers {
    /// Returns the words of "unknown …" and "not …".
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Dependency => ("dependency", "a service or endpoint"),
            Self::Check => ("check", "a name in `checks`"),
            Self::Receiver => ("receiver", "a name in `receivers`"),
            Self::Window => ("window", "a name in `windows`"),
        }
    }
}

/// A scalar as text, after interpolation.
pub(crate) struct Scalar {
    pub(crate) text: String,
    /// The text as it stands in the file: the form that errors may show.
    pub(crate) written: String,
}

/// Reads one file.
pub(crate) struct Reader<'a> {
    file: &'a str,
    document: &'a str,
    pub(crate) variables: Variables<'a>,
    problems: RefCell<Vec<Problem>>,
    used: RefCell<Vec<(Refers, String, Position)>>,
    defined: RefCell<BTreeMap<(Refers, String), Position>>,
    hidden: RefCell<Vec<String>>,
    skipping: Cell<bool>,
    /// Hears what is asked for, where somebody wants to know.
    ear: Option<&'a Ear>,
}

impl<'a> Reader<'a> {
    /// Starts with nothing wrong.
    pub(crate) fn new(file: &'a str, document: &'a str, variables: Variables<'a>) -> Self {
        Self {
            file,
            document,
            variables,
            problems: RefCell::default(),
            used: RefCell::default(),
            defined: RefCell::default(),
            hidden: RefCell::default(),
            skipping: Cell::new(false),
            ear: None,
        }
    }

    /// Lets somebody hear what is asked for.
    pub(crate) fn heard_by(self, ear: Option<&'a Ear>) -> Self {
        Self { ear, ..self }
    }

    /// Tells what is asked of a map.
    pub(crate) fn tell(&self, map: Position, told: impl FnOnce() -> Told) {
        if let Some(ear) = self.ear {
            ear.hear(map, told());
        }
    }

    /// Remembers a problem.
    pub(crate) fn report(&self, code: Code, at: Position, text: impl Into<String>) {
        self.report_with(code, at, text.into(), None);
    }

    /// Remembers a problem and what to do about it.
    pub(crate) fn hint(
        &self,
        code: Code,
        at: Position,
        text: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.report_with(code, at, text.into(), Some(hint.into()));
    }

    fn report_with(&self, code: Code, at: Position, text: String, hint: Option<String>) {
        let about_values = !matches!(
            code,
            Code::UnknownKey
                | Code::NotSupported
                | Code::DuplicateKey
                | Code::MissingKey
                | Code::WrongType
        );
        if self.skipping.get() && about_values || self.enough(code.severity()) {
            return;
        }
        let line = line_of(self.document, at);
        let problem = Problem { code, file: self.file.to_owned(), at: Some(at), text, hint, line };
        self.problems.borrow_mut().push(problem);
    }

    /// Remembers a problem of another file that belongs to this one.
    pub(crate) fn report_in(
        &self,
        file: &Path,
        source: &str,
        code: Code,
        line: usize,
        text: String,
    ) {
        if self.enough(code.severity()) {
            return;
        }
        let at = Position { line: u64::try_from(line).unwrap_or(1), column: 1 };
        let (file, line) = (file.display().to_string(), line_of(source, at));
        let problem = Problem { code, file, at: Some(at), text, hint: None, line };
        self.problems.borrow_mut().push(problem);
    }

    /// The file's own name, as problems call it.
    pub(crate) fn file(&self) -> &str {
        self.file
    }

    /// Tells whether nobody would read one more.
    fn enough(&self, severity: Severity) -> bool {
        let problems = self.problems.borrow();
        let alike = problems.iter().filter(|problem| problem.code.severity() == severity);
        problems.len() >= MOST_PROBLEMS && alike.count() >= MOST_PROBLEMS
    }

    /// Reads something that is not configured here: its keys and types are checked, its values are not.
    pub(crate) fn skipping<T>(&self, read: impl FnOnce() -> T) -> T {
        let before = self.skipping.replace(true);
        let result = read();
        self.skipping.set(before);
        result
    }

    /// Remembers where a name is defined; returns the place that already did.
    pub(crate) fn define(&self, kind: Refers, name: &str, at: Position) -> Option<Position> {
        self.defined.borrow_mut().insert((kind, name.to_owned()), at)
    }

    /// Returns where a name is defined.
    pub(crate) fn defined(&self, kind: Refers, name: &str) -> Option<Position> {
        self.defined.borrow().get(&(kind, name.to_owned())).copied()
    }

    /// Remembers a name that must exist once the whole file has been read.
    pub(crate) fn refer(&self, to: Refers, name: &str, at: Position) {
        self.used.borrow_mut().push((to, name.to_owned(), at));
    }

    /// Reports a name that is not defined by now; unlike [`refer`](Self::refer), it is no use of the name.
    pub(crate) fn must_know(&self, kind: Refers, name: &str, at: Position) {
        if self.defined(kind, name).is_none() {
            self.unknown(kind, name, at);
        }
    }

    fn unknown(&self, kind: Refers, name: &str, at: Position) {
        let (what, place) = kind.words();
        let defined = self.defined.borrow();
        let of_kind = defined.keys().filter(|(other, _)| *other == kind);
        let hint = match nearest(name, of_kind.map(|(_, name)| name.as_str())) {
            Some(near) => format!("not {place}; did you mean `{near}`?"),
            None => format!("not {place}"),
        };
        self.hint(Code::UnknownName, at, format!("unknown {what} `{name}`"), hint);
    }

    /// Reports names that are used and not defined, and those that are defined and never used.
    pub(crate) fn resolve(&self) {
        let defined = self.defined.borrow().clone();
        let used = self.used.borrow().clone();
        for (kind, name, at) in &used {
            if defined.contains_key(&(*kind, name.clone())) || self.enough(Severity::Error) {
                continue;
            }
            self.unknown(*kind, name, *at);
        }
        let used: BTreeSet<_> = used.iter().map(|(kind, name, _)| (*kind, name)).collect();
        for ((kind, name), at) in &defined {
            let is_used = used.contains(&(*kind, name));
            if !is_used && *kind != Refers::Dependency {
                let (what, _) = kind.words();
                self.report(Code::Unused, *at, format!("{what} `{name}` is never used"));
            }
        }
    }

    /// Keeps a text that stands in the file out of everything that is printed.
    pub(crate) fn hide(&self, text: &str) {
        if !text.is_empty() {
            self.hidden.borrow_mut().push(text.to_owned());
        }
    }

    /// Returns the problems with hidden texts masked.
    pub(crate) fn into_problems(self) -> Vec<Problem> {
        let hidden = self.hidden.into_inner();
        let masked = |text: String, least: usize| {
            let long = hidden.iter().filter(|secret| secret.len() >= least);
            long.fold(text, |text, secret| text.replace(secret, MASK))
        };
        let mut problems = self.problems.into_inner();
        for problem in &mut problems {
            // Masking one letter everywhere would leave no sentence to read; sentences quote no
            // secrets to begin with, lines do.
            problem.text = clause(&masked(std::mem::take(&mut problem.text), 4));
            problem.hint = problem.hint.take().map(|hint| clause(&hint));
            problem.line = problem.line.take().map(|line| one_line(&masked(line, 1)));
        }
        problems
    }

    /// Reports that a value has the wrong type.
    pub(crate) fn wrong(&self, node: &Node, what: &str, wanted: &str) {
        self.report(
            Code::WrongType,
            node.at,
            format!("{what} must be {wanted}, found {}", node.kind()),
        );
    }

    /// Reads a text, interpolated.
    pub(crate) fn text(&self, node: &Node, what: &str) -> Option<Scalar> {
        match &node.value {
            Value::Text(written) => self.interpolated(node, what, written),
            Value::Number(_) | Value::Bool(_) => {
                let text = format!("{what} must be text, found {}", node.kind());
                self.hint(Code::WrongType, node.at, text, "write it in quotes");
                None
            }
            Value::Null | Value::List(_) | Value::Table(_) => {
                self.wrong(node, what, "text");
                None
            }
        }
    }

    fn interpolated(&self, node: &Node, what: &str, written: &str) -> Option<Scalar> {
        match self.variables.replace(written) {
            Ok(text) => Some(Scalar { text, written: written.to_owned() }),
            Err(why) => {
                self.report(self.variables.blame(), node.at, format!("{what}: {why}"));
                None
            }
        }
    }

    /// Reads a number or a truth value, also where `${…}` stands in its place.
    pub(crate) fn plain(&self, node: &Node, what: &str, wanted: &str) -> Option<String> {
        match &node.value {
            Value::Number(text) => Some(text.clone()),
            Value::Bool(value) => Some(value.to_string()),
            Value::Text(written) if written.contains("${") => {
                self.interpolated(node, what, written).map(|scalar| scalar.text)
            }
            Value::Text(_) | Value::Null | Value::List(_) | Value::Table(_) => {
                self.wrong(node, what, wanted);
                None
            }
        }
    }
}
