//! Problems of a fleet file, as people, programs and code hosts read them.
//!
//! Pure. `config check` chooses the form. Never decides what counts.

use std::collections::BTreeSet;

use printery_config::{Problem, Severity};
use serde_json::{Value, json};

use super::check::Checked;

/// Each problem with its line and a mark, and their number.
pub(super) fn text(checked: &Checked) -> Vec<String> {
    let Checked { source, problems, errors, warnings } = checked;
    let shown = problems.iter().flat_map(|problem| [problem.with_snippet(), String::new()]);
    let count = |count: usize, what: &str| match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    };
    let found = format!("{source}: {}, {}", count(*errors, "error"), count(*warnings, "warning"));
    shown.chain([found]).collect()
}

/// Everything as one value.
pub(super) fn json(checked: &Checked) -> Value {
    let problem = |problem: &Problem| {
        json!({
            "code": problem.code.as_str(),
            "severity": severity(problem),
            "file": problem.file,
            "line": problem.at.map(|at| at.line),
            "column": problem.at.map(|at| at.column),
            "text": problem.text,
            "hint": problem.hint,
        })
    };
    let problems: Vec<Value> = checked.problems.iter().map(problem).collect();
    json!({ "source": checked.source, "ok": checked.errors == 0, "problems": problems })
}

/// One workflow command each, which GitHub shows beside the line.
pub(super) fn github(checked: &Checked) -> Vec<String> {
    // What GitHub asks to have escaped in a message, and beyond that in a property.
    let message = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| message(text).replace(':', "%3A").replace(',', "%2C");
    let line = |problem: &Problem| {
        let at = problem.at.map(|at| format!(",line={},col={}", at.line, at.column));
        format!(
            "::{} file={}{},title={}::{}",
            severity(problem),
            property(&problem.file),
            at.unwrap_or_default(),
            problem.code.as_str(),
            message(&sentence(problem)),
        )
    };
    checked.problems.iter().map(line).collect()
}

/// A SARIF log with one run.
pub(super) fn sarif(checked: &Checked) -> Value {
    let result = |problem: &Problem| {
        let mut location = json!({ "artifactLocation": { "uri": problem.file } });
        if let (Some(at), Value::Object(location)) = (problem.at, &mut location) {
            let region = json!({ "startLine": at.line, "startColumn": at.column });
            location.insert("region".to_owned(), region);
        }
        json!({
            "ruleId": problem.code.as_str(),
            "level": severity(problem),
            "message": { "text": sentence(problem) },
            "locations": [{ "physicalLocation": location }],
        })
    };
    let results: Vec<Value> = checked.problems.iter().map(result).collect();
    let codes: BTreeSet<&str> =
        checked.problems.iter().map(|problem| problem.code.as_str()).collect();
    let rules: Vec<Value> = codes.into_iter().map(|code| json!({ "id": code })).collect();
    let driver = json!({
        "name": "printery-workers",
        "version": env!("CARGO_PKG_VERSION"),
        "rules": rules,
    });
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{ "tool": { "driver": driver }, "results": results }],
    })
}

fn severity(problem: &Problem) -> &'static str {
    match problem.code.severity() {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn sentence(problem: &Problem) -> String {
    match &problem.hint {
        Some(hint) => format!("{}; {hint}", problem.text),
        None => problem.text.clone(),
    }
}
