//! What a database must be able to do: a transaction of statements, and rows of a question.
//!
//! All SQL is written once, in [`crate::tables`], in the words that SQLite and PostgreSQL share.

/// A value of a row, or one that is put into a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cell {
    /// Words.
    Text(Option<String>),
    /// A number.
    Int(Option<i64>),
}

impl Cell {
    /// Words.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(Some(text.into()))
    }

    /// A number that Redis gave; those beyond `i64` do not occur.
    pub(crate) fn int(number: u64) -> Self {
        Self::Int(i64::try_from(number).ok())
    }
}

/// SQL with `$1`, `$2` … in the order of its values.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    /// The text.
    pub(crate) sql: String,
    /// What stands for `$1` and so on.
    pub(crate) values: Vec<Cell>,
}

/// Somewhere to keep rows.
pub(crate) trait Database: Send + 'static {
    /// Does all of them, or none.
    fn execute(
        &mut self,
        statements: &[Statement],
    ) -> impl Future<Output = Result<(), String>> + Send;

    /// Gives the rows of a question.
    fn rows(
        &mut self,
        statement: &Statement,
    ) -> impl Future<Output = Result<Vec<Vec<Cell>>, String>> + Send;
}
