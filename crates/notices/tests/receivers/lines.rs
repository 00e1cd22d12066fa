//! Files: a line of JSON for each notice, whole, whoever writes beside us.

use futures_util::future::join_all;
use serde_json::Value;

use crate::scene::{completed, failed, receiver, started, tell, word};

fn lines(path: &std::path::Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_notice_is_a_line_behind_those_that_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notices.jsonl");
    let it = receiver(&format!("{{ file: '{}' }}", path.display()));
    assert_eq!(it.target(), path.display().to_string());
    std::fs::write(&path, "{\"type\":\"before\"}\n").unwrap();
    for event in [started(), failed(), completed("success")] {
        assert_eq!(word(&tell(&it, &event, None).await.verdict), "told");
    }
    let lines = lines(&path);
    let types: Vec<&str> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
    let told = ["before", "deployment:started", "deployment:failed", "deployment:completed"];
    assert_eq!(types, told);
    assert_eq!(
        lines[1]["id"], "0199c0de-0000-7000-8000-000000000001",
        "a repetition is known by it"
    );
    assert_eq!(lines[2]["severity"], "critical");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn lines_of_many_at_once_stay_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notices.jsonl");
    let yaml = format!("{{ file: {{ path: '{}' }} }}", path.display());
    let all = join_all((0..50).map(|_| async {
        // As another process does: with a file of its own.
        word(&tell(&receiver(&yaml), &failed(), None).await.verdict)
    }));
    assert!(all.await.iter().all(|word| word == "told"));
    assert_eq!(lines(&path).len(), 50);
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_tried_again() {
    let it = receiver("{ file: /nowhere/notices.jsonl }");
    let said = word(&tell(&it, &failed(), None).await.verdict);
    assert!(said.starts_with("later: /nowhere/notices.jsonl cannot be written"), "{said}");
}
