//! Checks of the fleet file: what each kind accepts, what it makes of it, what it refuses.
#![expect(clippy::unwrap_used, reason = "a set-up that fails is a failed test")]

use printery_config::{CheckSpec, Enforce, Fleet, OnError};

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
