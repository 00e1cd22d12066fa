//! Tells how far a window is while it is still open.
//!
//! Owns what is told: the share of the window, how the services stand so far, one sentence. Runs
//! beside the watchers of an attempt; nothing is decided by it, and a Redis that is away stops it
//! from nothing but telling.

use std::convert::Infallible;
use std::time::Duration;

use printery_events::topology::HEALTH_MONITOR;
use printery_harness::fleet::Records;
use printery_harness::fleet::progress::{Progress, report};
use tokio::time::sleep;

use crate::verdict::{Standing, Verdict, overall};

/// Whose progress it is.
#[derive(Debug)]
pub(crate) struct Teller<'a> {
    pub records: &'a Records,
    pub deployment_id: &'a str,
    pub event_id: &'a str,
    pub every: Duration,
}

impl Teller<'_> {
    /// Tells at a fixed rate; ended by being dropped.
    ///
    /// `so_far`: how much of the window is over, 0..=1, and how the services stand.
    pub(crate) async fn tell(&self, so_far: impl Fn() -> (f64, Vec<Verdict>)) -> Infallible {
        loop {
            sleep(self.every).await;
            let (share, verdicts) = so_far();
            let progress = self.progress(share, &verdicts);
            // Whoever wants to know asks again; the verdict comes as an event.
            let _untold = report(self.records, &progress).await.is_err();
        }
    }

    fn progress(&self, share: f64, verdicts: &[Verdict]) -> Progress {
        let standing = overall(verdicts);
        let watched = verdicts.iter().filter(|verdict| verdict.watched);
        let worst = watched.max_by_key(|verdict| verdict.standing);
        Progress {
            worker: HEALTH_MONITOR.name.to_owned(),
            deployment_id: self.deployment_id.to_owned(),
            event_id: self.event_id.to_owned(),
            percent: percent(share),
            standing: word(standing).to_owned(),
            sentence: worst.map(|verdict| verdict.reason.clone()).unwrap_or_default(),
        }
    }
}

/// Returns whole per cents; what is not over is never 100.
fn percent(share: f64) -> u8 {
    let whole = (1..100_u8).take_while(|whole| f64::from(*whole) <= share * 100.0);
    whole.last().unwrap_or_default()
}

fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Healthy => "healthy",
        Standing::Inconclusive => "inconclusive",
        Standing::Degraded => "degraded",
        Standing::Unhealthy => "unhealthy",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_over_is_not_at_a_hundred() {
        let cases = [(-1.0, 0), (0.0, 0), (0.005, 0), (0.5, 50), (0.999, 99), (1.0, 99), (7.0, 99)];
        for (share, expected) in cases {
            assert_eq!(percent(share), expected, "{share}");
        }
        assert_eq!(percent(f64::NAN), 0);
    }
}
