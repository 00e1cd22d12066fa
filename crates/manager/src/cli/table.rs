//! Aligned columns.
//!
//! Commands that list things hand in cells and print the lines that come out. It never writes and
//! never cuts a text.

use crate::cli::output::{Colour, Tone, clean};

/// Between two columns.
const GAP: &str = "  ";

/// A text with its tone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A text in a tone.
    pub(crate) fn new(tone: Tone, text: impl AsRef<str>) -> Self {
        Self { text: clean(text.as_ref()).into_owned(), tone }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::new(Tone::Plain, text)
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::new(Tone::Plain, text)
    }
}

impl From<u64> for Cell {
    fn from(number: u64) -> Self {
        Self::new(Tone::Plain, number.to_string())
    }
}

/// On which side of its column a text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

/// Rows under a heading.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    heading: Vec<(String, Side)>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// Begins a table; a heading that starts with `>` has its column at the right side (numbers).
    pub(crate) fn new(heading: &[&str]) -> Self {
        let side = |text: &&str| match text.strip_prefix('>') {
            Some(text) => (text.to_owned(), Side::Right),
            None => ((*text).to_owned(), Side::Left),
        };
        Self { heading: heading.iter().map(side).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The lines: the heading, then the rows.
    pub(crate) fn lines(&self, colour: Colour) -> Vec<String> {
        let heading: Vec<Cell> =
            self.heading.iter().map(|(text, _)| Cell::new(Tone::Dim, text)).collect();
        let all = || std::iter::once(&heading).chain(&self.rows);
        let column = |at: usize| {
            let cells = all().filter_map(move |row| row.get(at));
            cells.map(|cell| cell.text.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.heading.len()).map(column).collect();
        all().map(|row| self.line(row, &widths, colour)).collect()
    }

    fn line(&self, row: &[Cell], widths: &[usize], colour: Colour) -> String {
        let mut line = String::new();
        for ((cell, width), (_, side)) in row.iter().zip(widths).zip(&self.heading) {
            let padding = " ".repeat(width.saturating_sub(cell.text.chars().count()));
            let text = colour.paint(cell.tone, &cell.text);
            if !line.is_empty() {
                line.push_str(GAP);
            }
            match side {
                Side::Left => line.extend([text, padding]),
                Side::Right => line.extend([padding, text]),
            }
        }
        line.truncate(line.trim_end().len());
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_text() {
        let mut table = Table::new(&["WORKER", ">LAG", "STATE"]);
        table.row(["validator".into(), 7_u64.into(), Cell::new(Tone::Good, "up")]);
        table.row(["é".into(), 12_345_u64.into(), Cell::default()]);
        assert_eq!(
            table.lines(Colour::Off),
            ["WORKER       LAG  STATE", "validator      7  up", "é          12345"]
        );
    }

    #[test]
    fn colour_does_not_move_a_column() {
        let mut table = Table::new(&["A", "B"]);
        table.row([Cell::new(Tone::Bad, "x"), "y".into()]);
        assert_eq!(table.lines(Colour::On)[1], "\x1b[31mx\x1b[0m  y");
    }
}
