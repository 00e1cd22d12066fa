//! What is wrong with a fleet file, said so that a person can mend it.
//!
//! Owns the problem, its place and its text. The readers collect them; `config check` and every
//! start print them. Never stops at the first one and never shows an interpolated value.

use std::fmt;

/// A place in the fleet file; both count from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line.
    pub line: u64,
    /// The column.
    pub column: u64,
}

/// Says whether a problem stops the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// The file can be used; somebody should look.
    Warning,
}

/// How many characters of a clause are said: what a file holds may be as long as the file.
const LONGEST_CLAUSE: usize = 600;

/// Makes of what a file holds one line that controls no terminal; tabs stay, because marks count on them.
pub(crate) fn one_line(text: &str) -> String {
    let tame = |c: char| match c {
        '\t' => c,
        '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            char::REPLACEMENT_CHARACTER
        }
        _ if c.is_control() => char::REPLACEMENT_CHARACTER,
        _ => c,
    };
    text.chars().map(tame).collect()
}

/// Makes a clause of a text that quotes the file: one line, and not endless.
pub(crate) fn clause(text: &str) -> String {
    match text.char_indices().nth(LONGEST_CLAUSE) {
        None => one_line(text),
        Some((end, _)) => one_line(text.get(..end).unwrap_or_default()) + "…",
    }
}

/// Names a kind of problem for good: tools and searches rely on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// The file cannot be read, or is not YAML.
    Unreadable,
    /// A key stands twice in one map.
    DuplicateKey,
    /// A key nobody knows.
    UnknownKey,
    /// A key or kind of a later version.
    NotSupported,
    /// A value of another type than the key wants.
    WrongType,
    /// A key that must be there is not.
    MissingKey,
    /// A value the key does not allow.
    BadValue,
    /// A name that nothing in the file has.
    UnknownName,
    /// A service that requires itself.
    SelfEdge,
    /// `${…}` that cannot be replaced.
    Interpolation,
    /// A variable or a file that this machine does not have.
    Environment,
    /// A condition or a path that cannot be compiled.
    Expression,
    /// Settings that contradict each other.
    Conflict,
    /// Services that require each other.
    Cycle,
    /// A secret written in the file itself.
    ClearTextSecret,
    /// Something that will never be used.
    Unused,
    /// TLS that is not verified.
    Unverified,
}

impl Code {
    /// Returns the code as it is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "E0001",
            Self::DuplicateKey => "E0002",
            Self::UnknownKey => "E0003",
            Self::NotSupported => "E0004",
            Self::WrongType => "E0005",
            Self::MissingKey => "E0006",
            Self::BadValue => "E0101",
            Self::UnknownName => "E0102",
            Self::SelfEdge => "E0103",
            Self::Interpolation => "E0201",
            Self::Environment => "E0202",
            Self::Expression => "E0207",
            Self::Conflict => "E0301",
            Self::Cycle => "W0001",
            Self::ClearTextSecret => "W0012",
            Self::Unused => "W0013",
            Self::Unverified => "W0014",
        }
    }

    /// Returns whether this kind stops the start.
    pub fn severity(self) -> Severity {
        match self {
            Self::Cycle | Self::ClearTextSecret | Self::Unused | Self::Unverified => {
                Severity::Warning
            }
            Self::Unreadable
            | Self::DuplicateKey
            | Self::UnknownKey
            | Self::NotSupported
            | Self::WrongType
            | Self::MissingKey
            | Self::BadValue
            | Self::UnknownName
            | Self::SelfEdge
            | Self::Interpolation
            | Self::Environment
            | Self::Expression
            | Self::Conflict => Severity::Error,
        }
    }
}

/// Describes one thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What kind it is.
    pub code: Code,
    /// The file's path, or the built-in profile's name.
    pub file: String,
    /// Where in the file; `None` when it is about the file as a whole.
    pub at: Option<Position>,
    /// What is wrong, one clause.
    pub text: String,
    /// What to do about it, one clause.
    pub hint: Option<String>,
    /// The line of the file, as it stands there.
    pub line: Option<String>,
}

impl Problem {
    /// Returns the problem with its line and a mark under the place, for a terminal.
    pub fn with_snippet(&self) -> String {
        let severity = match self.code.severity() {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let head = format!("{severity}[{}]: {}", self.code.as_str(), self.text);
        let (Some(at), Some(line)) = (self.at, &self.line) else {
            let hint = self.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
            return format!("{head}{hint}\n  --> {}", self.file);
        };
        let number = at.line.to_string();
        let gutter = " ".repeat(number.len());
        let column = usize::try_from(at.column).unwrap_or(1).saturating_sub(1);
        let indent: String =
            line.chars().take(column).map(|c| if c == '\t' { c } else { ' ' }).collect();
        let hint = self.hint.as_ref().map(|hint| format!(" {hint}")).unwrap_or_default();
        let mark = "^".repeat(width(line.chars().skip(column)));
        format!(
            "{head}\n{gutter}--> {}:{}:{}\n{gutter} |\n{number} | {line}\n{gutter} | {indent}{mark}{hint}",
            self.file, at.line, at.column
        )
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if let Some(at) = self.at {
            write!(f, ":{}:{}", at.line, at.column)?;
        }
        write!(f, ": {}", self.text)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// Counts the characters of the value a line goes on with; at least one.
fn width(rest: impl Iterator<Item = char>) -> usize {
    let rest: Vec<char> = rest.collect();
    let wide = match rest.first() {
        Some(quote @ ('"' | '\'')) => {
            rest.iter().skip(1).position(|c| c == quote).map_or(1, |end| end + 2)
        }
        Some('[' | '{' | '-') | None => 1,
        Some(_) => {
            let next = rest.iter().skip(1).map(Some).chain([None]);
            let ends = |(c, next): (&char, Option<&char>)| {
                c.is_whitespace()
                    || ",]}".contains(*c)
                    || *c == ':' && next.is_none_or(|next| next.is_whitespace())
            };
            rest.iter().zip(next).position(ends).unwrap_or(rest.len())
        }
    };
    wide.max(1)
}

/// Holds everything that is wrong with a file, in the file's order; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Wraps a single error.
    pub(crate) fn one(problem: Problem) -> Self {
        Self(vec![problem])
    }

    /// Returns the warnings when there is no error among the problems.
    pub(crate) fn judge(mut problems: Vec<Problem>) -> Result<Vec<Problem>, Self> {
        problems.sort_by_key(|problem| problem.at);
        let stops = |problem: &Problem| problem.code.severity() == Severity::Error;
        if problems.iter().any(stops) { Err(Self(problems)) } else { Ok(problems) }
    }

    /// Lists them, warnings included.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }

    /// Returns how many stop the start.
    pub fn errors(&self) -> usize {
        self.iter().filter(|problem| problem.code.severity() == Severity::Error).count()
    }
}

impl fmt::Display for Problems {
    /// Writes the errors, one a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errors = self.iter().filter(|problem| problem.code.severity() == Severity::Error);
        for (index, problem) in errors.enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
