//! A deployment flows through the fleet.
//!
//! Proves the flow of the contract's sections 2 to 4 with the manager and all four workers; nothing is broken here.

use printery_events::topology::{DEFAULT_STAGES, WORKERS};
use printery_events::{Encoding, Event, EventType, Payload};
use printery_testkit::{Answer, Ended, HttpService, Process, eventually, free_port, get};
use serde_json::{Value, json};

use crate::site::{SECRET, SOON, Site, fleet_file, started, stream};

/// The manager with all four workers ready.
pub(crate) async fn fleet(site: &Site) -> (Process, String) {
    let addr = format!("127.0.0.1:{}", free_port());
    let manager = site.manager(&addr).start();
    eventually("the fleet is ready", SOON, async || match get(&addr, "/ready").await {
        Ok(response) if response.status == 200 => Ok(()),
        other => Err(format!("{other:?}\n{}", manager.report())),
    })
    .await;
    (manager, addr)
}

#[tokio::test]
async fn one_entry_of_redis_cli_flows_through_all_four_workers() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let (_manager, _) = fleet(&site).await;
    let data =
        r#"{"deployment_id":"d-1","version":"1.2.0","environment":"staging","services":["api"]}"#;
    site.conn.add(&stream("deployment:started"), &[("id", "1"), ("data", data)]).await;

    let mut cause = "1".to_owned();
    let expected = [
        ("validation:completed", "result", "PASSED", "pre-deploy"),
        ("dependency:check:completed", "result", "ALL_HEALTHY", "pre-deploy"),
        ("health:check:completed", "status", "HEALTHY", "baseline"),
    ];
    for (event_type, field, verdict, phase) in expected {
        site.wait_for_results(event_type, 1, SOON).await;
        let entries = site.conn.entries(&stream(event_type)).await;
        let entry = &entries[0];
        assert_eq!(
            (entry.text("subject"), entry.text("correlationid")),
            ("d-1".into(), "1".into())
        );
        assert_eq!(entry.text("causationid"), cause, "{event_type}");
        let data = &site.data(event_type).await[0];
        assert_eq!((&data[field], &data["phase"]), (&json!(verdict), &json!(phase)), "{data:#}");
        assert!(data["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{data:#}");
        cause = entry.text("id");
    }
    let told = format!("people are told about {cause}");
    eventually(&told, SOON, async || {
        let told = site.data("notification:sent").await;
        told.iter().any(|data| data["trigger_event_id"] == json!(cause)).then_some(())
    })
    .await;
    let world = site.wait_until_idle(SOON).await;
    assert_eq!(world.dead_letters(), 0, "{world}");
}

#[tokio::test]
async fn every_group_is_there_once_the_fleet_is_ready() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let (_manager, _) = fleet(&site).await;
    let world = site.world().await;
    let stages = DEFAULT_STAGES.map(ToOwned::to_owned);
    for worker in WORKERS {
        for event_type in worker.streams(&stages) {
            let name = format!("events:deployment:{event_type}");
            let groups = world.streams.get(&name).map(|stream| &stream.groups);
            assert!(
                groups.is_some_and(|groups| groups.contains_key(&worker.group())),
                "{name}; {world}"
            );
        }
    }
}

#[tokio::test]
async fn an_idle_fleet_stops_cleanly_on_sigterm() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let (manager, _) = fleet(&site).await;
    manager.sigterm();
    assert_eq!(manager.wait(SOON).await, Ended::Code(0), "{}", manager.report());
    let world = site.world().await;
    let groups = world.streams.values().flat_map(|stream| stream.groups.values());
    assert_eq!(groups.map(|group| group.consumers).sum::<i64>(), 0, "consumers retire: {world}");
}

#[tokio::test]
async fn a_failed_validation_ends_the_chain_and_fails_the_deployment() {
    let service = HttpService::start().await;
    service.answer(Answer::Status(404));
    let site = Site::new(&fleet_file(&service.url())).await;
    let (_manager, _) = fleet(&site).await;
    let id = site.start_deployment(1).await;
    site.wait_for_results("validation:completed", 1, SOON).await;
    let world = site.wait_until_idle(SOON).await;
    let data = &site.data("validation:completed").await[0];
    assert_eq!(data["result"], "FAILED", "{data:#}");
    let checks = data["checks"].as_array().into_iter().flatten();
    let outcome = checks.filter(|check| check["name"] == "probe").map(|check| &check["outcome"]);
    assert_eq!(outcome.collect::<Vec<_>>(), ["fail"], "{data:#}");
    let failed = &site.data("deployment:failed").await[0];
    assert_eq!(
        (&failed["deployment_id"], &failed["failed_stage"]),
        (&json!("d-1"), &json!("validation"))
    );
    assert_eq!(site.results("deployment:failed").await, [(id, 1)].into());
    assert_eq!(
        (world.events("dependency:check:completed"), world.dead_letters()),
        (0, 0),
        "{world}"
    );
}

fn stage_completed(status: &str) -> Value {
    json!({ "deployment_id": "d-1", "stage": "railway", "status": status, "version": "1.2.0",
            "environment": "staging", "services": ["api"] })
}

#[tokio::test]
async fn a_successful_stage_is_checked_watched_and_told() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let (_manager, _) = fleet(&site).await;
    let event_type = "deployment:stage:railway:completed";
    site.publish(event_type, "s-1", &stage_completed("success")).await;
    site.wait_for_results("health:check:completed", 1, SOON).await;
    let world = site.wait_until_idle(SOON).await;
    for event_type in ["dependency:check:completed", "health:check:completed"] {
        let data = &site.data(event_type).await[0];
        let place = (&data["phase"], &data["stage"]);
        assert_eq!(place, (&json!("post-stage"), &json!("railway")), "{event_type} {data:#}");
    }
    assert_eq!(site.results("dependency:check:completed").await, [("s-1".to_owned(), 1)].into());
    assert_eq!((world.events("notification:sent"), world.dead_letters()), (3, 0), "{world}");
}

#[tokio::test]
async fn a_failed_stage_is_told_and_not_checked() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let (_manager, _) = fleet(&site).await;
    site.publish("deployment:stage:railway:completed", "s-1", &stage_completed("failure")).await;
    site.wait_for_results("notification:sent", 1, SOON).await;
    let world = site.wait_until_idle(SOON).await;
    assert_eq!(world.events("dependency:check:started"), 0, "{world}");
    assert_eq!(
        (world.events("dependency:check:completed"), world.dead_letters()),
        (0, 0),
        "{world}"
    );
}

#[tokio::test]
async fn a_dry_run_checks_everything_and_tells_nobody() {
    let (service, hook) = (HttpService::start().await, HttpService::start().await);
    let mut file = fleet_file(&service.url());
    file["receivers"] = json!({ "hook": { "webhook": {
        "url": hook.url(), "secret": SECRET
    } } });
    file["routes"] = json!([{ "to": ["hook"] }]);
    let site = Site::new(&file).await;
    let (_manager, _) = fleet(&site).await;
    let data = json!({ "deployment_id": "d-1", "version": "1", "environment": "staging", "services": ["api"] });
    let data = data.to_string();
    let fields = [("id", "dry"), ("dryrun", "true"), ("data", &data)];
    site.conn.add(&stream("deployment:started"), &fields).await;
    site.wait_for_results("health:check:completed", 1, SOON).await;
    site.wait_until_idle(SOON).await;
    assert_eq!(hook.requests().len(), 0);
    // The same without the mark, to prove that the hook can be reached.
    site.start_deployment(2).await;
    eventually("the hook is told", SOON, async || !hook.requests().is_empty()).await;
}

#[tokio::test]
async fn results_are_message_pack_unless_told_otherwise() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let _validator = site.worker("validator").env("PRINTERY_ENCODING", "msgpack").start();
    // MessagePack in as well as out.
    let event_type = EventType::parse("deployment:started").expect("a known type");
    let json: Vec<(Vec<u8>, Vec<u8>)> = started(1, "e-1")
        .into_iter()
        .map(|(name, value)| (name.into(), value.into_bytes()))
        .collect();
    let event = Event::decode(Some(&event_type), &json).expect("the short form is an event");
    let packed = event.encode(Encoding::MessagePack);
    let fields: Vec<(&str, Vec<u8>)> = packed
        .iter()
        .map(|(name, value)| (std::str::from_utf8(name).expect("names are text"), value.clone()))
        .collect();
    site.conn.add(&stream("deployment:started"), &fields).await;

    site.wait_for_results("validation:completed", 1, SOON).await;
    let entry = &site.conn.entries(&stream("validation:completed")).await[0];
    assert_eq!(entry.text("datacontenttype"), "application/msgpack");
    let result = Event::decode(None, &entry.fields).expect("a result of our own is an event");
    assert_eq!(result.causation_id.as_deref(), Some("e-1"));
    assert!(matches!(result.payload, Payload::ValidationCompleted(_)), "{result:?}");
}

#[tokio::test]
async fn every_spelling_of_the_contract_is_understood() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let _validator = site.worker("validator").start();
    let data = r#"{"deployment_id":"d-1","version":"1","environment":"STAGING","services":["api"],"more":1}"#;
    let spellings: [&[(&str, &str)]; 5] = [
        &[("id", "a"), ("data", data)],
        &[
            ("event_id", "b"),
            ("deployment_id", "d-1"),
            ("payload", data),
            ("timestamp", "1795331940885"),
        ],
        &[("id", "c"), ("subject", "d-1"), ("data", data), ("time", "2026-11-22T07:19:00Z")],
        &[
            ("specversion", "1.0"),
            ("id", "d"),
            ("type", "deployment:started"),
            ("source", "/ci"),
            ("subject", "d-1"),
            ("datacontenttype", "application/json"),
            ("data", data),
        ],
        &[
            ("id", "e"),
            ("event_type", "deployment:started"),
            ("correlation_id", "x"),
            ("data", data),
            ("else", "?"),
        ],
    ];
    for fields in spellings {
        site.conn.add(&stream("deployment:started"), fields).await;
    }
    let ids = ["a", "b", "c", "d", "e"].map(ToOwned::to_owned);
    site.wait_for_results("validation:completed", ids.len(), SOON).await;
    site.wait_until_idle(SOON).await;
    site.assert_exactly_once("validation:completed", &ids).await;
    let results = site.conn.entries(&stream("validation:completed")).await;
    assert!(results.iter().all(|entry| entry.text("subject") == "d-1"), "{results:#?}");
}

#[tokio::test]
async fn the_context_of_an_event_is_carried_and_a_broken_one_is_dropped() {
    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let _validator = site.worker("validator").start();
    for (n, parent) in [PARENT, "00-not-a-parent-01"].into_iter().enumerate() {
        let [id, data] = started(n, &format!("e-{n}"));
        let context = [("correlationid", "c-1"), ("traceparent", parent), ("dryrun", "true")];
        let context = context.map(|(name, value)| (name, value.to_owned()));
        let fields = [vec![id, data], context.to_vec()].concat();
        site.conn.add(&stream("deployment:started"), &fields).await;
    }
    site.wait_for_results("validation:completed", 2, SOON).await;
    let results = site.conn.entries(&stream("validation:completed")).await;
    for (n, parent) in [PARENT, ""].into_iter().enumerate() {
        let result = results.iter().find(|entry| entry.text("causationid") == format!("e-{n}"));
        let result = result.expect("each has its result");
        let carried = ["correlationid", "traceparent", "dryrun"].map(|name| result.text(name));
        assert_eq!(carried, ["c-1", parent, "true"], "{result:?}");
    }
}
