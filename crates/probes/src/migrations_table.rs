//! How each migration tool keeps its books: table, columns, and what a row means.
//!
//! The migrations probe reads rows by it. Pure: rows in, names of migrations out.

use std::collections::BTreeMap;
use std::fmt;

/// A tool that migrates schemas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Adapter {
    /// sqlx (Rust).
    Sqlx,
    /// Flyway.
    Flyway,
    /// golang-migrate.
    GolangMigrate,
    /// Rails' Active Record.
    Rails,
    /// Alembic (Python).
    Alembic,
    /// Django.
    Django,
    /// Diesel (Rust).
    Diesel,
    /// Prisma.
    Prisma,
    /// Liquibase.
    Liquibase,
    /// refinery (Rust).
    Refinery,
    /// `SeaORM` (Rust).
    SeaOrm,
    /// goose (Go).
    Goose,
}

/// What the order of names means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// One row says the current version; all lower ones are applied.
    Current,
    /// Every applied migration has its row, and later ones compare greater.
    Ascending,
    /// Every row counts, and names say nothing of what is later.
    None,
}

/// What a database has.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Applied {
    pub(crate) names: Vec<String>,
    /// Failed, or begun and not finished.
    pub(crate) dirty: Vec<String>,
    /// Somebody holds the tool's lock.
    pub(crate) locked: bool,
}

impl Adapter {
    /// Every adapter by the name the fleet file gives it.
    pub const WORDS: [(&'static str, Self); 12] = [
        ("sqlx", Self::Sqlx),
        ("flyway", Self::Flyway),
        ("golang-migrate", Self::GolangMigrate),
        ("rails", Self::Rails),
        ("alembic", Self::Alembic),
        ("django", Self::Django),
        ("diesel", Self::Diesel),
        ("prisma", Self::Prisma),
        ("liquibase", Self::Liquibase),
        ("refinery", Self::Refinery),
        ("seaorm", Self::SeaOrm),
        ("goose", Self::Goose),
    ];

    /// Returns the adapter of a name.
    pub fn of(name: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(word, _)| *word == name).map(|(_, adapter)| *adapter)
    }

    /// Returns the table that the tool uses by default.
    pub(crate) fn table(self) -> &'static str {
        match self {
            Self::Sqlx => "_sqlx_migrations",
            Self::Flyway => "flyway_schema_history",
            Self::GolangMigrate | Self::Rails => "schema_migrations",
            Self::Alembic => "alembic_version",
            Self::Django => "django_migrations",
            Self::Diesel => "__diesel_schema_migrations",
            Self::Prisma => "_prisma_migrations",
            Self::Liquibase => "databasechangelog",
            Self::Refinery => "refinery_schema_history",
            Self::SeaOrm => "seaql_migrations",
            Self::Goose => "goose_db_version",
        }
    }

    /// Returns what is asked of a quoted table: a name, and up to two columns that say what became of it.
    pub(crate) fn query(self, table: &str) -> String {
        let columns = match self {
            Self::Sqlx => "version, success",
            Self::Flyway => "version, success, type",
            Self::GolangMigrate => "version, dirty",
            Self::Rails | Self::Diesel | Self::Refinery | Self::SeaOrm => "version",
            Self::Alembic => "version_num",
            Self::Django => "app || '.' || name",
            Self::Prisma => "migration_name, finished_at, rolled_back_at",
            Self::Liquibase => "id, exectype",
            Self::Goose => "version_id, is_applied",
        };
        let order = match self {
            Self::Flyway => " ORDER BY installed_rank",
            Self::Goose => " ORDER BY id",
            Self::Prisma => " ORDER BY started_at",
            Self::Liquibase => " ORDER BY orderexecuted",
            Self::Sqlx
            | Self::GolangMigrate
            | Self::Rails
            | Self::Alembic
            | Self::Django
            | Self::Diesel
            | Self::Refinery
            | Self::SeaOrm => "",
        };
        format!("SELECT {columns} FROM {table}{order}")
    }

    /// Returns what finds a held lock, for tools that keep one in a table.
    pub(crate) fn lock_query(self) -> Option<&'static str> {
        match self {
            Self::Liquibase => Some("SELECT 1 FROM databasechangeloglock WHERE locked"),
            Self::Sqlx
            | Self::Flyway
            | Self::GolangMigrate
            | Self::Rails
            | Self::Alembic
            | Self::Django
            | Self::Diesel
            | Self::Prisma
            | Self::Refinery
            | Self::SeaOrm
            | Self::Goose => None,
        }
    }

    pub(crate) fn order(self) -> Order {
        match self {
            Self::GolangMigrate => Order::Current,
            Self::Alembic | Self::Liquibase | Self::Django => Order::None,
            Self::Sqlx
            | Self::Flyway
            | Self::Rails
            | Self::Diesel
            | Self::Prisma
            | Self::Refinery
            | Self::SeaOrm
            | Self::Goose => Order::Ascending,
        }
    }

    /// Reads the rows of [`Adapter::query`].
    pub(crate) fn applied(self, rows: &[[Option<String>; 3]]) -> Applied {
        // What a later row says of a migration replaces what an earlier one said.
        let mut last: BTreeMap<&str, State> = BTreeMap::new();
        let mut sequence: Vec<&str> = Vec::new();
        for [name, second, third] in rows {
            // Flyway's repeatable migrations have no version and belong to every one.
            let Some(name) = name.as_deref() else { continue };
            if !last.contains_key(name) {
                sequence.push(name);
            }
            last.insert(name, self.state(second.as_deref(), third.as_deref()));
        }
        let mut applied = Applied::default();
        for name in sequence {
            match last.get(name) {
                Some(State::Applied) => applied.names.push(name.to_owned()),
                Some(State::Dirty) => applied.dirty.push(name.to_owned()),
                Some(State::Undone) | None => {}
            }
        }
        applied
    }

    fn state(self, second: Option<&str>, third: Option<&str>) -> State {
        let is_true = |text: Option<&str>| matches!(text, Some("t" | "true" | "1"));
        match self {
            Self::Sqlx | Self::Flyway if !is_true(second) => State::Dirty,
            Self::Flyway
                if third.is_some_and(|kind| kind.starts_with("UNDO") || kind == "DELETE") =>
            {
                State::Undone
            }
            Self::GolangMigrate if is_true(second) => State::Dirty,
            Self::Prisma => match (second, third) {
                (_, Some(_rolled_back)) => State::Undone,
                (Some(_finished), None) => State::Applied,
                (None, None) => State::Dirty,
            },
            Self::Liquibase if second == Some("FAILED") => State::Dirty,
            Self::Liquibase if second == Some("SKIPPED") => State::Undone,
            // Its first row, version 0, is applied by the tool itself.
            Self::Goose if !is_true(second) => State::Undone,
            Self::Sqlx
            | Self::Flyway
            | Self::GolangMigrate
            | Self::Rails
            | Self::Alembic
            | Self::Django
            | Self::Diesel
            | Self::Liquibase
            | Self::Refinery
            | Self::SeaOrm
            | Self::Goose => State::Applied,
        }
    }
}

/// What became of a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Applied,
    Dirty,
    Undone,
}

impl fmt::Display for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = Self::WORDS.iter().find(|(_, adapter)| adapter == self);
        f.write_str(word.map_or("", |(word, _)| word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Row<'a> = [Option<&'a str>; 3];

    fn applied(adapter: Adapter, rows: &[Row<'_>]) -> (Vec<String>, Vec<String>) {
        let rows: Vec<[Option<String>; 3]> =
            rows.iter().map(|row| row.map(|cell| cell.map(str::to_owned))).collect();
        let applied = adapter.applied(&rows);
        (applied.names, applied.dirty)
    }

    #[test]
    fn every_tool_says_in_its_own_way_what_became_of_a_migration() {
        type Case<'a> = (Adapter, &'a [Row<'a>], &'a [&'a str], &'a [&'a str]);
        let cases: [Case<'_>; 6] = [
            (
                Adapter::Sqlx,
                &[[Some("1"), Some("t"), None], [Some("2"), Some("f"), None]],
                &["1"],
                &["2"],
            ),
            (
                Adapter::Flyway,
                &[
                    [Some("1"), Some("t"), Some("SQL")],
                    [None, Some("t"), Some("SQL")],
                    [Some("2"), Some("t"), Some("SQL")],
                    [Some("2"), Some("t"), Some("UNDO_SQL")],
                    [Some("3"), Some("f"), Some("SQL")],
                ],
                &["1"],
                &["3"],
            ),
            (Adapter::GolangMigrate, &[[Some("7"), Some("t"), None]], &[], &["7"]),
            (
                Adapter::Prisma,
                &[
                    [Some("1_a"), Some("2026-01-01"), None],
                    [Some("2_b"), None, Some("2026-01-02")],
                    [Some("3_c"), None, None],
                ],
                &["1_a"],
                &["3_c"],
            ),
            (
                Adapter::Goose,
                &[
                    [Some("1"), Some("t"), None],
                    [Some("2"), Some("t"), None],
                    [Some("2"), Some("f"), None],
                ],
                &["1"],
                &[],
            ),
            (
                Adapter::Django,
                &[[Some("shop.0001_initial"), None, None]],
                &["shop.0001_initial"],
                &[],
            ),
        ];
        for (adapter, rows, names, dirty) in cases {
            let (found, failed) = applied(adapter, rows);
            assert_eq!(
                (found.as_slice(), failed.as_slice()),
                (
                    &names.iter().map(ToString::to_string).collect::<Vec<_>>()[..],
                    &dirty.iter().map(ToString::to_string).collect::<Vec<_>>()[..]
                ),
                "{adapter}"
            );
        }
    }

    #[test]
    fn every_adapter_has_its_word() {
        for (word, adapter) in Adapter::WORDS {
            assert_eq!((Adapter::of(word), adapter.to_string().as_str()), (Some(adapter), word));
        }
    }
}
