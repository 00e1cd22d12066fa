//! Events and receivers for these tests.

use printery_config::Fleet;
use printery_events::{Event, EventType};
use printery_notices::{Facts, Receiver, Reply, Telling, Verdict, Ways};
use serde_json::{Value, json};

/// A moment in 2026, in whole seconds.
pub(crate) const NOW: u64 = 1_795_327_200;

/// The commit that deployments are made of.
pub(crate) const SHA: &str = "0123456789abcdef0123456789abcdef01234567";

pub(crate) fn event(event_type: &str, data: &Value) -> Event {
    let event_type = EventType::parse(event_type).unwrap();
    let field = |name: &str, value: String| (name.as_bytes().to_vec(), value.into_bytes());
    let fields = [
        field("id", "e-1".to_owned()),
        field("time", "2026-11-22T06:00:00Z".to_owned()),
        field("data", data.to_string()),
    ];
    Event::decode(Some(&event_type), &fields).unwrap()
}

pub(crate) fn started() -> Event {
    event(
        "deployment:started",
        &json!({
            "deployment_id": "d-1", "version": "1.2.0", "previous_version": "1.1.0",
            "environment": "production", "services": ["api"], "initiated_by": "ana",
            "git": { "sha": SHA },
        }),
    )
}

pub(crate) fn completed(status: &str) -> Event {
    event("deployment:completed", &json!({ "deployment_id": "d-1", "status": status }))
}

/// A failure whose texts try to be markup, headers and mentions.
pub(crate) fn failed() -> Event {
    let data = json!({
        "deployment_id": "d-1", "reason": "<!channel> @everyone <b>no</b> image\r\nBcc: x@y",
        "failed_stage": "validation", "recovery_suggestions": ["Push the image."],
    });
    event("deployment:failed", &data)
}

/// A failure that says far more than any service takes.
pub(crate) fn endless() -> Event {
    let data = json!({
        "deployment_id": "d".repeat(128), "reason": "<&\"é>".repeat(20_000),
        "failed_stage": "y".repeat(50_000),
        "recovery_suggestions": vec!["z".repeat(9_000); 50],
    });
    event("deployment:failed", &data)
}

/// The receiver `it` of a fleet file's `receivers:`.
pub(crate) fn receiver(yaml: &str) -> Receiver {
    receiver_in("f", yaml, "")
}

/// The same in a fleet file of this name, with more in it.
pub(crate) fn receiver_in(name: &str, yaml: &str, more: &str) -> Receiver {
    let file = format!(
        "egress: {{ allow_loopback: true }}\nnotifier: {{ timeout: 10s }}\n\
         receivers:\n  it: {yaml}\nroutes: [{{ to: [it] }}]\n{more}"
    );
    let fleet = Fleet::parse(name, &file, &|_| None).unwrap_or_else(|why| panic!("{why}"));
    Receiver::new(&fleet.receivers["it"], None, Ways::try_new(&fleet).unwrap())
}

pub(crate) async fn tell(receiver: &Receiver, event: &Event, memory: Option<&str>) -> Reply {
    tell_again(receiver, event, memory, 0).await
}

pub(crate) async fn tell_again(
    receiver: &Receiver,
    event: &Event,
    memory: Option<&str>,
    tries: u32,
) -> Reply {
    tell_at(receiver, event, memory, tries, NOW).await
}

/// Tells at this moment, for judges who look at the clock.
pub(crate) async fn tell_now(receiver: &Receiver, event: &Event) -> Reply {
    let now = u64::try_from(jiff::Timestamp::now().as_second()).unwrap();
    tell_at(receiver, event, None, 0, now).await
}

async fn tell_at(
    receiver: &Receiver,
    event: &Event,
    memory: Option<&str>,
    tries: u32,
    now: u64,
) -> Reply {
    let facts = Facts::of(event);
    assert!(receiver.wants(&facts), "{} is wanted", event.event_type);
    let id = "0199c0de-0000-7000-8000-000000000001";
    let telling = Telling::new(event, &facts, id, now).after(tries).remembering(memory);
    let preview = receiver.preview(telling);
    assert!(!preview.contains("s3cret"), "a preview shows no credential: {preview}");
    assert!(!receiver.target().contains("s3cret"), "nor does a target");
    receiver.tell(telling).await
}

pub(crate) fn word(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Told => "told".to_owned(),
        Verdict::Later { why, .. } => format!("later: {why}"),
        Verdict::Never { why } => format!("never: {why}"),
    }
}
