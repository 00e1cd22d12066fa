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
    let yaml = show(&[]);
    assert_eq!(yaml.code, 0, "{yaml:?}");
    assert!(
        yaml.out.contains("fleet: shop") && yaml.out.contains("stages: [vercel, railway, folio]")
    );
    assert!(!yaml.out.contains("hunter2") && !json.to_string().contains("hunter2"));
}

#[test]
fn shells_learn_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let said = typed(&["completions", shell]);
        assert!(said.code == 0 && said.out.contains("redrive"), "{shell}: {said:?}");
    }
    assert_eq!(typed(&["completions", "cmd"]).code, 2);
}
