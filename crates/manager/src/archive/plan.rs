//! Where jobs are kept for longer than Redis keeps them, as somebody said it.

use clap::Args;
use printery_config::{Secret, is_postgres};
use printery_harness::args::{secret_from_file, unset_blanks};

/// Where the file is when nobody says.
const FILE: &str = "data/jobs.db";

/// What there is to choose from.
const DRIVERS: &str = "redis, sqlite, postgres, memory";

/// Flags about the history.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ArchiveArgs {
    /// What remembers jobs that Redis has forgotten: redis or memory (nothing does), sqlite, postgres
    #[arg(long, env = "STORE_DRIVER", value_name = "DRIVER", global = true)]
    pub(crate) store_driver: Option<String>,
    /// Where they are kept: a file, or `postgres://user:password@host/database`
    #[arg(long, env = "STORE_URL", value_name = "URL", hide_env_values = true, global = true)]
    pub(crate) store_url: Option<String>,
}

impl ArchiveArgs {
    /// Treats empty flags and variables as if nothing had been said.
    pub(crate) fn without_blanks(mut self) -> Self {
        unset_blanks([&mut self.store_driver, &mut self.store_url]);
        self
    }

    /// Judges what was said, `file` being the fleet file's layer below; none where nothing is kept
    /// beyond Redis.
    ///
    /// # Errors
    /// A sentence that names flag and variable.
    pub(crate) fn address(&self, file: Option<&Secret>) -> Result<Option<String>, String> {
        let from_file = secret_from_file("STORE_URL")?;
        let below = file.map(|file| file.expose().to_owned());
        let url = self.store_url.clone().or(from_file).or(below);
        let is_server = url.as_deref().is_some_and(is_postgres);
        let driver = match (self.store_driver.as_deref(), &url) {
            (Some(driver), _) => driver,
            (None, None) => "redis",
            (None, Some(_)) if is_server => "postgres",
            (None, Some(_)) => "sqlite",
        };
        match driver {
            "redis" | "memory" => Ok(None),
            "sqlite" if is_server => Err("--store-driver (STORE_DRIVER) sqlite needs a file as \
                 --store-url (STORE_URL), not a server"
                .to_owned()),
            "sqlite" => Ok(Some(url.unwrap_or_else(|| FILE.to_owned()))),
            "postgres" if is_server => Ok(url),
            "postgres" => Err("--store-driver (STORE_DRIVER) postgres needs \
                 postgres://user:password@host/database as --store-url (STORE_URL)"
                .to_owned()),
            other => {
                Err(format!("--store-driver (STORE_DRIVER) {other:?} must be one of {DRIVERS}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The address, or a part of the problem.
    type Expected<'a> = Result<Option<&'a str>, &'a str>;

    #[test]
    fn the_address_follows_from_driver_and_url() {
        let server = "postgres://localhost/jobs";
        let table: [(Option<&str>, Option<&str>, Expected<'_>); 10] = [
            (None, None, Ok(None)),
            (Some("redis"), Some("a.db"), Ok(None)),
            (Some("memory"), None, Ok(None)),
            (Some("sqlite"), None, Ok(Some(FILE))),
            (None, Some("a.db"), Ok(Some("a.db"))),
            (None, Some(server), Ok(Some(server))),
            (Some("postgres"), Some(server), Ok(Some(server))),
            (Some("postgres"), None, Err("postgres://user")),
            (Some("sqlite"), Some(server), Err("not a server")),
            (Some("bogus"), None, Err(DRIVERS)),
        ];
        for (driver, url, expected) in table {
            let said = ArchiveArgs {
                store_driver: driver.map(str::to_owned),
                store_url: url.map(str::to_owned),
            };
            match (said.address(None), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found.as_deref(), expected, "{said:?}"),
                (Err(found), Err(part)) => assert!(found.contains(part), "{found}"),
                (found, _) => panic!("{said:?}: {found:?}"),
            }
        }
        let file = Secret::new("file.db".to_owned());
        let said = |driver: Option<&str>, url: Option<&str>| ArchiveArgs {
            store_driver: driver.map(str::to_owned),
            store_url: url.map(str::to_owned),
        };
        let found = |said: ArchiveArgs| said.address(Some(&file)).unwrap();
        assert_eq!(found(said(None, None)).as_deref(), Some("file.db"), "the fleet file's");
        assert_eq!(found(said(None, Some("a.db"))).as_deref(), Some("a.db"));
        assert_eq!(found(said(Some("redis"), None)), None);
    }
}
