//! Whose dead letters a verb is about, and what they must be like.
//!
//! Flags become a [`Filter`] and the list of places where dead letters are: one for each worker
//! and partition. It reads only the server's time, for `--since 2h`.

use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use printery_events::topology::{Worker, every};
use printery_fleet::dead_letters::Filter;
use printery_streams::{Clock, Keys, Partition, Session};

use crate::cli::failure::Failure;
use crate::cli::target::{Target, worker_named};

/// Flags that say which dead letters are meant.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Scope {
    /// The worker that was named with `--worker`, which is a flag of every command.
    #[arg(skip)]
    pub(crate) of: Option<String>,
    /// Only those of this partition, counted from 0
    #[arg(long, value_name = "N")]
    partition: Option<usize>,
    /// Only those with this reason, or with this beginning of it up to a colon
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
    /// Only those with this fingerprint, as `dlq stats` shows it
    #[arg(long, value_name = "FINGERPRINT")]
    fingerprint: Option<String>,
    /// Only those of this deployment
    #[arg(long, value_name = "ID")]
    deployment: Option<String>,
    /// Only those of this event type
    #[arg(long, value_name = "TYPE")]
    event_type: Option<String>,
    /// Only those buried then or later: 2h (ago), 2026-01-31T12:00:00Z, or epoch milliseconds
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Only those buried then or earlier, in the same forms
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
}

/// Where dead letters are: one worker's in one partition.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// The worker.
    pub(crate) worker: &'static Worker,
    /// Which partition; none where there are no others.
    pub(crate) partition: Option<usize>,
    place: Partition,
}

impl Source {
    /// The names of its partition's keys.
    pub(crate) fn keys(&self) -> &Keys {
        &self.place.keys
    }

    /// A connection to its partition, for as long as it is worked on: there are more places than a
    /// pool has connections.
    pub(crate) fn session(&self) -> Session {
        self.place.redis.session()
    }

    /// The worker's name, with the partition where that says something.
    pub(crate) fn name(&self) -> String {
        match self.partition {
            Some(partition) => format!("{} (partition {partition})", self.worker.name),
            None => self.worker.name.to_owned(),
        }
    }
}

impl Scope {
    /// Whether anything but worker and partition narrows it.
    pub(crate) fn narrows(&self) -> bool {
        let Self { of: _, partition: _, reason, fingerprint, deployment, event_type, since, until } =
            self;
        [reason, fingerprint, deployment, event_type, since, until].iter().any(|one| one.is_some())
    }

    /// The places that are meant; `named` is a worker that was typed without a flag.
    ///
    /// # Errors
    /// There is no such worker or partition, or two different workers were named.
    pub(crate) fn sources(
        &self,
        target: &Target,
        named: Option<&'static Worker>,
    ) -> Result<Vec<Source>, Failure> {
        let flagged = self.of.as_deref().filter(|of| *of != "all").map(worker_named).transpose()?;
        let workers = match (named, flagged) {
            (Some(one), Some(other)) if one.name != other.name => {
                return Err(Failure::usage(format!(
                    "both {} and {} are named; leave one of them out",
                    one.name, other.name
                )));
            }
            (Some(one), _) | (None, Some(one)) => vec![one],
            (None, None) => every().collect(),
        };
        let partitions = target.partitions.all().len();
        if let Some(wanted) = self.partition.filter(|wanted| *wanted >= partitions) {
            let last = partitions.saturating_sub(1);
            return Err(Failure::usage(format!(
                "--partition {wanted}: this fleet's partitions are 0 to {last}"
            )));
        }
        let mut sources = Vec::new();
        for worker in workers {
            for (index, place) in target.partitions.all().enumerate() {
                if self.partition.is_none_or(|wanted| wanted == index) {
                    let partition = (partitions > 1).then_some(index);
                    sources.push(Source { worker, partition, place: place.clone() });
                }
            }
        }
        Ok(sources)
    }

    /// What the letters must be like; asks the server's time where it is needed.
    ///
    /// # Errors
    /// A time that cannot be read, or an end before its beginning.
    pub(crate) async fn filter(&self, target: &mut Target) -> Result<Filter, Failure> {
        let said = [&self.since, &self.until].map(|said| said.as_deref());
        let now_ms = if said.iter().flatten().any(|said| humantime::parse_duration(said).is_ok()) {
            let clock = Clock::default();
            clock.read(&mut target.session).await?;
            clock.now_ms()
        } else {
            0
        };
        let moment = |flag: &str, said: Option<&str>| {
            said.map(|said| when(said, now_ms))
                .transpose()
                .map_err(|rule| Failure::usage(format!("{flag} {rule}")))
        };
        let [since, until] = said;
        let (since_ms, until_ms) = (moment("--since", since)?, moment("--until", until)?);
        if let (Some(since), Some(until)) = (since_ms, until_ms)
            && until < since
        {
            return Err(Failure::usage("--until is before --since; nothing can be between them"));
        }
        Ok(Filter {
            reason: self.reason.clone(),
            fingerprint: self.fingerprint.clone(),
            deployment: self.deployment.clone(),
            event_type: self.event_type.clone(),
            since_ms,
            until_ms,
        })
    }
}

/// Reads a moment as milliseconds of the server's clock.
fn when(said: &str, now_ms: u64) -> Result<u64, String> {
    if let Ok(ms) = said.parse::<u64>() {
        return Ok(ms);
    }
    if let Ok(ago) = humantime::parse_duration(said) {
        return Ok(now_ms.saturating_sub(millis(ago)));
    }
    let moment: Timestamp = said.parse().map_err(|_not_one| {
        format!(
            "{said:?} is neither a span such as 2h, nor a time such as 2026-01-31T12:00:00Z, nor \
             epoch milliseconds"
        )
    })?;
    u64::try_from(moment.as_millisecond()).map_err(|_negative| format!("{said:?} is before 1970"))
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_span_ago_a_time_or_milliseconds() {
        assert_eq!(when("2h", 10_000_000), Ok(2_800_000));
        assert_eq!(when("1732251600000", 0), Ok(1_732_251_600_000));
        assert_eq!(when("2024-11-22T05:00:00Z", 0), Ok(1_732_251_600_000));
        assert_eq!(when("10years", 5), Ok(0));
        for wrong in ["yesterday", "", "-5", "1969-12-31T00:00:00Z"] {
            assert!(when(wrong, 0).is_err(), "{wrong}");
        }
    }
}
