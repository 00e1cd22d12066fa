//! Where a target is asked, whom it is believed and what is tried again: what the keys of every kind come to.
#![expect(clippy::panic, reason = "a set-up that fails is a failed test")]

use printery_config::{
    Authorities, CheckSpec, Code, EndpointSpec, Final, Fleet, FollowDepth, GrpcTransport, IpFamily,
    Limits, Login,
};

fn fleet(text: &str) -> Fleet {
    let text = format!("version: 1\nfleet: t\n{text}");
    Fleet::parse("f.yaml", &text, &|_| None).unwrap_or_else(|why| panic!("{why}\n{text}"))
}

fn problem(text: &str) -> String {
    let text = format!("version: 1\nfleet: t\n{text}");
    match Fleet::parse("f.yaml", &text, &|_| None) {
        Ok(_) => panic!("{text} is accepted"),
        Err(problems) => problems.to_string(),
    }
}

fn limits(spec: &EndpointSpec) -> Limits {
    match spec {
        EndpointSpec::Http(probe) => probe.limits,
        EndpointSpec::Tcp(probe) => probe.limits,
        EndpointSpec::Tls(probe) => probe.limits,
        EndpointSpec::Grpc(probe) => probe.limits,
        EndpointSpec::Dns(probe) => probe.limits,
        EndpointSpec::Postgres(probe) => probe.limits,
        EndpointSpec::Mysql(probe) => probe.limits,
        EndpointSpec::Redis(probe) => probe.limits,
        EndpointSpec::Skipped { of, reason } => panic!("{of}: {reason}"),
    }
}

#[test]
fn every_dialled_kind_takes_its_family_from_itself_its_worker_or_the_defaults() {
    for kind in [
        "http: 'http://a'",
        "tcp: 'a:1'",
        "tls: a",
        "grpc: 'a:1'",
        "postgres: 'postgres://a/b'",
        "redis: 'redis://a'",
        "mysql: 'mysql://o@a/b'",
    ] {
        for (said, expected) in [
            (String::new(), IpFamily::Any),
            ("defaults: { probe: { ip: v6 } }".to_owned(), IpFamily::V6),
            ("dependency_checker: { defaults: { ip: v4 } }".to_owned(), IpFamily::V4),
        ] {
            let text = format!("{said}\nendpoints: {{ e: {{ {kind} }} }}");
            assert_eq!(limits(&fleet(&text).endpoints["e"].spec).ip, expected, "{text}");
            let text = format!("{said}\nendpoints: {{ e: {{ {kind}, ip: both }} }}");
            assert_eq!(limits(&fleet(&text).endpoints["e"].spec).ip, IpFamily::Both, "{text}");
        }
    }
    let wrong = problem("endpoints: { e: { tcp: 'a:1', ip: v5 } }");
    assert!(wrong.contains("must be one of `any`, `v4`, `v6`, `both`"), "{wrong}");
    let wrong = problem("endpoints: { e: { dns: a, ip: v4 } }");
    assert!(wrong.contains("unknown key `endpoints.e.ip`"), "{wrong}");
}

#[test]
fn whoever_is_not_verified_is_warned_of() {
    for (endpoint, place) in [
        ("http: 'https://a', insecure: true", "http"),
        ("tcp: 'a:1', starttls: smtp, insecure: true", "tcp"),
        ("tls: a, insecure: true", "tls"),
        ("grpc: 'a:1', insecure: true", "grpc"),
    ] {
        let fleet = fleet(&format!("endpoints:\n  e: {{ {endpoint} }}"));
        let warned = fleet.warnings.iter().any(|problem| problem.code == Code::Unverified);
        assert!(warned, "{endpoint}");
        let authorities = match &fleet.endpoints["e"].spec {
            EndpointSpec::Http(probe) => probe.authorities.clone(),
            EndpointSpec::Tcp(probe) => probe.authorities.clone(),
            EndpointSpec::Tls(probe) => probe.authorities.clone(),
            EndpointSpec::Grpc(probe) => match &probe.transport {
                GrpcTransport::Tls { authorities } => authorities.clone(),
                GrpcTransport::Plain => panic!("in clear text"),
            },
            other @ (EndpointSpec::Dns(_)
            | EndpointSpec::Postgres(_)
            | EndpointSpec::Mysql(_)
            | EndpointSpec::Redis(_)
            | EndpointSpec::Skipped { .. }) => panic!("{other:?}"),
        };
        assert_eq!(authorities, Authorities::Anyone, "{place}");
        let shown = serde_json::to_string(&fleet.endpoints["e"]).unwrap();
        assert!(shown.contains("not verified"), "{shown}");
    }
    let wrong = problem("endpoints: { e: { tls: a, ca: /x, insecure: true } }");
    assert!(wrong.contains("`endpoints.e.insecure` and `ca` exclude each other"), "{wrong}");
}

#[test]
fn redirects_are_followed_as_often_as_is_said_and_never_more_than_three_times() {
    for (said, expected) in [
        ("", None),
        (", follow: true", Some(3)),
        (", follow: false", Some(0)),
        (", follow: 2", Some(2)),
    ] {
        let fleet = fleet(&format!("endpoints: {{ e: {{ http: 'http://a'{said} }} }}"));
        let EndpointSpec::Http(http) = &fleet.endpoints["e"].spec else { panic!() };
        assert_eq!(http.follow, expected, "{said}");
    }
    let wrong = problem("endpoints: { e: { http: 'http://a', follow: 4 } }");
    assert!(wrong.contains("`endpoints.e.follow` must be at most 3 redirects"), "{wrong}");
    let wrong = problem("endpoints: { e: { http: 'http://a', follow: often } }");
    assert!(wrong.contains("`true`, `false` or a number of redirects"), "{wrong}");
}

#[test]
fn final_answers_are_tried_again_where_they_are_named() {
    let fleet = fleet(
        "defaults: { probe: { retry_on: auth } }\n\
         checks: { c: { kind: http, url: 'http://a', retry_on: [nxdomain, http_status] } }\n\
         validator: { checks: [c] }\n\
         endpoints: { e: { dns: a } }",
    );
    let CheckSpec::Http(http) = &fleet.checks["c"].spec else { panic!() };
    let listed = http.limits.retry_on;
    assert!(listed.holds(Final::Nxdomain) && listed.holds(Final::HttpStatus));
    assert!(!listed.holds(Final::Auth), "a list of one's own takes the place of the default");
    assert!(limits(&fleet.endpoints["e"].spec).retry_on.holds(Final::Auth));
    let shown = serde_json::to_value(listed).unwrap();
    assert_eq!(shown, serde_json::json!(["dns_nxdomain", "http_status"]));
    let wrong = problem("endpoints: { e: { tcp: 'a:1', retry_on: [refused] } }");
    assert!(wrong.contains("must hold reason codes: `nxdomain`, `dns_nxdomain`"), "{wrong}");
    let wrong = problem("checks: { c: { kind: gate, retry_on: tls } }");
    assert!(wrong.contains("unknown key `checks.c.retry_on`"), "{wrong}");
}

#[test]
fn the_closure_is_as_deep_as_is_said() {
    for (said, hard, soft) in [
        ("", FollowDepth::All, FollowDepth::Steps(1)),
        ("depth: all", FollowDepth::All, FollowDepth::Steps(1)),
        ("depth: 2", FollowDepth::Steps(2), FollowDepth::Steps(1)),
        ("depth: { hard: 3, soft: all }", FollowDepth::Steps(3), FollowDepth::All),
        ("depth: { soft: 2 }", FollowDepth::All, FollowDepth::Steps(2)),
    ] {
        let depth = fleet(&format!("dependency_checker: {{ {said} }}")).dependency_checker.depth;
        assert_eq!((depth.hard, depth.soft), (hard, soft), "{said}");
    }
    let wrong = problem("dependency_checker: { depth: 0 }");
    assert!(wrong.contains("`all` or a number of steps"), "{wrong}");
}

#[test]
fn a_request_is_made_as_one_somebody() {
    let auth = |auth: &str| {
        let text = format!("endpoints: {{ e: {{ http: 'https://a', auth: {{ {auth} }} }} }}");
        let mut fleet = fleet(&text);
        let Some(EndpointSpec::Http(http)) = fleet.endpoints.remove("e").map(|e| e.spec) else {
            panic!("no http")
        };
        http.auth
    };
    let basic = auth("basic: { username: ops, password: hunter2 }");
    assert!(matches!(&basic.login, Some(Login::Basic { username, .. }) if username == "ops"));
    let client = "oauth2: { token_url: 'https://t/x', client_id: a, client_secret: hunter2 }";
    let both = auth(&format!("{client}, mtls: {{ cert: /c.pem, key: /k.pem }}"));
    assert!(matches!(&both.login, Some(Login::OAuth2(client)) if client.client_id == "a"));
    assert_eq!(both.certificate.as_ref().map(|it| it.key.display().to_string()).unwrap(), "/k.pem");
    let shown = serde_json::to_string(&[basic, both]).unwrap();
    assert!(!shown.contains("hunter2"), "{shown}");
    for (auth, why) in [
        ("bearer: x, basic: { username: a, password: b }", "one of `bearer`, `basic`, `oauth2`"),
        ("basic: { username: a }", "`endpoints.e.auth.basic.password` is missing"),
        ("basic: { username: 'a:b', password: c }", "must not hold a colon"),
        ("mtls: { cert: /c.pem }", "`endpoints.e.auth.mtls.key` is missing"),
    ] {
        let problem =
            problem(&format!("endpoints: {{ e: {{ http: 'https://a', auth: {{ {auth} }} }} }}"));
        assert!(problem.contains(why), "{auth}: {problem}");
    }
}
