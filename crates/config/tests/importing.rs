//! What becomes of manifests and compose files, the real ones first.

use std::collections::{BTreeMap, BTreeSet};

use printery_config::import::{Draft, compose, kubernetes};
use printery_config::{Fleet, Problem};

/// `release/kubernetes-manifests.yaml` of GoogleCloudPlatform/microservices-demo, Apache-2.0, unchanged.
const BOUTIQUE: &str = include_str!("data/microservices-demo.yaml");

/// Reads the draft back as the fleet file that it is.
#[expect(clippy::expect_used, reason = "a helper of tests fails its test")]
fn read_back(draft: &Draft) -> (Fleet, Vec<Problem>) {
    let fleet = Fleet::parse("made.yaml", &draft.text("source.yaml"), &|_| None);
    let fleet = fleet.expect("what is made has no errors");
    let warnings = fleet.warnings.clone();
    (fleet, warnings)
}

/// `service: need need` of every service that needs something.
fn edges(fleet: &Fleet) -> BTreeMap<&str, BTreeSet<&str>> {
    let needs = |name: &str| fleet.graph.requires(name).iter().map(|need| need.name.as_str());
    let all = fleet.services.keys().map(|name| (name.as_str(), needs(name).collect()));
    all.filter(|(_, needs): &(_, BTreeSet<&str>)| !needs.is_empty()).collect()
}

fn set<'a>(names: &[&'a str]) -> BTreeSet<&'a str> {
    names.iter().copied().collect()
}

#[test]
fn a_real_manifest_gives_its_twelve_services_and_their_true_edges() {
    let draft = kubernetes("boutique.yaml", BOUTIQUE).unwrap();
    let (fleet, warnings) = read_back(&draft);
    assert_eq!(warnings, []);
    let expected = [
        "adservice",
        "cartservice",
        "checkoutservice",
        "currencyservice",
        "emailservice",
        "frontend",
        "loadgenerator",
        "paymentservice",
        "productcatalogservice",
        "recommendationservice",
        "redis-cart",
        "shippingservice",
    ];
    assert_eq!(fleet.services.keys().collect::<Vec<_>>(), expected);
    assert!(fleet.endpoints.is_empty());
    let expected = BTreeMap::from([
        ("cartservice", set(&["redis-cart"])),
        (
            "checkoutservice",
            set(&[
                "cartservice",
                "currencyservice",
                "emailservice",
                "paymentservice",
                "productcatalogservice",
                "shippingservice",
            ]),
        ),
        (
            "frontend",
            set(&[
                "adservice",
                "cartservice",
                "checkoutservice",
                "currencyservice",
                "productcatalogservice",
                "recommendationservice",
                "shippingservice",
            ]),
        ),
        ("loadgenerator", set(&["frontend"])),
        ("recommendationservice", set(&["productcatalogservice"])),
    ]);
    assert_eq!(edges(&fleet), expected);
    // What the frontend names and nobody deploys is said, not made up.
    assert!(draft.notes.iter().any(|note| note.contains("shoppingassistantservice:80")));
}

#[test]
fn a_real_manifest_gives_probes_ports_and_images() {
    let (fleet, _) = read_back(&kubernetes("boutique.yaml", BOUTIQUE).unwrap());
    let frontend = &fleet.services["frontend"];
    let probe =
        |probe: &Option<printery_config::HttpProbe>| probe.as_ref().unwrap().url.to_string();
    assert_eq!(probe(&frontend.health), "http://frontend/_healthz", "by the Service's port");
    assert_eq!(probe(&frontend.ready), "http://frontend/_healthz");
    let email = fleet.services["emailservice"].grpc.as_ref().unwrap();
    assert_eq!(email.to_string(), "emailservice:5000", "the probe's 8080 is behind 5000");
    assert_eq!(fleet.services["redis-cart"].tcp.as_ref().unwrap().to_string(), "redis-cart:6379");
    assert_eq!(fleet.services["redis-cart"].image.as_deref(), Some("redis:alpine"));
    let image = fleet.services["adservice"].image.as_deref().unwrap();
    assert!(image.ends_with("/microservices-demo/adservice"), "{image}");
    let nothing = &fleet.services["loadgenerator"];
    assert!(nothing.url.is_none() && nothing.grpc.is_none() && nothing.tcp.is_none());
    assert_eq!(fleet.services.values().filter(|service| service.grpc.is_some()).count(), 9);
}

const MANIFESTS: &str = r#"
apiVersion: v1
kind: List
items:
  - { apiVersion: v1, kind: ConfigMap, metadata: { name: shared, namespace: shop }, data: { CART_URL: "http://cart.shop.svc:8080/v1", MODE: cart } }
  - apiVersion: apps/v1
    kind: StatefulSet
    metadata: { name: kafka, namespace: shop }
    spec: { template: { metadata: { labels: { app: kafka } }, spec: { containers: [{ name: k, image: "kafka:3.9" }] } } }
  - { apiVersion: v1, kind: Service, metadata: { name: brokers, namespace: shop }, spec: { selector: { app: kafka }, ports: [{ port: 9092 }] } }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: cart, namespace: shop }
spec:
  template:
    metadata: { labels: { app: cart, tier: back } }
    spec:
      containers:
        - name: side
          image: proxy
        - name: cart
          image: shop/cart@sha256:0123
          args: ["--brokers=kafka-0.brokers:9092", "--mode=web"]
          ports: [{ name: web, containerPort: 8000 }]
          livenessProbe: { httpGet: { path: "alive${x}", port: web } }
          env:
            - { name: DB_HOST, value: db.example }
            - { name: DATABASE_URL, value: "postgres://cart:hunter2@$(DB_HOST)/cart" }
            - { name: PAY_API_KEY, valueFrom: { secretKeyRef: { name: s, key: k } } }
            - { name: AUTH_URL, valueFrom: { secretKeyRef: { name: s, key: u } } }
---
{ apiVersion: v1, kind: Service, metadata: { name: cart, namespace: shop }, spec: { selector: { app: cart }, ports: [{ port: 8080, targetPort: web }] } }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: front }
spec:
  template:
    metadata: { labels: { app: web } }
    spec:
      containers:
        - name: web
          readinessProbe: { httpGet: { port: 9999, path: / } }
          env:
            - { name: CART, value: "cart.shop:8080" }
            - { name: OTHER_ADDR, value: "cart:8080" }
            - { name: LOG_NAME, value: "cart.shop" }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: jobs, namespace: shop }
spec:
  template:
    metadata: { labels: { app: jobs } }
    spec:
      containers:
        - { name: jobs, envFrom: [{ configMapRef: { name: shared } }], env: [{ name: LEGACY_ADDR, value: "legacy:9000" }] }
---
{ apiVersion: v1, kind: Service, metadata: { name: legacy, namespace: shop }, spec: { type: ExternalName, externalName: old.example, ports: [{ port: 9000 }] } }
---
{ apiVersion: batch/v1, kind: CronJob, metadata: { name: nightly } }
"#;

#[test]
fn names_namespaces_and_settings_are_followed() {
    let draft = kubernetes("made.yaml", MANIFESTS).unwrap();
    let (fleet, _) = read_back(&draft);
    assert_eq!(fleet.services.keys().collect::<Vec<_>>(), ["cart", "jobs", "kafka", "web"]);
    let expected = BTreeMap::from([
        ("cart", set(&["db.example", "kafka"])),
        ("jobs", set(&["cart", "legacy"])),
        ("web", set(&["cart"])),
    ]);
    assert_eq!(edges(&fleet), expected);
    let health = fleet.services["cart"].health.as_ref().unwrap();
    assert_eq!(health.url.expose().as_str(), "http://cart.shop:8080/alive$%7Bx%7D");
    assert_eq!(draft.endpoints["db.example"], "db.example:5432");
    assert_eq!(draft.endpoints["legacy"], "legacy.shop:9000");
    assert_eq!(draft.services["cart"].image.as_deref(), Some("shop/cart"));
    let notes = draft.notes.join("\n");
    for said in ["no Service leads to port 9999", "AUTH_URL comes from a Secret", "cart:8080"] {
        assert!(notes.contains(said), "{said}: {notes}");
    }
    assert!(!notes.contains("PAY_API_KEY"), "{notes}");
    assert!(!draft.text("x").contains("hunter2"), "{}", draft.text("x"));
}

const COMPOSE: &str = r#"
name: shop
x-common: &common { environment: { REDIS_URL: "${REDIS_URL:-redis://cache:6379/0}" } }
services:
  web:
    <<: *common
    build: .
    image: shop/web:${TAG:-dev}
    ports: ["127.0.0.1:80:8080", "9000-9001:9000-9001/udp"]
    depends_on: { api: { condition: service_healthy } }
    healthcheck: { test: ["CMD-SHELL", "curl -fsS 'http://localhost:8080/healthz?full=1' || exit 1"] }
  api:
    image: "shop/api:2.0"
    expose: [7000]
    environment:
      - DB_HOST=db
      - LOG_NAME=web
      - MAIL=smtp://relay.example:25
      - GONE_URL=http://gone:1/
    depends_on: [db, ghost]
  db: { image: "postgres:16-alpine", healthcheck: { test: pg_isready } }
  cache: { image: redis, ports: [{ target: 6379, published: 16379 }] }
"#;

#[test]
fn a_compose_file_gives_its_services_and_edges() {
    let draft = compose("compose.yaml", COMPOSE).unwrap();
    let (fleet, warnings) = read_back(&draft);
    assert_eq!((fleet.name.as_str(), warnings.as_slice()), ("shop", &[][..]));
    let expected =
        BTreeMap::from([("api", set(&["db", "relay.example"])), ("web", set(&["api", "cache"]))]);
    assert_eq!(edges(&fleet), expected);
    let web = &fleet.services["web"];
    assert_eq!(web.health.as_ref().unwrap().url.to_string(), "http://web:8080/healthz?full=1");
    assert!(web.ready.is_none());
    assert_eq!(web.image.as_deref(), Some("shop/web"));
    assert_eq!(fleet.services["api"].tcp.as_ref().unwrap().to_string(), "api:7000");
    assert_eq!(fleet.services["cache"].tcp.as_ref().unwrap().to_string(), "cache:6379");
    assert_eq!(draft.endpoints["relay.example"], "relay.example:25");
    let notes = draft.notes.join("\n");
    for said in ["`db`: its health check", "`ghost`", "gone:1"] {
        assert!(notes.contains(said), "{said}: {notes}");
    }
}

#[test]
fn this_projects_own_compose_file_is_understood() {
    let draft = compose("compose.yml", include_str!("../../../docker-compose.yml")).unwrap();
    let (fleet, _) = read_back(&draft);
    let everybody = edges(&fleet);
    assert_eq!(everybody["manager"], set(&["redis"]));
    assert_eq!(everybody["notifier"], set(&["manager", "redis"]));
    assert_eq!(everybody["shield-listener"], set(&["manager", "redis"]));
    assert_eq!(fleet.services.len(), 7);
}

#[test]
fn what_is_not_yaml_is_said_with_its_place() {
    for read in [kubernetes, compose] {
        let problems = read("m.yaml", "kind: List\nitems: [\n").unwrap_err();
        assert!(problems.to_string().starts_with("m.yaml:"), "{problems}");
        assert_eq!(read("m.yaml", "").unwrap(), Draft::default());
        assert!(read("m.yaml", "[1, {a: b}]\n---\nname: 7\nkind: {}\n").is_ok());
    }
}
