//! A Slack bot's methods, spoken to a server that answers as Slack documents.

use printery_notices::Reply;
use printery_testkit::{Answer, HttpService};
use serde_json::Value;

use crate::scene::{completed, failed, receiver, started, tell, word};

fn json(status: u16, body: &str) -> Answer {
    let kind = ("content-type".to_owned(), "application/json".to_owned());
    Answer::Full(status, vec![kind], body.to_owned())
}

fn bot(service: &HttpService, mode: &str) -> String {
    format!(
        "{{ slack: {{ token: xoxb-s3cret, channel: '#deploys', mode: {mode}, \
         broadcast: [failed], api: '{}/api' }} }}",
        service.url()
    )
}

async fn slack() -> HttpService {
    let service = HttpService::start().await;
    service.answer(json(200, r#"{"ok":true,"channel":"C024BE91L","ts":"1795327200.000100"}"#));
    service
}

fn sent(service: &HttpService) -> Vec<(String, Value)> {
    let requests = service.requests();
    requests.iter().map(|request| (request.path.clone(), request.json())).collect()
}

#[tokio::test]
async fn a_deployment_is_one_thread_whose_first_message_says_how_things_stand() {
    let service = slack().await;
    let it = receiver(&bot(&service, "thread_and_update"));
    let Reply { verdict, memory } = tell(&it, &started(), None).await;
    assert_eq!(word(&verdict), "told");
    assert_eq!(memory.as_deref(), Some("C024BE91L 1795327200.000100"));
    let again = tell(&it, &failed(), memory.as_deref()).await;
    assert_eq!((word(&again.verdict).as_str(), again.memory), ("told", None));

    let sent = sent(&service);
    let paths: Vec<&str> = sent.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["/api/chat.postMessage", "/api/chat.postMessage", "/api/chat.update"]);
    assert_eq!(sent[0].1["channel"], "#deploys");
    assert_eq!(sent[0].1["thread_ts"], Value::Null);
    assert_eq!(sent[1].1["thread_ts"], "1795327200.000100");
    assert_eq!(sent[1].1["reply_broadcast"], true, "what is broadcast is seen by the channel");
    assert_eq!(sent[2].1["ts"], "1795327200.000100");
    assert_eq!(sent[2].1["attachments"][0]["color"], "danger");
    let request = &service.requests()[0];
    assert_eq!(request.headers["authorization"], "Bearer xoxb-s3cret");
}

#[tokio::test]
async fn modes_differ_in_what_hangs_together() {
    for (mode, expected) in [("post", 1), ("thread", 1), ("thread_and_update", 2)] {
        let service = slack().await;
        let it = receiver(&bot(&service, mode));
        let reply = tell(&it, &completed("success"), Some("C1 1.2")).await;
        assert_eq!((word(&reply.verdict).as_str(), reply.memory), ("told", None), "{mode}");
        let sent = sent(&service);
        assert_eq!(sent.len(), expected, "{mode}");
        let threaded = sent[0].1["thread_ts"] == "1.2";
        assert_eq!(threaded, mode != "post", "{mode}");
    }
}

#[tokio::test]
async fn a_message_that_cannot_be_edited_is_told_all_the_same() {
    let service = slack().await;
    service
        .answer_at("/api/chat.update", json(200, r#"{"ok":false,"error":"cant_update_message"}"#));
    let it = receiver(&bot(&service, "thread_and_update"));
    let reply = tell(&it, &failed(), Some("C1 1.2")).await;
    assert_eq!(word(&reply.verdict), "told");
}

#[tokio::test]
async fn a_bot_outside_the_channel_is_told_so_and_not_tried_again() {
    let service = HttpService::start().await;
    service.answer(json(200, r#"{"ok":false,"error":"not_in_channel"}"#));
    let it = receiver(&bot(&service, "thread"));
    let reply = tell(&it, &failed(), None).await;
    assert_eq!(word(&reply.verdict), "never: Slack says not_in_channel");
}
