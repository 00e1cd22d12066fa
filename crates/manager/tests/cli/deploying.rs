//! `deploy`: the event sequence of a deployment, as far as it gets.

use crate::shell::{Shell, stream};

#[tokio::test]
async fn without_a_validator_the_deployment_does_not_go_on() {
    let shell = Shell::open().await;
    let words = ["deploy", "--version", "1", "--environment", "staging", "--services", "api"];
    let said =
        shell.typed(&[&words[..], &["--deployment-id", "d-1", "--timeout", "300ms"]].concat());
    assert_eq!(said.code, 1, "{said:?}");
    for word in ["validator", "d-1", "printery-workers explain d-1"] {
        assert!(said.err.contains(word), "{word}: {said:?}");
    }
    assert_eq!(shell.conn.len(&stream("deployment:started")).await, 1);
    assert_eq!(shell.conn.len(&stream("deployment:stage:vercel:started")).await, 0);
}

#[tokio::test]
async fn what_cannot_be_deployed_is_refused_before_anything_is_published() {
    let shell = Shell::open().await;
    let words = ["deploy", "--version", "1", "--services", "api"];
    for (wrong, named) in [
        (["--deployment-id", "d 1"], "--deployment-id"),
        (["--fail-stage", "moon"], "--fail-stage"),
        (["--stages", "a:b"], "a:b"),
        (["--timeout", "soon"], "--timeout"),
    ] {
        let said = shell.typed(&[&words[..], &wrong[..]].concat());
        assert_eq!(said.code, 2, "{said:?}");
        assert!(said.err.contains(named), "{named}: {said:?}");
    }
    assert_eq!(shell.conn.int(&["DBSIZE"]).await, 0);
}

#[tokio::test]
async fn an_interrupted_deployment_goes_on_and_a_repeated_one_publishes_nothing() {
    let shell = Shell::open().await;
    let words = "deploy --version 1 --environment staging --services api --deployment-id d-1 \
                 --timeout 300ms --pace 1ms --stages folio";
    let words: Vec<&str> = words.split_whitespace().collect();
    // Nobody validates: it gives up half-way, twice.
    assert_eq!(shell.typed(&words).code, 1);
    assert_eq!(shell.typed(&words).code, 1);
    let started = shell.conn.entries(&stream("deployment:started")).await;
    assert_eq!(started.len(), 1);
    let verdict = r#"{"deployment_id":"d-1","version":"1","environment":"staging","services":["api"],
        "phase":"pre-deploy","result":"PASSED","checks":[],"duration_ms":1,"config_digest":"","summary":"fine"}"#;
    let cause = started[0].text("id");
    let fields = [("id", "v-1"), ("causationid", &cause), ("data", verdict)];
    shell.conn.add(&stream("validation:completed"), &fields).await;
    for _again in 0..2 {
        let said = shell.typed(&words);
        assert_eq!(said.code, 0, "{said:?}");
        assert!(said.out.contains("it had been begun before"), "{said:?}");
        for event_type in
            ["deployment:started", "deployment:stage:folio:completed", "deployment:completed"]
        {
            assert_eq!(shell.conn.len(&stream(event_type)).await, 1, "{event_type}");
        }
    }
    let completed = &shell.conn.entries(&stream("deployment:completed")).await[0];
    assert_eq!(completed.text("correlationid"), cause);
}
