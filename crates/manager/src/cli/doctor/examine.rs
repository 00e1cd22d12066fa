//! Gathers what the doctor judges: programs on this machine, and what Redis says.
//!
//! Only reads. What it means is decided in `finding`.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use jiff::Timestamp;
use printery_events::topology::WORKERS;
use printery_streams::server::{self, Remark, ServerFacts};
use printery_streams::{Clock, Partition, group, inspect};

use crate::cli::doctor::finding::{Finding, programs_found};
use crate::cli::failure::Failure;
use crate::cli::observed::observe;
use crate::cli::target::Target;
use crate::groups::PartitionStreams;
use crate::launch;
use crate::layout;
use crate::leftovers::{self, Leftover};
use crate::snapshot::Observation;

/// What Redis says.
#[derive(Debug)]
pub(crate) struct Examined {
    /// The server's address, without credentials.
    pub(crate) address: String,
    /// The server.
    pub(crate) server: ServerFacts,
    /// What is to be said about it.
    pub(crate) remarks: Vec<Remark>,
    /// The host's clock against the server's, milliseconds.
    pub(crate) clock_off_ms: u64,
    /// How long an entry stays with a silent owner, milliseconds.
    pub(crate) lease_ms: u64,
    /// Streams, queues and instances.
    pub(crate) observation: Observation,
    /// Consumers that hold entries.
    pub(crate) holders: Vec<Holder>,
    /// By worker, how many entries were lost.
    pub(crate) lost: Vec<(&'static str, u64)>,
    /// Why the live processes cannot work together.
    pub(crate) disagreement: Option<String>,
    /// Other prefixes with streams of this fleet.
    pub(crate) leftovers: Vec<Leftover>,
}

/// A consumer that holds entries of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holder {
    /// The worker whose group it is in.
    pub(crate) worker: &'static str,
    /// The event type, or the inbox.
    pub(crate) stream: String,
    /// The consumer.
    pub(crate) consumer: String,
    /// Entries that it holds.
    pub(crate) pending: u64,
    /// Since it last asked for anything, milliseconds.
    pub(crate) idle_ms: u64,
}

/// Looks whether every worker's program is where the manager looks for it.
pub(crate) fn programs() -> Vec<Finding> {
    let directory = match launch::program_directory() {
        Ok(directory) => directory,
        Err(error) => {
            let hint = "set PRINTERY_BIN_DIR to where the programs are";
            return vec![Finding::wrong("programs", error.to_string(), hint)];
        }
    };
    let missing: Vec<&str> = WORKERS
        .iter()
        .map(|worker| worker.program)
        .filter(|program| !is_executable(&directory.join(program)))
        .collect();
    vec![programs_found(&directory, &missing)]
}

fn is_executable(program: &Path) -> bool {
    let found = std::fs::metadata(program);
    found.is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// Asks Redis about itself and about the fleet.
pub(crate) async fn redis(target: &mut Target) -> Result<Examined, Failure> {
    let server = server::facts(&mut target.session).await?;
    let clock = Clock::default();
    clock.read(&mut target.session).await?;
    let host = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or_default();
    let clock_off_ms = host.abs_diff(clock.now_ms());
    let observation = observe(target).await?;
    let (stages, settings) = (&target.fleet.stages, &target.settings);
    let live = observation.instances.iter().map(|(_, instance)| instance);
    let disagreement = layout::disagreement(target.partitions.all().len(), live);
    let lease = settings.delivery.lease.as_millis();
    Ok(Examined {
        address: target.redis.address().to_owned(),
        server,
        remarks: remarks(target).await?,
        clock_off_ms,
        lease_ms: u64::try_from(lease).unwrap_or(u64::MAX),
        holders: holders(target, &observation).await?,
        lost: lost(target).await?,
        disagreement,
        leftovers: leftovers::find(&target.partitions, settings, stages).await?,
        observation,
    })
}

/// What is to be said about the servers, each of which is asked once.
async fn remarks(target: &Target) -> Result<Vec<Remark>, Failure> {
    let (mut asked, mut remarks) = (BTreeSet::new(), Vec::new());
    for Partition { keys, redis } in target.partitions.all() {
        if asked.insert(redis.address()) {
            let facts = server::facts(&mut redis.session()).await?;
            remarks.extend(facts.remarks(keys.prefix()));
        }
    }
    remarks.dedup();
    Ok(remarks)
}

/// How many entries each worker has found missing, over all partitions.
async fn lost(target: &Target) -> Result<Vec<(&'static str, u64)>, Failure> {
    let mut lost: Vec<_> = WORKERS.iter().map(|worker| (worker.name, 0)).collect();
    for Partition { keys, redis } in target.partitions.all() {
        let mut session = redis.session();
        for (worker, total) in &mut lost {
            let ledger = inspect::ledger(&mut session, keys, worker).await?;
            let counts = ledger.iter().filter(|(name, _)| name.ends_with("|lost"));
            *total += counts.map(|(_, count)| count).sum::<u64>();
        }
    }
    Ok(lost)
}

/// Consumers that hold entries; asks only where something is pending.
async fn holders(target: &Target, seen: &Observation) -> Result<Vec<Holder>, Failure> {
    let mut holders = Vec::new();
    let places = PartitionStreams::of_all(&target.partitions, &target.fleet.stages);
    for (place, view) in places.iter().zip(&seen.partitions) {
        let mut session = place.partition.redis.session();
        let pending = place.subscriptions.iter().zip(&view.groups);
        for (one, view) in pending.filter(|(_, view)| view.pending > 0) {
            for consumer in group::consumers(&mut session, &one.key, &one.group).await? {
                if consumer.pending > 0 {
                    holders.push(Holder {
                        worker: one.worker.name,
                        stream: view.stream.clone(),
                        consumer: consumer.name,
                        pending: consumer.pending,
                        idle_ms: consumer.idle_ms,
                    });
                }
            }
        }
    }
    Ok(holders)
}
