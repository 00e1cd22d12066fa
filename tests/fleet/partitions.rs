//! A fleet whose keys are in three partitions.
//!
//! Proves section 1 of the contract on one server, where partitions differ by name alone: a deployment stays where its
//! id belongs, replicas share the work of all of them, and what is shown is their sum.

use std::collections::{BTreeMap, BTreeSet};

use printery_testkit::{Answer, Ended, HttpService, Process, World, eventually, free_port, get};
use serde_json::{Value, json};

use crate::happy_path::fleet;
use crate::site::{SOON, Site, fleet_file};

const PARTITIONS: [&str; 3] = ["{materi.0}", "{materi.1}", "{materi.2}"];

/// A fleet file of a fleet with three partitions.
fn partitioned(url: &str) -> Value {
    let mut file = fleet_file(url);
    file["partitions"] = json!(3);
    file
}

fn stream(partition: &str, event_type: &str) -> String {
    format!("{partition}:events:deployment:{event_type}")
}

/// Publishes the starts of deployments `d-0` to `d-<count - 1>` as a person would; gives each one's partition.
async fn publish(site: &Site, count: usize) -> BTreeMap<String, String> {
    let mut homes = BTreeMap::new();
    for n in 0..count {
        let deployment = format!("d-{n}");
        let data = json!({
            "deployment_id": deployment, "version": "1", "environment": "staging", "services": ["api"],
        });
        let (data, id) = (data.to_string(), format!("e-{n}"));
        let words = ["publish", "deployment:started", "--data", &data, "--id", &id, "--json"];
        let said = json_of(site, &words).await;
        let key = said["stream"].as_str().expect("a stream");
        let home = key.split_once(":events:").expect("an event stream").0;
        homes.insert(deployment, home.to_owned());
    }
    homes
}

/// Types a command that must succeed and gives its JSON.
async fn json_of(site: &Site, words: &[&str]) -> Value {
    let process = site.launch("printery-workers").args(words).start();
    assert_eq!(process.wait(SOON).await, Ended::Code(0), "{}", process.report());
    serde_json::from_str(&process.stdout().join("\n")).expect("JSON")
}

/// Gives, for every entry of an event type in every partition, its deployment and the partition.
async fn places(site: &Site, event_type: &str) -> Vec<(String, String)> {
    let mut places = Vec::new();
    for partition in PARTITIONS {
        for entry in site.conn.entries(&stream(partition, event_type)).await {
            places.push((entry.text("subject"), partition.to_owned()));
        }
    }
    places.sort();
    places
}

async fn worlds(site: &Site) -> Vec<World> {
    let mut worlds = Vec::new();
    for partition in PARTITIONS {
        worlds.push(World::snapshot(&site.conn, partition).await);
    }
    worlds
}

/// Waits until nothing is open in any partition.
async fn idle(site: &Site) -> Vec<World> {
    eventually("nothing is open in any partition", SOON, async || {
        let worlds = worlds(site).await;
        let open = |world: &World| world.pending() + world.undelivered() + world.delayed();
        if worlds.iter().map(open).sum::<i64>() == 0 {
            return Ok(worlds);
        }
        Err(worlds.iter().map(ToString::to_string).collect::<String>())
    })
    .await
}

async fn status(addr: &str, process: &Process) -> Value {
    match get(addr, "/api/status").await {
        Ok(response) if response.status == 200 => response.json(),
        other => panic!("{other:?}\n{}", process.report()),
    }
}

#[tokio::test]
async fn every_event_of_a_deployment_stays_in_its_partition() {
    let service = HttpService::start().await;
    let site = Site::new(&partitioned(&service.url())).await;
    let (manager, addr) = fleet(&site).await;
    let homes = publish(&site, 30).await;
    let used: BTreeSet<_> = homes.values().collect();
    assert_eq!(used.len(), 3, "{homes:?}");
    let expected: Vec<_> = homes.into_iter().collect();
    let chain = ["validation:completed", "dependency:check:completed", "health:check:completed"];
    for event_type in chain {
        eventually(&format!("each has its {event_type}"), SOON * 2, async || {
            let places = places(&site, event_type).await;
            if places.len() >= expected.len() { Ok(()) } else { Err(format!("{}", places.len())) }
        })
        .await;
        assert_eq!(places(&site, event_type).await, expected, "{event_type}");
    }
    let worlds = idle(&site).await;
    assert_eq!(worlds.iter().map(World::dead_letters).sum::<i64>(), 0);
    assert!(
        site.conn.keys("materi:*").await.is_empty(),
        "nothing is written beside the partitions"
    );

    eventually("what is shown is the sum", SOON, async || {
        let status = status(&addr, &manager).await;
        let length = |list: &Value| {
            let rows = list.as_array().expect("a list").iter();
            let of = rows.filter(|row| row["worker"] == "validator");
            of.map(|row| row["length"].as_u64().expect("a number")).sum::<u64>()
        };
        let parts = status["partitions"].as_array().expect("a list").iter();
        let parts: u64 = parts.map(|partition| length(&partition["streams"])).sum();
        let sums = (length(&status["streams"]), parts);
        if sums == (30, 30) { Ok(()) } else { Err(format!("{sums:?}: {status:#}")) }
    })
    .await;
    let metrics = get(&addr, "/metrics").await.expect("metrics").body;
    for name in ["printery_consumer_lag", "printery_pending"] {
        let series = metrics.lines().filter(|line| {
            let validator = line.contains("worker=\"validator\"");
            validator
                && line.split('{').next() == Some(name)
                && line.contains("stream=\"deployment:started\"")
        });
        assert_eq!(series.count(), 1, "one series, whatever the partitions: {metrics}");
    }
    assert!(metrics.contains("printery_blocked{worker=\"validator\"} 0"), "{metrics}");
}

#[tokio::test]
async fn replicas_share_the_work_of_all_partitions() {
    let service = HttpService::start().await;
    let site = Site::new(&partitioned(&service.url())).await;
    let homes = publish(&site, 12).await;
    service.answer(Answer::Hold);
    let _replicas = [site.worker("validator").start(), site.worker("validator").start()];
    eventually("both replicas are at work", SOON, async || {
        let asked = service.requests().len();
        if asked >= 2 { Ok(()) } else { Err(format!("{asked}")) }
    })
    .await;
    let pending = async |partition: &str| {
        site.conn.pending(&stream(partition, "deployment:started"), "printery-validator").await
    };
    let mut taken = 0;
    for partition in PARTITIONS {
        taken += pending(partition).await;
    }
    assert_eq!(taken, 2, "a replica has one slot, however many partitions it reads");
    let status = json_of(&site, &["status", "--json"]).await;
    let workers = status["workers"].as_array().expect("a list");
    let validator = workers.iter().find(|one| one["worker"] == "validator").expect("a validator");
    let instances = validator["instances"].as_array().expect("a list");
    assert_eq!(instances.len(), 2, "{status:#}");
    assert!(instances.iter().all(|one| one["partitions"] == 3), "{status:#}");
    service.answer(Answer::Healthy);
    eventually("everything is validated", SOON, async || {
        let done = places(&site, "validation:completed").await.len();
        if done >= 12 { Ok(()) } else { Err(format!("{done}")) }
    })
    .await;
    assert_eq!(places(&site, "validation:completed").await, homes.into_iter().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_dead_letter_stays_in_its_partition() {
    let service = HttpService::start().await;
    let site = Site::new(&partitioned(&service.url())).await;
    let _validator = site.worker("validator").start();
    let mut ids = BTreeMap::new();
    for partition in PARTITIONS {
        let id = format!("garbage of {partition}");
        site.conn.add(&stream(partition, "deployment:started"), &[("id", &id)]).await;
        ids.insert(partition, id);
    }
    for partition in PARTITIONS {
        let letters = stream(partition, "dlq:validator");
        let letter = eventually("a dead letter waits", SOON, async || {
            site.conn.entries(&letters).await.into_iter().next().ok_or("none")
        })
        .await;
        assert_eq!(letter.text("event_id"), ids[partition]);
        assert_eq!(letter.text("original_stream"), stream(partition, "deployment:started"));
    }
}

#[tokio::test]
async fn a_manager_warns_of_processes_and_entries_of_other_settings() {
    let service = HttpService::start().await;
    let site = Site::new(&partitioned(&service.url())).await;
    site.conn.add(&stream("{materi.7}", "deployment:started"), &[("id", "left")]).await;
    let odd = site.worker("notifier").args(["--partitions", "5"]).start();
    eventually("the odd one is there", SOON, async || {
        let records = site.conn.texts(&["HKEYS", "{materi.0}:printery:instances"]).await;
        if records.is_empty() { Err(odd.report()) } else { Ok(()) }
    })
    .await;
    let addr = format!("127.0.0.1:{}", free_port());
    let manager = site.manager(&addr).args(["--worker", "none"]).start();
    for words in ["{materi.7} has what nobody", "was told of 5"] {
        eventually(words, SOON, async || {
            let said = manager.lines().iter().any(|line| line.contains(words));
            if said { Ok(()) } else { Err(manager.report()) }
        })
        .await;
    }
}
