//! What one check looks at: the closure of some services over the fleet's graph.
//!
//! Owns which edges are judged and which dependencies are asked. The handler calls it with the
//! services that an event names; it never resolves an address and never waits.

use std::collections::{BTreeSet, VecDeque};

use super::depth::Depth;
use crate::graph::{Graph, NodeKind};
use crate::requires::{Criticality, Requires};

/// Names one line of the graph: a service and what it stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// The service that needs.
    pub service: String,
    /// The service or endpoint that is needed.
    pub dependency: String,
    /// How much it is needed.
    pub criticality: Criticality,
}

/// Holds what one check looks at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The services asked about that the fleet file knows, each once.
    pub services: Vec<String>,
    /// The services asked about that the fleet file does not know, each once.
    pub unknown: Vec<String>,
    /// Every edge of the closure, each once.
    pub edges: Vec<Edge>,
    /// Every dependency to be asked, each once, however many edges lead to it.
    pub targets: Vec<String>,
}

impl Plan {
    /// Follows the graph from the named services, as far as `depth` says.
    ///
    /// An empty list of names means every service of the fleet. Cycles are followed once.
    pub fn of(named: &[String], graph: &Graph, depth: Depth) -> Self {
        let mut plan = Self::default();
        plan.name(named, graph);
        // The softest edge on the way here counts; a way over hard edges alone leads further.
        let start = |name: &String| (name.clone(), Criticality::Hard);
        let mut seen: BTreeSet<(String, Criticality)> = plan.services.iter().map(start).collect();
        let mut frontier: VecDeque<_> = plan.services.iter().map(|name| (start(name), 0)).collect();
        while let Some(((service, way), steps)) = frontier.pop_front() {
            // Of a service that is not deployed now, only what it runs with can be amiss.
            let matters = |need: &&Requires| match steps {
                _ if named.is_empty() => true,
                0 => need.needed.for_deploy(),
                _ => need.needed.for_runtime(),
            };
            for needed in graph.requires(&service).iter().filter(matters) {
                let way = way.max(needed.criticality);
                let depth = match way {
                    Criticality::Hard => depth.hard,
                    Criticality::Soft => depth.soft,
                };
                if !depth.goes_beyond(steps) {
                    continue;
                }
                plan.add(&service, needed);
                let place = (needed.name.clone(), way);
                if seen.insert(place.clone()) {
                    frontier.push_back((place, steps + 1));
                }
            }
        }
        plan
    }

    fn name(&mut self, named: &[String], graph: &Graph) {
        let is_service = |name: &str| graph.kind(name) == Some(NodeKind::Service);
        if named.is_empty() {
            self.services =
                graph.names().filter(|name| is_service(name)).map(str::to_owned).collect();
        }
        for name in named {
            let list = if is_service(name) { &mut self.services } else { &mut self.unknown };
            if !list.contains(name) {
                list.push(name.clone());
            }
        }
    }

    fn add(&mut self, service: &str, needed: &Requires) {
        let Requires { name: dependency, criticality, needed: _ } = needed;
        if self.edges.iter().any(|e| e.service == service && &e.dependency == dependency) {
            return;
        }
        if !self.targets.contains(dependency) {
            self.targets.push(dependency.clone());
        }
        let (service, dependency) = (service.to_owned(), dependency.clone());
        self.edges.push(Edge { service, dependency, criticality: *criticality });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fleet, FollowDepth};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// Reads `"web: api, ads? / api: db"` as a fleet; a question mark makes the need soft.
    fn graph(text: &str) -> Graph {
        let services: BTreeMap<&str, Vec<&str>> = text
            .split('/')
            .filter_map(|line| line.split_once(':'))
            .map(|(service, list)| {
                let needs = list.split(',').map(str::trim).filter(|name| !name.is_empty());
                (service.trim(), needs.collect())
            })
            .collect();
        let bare = |need: &&str| need.trim_end_matches('?').to_owned();
        let needed: BTreeSet<String> = services.values().flatten().map(bare).collect();
        let endpoints = needed.iter().filter(|name| !services.contains_key(name.as_str()));
        let endpoint = |name: &String| format!("  {name}: {{ tcp: \"{name}:1\" }}\n");
        let endpoints: String = endpoints.map(endpoint).collect();
        let need =
            |need: &&str| format!("{{ name: {}, soft: {} }}", bare(need), need.ends_with('?'));
        let service = |(name, needs): (&&str, &Vec<&str>)| {
            let needs: Vec<String> = needs.iter().map(need).collect();
            format!("  {name}: {{ requires: [{}] }}\n", needs.join(", "))
        };
        let services: String = services.iter().map(service).collect();
        let yaml = format!("version: 1\nfleet: test\nendpoints:\n{endpoints}services:\n{services}");
        Fleet::parse("test.yaml", &yaml, &|_| None)
            .unwrap_or_else(|why| panic!("{why}\n{yaml}"))
            .graph
    }

    fn names(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn lines(plan: &Plan) -> String {
        let line = |edge: &Edge| {
            let mark = if edge.criticality == Criticality::Soft { "?" } else { "" };
            format!("{}>{}{mark}", edge.service, edge.dependency)
        };
        plan.edges.iter().map(line).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_closure_follows_hard_edges_to_the_end_and_soft_ones_one_step() {
        let cases = [
            // graph, named, edges, targets, unknown
            ("api: db", "api", "api>db", "db", ""),
            ("web: api / api: db", "web", "web>api api>db", "api db", ""),
            ("web: api / api: db, ads? / ads: cdn", "web", "web>api api>db", "api db", ""),
            ("web: ads? / ads: cdn", "web", "web>ads?", "ads", ""),
            (
                "web: ads?, api / api: ads / ads: cdn",
                "web",
                "web>ads? web>api api>ads ads>cdn",
                "ads api cdn",
                "",
            ),
            (
                "api: db, relay / relay: db, api",
                "api",
                "api>db api>relay relay>db relay>api",
                "db relay api",
                "",
            ),
            ("api: db / web: db", "web api", "web>db api>db", "db", ""),
            ("api: db", "api api ghost ghost", "api>db", "db", "ghost"),
            ("docs:", "docs", "", "", ""),
            ("api: db", "ghost", "", "", "ghost"),
            ("api: db / web: api", "", "api>db web>api", "db api", ""),
        ];
        for (text, named, edges, targets, unknown) in cases {
            let plan = Plan::of(&names(named), &graph(text), Depth::default());
            assert_eq!(lines(&plan), edges, "edges of {named:?} in {text:?}");
            assert_eq!(plan.targets, names(targets), "targets of {named:?} in {text:?}");
            assert_eq!(plan.unknown, names(unknown), "unknown of {named:?} in {text:?}");
        }
    }

    #[test]
    fn the_closure_ends_where_the_depth_says() {
        use FollowDepth::{All, Steps};
        let graph = graph("web: api, ads? / api: db, mail? / mail: smtp / ads: cdn / db: disk");
        for (hard, soft, edges) in [
            (Steps(1), Steps(1), "web>api web>ads?"),
            (Steps(2), Steps(1), "web>api web>ads? api>db"),
            (All, Steps(1), "web>api web>ads? api>db db>disk"),
            (Steps(1), Steps(2), "web>api web>ads? api>mail? ads>cdn"),
            (All, All, "web>api web>ads? api>db api>mail? ads>cdn db>disk mail>smtp"),
        ] {
            let plan = Plan::of(&names("web"), &graph, Depth { hard, soft });
            assert_eq!(lines(&plan), edges, "{hard:?} {soft:?}");
        }
    }

    #[test]
    fn what_is_needed_at_another_time_is_not_looked_at() {
        let yaml = "version: 1\nfleet: t\n\
            endpoints: { registry: { tcp: 'r:1' }, cache: { tcp: 'c:1' }, db: { tcp: 'd:1' } }\n\
            services:\n  web: { requires: [api] }\n  api: { requires: [db, \
            { name: registry, for: deploy }, { name: cache, for: [runtime] }] }\n";
        let graph = Fleet::parse("test.yaml", yaml, &|_| None).unwrap().graph;
        for (named, edges) in [
            ("api", "api>db api>registry"),
            ("web", "web>api api>db api>cache"),
            ("", "api>db api>registry api>cache web>api"),
        ] {
            let plan = Plan::of(&names(named), &graph, Depth::default());
            assert_eq!(lines(&plan), edges, "{named}");
        }
        assert!(graph.dependents("registry").is_empty());
        assert_eq!(graph.dependents("cache").len(), 2);
    }

    #[test]
    fn an_event_without_services_asks_about_the_whole_fleet() {
        let plan = Plan::of(&[], &graph("api: db / docs: / web: api"), Depth::default());
        assert_eq!(plan.services, names("api docs web"));
        assert!(plan.unknown.is_empty());
    }

    proptest! {
        #[test]
        fn every_dependency_is_asked_once_and_every_hard_edge_is_judged(
            needs in prop::collection::vec(prop::collection::btree_map(0_usize..9, any::<bool>(), 0..5), 6),
            asked in prop::collection::vec(0_usize..6, 1..4),
        ) {
            let line = |(service, list): (usize, &BTreeMap<usize, bool>)| {
                let others = list.iter().filter(|(to, _)| **to != service);
                let needs = others.map(|(to, soft)| format!("n{to}{}", if *soft { "?" } else { "" }));
                format!("n{service}: {}", needs.collect::<Vec<_>>().join(", "))
            };
            let text = needs.iter().enumerate().map(line).collect::<Vec<_>>().join(" / ");
            let graph = graph(&text);
            let named: Vec<String> = asked.iter().map(|n| format!("n{n}")).collect();
            let plan = Plan::of(&named, &graph, Depth::default());

            let distinct: BTreeSet<&String> = plan.targets.iter().collect();
            prop_assert_eq!(distinct.len(), plan.targets.len());
            let needed: BTreeSet<&String> = plan.edges.iter().map(|edge| &edge.dependency).collect();
            prop_assert_eq!(&needed, &distinct);
            // Whatever was reached over a hard edge has its own hard edges in the plan.
            let hard = plan.edges.iter().filter(|edge| edge.criticality == Criticality::Hard);
            for service in hard.map(|edge| &edge.dependency).chain(&plan.services) {
                for need in graph.requires(service) {
                    let judged = plan
                        .edges
                        .iter()
                        .any(|edge| &edge.service == service && edge.dependency == need.name);
                    let soft = need.criticality == Criticality::Soft;
                    prop_assert!(judged || soft, "{} > {} is missing", service, need.name);
                }
            }
        }
    }
}
