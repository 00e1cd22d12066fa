//! What a one-shot command works on: the configuration, Redis, and standard output.
//!
//! Owns the frame of every such command: configuration judged whole, one attempt at Redis, one
//! report of what went wrong. It knows no command.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use printery_config::Fleet;
use printery_events::EventType;
use printery_events::topology::{WORKERS, Worker};
use printery_harness::args::CommonArgs;
use printery_harness::exit;
use printery_harness::settings::{Defaults, Settings};
use printery_streams::{Keys, Partitions, Redis, Session};

use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::redis_cli::RedisCli;
use crate::cli::sighting::event_types;
use crate::settings::HTTP_ADDR;

/// What goes before everything that is said on standard error.
pub(crate) const PROGRAM: &str = "printery-workers";

/// How long one Redis command may take. A person waits for it, not a lease: however short the
/// leases of this fleet are, a busy server is not one that is away. 5 s.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(5);

/// Configuration, Redis and output of one command.
pub(crate) struct Target {
    /// Flags, environment and fleet file, judged.
    pub(crate) settings: Settings,
    /// The fleet file, or the built-in profile.
    pub(crate) fleet: Arc<Fleet>,
    /// Everything that exists once per partition, and where a deployment's events live.
    pub(crate) partitions: Partitions,
    /// The names of the home partition's keys.
    pub(crate) keys: Keys,
    /// The server with the home partition.
    pub(crate) redis: Redis,
    /// A connection to it.
    pub(crate) session: Session,
    /// Where to print.
    pub(crate) out: Output,
}

impl Target {
    /// Judges the configuration; connects to nothing yet.
    ///
    /// # Errors
    /// Every problem at once, exit code 2.
    pub(crate) fn try_new(common: &CommonArgs) -> Result<Self, Failure> {
        let fleet = load_fleet(common)?;
        let defaults = Defaults { worker: None, http_addr: HTTP_ADDR };
        let settings = Settings::resolve(common, defaults, &fleet.engine)
            .map_err(|problems| Failure::usage(problems.join("\n")))?;
        let Settings { bus, prefix, partitions, .. } = &settings;
        let partitions = Partitions::try_new(bus, prefix, *partitions, COMMAND_TIMEOUT)
            .map_err(|error| Failure::usage(format!("--redis-url (REDIS_URL): {}", error.code)))?;
        Ok(Self::of(settings, Arc::new(fleet), partitions, Output::stdout()))
    }

    /// Puts together what has been judged already; connects to nothing yet.
    pub(crate) fn of(
        settings: Settings,
        fleet: Arc<Fleet>,
        partitions: Partitions,
        out: Output,
    ) -> Self {
        let home = partitions.home().clone();
        Self {
            keys: home.keys,
            session: home.redis.session(),
            redis: home.redis,
            out,
            partitions,
            settings,
            fleet,
        }
    }

    /// Every event type of this fleet, its stages included.
    pub(crate) fn event_types(&self) -> Vec<EventType> {
        event_types(&self.fleet.stages)
    }

    /// How a person talks to the same Redis.
    pub(crate) fn redis_cli(&self) -> RedisCli {
        RedisCli::new(&self.settings.bus.url)
    }
}

/// Loads the fleet file that flags and environment name, or the built-in profile.
///
/// # Errors
/// Every problem of the file, exit code 2.
pub(crate) fn load_fleet(common: &CommonArgs) -> Result<Fleet, Failure> {
    let path = common.config.as_deref().map(Path::new);
    Fleet::load(path, &|name| common.variable(name)).map_err(Failure::usage)
}

/// Finds a worker by what was typed.
///
/// # Errors
/// There is no such worker; the text lists those that there are.
pub(crate) fn worker_named(name: &str) -> Result<&'static Worker, Failure> {
    Worker::find(name).ok_or_else(|| {
        let known: Vec<&str> = WORKERS.iter().map(|worker| worker.name).collect();
        Failure::usage(format!("unknown worker {name:?}; the workers are {}", known.join(", ")))
    })
}

/// Runs a command that needs Redis; `attempt` completes "cannot …".
pub(crate) fn on_redis(
    common: &CommonArgs,
    attempt: &str,
    work: impl AsyncFnOnce(&mut Target) -> Result<(), Failure>,
) -> ExitCode {
    let mut target = match Target::try_new(common) {
        Ok(target) => target,
        Err(failure) => return conclude(&failure),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return conclude(&Failure::failed(format!("cannot start the runtime: {error}")));
        }
    };
    let done = runtime.block_on(work(&mut target));
    let cleared = target.out.take_live_away().map_err(Failure::from);
    match done.and(cleared) {
        Ok(()) => exit::code(exit::DONE),
        Err(failure) => conclude(&located(failure, attempt, &target.redis)),
    }
}

/// Adds what was attempted and on which server.
fn located(failure: Failure, attempt: &str, redis: &Redis) -> Failure {
    if !failure.of_redis {
        return failure;
    }
    let address = redis.address();
    let text = if failure.code == exit::UNAVAILABLE {
        format!("cannot {attempt}: Redis at {address} cannot be reached: {}", failure.text)
    } else {
        format!("cannot {attempt}: Redis at {address}: {}", failure.text)
    };
    Failure { text, ..failure }
}

/// Reports a failure and gives its exit code.
pub(crate) fn conclude(failure: &Failure) -> ExitCode {
    exit::report(PROGRAM, &failure.text);
    exit::code(failure.code)
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({}, {})", self.redis.address(), self.keys.prefix())
    }
}
