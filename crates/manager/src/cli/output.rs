//! Where commands print: the one place that writes to standard output.
//!
//! Owns colour, the refreshed line at the bottom of a terminal, and JSON. Every command writes
//! through it; it never decides what is said.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

use printery_harness::args::environment;
use serde::Serialize;

/// Width of the refreshed line: it must not wrap, and 80 columns is what a terminal has at least.
const LIVE_WIDTH: usize = 79;

/// What a piece of text is like; a colour on a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Tone {
    /// Nothing special.
    #[default]
    Plain,
    /// As it should be.
    Good,
    /// Somebody should look.
    Warn,
    /// Somebody must act.
    Bad,
    /// Of less interest.
    Dim,
    /// A heading.
    Strong,
}

impl Tone {
    fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Good => Some("32"),
            Self::Warn => Some("33"),
            Self::Bad => Some("31"),
            Self::Dim => Some("2"),
            Self::Strong => Some("1"),
        }
    }
}

/// Whether tones become colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colour {
    /// They do.
    On,
    /// Text stays text.
    Off,
}

impl Colour {
    /// Gives a text the colour of its tone.
    pub(crate) fn paint(self, tone: Tone, text: &str) -> String {
        match (self, tone.code()) {
            (Self::On, Some(code)) if !text.is_empty() => format!("\x1b[{code}m{text}\x1b[0m"),
            (Self::On | Self::Off, _) => text.to_owned(),
        }
    }
}

/// Standard output, as commands see it.
pub(crate) struct Output {
    sink: Box<dyn Write + Send + Sync>,
    /// Whether somebody watches, so that a line may be refreshed in place.
    terminal: bool,
    colour: Colour,
    /// Whether a refreshed line stands at the bottom.
    live: bool,
}

impl Output {
    /// Opens standard output.
    pub(crate) fn stdout() -> Self {
        let terminal = io::stdout().is_terminal();
        let colour = match environment("NO_COLOR") {
            None if terminal => Colour::On,
            None | Some(_) => Colour::Off,
        };
        Self { sink: Box::new(io::stdout()), terminal, colour, live: false }
    }

    /// Swallows what is written: for requests, whose answer is a value.
    pub(crate) fn nowhere() -> Self {
        Self { sink: Box::new(io::sink()), terminal: false, colour: Colour::Off, live: false }
    }

    /// How tones are shown here.
    pub(crate) fn colour(&self) -> Colour {
        self.colour
    }

    /// Writes a line.
    pub(crate) fn line(&mut self, text: impl AsRef<str>) -> io::Result<()> {
        self.take_live_away()?;
        writeln!(self.sink, "{}", text.as_ref())
    }

    /// Writes lines.
    pub(crate) fn lines<T: AsRef<str>>(
        &mut self,
        lines: impl IntoIterator<Item = T>,
    ) -> io::Result<()> {
        lines.into_iter().try_for_each(|line| self.line(line))
    }

    /// Writes a value as JSON that people can read as well.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        let text = serde_json::to_string_pretty(value)?;
        self.line(text)
    }

    /// Writes a value as one line of JSON.
    pub(crate) fn json_line(&mut self, value: &impl Serialize) -> io::Result<()> {
        let text = serde_json::to_string(value)?;
        self.line(text)
    }

    /// Writes bytes as they are.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.take_live_away()?;
        self.sink.write_all(bytes)?;
        self.sink.flush()
    }

    /// Refreshes the line at the bottom; says nothing where nobody watches.
    pub(crate) fn live(&mut self, text: &str) -> io::Result<()> {
        if !self.terminal {
            return Ok(());
        }
        let text: String = text.chars().take(LIVE_WIDTH).collect();
        write!(self.sink, "\r\x1b[K{}", self.colour.paint(Tone::Dim, &text))?;
        self.live = true;
        self.sink.flush()
    }

    /// Takes the refreshed line away.
    pub(crate) fn take_live_away(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.live) {
            write!(self.sink, "\r\x1b[K")?;
            self.sink.flush()?;
        }
        Ok(())
    }
}

/// Keeps text that somebody else wrote from moving the cursor or breaking lines.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    if text.chars().any(char::is_control) {
        text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tones_are_colours_only_where_colour_is_on() {
        assert_eq!(Colour::On.paint(Tone::Bad, "x"), "\x1b[31mx\x1b[0m");
        assert_eq!(Colour::Off.paint(Tone::Bad, "x"), "x");
        assert_eq!(Colour::On.paint(Tone::Plain, "x"), "x");
        assert_eq!(Colour::On.paint(Tone::Bad, ""), "");
    }

    #[test]
    fn foreign_text_cannot_move_the_cursor() {
        assert_eq!(clean("\x1b[2Jboo\r\n"), "\u{fffd}[2Jboo\u{fffd}\u{fffd}");
        assert_eq!(clean("plain"), "plain");
    }
}
