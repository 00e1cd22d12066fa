//! `explain --json`: what programs read.
//!
//! # Shape
//! ```text
//! { "id": what was asked for,
//!   "events": [ {                        oldest first; at most 200
//!     "stream", "entry":                 where the event was first added
//!     "event_id":                        or null
//!     "event":                           as `events list --json`; null when its body is gone
//!     "readers": [ {                     one per worker that reads the type
//!       "worker",
//!       "reason":                        undelivered | running | lease_expired | delayed |
//!                                        in_the_inbox | paused | owned_elsewhere | blocked_by_order |
//!                                        breaker_open | dead | done | deduplicated | trimmed
//!       "place":                         where it is, finer: no_group, undelivered, inbox, running,
//!                                        lease_expired, delayed, in_line, dead, put_away,
//!                                        dead_letter_taken, done, duplicate, settled, trimmed
//!       "state", "why", "next":          the same in words
//!       "command":                       what changes it, or null
//!       "redis_cli":                     words of the redis-cli line that shows it
//!       "redis_cli_change":              words of the line that changes it, or null
//!       "stream", "entry":               where it is now: its own stream or the inbox
//!       "open":                          whether something is still to happen with it
//!       "details": { … }                 numbers and names, by reason
//!     } ] } ],
//!   "reason", "why", "next", "command", "redis_cli":
//!                                        only without events: unknown | trimmed
//! }
//! ```
//! What is not known is null; what ends in `_ms` is in the server's milliseconds.
//!
//! # Details, by reason
//! ```text
//! undelivered, in_the_inbox     ahead, readers
//! paused                        since_ms, actor, reason
//! owned_elsewhere               owner
//! running, lease_expired        owner, host, pid, alive, heard_ms, idle_ms, lease_left_ms, takeover_ms,
//!                               deliveries
//! delayed, breaker_open         due_ms, attempt, max_attempts, last_error, token
//! blocked_by_order              subject, ahead, head { stream, entry, reason }
//! dead                          dead_letter, failure_reason, failure_detail, attempts, fingerprint,
//!                               status, actor, notes
//! done, deduplicated            attempts, instance, finished_ms, results, entry
//! ```

use printery_fleet::controls::Hold;
use printery_fleet::dead_letters::DeadLetter;
use serde_json::{Value, json};

use crate::cli::explain::place::{Finding, Held, Line, Place};
use crate::cli::explain::traces::{PutAway, Settlement};
use crate::cli::explain::words::Explained;

impl Finding {
    /// For programs.
    pub(crate) fn to_json(&self) -> Value {
        let Explained { state, why, next, command, look, change, .. } = self.explain();
        json!({
            "worker": self.worker.name,
            "reason": self.reason().as_str(),
            "place": self.code(),
            "state": state,
            "why": why,
            "next": next,
            "command": command,
            "redis_cli": look,
            "redis_cli_change": change,
            "stream": self.stream,
            "entry": self.entry.to_string(),
            "open": self.is_open(),
            "details": self.details(),
        })
    }

    fn details(&self) -> Value {
        let around = &self.around;
        match &self.place {
            Place::NoGroup | Place::Waiting { .. } => match &around.hold {
                Some(Hold::Paused(pause)) => json!(pause),
                Some(Hold::OwnedElsewhere { owner }) => json!({ "owner": owner }),
                Some(Hold::Guarded { guard }) => json!({ "guard": guard }),
                None => json!({ "ahead": self.ahead(), "readers": around.readers }),
            },
            Place::Running(held) | Place::Expired(held) => self.held(held),
            Place::Delayed { token, due_ms } => json!({
                "due_ms": due_ms,
                "attempt": self.attempt(),
                "max_attempts": around.max_attempts,
                "last_error": self.history.as_ref().map(|history| &history.last_error),
                "token": token,
            }),
            Place::InLine(line) => in_line(line),
            Place::Dead(letter) => dead(letter, None),
            Place::PutAway(away) => dead(&away.letter, Some(away)),
            Place::Done(line) if line.outcome == "dead" => json!({
                "failure_reason": line.reason, "attempts": line.attempts,
                "instance": line.instance, "finished_ms": line.finished_ms,
            }),
            Place::Done(line) | Place::Duplicate(line) => settled(line),
            Place::Settled | Place::Trimmed { .. } => json!({}),
        }
    }

    fn ahead(&self) -> Option<usize> {
        if let Place::Waiting { ahead } = &self.place { Some(*ahead) } else { None }
    }

    fn held(&self, held: &Held) -> Value {
        let around = &self.around;
        let left = around.lease_ms.saturating_sub(held.idle_ms);
        let process = held.process.as_ref();
        json!({
            "owner": held.owner,
            "host": process.map(|(host, _, _)| host),
            "pid": process.map(|(_, pid, _)| pid),
            "alive": process.is_some_and(|(_, _, alive)| *alive),
            "heard_ms": around.now_ms.saturating_sub(held.idle_ms),
            "idle_ms": held.idle_ms,
            "lease_left_ms": left,
            "takeover_ms": left.saturating_add(around.sweep_ms),
            "deliveries": held.deliveries,
        })
    }
}

fn in_line(line: &Line) -> Value {
    let head = line.head.as_ref().map(|head| {
        json!({
            "stream": head.stream, "entry": head.entry.to_string(),
            "reason": head.reason().as_str(),
        })
    });
    json!({ "subject": line.subject, "ahead": line.ahead, "head": head })
}

fn dead(letter: &DeadLetter, away: Option<&PutAway>) -> Value {
    json!({
        "dead_letter": letter.entry,
        "failure_reason": letter.failure_reason,
        "failure_detail": letter.failure_detail,
        "attempts": letter.attempt_count,
        "fingerprint": letter.fingerprint,
        "status": away.map_or("pending", |away| away.status.as_str()),
        "actor": away.map(|away| &away.actor),
        "notes": away.map(|away| &away.notes),
    })
}

fn settled(line: &Settlement) -> Value {
    json!({
        "attempts": line.attempts,
        "instance": line.instance,
        "finished_ms": line.finished_ms,
        "results": line.results,
        "entry": line.entry.map(|entry| entry.to_string()),
    })
}
