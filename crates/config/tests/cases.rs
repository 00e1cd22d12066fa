//! The `tests:` section: what it may say, and what is refused.

use printery_config::{Ending, Fleet};
use serde_json::json;

const FILE: &str = r#"
endpoints: { psp: { tcp: "psp:1" } }
services:
  checkout: { requires: [psp], checks: [port, gateway] }
  docs: {}
checks:
  port: { kind: tcp, address: "h:1" }
  gateway: { kind: http, url: "http://h/" }
validator: { checks: [gateway] }
receivers: { deploys: log }
routes: [{ to: [deploys] }]
tests:
  - name: psp down blames psp
    at: 2026-11-20T17:00:00+01:00
    event: { type: deployment:started, services: [checkout], labels: [], migrations: { reversible: false } }
    given: { psp: down, checkout: up, gateway: warn }
    expect: { root_causes: psp, impaired: [checkout], routes: [deploys], checks: [gateway, port], checks.gateway: warn }
"#;

#[test]
fn a_case_keeps_what_it_says() {
    let fleet = Fleet::parse("f", FILE, &|_| None).unwrap();
    let [case] = fleet.tests.as_slice() else { panic!("one case") };
    assert_eq!((case.name.as_str(), case.line), ("psp down blames psp", 13));
    assert_eq!(case.at.unwrap().to_string(), "2026-11-20T16:00:00Z");
    assert_eq!(case.event["migrations"], json!({ "reversible": false }));
    assert!(case.down.contains("psp") && case.down.len() == 1);
    assert_eq!(case.given["gateway"], Ending::Warn);
    assert_eq!(case.expect.endings["gateway"], Ending::Warn);
    assert_eq!(case.expect.root_causes.as_deref(), Some(&["psp".to_owned()][..]));
    assert!(!fleet.resolved().to_string().contains("blames"), "a test is no configuration");
}

#[test]
fn a_deployment_gets_the_fleets_checks_and_those_of_its_services_once() {
    let fleet = Fleet::parse("f", FILE, &|_| None).unwrap();
    let names = |services: &[&str]| {
        let checks = fleet.checks_for(services.iter().copied());
        checks.iter().map(|check| check.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&["checkout", "ghost"]), ["gateway", "port"]);
    assert_eq!(names(&["docs"]), ["gateway"]);
}

#[test]
fn what_a_case_cannot_mean_is_refused() {
    let cases = [
        (
            "psp: down",
            "pspp: down",
            "unknown dependency `pspp`; not a service or endpoint; did you",
        ),
        ("gateway: warn }\n", "gatewy: warn }\n", "unknown check `gatewy`"),
        ("psp: down", "psp: broken", "must say `up`, `down` or how a check ends, found `broken`"),
        ("checks.gateway: warn", "checks.gateway: maybe", "must be one of pass, warn, fail"),
        ("checks.gateway: warn", "check.gateway: warn", "unknown key `tests.expect.check.gateway`"),
        ("routes: [deploys], checks", "routes: [deplys], checks", "did you mean `deploys`?"),
        ("2026-11-20T17:00:00+01:00", "tomorrow", "must be a moment such as"),
        ("at: 2026-11-20T17:00:00+01:00\n", "att: x\n", "did you mean `at`?"),
    ];
    for (right, wrong, said) in cases {
        let text = FILE.replace(right, wrong);
        assert_ne!(text, FILE, "{right}");
        let problems = Fleet::parse("f", &text, &|_| None).unwrap_err().to_string();
        assert!(problems.contains(said), "{wrong}: {problems}");
    }
}

#[test]
fn a_name_in_a_test_is_no_use_of_it() {
    let text = FILE.replace("checks: [port, gateway]", "").replace("checks: [gateway, port], ", "");
    let fleet = Fleet::parse("f", &text.replace("gateway: warn", "port: warn"), &|_| None).unwrap();
    let warnings: Vec<String> = fleet.warnings.iter().map(ToString::to_string).collect();
    assert!(
        warnings.iter().any(|line| line.contains("check `port` is never used")),
        "{warnings:?}"
    );
}
