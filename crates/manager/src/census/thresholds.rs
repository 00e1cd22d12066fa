//! After which silence something is said about a process, as the environment has it.
//!
//! Pure. Read once at start, with the rest of the manager's settings.

use std::time::Duration;

use printery_fleet::instances::{BEAT_EVERY, DEAD_AFTER};

/// After which silence something is said about a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Thresholds {
    /// It is odd.
    pub(crate) warning: Duration,
    /// Somebody should look.
    pub(crate) critical: Duration,
    /// It counts as dead.
    pub(crate) zombie: Duration,
}

impl Default for Thresholds {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { warning: seconds(60), critical: seconds(120), zombie: seconds(300) }
    }
}

impl Thresholds {
    /// Reads `HEARTBEAT_WARNING_THRESHOLD`, `HEARTBEAT_CRITICAL_THRESHOLD` and
    /// `HEARTBEAT_ZOMBIE_THRESHOLD`; a bare number is seconds.
    ///
    /// # Errors
    /// Every problem, naming the variable.
    pub(crate) fn read(said: &dyn Fn(&str) -> Option<String>) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let mut read = |name: &str, default: Duration| {
            let Some(text) = said(name) else { return default };
            let bare = text.parse().ok().map(Duration::from_secs);
            bare.or_else(|| humantime::parse_duration(&text).ok()).unwrap_or_else(|| {
                problems.push(format!("{name} {text:?} must be seconds or a duration such as 90s"));
                default
            })
        };
        let default = Self::default();
        let found = Self {
            warning: read("HEARTBEAT_WARNING_THRESHOLD", default.warning),
            critical: read("HEARTBEAT_CRITICAL_THRESHOLD", default.critical),
            zombie: read("HEARTBEAT_ZOMBIE_THRESHOLD", default.zombie),
        };
        let Self { warning, critical, zombie } = found;
        if warning <= BEAT_EVERY {
            problems.push(format!(
                "HEARTBEAT_WARNING_THRESHOLD {warning:?} must be longer than a beat takes to come, {BEAT_EVERY:?}"
            ));
        }
        if zombie < DEAD_AFTER {
            problems.push(format!(
                "HEARTBEAT_ZOMBIE_THRESHOLD {zombie:?} must be at least {DEAD_AFTER:?}: nobody counts as dead before"
            ));
        }
        if warning >= critical || critical >= zombie {
            problems.push(format!(
                "HEARTBEAT_WARNING_THRESHOLD {warning:?}, HEARTBEAT_CRITICAL_THRESHOLD {critical:?} and \
                 HEARTBEAT_ZOMBIE_THRESHOLD {zombie:?} must be each longer than the one before"
            ));
        }
        if problems.is_empty() { Ok(found) } else { Err(problems) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(said: [Option<&str>; 3]) -> Result<Thresholds, usize> {
        let names = ["WARNING", "CRITICAL", "ZOMBIE"];
        let find = |name: &str| {
            let place = names.iter().position(|one| name == format!("HEARTBEAT_{one}_THRESHOLD"));
            said[place.unwrap()].map(str::to_owned)
        };
        Thresholds::read(&find).map_err(|problems| problems.len())
    }

    #[test]
    fn each_is_longer_than_the_one_before_and_than_a_beat() {
        assert_eq!(read([None; 3]), Ok(Thresholds::default()));
        let seconds = Duration::from_secs;
        let short = Thresholds { warning: seconds(6), critical: seconds(8), zombie: seconds(15) };
        assert_eq!(read([Some("6"), Some("8s"), Some("15000ms")]), Ok(short));
        assert_eq!(read([Some("x"), Some("y"), None]), Err(2));
        assert_eq!(read([Some("2"), None, None]), Err(1));
        assert_eq!(read([Some("120"), None, None]), Err(1));
        assert_eq!(read([None, None, Some("1m")]), Err(1));
        assert_eq!(read([Some("6"), Some("8"), Some("10")]), Err(1));
    }
}
