#![doc = include_str!("../README.md")]

mod database;
mod job;
mod lock;
mod mirror;
mod postgres;
mod questions;
mod server;
mod sqlite;
mod tables;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use printery_config::{Fleet, is_postgres};
use printery_harness::args::CommonArgs;
use printery_harness::exit;
use printery_harness::logging::init_logging;
use printery_harness::settings::{Defaults, Settings};
use printery_harness::shutdown::{Phase, Shutdown};
use printery_streams::Partitions;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::database::Database;
use crate::lock::Lock;
use crate::mirror::Mirror;
use crate::postgres::Postgres;
use crate::sqlite::Sqlite;

const PROGRAM: &str = "printery-store";

/// How long a command of Redis may take: somebody waits for the answer to a question. 2 s.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(2);

/// Remembers the fleet's jobs for longer than Redis does
#[derive(Debug, Parser)]
#[command(name = PROGRAM, version, about)]
struct Args {
    #[command(flatten)]
    common: CommonArgs,
    /// Where jobs are kept: a file, or `postgres://user:password@host/database`
    #[arg(long, env = "STORE_URL", value_name = "URL", default_value = "data/jobs.db")]
    store_url: String,
    /// The unix socket that questions come over
    #[arg(long, value_name = "FILE")]
    socket: PathBuf,
    /// End when standard input does, which its manager holds open
    #[arg(long)]
    attended: bool,
}

fn main() -> ExitCode {
    let Args { common, store_url, socket, attended } = Args::parse();
    let common = common.without_blanks();
    let path = common.config.as_deref().map(Path::new);
    let usage = |problems: String| {
        exit::report(PROGRAM, &problems);
        exit::code(exit::USAGE)
    };
    let fleet = match Fleet::load(path, &|name| common.variable(name)) {
        Ok(fleet) => fleet,
        Err(problems) => return usage(problems.to_string()),
    };
    let defaults = Defaults { worker: None, http_addr: "off" };
    let settings = match Settings::resolve(&common, defaults, &fleet.engine) {
        Ok(settings) => settings,
        Err(problems) => return usage(problems.join("\n")),
    };
    let file = settings.log_file.as_deref();
    init_logging(PROGRAM, settings.log_level, settings.log_format, file);
    let runtime =
        match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                exit::report(PROGRAM, &format!("cannot start the runtime: {error}"));
                return exit::code(exit::FAILED);
            }
        };
    let ended = runtime.block_on(keep(
        &settings,
        &store_url,
        &socket,
        Life { attended, keep: fleet.store.keep },
    ));
    // A read of standard input may never end.
    runtime.shutdown_background();
    match ended {
        Ok(()) => exit::code(exit::DONE),
        Err(problem) => {
            exit::report(PROGRAM, &problem);
            exit::code(exit::FAILED)
        }
    }
}

/// How long this process and what it keeps live.
#[derive(Debug, Clone, Copy)]
struct Life {
    /// Whether it ends with its standard input.
    attended: bool,
    /// How long a job that ended is remembered.
    keep: Option<Duration>,
}

/// Takes the database, or leaves it to the process that has it.
async fn keep(settings: &Settings, url: &str, socket: &Path, life: Life) -> Result<(), String> {
    let Some(_lock) = Lock::take(&lock::beside(url, socket))? else {
        tracing::info!("another process has the database");
        return Ok(());
    };
    let Settings { bus, prefix, partitions, .. } = settings;
    let partitions = Partitions::try_new(bus, prefix, *partitions, COMMAND_TIMEOUT)
        .map_err(|error| format!("--redis-url (REDIS_URL): {error}"))?;
    if is_postgres(url) {
        serve(Postgres::try_new(url)?, &partitions, socket, life).await
    } else {
        serve(Sqlite::open(Path::new(url))?, &partitions, socket, life).await
    }
}

async fn serve(
    database: impl Database,
    partitions: &Partitions,
    socket: &Path,
    life: Life,
) -> Result<(), String> {
    let mirror = Mirror::begin(database, partitions, life.keep).await?;
    let mirror = Arc::new(Mutex::new(mirror));
    let listener = server::bind(socket)?;
    let shutdown = Shutdown::default();
    let mut background = JoinSet::new();
    let signals = shutdown.clone();
    background.spawn(async move {
        if let Err(error) = signals.follow_signals().await {
            tracing::error!(%error, "signals cannot be followed");
        }
    });
    if life.attended {
        background.spawn(end_with_stdin(shutdown.clone()));
    }
    background.spawn(mirror::follow(Arc::clone(&mirror)));
    background.spawn(server::answer(listener, Arc::clone(&mirror)));
    tracing::info!(socket = %socket.display(), "keeping the history");
    shutdown.reached(Phase::Draining).await;
    background.shutdown().await;
    // What the fleet settled while it stopped.
    mirror.lock().await.catch_up().await;
    if let Err(error) = std::fs::remove_file(socket) {
        tracing::debug!(%error, "the socket stays");
    }
    Ok(())
}

/// Ends this process with the one that started it.
async fn end_with_stdin(shutdown: Shutdown) {
    let read = tokio::io::copy(&mut tokio::io::stdin(), &mut tokio::io::sink()).await;
    tracing::info!(?read, "the manager is gone or wants this to end");
    shutdown.advance(Phase::Draining);
}
