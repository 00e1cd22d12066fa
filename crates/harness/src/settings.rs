//! The settings of one process: a flag beats the environment, which beats the fleet file, which
//! beats the default.
//!
//! Every problem is collected before anything is started. Nothing here talks to Redis.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use printery_config::{Engine, MOST_PARTITIONS, key_prefix};
use printery_events::Encoding;
use printery_events::topology::Worker;
use printery_streams::Backoff;
use printery_streams::connection::Bus;
use tracing::Level;

use crate::args::{CommonArgs, environment};
use crate::bus;
use crate::logging::LogFormat;
use crate::rules::DeliverySettings;

/// Handlers at once that a process may be asked for.
const MOST_HANDLERS: usize = 4096;

/// Everything that a process needs to know before it starts.
#[derive(Clone)]
pub struct Settings {
    /// Where Redis is, whom it trusts and what it must confirm.
    pub bus: Bus,
    /// How long to wait for Redis at start.
    pub redis_wait: Duration,
    /// First part of every key.
    pub prefix: String,
    /// How many partitions the fleet has; none is a fleet under the plain prefix.
    pub partitions: Option<u16>,
    /// Least level that is logged.
    pub log_level: Level,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Where log lines go as well.
    pub log_file: Option<PathBuf>,
    /// `development`, `staging` or `production`.
    pub environment: String,
    /// Where the process serves HTTP; none = not at all.
    pub http_addr: Option<SocketAddr>,
    /// How long running handlers may go on after SIGTERM.
    pub shutdown_timeout: Duration,
    /// Handlers at once.
    pub concurrency: usize,
    /// How an entry moves between owners.
    pub delivery: DeliverySettings,
    /// What is written.
    pub encoding: Encoding,
    /// Entries younger than this are kept.
    pub retention_age: Duration,
    /// So many of the youngest entries are kept.
    pub retention_entries: u64,
}

/// What differs between the manager and a worker.
#[derive(Debug, Clone, Copy)]
pub struct Defaults {
    /// The worker, or none for the manager.
    pub worker: Option<&'static Worker>,
    /// Where HTTP is served when nobody says.
    pub http_addr: &'static str,
}

impl Settings {
    /// Merges the layers.
    ///
    /// # Errors
    /// Every problem, one sentence each, naming flag and variable.
    pub fn resolve(
        args: &CommonArgs,
        defaults: Defaults,
        file: &Engine,
    ) -> Result<Self, Vec<String>> {
        let mut read = Reader { problems: Vec::new() };
        let settings = Self {
            bus: bus::resolve(args, file, &mut read.problems),
            redis_wait: read.span("--redis-wait", args.redis_wait.as_deref(), None, secs(30)),
            prefix: read.prefix(args, file),
            partitions: read.partitions(args, file),
            log_level: read.word("--log-level", args.log_level.as_deref(), LEVELS, Level::INFO),
            log_format: read.word(
                "--log-format",
                args.log_format.as_deref(),
                FORMATS,
                LogFormat::for_this_output(),
            ),
            log_file: args.log_file.as_deref().map(PathBuf::from),
            environment: read
                .word("--environment", args.environment.as_deref(), ENVIRONMENTS, "development")
                .to_owned(),
            http_addr: read.http_addr(args, defaults),
            shutdown_timeout: read.span(
                "--shutdown-timeout",
                args.shutdown_timeout.as_deref(),
                None,
                secs(30),
            ),
            concurrency: read.concurrency(args, defaults.worker, file),
            delivery: read.delivery(args, file),
            encoding: read.word(
                "--encoding",
                args.encoding.as_deref(),
                ENCODINGS,
                match file.encoding {
                    Some(printery_config::Encoding::Json) => Encoding::Json,
                    Some(printery_config::Encoding::MessagePack) | None => Encoding::MessagePack,
                },
            ),
            retention_age: file.retention_age.unwrap_or(secs(24 * 60 * 60)),
            retention_entries: file.retention_entries.unwrap_or(10_000),
        };
        if read.problems.is_empty() { Ok(settings) } else { Err(read.problems) }
    }
}

const LEVELS: &[(&str, Level)] = &[
    ("debug", Level::DEBUG),
    ("info", Level::INFO),
    ("warn", Level::WARN),
    ("error", Level::ERROR),
];
const FORMATS: &[(&str, LogFormat)] = &[("json", LogFormat::Json), ("text", LogFormat::Text)];
const ENVIRONMENTS: &[(&str, &str)] =
    &[("development", "development"), ("staging", "staging"), ("production", "production")];
const ENCODINGS: &[(&str, Encoding)] =
    &[("msgpack", Encoding::MessagePack), ("json", Encoding::Json)];

/// Reads values and remembers what was wrong with them.
struct Reader {
    problems: Vec<String>,
}

impl Reader {
    fn prefix(&mut self, args: &CommonArgs, file: &Engine) -> String {
        let prefix = args
            .prefix
            .clone()
            .or_else(|| file.prefix.clone())
            .unwrap_or_else(|| "materi".to_owned());
        if let Err(rule) = key_prefix(&prefix) {
            self.problems.push(format!("--prefix (PRINTERY_PREFIX) {prefix:?} {rule}"));
        }
        prefix
    }

    fn partitions(&mut self, args: &CommonArgs, file: &Engine) -> Option<u16> {
        let said = args.partitions.as_deref();
        let default = file.partitions.unwrap_or(1);
        let name = "--partitions (PRINTERY_PARTITIONS)";
        let count = self.number(name, said, 1..=MOST_PARTITIONS, default);
        (said.is_some() || file.partitions.is_some()).then_some(count)
    }

    fn http_addr(&mut self, args: &CommonArgs, defaults: Defaults) -> Option<SocketAddr> {
        let text = args.http_addr.as_deref().unwrap_or(defaults.http_addr);
        if text == "off" {
            return None;
        }
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.problems.push(format!(
                "--http-addr (PRINTERY_HTTP_ADDR) {text:?} must be an address with a port, such as 127.0.0.1:8082, or off"
            ));
        }
        parsed
    }

    fn concurrency(
        &mut self,
        args: &CommonArgs,
        worker: Option<&'static Worker>,
        file: &Engine,
    ) -> usize {
        let Some(worker) = worker else { return 0 };
        let variable = format!("{}_CONCURRENCY", worker.name.replace('-', "_").to_uppercase());
        let said = args.concurrency.clone().or_else(|| environment(&variable));
        let default = file.concurrency.get(worker.name).copied().unwrap_or(worker.concurrency);
        let name = format!("--concurrency ({variable})");
        self.number(&name, said.as_deref(), 1..=MOST_HANDLERS, default)
    }

    fn delivery(&mut self, args: &CommonArgs, file: &Engine) -> DeliverySettings {
        let lease =
            self.span("--lease (PRINTERY_LEASE)", args.lease.as_deref(), file.lease, secs(15));
        let renew_every = file.renew_every.unwrap_or(lease / 3);
        let max_attempts = self.number(
            "--max-attempts (PRINTERY_MAX_ATTEMPTS)",
            args.max_attempts.as_deref(),
            1..=1000,
            file.max_attempts.unwrap_or(3),
        );
        if lease < Duration::from_millis(100) {
            self.problems
                .push(format!("--lease (PRINTERY_LEASE) {lease:?} must be at least 100ms"));
        } else if lease < renew_every * 3 {
            self.problems.push(format!(
                "--lease {lease:?} must be at least 3 × engine.renew_every {renew_every:?}"
            ));
        }
        let backoff = Backoff {
            base: file.backoff_base.unwrap_or(secs(1)),
            cap: file.backoff_cap.unwrap_or(secs(60)),
        };
        if backoff.cap < backoff.base {
            self.problems.push(format!(
                "engine.backoff.cap {:?} must be at least engine.backoff.base {:?}",
                backoff.cap, backoff.base
            ));
        }
        DeliverySettings {
            lease,
            renew_every,
            sweep_every: file.sweep_every.unwrap_or(lease / 3),
            handler_timeout: file.handler_timeout.unwrap_or(secs(15 * 60)),
            max_attempts,
            backoff,
            dedupe_window: file.dedupe_window.unwrap_or(secs(24 * 60 * 60)),
            poison_after: 3,
        }
    }

    fn word<T: Copy>(
        &mut self,
        name: &str,
        said: Option<&str>,
        words: &[(&str, T)],
        default: T,
    ) -> T {
        let Some(said) = said else { return default };
        let known = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(said));
        if let Some((_, value)) = known {
            return *value;
        }
        let list: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        self.problems.push(format!("{name} {said:?} must be one of {}", list.join(", ")));
        default
    }

    fn span(
        &mut self,
        name: &str,
        said: Option<&str>,
        file: Option<Duration>,
        default: Duration,
    ) -> Duration {
        let default = file.unwrap_or(default);
        let Some(said) = said else { return default };
        humantime::parse_duration(said).unwrap_or_else(|_not_a_duration| {
            self.problems
                .push(format!("{name} {said:?} must be a duration with a unit, such as 15s"));
            default
        })
    }

    fn number<T>(
        &mut self,
        name: &str,
        said: Option<&str>,
        allowed: std::ops::RangeInclusive<T>,
        default: T,
    ) -> T
    where
        T: FromStr + PartialOrd + std::fmt::Display,
    {
        let Some(said) = said else { return default };
        match said.parse() {
            Ok(number) if allowed.contains(&number) => number,
            _ => {
                let (least, most) = (allowed.start(), allowed.end());
                self.problems
                    .push(format!("{name} {said:?} must be a whole number from {least} to {most}"));
                default
            }
        }
    }
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[cfg(test)]
mod tests {
    use printery_events::topology::VALIDATOR;

    use super::*;

    fn resolve(args: &CommonArgs) -> Result<Settings, Vec<String>> {
        let defaults = Defaults { worker: Some(&VALIDATOR), http_addr: "127.0.0.1:0" };
        Settings::resolve(args, defaults, &Engine::default())
    }

    #[test]
    fn without_any_word_the_contract_s_defaults_apply() {
        let settings =
            resolve(&CommonArgs::default()).unwrap_or_else(|problems| panic!("{problems:?}"));
        assert_eq!(settings.prefix, "materi");
        assert_eq!(settings.concurrency, 1);
        assert_eq!(settings.delivery.lease, secs(15));
        assert_eq!(settings.delivery.renew_every, secs(5));
        assert_eq!(settings.delivery.sweep_every, secs(5));
        assert_eq!(settings.delivery.max_attempts, 3);
        assert_eq!(settings.shutdown_timeout, secs(30));
    }

    #[test]
    fn every_problem_is_reported_at_once() {
        let text = |text: &str| Some(text.to_owned());
        let args = CommonArgs {
            redis_url: text("foo"),
            log_level: text("loud"),
            lease: text("15"),
            max_attempts: text("0"),
            concurrency: text("many"),
            http_addr: text("nowhere"),
            prefix: text("a b"),
            environment: text("moon"),
            ..CommonArgs::default()
        };
        let problems = resolve(&args).err().unwrap_or_default();
        for word in [
            "--redis-url",
            "--log-level",
            "--lease",
            "--max-attempts",
            "--concurrency",
            "--http-addr",
            "--prefix",
            "--environment",
        ] {
            assert!(problems.iter().any(|line| line.contains(word)), "{word}: {problems:?}");
        }
        assert_eq!(problems.len(), 8, "{problems:?}");
    }

    #[test]
    fn an_address_with_a_password_is_not_repeated() {
        let args = CommonArgs {
            redis_url: Some("http://:hunter2@example".to_owned()),
            ..CommonArgs::default()
        };
        let problems = resolve(&args).err().unwrap_or_default().join("\n");
        assert!(problems.contains("--redis-url") && !problems.contains("hunter2"), "{problems}");
    }
}
