//! The fleet at one instant, as a command sees it: from Redis alone, or from a manager that runs.
//!
//! Owns the choice between both. `status`, `group` and `doctor` render it; looking changes nothing.

use std::time::Duration;

use jiff::Timestamp;
use printery_harness::args::environment;
use printery_streams::partition::prefixes;

use crate::checker::Unwell;
use crate::cli::failure::Failure;
use crate::cli::target::Target;
use crate::collector::Collector;
use crate::local_http;
use crate::roll::Roll;
use crate::snapshot::{Facts, Observation, Snapshot, Sources, assemble};

/// How long a manager may take to answer. 2.5 s: it waits up to 2 s for a fresh look itself.
const MANAGER_WITHIN: Duration = Duration::from_millis(2500);

/// Looks at Redis once.
pub(crate) async fn observe(target: &Target) -> Result<Observation, Failure> {
    let (mut collector, _collected) = Collector::new(&target.partitions, &target.fleet.stages);
    Ok(collector.only_look().await?)
}

/// The fleet at one instant; with what its manager knows, where one answers at `--http-addr`.
pub(crate) async fn snapshot(target: &Target) -> Result<(Snapshot, Managed), Failure> {
    let observation = observe(target).await?;
    if let Some(snapshot) = of_manager(target, &observation).await {
        return Ok((snapshot, Managed::Yes));
    }
    let now = Timestamp::now();
    let facts = Facts {
        name: String::new(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        mode: "none".to_owned(),
        supervised: false,
        environment: target.settings.environment.clone(),
        prefix: target.settings.prefix.clone(),
        partitions: target.settings.partitions,
        config: target.fleet.source().to_owned(),
        started_at: now,
        disabled: std::collections::BTreeMap::new(),
    };
    let (roll, unwell) = (Roll::default(), Unwell::default());
    let sources =
        Sources { facts: &facts, roll: &roll, unwell: &unwell, observation: &observation };
    Ok((assemble(sources, now), Managed::No))
}

/// Whether a manager told its part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Managed {
    /// It did.
    Yes,
    /// None answers for this fleet.
    No,
}

/// What the manager says, if it is the manager of this very fleet.
async fn of_manager(target: &Target, observation: &Observation) -> Option<Snapshot> {
    // With a token the API is not ours to ask without it.
    let address =
        target.settings.http_addr.filter(|_| environment("PRINTERY_API_TOKEN").is_none())?;
    let answer = local_http::get(address, "/api/status", MANAGER_WITHIN).await.ok()?;
    let snapshot: Snapshot = serde_json::from_str(&answer.body).ok()?;
    let (facts, settings) = (&snapshot.manager.facts, &target.settings);
    let same = prefixes(&facts.prefix, facts.partitions)
        == prefixes(&settings.prefix, settings.partitions)
        && snapshot.redis.address == observation.redis.address;
    same.then_some(snapshot)
}
