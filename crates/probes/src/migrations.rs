//! The migrations probe: which migrations a database has, by the tables of the tools that ran them.
//!
//! The validator asks before a deployment whether the schema fits. It only reads the tool's own table; it never runs,
//! repairs or undoes a migration.

use std::cmp::Ordering;

use tokio::time::Instant;
use tokio_postgres::SimpleQueryRow;

use crate::addresses::over;
use crate::egress::Egress;
use crate::error::Error;
use crate::limits::Limits;
use crate::migrations_table::{Adapter, Applied, Order};
use crate::outcome::{Class, ReasonCode};
use crate::postgres_session::{PostgresTarget, Session};
use crate::redact::brief;
use crate::report::{Report, Timings};
use crate::retry::{About, with_retries};

/// Names that a report lists before it only counts.
const MOST_NAMES: usize = 5;

/// A database and the migrations it must have.
#[derive(Debug, Clone)]
pub struct MigrationsProbe {
    /// The database.
    pub target: PostgresTarget,
    /// The tool.
    pub adapter: Adapter,
    /// Another table than the tool's usual one, `schema.table` or `table`; checked to be an identifier.
    pub table: Option<String>,
    /// Migrations that must have been applied.
    pub require: Vec<String>,
    /// The newest that the artefact knows; later ones must not have been applied.
    pub max: Option<String>,
}

impl MigrationsProbe {
    /// Asks, with retries, and judges what was applied.
    ///
    /// # Cancel safety
    /// Cancel safe: dropping the future closes its connection.
    pub async fn run(&self, egress: &Egress, limits: &Limits) -> Report {
        let target = self.target.to_string();
        let attempted = format!("reading the {} migrations of {target}", self.adapter);
        let about = About { attempted, target, expected: self.words() };
        let (probe, about) = (self, &about);
        over(egress, self.target.host(), limits, about, |egress, limits| async move {
            let (egress, limits) = (&egress, &limits);
            with_retries(limits, about, |until| probe.attempt(egress, limits, about, until)).await
        })
        .await
    }

    async fn attempt(
        &self,
        egress: &Egress,
        limits: &Limits,
        about: &About,
        until: Instant,
    ) -> Report {
        let started = Instant::now();
        let mut timings = Timings::default();
        let reach = until.min(started + limits.connect);
        let applied = match Session::open(&self.target, egress, reach, until, &mut timings).await {
            Ok(session) => {
                let asked = Instant::now();
                let applied = self.read(&session).await;
                timings.processing = Some(asked.elapsed());
                applied
            }
            Err(error) => Err(error),
        };
        let report = match applied {
            Ok(applied) => match self.judge(&applied) {
                None => {
                    about.passed(format!("{}, in {}", applied.words(), brief(started.elapsed())))
                }
                Some((reason, wrong)) => {
                    let observed = format!("{wrong} ({})", applied.words());
                    about.failed(Error::new(Class::Assertion, reason, "", observed))
                }
            },
            Err(error) => about.failed(error),
        };
        Report { timings, ..report }
    }

    async fn read(&self, session: &Session) -> Result<Applied, Error> {
        let table = self.table.as_deref().unwrap_or(self.adapter.table());
        let rows = match session.rows(&self.adapter.query(&quoted(table))).await {
            Ok(rows) => rows,
            Err(error) if error.reason_code() == ReasonCode::NoSuchTable => {
                let observed = format!("there is no table {table}: no migration has been applied");
                let reason = ReasonCode::SchemaBehind;
                return Err(Error::new(Class::Permanent, reason, "", observed));
            }
            Err(error) => return Err(error),
        };
        let locked = match self.adapter.lock_query() {
            Some(query) => !session.rows(query).await?.is_empty(),
            None => false,
        };
        let cells: Vec<[Option<String>; 3]> = rows.iter().map(cells).collect();
        Ok(Applied { locked, ..self.adapter.applied(&cells) })
    }

    /// Returns the first reason and everything that is wrong.
    fn judge(&self, applied: &Applied) -> Option<(ReasonCode, String)> {
        let mut wrong: Vec<(ReasonCode, String)> = Vec::new();
        if !applied.dirty.is_empty() {
            let text = format!("{} failed or did not finish", listed(&applied.dirty));
            wrong.push((ReasonCode::SchemaDirty, text));
        }
        if applied.locked {
            let text = "a migration is running, or its lock was left behind".to_owned();
            wrong.push((ReasonCode::SchemaDirty, text));
        }
        let order = self.adapter.order();
        let missing: Vec<String> =
            self.require.iter().filter(|wanted| !applied.has(wanted, order)).cloned().collect();
        if !missing.is_empty() {
            let text = format!("{} has not been applied", listed(&missing));
            wrong.push((ReasonCode::SchemaBehind, text));
        }
        if let Some(max) = &self.max {
            let later = |name: &&String| match order {
                // Names without an order: whatever is not among those known is ahead.
                Order::None => *name != max && !self.require.contains(name),
                Order::Current | Order::Ascending => compare(name, max) == Ordering::Greater,
            };
            let ahead: Vec<String> = applied.names.iter().filter(later).cloned().collect();
            if !ahead.is_empty() {
                let text = format!("{} is later than {max}", listed(&ahead));
                wrong.push((ReasonCode::SchemaAhead, text));
            }
        }
        let reason = wrong.first()?.0;
        let texts: Vec<String> = wrong.into_iter().map(|(_, text)| text).collect();
        Some((reason, texts.join("; ")))
    }

    fn words(&self) -> String {
        let mut words = Vec::new();
        if !self.require.is_empty() {
            words.push(format!("{} applied", self.require.join(", ")));
        }
        words.extend(self.max.iter().map(|max| format!("nothing later than {max}")));
        words.push("none failed or running".to_owned());
        words.join(", ")
    }
}

impl Applied {
    fn has(&self, wanted: &str, order: Order) -> bool {
        match order {
            Order::Current => self.names.iter().any(|name| compare(name, wanted) != Ordering::Less),
            Order::Ascending | Order::None => {
                self.names.iter().any(|name| compare(name, wanted) == Ordering::Equal)
            }
        }
    }

    fn words(&self) -> String {
        let newest = self.names.iter().max_by(|a, b| compare(a, b));
        match newest {
            Some(newest) => format!("{} applied, the last is {newest}", self.names.len()),
            None => "none applied".to_owned(),
        }
    }
}

/// Compares dotted and plain numbers as numbers, anything else as text.
pub(crate) fn compare(a: &str, b: &str) -> Ordering {
    let numbers = |text: &str| -> Option<Vec<u128>> {
        text.split(['.', '_']).map(|part| part.parse().ok()).collect()
    };
    match (numbers(a), numbers(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        (Some(_) | None, Some(_) | None) => a.cmp(b),
    }
}

fn listed(names: &[String]) -> String {
    let head = names.iter().take(MOST_NAMES).cloned().collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(MOST_NAMES) {
        Some(more) if more > 0 => format!("{head} and {more} more"),
        Some(_) | None => head,
    }
}

/// Quotes the parts of a name as identifiers.
fn quoted(table: &str) -> String {
    let part = |part: &str| format!("\"{}\"", part.replace('"', "\"\""));
    table.split('.').map(part).collect::<Vec<_>>().join(".")
}

fn cells(row: &SimpleQueryRow) -> [Option<String>; 3] {
    [0, 1, 2].map(|column| {
        let has = column < row.len();
        has.then(|| row.try_get(column).ok().flatten().map(str::to_owned)).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers_where_they_are_some() {
        let cases = [
            ("2", "10", Ordering::Less),
            ("20260901", "20260901000000", Ordering::Less),
            ("1.2", "1.10", Ordering::Less),
            ("0010", "10", Ordering::Equal),
            ("shop.0002_x", "shop.0010_y", Ordering::Less),
            ("a1b2", "a1b2", Ordering::Equal),
        ];
        for (a, b, expected) in cases {
            assert_eq!(compare(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn a_table_cannot_break_out_of_its_quotes() {
        assert_eq!(quoted("app.schema_migrations"), "\"app\".\"schema_migrations\"");
        assert_eq!(quoted("x\"; DROP TABLE y"), "\"x\"\"; DROP TABLE y\"");
    }
}
