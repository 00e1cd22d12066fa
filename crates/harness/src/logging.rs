//! Sets up the process' log: JSON lines when nobody is watching, text on a terminal.
//!
//! Called once by `main`, for the manager and for workers; never changed afterwards. Every line
//! names its program, because a manager and its workers write to the same place.

use std::fmt;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::writer::{BoxMakeWriter, MakeWriterExt};
use tracing_subscriber::registry::LookupSpan;

use crate::log_file::LogFile;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// Lines for people.
    Text,
}

impl LogFormat {
    /// JSON unless standard output is a terminal.
    pub fn for_this_output() -> Self {
        if std::io::stdout().is_terminal() { Self::Text } else { Self::Json }
    }
}

/// Starts logging to standard error in the name of `program`, and to a file where one is named; a
/// second call changes nothing.
///
/// Standard output stays free for what a command prints. A file that cannot be written is said and
/// keeps nobody from working.
pub fn init_logging(program: &'static str, level: Level, format: LogFormat, file: Option<&Path>) {
    let opened = file.map(|path| (path, LogFile::open(path)));
    let (log_file, problem) = match opened {
        None => (None, None),
        Some((_, Ok(file))) => (Some(Arc::new(file)), None),
        Some((path, Err(error))) => (None, Some((path, error))),
    };
    let has_file = log_file.is_some();
    let writer = log_file.map_or_else(
        || BoxMakeWriter::new(std::io::stderr),
        |file| BoxMakeWriter::new(std::io::stderr.and(file)),
    );
    let builder =
        tracing_subscriber::fmt().with_max_level(level).with_target(false).with_writer(writer);
    let plain = tracing_subscriber::fmt::format().with_target(false);
    // Both calls fail only when a logger is already there (tests), which is fine.
    let _already_there = match format {
        LogFormat::Json => {
            let inner = plain.json().flatten_event(true);
            builder.json().event_format(Named { program, format, inner }).try_init().is_err()
        }
        LogFormat::Text => {
            // Colours have no place in a file.
            let builder = builder.with_ansi(!has_file && std::io::stderr().is_terminal());
            builder.event_format(Named { program, format, inner: plain }).try_init().is_err()
        }
    };
    if let Some((path, error)) = problem {
        tracing::warn!(file = %path.display(), %error, "--log-file (LOG_FILE) cannot be written");
    }
}

/// Puts the program's name before a line, or into its object.
struct Named<F> {
    program: &'static str,
    format: LogFormat,
    inner: F,
}

impl<S, N, F> FormatEvent<S, N> for Named<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        match self.format {
            LogFormat::Text => {
                write!(writer, "{} ", self.program)?;
                self.inner.format_event(context, writer, event)
            }
            LogFormat::Json => {
                let mut line = String::new();
                self.inner.format_event(context, Writer::new(&mut line), event)?;
                let fields = line.strip_prefix('{').unwrap_or(&line);
                write!(writer, "{{\"program\":\"{}\",{fields}", self.program)
            }
        }
    }
}
