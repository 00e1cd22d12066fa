//! What each service is sent: its shape, its limits, its address and its credentials.

use printery_testkit::{Answer, HttpService, Recorded};
use serde_json::Value;

use crate::scene::{SHA, completed, endless, event, failed, receiver, started, tell, word};

/// Tells one receiver of one event and returns the request.
async fn sent(yaml: &str, event: &printery_events::Event, status: u16) -> (Recorded, String) {
    let service = HttpService::start().await;
    service.answer(Answer::Status(status));
    let it = receiver(&yaml.replace("URL", &service.url()));
    let said = word(&tell(&it, event, None).await.verdict);
    (service.requests().pop().unwrap(), said)
}

fn characters(value: &Value) -> usize {
    value.as_str().map_or(0, |text| text.chars().count())
}

const PAGER: &str = "{ pagerduty: { routing_key: s3cret, change_events: true, url: 'URL' } }";

#[tokio::test]
async fn a_pager_is_triggered_resolved_and_told_of_changes() {
    let (request, said) = sent(PAGER, &failed(), 202).await;
    assert_eq!((said.as_str(), request.path.as_str()), ("told", "/v2/enqueue"));
    let body = request.json();
    assert_eq!(body["routing_key"], "s3cret");
    assert_eq!(body["event_action"], "trigger");
    assert_eq!(body["dedup_key"], "printery/d-1");
    assert_eq!(body["payload"]["severity"], "critical");
    assert_eq!(body["payload"]["timestamp"], "2026-11-22T06:00:00Z");
    let (request, _) = sent(PAGER, &completed("success"), 202).await;
    assert_eq!(request.json()["event_action"], "resolve");
    assert_eq!(request.json()["dedup_key"], "printery/d-1", "the same incident");
    let (request, _) = sent(PAGER, &started(), 202).await;
    assert_eq!(request.path, "/v2/change/enqueue");
    assert_eq!(request.json()["event_action"], Value::Null, "a change pages nobody");
    let (request, _) = sent(PAGER, &endless(), 202).await;
    assert_eq!(characters(&request.json()["payload"]["summary"]), 1024);
    assert!(characters(&request.json()["dedup_key"]) <= 255);
    assert!(request.body.len() < 512_000);
    let (_, said) = sent(PAGER, &failed(), 400).await;
    assert_eq!(said, "never: answered 400");
}

#[tokio::test]
async fn discord_gets_an_embed_within_its_limits_and_mentions_nobody() {
    let yaml = "{ discord: 'URL/api/webhooks/1/s3cret' }";
    for event in [failed(), endless()] {
        let (request, said) = sent(yaml, &event, 204).await;
        assert_eq!((said.as_str(), request.path.as_str()), ("told", "/api/webhooks/1/s3cret"));
        let body = request.json();
        assert_eq!(body["allowed_mentions"]["parse"], serde_json::json!([]));
        let embed = &body["embeds"][0];
        let fields = embed["fields"].as_array().unwrap();
        assert!(characters(&embed["title"]) <= 256 && characters(&embed["description"]) <= 4096);
        assert!(fields.len() <= 25);
        let of_fields = fields.iter().map(|field| {
            assert!(characters(&field["value"]) <= 1024 && characters(&field["name"]) <= 256);
            characters(&field["value"]) + characters(&field["name"])
        });
        let all = of_fields.sum::<usize>()
            + characters(&embed["title"])
            + characters(&embed["description"])
            + characters(&embed["footer"]["text"]);
        assert!(all <= 6000, "{all}");
    }
    let service = HttpService::start().await;
    let wait = r#"{"message":"You are being rate limited.","retry_after":1.5,"global":false}"#;
    service.answer(Answer::Full(429, Vec::new(), wait.to_owned()));
    let it = receiver(&yaml.replace("URL", &service.url()));
    let verdict = tell(&it, &failed(), None).await.verdict;
    let printery_notices::Verdict::Later { after, .. } = verdict else { panic!("{verdict:?}") };
    assert_eq!(after, Some(std::time::Duration::from_millis(1500)));
}

#[tokio::test]
async fn teams_gets_a_card_and_a_smaller_one_where_that_is_too_large() {
    let yaml = "{ teams: 'URL/workflows/s3cret' }";
    let (request, said) = sent(yaml, &endless(), 202).await;
    assert_eq!(said, "told");
    assert!(request.body.len() <= 20 * 1024, "{}", request.body.len());
    let card = &request.json()["attachments"][0];
    assert_eq!(card["contentType"], "application/vnd.microsoft.card.adaptive");
    assert_eq!(card["content"]["type"], "AdaptiveCard");

    let service = HttpService::start().await;
    service.answer(Answer::Status(413));
    let it = receiver(&yaml.replace("URL", &service.url()));
    let said = word(&tell(&it, &endless(), None).await.verdict);
    assert_eq!(said, "never: answered 413");
    let sizes: Vec<usize> = service.requests().iter().map(|one| one.body.len()).collect();
    assert!(sizes.len() == 2 && sizes[1] * 3 < sizes[0], "{sizes:?}");
}

#[tokio::test]
async fn ntfy_gets_json_at_its_root_with_a_priority() {
    let yaml = "{ ntfy: { url: 'URL/push/deploys', token: s3cret } }";
    for (event, priority) in [(failed(), 5), (started(), 2), (endless(), 5)] {
        let (request, said) = sent(yaml, &event, 200).await;
        assert_eq!((said.as_str(), request.path.as_str()), ("told", "/push/"));
        assert_eq!(request.headers["authorization"], "Bearer s3cret");
        let body = request.json();
        assert_eq!((&body["topic"], &body["priority"]), (&"deploys".into(), &priority.into()));
        assert!(body["message"].as_str().unwrap().len() <= 4096);
    }
    let it = receiver("{ ntfy: 'http://127.0.0.1:1/' }");
    let said = word(&tell(&it, &failed(), None).await.verdict);
    assert!(said.contains("names no topic"), "{said}");
}

#[tokio::test]
async fn github_is_told_the_status_of_the_commit_that_the_start_named() {
    let yaml = "{ github_status: { token: s3cret, repo: shop/api, api: 'URL' } }";
    let (request, said) = sent(yaml, &started(), 201).await;
    assert_eq!(said, "told");
    assert_eq!(request.path, format!("/repos/shop/api/statuses/{SHA}"));
    assert_eq!(request.headers["authorization"], "Bearer s3cret");
    assert_eq!(request.json()["state"], "pending");
    assert_eq!(request.json()["context"], "printery/deployment");

    let service = HttpService::start().await;
    service.answer(Answer::Status(201));
    let it = receiver(&yaml.replace("URL", &service.url()));
    assert_eq!(tell(&it, &started(), None).await.memory.as_deref(), Some(SHA));
    assert_eq!(word(&tell(&it, &failed(), Some(SHA)).await.verdict), "told");
    let stage = serde_json::json!({ "deployment_id": "d-1", "stage": "web", "status": "failure" });
    let stage = event("deployment:stage:web:completed", &stage);
    assert_eq!(word(&tell(&it, &stage, Some(SHA)).await.verdict), "told");
    let bodies: Vec<Value> = service.requests().iter().map(Recorded::json).collect();
    assert_eq!(bodies[1]["state"], "failure");
    assert!(characters(&bodies[1]["description"]) <= 140);
    assert_eq!(
        (&bodies[2]["context"], &bodies[2]["state"]),
        (&"printery/stage web".into(), &"failure".into())
    );
    let said = word(&tell(&it, &failed(), None).await.verdict);
    assert!(said.contains("the commit is not known"), "{said}");

    let limit =
        Answer::Full(403, Vec::new(), "You have exceeded a secondary rate limit".to_owned());
    service.answer(limit);
    let said = word(&tell(&it, &started(), None).await.verdict);
    assert!(said.starts_with("later: "), "{said}");
    service.answer(Answer::Full(403, Vec::new(), "Resource not accessible".to_owned()));
    let said = word(&tell(&it, &started(), None).await.verdict);
    assert!(said.starts_with("never: "), "{said}");
}

#[tokio::test]
async fn a_slack_message_is_never_too_long() {
    let (request, _) = sent("{ slack: 'URL/s3cret' }", &endless(), 200).await;
    let text = String::from_utf8(request.body.to_vec()).unwrap();
    assert!(text.chars().count() < 12_000, "{}", text.chars().count());
    assert!(!text.contains("<&"), "every character is escaped");
    assert!(text.contains("… (cut)"), "what is cut off is said to be");
}
