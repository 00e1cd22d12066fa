//! What conditions say about values, what they refuse to read, and what they refuse to begin.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a set-up that fails is a failed test")]

use std::time::Duration;

use printery_expressions::{Condition, Functions, MAX_TEXT, Vocabulary};
use proptest::prelude::*;
use serde_json::{Value, json};

fn holds(text: &str, variables: &Value) -> bool {
    Condition::compile(text).unwrap().holds(variables).unwrap_or_else(|why| panic!("{text}: {why}"))
}

fn refused(text: &str) -> String {
    Condition::compile(text).unwrap_err().to_string()
}

#[test]
fn conditions_hold_or_do_not() {
    let variables = json!({
        "status": 204, "latency_ms": 12.5, "body": "{\"ok\":true}", "header": { "x-shop": "north" },
        "json": { "checks": [{ "name": "disk", "ok": true }, { "name": "queue", "ok": false }] },
        "labels": ["hotfix", "eu"], "in_recovery": false, "previous": null,
        "version": "1.10.0", "before": "v1.9",
    });
    for (text, expected) in [
        ("status == 204", true),
        ("status + 1 < 205", false),
        ("latency_ms < 300", true),
        ("status >= 200 && status < 300 || false", true),
        ("header['x-shop'] == 'north'", true),
        ("body.matches('ok\\\\W+true')", true),
        ("json.checks.all(c, c.ok)", false),
        ("json.checks.exists(c, c.name == 'disk' && c.ok)", true),
        ("json.checks.filter(c, !c.ok).map(c, c.name) == ['queue']", true),
        ("size(labels) == 2 && 'hotfix' in labels", true),
        ("!in_recovery", true),
        ("has(json.missing)", false),
        ("previous == null", true),
        ("semver(version) >= semver(before)", true),
        ("version >= before", false),
        ("semver('2.0.0-rc.1') < semver('2')", true),
        ("semver('1.0.0+a') == semver('v1')", true),
        ("type(status) == int ? true : false", true),
    ] {
        assert_eq!(holds(text, &variables), expected, "{text}");
    }
}

#[test]
fn a_value_that_does_not_fit_is_said_and_is_neither_true_nor_false() {
    let variables = json!({ "json": { "count": 3 }, "name": "n".repeat(4000), "list": [1] });
    for (text, why) in [
        ("json.status == 'ok'", "there is no `status` in the value"),
        ("missing == 1", "there is no `missing` here"),
        ("json.count", "comes out as int"),
        ("list[4] == 1", "no such element"),
        ("semver(name) == semver('1')", "is no version"),
        ("semver('1') == semver('1') && semver('1') < '2'", "version"),
    ] {
        let problem = Condition::compile(text).unwrap().holds(&variables).unwrap_err();
        assert!(problem.text().contains(why), "{text}: {problem}");
        assert!(problem.text().len() < 400, "{text}: {problem}");
    }
}

#[test]
fn a_wrong_condition_is_refused_with_its_place() {
    let problem = Condition::compile("status ==\n  && true").unwrap_err();
    assert_eq!(problem.place(), Some((2, 3)), "{problem}");
    let problem = Condition::compile("status = 200").unwrap_err();
    assert_eq!(problem.place(), Some((1, 8)), "{problem}");
    for (text, why) in [
        ("", "is empty"),
        ("1 + 1", "never true or false"),
        ("'ok'", "never true or false"),
        ("[true]", "never true or false"),
        ("list.map(x, x)", "never true or false"),
        ("startWith(body, 'x')", "did you mean `startsWith`?"),
        ("Point{x: 1} == 2", "no type `Point`"),
    ] {
        assert!(refused(text).contains(why), "{text}: {}", refused(text));
    }
}

#[test]
fn a_name_outside_the_vocabulary_is_refused_with_the_nearest_one() {
    let vocabulary = Vocabulary::of(["latency_ms", "status"]).with_function("inWindow");
    let refused = |text| Condition::compile_with(text, &vocabulary).unwrap_err().to_string();
    assert_eq!(refused("lateny_ms < 3"), "unknown name `lateny_ms`; did you mean `latency_ms`?");
    assert_eq!(refused("inWindo('x')"), "unknown function `inWindo`; did you mean `inWindow`?");
    assert_eq!(refused("[1].all(x, y > x)"), "unknown name `y`");
    Condition::compile_with("[status].all(x, x > 1) && !inWindow('x')", &vocabulary).unwrap();
}

#[test]
fn a_caller_brings_functions_of_its_own() {
    let functions = Functions::none().with("inWindow", |arguments| match arguments {
        [Value::String(name)] => Ok(json!(name == "freeze")),
        [Value::String(_now), Value::String(name)] => Ok(json!(name == "night")),
        _ => Err("takes the name of a window".to_owned()),
    });
    let vocabulary = Vocabulary::of(["now"]).with_function("inWindow");
    let variables = json!({ "now": "2026-11-20T17:00:00Z" });
    let asked = |text: &str| {
        Condition::compile_with(text, &vocabulary).unwrap().holds_with(&variables, &functions)
    };
    assert_eq!(asked("inWindow('freeze')"), Ok(true));
    assert_eq!(asked("!now.inWindow('freeze')"), Ok(true));
    let problem = asked("inWindow(1)").unwrap_err().to_string();
    assert_eq!(problem, "inWindow(): takes the name of a window");
}

#[test]
fn deep_and_long_texts_are_refused_before_they_cost_anything() {
    for text in [
        format!("{}1{} == 1", "(".repeat(40), ")".repeat(40)),
        format!("{}true", "!".repeat(1000)),
        format!("{}1 == 1", "- ".repeat(1000)),
        format!("{}1{}", "[".repeat(900), "]".repeat(900)),
        format!("1{} == 2", " + 1".repeat(400)),
        format!("{}true{}", "true ? ".repeat(150), " : true".repeat(150)),
        format!("a{}", ".b".repeat(900)),
        format!("a{}", "[0]".repeat(600)),
        format!("'{}' == ''", "a".repeat(MAX_TEXT)),
    ] {
        let problem = refused(&text);
        assert!(
            problem.contains("levels") || problem.contains("longer") || problem.contains("limit"),
            "{problem}"
        );
    }
}

#[test]
fn the_deepest_that_is_accepted_is_evaluated_on_an_ordinary_stack() {
    let sum = format!("1{} == 61", " + 1".repeat(60));
    let nested = format!("{}1{} == 1", "(0 + ".repeat(30), ")".repeat(30));
    let chain = format!("{}true", "true && ".repeat(200));
    let run = move || [sum, nested, chain].map(|text| holds(&text, &json!({})));
    let thread = std::thread::Builder::new().stack_size(2 * 1024 * 1024).spawn(run).unwrap();
    assert_eq!(thread.join().unwrap(), [true; 3]);
}

#[test]
fn loops_over_too_much_are_not_begun() {
    let large = json!({ "list": (0..3000).collect::<Vec<_>>() });
    let small = json!({ "list": [1, 2, 3] });
    let nested = "list.all(a, list.all(b, list.all(c, a + b + c > 0)))";
    assert!(holds(nested, &small));
    let problem = Condition::compile(nested).unwrap().holds(&large).unwrap_err();
    assert!(problem.text().contains("too long"), "{problem}");
    assert!(holds("list.exists(a, a == 2999)", &large));
    assert!(holds("list.filter(a, a > 10).map(a, a + 1).all(a, a > 11)", &large));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_evaluation_off_the_asynchronous_threads_answers_alike() {
    let condition = Condition::compile("status == 200").unwrap();
    let limit = Duration::from_secs(30);
    for (status, expected) in [(200, true), (503, false)] {
        let variables = json!({ "status": status });
        assert_eq!(condition.holds_within(limit, variables, Functions::none()).await, Ok(expected));
    }
}

proptest! {
    #[test]
    fn no_text_takes_the_process_down(text in "[a-c0-9.,:?!&|()\\[\\]{}'\" +*<=>-]{0,120}") {
        if let Ok(condition) = Condition::compile(&text) {
            let answer = condition.holds(&json!({ "a": [1, 2], "b": "text", "c": { "a": null } }));
            prop_assert!(answer.is_ok() || answer.is_err_and(|why| !why.text().is_empty()));
        }
    }
}
