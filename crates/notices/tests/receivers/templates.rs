//! Messages in the fleet's own words: filled in, within every limit, and never the reason that nobody is told.

use printery_events::Event;
use printery_testkit::{Answer, HttpService, Recorded};

use crate::scene::{endless, failed, receiver_in, started, tell, word};

/// Tells a receiver of a fleet file with these templates; what it was sent.
async fn sent(yaml: &str, pages: &[(&str, &str)], event: &Event) -> Recorded {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in pages {
        let path = folder.path().join("words").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let service = HttpService::start().await;
    service.answer(Answer::Full(200, Vec::new(), "ok".to_owned()));
    let file = folder.path().join("fleet.yaml").display().to_string();
    let yaml = yaml.replace("URL", &service.url());
    let it = receiver_in(&file, &yaml, "templates: { dir: ./words }\n");
    assert_eq!(word(&tell(&it, event, None).await.verdict), "told");
    service.requests().pop().unwrap()
}

const SLACK: &str = "{ slack: { url: 'URL/s3cret' } }";

#[tokio::test]
async fn a_message_is_written_in_the_fleet_s_own_words_and_mentions_nobody() {
    let page = r#"{"text": {{ icon ~ " " ~ deployment_id }}, "blocks": [
        {"type": "section", "text": {"type": "mrkdwn", "text": {{ "*why* " ~ summary }}}}
        {% for one in details %}, {"type": "divider", "block_id": {{ one.name }}}{% endfor %}]}"#;
    let request = sent(SLACK, &[("slack/deployment-failed.json.j2", page)], &failed()).await;
    let body = request.json();
    assert_eq!(body["text"], "🔴 d-1");
    let said = body["blocks"][0]["text"]["text"].as_str().unwrap();
    assert!(said.starts_with("*why* &lt;!channel&gt; @everyone &lt;b&gt;"), "{said}");
    assert_eq!(body["blocks"][1]["block_id"], "Stage");
}

#[test]
fn whatever_people_are_told_about_can_have_a_template_of_its_own() {
    let stages = ["railway".to_owned()];
    let read = printery_events::topology::NOTIFIER.streams(&stages);
    let mut told: Vec<String> = read
        .iter()
        .map(|of| of.as_str().replace(":railway", "").replace(':', "-"))
        .chain(["default".to_owned()])
        .collect();
    let mut names = printery_config::PAGE_NAMES.map(str::to_owned).to_vec();
    told.sort();
    names.sort();
    assert_eq!(names, told);
}

#[tokio::test]
async fn an_event_without_a_template_of_its_own_has_the_default_or_the_built_in_one() {
    let failed_only = [("slack/deployment-failed.json.j2", r#"{"text": "own"}"#)];
    let request = sent(SLACK, &failed_only, &started()).await;
    assert_eq!(request.json()["text"], "ℹ️ d-1: deployment started");
    let both = [failed_only[0], ("slack/default.json.j2", r#"{"text": {{ data.version }}}"#)];
    assert_eq!(sent(SLACK, &both, &started()).await.json()["text"], "1.2.0");
    assert_eq!(sent(SLACK, &both, &failed()).await.json()["text"], "own");
}

#[tokio::test]
async fn a_template_that_cannot_be_used_is_told_in_built_in_words_that_say_so() {
    let cases = [
        ("{{ data.nothing.at.all }}", "undefined value"),
        (
            "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
            "50000 steps",
        ),
        (r#"{"text": "#, "makes no JSON"),
        ("[1]", "makes no JSON object"),
        (r#"{"text": {{ summary }}, "more": {{ summary }}}"#, "makes"),
    ];
    for (page, expected) in cases {
        let request = sent(SLACK, &[("slack/default.json.j2", page)], &endless()).await;
        let said = request.json()["attachments"][0]["text"].to_string();
        let name = "the template slack/default.json.j2";
        assert!(said.contains(name) && said.contains(expected), "{page}: {said}");
        assert!(said.contains("these are the built-in words"), "{said}");
        assert!(request.body.len() < 48_000 && request.json().to_string().chars().count() < 12_000);
    }
}

#[tokio::test]
async fn what_is_too_large_for_a_service_is_not_sent_to_it() {
    let text = r#"{"content": {{ summary }}}"#;
    for (yaml, channel) in [
        ("{ discord: 'URL/s3cret' }", "discord"),
        ("{ teams: 'URL/s3cret' }", "teams"),
        ("{ webhook: { url: 'URL', secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw } }", "webhook"),
    ] {
        let name = format!("{channel}/default.json.j2");
        let request = sent(yaml, &[(&name, text)], &failed()).await;
        assert!(request.json()["content"].as_str().unwrap().contains("no</b> image"), "{channel}");
        let request = sent(yaml, &[(&name, text)], &endless()).await;
        assert_eq!(request.json()["content"], serde_json::Value::Null, "{channel}");
        assert!(request.json().to_string().contains("these are the built-in words"), "{channel}");
    }
}

#[tokio::test]
async fn nobody_is_mentioned_in_discord_whatever_a_template_says() {
    let page = r#"{"content": "@everyone", "allowed_mentions": {"parse": ["everyone"]}}"#;
    let request =
        sent("{ discord: 'URL/s3cret' }", &[("discord/default.json.j2", page)], &failed()).await;
    assert_eq!(request.json()["allowed_mentions"]["parse"], serde_json::json!([]));
}

#[tokio::test]
async fn a_text_is_cut_to_what_its_service_takes() {
    let page = [("ntfy/default.txt.j2", "{{ headline }}: {{ summary }}")];
    let request = sent("{ ntfy: 'URL/deploys' }", &page, &failed()).await;
    let said = request.json()["message"].as_str().unwrap().to_owned();
    assert!(said.starts_with("deployment failed: <!channel>"), "{said}");
    let page = [("ntfy/default.txt.j2", "{{ lines|join(' ') }}")];
    let request = sent("{ ntfy: 'URL/deploys' }", &page, &endless()).await;
    assert!(request.json()["message"].as_str().unwrap().chars().count() <= 1200);
}

#[test]
fn a_mail_s_page_shows_an_event_s_words_as_text() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("words/email")).unwrap();
    let page = "<html><b>{{ summary }}</b></html>";
    std::fs::write(folder.path().join("words/email/default.html.j2"), page).unwrap();
    let file = folder.path().join("fleet.yaml").display().to_string();
    let yaml = "{ email: { to: a@shop.example, from: b@shop.example, smtp: 'smtp://mail' } }";
    let it = receiver_in(&file, yaml, "templates: { dir: words }\n");
    let event = failed();
    let facts = printery_notices::Facts::of(&event);
    let mail = it.preview(printery_notices::Telling::new(&event, &facts, "id", 1));
    assert!(
        mail.contains("<html><b>&lt;!channel&gt; @everyone &lt;b&gt;no&lt;&#x2f;b&gt; image"),
        "{mail}"
    );
    assert!(mail.contains("d-1: deployment failed"), "the plain part is the built-in one: {mail}");
}
