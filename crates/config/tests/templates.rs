//! The fleet's own words: read with the file, and wrong ones reported with their own file and line.
#![expect(clippy::unwrap_used, reason = "a set-up that fails is a failed test")]

use std::path::Path;

use printery_config::Fleet;

/// Reads a fleet file beside these templates; every problem on a line.
fn problems(files: &[(&str, &str)], dir: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let file = folder.path().join("fleet.yaml");
    std::fs::write(&file, format!("templates: {{ dir: {dir} }}")).unwrap();
    match Fleet::load(Some(&file), &|_| None) {
        Ok(_) => Vec::new(),
        Err(problems) => {
            let start = format!("{}/", folder.path().display());
            problems.iter().map(|problem| problem.to_string().replace(&start, "")).collect()
        }
    }
}

#[test]
fn a_wrong_template_is_reported_with_its_file_and_line() {
    let cases: [(&str, &str, &str); 6] = [
        ("t/slack/default.json.j2", "{\n\n{{ x", "t/slack/default.json.j2:3:1: syntax error: "),
        (
            "t/slack/default.json.j2",
            "{}\n{{ sumary }}",
            "t/slack/default.json.j2:2:1: no message has `sumary`; did you mean `summary`?",
        ),
        (
            "t/slack/deployment-fail.json.j2",
            "{}",
            "t/slack/deployment-fail.json.j2:1:1: no template is called `deployment-fail`; did you mean `deployment-failed`?",
        ),
        ("t/slack/default.html.j2", "", "a template of slack ends with .json.j2"),
        ("t/slak/default.json.j2", "", "no channel is called `slak`; did you mean `slack`?"),
        ("other/x", "", "`templates.dir` ./t: cannot be read"),
    ];
    for (name, text, expected) in cases {
        let found = problems(&[(name, text)], "./t");
        assert!(found.len() == 1 && found[0].contains(expected), "{name}: {found:?}");
    }
    let two = [("t/slack/default.json.j2", "{{"), ("t/email/default.html.j2", "{{ nothing }}")];
    assert_eq!(problems(&two, "t").len(), 2, "all of them at once");
}

#[test]
fn what_is_right_is_found_by_channel_event_and_form() {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "slack/default.json.j2",
        "slack/deployment-stage-completed.json.j2",
        "email/default.txt.j2",
        "email/notes.md",
    ] {
        let path = folder.path().join("t").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "{{ title }}{{ range(3)|length }}").unwrap();
    }
    let file = folder.path().join("fleet.yaml");
    std::fs::write(&file, "templates: { dir: t }").unwrap();
    let load = |file: &Path| Fleet::load(Some(file), &|_| None).unwrap();
    let fleet = load(&file);
    let find = |channel, event, form| fleet.templates.find(channel, event, form).map(|it| it.0);
    let stage = "deployment:stage:railway:completed";
    assert_eq!(find("slack", stage, "json"), Some("slack/deployment-stage-completed.json.j2"));
    assert_eq!(find("slack", "deployment:failed", "json"), Some("slack/default.json.j2"));
    assert_eq!(find("email", stage, "txt"), Some("email/default.txt.j2"));
    assert_eq!(find("email", stage, "html"), None);
    // Other words are another configuration.
    std::fs::write(folder.path().join("t/email/default.txt.j2"), "{{ headline }}").unwrap();
    assert_ne!(load(&file).digest(), fleet.digest());
}
