//! `notify`: who is told, in which words, and whether it arrives.

use serde_json::json;

use printery_testkit::{Answer, HttpService};

use crate::shell::{Shell, typed};

fn file(url: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let text = format!(
        "egress: {{ allow_loopback: true }}\n\
         windows: {{ nights: {{ zone: UTC, times: [{{ from: \"22:00\", to: \"07:00\" }}] }} }}\n\
         notifier: {{ fallback: book }}\n\
         receivers:\n  chat: {{ slack: {{ url: '{url}/hook/s3cret', channel: '#deploys' }} }}\n  \
         pager: {{ pagerduty: {{ routing_key: s3cret, url: '{url}' }} }}\n  book: log\n\
         routes:\n  - {{ when: 'severity == \"critical\"', to: [pager, chat], continue: true }}\n  \
         - {{ to: [chat, book], mute: [nights] }}\n"
    );
    std::fs::write(file.path(), text).expect("a writable file");
    file
}

fn notify(words: &[&str], file: &tempfile::NamedTempFile) -> crate::shell::Said {
    let path = file.path().display().to_string();
    typed(&[&["notify"], words, &["--config", &path]].concat())
}

#[test]
fn an_event_s_way_to_its_receivers_is_explained() {
    let file = file("https://hooks.example");
    let at = ["--at", "2026-11-20T23:00:00Z", "--json"];
    let night = notify(&[&["explain", "deployment:failed"], &at[..]].concat(), &file).json();
    assert_eq!(night["severity"], "critical");
    assert_eq!(night["routes"], json!([1, 2]));
    let told: Vec<_> =
        night["told"].as_array().unwrap().iter().map(|one| &one["receiver"]).collect();
    assert_eq!(told, ["pager", "chat"]);
    assert_eq!(night["muted"], json!([{ "receiver": "book", "window": "nights" }]));
    let day = notify(&["explain", "deployment:started", "--at", "2026-11-20T12:00:00Z"], &file);
    assert_eq!(day.code, 0, "{day:?}");
    for word in ["route 2 matches", "chat is told: #deploys by https://hooks.example/***", "book"] {
        assert!(day.out.contains(word), "{word}: {day:?}");
    }
    assert!(!day.out.contains("pager"), "{day:?}");
    for wrong in [
        &["explain", "deployment:exploded"][..],
        &["explain", "deployment:failed", "--data", "{}"],
        &["explain", "deployment:failed", "--at", "tomorrow"],
        &["preview", "nobody"],
    ] {
        let said = notify(wrong, &file);
        assert_eq!(said.code, 2, "{wrong:?}: {said:?}");
    }
}

#[test]
fn what_is_hidden_after_its_cause_is_explained() {
    let file = file("https://hooks.example");
    let data = r#"{"deployment_id":"example-1","phase":"post-stage","status":"UNHEALTHY",
        "rollback_requested":false,"duration_ms":1,"summary":"s","services":[{"service":"api",
        "status":"unhealthy","samples":3,"error_rate":1.0,"p50_ms":1.0,"p99_ms":2.0,"reason":""}]}"#;
    let at = ["--at", "2026-11-20T12:00:00Z"];
    let words = ["explain", "health:check:completed", "--data", data];
    let after = ["--after", "dependency:check:completed"];
    let alone = notify(&[&words[..], &at].concat(), &file);
    assert!(alone.out.contains("chat is told"), "{alone:?}");
    let said = notify(&[&words[..], &at, &after].concat(), &file);
    let hidden = "chat is not told: inhibited by the root cause postgres, told with before";
    assert!(said.out.contains(hidden), "{said:?}");
    assert!(said.out.contains("pager is told"), "it never hears of dependencies: {said:?}");
    let json = notify(&[&words[..], &at, &after, &["--json"]].concat(), &file).json();
    assert_eq!(
        json["told"][1]["inhibited"],
        "inhibited by the root cause postgres, told with before"
    );
    let alone = ["explain", "deployment:failed", "--after-data", "{}"];
    assert_eq!(notify(&alone, &file).code, 2, "the data of nothing");
}

#[test]
fn what_would_be_sent_is_shown_without_credentials() {
    let file = file("https://hooks.example");
    let chat = notify(&["preview", "chat", "deployment:failed"], &file);
    assert_eq!(chat.code, 0, "{chat:?}");
    assert!(chat.out.contains("\"color\": \"danger\""), "{chat:?}");
    let pager = notify(&["preview", "pager"], &file);
    assert!(pager.out.contains("\"event_action\": \"trigger\""), "{pager:?}");
    let unwanted = notify(&["preview", "pager", "deployment:started"], &file);
    assert!(unwanted.out.contains("does not want to hear"), "{unwanted:?}");
    for said in [chat, pager, unwanted] {
        assert!(!said.out.contains("s3cret"), "{said:?}");
    }
    let data = r#"{"deployment_id":"d-7","reason":"no disk","failed_stage":"web"}"#;
    let said = notify(&["preview", "book", "deployment:failed", "--data", data], &file);
    assert!(said.out.contains("d-7: deployment failed. no disk"), "{said:?}");
}

#[tokio::test]
async fn a_silence_is_on_record_listed_and_ended() {
    let shell = Shell::open().await;
    let words = ["notify", "silence", "--match", "service=cart*", "--for", "2h"];
    let why = ["--reason", "load test", "--actor", "ana"];
    let silence = shell.json(&[&words[..], &why[..]].concat());
    let id = silence["id"].as_str().expect("an id").to_owned();
    let lasting = silence["until_ms"].as_u64().unwrap() - silence["since_ms"].as_u64().unwrap();
    assert_eq!(lasting, 2 * 3_600_000);
    let listed = shell.typed(&["notify", "silences"]);
    for word in [id.as_str(), "service=cart*", "by ana: load test"] {
        assert!(listed.out.contains(word), "{word}: {listed:?}");
    }
    assert_eq!(shell.json(&["notify", "silences"]), json!([silence]));
    assert_eq!(shell.typed(&["notify", "unsilence", &id]).code, 0);
    assert_eq!(shell.typed(&["notify", "unsilence", &id]).code, 1);
    assert_eq!(shell.json(&["notify", "silences"]), json!([]));
    for wrong in [
        &["--match", "colour=red", "--for", "1h"][..],
        &["--match", "service", "--for", "1h"],
        &["--match", "service=a", "--for", "a while"],
        &["--match", "service=a", "--for", "1000d"],
    ] {
        let said = shell.typed(&[&["notify", "silence", "--reason", "x"], wrong].concat());
        assert_eq!(said.code, 2, "{wrong:?}: {said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_a_deployment_s_trouble_is_on_record() {
    let shell = Shell::open().await;
    let said = shell.json(&["notify", "acknowledge", "d-1", "--actor", "ana"]);
    assert_eq!((&said["deployment_id"], &said["by"]), (&json!("d-1"), &json!("ana")));
    let key = "materi:printery:eased:d-1";
    let known = shell.conn.texts(&["HMGET", key, "actor", "acknowledged_ms"]).await;
    assert_eq!(known[0], "ana");
    assert!(known[1].parse::<u64>().unwrap() > 1_700_000_000_000, "{known:?}");
    assert_eq!(shell.typed(&["notify", "acknowledge", "d 1"]).code, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_message_arrives_and_a_refusal_is_told() {
    let service = HttpService::start().await;
    let ok = Answer::Full(200, Vec::new(), "ok".to_owned());
    service.answer(ok);
    let file = file(&service.url());
    let said = notify(&["test", "chat"], &file);
    assert_eq!(said.code, 0, "{said:?}");
    let request = service.requests().pop().expect("it was sent");
    assert!(request.json().to_string().contains("This is a test"), "{request:?}");
    service.answer(Answer::Full(404, Vec::new(), "no_service".to_owned()));
    let said = notify(&["test", "chat"], &file);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains("answered 404") && said.out.contains("given up"), "{said:?}");
    service.answer(Answer::Status(503));
    let said = notify(&["test", "chat", "--json"], &file).json();
    assert_eq!((&said["told"], &said["tried_again"]), (&json!(false), &json!(true)));
}
