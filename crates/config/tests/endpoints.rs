//! Endpoints of every kind: what their keys come to, and how a wrong one is reported.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a set-up that fails is a failed test")]

use std::time::Duration;

use printery_config::{
    Authorities, Background, EndpointSpec, Fleet, GrpcTransport, RecordKind, RedisRole, StartTls,
    Targets, TlsVersion,
};

fn fleet(endpoint: &str) -> Result<Fleet, Vec<String>> {
    let text = format!(
        "version: 1\nfleet: t\nservices: {{ a: {{ requires: [e] }} }}\nendpoints:\n  e: {{ {endpoint} }}\n"
    );
    Fleet::parse("f.yaml", &text, &|_| None)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

fn spec(endpoint: &str) -> EndpointSpec {
    let mut fleet = fleet(endpoint).unwrap_or_else(|problems| panic!("{problems:?}"));
    fleet.endpoints.remove("e").unwrap().spec
}

fn problem(endpoint: &str) -> String {
    match fleet(endpoint) {
        Ok(_) => panic!("{endpoint} is accepted"),
        Err(problems) => problems.join("\n"),
    }
}

#[test]
fn every_kind_has_a_short_and_a_long_form() {
    let EndpointSpec::Tcp(tcp) = spec("tcp: 'mail:25', expect: '^220 ', starttls: smtp") else {
        panic!()
    };
    assert_eq!((tcp.expect.unwrap().as_str(), tcp.starttls), ("^220 ", Some(StartTls::Smtp)));

    let EndpointSpec::Tls(tls) = spec("tls: shop.example") else { panic!() };
    assert_eq!(tls.address.to_string(), "shop.example:443");
    let rules = tls.certificate;
    assert_eq!(format!("{} {}", rules.warn_life_left, rules.fail_life_left), "0.2 0.05");
    let long = "tls: { host: shop.example, port: 8443 }, \
                cert: { warn_life_left: 33%, fail_life_left: 10%, min_version: '1.3' }";
    let EndpointSpec::Tls(tls) = spec(long) else { panic!() };
    assert_eq!(tls.address.port, 8443);
    let rules = tls.certificate;
    assert_eq!(format!("{} {}", rules.warn_life_left, rules.fail_life_left), "0.33 0.1");
    assert_eq!(rules.min_version, TlsVersion::V1_3);

    let EndpointSpec::Grpc(grpc) = spec("grpc: 'pay:50051'") else { panic!() };
    assert_eq!((grpc.service.as_str(), grpc.transport), ("", GrpcTransport::Plain));
    let long = "grpc: { target: 'pay:50051', service: shop.Pay, tls: true }";
    let EndpointSpec::Grpc(grpc) = spec(long) else { panic!() };
    assert_eq!(
        (grpc.service.as_str(), grpc.transport),
        ("shop.Pay", GrpcTransport::Tls { authorities: Authorities::Machine })
    );

    let EndpointSpec::Dns(dns) = spec("dns: shop.example") else { panic!() };
    assert_eq!((dns.record, dns.min_answers), (RecordKind::A, 1));
    let long = "dns: { srv: _orders._tcp.svc.local, nameserver: '10.0.0.2:53' }, min_answers: 2";
    let EndpointSpec::Dns(dns) = spec(long) else { panic!() };
    assert_eq!((dns.record, dns.min_answers), (RecordKind::Srv, 2));

    let EndpointSpec::Postgres(_) = spec("postgres: 'postgres://db/shop', role: primary") else {
        panic!()
    };
    let redis = "redis: { url: 'redis://cache' }, role: primary, maintenance_key: at-work, \
                 assert: 'used_memory_pct < 90.0'";
    let EndpointSpec::Redis(redis) = spec(redis) else { panic!() };
    assert_eq!((redis.role, redis.conditions.len()), (Some(RedisRole::Master), 1));

    let http = "http: 'https://psp.example/ping', ca: /etc/ca.pem, \
                expect: { header: { Content-Type: '^application/json' }, \
                json: { '$.status': ok, '$.depth': 3, '$.up': true, '$.none': null } }, \
                assert: ['json.status == \"ok\"', 'latency_ms < 300.0']";
    let EndpointSpec::Http(http) = spec(http) else { panic!() };
    let shown = serde_json::to_value(&http.expect).unwrap();
    assert_eq!(shown["headers"][0], serde_json::json!(["content-type", "^application/json"]));
    assert_eq!(shown["json"][1], serde_json::json!(["$.depth", 3]));
    assert_eq!(http.expect.conditions.len(), 2);
}

#[test]
fn a_wrong_expression_is_reported_with_its_line_and_column() {
    for (endpoint, place, why) in [
        (
            "http: 'http://a', assert: 'lateny_ms < 3'",
            "'lateny_ms",
            "unknown name `lateny_ms`; did you mean `latency_ms`?",
        ),
        (
            "http: 'http://a', assert: ['status == 200', 'status ==']",
            "'status ==']",
            "at character",
        ),
        ("tcp: 'a:1', assert: 'status == 200'", "'status", "unknown name `status`"),
        ("redis: 'redis://a', assert: 'rol == \"x\"'", "'rol", "did you mean `role`?"),
        ("tcp: 'a:1', expect: '^22('", "'^22(", "no regular expression: unclosed group"),
        ("http: 'http://a', expect: { json: { status: ok } }", "ok", "at character 1"),
        ("http: 'http://a', expect: { json: { $.a: [1] } }", "[1]", "a text, a number"),
        ("http: 'http://a', expect: { header: { 'a b': x } }", "x }", "no name of a header"),
        ("http: 'http://a', assert: '1 + 1'", "'1 + 1'", "never true or false"),
    ] {
        let problem = problem(endpoint);
        // The endpoint stands behind `  e: { `.
        let column = endpoint.find(place).unwrap() + 8;
        let place = format!("f.yaml:5:{column}: ");
        assert!(problem.starts_with(&place) && problem.contains(why), "{place} {problem}");
    }
}

#[test]
fn a_key_of_another_kind_is_unknown_and_a_contradiction_is_said() {
    for (endpoint, why) in [
        ("tcp: 'a:1', status: 200", "unknown key `endpoints.e.status`"),
        ("tls: a, cert: { fail_life_left: 50%, warn_life_left: 10% }", "is above `warn_life_left`"),
        ("tls: a, cert: { min_version: '1.1' }", "must be one of `1.2`, `1.3`"),
        ("dns: { a: x, srv: y }", "must have exactly one of `a`, `aaaa`"),
        ("dns: { a: x }, connect: true", "needs a service"),
        ("tcp: 'a:1', starttls: ldap", "must be one of `smtp`"),
        ("redis: 'redis://a', min_version: new", "must be a version"),
        ("http: 'http://a', tcp: 'a:1'", "must have exactly one of `http`"),
        ("grpc: { service: x }", "`endpoints.e.grpc.target` is missing"),
    ] {
        let problem = problem(endpoint);
        assert!(problem.contains(why), "{endpoint}: {problem}");
    }
}

#[test]
fn the_background_and_the_cache_are_off_until_they_are_asked_for() {
    let plain = Fleet::parse("f", "version: 1\nfleet: t\n", &|_| None).unwrap();
    assert_eq!(plain.dependency_checker.background, None);
    assert_eq!(plain.dependency_checker.cache.pass, Duration::ZERO);
    let text = "version: 1\nfleet: t\ndependency_checker:\n  cache: { pass: 10s, fail: 2s }\n  \
                background: { every: 60s, jitter: 20%, rise: 4 }\n";
    let fleet = Fleet::parse("f", text, &|_| None).unwrap();
    let every = Duration::from_secs(60);
    let expected = Background { every, jitter: 0.2, fall: 3, rise: 4 };
    assert_eq!(fleet.dependency_checker.background, Some(expected));
    assert_eq!(fleet.dependency_checker.cache.fail, Duration::from_secs(2));
}

#[test]
fn an_endpoint_has_an_owner_and_labels_like_a_service() {
    let text = "version: 1\nfleet: t\ndefaults: { owner: platform }\nendpoints:\n  \
                psp: { tcp: 'psp:1', owner: payments, labels: { tier: '1' } }\n  db: { tcp: 'db:1' }\n";
    let fleet = Fleet::parse("f", text, &|_| None).unwrap();
    let (psp, db) = (&fleet.endpoints["psp"], &fleet.endpoints["db"]);
    assert_eq!((psp.owner.as_deref(), psp.labels["tier"].as_str()), (Some("payments"), "1"));
    assert_eq!((db.owner.as_deref(), db.labels.len()), (Some("platform"), 0));
}

#[test]
fn a_mysql_is_an_endpoint_and_a_need_has_its_time() {
    let mysql =
        "mysql: { dsn: 'mysql://ops:x@db/shop' }, role: replica, max_lag: 10s, headroom: 10%";
    let EndpointSpec::Mysql(mysql) = spec(mysql) else { panic!() };
    assert_eq!(mysql.max_lag, Some(Duration::from_secs(10)));
    assert!(!serde_json::to_string(&mysql).unwrap().contains("x@"), "{mysql:?}");
    let text = "version: 1\nfleet: t\nendpoints: { e: { tcp: 'e:1' } }\n\
                services: { a: { requires: [{ name: e, for: [never] }] } }\n";
    let why = Fleet::parse("f", text, &|_| None).unwrap_err().to_string();
    assert!(why.contains("must hold `deploy`, `runtime` or both"), "{why}");
}

#[test]
fn instances_are_listed_or_looked_up_and_so_many_must_work() {
    let service = |keys: &str| {
        let text = format!("version: 1\nfleet: t\nservices:\n  a: {{ tcp: 'a:1', {keys} }}\n");
        Fleet::parse("f", &text, &|_| None)
            .map(|mut fleet| fleet.services.remove("a").unwrap().instances)
            .map_err(|problems| problems.to_string())
    };
    let listed = service("targets: ['10.0.0.1:1', 'b:2'], quorum: 80%").unwrap().unwrap();
    assert!(matches!(&listed.targets, Targets::Listed(two) if two.len() == 2), "{listed:?}");
    assert!((listed.quorum - 0.8).abs() < 1e-9);
    let srv = service("targets: _http._tcp.a.svc").unwrap().unwrap();
    let name = "_http._tcp.a.svc".to_owned();
    assert_eq!(srv.targets, Targets::Srv { name, nameserver: None });
    assert!((srv.quorum - 1.0).abs() < 1e-9);
    assert_eq!(service("labels: {}").unwrap(), None);
    for (keys, why) in [
        ("quorum: 50%", "`services.a.quorum` needs `services.a.targets`"),
        ("targets: []", "must name an instance"),
        ("targets: ['b']", "services.a.targets"),
        ("targets: ['b:1', 'b:1']", "has `b:1` twice"),
        ("targets: { nameserver: 'n:53' }", "`services.a.targets.srv` is missing"),
        ("targets: ['b:1'], quorum: '2'", "must be a percentage"),
    ] {
        let problem = service(keys).unwrap_err();
        assert!(problem.contains(why), "{keys}: {problem}");
    }
}
