//! Slack's own types have nothing against what we send.

use printery_events::Event;
use printery_notices::{Facts, Telling};
use printery_testkit::TypeScript;

use crate::scene::{completed, endless, failed, receiver, started};

/// What an incoming webhook and `chat.postMessage` take, of the package's types.
const MESSAGE: &str = r#"
import type { KnownBlock, MessageAttachment } from "@slack/types";
interface Message {
  text: string; attachments?: MessageAttachment[]; blocks?: KnownBlock[];
  channel?: string; unfurl_links?: boolean; thread_ts?: string; reply_broadcast?: boolean;
}
"#;

const WEBHOOK: &str = "{ slack: { url: 'https://hooks.slack.com/x', channel: '#deploys' } }";
const BOT: &str = "{ slack: { token: t, channel: '#deploys', mode: thread, broadcast: [failed] } }";

fn program(messages: &[String]) -> String {
    let line = |(n, message): (usize, &String)| format!("const m{n}: Message = {message};\n");
    let lines: String = messages.iter().enumerate().map(line).collect();
    format!("{MESSAGE}{lines}")
}

/// The body of a message as it would be sent, in a thread where there is one.
fn message(yaml: &str, event: &Event, thread: Option<&str>) -> String {
    let facts = Facts::of(event);
    let noted =
        Facts { note: Some("a note".to_owned()), also: vec!["another".to_owned()], ..facts };
    let telling = Telling::new(event, &noted, "id", 1).remembering(thread);
    let shown = receiver(yaml).preview(telling);
    let (_, body) = shown.split_once('\n').unwrap();
    body.to_owned()
}

#[test]
fn slack_s_own_types_take_every_message() {
    let compiler = TypeScript::with("@slack/types@3.2.0");
    let mut messages = Vec::new();
    for event in [started(), failed(), completed("success"), completed("failure"), endless()] {
        messages.push(message(WEBHOOK, &event, None));
        messages.push(message(BOT, &event, None));
        messages.push(message(BOT, &event, Some("C1 1.2")));
    }
    assert_eq!(compiler.check(&program(&messages)), Ok(()));
    // The judge can say no.
    let wrong = messages[0].replace("\"fields\": [", "\"fields\": [ 7,");
    assert_ne!(wrong, messages[0]);
    let said = compiler.check(&program(&[wrong])).unwrap_err();
    assert!(said.contains("'number' is not assignable"), "{said}");
}
