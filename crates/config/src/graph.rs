//! Who needs whom: the graph of services and endpoints.
//!
//! Owns closure, cycles and the order of judging; pure. The dependency-checker judges by it and
//! `config check` prints its cycles. Never probes a node.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use serde::Serialize;

use crate::requires::{Criticality, Requires};

/// Says what a node of the graph is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeKind {
    /// Deployed by us.
    Service,
    /// Needed by us.
    Endpoint,
}

/// Holds nodes that need each other, in name order; most groups have one member.
pub type Group = Vec<String>;

/// Holds every node, its needs and the order in which they can be judged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Graph {
    nodes: BTreeMap<String, Node>,
    /// Groups, needs before those who need them.
    #[serde(skip)]
    groups: Vec<Group>,
}

/// Holds one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Node {
    kind: NodeKind,
    requires: Vec<Requires>,
}

impl Graph {
    /// Builds the graph; needs that name no node are left out (the reader reports them).
    pub(crate) fn new(
        services: impl IntoIterator<Item = (String, Vec<Requires>)>,
        endpoints: impl IntoIterator<Item = String>,
    ) -> Self {
        let mut nodes: BTreeMap<String, Node> = endpoints
            .into_iter()
            .map(|name| (name, Node { kind: NodeKind::Endpoint, requires: Vec::new() }))
            .collect();
        for (name, requires) in services {
            nodes.insert(name, Node { kind: NodeKind::Service, requires });
        }
        let known: BTreeSet<String> = nodes.keys().cloned().collect();
        for (name, node) in &mut nodes {
            node.requires.retain(|need| known.contains(&need.name) && need.name != *name);
        }
        let groups = condensed(&nodes);
        Self { nodes, groups }
    }

    /// Returns what a node is, or `None` for a name the file does not have.
    pub fn kind(&self, name: &str) -> Option<NodeKind> {
        self.nodes.get(name).map(|node| node.kind)
    }

    /// Lists all names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.nodes.keys().map(String::as_str)
    }

    /// Lists what a node needs directly.
    pub fn requires(&self, name: &str) -> &[Requires] {
        self.nodes.get(name).map_or(&[], |node| node.requires.as_slice())
    }

    /// Returns the named nodes and what must be probed to judge them: hard needs to any depth,
    /// soft needs one step. Names the graph does not have are left out.
    pub fn closure<S: AsRef<str>>(&self, roots: &[S]) -> BTreeSet<String> {
        let mut reached = BTreeSet::new();
        let mut soft = BTreeSet::new();
        let mut open: Vec<&str> =
            roots.iter().map(AsRef::as_ref).filter(|name| self.nodes.contains_key(*name)).collect();
        while let Some(name) = open.pop() {
            if !reached.insert(name.to_owned()) {
                continue;
            }
            for need in self.requires(name) {
                match need.criticality {
                    Criticality::Hard => open.push(&need.name),
                    Criticality::Soft => {
                        soft.insert(need.name.clone());
                    }
                }
            }
        }
        reached.append(&mut soft);
        reached
    }

    /// Returns who is touched when a node is down: everyone who needs it, directly or not.
    pub fn dependents(&self, name: &str) -> BTreeSet<String> {
        let mut touched = BTreeSet::new();
        let mut open = vec![name];
        while let Some(down) = open.pop() {
            for (dependent, node) in &self.nodes {
                let needs =
                    node.requires.iter().any(|need| need.name == down && need.needed.for_runtime());
                if needs && dependent != name && touched.insert(dependent.clone()) {
                    open.push(dependent);
                }
            }
        }
        touched
    }

    /// Returns the groups of the given nodes in the order of judging: a group comes after all
    /// groups it needs. Nodes that need each other are in one group.
    pub fn order(&self, names: &BTreeSet<String>) -> Vec<Group> {
        let chosen = |group: &Group| -> Group {
            group.iter().filter(|name| names.contains(*name)).cloned().collect()
        };
        self.groups.iter().map(chosen).filter(|group| !group.is_empty()).collect()
    }

    /// Returns how many groups stand on each other at most: 1 where nothing needs anything.
    pub fn depth(&self) -> usize {
        let mut depths: BTreeMap<&str, usize> = BTreeMap::new();
        for group in &self.groups {
            let needs = group.iter().flat_map(|name| self.requires(name));
            let below = needs.filter_map(|need| depths.get(need.name.as_str())).max();
            let depth = 1 + below.copied().unwrap_or_default();
            depths.extend(group.iter().map(|name| (name.as_str(), depth)));
        }
        depths.into_values().max().unwrap_or_default()
    }

    /// Returns the groups of nodes that need each other.
    pub fn cycles(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter().filter(|group| group.len() > 1)
    }
}

/// Returns the strongly connected groups, needs first.
fn condensed(nodes: &BTreeMap<String, Node>) -> Vec<Group> {
    let mut graph = DiGraph::<&str, ()>::new();
    let index: BTreeMap<&str, NodeIndex> =
        nodes.keys().map(|name| (name.as_str(), graph.add_node(name.as_str()))).collect();
    for (name, node) in nodes {
        for need in &node.requires {
            if let (Some(from), Some(to)) =
                (index.get(name.as_str()), index.get(need.name.as_str()))
            {
                graph.add_edge(*from, *to, ());
            }
        }
    }
    // Kosaraju's algorithm yields a component after all components it points to: needs come first. Tarjan's does as well, but
    // here by recursion, which a long chain of needs carries beyond the stack.
    kosaraju_scc(&graph)
        .into_iter()
        .map(|group| {
            let mut names: Group = group
                .iter()
                .filter_map(|at| graph.node_weight(*at))
                .map(|n| (*n).to_owned())
                .collect();
            names.sort_unstable();
            names
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::Graph;
    use crate::requires::Requires;

    fn graph(edges: &[(&str, &[&str])]) -> Graph {
        let hard = |name: &&str| Requires::hard(*name);
        let needs = |(name, needs): &(&str, &[&str])| {
            ((*name).to_owned(), needs.iter().map(hard).collect::<Vec<_>>())
        };
        Graph::new(edges.iter().map(needs), [])
    }

    fn names(list: &[&str]) -> BTreeSet<String> {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn services_that_need_each_other_are_one_group() {
        let graph = graph(&[("a", &["b"]), ("b", &["a", "c"]), ("c", &[]), ("d", &["a"])]);
        let order = graph.order(&graph.closure(&["d"]));
        assert_eq!(order, [vec!["c".to_owned()], vec!["a".into(), "b".into()], vec!["d".into()]]);
        assert_eq!(graph.cycles().count(), 1);
    }

    #[test]
    fn the_blast_radius_is_everyone_who_needs_it() {
        let graph =
            graph(&[("a", &["b"]), ("b", &["c", "a"]), ("c", &[]), ("d", &["c"]), ("e", &[])]);
        assert_eq!(graph.dependents("c"), names(&["a", "b", "d"]));
        assert_eq!(graph.dependents("a"), names(&["b"]), "not itself, though it is on a cycle");
        assert_eq!(graph.dependents("nobody"), BTreeSet::new());
    }

    #[test]
    fn the_depth_is_that_of_the_longest_chain_of_groups() {
        assert_eq!(graph(&[]).depth(), 0);
        assert_eq!(graph(&[("a", &[]), ("b", &[])]).depth(), 1);
        let chain = graph(&[("a", &["b", "c"]), ("b", &["a", "c"]), ("c", &["d"]), ("d", &[])]);
        assert_eq!(chain.depth(), 3, "a cycle is one group");
    }

    #[test]
    fn unknown_roots_are_left_out() {
        assert_eq!(graph(&[("a", &[])]).closure(&["a", "nobody"]), names(&["a"]));
    }

    proptest! {
        #[test]
        fn a_group_comes_after_all_groups_it_needs(
            edges in proptest::collection::vec((0_u8..12, 0_u8..12), 0..40),
        ) {
            let name = |n: u8| format!("n{n}");
            let needs = (0..12).map(|from| {
                let to = edges.iter().filter(|(a, _)| *a == from).map(|(_, b)| Requires::hard(name(*b)));
                (name(from), to.collect::<Vec<_>>())
            });
            let graph = Graph::new(needs, []);
            let all: BTreeSet<String> = graph.names().map(str::to_owned).collect();
            let order = graph.order(&all);
            let place = |name: &str| order.iter().position(|g| g.iter().any(|n| n == name)).unwrap();
            prop_assert_eq!(order.iter().map(Vec::len).sum::<usize>(), 12);
            for from in &all {
                for need in graph.requires(from) {
                    prop_assert!(place(&need.name) <= place(from));
                }
            }
        }
    }
}
