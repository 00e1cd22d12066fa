//! Who else stands on what is down.
//!
//! Owns the services that a check did not look at and that its root causes reach all the same. The
//! handler makes it for the summary; it asks nobody.

use std::collections::{BTreeMap, BTreeSet};

use printery_config::Graph;
use printery_config::needs::{Blame, Plan};

/// The services beyond a check that stand on its root causes, by cause.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct BlastRadius(BTreeMap<String, Vec<String>>);

impl BlastRadius {
    /// Follows the graph backwards from every root cause, and leaves out what the check has named itself.
    pub(crate) fn of(graph: &Graph, plan: &Plan, blame: &Blame) -> Self {
        let mut named: BTreeSet<&str> = plan.services.iter().map(String::as_str).collect();
        named.extend(plan.edges.iter().map(|edge| edge.service.as_str()));
        let beyond = |cause: &String| {
            let others = graph.dependents(cause).into_iter();
            let others: Vec<String> =
                others.filter(|name| !named.contains(name.as_str())).collect();
            (!others.is_empty()).then(|| (cause.clone(), others))
        };
        Self(blame.root_causes.iter().filter_map(beyond).collect())
    }

    /// Lists causes and whom they reach.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &Vec<String>)> {
        self.0.iter()
    }
}
