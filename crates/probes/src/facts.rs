//! What a probe has seen, as the variables of conditions.
//!
//! Each protocol adds its own to these. The names are those of the fleet file's vocabularies
//! (`printery_config::vocabulary`); nothing here judges them.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::channel::Peer;
use crate::report::Timings;

/// Returns what every connection has: `connected`, `ip`, `latency_ms`, `timings`, `tls`, `cert`.
pub(crate) fn of_connection(peer: &Peer, took: Duration, timings: &Timings) -> Map<String, Value> {
    let now = Timestamp::now();
    let certificate = peer.certificate.as_ref().map(|certificate| {
        json!({
            "subject": certificate.subject,
            "days_left": certificate.days_left(now),
            "life_left_pct": certificate.life_left_pct(now),
        })
    });
    let mut facts = Map::new();
    facts.insert("connected".to_owned(), json!(true));
    facts.insert("ip".to_owned(), json!(peer.ip.map(|ip| ip.to_string())));
    facts.insert("latency_ms".to_owned(), json!(milliseconds(took)));
    facts.insert("timings".to_owned(), phases(timings));
    facts.insert(
        "tls".to_owned(),
        json!(peer.tls_version.map(|version| json!({ "version": version }))),
    );
    facts.insert("cert".to_owned(), json!(certificate));
    facts
}

/// Returns the phases in milliseconds; one that did not happen took none.
fn phases(timings: &Timings) -> Value {
    let phase = |took: Option<Duration>| milliseconds(took.unwrap_or_default());
    json!({
        "resolve": phase(timings.resolve),
        "connect": phase(timings.connect),
        "tls": phase(timings.tls),
        "processing": phase(timings.processing),
        "transfer": phase(timings.transfer),
    })
}

pub(crate) fn milliseconds(took: Duration) -> f64 {
    took.as_secs_f64() * 1000.0
}
