//! What watches the fleet from outside asks for what the fleet measures.
//!
//! Proves that every metric, label and section that rules and dashboard name exists, and that Prometheus takes the rules.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use super::{assert_none, read, root, sources};

const RULES: &str = "deploy/alerts.yml";
const DASHBOARD: &str = "deploy/grafana/printery.json";
/// What Prometheus adds to a histogram's name.
const HISTOGRAM: [&str; 3] = ["_bucket", "_sum", "_count"];

fn rules() -> Vec<Value> {
    let file: Value = serde_saphyr::from_str(&read(RULES)).expect("the rules are YAML");
    let groups = file["groups"].as_array().expect("groups").clone();
    groups.iter().flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default()).collect()
}

fn dashboard() -> Value {
    serde_json::from_str(&read(DASHBOARD)).expect("the dashboard is JSON")
}

/// Every expression that Prometheus is asked, with the place it is written in.
fn expressions() -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let rules = rules();
    let of_rules = rules.iter().map(|rule| (text(&rule["alert"]), text(&rule["expr"])));
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().expect("panels");
    let of_panels = panels.iter().flat_map(|panel| {
        let targets = panel["targets"].as_array().expect("targets");
        targets.iter().map(|target| (text(&panel["title"]), text(&target["expr"])))
    });
    of_rules.chain(of_panels).collect()
}

#[test]
fn every_metric_that_is_watched_exists() {
    let sources = sources();
    let exists = |metric: &str| {
        let measured = |name: &str| sources.contains(&format!("\"{name}\""));
        let base = HISTOGRAM.iter().find_map(|suffix| metric.strip_suffix(suffix));
        measured(metric) || base.is_some_and(measured)
    };
    let mut wrong = BTreeSet::new();
    for (place, expression) in expressions() {
        let words = expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let metrics: Vec<&str> = words.filter(|word| word.starts_with("printery_")).collect();
        assert!(!metrics.is_empty(), "{place} asks for no metric of the fleet: {expression}");
        let unknown = metrics.into_iter().filter(|metric| !exists(metric));
        wrong.extend(unknown.map(|metric| format!("{place}: {metric}")));
    }
    assert_none("no such metric", &wrong);
}

#[test]
fn every_state_of_processes_that_is_watched_exists() {
    let snapshot = read("crates/manager/src/snapshot.rs");
    let mut watched = 0;
    for (place, expression) in expressions() {
        let Some((_, rest)) = expression.split_once("state=\"") else { continue };
        let state = rest.split('"').next().unwrap_or_default();
        assert!(snapshot.contains(&format!("\"{state}\"")), "{place}: no such state: {state}");
        watched += 1;
    }
    assert!(watched > 0, "nobody watches for processes without a beat");
}

#[test]
fn every_alert_leads_to_a_section_of_the_runbook() {
    let runbook = read("deploy/RUNBOOK.md");
    for rule in rules() {
        let section = rule["annotations"]["runbook"].as_str().expect("a runbook section");
        let heading = format!("## {section}");
        assert!(runbook.lines().any(|line| line == heading), "{}: {section}", rule["alert"]);
        assert!(rule["labels"]["severity"].is_string(), "{} has no severity", rule["alert"]);
    }
}

#[test]
fn prometheus_takes_the_rules() {
    let checked =
        Command::new("promtool").args(["check", "rules"]).arg(root().join(RULES)).output();
    let checked = checked.expect("promtool is installed (scripts/prerequisites.sh)");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}

#[test]
fn the_dashboard_keeps_its_address_and_its_panels_apart() {
    let dashboard = dashboard();
    assert_eq!(dashboard["uid"], "printery");
    let panels = dashboard["panels"].as_array().expect("panels");
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].to_string()).collect();
    assert_eq!(ids.len(), panels.len(), "two panels have one id");
    let places: BTreeSet<_> = panels.iter().map(|panel| panel["gridPos"].to_string()).collect();
    assert_eq!(places.len(), panels.len(), "two panels are in one place");
}
