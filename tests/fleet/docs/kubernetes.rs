//! The manifests for Kubernetes describe this fleet.
//!
//! Proves what can be proved without a cluster: one Deployment for each worker, and a scaler that counts what that worker reads.

use std::collections::BTreeSet;

use printery_events::topology::{WORKERS, Worker, every};
use serde_json::Value;

use super::{read, root};

/// Every manifest of a file below `deploy/k8s`.
fn manifests(file: &str) -> Vec<Value> {
    let text = read(&format!("deploy/k8s/{file}"));
    serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn container(deployment: &Value) -> &Value {
    &deployment["spec"]["template"]["spec"]["containers"][0]
}

#[test]
fn every_file_of_a_kustomization_exists() {
    for folder in ["base", "keda"] {
        let kustomization = &manifests(&format!("{folder}/kustomization.yaml"))[0];
        let patches = kustomization["patches"].as_array().cloned().unwrap_or_default();
        let resources = kustomization["resources"].as_array().expect("resources").iter();
        for named in resources.chain(patches.iter().map(|patch| &patch["path"])) {
            let path = root().join("deploy/k8s").join(folder).join(named.as_str().expect("a path"));
            assert!(path.exists(), "{folder}: {named}");
        }
    }
}

#[test]
fn kubernetes_has_one_deployment_for_each_worker() {
    let deployments = manifests("base/workers.yaml");
    let found: BTreeSet<(String, String, u64)> = deployments
        .iter()
        .map(|one| {
            let name = one["metadata"]["name"].as_str().expect("a name").to_owned();
            let argument = container(one)["args"][0].as_str().expect("an argument").to_owned();
            (name, argument, one["spec"]["replicas"].as_u64().expect("replicas"))
        })
        .collect();
    let expected = every().map(|worker| {
        (
            worker.name.to_owned(),
            format!("--worker={}", worker.name),
            u64::from(!worker.is_on_demand()),
        )
    });
    assert_eq!(found, expected.collect());
    let manager = &manifests("base/manager.yaml")[0];
    assert_eq!(container(manager)["args"][0], "--worker=none");
}

#[test]
fn no_pod_is_killed_while_it_hands_back_or_because_redis_is_away() {
    let pod = &manifests("base/pod.yaml")[0];
    let grace = pod["spec"]["template"]["spec"]["terminationGracePeriodSeconds"].as_u64();
    assert!(grace > Some(30), "shorter than --shutdown-timeout: {grace:?}");
    let manager = &manifests("base/manager.yaml")[0];
    assert!(
        container(manager)["livenessProbe"]["httpGet"].is_null(),
        "its /health is 503 without Redis"
    );
}

#[test]
fn each_worker_is_scaled_by_every_stream_it_reads() {
    let stages = ["vercel", "railway", "folio"].map(ToOwned::to_owned);
    let scaled = manifests("keda/scaled.yaml");
    let names: Vec<_> = scaled.iter().map(|one| one["metadata"]["name"].clone()).collect();
    assert_eq!(names, WORKERS.map(|worker| Value::from(worker.name)));
    for one in scaled {
        let name = one["spec"]["scaleTargetRef"]["name"].as_str().expect("a target");
        let worker = Worker::find(name).expect("a worker of the fleet");
        let triggers = one["spec"]["triggers"].as_array().expect("triggers");
        let mut counted = BTreeSet::new();
        for trigger in triggers {
            let metadata = &trigger["metadata"];
            assert_eq!(metadata["consumerGroup"], worker.group(), "{name}");
            counted.insert(metadata["stream"].as_str().expect("a stream").to_owned());
        }
        let reads = worker.streams(&stages);
        let expected = reads.iter().map(|kind| format!("materi:events:deployment:{kind}"));
        assert_eq!(counted, expected.collect(), "{name}");
        assert!(one["spec"]["minReplicaCount"].as_u64() >= Some(1), "{name}: nobody takes retries");
    }
}
