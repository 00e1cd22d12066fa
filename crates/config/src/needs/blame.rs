//! Who is to blame: dependencies that are down by themselves, and services they drag along.
//!
//! Owns the walk over the condensed graph. The judge calls it with the edges and the set of what
//! is down; it never looks at latencies, statuses or results.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::kosaraju_scc;
use petgraph::graph::DiGraph;

use super::plan::Edge;
use crate::requires::Criticality;

/// Holds causes and consequences, each sorted by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Blame {
    /// What is down although everything that it needs is up.
    pub root_causes: Vec<String>,
    /// Who cannot work because of a root cause: (service, root cause).
    pub impaired: Vec<(String, String)>,
}

/// Tells root causes and impaired services apart.
///
/// A cycle of hard edges is one group: what stands outside of it and is down impairs all of it;
/// if nothing outside is down, its own members that are down are root causes and impair the rest.
/// A soft edge carries no blame. A service that answers is impaired all the same when something
/// that it cannot work without is down: it has only not noticed yet.
pub fn blame(edges: &[Edge], down: &BTreeSet<&str>) -> Blame {
    let mut causes: BTreeMap<&str, &str> = BTreeMap::new();
    for group in groups(edges) {
        let outside = edges
            .iter()
            .filter(|edge| {
                edge.criticality == Criticality::Hard && group.contains(edge.service.as_str())
            })
            .filter(|edge| !group.contains(edge.dependency.as_str()))
            .find_map(|edge| causes.get(edge.dependency.as_str()).copied());
        if let Some(cause) = outside {
            causes.extend(group.into_iter().map(|member| (member, cause)));
            continue;
        }
        let Some(first) = group.iter().copied().find(|member| down.contains(member)) else {
            continue;
        };
        let own = |member| if down.contains(member) { (member, member) } else { (member, first) };
        causes.extend(group.into_iter().map(own));
    }
    let mut blame = Blame::default();
    for (name, cause) in causes {
        if name == cause {
            blame.root_causes.push(name.to_owned());
        } else {
            blame.impaired.push((name.to_owned(), cause.to_owned()));
        }
    }
    blame
}

/// The cycles of the hard graph, each condensed to one group, dependencies before dependents.
fn groups(edges: &[Edge]) -> Vec<BTreeSet<&str>> {
    let mut graph = DiGraph::<&str, ()>::new();
    let mut nodes = BTreeMap::new();
    for edge in edges {
        let [service, dependency] = [&edge.service, &edge.dependency]
            .map(|name| *nodes.entry(name.as_str()).or_insert_with(|| graph.add_node(name)));
        if edge.criticality == Criticality::Hard {
            graph.update_edge(service, dependency, ());
        }
    }
    kosaraju_scc(&graph)
        .into_iter()
        .map(|group| group.iter().filter_map(|node| graph.node_weight(*node).copied()).collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn edges(text: &str) -> Vec<Edge> {
        let edge = |pair: &str| {
            let (service, dependency) = pair.split_once('>').unwrap();
            let (dependency, criticality) = match dependency.strip_suffix('?') {
                Some(soft) => (soft, Criticality::Soft),
                None => (dependency, Criticality::Hard),
            };
            Edge { service: service.to_owned(), dependency: dependency.to_owned(), criticality }
        };
        text.split_whitespace().map(edge).collect()
    }

    #[test]
    fn causes_and_consequences_are_told_apart() {
        let cases = [
            // edges, down, root causes, impaired by
            ("api>db", "", "", ""),
            ("api>db", "db", "db", "api:db"),
            ("api>db web>api", "db", "db", "api:db web:db"),
            ("api>db web>api", "api db", "db", "api:db web:db"),
            ("api>db web>api", "api", "api", "web:api"),
            ("checkout>payment payment>psp", "psp", "psp", "checkout:psp payment:psp"),
            ("api>db api>cache", "db cache", "cache db", "api:db"),
            ("api>db web>cache", "cache", "cache", "web:cache"),
            // A soft dependency drags nobody along, and is a cause all the same.
            ("web>ads?", "ads", "ads", ""),
            ("web>ads? web>api api>db", "ads db", "ads db", "api:db web:db"),
            // A cycle is judged as one.
            ("api>relay relay>api", "api relay", "api relay", ""),
            ("api>relay relay>api", "relay", "relay", "api:relay"),
            ("api>relay relay>api relay>db", "api relay db", "db", "api:db relay:db"),
            ("api>relay relay>api web>api", "relay", "relay", "api:relay web:relay"),
            ("api>db api>relay relay>db relay>api", "db", "db", "api:db relay:db"),
        ];
        for (graph, down, root_causes, impaired) in cases {
            let edges = edges(graph);
            let down: BTreeSet<&str> = down.split_whitespace().collect();
            let blame = blame(&edges, &down);
            let pairs: Vec<String> =
                blame.impaired.iter().map(|(a, b)| format!("{a}:{b}")).collect();
            assert_eq!(blame.root_causes.join(" "), root_causes, "{graph} with {down:?} down");
            assert_eq!(pairs.join(" "), impaired, "{graph} with {down:?} down");
        }
    }

    /// What `from` reaches over hard edges, itself only when it stands in a cycle.
    fn reach<'a>(edges: &'a [Edge], from: &str) -> BTreeSet<&'a str> {
        let mut reached = BTreeSet::new();
        let mut open = vec![from.to_owned()];
        while let Some(service) = open.pop() {
            for edge in
                edges.iter().filter(|e| e.service == service && e.criticality == Criticality::Hard)
            {
                if reached.insert(edge.dependency.as_str()) {
                    open.push(edge.dependency.clone());
                }
            }
        }
        reached
    }

    proptest! {
        #[test]
        fn blame_agrees_with_plain_reachability(
            raw in prop::collection::vec((0_usize..7, 0_usize..9, prop::bool::weighted(0.8)), 1..20),
            down in prop::collection::btree_set(0_usize..9, 0..5),
        ) {
            let edges: Vec<Edge> = raw
                .iter()
                .filter(|(from, to, _)| from != to)
                .map(|(from, to, hard)| Edge {
                    service: format!("n{from}"),
                    dependency: format!("n{to}"),
                    criticality: if *hard { Criticality::Hard } else { Criticality::Soft },
                })
                .collect();
            let nodes: BTreeSet<&str> =
                edges.iter().flat_map(|e| [e.service.as_str(), e.dependency.as_str()]).collect();
            let down: Vec<String> = down.iter().map(|n| format!("n{n}")).collect();
            let down: BTreeSet<&str> = down.iter().map(String::as_str).filter(|n| nodes.contains(n)).collect();
            let blame = blame(&edges, &down);

            for node in &nodes {
                let reached = reach(&edges, node);
                // Down below, and not within a cycle that leads back here.
                let outside = reached.iter().any(|to| down.contains(to) && !reach(&edges, to).contains(node));
                let inside = reached.iter().any(|to| down.contains(to));
                let is_cause = blame.root_causes.iter().any(|name| name == node);
                let victim = blame.impaired.iter().find(|(name, _)| name == node);
                prop_assert_eq!(is_cause, down.contains(node) && !outside, "{} a root cause?", node);
                prop_assert_eq!(victim.is_some(), !is_cause && inside, "{} impaired?", node);
                if let Some((_, by)) = victim {
                    prop_assert!(blame.root_causes.contains(by), "{} is no root cause", by);
                    prop_assert!(reached.contains(by.as_str()), "{} does not need {}", node, by);
                }
            }
        }
    }
}
