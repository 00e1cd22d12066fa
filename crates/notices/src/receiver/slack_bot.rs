//! A Slack bot: one thread per deployment, whose first message says how things stand.
//!
//! Owns the methods it calls and what their answers mean; the words come from `render`. Called by
//! `Receiver`. Never remembers a thread itself: that is handed back to whoever tells.

use printery_config::{SlackBot, SlackMode};
use printery_probes::GuardedClient;
use serde_json::{Value, json};

use super::exchange::{Answer, Request, with};
use super::{Reply, Telling, body};
use crate::render;
use crate::verdict::Verdict;

/// Errors that pass by themselves.
///
/// # Source
/// Slack, `chat.postMessage`, "Errors".
const PASSING: [&str; 7] = [
    "ratelimited",
    "rate_limited",
    "internal_error",
    "fatal_error",
    "service_unavailable",
    "request_timeout",
    "team_added_to_org",
];

/// The first message of a deployment: the channel's id and the message's time, which is its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Thread<'a> {
    channel: &'a str,
    ts: &'a str,
}

impl<'a> Thread<'a> {
    fn read(memory: &'a str) -> Option<Self> {
        memory.split_once(' ').map(|(channel, ts)| Self { channel, ts })
    }
}

/// Posts one message, and edits the thread's first one where that is wanted.
pub(super) async fn tell(bot: &SlackBot, client: &GuardedClient, telling: Telling<'_>) -> Reply {
    let request = match request(bot, telling) {
        Ok(request) => request,
        Err(why) => return Verdict::Never { why }.into(),
    };
    let answer = match request.send(client, telling.timestamp).await {
        Ok(answer) => answer,
        Err(verdict) => return verdict.into(),
    };
    let verdict = judge(&answer);
    if verdict != Verdict::Told {
        return verdict.into();
    }
    let thread = thread(bot, telling);
    match (thread, bot.mode) {
        (Some(thread), SlackMode::ThreadAndUpdate) => {
            // The news is told; how the first message looks is not worth telling it twice.
            let edited = match edit(bot, thread, telling) {
                Ok(request) => request.send(client, telling.timestamp).await,
                Err(why) => Err(Verdict::Never { why }),
            };
            let edited = edited.map_or_else(|verdict| verdict, |answer| judge(&answer));
            if let Verdict::Later { why, .. } | Verdict::Never { why } = edited {
                tracing::warn!(why, "the first message of a thread could not be edited");
            }
            verdict.into()
        }
        (Some(_), SlackMode::Thread) | (_, SlackMode::Post) => verdict.into(),
        (None, SlackMode::Thread | SlackMode::ThreadAndUpdate) => {
            let body = answer.json();
            let text = |field: &str| body.get(field).and_then(Value::as_str);
            let memory = text("channel").zip(text("ts"));
            Reply { verdict, memory: memory.map(|(channel, ts)| format!("{channel} {ts}")) }
        }
    }
}

fn thread<'a>(bot: &SlackBot, telling: Telling<'a>) -> Option<Thread<'a>> {
    match bot.mode {
        SlackMode::Post => None,
        SlackMode::Thread | SlackMode::ThreadAndUpdate => Thread::read(telling.memory?),
    }
}

/// Builds `chat.postMessage`.
pub(super) fn request(bot: &SlackBot, telling: Telling<'_>) -> Result<Request, String> {
    let facts = telling.facts;
    let body =
        with(body(telling, |facts| render::slack(facts, None)), "unfurl_links", json!(false));
    let body = match thread(bot, telling) {
        None => with(body, "channel", json!(bot.channel)),
        Some(thread) => {
            let short = facts.event_type.rsplit(':').next().unwrap_or_default();
            let mut globs = bot.broadcast.iter();
            let loud = globs.any(|glob| glob.matches(facts.event_type) || glob.matches(short));
            let body = with(body, "channel", json!(thread.channel));
            let body = with(body, "thread_ts", json!(thread.ts));
            with(body, "reply_broadcast", json!(loud))
        }
    };
    call(bot, "chat.postMessage", body)
}

/// Builds `chat.update` of the thread's first message.
fn edit(bot: &SlackBot, thread: Thread<'_>, telling: Telling<'_>) -> Result<Request, String> {
    let body = body(telling, |facts| render::slack(facts, None));
    let body = with(body, "channel", json!(thread.channel));
    let body = with(body, "ts", json!(thread.ts));
    call(bot, "chat.update", body)
}

fn call(bot: &SlackBot, method: &str, body: Value) -> Result<Request, String> {
    let url = bot.api.expose().join(method).map_err(|error| error.to_string())?;
    Ok(Request::new(url, body).bearer(bot.token.expose()))
}

/// Judges the answer of a method.
///
/// # Source
/// Slack, "Using the Slack Web API": success is 200 with `"ok": true`.
fn judge(answer: &Answer) -> Verdict {
    if !answer.status.is_success() {
        return answer.refused();
    }
    let body = answer.json();
    if body.get("ok") == Some(&json!(true)) {
        return Verdict::Told;
    }
    match body.get("error").and_then(Value::as_str) {
        Some(error) if PASSING.contains(&error) => {
            Verdict::Later { why: format!("Slack says {error}"), after: answer.after }
        }
        Some(error) => Verdict::Never { why: format!("Slack says {error}") },
        None => Verdict::Never { why: answer.quoted() },
    }
}

#[cfg(test)]
mod tests {
    use printery_probes::StatusCode;

    use super::*;

    #[test]
    fn success_is_ok_true_and_what_passes_is_tried_again() {
        let cases = [
            (200, r#"{"ok":true,"ts":"1.2","channel":"C1"}"#, "told"),
            (200, r#"{"ok":false,"error":"not_in_channel"}"#, "never"),
            (200, r#"{"ok":false,"error":"invalid_auth"}"#, "never"),
            (200, r#"{"ok":false,"error":"msg_too_long"}"#, "never"),
            (200, r#"{"ok":false,"error":"ratelimited"}"#, "later"),
            (200, r#"{"ok":false,"error":"internal_error"}"#, "later"),
            (200, "ok", "never"),
            (200, "", "never"),
            (429, "", "later"),
            (503, "", "later"),
            (404, "", "never"),
        ];
        for (status, body, expected) in cases {
            let status = StatusCode::from_u16(status).unwrap();
            let answer = Answer { status, after: None, body: body.as_bytes().to_vec() };
            assert_eq!(judge(&answer).word(), expected, "{status} {body}");
        }
    }
}
