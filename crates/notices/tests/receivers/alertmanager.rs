//! A real Alertmanager: what fires, and what ends it.

use std::path::Path;
use std::time::Duration;

use printery_testkit::{Process, eventually, free_port, get};
use serde_json::Value;

use crate::scene::{completed, endless, failed, receiver, tell_now, word};

const SOON: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_failed_deployment_is_an_alert_until_it_has_succeeded() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("alertmanager.yml");
    std::fs::write(&file, "route: { receiver: nobody }\nreceivers: [{ name: nobody }]\n").unwrap();
    let port = free_port();
    let server = Process::of(Path::new("prometheus-alertmanager"))
        .args([
            format!("--config.file={}", file.display()),
            format!("--storage.path={}", folder.path().display()),
            format!("--web.listen-address=127.0.0.1:{port}"),
            "--cluster.listen-address=".to_owned(),
        ])
        .start();
    let it = receiver(&format!("{{ alertmanager: 'http://127.0.0.1:{port}' }}"));
    eventually("it takes the alert", SOON, async || {
        let said = word(&tell_now(&it, &failed()).await.verdict);
        if said == "told" { Ok(()) } else { Err(format!("{said}: {:?}", server.stderr())) }
    })
    .await;
    let alerts = async || {
        let url = format!("127.0.0.1:{port}");
        let answer = get(&url, "/api/v2/alerts").await.expect("it answers");
        serde_json::from_str::<Value>(&answer.body).unwrap()
    };
    let firing = alerts().await;
    assert_eq!(firing[0]["labels"]["alertname"], "DeploymentTrouble", "{firing}");
    assert_eq!(firing[0]["labels"]["severity"], "critical");
    assert_eq!(firing[0]["annotations"]["summary"], "d-1: deployment failed");
    assert_eq!(word(&tell_now(&it, &completed("success")).await.verdict), "told");
    eventually("the alert is over", SOON, async || {
        let left = alerts().await;
        if left == serde_json::json!([]) { Ok(()) } else { Err(left.to_string()) }
    })
    .await;
    assert_eq!(word(&tell_now(&it, &endless()).await.verdict), "told");
}
