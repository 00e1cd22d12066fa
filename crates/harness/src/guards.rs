//! Switches of the environment that keep a worker from taking anything, or from doing anything
//! outside the fleet.
//!
//! Read once at start. A guarded process lives, beats and says why it takes nothing; its events
//! wait. It ends by a signal only.

use printery_fleet::controls::Hold;

use crate::args::environment;

/// What the environment allows a worker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Guards {
    /// Why nothing is taken.
    pub(crate) hold: Option<Hold>,
    /// Whether checks run and nothing outside the fleet is touched: every event is a dry run.
    pub(crate) read_only: bool,
}

impl Guards {
    /// Reads what is said for a worker; problems name the variable.
    pub(crate) fn read(worker: &str) -> Result<Self, Vec<String>> {
        Self::of(worker, &environment)
    }

    fn of(worker: &str, said: &dyn Fn(&str) -> Option<String>) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let mut switch = |name: &str| match said(name)?.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Some(true),
            "false" | "0" | "no" | "off" => Some(false),
            other => {
                problems.push(format!("{name} {other:?} must be true or false"));
                None
            }
        };
        let feature = format!("FEATURE_{}", worker.replace('-', "_").to_uppercase());
        let mut guard = None;
        if switch(&feature) == Some(false) {
            guard = Some(format!("feature:{worker}"));
        }
        for name in ["FLEET_FORCE_EXTERNAL", "MIGRATION_FORCE_PYTHON"] {
            if switch(name) == Some(true) {
                guard = Some(format!("kill-switch:{name}"));
            }
        }
        if switch("DISABLE_JOB_EXECUTION") == Some(true) {
            guard = Some("kill-switch:DISABLE_JOB_EXECUTION".to_owned());
        }
        let mode = said("FLEET_MODE").map(|mode| mode.to_ascii_lowercase());
        match mode.as_deref() {
            None | Some("normal" | "readonly") => {}
            Some("recovery") => guard = Some("fleet-mode:recovery".to_owned()),
            Some(other) => problems
                .push(format!("FLEET_MODE {other:?} must be one of normal, readonly, recovery")),
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let hold = guard.map(|guard| Hold::Guarded { guard });
        Ok(Self { hold, read_only: mode.as_deref() == Some("readonly") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(said: &[(&str, &str)]) -> Result<Guards, Vec<String>> {
        let find = |name: &str| {
            let found = said.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Guards::of("health-monitor", &find)
    }

    #[test]
    fn each_switch_holds_and_says_which_it_was() {
        for (said, guard) in [
            (("FEATURE_HEALTH_MONITOR", "false"), "feature:health-monitor"),
            (("FLEET_MODE", "recovery"), "fleet-mode:recovery"),
            (("FLEET_FORCE_EXTERNAL", "true"), "kill-switch:FLEET_FORCE_EXTERNAL"),
            (("MIGRATION_FORCE_PYTHON", "1"), "kill-switch:MIGRATION_FORCE_PYTHON"),
            (("DISABLE_JOB_EXECUTION", "true"), "kill-switch:DISABLE_JOB_EXECUTION"),
        ] {
            let hold = Hold::Guarded { guard: guard.to_owned() };
            let expected = Guards { hold: Some(hold), read_only: false };
            assert_eq!(read(&[said]), Ok(expected), "{said:?}");
        }
    }

    #[test]
    fn what_allows_everything_holds_nothing() {
        let said = [("FEATURE_HEALTH_MONITOR", "true"), ("FEATURE_NOTIFIER", "false")];
        assert_eq!(read(&said), Ok(Guards::default()));
        assert_eq!(read(&[("FLEET_MODE", "readonly")]), Ok(Guards { hold: None, read_only: true }));
    }

    #[test]
    fn a_word_that_nobody_understands_is_refused() {
        let said = [("FLEET_MODE", "sleepy"), ("FEATURE_HEALTH_MONITOR", "perhaps")];
        assert_eq!(read(&said).unwrap_err().len(), 2);
    }
}
