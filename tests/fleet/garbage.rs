//! Whatever somebody writes into a stream is put away with its bytes, and the neighbours are served.
//!
//! Proves the contract's section 3 on entries that are no events, one kind of garbage after another.

use std::collections::BTreeSet;

use printery_events::topology::{DEFAULT_STAGES, WORKERS};
use printery_testkit::{Entry, HttpService, eventually};

use crate::happy_path::fleet;
use crate::site::{SOON, Site, fleet_file, started, stream};

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

fn pairs(fields: &[(&[u8], &[u8])]) -> Pairs {
    fields.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
}

const GOOD: &[u8] =
    br#"{"deployment_id":"d","version":"1","environment":"staging","services":["api"]}"#;

/// Every kind of garbage, with its name.
fn garbage() -> Vec<(&'static str, Pairs)> {
    let deep = [b"[".repeat(10_000), b"]".repeat(10_000)].concat();
    let deep = [
        br#"{"deployment_id":"d","version":"1","environment":"e","services":[],"git":"#.as_slice(),
        &deep,
        b"}",
    ]
    .concat();
    let wide: Pairs = (0..20_000).map(|n| (format!("f{n}").into_bytes(), b"v".to_vec())).collect();
    let large = [br#"{"deployment_id":""#.as_slice(), &b"x".repeat(2 << 20), b"\"}"].concat();
    vec![
        ("a field name that is not UTF-8", pairs(&[(b"id", b"g"), (b"d\xffta", GOOD)])),
        ("a value that is not UTF-8", pairs(&[(b"id", b"g\xff\xfe"), (b"data", GOOD)])),
        ("an empty field name and value", pairs(&[(b"", b"")])),
        ("the same field twice, and no data", pairs(&[(b"id", b"1"), (b"id", b"2")])),
        ("20,000 fields", wide),
        ("more than 1 MiB", pairs(&[(b"id", b"g"), (b"data", &large)])),
        ("no id", pairs(&[(b"data", GOOD)])),
        ("no data", pairs(&[(b"id", b"g"), (b"subject", b"d")])),
        ("broken JSON", pairs(&[(b"id", b"g"), (b"data", b"{\"deployment_id\":")])),
        ("JSON of 10,000 levels", pairs(&[(b"id", b"g"), (b"data", &deep)])),
        (
            "JSON that is no map",
            pairs(&[(b"id", b"g"), (b"datacontenttype", b"application/json"), (b"data", b"[1]")]),
        ),
        ("a NUL in the subject", pairs(&[(b"id", b"g"), (b"subject", b"d\0"), (b"data", GOOD)])),
        ("an unknown version", pairs(&[(b"specversion", b"2.0"), (b"id", b"g"), (b"data", GOOD)])),
        (
            "the type of another stream",
            pairs(&[(b"id", b"g"), (b"type", b"deployment:failed"), (b"data", GOOD)]),
        ),
        ("cut MessagePack", pairs(&[(b"id", b"g"), (b"data", b"\x84\xaddeployment_id")])),
        ("a required key missing", pairs(&[(b"id", b"g"), (b"data", br#"{"deployment_id":"d"}"#)])),
        (
            "line breaks, escapes and markup",
            pairs(&[
                (b"id", b"g\r\n\x1b[31m"),
                (b"subject", b"<script>${jndi:x}"),
                (b"data", GOOD),
            ]),
        ),
    ]
}

/// The dead letter begins with the entry's own pairs, or carries all of them packed when they are too many for a script.
fn keeps(dead: &Entry, original: &Pairs) -> bool {
    if let Some(packed) = dead.bytes("original_msgpack") {
        let mut rest = packed;
        return original.iter().flat_map(|(name, value)| [name, value]).all(|bytes| {
            let found = rest.windows(bytes.len()).position(|window| window == bytes.as_slice());
            found.map(|at| rest = &rest[at + bytes.len()..]).is_some()
        });
    }
    dead.fields.starts_with(original)
}

async fn add(site: &Site, fields: &Pairs) -> String {
    let started = stream("deployment:started");
    let mut words: Vec<&[u8]> = vec![b"XADD", started.as_bytes(), b"*"];
    words.extend(fields.iter().flat_map(|(name, value)| [name.as_slice(), value.as_slice()]));
    let added = site.conn.cmd(&words).await;
    let printery_testkit::Value::BulkString(id) = added else { panic!("{added:?}") };
    String::from_utf8(id).expect("an entry id is text")
}

#[tokio::test]
async fn garbage_is_dead_lettered_with_its_bytes_and_its_neighbours_are_served() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let kinds = garbage();
    // All of it waits before the worker starts, so that good and bad are read together.
    let (mut bad, mut good) = (Vec::new(), Vec::new());
    for (n, (_, fields)) in kinds.iter().enumerate() {
        good.push(site.start_deployment(n).await);
        bad.push(add(&site, fields).await);
    }
    let validator = site.worker("validator").args(["--concurrency", "8"]).start();
    site.wait_for_results("validation:completed", good.len(), SOON).await;
    let world = site.wait_until_idle(SOON).await;
    assert!(validator.is_running(), "{}", validator.report());

    let results = site.results("validation:completed").await;
    assert_eq!(results, good.into_iter().map(|id| (id, 1)).collect(), "{world}");
    let letters = site.dead_letters("validator").await;
    assert_eq!(letters.len(), kinds.len(), "{world}");
    for ((kind, original), id) in kinds.iter().zip(&bad) {
        let dead = letters.iter().find(|dead| dead.text("original_entry") == *id);
        let dead = dead.unwrap_or_else(|| panic!("{kind} is not dead-lettered"));
        let reason = dead.text("failure_reason");
        assert!(reason.starts_with("invalid_event: "), "{kind}: {reason}");
        assert_eq!(dead.text("original_stream"), stream("deployment:started"), "{kind}");
        assert!(keeps(dead, original), "{kind}: its bytes are not intact");
    }
}

#[tokio::test]
async fn garbage_in_any_stream_is_put_away_by_everybody_who_reads_it() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let (_manager, _) = fleet(&site).await;
    let stages = DEFAULT_STAGES.map(ToOwned::to_owned);
    let mut streams: BTreeSet<String> = BTreeSet::new();
    for worker in WORKERS {
        streams.extend(worker.streams(&stages).iter().map(ToString::to_string));
        streams.insert(format!("inbox:{}", worker.name));
    }
    for name in &streams {
        site.conn.add(&stream(name), &[("id", "g"), ("data", "?")]).await;
    }
    for worker in WORKERS {
        // Its streams, and its inbox.
        let reads = worker.streams(&stages).len() + 1;
        eventually(&format!("{} has put away {reads}", worker.name), SOON, async || {
            let dead = site.dead_letters(worker.name).await.len();
            if dead == reads { Ok(()) } else { Err(site.world().await) }
        })
        .await;
    }
    site.start_deployment(1).await;
    site.wait_for_results("health:check:completed", 1, SOON).await;
}

#[tokio::test]
async fn hostile_text_stays_on_its_line_of_the_log() {
    let service = HttpService::start().await;
    let site = Site::new(&fleet_file(&service.url())).await;
    let validator = site
        .worker("validator")
        .env("PRINTERY_LOG_FORMAT", "text")
        .env("LOG_LEVEL", "debug")
        .start();
    let hostile = "x\r\nforged: line\x1b[31m\u{202e}";
    // Whether such an id is an event is not the question here; such a subject is none.
    let [_, (data, value)] = started(1, hostile);
    let fields = [("id", hostile), (data, &value)];
    site.conn.add(&stream("deployment:started"), &fields).await;
    let fields = [("id", "2"), ("subject", hostile), (data, &value)];
    site.conn.add(&stream("deployment:started"), &fields).await;
    eventually("both are settled", SOON, async || {
        let world = site.world().await;
        let settled = world.events("validation:completed") + world.dead_letters();
        if settled == 2 { Ok(()) } else { Err(world) }
    })
    .await;
    site.wait_until_idle(SOON).await;
    for line in validator.lines() {
        assert!(!line.starts_with("forged"), "a forged line: {line}");
        let raw = |c: &char| c.is_control() || ('\u{202a}'..='\u{202e}').contains(c);
        assert_eq!(line.chars().find(raw), None, "a control character: {line:?}");
    }
}
