//! `approve` and `reject`: decisions that a gate finds.

use printery_fleet::Records;
use printery_fleet::approvals::{self, Decision};

use crate::shell::Shell;

#[tokio::test]
async fn a_decision_is_written_with_who_and_why_and_the_last_one_stands() {
    let shell = Shell::open().await;
    let records = Records::try_new(&shell.redis.url(), "materi").unwrap();
    approvals::ask(&records, "d-1").await.unwrap();

    let dry = shell.json(&["approve", "d-1", "--dry-run"]);
    assert_eq!((&dry["waiting"], &dry["dry_run"]), (&true.into(), &true.into()), "{dry}");
    assert_eq!(approvals::read(&records, "d-1").await.unwrap().decided, None);

    let said = shell.typed(&["approve", "d-1", "--actor", "ada", "--note", "looks well"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.starts_with("d-1 approved; the validator goes on"), "{said:?}");
    let decided = approvals::read(&records, "d-1").await.unwrap().decided.unwrap();
    assert_eq!((decided.decision, decided.by.as_str()), (Decision::Approved, "ada"));
    assert_eq!(decided.note, "looks well");

    let again = shell.json(&["reject", "d-1", "--actor", "bob"]);
    assert_eq!(again["before"], "approved", "{again}");
    let decided = approvals::read(&records, "d-1").await.unwrap().decided.unwrap();
    assert_eq!((decided.decision, decided.by.as_str()), (Decision::Rejected, "bob"));
    assert!(shell.conn.len("materi:printery:operator-log").await >= 4, "both are on record");
}

#[tokio::test]
async fn what_is_no_deployment_is_refused_before_anything_is_written() {
    let shell = Shell::open().await;
    let long = "x".repeat(501);
    for words in [
        &["approve", "d 1"][..],
        &["approve", ""],
        &["reject", "d-1", "--note", "two\nlines"],
        &["reject", "d-1", "--note", &long],
    ] {
        let said = shell.typed(words);
        assert_eq!(said.code, 2, "{said:?}");
    }
    assert_eq!(shell.conn.len("materi:printery:operator-log").await, 0);
}
