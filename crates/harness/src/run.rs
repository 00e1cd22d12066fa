//! The life of a worker process, from top to bottom.
//!
//! Called by the `main` of every worker binary; reads the settings, makes sure of Redis and the
//! groups, starts the loops, and winds them down. Nothing here handles a delivery.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use clap::Parser;
use metrics_exporter_prometheus::PrometheusHandle;
use printery_config::Fleet;
use printery_events::topology::Worker;
use tokio::runtime::Runtime;

use crate::args::CommonArgs;
use crate::exit;
use crate::handler::Handler;
use crate::logging::init_logging;
use crate::process::{Crew, Process, Stopped};
use crate::reload::{Reload, replace};
use crate::settings::{Defaults, Settings};
use crate::shutdown::{Phase, Shutdown};
use crate::telemetry;

/// What a worker's handler is built from.
#[derive(Debug, Clone)]
pub struct Boot {
    /// The fleet file, or the built-in profile.
    pub fleet: Arc<Fleet>,
    /// `development`, `staging` or `production`.
    pub environment: String,
}

/// A list of sentences that say why a process cannot start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<String>);

impl std::fmt::Display for Problems {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl<T: Into<String>> From<T> for Problems {
    fn from(problem: T) -> Self {
        Self(vec![problem.into()])
    }
}

#[derive(Parser)]
#[command(version, about = "One worker of the printery fleet")]
struct Args {
    #[command(flatten)]
    common: CommonArgs,
}

/// Runs a worker process until it is told to stop; gives what `main` returns.
///
/// `build` makes the handler; it is called inside the runtime, before anything is read, and again
/// for each new fleet file.
pub fn run<H: Handler>(
    worker: &'static Worker,
    build: impl Fn(Boot) -> Result<H, Problems> + Send + Sync + 'static,
) -> ExitCode {
    match start(worker, build) {
        Ok(code) => exit::code(code),
        Err((code, problems)) => {
            exit::report(worker.program, &problems);
            exit::code(code)
        }
    }
}

fn start<H: Handler>(
    worker: &'static Worker,
    build: impl Fn(Boot) -> Result<H, Problems> + Send + Sync + 'static,
) -> Result<u8, (u8, Problems)> {
    let usage = |problems| (exit::USAGE, problems);
    let bug = |problem: String| (exit::BUG, Problems::from(problem));
    let args = match Args::try_parse() {
        Ok(args) => args.common.without_blanks(),
        // Help and version are no errors; clap knows where each belongs.
        Err(error) => {
            let _printed = error.print().is_ok();
            return Ok(u8::try_from(error.exit_code()).unwrap_or(exit::USAGE));
        }
    };
    let (reload, settings) = load(worker, &args).map_err(usage)?;
    let file = settings.log_file.as_deref();
    init_logging(worker.program, settings.log_level, settings.log_format, file);
    let metrics = telemetry::install().map_err(bug)?;
    telemetry::begin(worker.name);
    for warning in &reload.current().warnings {
        tracing::warn!("{warning}");
    }

    // Handlers have threads of their own: one that blocks its thread stops neither the renewal of
    // leases nor the end of the process.
    let (engine, handlers) = (runtime().map_err(bug)?, runtime().map_err(bug)?);
    let code = engine.block_on(async {
        let environment = settings.environment.clone();
        let build = move |fleet| build(Boot { fleet, environment: environment.clone() });
        let handler = build(Arc::clone(reload.current())).map_err(usage)?;
        let handler = Arc::new(ArcSwap::from_pointee(handler));
        let fleet = Arc::clone(reload.current());
        let renewal = replace(reload, Arc::clone(&handler), build);
        let crew =
            Crew { handler, handlers: handlers.handle().clone(), renewal: Box::pin(renewal) };
        live(worker, &fleet, settings, crew, metrics).await
    });
    // What still blocks beyond its deadline, were it a look-up of a name, must not hold the process up.
    for runtime in [handlers, engine] {
        runtime.shutdown_timeout(Duration::from_millis(250));
    }
    code
}

fn runtime() -> Result<Runtime, String> {
    let built = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    built.map_err(|error| format!("the runtime could not be started: {error}"))
}

/// Reads the fleet file and merges the settings; all problems of both together.
fn load(worker: &'static Worker, args: &CommonArgs) -> Result<(Reload, Settings), Problems> {
    let reload = Reload::begin(args);
    let defaults = Defaults { worker: Some(worker), http_addr: "127.0.0.1:0" };
    let no_file = printery_config::Engine::default();
    let file = reload.as_ref().map_or(&no_file, |reload| &reload.current().engine);
    let settings = Settings::resolve(args, defaults, file);
    match (reload, settings) {
        (Ok(reload), Ok(settings)) => Ok((reload, settings)),
        (reload, settings) => {
            let mut problems: Vec<String> = Vec::new();
            problems.extend(reload.err().map(|problems| problems.to_string()));
            problems.extend(settings.err().unwrap_or_default());
            Err(Problems(problems))
        }
    }
}

async fn live<H: Handler>(
    worker: &'static Worker,
    fleet: &Fleet,
    settings: Settings,
    crew: Crew<H>,
    metrics: PrometheusHandle,
) -> Result<u8, (u8, Problems)> {
    let shutdown = Shutdown::default();
    let mut signals = tokio::task::JoinSet::new();
    let followed = shutdown.clone();
    signals.spawn(async move { followed.follow_signals().await });
    let process = tokio::select! {
        prepared = Process::prepare(worker, fleet, settings, shutdown.clone()) => prepared?,
        // Told to stop before there was anything to finish.
        () = shutdown.reached(Phase::Draining) => return Ok(exit::DONE),
    };
    Ok(match process.work(crew, metrics).await.map_err(|p| (exit::FAILED, p))? {
        Stopped::Clean => exit::DONE,
        Stopped::HandedBack => exit::DEADLINE,
        Stopped::Broken => exit::BUG,
    })
}
