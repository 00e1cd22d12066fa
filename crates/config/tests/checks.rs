//! Checks of the fleet file: what each kind accepts, what it makes of it, what it refuses.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a set-up that fails is a failed test, and a panic is how a test fails"
)]

use printery_config::{CheckSpec, Credential, Enforce, Fleet, OnError, PostgresRole, RecordKind};

fn parse(check: &str) -> Result<Fleet, String> {
    let text = format!(
        "version: 1\nfleet: shop\nvalidator: {{ checks: [it] }}\nservices: {{ api: {{}} }}\n\
         checks:\n  it: {check}\n"
    );
    let env = |name: &str| (name == "PASSWORD").then(|| "hunter2".to_owned());
    Fleet::parse("f.yaml", &text, &env).map_err(|problems| problems.to_string())
}

fn spec(check: &str) -> CheckSpec {
    let fleet = parse(check).unwrap_or_else(|why| panic!("{check}: {why}"));
    fleet.checks["it"].spec.clone()
}

fn each_is_refused(cases: &[(&str, &str)]) {
    for (check, expected) in cases {
        let why = parse(check).map(|fleet| fleet.resolved()).unwrap_err();
        assert!(why.contains(expected), "{check}\n{expected}\n{why}");
    }
}

#[test]
fn a_check_says_for_itself_what_failures_and_errors_mean() {
    let fleet = parse("{ kind: tcp, address: 'a:1', enforce: warn, on_error: open }").unwrap();
    let check = &fleet.checks["it"];
    assert_eq!((check.enforce, check.on_error), (Enforce::Warn, Some(OnError::Open)));
    each_is_refused(&[
        ("{ kind: tcp, address: 'a:1', on_error: ajar }", "must be one of `closed`, `open`"),
        ("{ kind: tcp, address: 'a:1', message: '${event.x}' }", "unknown `event.x`"),
        ("{ kind: tcp, address: 'a:1', enforce: maybe }", "one of `deny`, `warn`, `audit`"),
    ]);
}

#[test]
fn an_image_check_holds_everything_it_is_told_and_shows_no_password() {
    let text = "{ kind: oci_image, registry: 'https://registry.local:5000', image: 'shop/${event.service}',
        auth: { username: ada, password: '${env:PASSWORD}', realms: [auth.local] }, services: [api],
        require: { digest_pinned: true, platforms: [linux/amd64, linux/arm/v7], max_age: 30d, signed: true,
                   labels: { version: '${event.version}' } } }";
    let CheckSpec::Image(check) = spec(text) else { panic!("not an image") };
    assert_eq!(check.image.to_string(), "shop/${event.service}");
    assert_eq!(check.services, ["api"]);
    assert_eq!(check.realms, ["auth.local"]);
    assert_eq!(check.login.as_ref().unwrap().password.expose(), "hunter2");
    assert_eq!(check.require.platforms, ["linux/amd64", "linux/arm/v7"]);
    assert_eq!(check.require.labels[0].1.to_string(), "${event.version}");
    assert!(check.require.digest_pinned && check.require.signed);
    let shown = parse(text).unwrap().resolved().to_string();
    assert!(shown.contains("oci_image") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn an_image_check_never_leaves_the_registry_to_the_event() {
    let CheckSpec::Image(check) = spec("{ kind: oci_image }") else { panic!("not an image") };
    assert!(check.image.is_field("image"));
    each_is_refused(&[
        ("{ kind: oci_image, image: '${event.version}/x' }", "leaves open which registry is asked"),
        ("{ kind: oci_image, image: 'reg${event.version}/x' }", "leaves open which registry"),
        ("{ kind: oci_image, image: 'r/${event.servce}' }", "did you mean `event.service`?"),
        ("{ kind: oci_image, require: { platforms: [amd64] } }", "must be such as `linux/amd64`"),
        ("{ kind: oci_image, auth: { username: a } }", "`checks.it.auth.password` is missing"),
        ("{ kind: oci_image, services: [apo] }", "did you mean `api`?"),
        ("{ kind: oci_image, registry: 'ftp://x' }", "must be a URL of one of these schemes"),
        ("{ kind: oci_image, platform: x }", "unknown key `checks.it.platform`"),
    ]);
}

#[test]
fn a_database_is_described_by_what_it_must_be() {
    let text = "{ kind: postgres, dsn: 'postgres://ada:${env:PASSWORD}@db.local/shop', role: primary, min_version: '14',
        max_version: '16.2', headroom: 10%, max_lag: 10s, max_transaction_age: 5m, max_lock_waiters: 0 }";
    let CheckSpec::Postgres(check) = spec(text) else { panic!("not a database") };
    assert_eq!(check.role, Some(PostgresRole::Primary));
    assert_eq!(
        (check.min_version.as_deref(), check.max_version.as_deref()),
        (Some("14"), Some("16.2"))
    );
    assert_eq!((check.headroom, check.max_lock_waiters), (Some(0.1), Some(0)));
    let shown = parse(text).unwrap().resolved().to_string();
    assert!(shown.contains("db.local") && !shown.contains("hunter2"), "{shown}");
    each_is_refused(&[
        ("{ kind: postgres }", "`checks.it.dsn` is missing"),
        ("{ kind: postgres, dsn: 'mysql://x/y' }", "must be a URL of one of these schemes"),
        ("{ kind: postgres, dsn: 'postgres://x/y', role: leader }", "one of `primary`, `replica`"),
        (
            "{ kind: postgres, dsn: 'postgres://x/y', min_version: new }",
            "must be a version such as",
        ),
        ("{ kind: postgres, dsn: 'postgres://x/y', headroom: 0.1 }", "must be text"),
        ("{ kind: mysql, dsn: 'postgres://x/y' }", "mysql"),
        (
            "{ kind: mysql, dsn: 'mysql://x/y', role: master }",
            "must be one of `primary`, `replica`",
        ),
        ("{ kind: mysql, dsn: 'mysql://x/y', max_lock_waiters: 1 }", "unknown key"),
    ]);
}

#[test]
fn migrations_name_their_tool_and_what_must_have_been_applied() {
    let text = "{ kind: migrations, adapter: django, dsn: 'postgres://db/shop', table: app.books,
        require: [shop.0002_cart, 'shop.${event.version}'], max: '${event.version}' }";
    let CheckSpec::Migrations(check) = spec(text) else { panic!("no migrations") };
    assert_eq!((check.adapter, check.table.as_deref()), ("django", Some("app.books")));
    assert_eq!(check.require.len(), 2);
    each_is_refused(&[
        ("{ kind: migrations, dsn: 'postgres://x/y' }", "`checks.it.adapter` is missing"),
        ("{ kind: migrations, adapter: ruby, dsn: 'postgres://x/y' }", "`sqlx`, `flyway`"),
        (
            "{ kind: migrations, adapter: sqlx, dsn: 'postgres://x/y', table: 'x; DROP' }",
            "must be a table such as",
        ),
    ]);
}

#[test]
fn names_are_looked_up_with_what_must_be_among_the_answers() {
    let text = "{ kind: service_discovery, name: _http._tcp.shop.local, min_answers: 2, nameserver: '10.0.0.2:53' }";
    let CheckSpec::Discovery(check) = spec(text) else { panic!("no discovery") };
    assert_eq!((check.record, check.connect, check.min_answers), (RecordKind::Srv, true, 2));
    let text = "{ kind: dns, name: shop.local, record: TXT, expect: ['v=1'] }";
    let CheckSpec::Dns(check) = spec(text) else { panic!("no name") };
    assert_eq!((check.record, check.connect), (RecordKind::Txt, false));
    each_is_refused(&[
        ("{ kind: dns, name: 'a b' }", "must be a name such as"),
        ("{ kind: dns, name: a.b, record: PTR }", "must be one of `A`, `AAAA`"),
        ("{ kind: dns, name: a.b, connect: true }", "needs `record: SRV`"),
    ]);
}

#[test]
fn a_credential_is_exactly_one_thing_and_is_never_shown() {
    let text = "{ kind: credential, min_ttl: 24h, oauth2: { token_url: 'https://auth.local/token',
        client_id: shop, client_secret: '${env:PASSWORD}', scope: deploy } }";
    let CheckSpec::Credential(check) = spec(text) else { panic!("no credential") };
    assert!(matches!(check.credential, Credential::OAuth2(_)), "{check:?}");
    let shown = parse(text).unwrap().resolved().to_string();
    assert!(shown.contains("auth.local") && !shown.contains("hunter2"), "{shown}");
    each_is_refused(&[
        ("{ kind: credential }", "needs exactly one of `jwt`, `oauth2`, `request`"),
        (
            "{ kind: credential, jwt: '${env:PASSWORD}', request: { url: 'http://a' } }",
            "needs exactly one of",
        ),
        (
            "{ kind: credential, oauth2: { client_id: x } }",
            "`checks.it.oauth2.token_url` is missing",
        ),
    ]);
}

#[test]
fn conditions_and_windows_are_known_when_the_file_is_read() {
    let CheckSpec::Policy(policy) =
        spec("{ kind: policy, expr: 'semver(version) > semver(\"1.0\")' }")
    else {
        panic!("no policy")
    };
    assert!(policy.expr.as_str().starts_with("semver"));
    let fleet = parse("{ kind: tcp, address: 'a:1', when: 'environment == \"production\"' }");
    assert!(fleet.unwrap().checks["it"].when.is_some());
    let CheckSpec::Gate(gate) = spec("{ kind: gate, timeout: 2h }") else { panic!("no gate") };
    assert_eq!(gate.timeout.as_secs(), 7_200);
    each_is_refused(&[
        ("{ kind: policy }", "`checks.it.expr` is missing"),
        ("{ kind: policy, expr: 'versoin == \"1\"' }", "versoin"),
        ("{ kind: policy, expr: 'version ==' }", "`checks.it.expr`"),
        ("{ kind: policy, expr: '!inWindow(\"freeze\")' }", "unknown window `freeze`"),
        ("{ kind: tcp, address: 'a:1', when: 'results.x' }", "results"),
        ("{ kind: window }", "needs `inside` or `outside`"),
        ("{ kind: window, outside: [freeze] }", "unknown window `freeze`"),
        ("{ kind: expect_down }", "`checks.it.address` is missing"),
    ]);
}

#[test]
fn windows_are_read_with_their_zone() {
    let with = |windows: &str| {
        let text = format!(
            "version: 1\nfleet: shop\nvalidator: {{ checks: [it] }}\nwindows: {{ freeze: {windows} }}\n\
             checks: {{ it: {{ kind: window, outside: [freeze] }} }}\n"
        );
        Fleet::parse("f.yaml", &text, &|_| None).map_err(|problems| problems.to_string())
    };
    let fleet = with(
        "{ zone: Europe/Berlin, times: [{ days: [fri], from: '15:00', to: '24:00' },
           { days: [sat-sun], months: [nov-jan], days_of_month: [-7..-1], years: ['2026'] }] }",
    );
    let window = fleet.unwrap().windows["freeze"].clone();
    assert!(window.holds("2026-11-20T14:00:00Z".parse().unwrap()));
    assert!(!window.holds("2026-11-20T13:00:00Z".parse().unwrap()));
    for (windows, expected) in [
        ("{ times: [] }", "`windows.freeze.zone` is missing"),
        ("{ zone: UTC }", "`windows.freeze.times` is missing"),
        ("{ zone: Europe/Berlni, times: [{}] }", "did you mean `Europe/Berlin`?"),
        ("{ zone: UTC, times: [{ days: [fry] }] }", "must be days such as `fri`"),
        ("{ zone: UTC, times: [{ from: '25:00' }] }", "must be a time such as"),
        ("{ zone: UTC, times: [{ fromm: '15:00' }] }", "did you mean `from`?"),
    ] {
        let why = with(windows).map(|fleet| fleet.resolved()).unwrap_err();
        assert!(why.contains(expected), "{windows}\n{expected}\n{why}");
    }
}

#[test]
fn secrets_of_files_and_folders_are_held_to_permissions_and_patterns() {
    let text = "{ kind: env, dir: /run/secrets, mode: '0640',
        require: { KEY: { min_len: 4, max_len: 64, matches: '^[a-z]+$' } } }";
    let CheckSpec::Env(check) = spec(text) else { panic!("no variables") };
    assert_eq!((check.mode, check.require[0].rule.max_len), (Some(0o640), Some(64)));
    assert!(check.require[0].rule.matches.as_ref().unwrap().is_in(b"abc"));
    each_is_refused(&[
        ("{ kind: env, dir: /a, file: /b, require: [X] }", "`checks.it.dir` and `file` exclude"),
        ("{ kind: env, manifest: /a, file: /b, require: [X] }", "`checks.it.manifest` and `file`"),
        ("{ kind: env, manifest: '/a/${event.vresion}', require: [X] }", "did you mean `event.ver"),
        ("{ kind: env, mode: '0640', require: [X] }", "`checks.it.mode` needs `file` or `dir`"),
        ("{ kind: env, file: /a, mode: rw, require: [X] }", "must be permissions such as `0640`"),
        ("{ kind: env, require: { X: { matches: '(' } } }", "`checks.it.require.X.matches`"),
        ("{ kind: env, require: { X: { min_len: 9, max_len: 3 } } }", "is below `min_len`"),
    ]);
}

#[test]
fn certificates_and_grpc_servers_are_checks_too() {
    let CheckSpec::Tls(check) = spec("{ kind: tls, address: 'shop.local:443' }") else {
        panic!("no certificate")
    };
    assert_eq!(check.address.port, 443);
    let text = "{ kind: grpc, grpc: { target: 'cart:7070', service: shop.Cart } }";
    let CheckSpec::Grpc(check) = spec(text) else { panic!("no server") };
    assert_eq!((check.address.port, check.service.as_str()), (7070, "shop.Cart"));
    each_is_refused(&[
        ("{ kind: tls }", "`checks.it.address` is missing"),
        ("{ kind: grpc }", "`checks.it.grpc` is missing"),
    ]);
}
