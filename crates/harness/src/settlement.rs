//! A finished execution on its way to Redis: what the executor hands to the committer.
//!
//! Built from a disposition by [`Settlement::new`]; the committer only sorts and sends it.

use printery_events::{Event, salvage};
use printery_fleet::dead_letters::Epitaph;
use printery_streams::settle::{Bury, Commit, Defer, Release};
use printery_streams::{Delivery, Fence, History};

use crate::disposition::{Disposition, Wait, Why};
use crate::engine::Engine;
use crate::handler::Effects;
use crate::registry::Holding;

/// One delivery with its verb.
#[derive(Debug)]
pub(crate) struct Settlement {
    pub(crate) act: Act,
    /// The event's type for metrics; a word of ours where it is unknown.
    pub(crate) event_type: String,
    /// Lets go of the entry when the settlement is over.
    pub(crate) holding: Holding,
}

/// What the committer is to do.
#[derive(Debug)]
pub(crate) enum Act {
    Commit(Commit),
    Defer(Defer),
    Release(Release),
    Bury(Bury),
}

impl Act {
    pub(crate) fn fence(&self) -> &Fence {
        match self {
            Self::Commit(commit) => &commit.fence,
            Self::Defer(defer) => &defer.fence,
            Self::Release(release) => &release.fence,
            Self::Bury(bury) => &bury.fence,
        }
    }

    /// What is counted when it was done.
    pub(crate) fn outcome(&self) -> &'static str {
        match self {
            Self::Commit(_) => "done",
            Self::Defer(_) => "deferred",
            Self::Release(_) => "released",
            Self::Bury(_) => "dead",
        }
    }

    /// Bytes that it sends, roughly: bounds one call.
    pub(crate) fn size(&self) -> usize {
        let bytes = |fields: &[(Vec<u8>, Vec<u8>)]| -> usize {
            fields.iter().map(|(name, value)| name.len() + value.len()).sum()
        };
        match self {
            Self::Commit(commit) => commit.results.iter().map(|r| bytes(&r.fields)).sum(),
            Self::Defer(defer) => bytes(&defer.fields),
            Self::Release(release) => bytes(&release.fields),
            Self::Bury(bury) => bytes(&bury.original) + bytes(&bury.meta),
        }
    }
}

/// A delivery whose execution has ended.
pub(crate) struct Ended {
    pub(crate) delivery: Delivery,
    /// The event, where it could be read.
    pub(crate) event: Option<Event>,
    /// When the attempt began, the server's milliseconds.
    pub(crate) started_ms: u64,
    pub(crate) event_type: String,
    pub(crate) holding: Holding,
}

impl Settlement {
    /// Turns a disposition into what is sent; none when there is nothing to do.
    pub(crate) fn new<H>(
        engine: &Engine<H>,
        ended: Ended,
        disposition: Disposition,
    ) -> Option<Self> {
        let act = match disposition {
            Disposition::Abandon => return None,
            Disposition::Commit(effects) => Act::Commit(commit(engine, &ended, effects)),
            Disposition::Release => Act::Release(release(&ended)),
            Disposition::Defer { wait, failures, why } => {
                Act::Defer(defer(engine, &ended, wait, failures, &why))
            }
            Disposition::Bury { why, attempts, settles } => {
                Act::Bury(bury(engine, &ended, why, attempts, settles))
            }
        };
        Some(Self { act, event_type: ended.event_type, holding: ended.holding })
    }
}

fn commit<H>(engine: &Engine<H>, ended: &Ended, effects: Effects) -> Commit {
    let at = engine.now();
    let results = match &ended.event {
        None => Vec::new(),
        Some(input) => effects
            .publications
            .into_iter()
            .map(|(payload, key)| Event::derived(input, engine.worker.name, payload, &key, at))
            .map(|event| engine.publication(&event))
            .collect(),
    };
    let history = &ended.delivery.history;
    Commit {
        fence: ended.delivery.fence.clone(),
        event_id: event_id(ended),
        event_type: ended.event_type.clone(),
        replay: history.is_replay(),
        attempt: attempt(history),
        started_ms: ended.started_ms,
        results,
    }
}

fn release(ended: &Ended) -> Release {
    // The attempt is given back; what its owners went through is not forgotten.
    let history = History { event_id: event_id(ended), ..ended.delivery.history.clone() };
    let original = ended.delivery.fields.as_deref();
    Release {
        fence: ended.delivery.fence.clone(),
        // Without a body there is nothing to hand over: it is aged in place.
        fields: original.map(|fields| history.seal(fields)).unwrap_or_default(),
    }
}

fn defer<H>(engine: &Engine<H>, ended: &Ended, wait: Wait, failures: u32, why: &Why) -> Defer {
    let delay = match wait {
        Wait::Exactly(delay) => delay,
        Wait::Backoff(failures) => engine.rules.backoff.jittered(failures),
    };
    let before = &ended.delivery.history;
    let history = History {
        event_id: event_id(ended),
        failures,
        // An explicit outcome: whatever killed its owners did not this time.
        deaths: 0,
        first_failure_ms: first_failure(before, engine.clock.now_ms()),
        last_error: format!("{}: {}", why.reason, why.detail),
        ..before.clone()
    };
    let original = ended.delivery.fields.as_deref().unwrap_or_default();
    Defer { fence: ended.delivery.fence.clone(), delay, fields: history.seal(original) }
}

fn bury<H>(engine: &Engine<H>, ended: &Ended, why: Why, attempts: u32, settles: bool) -> Bury {
    let original = ended.delivery.fields.clone().unwrap_or_default();
    let known = salvage(&original);
    let now = engine.clock.now_ms();
    let history = &ended.delivery.history;
    let event_id = known.event_id.unwrap_or_else(|| history.event_id.clone());
    let epitaph = Epitaph {
        id: printery_events::ids::new_id(engine.now()),
        event_id: event_id.clone(),
        event_type: ended.event_type.clone(),
        deployment_id: known.subject.unwrap_or_default(),
        correlation_id: known.correlation_id.unwrap_or_default(),
        original_stream: history.origin_stream.clone(),
        original_entry: history.origin_entry.to_string(),
        worker: engine.worker.name.to_owned(),
        reason: why.reason.clone(),
        detail: why.detail,
        attempts,
        first_failure_ms: first_failure(history, now),
        last_failure_ms: now,
        datacontenttype: known.datacontenttype.unwrap_or_default(),
        replays: history.replays,
        instance: engine.member.consumer.clone(),
    };
    let meta = epitaph.fields(&original, known.data.as_deref());
    Bury {
        fence: ended.delivery.fence.clone(),
        event_id: if settles { event_id } else { String::new() },
        event_type: ended.event_type.clone(),
        attempt: attempts,
        started_ms: ended.started_ms,
        reason: why.reason,
        original,
        meta,
    }
}

/// How often a handler has been started for an entry, this time included.
pub(crate) fn attempt(history: &History) -> u32 {
    history.failures.saturating_add(history.deaths).saturating_add(1)
}

fn event_id(ended: &Ended) -> String {
    match &ended.event {
        Some(event) => event.id.clone(),
        None => ended.delivery.history.event_id.clone(),
    }
}

fn first_failure(history: &History, now_ms: u64) -> u64 {
    if history.first_failure_ms == 0 { now_ms } else { history.first_failure_ms }
}
