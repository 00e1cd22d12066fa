//! The manager's life from top to bottom: boot, wait, drain.
//!
//! Called by the command line when the fleet is to run. Whatever can be wrong is found before the
//! first child is started; afterwards only a signal ends it.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use jiff::Timestamp;
use metrics_exporter_prometheus::PrometheusHandle;
use printery_harness::args::CommonArgs;
use printery_harness::reload::Reload;
use printery_harness::shutdown::{Phase, Shutdown};
use printery_harness::{exit, logging, readiness};
use printery_streams::{Clock, Error, ErrorKind, Partition, Partitions};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::api::desk::Desk;
use crate::api::guard::Guard;
use crate::api::{self, Api};
use crate::census::Census;
use crate::checker::Checker;
use crate::collector::{Collected, Collector};
use crate::groups::{self, PartitionStreams};
use crate::janitor::{Janitor, Retention};
use crate::launch;
use crate::leadership::{Lead, Leadership, own_name};
use crate::leftovers;
use crate::pid_file::{PidArgs, PidFile};
use crate::registrar::Registrar;
use crate::roster::Ending;
use crate::settings::{ManagerArgs, Settings};
use crate::snapshot::Facts;
use crate::steward::Steward;
use crate::supervisor::{Command, Supervisor};
use crate::telemetry;

/// This program's name, before everything it says on standard error.
const PROGRAM: &str = "printery-workers";

/// How long giving the lead back, and what is still to be put on record, may keep a manager that has
/// ended. 1 s: the others find out by themselves as well.
const GIVE_BACK: Duration = Duration::from_secs(1);

/// Why the manager ends before it was told to: the exit code and what to say.
#[derive(Debug)]
struct Abort {
    code: u8,
    sentence: String,
}

impl Abort {
    fn new(code: u8, sentence: impl Into<String>) -> Self {
        Self { code, sentence: sentence.into() }
    }
}

/// Runs the fleet, or replaces this process by the one worker that was asked for.
pub(crate) fn run(common: &CommonArgs, own: &ManagerArgs, pid: &PidArgs) -> ExitCode {
    let settings = match Settings::try_new(common, own) {
        Ok(settings) => settings,
        Err(problems) => {
            exit::report(PROGRAM, &problems);
            return exit::code(exit::USAGE);
        }
    };
    if let Some(worker) = settings.replacement() {
        let (program, error) = launch::become_worker(common, worker);
        exit::report(PROGRAM, &format!("cannot start {}: {error}", program.display()));
        return exit::code(exit::FAILED);
    }
    let _held = match pid.path().map(PidFile::take).transpose() {
        Ok(held) => held,
        Err(problem) => {
            exit::report(PROGRAM, &problem);
            return exit::code(exit::FAILED);
        }
    };
    let shared = &settings.shared;
    let file = shared.log_file.as_deref();
    logging::init_logging(PROGRAM, shared.log_level, shared.log_format, file);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            exit::report(PROGRAM, &format!("cannot start the runtime: {error}"));
            return exit::code(exit::FAILED);
        }
    };
    match runtime.block_on(manage(common, &settings)) {
        Ok(Ending::Clean) => exit::code(exit::DONE),
        Ok(Ending::DeadlinePassed) => exit::code(exit::DEADLINE),
        Err(Abort { code, sentence }) => {
            exit::report(PROGRAM, &sentence);
            exit::code(code)
        }
    }
}

/// Boots the control plane, then the children, and waits for their end.
async fn manage(common: &CommonArgs, settings: &Settings) -> Result<Ending, Abort> {
    let recorder = telemetry::install()
        .map_err(|error| Abort::new(exit::BUG, format!("cannot collect metrics: {error}")))?;
    let shutdown = Shutdown::default();
    // Dropped at the end of this function, and with it every task that has no end of its own.
    let mut background = JoinSet::new();
    let signals = shutdown.clone();
    background.spawn(async move {
        if let Err(error) = signals.follow_signals().await {
            tracing::error!(%error, "signals cannot be followed");
        }
    });

    for warning in &settings.chosen.warnings {
        tracing::warn!("{warning}");
    }
    let shared = &settings.shared;
    let timeout = shared.delivery.command_timeout();
    let partitions = Partitions::try_new(&shared.bus, &shared.prefix, shared.partitions, timeout)
        .map_err(|error| {
        Abort::new(exit::USAGE, format!("--redis-url (REDIS_URL): {error}"))
    })?;

    let mut supervisor = launch::stages(common, settings)
        .and_then(|stages| Supervisor::try_new(settings.plan, stages))
        .map_err(|error| Abort::new(exit::FAILED, format!("cannot prepare workers: {error}")))?;
    let archive = launch::archive(common, settings.archive.as_deref(), partitions.home())
        .map_err(|error| Abort::new(exit::FAILED, format!("cannot prepare the store: {error}")))?;
    let checker = Checker::new(settings.health_check_interval, supervisor.watch());
    let (collector, collected) = Collector::new(&partitions, &settings.fleet.stages);
    let name = own_name();
    let lease = shared.delivery.lease;
    let (leadership, lead) = Leadership::new(partitions.home(), &name, lease);
    let desk =
        Desk::new(shared.clone(), settings.fleet.clone(), partitions.clone()).with(archive.clone());
    background.spawn(renew(common, desk.clone(), supervisor.commands())?);
    if let Some((listener, guard)) = listen(settings).await? {
        let api = Api {
            facts: Arc::new(facts(settings, &name)),
            roll: supervisor.watch(),
            unwell: checker.watch(),
            collected: collected.clone(),
            recorder: recorder.clone(),
            desk,
        };
        serve(&mut background, listener, api::routes(api, guard));
    }

    tokio::select! {
        prepared = prepare_redis(&partitions, settings) => prepared?,
        () = shutdown.reached(Phase::Draining) => return Ok(Ending::Clean),
    }
    background.spawn(collector.run());
    background.spawn(checker.run());
    let mut leading = JoinSet::new();
    let draining = shutdown.clone();
    leading.spawn(leadership.run(async move { draining.reached(Phase::Draining).await }));
    background.spawn(janitor(&partitions, settings, lead.clone()).run());
    background.spawn(Census::new(partitions.home(), settings.thresholds, lead.clone()).run());
    if let Some(news) = supervisor.news() {
        leading.spawn(Registrar::new(partitions.home(), news).run());
    }
    background.spawn(
        Steward::new(partitions.home(), supervisor.commands(), &settings.chosen, (lead, &name))
            .run(),
    );
    background.spawn(upkeep(recorder));
    let ending = supervise(supervisor, shutdown, &collected).await;
    // Last, so that it sees what the workers settled while they stopped.
    archive.stop().await;
    let written = async { while leading.join_next().await.is_some() {} };
    if tokio::time::timeout(GIVE_BACK, written).await.is_err() {
        tracing::debug!("not everything is on record, the lead is free when its time is over");
    }
    Ok(ending)
}

async fn supervise(supervisor: Supervisor, shutdown: Shutdown, collected: &Collected) -> Ending {
    let address = collected.last().redis.address;
    tracing::info!(redis = address, "the fleet starts");
    let ending = supervisor.run(shutdown).await;
    tracing::info!(?ending, "the fleet has stopped");
    ending
}

/// Takes each new fleet file for what requests ask; workers take it by themselves, and are told of SIGHUP.
fn renew(
    common: &CommonArgs,
    desk: Desk,
    commands: mpsc::UnboundedSender<Command>,
) -> Result<impl Future<Output = ()> + use<>, Abort> {
    let reload =
        Reload::begin(common).map_err(|error| Abort::new(exit::USAGE, error.to_string()))?;
    let hung_up = move || {
        tracing::info!("SIGHUP: the fleet file is read again");
        // A supervisor that is gone has no children left.
        let _gone = commands.send(Command::HangUp).is_err();
    };
    let take = move |fleet| {
        desk.renew(fleet);
        Ok(())
    };
    Ok(reload.follow(hung_up, take))
}

fn janitor(partitions: &Partitions, settings: &Settings, lead: Lead) -> Janitor {
    let retention = Retention {
        age: settings.shared.retention_age,
        entries: settings.shared.retention_entries,
    };
    Janitor::new(partitions, &settings.fleet.stages, retention, lead)
}

/// Takes the address before anything is started, so that a conflict leaves nothing behind.
async fn listen(settings: &Settings) -> Result<Option<(TcpListener, Guard)>, Abort> {
    let (Some(address), Some(guard)) = (settings.shared.http_addr, settings.guard.clone()) else {
        return Ok(None);
    };
    let listener = api::server::bind(address).await.map_err(|error| {
        Abort::new(exit::FAILED, format!("--http-addr {address} cannot be listened on: {error}"))
    })?;
    match listener.local_addr() {
        Ok(address) => tracing::info!(%address, "serving HTTP"),
        Err(error) => tracing::warn!(%error, "serving HTTP on an unknown address"),
    }
    Ok(Some((listener, guard)))
}

fn serve(background: &mut JoinSet<()>, listener: TcpListener, routes: Router) {
    background.spawn(api::server::serve(listener, routes));
}

/// Waits for a Redis that the fleet can trust, and makes every group of every partition.
async fn prepare_redis(partitions: &Partitions, settings: &Settings) -> Result<(), Abort> {
    let clock = Clock::default();
    readiness::warn_of(&partitions.home().redis);
    // On a cluster each may be on another server.
    for Partition { keys, redis } in partitions.all() {
        readiness::await_redis(redis, keys.prefix(), &clock, settings.shared.redis_wait)
            .await
            .map_err(|(code, problems)| Abort::new(code, problems.to_string()))?;
    }
    let (mut made, mut groups) = (0, 0);
    for place in PartitionStreams::of_all(partitions, &settings.fleet.stages) {
        groups += place.subscriptions.len();
        made += make_groups(&place, settings.shared.redis_wait).await?;
    }
    tracing::info!(made, groups, partitions = partitions.all().len(), "consumer groups exist");
    warn_of_leftovers(partitions, settings).await;
    Ok(())
}

/// Makes the groups of a partition, whose server may be another one that is still away.
async fn make_groups(place: &PartitionStreams, wait: Duration) -> Result<usize, Abort> {
    /// Between two attempts. 200 ms, as for the first server.
    const AGAIN: Duration = Duration::from_millis(200);
    let give_up = Instant::now() + wait;
    let mut session = place.partition.redis.session();
    loop {
        let error = match groups::ensure(&mut session, &place.subscriptions).await {
            Ok(made) => return Ok(made),
            Err(error) => error,
        };
        let away = matches!(error.kind, ErrorKind::Unavailable | ErrorKind::Unknown);
        if !away || Instant::now() >= give_up {
            return Err(no_groups(&error));
        }
        tokio::time::sleep(AGAIN).await;
    }
}

fn no_groups(error: &Error) -> Abort {
    let code = match error.kind {
        ErrorKind::Refused | ErrorKind::Malformed => exit::USAGE,
        ErrorKind::Unavailable | ErrorKind::Unknown | ErrorKind::Missing => exit::UNAVAILABLE,
    };
    Abort::new(code, format!("consumer groups cannot be made: {error}"))
}

/// Says what nobody will read; nothing is wrong with the fleet itself, so it starts.
async fn warn_of_leftovers(partitions: &Partitions, settings: &Settings) {
    match leftovers::find(partitions, &settings.shared, &settings.fleet.stages).await {
        Ok(found) => {
            for left in found.iter().filter(|left| !left.is_settled()) {
                tracing::warn!("{}; {}", left.sentence(), left.hint());
            }
        }
        Err(error) => tracing::debug!(%error, "not looked for other partitions"),
    }
}

/// Drains the recorder's buffers, which otherwise grow between scrapes.
async fn upkeep(recorder: PrometheusHandle) {
    /// As often as the recorder's own listener would do it. 5 s.
    const EVERY: Duration = Duration::from_secs(5);
    loop {
        tokio::time::sleep(EVERY).await;
        recorder.run_upkeep();
    }
}

fn facts(settings: &Settings, name: &str) -> Facts {
    Facts {
        name: name.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        mode: settings.mode.as_str().to_owned(),
        supervised: settings.plan.restart.supervised,
        environment: settings.shared.environment.clone(),
        prefix: settings.shared.prefix.clone(),
        partitions: settings.shared.partitions,
        config: settings.fleet.source().to_owned(),
        started_at: Timestamp::now(),
        disabled: settings.chosen.disabled.clone(),
    }
}
