//! Which of the fleet's workers this manager starts: service lists and owner switches.
//!
//! Pure. Lists say what is wanted here, owner switches say whose job a worker is; a switch beats the
//! lists. A name that nobody knows is warned of and changes nothing, and a switch that nobody
//! understands keeps the worker from being started: two implementations at once would be worse than
//! none, whose events only wait.

use std::collections::BTreeMap;

use printery_events::topology::{ON_DEMAND, Worker, every};

/// The worker is ours.
const OURS: &str = "rust";
/// Owners that are known not to be us.
const OTHERS: [&str; 4] = ["go", "python", "external", "off"];

/// What was said about services, flags before variables.
#[derive(Debug, Clone, Default)]
pub(crate) struct Said {
    /// Only these: `PRINTERY_SERVICES`, names separated by commas.
    pub(crate) services: Option<String>,
    /// What applies after that: `PRINTERY_OVERRIDE_SERVICES`, `name=true|lazy|false` separated by
    /// commas.
    pub(crate) overrides: Option<String>,
    /// `WORKER_OWNER_<PROGRAM>`, by worker.
    pub(crate) owners: BTreeMap<&'static str, String>,
}

/// What follows from it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// The workers to start, in the order of their start.
    pub(crate) workers: Vec<&'static Worker>,
    /// Those of them that are not started before somebody needs them.
    pub(crate) lazy: Vec<&'static str>,
    /// Those that are not started, each with the reason.
    pub(crate) disabled: BTreeMap<String, String>,
    /// What somebody should look at.
    pub(crate) warnings: Vec<String>,
}

/// What was said of one worker, whatever the list says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// Start it.
    Start,
    /// Start it when somebody needs it.
    WhenNeeded,
    /// Do not start it.
    LeaveOut,
}

impl Wish {
    fn is_wanted(self) -> bool {
        self != Self::LeaveOut
    }
}

/// The variable that names a worker's owner.
pub(crate) fn owner_variable(worker: &Worker) -> String {
    format!("WORKER_OWNER_{}", worker.name.replace('-', "_").to_uppercase())
}

/// Chooses among the workers that a mode would start; one that only runs on demand is among them
/// when it is named, in the list or by a switch.
pub(crate) fn choose(candidates: &[&'static Worker], said: &Said) -> Chosen {
    let mut chosen = Chosen::default();
    let listed = said.services.as_deref().map(|list| names(list, &mut chosen.warnings));
    let overridden = overrides(said.overrides.as_deref(), &mut chosen.warnings);
    let named = |worker: &&'static Worker| {
        let listed = listed.as_ref().is_some_and(|names| names.contains(&worker.name));
        !candidates.is_empty() && overridden.get(worker.name).map_or(listed, |it| it.is_wanted())
    };
    for worker in candidates.iter().copied().chain(ON_DEMAND.into_iter().filter(named)) {
        let is_listed = listed.as_ref().is_none_or(|names| names.contains(&worker.name));
        let overridden = overridden.get(worker.name).copied();
        let wanted = overridden.map_or(is_listed, Wish::is_wanted);
        let owner = said.owners.get(worker.name).map(|owner| owner.trim().to_ascii_lowercase());
        let reason = match owner.as_deref() {
            None if wanted => None,
            None => Some("disabled: services".to_owned()),
            Some(OURS) => {
                if !wanted {
                    chosen.warnings.push(format!(
                        "{} starts {} although the service lists leave it out; leaving it out by \
                         them is deprecated, say {}=off",
                        owner_variable(worker),
                        worker.name,
                        owner_variable(worker)
                    ));
                }
                None
            }
            Some(owner) => {
                if !OTHERS.contains(&owner) {
                    chosen.warnings.push(format!(
                        "{} {owner:?} is none of {OURS}, {}: {} is not started",
                        owner_variable(worker),
                        OTHERS.join(", "),
                        worker.name
                    ));
                }
                Some(format!("disabled: owner {owner}"))
            }
        };
        match reason {
            None => {
                chosen.workers.push(worker);
                if overridden == Some(Wish::WhenNeeded) {
                    chosen.lazy.push(worker.name);
                }
            }
            Some(reason) => {
                chosen.disabled.insert(worker.name.to_owned(), reason);
            }
        }
    }
    chosen
}

fn names(list: &str, warnings: &mut Vec<String>) -> Vec<&'static str> {
    let words = list.split(',').map(str::trim).filter(|word| !word.is_empty());
    words.filter_map(|word| known("PRINTERY_SERVICES", word, warnings)).collect()
}

fn overrides(list: Option<&str>, warnings: &mut Vec<String>) -> BTreeMap<&'static str, Wish> {
    let mut found = BTreeMap::new();
    let words = list.unwrap_or_default().split(',').map(str::trim);
    for word in words.filter(|word| !word.is_empty()) {
        let wanted = match word.split_once('=').map(|(name, said)| (name.trim(), said.trim())) {
            Some((name, "true")) => (name, Wish::Start),
            Some((name, "lazy")) => (name, Wish::WhenNeeded),
            Some((name, "false")) => (name, Wish::LeaveOut),
            Some(_) | None => {
                warnings.push(format!(
                    "PRINTERY_OVERRIDE_SERVICES: {word:?} must be NAME=true, NAME=lazy or NAME=false"
                ));
                continue;
            }
        };
        if let Some(name) = known("PRINTERY_OVERRIDE_SERVICES", wanted.0, warnings) {
            found.insert(name, wanted.1);
        }
    }
    found
}

fn known(variable: &str, word: &str, warnings: &mut Vec<String>) -> Option<&'static str> {
    let found = Worker::find(word).map(|worker| worker.name);
    if found.is_none() {
        let names: Vec<&str> = every().map(|worker| worker.name).collect();
        warnings.push(format!(
            "{variable}: there is no worker {word:?}; there are {}",
            names.join(", ")
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use printery_events::topology::WORKERS;

    use super::*;

    fn chosen(
        services: Option<&str>,
        overrides: Option<&str>,
        owners: &[(&'static str, &str)],
    ) -> Chosen {
        let said = Said {
            services: services.map(str::to_owned),
            overrides: overrides.map(str::to_owned),
            owners: owners.iter().map(|(worker, owner)| (*worker, (*owner).to_owned())).collect(),
        };
        choose(&WORKERS, &said)
    }

    fn started(chosen: &Chosen) -> Vec<&str> {
        chosen.workers.iter().map(|worker| worker.name).collect()
    }

    #[test]
    fn with_nothing_said_everybody_is_started() {
        let all = chosen(None, None, &[]);
        assert_eq!((started(&all).len(), all.disabled.len(), all.warnings.len()), (4, 0, 0));
    }

    #[test]
    fn overrides_apply_after_the_list() {
        let one = chosen(Some("validator, notifier"), Some("notifier=false"), &[]);
        assert_eq!(started(&one), ["validator"]);
        assert_eq!(one.disabled.get("notifier").map(String::as_str), Some("disabled: services"));
        assert_eq!(one.warnings.len(), 0);
        let other = chosen(Some("health"), Some("dependency=true"), &[]);
        assert_eq!(started(&other), ["dependency-checker", "health-monitor"]);
    }

    #[test]
    fn a_worker_on_demand_is_started_where_it_is_named_and_nowhere_else() {
        let asked = chosen(None, Some("shield-listener=true"), &[]);
        assert_eq!(started(&asked).last(), Some(&"shield-listener"));
        assert_eq!((started(&asked).len(), asked.warnings.len()), (5, 0));
        let listed = chosen(Some("validator,shield-listener"), None, &[]);
        assert_eq!(started(&listed), ["validator", "shield-listener"]);
        let refused = chosen(Some("shield-listener"), Some("shield-listener=false"), &[]);
        assert_eq!(started(&refused), [""; 0]);
        let said = Said { overrides: Some("shield=true".to_owned()), ..Said::default() };
        assert_eq!(choose(&[], &said).workers.len(), 0, "a control plane starts nobody");
    }

    #[test]
    fn a_lazy_worker_is_among_those_that_are_started_but_not_yet() {
        let found = chosen(None, Some("notifier=lazy,shield-listener=lazy"), &[]);
        assert_eq!(started(&found).len(), 5);
        assert_eq!(found.lazy, ["notifier", "shield-listener"]);
        assert_eq!(found.warnings.len(), 0, "{:?}", found.warnings);
    }

    #[test]
    fn what_nobody_knows_is_warned_of() {
        let found = chosen(Some("validator,notifer"), Some("health,x=true,notifier=yes"), &[]);
        assert_eq!(started(&found), ["validator"]);
        assert_eq!(found.warnings.len(), 4, "{:?}", found.warnings);
    }

    #[test]
    fn an_owner_beats_the_lists_and_an_unknown_one_keeps_it_away() {
        let owners = [("validator", "go"), ("health-monitor", "banana"), ("notifier", "rust")];
        let found = chosen(Some("validator,health-monitor"), None, &owners);
        assert_eq!(started(&found), ["notifier"]);
        assert_eq!(found.disabled.get("validator").map(String::as_str), Some("disabled: owner go"));
        assert!(found.disabled.contains_key("health-monitor"));
        assert_eq!(found.warnings.len(), 2, "{:?}", found.warnings);
    }
}
