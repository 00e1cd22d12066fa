//! A fleet file of real-life size, as far as this version goes.

use std::time::Duration;

use printery_config::{
    CheckSpec, Criticality, EndpointSpec, Enforce, EnvSource, Fleet, HttpProbe, Login, NodeKind,
    ReceiverKind, RollbackMode,
};

const SHOP: &str = r##"
version: 1
fleet: shop
vars: { domain: shop.example }
bus:      { redis: "${env:REDIS_URL:-redis://127.0.0.1:6379/0}", prefix: printery,
            tls: { ca: /etc/ca.pem, certificate: c.pem, key: k.pem }, durability: { replicas: 1, timeout: 500ms } }
engine:   { lease: 15s, backoff: { base: 1s, cap: 1m }, retention: { age: 24h, entries: 10000 }, encoding: json,
            concurrency: { validator: 2, health-monitor: 4 } }
server:   { listen: 127.0.0.1:8844 }
egress:   { allow: ["*.shop.internal", "10.0.0.0/8", "hooks.slack.com"] }
defaults:
  probe:    { timeout: 5s, connect_timeout: 2s, attempts: 2 }
  http:     { path: /health, status: [200-299] }
  health:   { warmup: 30s, window: 10m, interval: 10s }
  owner:    platform
endpoints:
  cart-redis: { redis: redis://cart-redis:6379 }
  psp:        { http: { url: "https://api.psp.example/v1/ping", auth: { bearer: "${env:PSP}" } },
                status: [200-299, 304], warn_status: [429], latency: { warn: 300ms, fail: 2s } }
  mail:       { tcp: smtp.shop.internal:25 }
services:
  frontend:
    url: http://frontend.shop.internal:8080
    health: { path: /_healthz }
    ready: false
    requires: [catalog, cart, checkout, { name: ads, soft: true }]
    checks: [gateway]
    owner: web
  checkout:
    url: http://checkout:5050/base/
    requires: [payment, cart, catalog, { name: email, soft: true }]
    checks: [secrets, gateway]
    health: { interval: 5s, rollback: { mode: auto } }
    labels: { tier: "1" }
    image: registry.shop.internal:5000/shop/checkout
  payment:  { requires: [psp], grpc: "payment:50051" }
  cart:     { url: http://cart:7070, requires: [cart-redis], health: { window: 20m } }
  catalog:  { url: http://catalog:3550 }
  email:    { requires: [mail], tcp: "email:5000" }
  ads:      {}
checks:
  secrets:  { kind: env, file: /etc/shop/checkout.env, require: { PSP_KEY: { min_len: 20 }, DATABASE_URL: { url: postgres } } }
  gateway:  { kind: http, url: "https://gw.${var:domain}/up", contains: ok, enforce: warn, message: "the gateway is down" }
validator:  { concurrency: 4, on_error: open, deadline: 30s }
receivers:
  deploys: { slack: { url: "${env:HOOK}", channel: "#deploys" } }
  bus:     { webhook: { url: "https://hooks.shop.example/printery", secret: "${env:KEY}", events: ["deployment:*"] } }
routes:
  - { match: { severity: critical, environment: [prod, production] }, to: [deploys, bus], continue: true }
  - { to: [deploys] }
"##;

#[expect(clippy::expect_used, reason = "a helper of tests fails its test")]
fn shop() -> Fleet {
    let env = |name: &str| match name {
        "PSP" => Some("token-of-the-psp".to_owned()),
        "HOOK" => Some("https://hooks.slack.com/services/a/b".to_owned()),
        "KEY" => Some("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned()),
        _ => None,
    };
    Fleet::parse("shop.yaml", SHOP, &env).expect("the file has no errors")
}

#[test]
fn a_real_file_has_no_warnings() {
    assert_eq!(shop().warnings, []);
}

#[test]
fn defaults_reach_the_services_and_services_override_them() {
    let fleet = shop();
    let frontend = &fleet.services["frontend"];
    let health = frontend.health.as_ref().unwrap();
    assert_eq!(health.url.to_string(), "http://frontend.shop.internal:8080/_healthz");
    assert!(frontend.ready.is_none());
    assert_eq!(frontend.owner.as_deref(), Some("web"));
    assert_eq!(frontend.monitor.samples.get(), 60);
    let checkout = &fleet.services["checkout"];
    assert_eq!(
        checkout.health.as_ref().unwrap().url.to_string(),
        "http://checkout:5050/base/health"
    );
    assert_eq!(checkout.owner.as_deref(), Some("platform"));
    assert_eq!(checkout.monitor.rollback.mode, RollbackMode::Auto);
    assert_eq!(checkout.monitor.samples.get(), 120, "a shorter interval keeps the window");
    assert_eq!(fleet.services["cart"].monitor.duration(), Duration::from_secs(1200));
    assert!(fleet.services["payment"].health.is_none(), "no URL, nothing to ask over HTTP");
    assert_eq!(fleet.services["payment"].grpc.as_ref().unwrap().to_string(), "payment:50051");
    assert_eq!(fleet.services["email"].tcp.as_ref().unwrap().port, 5000);
    assert_eq!(checkout.image.as_deref(), Some("registry.shop.internal:5000/shop/checkout"));
}

fn bearer(http: &HttpProbe) -> Option<&str> {
    match http.auth.login.as_ref()? {
        Login::Bearer(token) => Some(token.expose()),
        Login::Basic { .. } | Login::OAuth2(_) => None,
    }
}

#[test]
fn short_and_long_forms_mean_the_same() {
    let fleet = shop();
    let EndpointSpec::Http(psp) = &fleet.endpoints["psp"].spec else { panic!("http") };
    assert_eq!(bearer(psp), Some("token-of-the-psp"));
    assert!(psp.status.contains(304) && !psp.status.contains(301) && psp.warn_status.contains(429));
    assert_eq!(psp.latency.unwrap().degraded, Duration::from_millis(300));
    assert_eq!(psp.limits.attempts, 2);
    let short = "endpoints: { psp: { http: 'https://h/p', auth: { bearer: '${env:X:-y}' } } }";
    let short = Fleet::parse("f", short, &|_| None).unwrap();
    let EndpointSpec::Http(psp) = &short.endpoints["psp"].spec else { panic!("http") };
    assert_eq!(bearer(psp), Some("y"));
}

#[test]
fn checks_keep_their_rules() {
    let fleet = shop();
    let CheckSpec::Env(secrets) = &fleet.checks["secrets"].spec else { panic!("env") };
    assert_eq!(secrets.source, EnvSource::File("/etc/shop/checkout.env".into()));
    assert_eq!(secrets.require[0].rule.min_len, Some(20));
    assert_eq!(secrets.require[1].rule.url, Some(vec!["postgres".to_owned()]));
    let gateway = &fleet.checks["gateway"];
    assert_eq!(gateway.enforce, Enforce::Warn);
    let CheckSpec::Http(http) = &gateway.spec else { panic!("http") };
    assert_eq!(http.url.to_string(), "https://gw.shop.example/up");
    assert_eq!(fleet.validator.unknown_service, Enforce::Deny, "one's own file knows its services");
}

#[test]
fn the_engine_layer_holds_what_the_file_says_and_nothing_else() {
    let engine = shop().engine;
    assert_eq!(engine.redis_url.unwrap().expose(), "redis://127.0.0.1:6379/0");
    assert_eq!(engine.redis_tls.ca.unwrap().to_str(), Some("/etc/ca.pem"));
    assert!(engine.redis_tls.certificate.is_some() && !engine.redis_tls.insecure);
    let durability = engine.durability.unwrap();
    assert_eq!((durability.replicas, durability.fsync), (Some(1), false));
    assert_eq!(durability.timeout, Some(Duration::from_millis(500)));
    assert_eq!(engine.lease, Some(Duration::from_secs(15)));
    assert_eq!(engine.renew_every, None);
    assert_eq!(engine.retention_entries, Some(10_000));
    assert_eq!(engine.concurrency.get("validator"), Some(&2));
    assert_eq!(engine.concurrency.get("notifier"), None);
}

#[test]
fn receivers_and_routes_are_kept_in_order() {
    let fleet = shop();
    let ReceiverKind::Webhook { secrets, events, .. } = &fleet.receivers["bus"].kind else {
        panic!()
    };
    assert_eq!(secrets[0].expose().len(), 24);
    assert!(events[0].matches("deployment:started") && !events[0].matches("validation:started"));
    assert!(fleet.routes[0].continues && !fleet.routes[1].continues);
    assert_eq!(fleet.routes[0].to, ["deploys", "bus"]);
}

#[test]
fn notices_are_grouped_where_the_file_says_so() {
    let group = |text: &str| Fleet::parse("f", text, &|_| None).unwrap().notifier.group;
    assert_eq!(group("fleet: f"), None);
    let usual = group("notifier: { group: {} }").unwrap();
    assert!(usual.is_by_deployment());
    let secs = [usual.wait, usual.interval, usual.repeat].map(|time| time.as_secs());
    assert_eq!(secs, [2, 30, 4 * 3600]);
    let own = group("notifier: { group: { by: [environment, severity], wait: 0s } }").unwrap();
    assert!(!own.is_by_deployment() && own.wait.is_zero());
    assert_eq!(own.by, ["environment", "severity"]);
}

#[test]
fn the_graph_knows_services_endpoints_and_soft_needs() {
    let graph = shop().graph;
    assert_eq!(graph.kind("psp"), Some(NodeKind::Endpoint));
    assert_eq!(graph.kind("cart"), Some(NodeKind::Service));
    assert_eq!(graph.kind("nobody"), None);
    assert!(
        graph
            .requires("frontend")
            .iter()
            .any(|n| n.name == "ads" && n.criticality == Criticality::Soft)
    );
    let closure = graph.closure(&["checkout"]);
    assert!(closure.contains("psp") && closure.contains("email"));
    assert!(!closure.contains("mail"), "a soft need is followed one step only");
}

#[test]
fn a_file_without_receivers_tells_the_log() {
    let fleet = Fleet::parse("f", "fleet: bare", &|_| None).unwrap();
    assert!(matches!(fleet.receivers["log"].kind, ReceiverKind::Log));
    assert_eq!(fleet.routes[0].to, ["log"]);
}

#[test]
fn the_resolved_form_shows_no_secret() {
    let shown = serde_json::to_string_pretty(&shop().resolved()).unwrap();
    for secret in ["token-of-the-psp", "services/a/b", "MfKQ9r8"] {
        assert!(!shown.contains(secret), "{secret}");
    }
    assert!(shown.contains("\"lease\": \"15s\"") && shown.contains("***"), "{shown}");
}

#[test]
fn where_jobs_are_remembered_and_who_may_ask_is_read() {
    let text = "store: { postgres: 'postgres://u:hidden@db/jobs', keep: 30d }\n\
                server: { auth: { tokens_file: /etc/printery/tokens } }";
    let load = |text: &str| Fleet::parse("fleet.yaml", text, &|_| None);
    let fleet = load(text).unwrap();
    let kept = fleet.store.address.as_ref().unwrap();
    assert_eq!(
        (kept.expose(), fleet.store.keep.unwrap().as_secs()),
        ("postgres://u:hidden@db/jobs", 2_592_000)
    );
    assert_eq!(fleet.tokens_file.as_deref(), Some("/etc/printery/tokens"));
    assert!(!serde_json::to_string(&fleet).unwrap().contains("hidden"));
    assert_eq!(
        load("store: { sqlite: jobs.db }").unwrap().store.address.unwrap().expose(),
        "jobs.db"
    );
    for (text, expected) in [
        ("store: { sqlite: a.db, postgres: 'postgres://db/jobs' }", "are two places"),
        ("store: { postgres: 'mysql://db/jobs' }", "must begin with postgres://"),
        ("store: { sqlite: a.db, keep: 30 }", "has no unit"),
        ("server: { auth: {} }", "is missing"),
    ] {
        let found = load(text).unwrap_err().to_string();
        assert!(found.contains(expected), "{expected}: {found}");
    }
}
