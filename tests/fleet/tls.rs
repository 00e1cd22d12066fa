//! TLS from end to end: the manager and all four workers, each with a client certificate.
//!
//! Proves that flags and the fleet file lead to the same, and that a wrong file ends a start before anything is written.

use printery_testkit::{Certificates, ClientProof, Ended, HttpService, RedisServer};
use serde_json::json;

use crate::crew::{Crew, Parts};
use crate::site::{SOON, fleet_file};

#[tokio::test]
async fn a_deployment_flows_over_tls_with_client_certificates() {
    let service = HttpService::start().await;
    let certificates = Certificates::make();
    let server =
        RedisServer::options().with_tls(&certificates, ClientProof::Required).start().await;
    let mut file = fleet_file(&service.url());
    file["bus"] = json!({ "tls": { "ca": certificates.ca() } });
    let crew = Crew::new(&server.tls_url(), "materi", &file)
        .with("PRINTERY_REDIS_CERT", &certificates.client_certificate().display().to_string())
        .with("PRINTERY_REDIS_KEY", &certificates.client_key().display().to_string());
    let manager = crew.fleet().await;
    let ids = vec![crew.publish_surely(1).await];
    let parts = Parts(vec![("materi".to_owned(), server.connect().await)]);
    parts.wait_for_flow(&ids, SOON).await;
    parts.wait_until_idle(SOON).await;
    manager.sigterm();
    assert_eq!(manager.wait(SOON).await, Ended::Code(0), "{}", manager.report());
}

#[tokio::test]
async fn what_cannot_be_trusted_ends_the_start_and_says_why() {
    let service = HttpService::start().await;
    let (ours, others) = (Certificates::make(), Certificates::make());
    let server = RedisServer::options().with_tls(&ours, ClientProof::NotAsked).start().await;
    let missing = ours.dir().join("missing.pem").display().to_string();
    let stranger = others.ca().display().to_string();
    let ca = ours.ca().display().to_string();
    let url = server.tls_url();
    let cases: [(&[(&str, &str)], &str); 4] = [
        (&[("PRINTERY_REDIS_CA", &missing)], "missing.pem cannot be read"),
        (&[("PRINTERY_REDIS_CA", &stranger)], "certificate"),
        (&[("PRINTERY_REDIS_CA", &ca), ("PRINTERY_REDIS_KEY", &ca)], "needs its certificate file"),
        (&[("PRINTERY_REDIS_CA", &ca), ("PRINTERY_REDIS_INSECURE", "true")], "both must be said"),
    ];
    for (variables, expected) in cases {
        let crew = Crew::new(&url, "materi", &fleet_file(&service.url()));
        let crew = variables.iter().fold(crew, |crew, (name, value)| crew.with(name, value));
        for program in ["printery-workers", "printery-notifier"] {
            let process = crew.launch(program).start();
            assert_eq!(process.wait(SOON).await, Ended::Code(2), "{}", process.report());
            let said = process.stderr().join("\n");
            assert!(said.contains(expected), "{expected}: {said}");
        }
    }
    assert!(server.connect().await.keys("*").await.is_empty());
}
