//! `config` and `completions`: what needs no Redis.

use serde_json::json;

use crate::shell::{program, run, typed};

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), text).expect("a writable file");
    file
}

#[test]
fn every_problem_is_shown_in_its_place() {
    let wrong = file("version: 1\negres: {}\nstages: [a, a]\n");
    let path = wrong.path().display().to_string();
    let said = typed(&["config", "check", &path]);
    assert_eq!(said.code, 2, "{said:?}");
    for word in ["egres", ":2:1", "stages: [a, a]", "2 errors"] {
        assert!(said.out.contains(word), "{word}: {said:?}");
    }
    let checked = typed(&["config", "check", &path, "--json"]).json();
    assert_eq!((&checked["ok"], &checked["problems"][0]["line"]), (&json!(false), &json!(2)));
    // The flag and the variable name the file as well.
    assert_eq!(typed(&["config", "check", "--config", &path]).code, 2);
    assert_eq!(typed(&["config", "check"]).code, 0, "the built-in profile is right");
}

#[test]
fn what_applies_is_shown_and_secrets_are_not() {
    let right =
        file("fleet: shop\nreceivers: { t: { slack: \"${env:HOOK}\" } }\nroutes: [{ to: [t] }]\n");
    let path = right.path().display().to_string();
    let show = |words: &[&str]| {
        let mut command = program();
        command.args(["config", "show", &path]).args(words);
        command.env("HOOK", "https://hooks.slack.com/services/T0/B0/hunter2");
        run(command)
    };
    let json = show(&["--json"]).json();
    assert_eq!(json["fleet"], "shop");
    let yaml = show(&["--resolved"]);
    assert_eq!(yaml.code, 0, "{yaml:?}");
    assert!(
        yaml.out.contains("fleet: shop") && yaml.out.contains("stages: [vercel, railway, folio]")
    );
    assert!(!yaml.out.contains("hunter2") && !json.to_string().contains("hunter2"));
}

#[test]
fn a_check_is_as_strict_as_it_is_told_to_be() {
    let warned = file("services: { a: { requires: [b] }, b: { requires: [a] } }\n");
    let path = warned.path().display().to_string();
    assert_eq!(typed(&["config", "check", &path]).code, 0);
    assert_eq!(typed(&["config", "check", &path, "--deny-warnings"]).code, 2);
    let needs = file("fleet: \"${env:NOBODY_HAS_THIS}\"\nbus: { redis: \"${file:/nowhere}\" }\n");
    let path = needs.path().display().to_string();
    assert_eq!(typed(&["config", "check", &path]).code, 2);
    let without = typed(&["config", "check", &path, "--no-environment"]);
    assert!(without.code == 0 && without.out.contains("0 errors"), "{without:?}");
    let wrong = file("fleet: \"${env:NOBODY_HAS_THIS}\"\negres: {}\n");
    let path = wrong.path().display().to_string();
    assert_eq!(typed(&["config", "check", &path, "--no-environment"]).code, 2);
}

#[test]
fn problems_are_told_in_the_forms_of_code_hosts() {
    let wrong = file("egres: {}\nstages: [a, a]\n");
    let path = wrong.path().display().to_string();
    let github = typed(&["config", "check", &path, "--format", "github"]);
    let expected = format!(
        "::error file={path},line=1,col=1,title=E0003::unknown key `egres`; did you mean `egress`?"
    );
    assert_eq!((github.code, github.out.lines().next()), (2, Some(expected.as_str())));
    let sarif = typed(&["config", "check", &path, "--format", "sarif"]).json();
    let results = &sarif["runs"][0]["results"];
    assert_eq!((&sarif["version"], &results[1]["ruleId"]), (&json!("2.1.0"), &json!("E0101")));
    let region = &results[1]["locations"][0]["physicalLocation"]["region"];
    assert_eq!(*region, json!({ "startLine": 2, "startColumn": 13 }));
}

#[test]
fn two_files_are_compared_by_what_they_come_to() {
    let old = file("fleet: a\nservices: { x: {}, y: {} }\n");
    let new = file("services: { z: {}, x: { owner: web } }\nfleet: a\n");
    let (old, new) = (old.path().display().to_string(), new.path().display().to_string());
    let said = typed(&["config", "diff", &old, &new]);
    assert_eq!(said.code, 0, "{said:?}");
    for word in ["~ services.x.owner: null → \"web\"", "- services.y: ", "+ services.z: "] {
        assert!(said.out.contains(word), "{word}: {said:?}");
    }
    assert_eq!(typed(&["config", "diff", &old, &new, "--exit-code"]).code, 1);
    let same = typed(&["config", "diff", &old, &old, "--exit-code", "--json"]);
    assert_eq!((same.code, &same.json()["changes"]), (0, &json!([])));
}

const TESTED: &str = r#"
windows: { freeze: { zone: Europe/Berlin, times: [{ days: [fri], from: "15:00", to: "24:00" }] } }
vars: { registry: r.example }
endpoints: { psp: { tcp: "psp:1" }, cache: { tcp: "cache:1" } }
services:
  frontend: { requires: [checkout], checks: [no-freeze, port] }
  checkout: { requires: [payment, cache], checks: [registry] }
  payment: { requires: [psp] }
checks:
  no-freeze: { kind: policy, when: 'environment == "prod"', expr: '!inWindow("freeze") || "hotfix" in labels' }
  hours: { kind: window, outside: [freeze] }
  registry: { kind: policy, expr: 'images[service].startsWith(vars.registry + "/")' }
  port: { kind: tcp, address: "h:1" }
validator: { checks: [hours] }
receivers: { deploys: log, oncall: log }
routes:
  - { when: 'severity == "critical"', to: [oncall], continue: true }
  - { match: { environment: staging }, to: [deploys], mute: [freeze] }
  - { to: [deploys] }
tests:
  - name: staging is quiet while it is frozen
    at: 2026-11-20T17:00:00+01:00
    event: { type: deployment:started, service: payment, environment: staging, version: 1.4.0 }
    expect: { routes: [] }
  - name: staging is told at other times
    at: 2026-11-19T17:00:00+01:00
    event: { type: deployment:started, service: payment, environment: staging, version: 1.4.0 }
    expect: { routes: [deploys] }
  - name: freeze blocks prod on Friday evening
    at: 2026-11-20T17:00:00+01:00
    event: { type: deployment:started, service: frontend, environment: prod, version: 1.4.0 }
    expect: { checks: [hours, no-freeze, port], checks.no-freeze: fail, checks.hours: fail, routes: [deploys] }
  - name: a hotfix may pass
    at: 2026-11-20T17:00:00+01:00
    event: { type: deployment:started, service: frontend, environment: prod, version: 1.4.0, labels: [hotfix] }
    given: { port: warn }
    expect: { checks.no-freeze: pass, checks.port: warn }
  - name: nothing is frozen on staging
    at: 2026-11-20T17:00:00+01:00
    event: { type: deployment:started, services: [checkout, frontend], environment: staging, version: 1.4.0, images: { checkout: r.example/c, frontend: elsewhere/f } }
    expect: { checks: [hours, port, registry], checks.registry: fail }
  - name: psp down blames psp, not checkout
    event: { type: stage:completed, service: checkout }
    given: { psp: down, payment: down }
    expect: { root_causes: [psp], impaired: [payment, checkout], routes: [deploys] }
  - name: a failure wakes somebody
    event: { type: deployment:failed, reason: no image, failed_stage: validation }
    expect: { routes: [oncall, deploys], root_causes: [] }
"#;

#[test]
fn a_fleet_files_own_tests_are_played() {
    let tested = file(TESTED);
    let path = tested.path().display().to_string();
    let said = typed(&["config", "test", &path]);
    assert!(said.code == 0 && said.out.ends_with("7 tests, 0 failed\n"), "{said:?}");
}

#[test]
fn the_fleet_files_of_the_project_are_right_and_pass_their_own_tests() {
    let fleets = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/fleets");
    let mut tests = 0;
    for entry in std::fs::read_dir(fleets).expect("the project ships fleet files") {
        let path = entry.expect("a readable folder").path().display().to_string();
        let checked = typed(&["config", "check", &path]);
        assert_eq!(checked.code, 0, "{checked:?}");
        let played = typed(&["config", "test", &path, "--json"]);
        assert_eq!(played.code, 0, "{played:?}");
        tests += played.json()["tests"].as_array().map_or(0, Vec::len);
    }
    assert!(tests >= 6, "{tests} tests");
}

#[test]
fn a_test_that_fails_says_what_came_instead() {
    let cases = [
        ("checks.hours: fail", "checks.hours: pass", "checks.hours: expected pass, found fail"),
        (
            "routes: [oncall, deploys]",
            "routes: [oncall]",
            "expected [oncall], found [deploys, oncall]",
        ),
        (
            "root_causes: [psp]",
            "root_causes: [cache]",
            "root_causes: expected [cache], found [psp]",
        ),
        ("impaired: [payment, ", "impaired: [", "found [checkout, payment]"),
        ("given: { port: warn }", "given: {}", "it asks outside; say in `given` how port ends"),
        ("checks.registry: fail", "checks.no-freeze: pass", "it is not made for this deployment"),
        ("checks: [hours, no-freeze, port]", "checks: [hours]", "found [hours, no-freeze, port]"),
    ];
    for (right, wrong, miss) in cases {
        let text = TESTED.replacen(right, wrong, 1);
        assert_ne!(text, TESTED, "{right}");
        let tested = file(&text);
        let path = tested.path().display().to_string();
        let said = typed(&["config", "test", &path]);
        assert_eq!(said.code, 1, "{wrong}: {said:?}");
        assert!(said.out.contains(miss) && said.out.contains("1 failed"), "{wrong}: {said:?}");
        assert_eq!(typed(&["config", "test", &path, "--json"]).json()["ok"], json!(false));
    }
}

#[test]
fn an_event_that_cannot_be_is_named_with_its_line() {
    let wrong = file(
        "tests: [{ name: a, event: { type: deployment:started, servces: [] }, expect: {} }]\n",
    );
    let path = wrong.path().display().to_string();
    let said = typed(&["config", "test", &path]);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.err.contains(&format!("{path}:1: `event.servces` is not part of")), "{said:?}");
}

#[test]
fn editors_are_given_the_schema() {
    let schema = typed(&["config", "schema"]).json();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert!(schema["properties"]["services"].is_object(), "{schema}");
}

#[test]
fn shells_learn_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let said = typed(&["completions", shell]);
        assert!(said.code == 0 && said.out.contains("redrive"), "{shell}: {said:?}");
    }
    assert_eq!(typed(&["completions", "cmd"]).code, 2);
}
