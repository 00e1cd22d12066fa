//! `events tail`: events as they are published.

use std::time::Duration;

use clap::Args;
use printery_streams::{Clock, EntryId, ErrorKind};
use tokio::signal;
use tokio::time::{Instant, sleep};

use crate::cli::events::row::{chosen, row};
use crate::cli::failure::Failure;
use crate::cli::follower::Follower;
use crate::cli::sighting::Sighting;
use crate::cli::target::Target;

/// Pause before Redis is asked again after it went away. 500 ms.
const RETRY: Duration = Duration::from_millis(500);

/// Which events to follow, and from where.
#[derive(Debug, Args)]
pub(crate) struct TailArgs {
    /// Only these types; a beginning such as deployment:stage stands for all that follow
    #[arg(value_name = "TYPE")]
    types: Vec<String>,
    /// Where to begin: now, start, a time ago such as 10m, or an entry's id
    #[arg(long, value_name = "WHERE", default_value = "now")]
    from: String,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

/// Where following begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    Now,
    Entry(EntryId),
    Ago(Duration),
}

/// Follows them until Ctrl-C, or until Redis is away for longer than `--redis-wait`.
pub(crate) async fn tail(target: &mut Target, args: &TailArgs) -> Result<(), Failure> {
    let types = chosen(target.event_types(), &args.types)?;
    let Target { session, partitions, .. } = &mut *target;
    let mut follower = match read_from(&args.from)? {
        From::Now => Follower::from_now(partitions.all(), &types).await?,
        From::Entry(entry) => Follower::from_entry(partitions.all(), &types, entry),
        From::Ago(ago) => {
            let clock = Clock::default();
            clock.read(session).await?;
            let ago = u64::try_from(ago.as_millis()).unwrap_or(u64::MAX);
            let entry = EntryId::at(clock.now_ms().saturating_sub(ago));
            Follower::from_entry(partitions.all(), &types, entry)
        }
    };
    let interrupted = signal::ctrl_c();
    tokio::pin!(interrupted);
    loop {
        let seen = tokio::select! {
            seen = patiently(&mut follower, target.settings.redis_wait) => seen?,
            _ = &mut interrupted => return Ok(()),
        };
        for sighting in seen {
            if args.json {
                target.out.json_line(&sighting.to_json())?;
            } else {
                let line = row(&sighting, target.out.colour());
                target.out.line(line)?;
            }
        }
    }
}

/// Reads on as soon as Redis is back.
async fn patiently(follower: &mut Follower, wait: Duration) -> Result<Vec<Sighting>, Failure> {
    let give_up = Instant::now() + wait;
    let mut said = false;
    loop {
        let error = match follower.next(Duration::MAX).await {
            Ok(seen) => return Ok(seen),
            Err(error) => error,
        };
        let away = matches!(error.kind, ErrorKind::Unavailable | ErrorKind::Unknown);
        if !away || Instant::now() >= give_up {
            return Err(error.into());
        }
        if !std::mem::replace(&mut said, true) {
            eprintln!("Redis is away ({error}); waiting for it");
        }
        sleep(RETRY).await;
    }
}

fn read_from(said: &str) -> Result<From, Failure> {
    match said {
        "now" | "$" => return Ok(From::Now),
        "start" | "0" | "-" => return Ok(From::Entry(EntryId::default())),
        _ => {}
    }
    let entry = said.parse().map(From::Entry).ok();
    let ago = || humantime::parse_duration(said).map(From::Ago).ok();
    entry.or_else(ago).ok_or_else(|| {
        let rule = "must be now, start, a time ago such as 10m, or an entry's id";
        Failure::usage(format!("--from {said:?} {rule}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_is_read_in_each_of_its_forms() {
        let entry = EntryId { ms: 1_732_251_600_000, seq: 1 };
        let table = [
            ("now", From::Now),
            ("start", From::Entry(EntryId::default())),
            ("10m", From::Ago(Duration::from_secs(600))),
            ("1732251600000-1", From::Entry(entry)),
        ];
        for (said, expected) in table {
            assert_eq!(read_from(said).unwrap(), expected);
        }
        assert!(read_from("yesterday").unwrap_err().text.contains("yesterday"));
    }
}
