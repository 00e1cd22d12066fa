//! Asks everything without being asked to, at a fixed rate.
//!
//! Owns the background of the fleet file: one loop for each dependency, spread over the first
//! interval. The handler starts it and ends it with itself; its answers go where the answers to
//! events go, and it publishes nothing.

use std::sync::Arc;
use std::time::Duration;

use printery_config::Background;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::asker::Asker;

/// The shortest time between two questions to something that is down.
const SHORTEST: Duration = Duration::from_secs(1);

/// Starts a loop for everything that can be asked; they end when the set is dropped.
pub(crate) fn watch(asker: &Arc<Asker>, background: Background) -> JoinSet<()> {
    let mut loops = JoinSet::new();
    for name in asker.askable() {
        let (asker, name) = (Arc::clone(asker), name.to_owned());
        loops.spawn(async move { watch_one(&asker, &name, background).await });
    }
    loops
}

/// Asks one dependency for ever; wakes at its times, ends with its set.
async fn watch_one(asker: &Asker, name: &str, background: Background) {
    let mut due = Instant::now() + background.every.mul_f64(rand::random());
    loop {
        sleep_until(due).await;
        let down = asker.look(name, background.every).await;
        let next = due + interval(background, down, rand::random());
        // What took longer than the interval is not made up for.
        due = next.max(Instant::now());
    }
}

/// Returns the time to the next question: shorter while something is down, scattered both ways.
///
/// `draw` is in 0..1.
fn interval(background: Background, down: bool, draw: f64) -> Duration {
    let every = background.every;
    let every = if down { (every / 4).max(SHORTEST.min(every)) } else { every };
    every.mul_f64(1.0 + background.jitter * (2.0 * draw - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_down_is_asked_four_times_as_often_but_not_more_than_every_second() {
        let background = |every: f64| {
            let every = Duration::from_secs_f64(every);
            Background { every, jitter: 0.1, fall: 3, rise: 2 }
        };
        for (every, down, draw, seconds) in [
            (60.0, false, 0.5, 60.0),
            (60.0, false, 0.0, 54.0),
            (60.0, true, 0.5, 15.0),
            (2.0, true, 0.5, 1.0),
            (0.5, true, 0.5, 0.5),
        ] {
            let next = interval(background(every), down, draw);
            assert_eq!(next, Duration::from_secs_f64(seconds), "{every} s, down: {down}");
        }
    }
}
