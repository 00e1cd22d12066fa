//! Every kind of problem, with the place and the words a person sees.

use printery_config::{Code, Fleet, Problems, Severity};

fn env(name: &str) -> Option<String> {
    match name {
        "SET" => Some("value".to_owned()),
        "HOST" => Some("http://h:1".to_owned()),
        "INJECTING" => Some("x\nversion: 2".to_owned()),
        "BRACES" => Some("{ a: [b], #c".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

fn load(text: &str) -> Result<Fleet, Problems> {
    Fleet::parse("f.yaml", text, &env)
}

fn lines(text: &str) -> Vec<String> {
    match load(text) {
        Ok(fleet) => fleet.warnings.iter().map(ToString::to_string).collect(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

/// Each case: a file, and what one of its problems must say.
fn each_is_refused(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        let found = lines(text);
        assert!(found.iter().any(|line| line.contains(expected)), "{text}\n{expected}\n{found:#?}");
        assert!(load(text).is_err(), "{text} must be refused");
    }
}

#[test]
fn a_file_that_is_no_fleet_file_is_refused() {
    each_is_refused(&[
        ("a: [", "f.yaml:1:4: not readable as YAML: unclosed bracket"),
        ("a: { b: ${env:X} }", "quote `${…}` inside { }"),
        ("- a", "f.yaml:1:1: the file must be a map, found a list"),
        ("version: 2", "f.yaml:1:10: `version` 2 is not supported by this version; it reads 1"),
    ]);
}

#[test]
fn a_key_that_is_unknown_missing_or_of_a_later_version_is_named() {
    each_is_refused(&[
        ("fleet: a\nfleet: b", "f.yaml:2:1: `fleet` stands here twice; the first is in line 1"),
        ("servces: {}", "f.yaml:1:1: unknown key `servces`; did you mean `services`?"),
        ("engine: { leese: 1s }", "f.yaml:1:11: unknown key `engine.leese`; did you mean `lease`?"),
        ("zzzzzz: 1", "f.yaml:1:1: unknown key `zzzzzz`"),
        ("telemetry: {}", "f.yaml:1:1: `telemetry` is not supported by this version"),
        (
            "services: { a: { extends: x } }",
            "`services.a.extends` is not supported by this version",
        ),
        ("checks: { a: { kind: mysql } }", "`checks.a.dsn` is missing"),
        ("checks: { a: { kind: htpp } }", "unknown check kind `htpp`; did you mean `http`?"),
        ("checks: { a: { kind: http } }", "f.yaml:1:14: `checks.a.url` is missing"),
        ("checks: { a: {} }", "`checks.a.kind` is missing"),
        ("endpoints: { a: { timeout: 1s } }", "must have exactly one of `http`, `tcp`, `tls`"),
        (
            "receivers: { a: {} }",
            "receiver `a` must have exactly one of `slack`, `email`, `webhook`",
        ),
        ("receivers: { a: { pagerduty: {} } }", "`receivers.a.pagerduty.routing_key` is missing"),
        (
            "receivers: { a: { file: notices.jsonl } }",
            "`receivers.a.file` must be a path from the root, such as /var/log/notices.jsonl",
        ),
        ("receivers: { a: { file: {} } }", "`receivers.a.file.path` is missing"),
        ("receivers: { a: { stdout: { x: 1 } } }", "unknown key `receivers.a.stdout.x`"),
        (
            "receivers: { a: { slack: { url: 'https://h/x', mode: thread } } }",
            "`receivers.a.slack.mode` needs `receivers.a.slack.token`",
        ),
        (
            "receivers: { a: { email: { to: 'a@b c', from: a@b, smtp: 'smtp://h' } } }",
            "`a@b c` must be a mail address",
        ),
        (
            "receivers: { a: { email: { to: a@b, from: a@b, smtp: 'http://h' } } }",
            "`receivers.a.email.smtp` must begin with smtp:// or smtps://",
        ),
        (
            "receivers: { a: { github_status: { token: '${env:SET}', repo: api } } }",
            "`receivers.a.github_status.repo` must be `owner/name`",
        ),
        ("notifier: { fallback: nobody }", "unknown receiver `nobody`"),
        (
            "notifier: { group: { by: [deployment_ids] } }",
            "nothing can be grouped by `deployment_ids`; did you mean `deployment_id`?",
        ),
        ("notifier: { group: { wait: 2 } }", "`notifier.group.wait` has no unit"),
        ("notifier: { circuit: { open: 30 } }", "`notifier.circuit.open` has no unit"),
        ("inhibit: [{ source: 'true' }]", "`inhibit.target` is missing"),
        ("inhibit: [{ source: 'kindd == \"x\"', target: 'true' }]", "did you mean `kind`?"),
        (
            "inhibit: [{ source: 'true', target: 'true', equal: [enviroment] }]",
            "no two notices can agree on `enviroment`; did you mean `environment`?",
        ),
        ("routes: [{ to: [], escalate: 10m }]", "`routes.escalate` must be a map, found text"),
        ("routes: [{ to: [], escalate: { after: 10m, to: nobody } }]", "unknown receiver `nobody`"),
        ("routes: [{ to: [], escalate: { to: x } }]", "`routes.escalate.after` is missing"),
        ("services: { 'a b': {} }", "f.yaml:1:13: `a b` is no usable name"),
    ]);
}

#[test]
fn a_value_names_the_rule_it_breaks() {
    each_is_refused(&[
        ("fleet: 7", "f.yaml:1:8: `fleet` must be text, found a number; write it in quotes"),
        ("services: []", "f.yaml:1:11: `services` must be a map, found a list"),
        ("bus: { tls: { cert: x } }", "unknown key `bus.tls.cert`"),
        ("bus: { tls: { insecure: maybe } }", "`bus.tls.insecure` must be `true` or `false`"),
        (
            "bus: { durability: { replicas: x } }",
            "`bus.durability.replicas` must be a whole number",
        ),
        ("bus: { durability: { timeout: 1 } }", "`bus.durability.timeout` has no unit"),
        ("engine: { lease: 10 }", "f.yaml:1:18: `engine.lease` has no unit; write it as `10s`"),
        ("engine: { lease: '10' }", "`engine.lease` has no unit"),
        ("engine: { lease: fast }", "must be a duration such as `10s`, `500ms` or `1m30s`, found"),
        ("engine: { lease: 0s }", "`engine.lease` must be longer than 0s"),
        ("engine: { lease: 9000y }", "`engine.lease` must be at most 366 days"),
        ("engine: { max_attempts: 0 }", "`engine.max_attempts` must be at least 1"),
        ("engine: { max_attempts: x }", "must be a whole number, found text"),
        ("engine: { max_attempts: 1.5 }", "must be a whole number"),
        ("engine: { encoding: xml }", "must be one of `msgpack`, `json`, found `xml`"),
        ("egress: { allow_loopback: yes }", "must be `true` or `false`, found text"),
        ("bus: { prefix: 'a b' }", "`bus.prefix` must be 1 to 64 of"),
        ("bus: { redis: 'http://x' }", "`bus.redis` must be a URL of one of these schemes: redis"),
        (
            "services: { a: { url: 'ftp://x' } }",
            "must be a URL of one of these schemes: http, https",
        ),
        (
            "services: { a: { url: nowhere } }",
            "`services.a.url` must be a URL (http, https), found",
        ),
        ("services: { a: { grpc: a } }", "`services.a.grpc` has no port; write host:port"),
        ("services: { a: { image: 'http://x/y' } }", "must be an image such as"),
        ("services: { a: { health: 'x' } }", "must be a path that starts with `/`, found `x`"),
        ("endpoints: { a: { tcp: host } }", "`endpoints.a.tcp` has no port; write host:port"),
        ("endpoints: { a: { tcp: 'h:99999' } }", "has no usable port"),
        (
            "endpoints: { a: { http: 'http://h', status: [999] } }",
            "statuses such as `200` or `200-",
        ),
        ("defaults: { health: { error_rate: { fail: 5 } } }", "must be text, found a number"),
        ("defaults: { health: { error_rate: { fail: '5' } } }", "must be a percentage from 0% to"),
        ("stages: [a, a]", "f.yaml:1:13: stage `a` stands here twice"),
    ]);
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    each_is_refused(&[
        ("defaults: { health: { window: 1m, samples: 3 } }", "exclude each other"),
        ("defaults: { health: { samples: 3, min_samples: 4 } }", "is above the 3 samples of the"),
        (
            "defaults: { probe: { timeout: 1s, connect_timeout: 2s } }",
            "is longer than `timeout`, 1s",
        ),
        (
            "dependency_checker: { latency: { warn: 9s } }",
            "`dependency_checker.latency.warn` is above",
        ),
        (
            "services: { a: {} }\nendpoints: { a: { tcp: 'h:1' } }",
            "`a` is a service and an endpoint",
        ),
    ]);
}

#[test]
fn a_name_must_exist_and_the_nearest_one_is_suggested() {
    each_is_refused(&[
        ("services: { a: { requires: [a] } }", "f.yaml:1:29: service `a` requires itself"),
        ("services: { a: { requires: [b, b] }, b: {} }", "service `a` requires `b` twice"),
        (
            "services: { a: { requires: [{ name: b, criticality: firm }] }, b: {} }",
            "must be one of `hard`, `soft`, found `firm`",
        ),
        (
            "services: { a: { requires: [{ name: b, criticality: soft, soft: true }] }, b: {} }",
            "`services.a.requires.soft` and `services.a.requires.criticality` exclude each other",
        ),
        ("services: { a: { requires: [{ name: x }] } }", "f.yaml:1:37: unknown dependency `x`"),
        (
            "services: { a: { checks: [schma] } }\nchecks: { schema: { kind: tcp, address: 'h:1' } }",
            "f.yaml:1:27: unknown check `schma`; not a name in `checks`; did you mean `schema`?",
        ),
        (
            "routes: [{ to: [deplys] }]\nreceivers: { deploys: log }",
            "unknown receiver `deplys`; not a name in `receivers`; did you mean `deploys`?",
        ),
        ("routes: [{ match: { severity: critcal }, to: [] }]", "did you mean `critical`?"),
    ]);
}

#[test]
fn what_cannot_be_interpolated_names_the_variable() {
    each_is_refused(&[
        ("fleet: '${env:UNSET}'", "f.yaml:1:8: `fleet`: environment variable UNSET is not set"),
        ("fleet: '${env:EMPTY}'", "environment variable EMPTY is not set"),
        ("fleet: '${env:UNSET:?say who}'", "variable UNSET is not set: say who"),
        ("fleet: '${env:UNSET'", "`${` is never closed by `}`"),
        (
            "fleet: '${UNSET}'",
            "`${UNSET}` is none of `${env:NAME}`, `${file:/path}`, `${var:name}`",
        ),
        ("fleet: '${env:A-B}'", "is none of NAME, NAME:-default, NAME:?message"),
        ("fleet: '${env:}'", "names no variable"),
        ("fleet: '${env:INJECTING}'", "environment variable INJECTING holds a line break"),
        ("fleet: '${file:/nowhere/at/all}'", "cannot read /nowhere/at/all"),
        ("fleet: '${var:x}'", "variable `x` is not in `vars`"),
        ("fleet: '${event.x}'", "`${event.x}` is not supported by this version"),
        ("vars: { a: '${var:a}' }", "`vars.a`: variable `a` is not in `vars`"),
    ]);
}

#[test]
fn a_receiver_without_a_usable_address_or_key_is_refused() {
    each_is_refused(&[
        ("receivers: { a: { slack: {} } }", "`receivers.a.slack.url` is missing"),
        (
            "receivers: { a: { webhook: { url: 'https://h/x', secret: '${env:SET}' } } }",
            "`receivers.a.webhook.secret` must be `whsec_` and base64",
        ),
        (
            "receivers: { a: { webhook: { url: 'https://h/x', secret: whsec_c2hvcnQ= } } }",
            "must hold at least 24 bytes",
        ),
    ]);
}

#[test]
fn warnings_do_not_stop_the_start() {
    let cases = [
        ("services: { a: { requires: [b] }, b: { requires: [a] } }", Code::Cycle),
        ("receivers: { a: log }", Code::Unused),
        ("checks: { a: { kind: tcp, address: 'h:1' } }", Code::Unused),
        (
            "receivers: { a: { slack: 'https://h/secret' } }\nroutes: [{ to: [a] }]",
            Code::ClearTextSecret,
        ),
        ("bus: { redis: 'redis://:pw@h' }", Code::ClearTextSecret),
    ];
    for (text, code) in cases {
        let fleet = load(text).unwrap_or_else(|problems| panic!("{text}\n{problems}"));
        assert!(fleet.warnings.iter().any(|warning| warning.code == code), "{text}");
        assert!(fleet.warnings.iter().all(|warning| warning.code.severity() == Severity::Warning));
    }
}

#[test]
fn all_problems_are_reported_at_once_and_in_order() {
    let text =
        "fleet: 7\nengine: { lease: 10, leese: 1s }\nservices:\n  a: { url: x, requires: [b] }\n";
    let problems = load(text).unwrap_err();
    let places: Vec<u64> = problems.iter().filter_map(|p| p.at).map(|at| at.line).collect();
    assert_eq!(places, [1, 2, 2, 4, 4]);
    assert_eq!(problems.errors(), 5);
    assert_eq!(problems.to_string().lines().count(), 5);
}

#[test]
fn a_snippet_marks_the_place() {
    let problems = load("services:\n  a: { requires: [paymnt] }\n  payment: {}\n").unwrap_err();
    let snippet = problems.iter().next().unwrap().with_snippet();
    let expected = "error[E0102]: unknown dependency `paymnt`\n --> f.yaml:2:19\n  |\n\
                    2 |   a: { requires: [paymnt] }\n  |                   ^^^^^^ \
                    not a service or endpoint; did you mean `payment`?";
    assert_eq!(snippet, expected);
}

#[test]
fn the_mark_is_as_wide_as_the_value() {
    let cases = [
        ("fleet: 'a b", 1),
        ("version: 200", 3),
        ("versoin: 1", 7),
        ("fleet: \"${env:UNSET}\"", 14),
        ("services: [a]", 1),
        ("services: { a: { url: 'x y' } }", 5),
        ("bus: { redis: http://x:1/a }", 12),
        ("services: { a: { health: é: 1 } }", 1),
    ];
    for (text, width) in cases {
        let problems = load(text).unwrap_err();
        let snippet = problems.iter().next().unwrap().with_snippet();
        assert_eq!(snippet.matches('^').count(), width, "{snippet}");
    }
}

#[test]
fn what_this_machine_lacks_is_told_from_what_the_file_gets_wrong() {
    let code = |text: &str| load(text).unwrap_err().iter().next().unwrap().code;
    for text in ["${env:UNSET}", "${env:UNSET:?why}", "${file:/nowhere}", "${env:X:-${env:Y}}"] {
        assert_eq!(code(&format!("fleet: '{text}'")), Code::Environment, "{text}");
    }
    let image = "checks: { a: { kind: oci_image, image: 'r.example/${env:UNSET}' } }";
    assert!(load(image).unwrap_err().iter().any(|problem| problem.code == Code::Environment));
    for text in ["${var:x}", "${UNSET}", "${env:INJECTING}", "${env:"] {
        assert_eq!(code(&format!("fleet: '{text}'")), Code::Interpolation, "{text}");
    }
}

#[test]
fn a_graph_has_its_limits() {
    let chain = |length: usize| {
        let service = |n: usize| format!("  s{n}: {{ requires: [s{}] }}\n", n + 1);
        let services: String = (1..length).map(service).collect();
        load(&format!("services:\n{services}  s{length}: {{}}\n"))
    };
    assert!(chain(32).is_ok());
    let problems = chain(33).unwrap_err().to_string();
    assert!(problems.contains("services require each other 33 deep, more than 32"), "{problems}");
    let wide = |count: usize| {
        let services: Vec<String> = (0..count).map(|n| format!("  s{n}: {{}}")).collect();
        load(&format!("services:\n{}", services.join("\n")))
    };
    assert!(wide(2000).is_ok());
    let problems = wide(2001).unwrap_err().to_string();
    assert!(problems.contains("2001 services and endpoints are more than 2000"), "{problems}");
}

#[test]
fn a_value_never_becomes_structure() {
    let fleet = load("fleet: \"${env:BRACES}\"").unwrap();
    assert_eq!(fleet.name, "{ a: [b], #c");
    assert_eq!(load("fleet: '$${env:SET}'").unwrap().name, "${env:SET}");
    assert_eq!(load("fleet: '${env:UNSET:-${env:SET}}!'").unwrap().name, "value!");
}

#[test]
fn a_secret_in_the_file_is_never_printed() {
    let text = "bus: { redis: 'redis://u:hunter2@h', prefix: 'a b' }\n\
                receivers: { a: { slack: 'https://h/hunter3' }, b: { webhook: { url: 'ftp://hunter4', secret: hunter5 } } }\n\
                services: { x: { url: 'nope://joe:hunter6@h' } }\n\
                endpoints: { y: { tcp: 'joe:hunter7@h' } }\n\
                routes: [{ to: [a, b] }]";
    let problems = load(text).unwrap_err();
    for problem in problems.iter() {
        let shown = format!("{problem}\n{}\n{problem:?}", problem.with_snippet());
        for secret in ["hunter2", "hunter3", "hunter4", "hunter5", "hunter6"] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
    }
}

#[test]
fn an_unreadable_path_is_a_problem() {
    let problems = Fleet::load(Some("/nowhere/fleet.yaml".as_ref()), &env).unwrap_err();
    assert!(
        problems.to_string().starts_with("/nowhere/fleet.yaml: cannot be read: "),
        "{problems}"
    );
}

#[test]
fn what_is_not_configured_is_read_without_its_values() {
    let text =
        "checks: { a: { kind: http, url: '${env:UNSET}/x', skip_unless_env: UNSET, tiemout: 1s } }";
    let found = lines(text);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found.iter().any(|line| line.contains("did you mean `timeout`?")), "{found:#?}");
}
