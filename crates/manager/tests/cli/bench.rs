//! `bench`: every part gives figures, and nothing is left behind. What the figures are is nobody's business here.

use std::process::Command;

use printery_testkit::{Ended, Process, eventually};
use serde_json::Value;

use crate::programs;
use crate::shell::{program, run};

/// Where the bench of one test has its files.
fn folder() -> tempfile::TempDir {
    tempfile::TempDir::with_prefix("b").expect("a temporary folder")
}

fn assert_empty(folder: &tempfile::TempDir) {
    let left = std::fs::read_dir(folder.path()).expect("a readable folder").count();
    assert_eq!(left, 0, "{}", folder.path().display());
}

/// The rows of a part, of which there must be some.
fn rows<'a>(report: &'a Value, path: &str) -> &'a Vec<Value> {
    let rows = report.pointer(path).and_then(Value::as_array);
    rows.filter(|rows| !rows.is_empty()).unwrap_or_else(|| panic!("{path}: {report:#}"))
}

fn assert_positive(row: &Value, path: &str) {
    let number = row.pointer(path).and_then(Value::as_f64);
    assert!(number.is_some_and(|number| number > 0.0), "{path}: {row:#}");
}

#[test]
fn every_part_gives_figures_and_nothing_is_left_behind() {
    programs::built();
    let (folder, results) = (folder(), folder());
    let (json, svg) = (results.path().join("figures.json"), results.path().join("figures.svg"));
    let mut command: Command = program();
    command.args(["bench", "--smoke", "--json"]).arg(&json).arg("--svg").arg(&svg);
    command.env("TMPDIR", folder.path());
    let said = run(command);
    assert_eq!(said.code, 0, "{said:?}");
    for title in ["THROUGHPUT", "LATENCY", "BACKLOG", "RECOVERY", "FLEET", "TARGETS"] {
        assert!(said.out.lines().any(|line| line.starts_with(title)), "{title}: {}", said.out);
    }

    let text = std::fs::read_to_string(&json).expect("figures");
    let report: Value = serde_json::from_str(&text).expect("JSON");
    let ours = |case: &&Value| !case["name"].as_str().is_some_and(|name| name.starts_with("raw"));
    let cases = rows(&report, "/throughput/cases");
    assert!(cases.len() > cases.iter().filter(ours).count(), "there is a yardstick: {report:#}");
    for case in cases.iter().filter(ours) {
        for path in ["/per_s/median", "/cost/commands", "/cost/round_trips"] {
            assert_positive(case, path);
        }
    }
    for row in rows(&report, "/latency") {
        assert_positive(row, "/visible/p99_ms");
    }
    for row in rows(&report, "/backlog") {
        assert_positive(row, "/memory_mib");
    }
    for row in rows(&report, "/recovery") {
        assert_positive(row, "/done");
    }
    // In a moment as short as this one an idle fleet may ask for nothing at all.
    let idle = report.pointer("/idle/commands_per_s").and_then(Value::as_f64);
    assert!(idle.is_some_and(|figure| figure >= 0.0), "{report:#}");
    assert_positive(&report, "/fleet/events_per_s");
    rows(&report, "/targets");
    let picture = std::fs::read_to_string(&svg).expect("a picture");
    assert!(picture.starts_with("<svg") && picture.ends_with("</svg>\n"), "{picture}");
    assert_empty(&folder);
}

#[tokio::test]
async fn an_interrupted_bench_leaves_nothing_behind() {
    programs::built();
    let folder = folder();
    let launch = Process::of(env!("CARGO_BIN_EXE_printery-workers").as_ref());
    let bench = launch.args(["bench", "--only", "idle"]).env("TMPDIR", folder.path()).start();
    let soon = std::time::Duration::from_secs(60);
    eventually("the bench has started programs", soon, async || {
        if bench.children().len() > 1 { Ok(()) } else { Err(bench.report()) }
    })
    .await;
    bench.sigint();
    assert_eq!(bench.wait(soon).await, Ended::Code(1), "{}", bench.report());
    assert!(bench.report().contains("interrupted"), "{}", bench.report());
    assert_empty(&folder);
}
