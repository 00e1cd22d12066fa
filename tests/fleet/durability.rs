//! Writes that must have reached a replica, or the disk, before they count.
//!
//! Proves what a producer is told when they have not, that the fleet works on meanwhile, and that a server which cannot
//! confirm at all is refused at the start.

use printery_testkit::{Ended, HttpService, RedisServer, eventually, free_port, get};
use serde_json::{Value, json};

use crate::crew::{Crew, Parts};
use crate::site::{SOON, fleet_file, started};

/// A fleet file that asks for this durability.
fn asking_for(service: &HttpService, durability: &Value) -> Value {
    let mut file = fleet_file(&service.url());
    file["bus"] = json!({ "durability": durability });
    file
}

#[tokio::test]
async fn an_unconfirmed_publication_says_so_may_be_repeated_and_is_done_once() {
    let service = HttpService::start().await;
    let server = RedisServer::start().await;
    let file = asking_for(&service, &json!({ "replicas": 1, "timeout": "100ms" }));
    let crew = Crew::new(&server.url(), "materi", &file);
    let [_, (_, data)] = started(1, "e-1");
    for _ in 0..2 {
        let words = ["publish", "deployment:started", "--id", "e-1", "--data", &data];
        let (ended, publish) = crew.command(&words).await;
        assert_eq!(ended, Ended::Code(1), "{}", publish.report());
        let said = publish.stderr().join("\n");
        for word in ["e-1", "not known to have reached 1 replica", "safe"] {
            assert!(said.contains(word), "{word}: {said}");
        }
    }
    let db = server.connect().await;
    assert_eq!(db.len("materi:events:deployment:deployment:started").await, 1);

    let addr = format!("127.0.0.1:{}", free_port());
    let worker = crew.launch("printery-validator").env("PRINTERY_HTTP_ADDR", &addr).start();
    let parts = Parts(vec![("materi".to_owned(), db)]);
    parts.wait_for_results("validation:completed", &["e-1".to_owned()], SOON).await;
    eventually("it is counted", SOON, async || {
        let metrics = get(&addr, "/metrics").await.map_err(|error| error.to_string())?.body;
        let line =
            metrics.lines().find(|line| line.starts_with("printery_redis_unconfirmed_total{"));
        let counted = line.is_some_and(|line| !line.ends_with(" 0"));
        if counted { Ok(()) } else { Err(metrics) }
    })
    .await;
    let warned = worker.lines().iter().filter(|line| line.contains("are not confirmed")).count();
    assert_eq!(warned, 1, "{}", worker.report());
    assert_eq!(parts.results("validation:completed").await, [("e-1".to_owned(), 1)].into());
}

#[tokio::test]
async fn a_server_that_cannot_wait_for_its_disk_is_refused_at_the_start() {
    let service = HttpService::start().await;
    let server = RedisServer::start().await;
    let crew = Crew::new(&server.url(), "materi", &asking_for(&service, &json!({ "fsync": true })));
    for program in ["printery-workers", "printery-validator"] {
        let process = crew.launch(program).start();
        assert_eq!(process.wait(SOON).await, Ended::Code(2), "{}", process.report());
        let said = process.stderr().join("\n");
        assert!(said.contains("durability.fsync needs"), "{said}");
    }
}
