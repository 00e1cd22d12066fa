//! How a worker's program is found and what it is told.
//!
//! Called by `run`, for children and for the worker that replaces this process. Everything is told
//! by the environment: arguments stand in the process list, where secrets have no place.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::time::Duration;

use printery_events::topology::Worker;
use printery_harness::args::{CommonArgs, environment};
use printery_streams::Partition;

use crate::archive::{Archive, Program};
use crate::child::{Launch, OnSilence};
use crate::settings::Settings;
use crate::supervisor::Enrolled;

/// Where a child serves HTTP: a port of its own choice, which it tells its manager.
const CHILD_HTTP: &str = "127.0.0.1:0";
/// How long a ready worker may be silent. 15 s: a worker speaks every 5 s, and one that waits for a
/// Redis that stalls may miss a turn.
const WATCHDOG: Duration = Duration::from_secs(15);
/// What is for the manager alone.
const MANAGERS_OWN: [&str; 7] = [
    "PRINTERY_GITHUB_SECRET",
    "PRINTERY_GITHUB_SECRET_FILE",
    "PRINTERY_API_TOKEN",
    "PRINTERY_API_TOKEN_FILE",
    "PRINTERY_API_TOKENS_FILE",
    "WORKER_MODE",
    "SUPERVISED_MODE",
];

type Environment = Vec<(String, Option<OsString>)>;

/// The workers to start, stage by stage: the first alone, then the others together.
///
/// # Errors
/// This program's own place in the file system is unknown.
pub(crate) fn stages(common: &CommonArgs, settings: &Settings) -> io::Result<Vec<Vec<Enrolled>>> {
    let directory = program_directory()?;
    let enrol = |worker: &'static Worker| Enrolled {
        worker: worker.name,
        lazy: settings.chosen.lazy.contains(&worker.name),
        launch: Launch {
            program: directory.join(worker.program),
            arguments: Vec::new(),
            environment: child_environment(common, settings, worker),
            watchdog: WATCHDOG,
            on_silence: if settings.plan.restart.supervised {
                OnSilence::Kill
            } else {
                OnSilence::Report
            },
        },
    };
    let workers = settings.chosen.workers.iter().copied().map(enrol);
    // Nobody waits for one that is not started.
    let (lazy, started): (Vec<_>, Vec<_>) = workers.partition(|one| one.lazy);
    let mut started = started.into_iter();
    let first: Vec<_> = started.by_ref().take(1).collect();
    let others: Vec<_> = started.chain(lazy).collect();
    Ok([first, others].into_iter().filter(|stage| !stage.is_empty()).collect())
}

/// Prepares the process that remembers jobs, where there is to be one; starts nothing.
///
/// # Errors
/// This program's own place in the file system is unknown.
pub(crate) fn archive(
    common: &CommonArgs,
    address: Option<&str>,
    home: &Partition,
) -> io::Result<Archive> {
    let Some(address) = address else { return Ok(Archive::default()) };
    Ok(Archive::new(Program {
        path: program_directory()?.join("printery-store"),
        environment: shared_environment(common, "off"),
        address: address.to_owned(),
        fleet: format!("{} {}", home.redis.address(), home.keys.prefix()),
    }))
}

/// Replaces this process by a worker's program; returns only when that fails.
pub(crate) fn become_worker(common: &CommonArgs, worker: &'static Worker) -> (PathBuf, io::Error) {
    let directory = match program_directory() {
        Ok(directory) => directory,
        Err(error) => return (worker.program.into(), error),
    };
    let program = directory.join(worker.program);
    let mut command = std::process::Command::new(&program);
    let http = common.http_addr.clone().unwrap_or_else(|| CHILD_HTTP.to_owned());
    for (name, value) in worker_environment(common, worker, &http) {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let error = command.exec();
    (program, error)
}

/// Where the workers' programs are: beside this one, unless somebody says.
///
/// # Errors
/// This program's own place in the file system is unknown.
pub(crate) fn program_directory() -> io::Result<PathBuf> {
    if let Some(directory) = environment("PRINTERY_BIN_DIR") {
        return Ok(directory.into());
    }
    let own = std::env::current_exe()?;
    own.parent().map(Into::into).ok_or_else(|| io::Error::other("this program has no directory"))
}

fn child_environment(
    common: &CommonArgs,
    settings: &Settings,
    worker: &'static Worker,
) -> Environment {
    let http = if settings.shared.http_addr.is_some() { CHILD_HTTP } else { "off" };
    worker_environment(common, worker, http)
}

/// What flags said, as the variables that mean the same; what they did not say is inherited.
fn worker_environment(common: &CommonArgs, worker: &'static Worker, http: &str) -> Environment {
    let concurrency = format!("{}_CONCURRENCY", worker.name.replace('-', "_").to_uppercase());
    let told = common.concurrency.as_ref().map(|value| (concurrency, Some(value.into())));
    told.into_iter().chain(shared_environment(common, http)).collect()
}

/// The same for what every program of the fleet reads.
fn shared_environment(common: &CommonArgs, http: &str) -> Environment {
    let told = [
        ("REDIS_URL", &common.redis_url),
        ("PRINTERY_REDIS_CA", &common.redis_ca),
        ("PRINTERY_REDIS_CERT", &common.redis_cert),
        ("PRINTERY_REDIS_KEY", &common.redis_key),
        ("PRINTERY_REDIS_INSECURE", &common.redis_insecure),
        ("PRINTERY_REDIS_WAIT", &common.redis_wait),
        ("PRINTERY_PREFIX", &common.prefix),
        ("PRINTERY_PARTITIONS", &common.partitions),
        ("PRINTERY_CONFIG", &common.config),
        ("LOG_LEVEL", &common.log_level),
        ("PRINTERY_LOG_FORMAT", &common.log_format),
        ("LOG_FILE", &common.log_file),
        ("ENVIRONMENT", &common.environment),
        ("PRINTERY_LEASE", &common.lease),
        ("PRINTERY_MAX_ATTEMPTS", &common.max_attempts),
        ("SHUTDOWN_TIMEOUT", &common.shutdown_timeout),
        ("PRINTERY_ENCODING", &common.encoding),
        ("SLACK_WEBHOOK_URL", &common.slack_webhook),
    ];
    let told = told.into_iter().filter_map(|(name, value)| {
        value.as_ref().map(|value| (name.to_owned(), Some(value.into())))
    });
    let kept = MANAGERS_OWN.map(|name| (name.to_owned(), None));
    let http = ("PRINTERY_HTTP_ADDR".to_owned(), Some(http.into()));
    told.chain(kept).chain([http]).collect()
}

#[cfg(test)]
mod tests {
    use printery_events::topology::DEPENDENCY_CHECKER;

    use super::*;
    use crate::settings::ManagerArgs;

    /// What a variable is set to; `inherited` or `taken away` where it is not set.
    fn value(environment: &Environment, name: &str) -> String {
        match environment.iter().find(|(found, _)| found == name) {
            Some((_, Some(value))) => value.to_string_lossy().into_owned(),
            Some((_, None)) => "taken away".to_owned(),
            None => "inherited".to_owned(),
        }
    }

    #[test]
    fn flags_reach_a_worker_as_the_variables_that_mean_the_same() {
        let common = CommonArgs {
            redis_url: Some("redis://:hunter2@localhost".to_owned()),
            concurrency: Some("7".to_owned()),
            lease: Some("2s".to_owned()),
            redis_ca: Some("/etc/ca.pem".to_owned()),
            ..CommonArgs::default()
        };
        let told = worker_environment(&common, &DEPENDENCY_CHECKER, CHILD_HTTP);
        for (name, expected) in [
            ("REDIS_URL", "redis://:hunter2@localhost"),
            ("DEPENDENCY_CHECKER_CONCURRENCY", "7"),
            ("PRINTERY_LEASE", "2s"),
            ("PRINTERY_REDIS_CA", "/etc/ca.pem"),
            ("PRINTERY_HTTP_ADDR", "127.0.0.1:0"),
            ("PRINTERY_PREFIX", "inherited"),
            ("PRINTERY_API_TOKEN", "taken away"),
        ] {
            assert_eq!(value(&told, name), expected, "{name}");
        }
    }

    #[test]
    fn the_validator_is_a_stage_of_its_own() {
        let settings = |worker: &str| {
            let own = ManagerArgs { worker: Some(worker.to_owned()), ..ManagerArgs::default() };
            Settings::try_new(&CommonArgs::default(), &own).unwrap_or_else(|p| panic!("{p}"))
        };
        let names = |worker: &str| -> Vec<Vec<&str>> {
            let stages = stages(&CommonArgs::default(), &settings(worker)).unwrap();
            stages.iter().map(|stage| stage.iter().map(|one| one.worker).collect()).collect()
        };
        let others = vec!["dependency-checker", "health-monitor", "notifier"];
        assert_eq!(names("all"), [vec!["validator"], others]);
        assert_eq!(names("notifier"), [vec!["notifier"]]);
        assert!(names("none").is_empty());
    }
}
