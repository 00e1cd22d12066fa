//! `probe`: one endpoint of the fleet file is asked, and what is seen is shown.

use printery_testkit::{Answer, HttpService, free_port};

use crate::shell::typed;

/// A fleet file with one HTTP endpoint, a port that nobody listens on, and one that is not configured.
fn fleet_file(url: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let text = format!(
        "version: 1\nfleet: shop\negress: {{ allow_loopback: true }}\nendpoints:\n  \
         psp: {{ http: \"{url}/ping?token=hunter2\", status: [200], attempts: 1 }}\n  \
         mail: {{ tcp: \"127.0.0.1:{}\", attempts: 1 }}\n  \
         db: {{ tcp: \"db:1\", skip_unless_env: NO_SUCH_VARIABLE }}\n\
         services: {{ api: {{ requires: [psp, mail, db] }} }}\n",
        free_port()
    );
    std::fs::write(file.path(), text).expect("a writable file");
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn one_endpoint_is_asked_and_its_phases_are_shown() {
    let service = HttpService::start().await;
    let file = fleet_file(&service.url());
    let config = format!("--config={}", file.path().display());
    let shown = typed(&[&config, "probe", "psp"]);
    assert_eq!(shown.code, 0, "{shown:?}");
    for said in
        ["pass  psp  GET http://", "expected    status 200", "connect", "processing", "in all"]
    {
        assert!(shown.out.contains(said), "{said}: {}", shown.out);
    }
    assert_eq!(service.requests().len(), 1, "it is asked once");

    service.answer(Answer::Status(404));
    let failed = typed(&[&config, "probe", "psp", "--json"]);
    assert_eq!(failed.code, 1, "{failed:?}");
    let report = failed.json();
    assert_eq!(report["outcome"], "fail");
    assert_eq!(report["reason_code"], "http_status");
    assert!(report["timings_ms"]["processing"].is_f64(), "{report}");
    assert!(!format!("{shown:?}{failed:?}").contains("hunter2"));
}

#[test]
fn what_cannot_be_asked_is_said() {
    let file = fleet_file("http://127.0.0.1:1");
    let config = format!("--config={}", file.path().display());
    let refused = typed(&[&config, "probe", "mail"]);
    assert!(refused.code == 1 && refused.out.contains("connection refused"), "{refused:?}");
    assert!(refused.out.contains("reason      connect_refused (transient)"), "{refused:?}");
    let skipped = typed(&[&config, "probe", "db"]);
    assert!(skipped.code == 1 && skipped.out.contains("NO_SUCH_VARIABLE"), "{skipped:?}");
    let unknown = typed(&[&config, "probe", "dbb"]);
    assert!(unknown.code == 2 && unknown.err.contains("it has db, mail, psp, api"), "{unknown:?}");
}
