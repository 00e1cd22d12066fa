//! The one place where deliveries leave the pending list: commit, defer, release and bury.
//!
//! Called by the harness' committer with many deliveries of one stream; each verb is one script
//! that checks every fence first. Nothing here decides what is to be done.

use redis::Value;

use crate::connection::Session;
use crate::delivery::Fence;
use crate::error::Error;
use crate::keys::Keys;
use crate::names::{Fields, Member};
use crate::reply::Origin;
use crate::script::{Call, Script, script};

/// Entries of the settlement log that are kept, roughly; older ones are cut off by the commits.
pub(crate) const LOG_CAP: u64 = 100_000;

/// Pairs of its own that a dead letter carries as they are; more than Lua could pass on with those
/// that are added are packed into the one field `original_msgpack`.
pub const WIDEST_VERBATIM: usize = 3_500;

static COMMIT: Script =
    script!("commit", ["fence.lua", "write.lua", "seen.lua", "turns.lua", "commit.lua"]);
static DEFER: Script = script!("defer", ["fence.lua", "write.lua", "turns.lua", "defer.lua"]);
static RELEASE: Script = script!("release", ["fence.lua", "write.lua", "turns.lua", "release.lua"]);
static BURY: Script =
    script!("bury", ["fence.lua", "write.lua", "seen.lua", "turns.lua", "bury.lua"]);

/// What became of one delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// It was done, once.
    Done,
    /// Its event had been settled before; it was acknowledged and nothing was published.
    Duplicate,
    /// It is not pending any more: settled already, perhaps by ourselves in a reply we lost.
    Gone,
    /// It is not pending any more and its body is gone: somebody deleted it.
    Lost,
    /// Somebody else has taken it over; nothing was written.
    Fenced,
    /// A person must act, such as on a destination of the wrong type; nothing was written.
    Refused(String),
}

/// An entry to add to a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The stream's key.
    pub stream: String,
    /// What to add.
    pub fields: Fields,
}

/// A finished delivery with its results.
#[derive(Debug, Clone)]
pub struct Commit {
    /// The right to settle it.
    pub fence: Fence,
    /// The event's id: with its type, what the dedupe window remembers.
    pub event_id: String,
    /// The event's type.
    pub event_type: String,
    /// Whether it was redriven and is therefore no duplicate.
    pub replay: bool,
    /// The attempt that succeeded.
    pub attempt: u32,
    /// When that attempt began, the server's milliseconds.
    pub started_ms: u64,
    /// What to publish.
    pub results: Vec<Publication>,
}

/// A failed delivery that is tried again later.
#[derive(Debug, Clone)]
pub struct Defer {
    /// The right to settle it.
    pub fence: Fence,
    /// How long from now, by the server's clock.
    pub delay: std::time::Duration,
    /// The inbox entry that it becomes: envelope and original fields.
    pub fields: Fields,
}

/// An unfinished delivery that is handed back.
#[derive(Debug, Clone)]
pub struct Release {
    /// The right to settle it.
    pub fence: Fence,
    /// The inbox entry that it becomes: envelope and original fields.
    pub fields: Fields,
}

/// A delivery that goes to the dead letters.
#[derive(Debug, Clone)]
pub struct Bury {
    /// The right to settle it.
    pub fence: Fence,
    /// The event's id; empty when it could not be read, and then not remembered as settled.
    pub event_id: String,
    /// The event's type.
    pub event_type: String,
    /// Attempts used.
    pub attempt: u32,
    /// When the last attempt began, the server's milliseconds.
    pub started_ms: u64,
    /// The short reason, for the settlement log.
    pub reason: String,
    /// The entry's own fields, verbatim.
    pub original: Fields,
    /// The fields that the dead letter adds after them.
    pub meta: Fields,
}

/// Settles deliveries of one consumer.
#[derive(Debug, Clone)]
pub struct Settler {
    keys: Keys,
    member: Member,
    /// How long a settled event id is remembered, ms; 0 = not at all.
    dedupe_ms: u64,
    /// The lease, ms: what an entry handed back in place is aged by.
    lease_ms: u64,
}

impl Settler {
    /// Settles for `member`; both durations in milliseconds.
    pub fn new(keys: Keys, member: Member, dedupe_ms: u64, lease_ms: u64) -> Self {
        Self { keys, member, dedupe_ms, lease_ms }
    }

    /// Publishes results and acknowledges, for deliveries of one stream.
    ///
    /// # Shapes and units
    /// Not empty, all fences of the same stream, ascending by entry. One verdict per delivery.
    /// # Errors
    /// [`crate::ErrorKind::Unknown`]: it may have happened; the same call may be sent again, the
    /// fences make it idempotent.
    /// # Redis
    /// One script call for all of them.
    pub async fn commit(
        &self,
        session: &mut Session,
        commits: &[&Commit],
    ) -> Result<Vec<Settled>, Error> {
        let Some(first) = commits.first() else { return Ok(Vec::new()) };
        let results = commits.iter().flat_map(|commit| &commit.results);
        let destinations = Destinations::of(results);
        let log = self.keys.settlements(&self.member.worker);
        let ledger = self.keys.ledger(&self.member.worker);
        let slots = self.keys.settled_ids(&self.member.worker);
        let turns = self.keys.turns(&self.member.worker);
        let mut keys = vec![&*first.fence.stream, &log, &ledger];
        keys.extend(slots.iter().chain(&turns).map(String::as_str));
        keys.extend(destinations.keys());

        let mut call = self.begin(&COMMIT, &keys, commits.len());
        call.arg(self.dedupe_ms).arg(LOG_CAP);
        for commit in commits {
            call.arg(commit.fence.entry);
        }
        for commit in commits {
            call.arg(commit.fence.count).text(&commit.event_id).text(&commit.event_type);
            call.arg(u8::from(commit.replay));
            call.arg(commit.attempt).arg(commit.started_ms).arg(commit.results.len());
            for result in &commit.results {
                destinations.publish(&mut call, result);
            }
        }
        verdicts(session.run(&call).await?, &call, commits.len())
    }

    /// Stores deliveries of one stream until they are due.
    ///
    /// Shapes, errors and cost are those of [`Settler::commit`].
    pub async fn defer(
        &self,
        session: &mut Session,
        defers: &[&Defer],
    ) -> Result<Vec<Settled>, Error> {
        let Some(first) = defers.first() else { return Ok(Vec::new()) };
        let ledger = self.keys.ledger(&self.member.worker);
        let turns = self.keys.turns(&self.member.worker);
        let mut keys = vec![&*first.fence.stream, &ledger];
        keys.extend(turns.iter().map(String::as_str));
        let mut call = self.begin(&DEFER, &keys, defers.len());
        for defer in defers {
            let token =
                format!("{}|{}|{}", defer.fence.stream, defer.fence.entry, defer.fence.count);
            fence_args(&mut call, &defer.fence);
            call.arg(millis(defer.delay)).arg(token).fields(&defer.fields);
        }
        verdicts(session.run(&call).await?, &call, defers.len())
    }

    /// Hands deliveries of one stream back through the inbox.
    ///
    /// Shapes, errors and cost are those of [`Settler::commit`].
    pub async fn release(
        &self,
        session: &mut Session,
        releases: &[&Release],
    ) -> Result<Vec<Settled>, Error> {
        let Some(first) = releases.first() else { return Ok(Vec::new()) };
        let ledger = self.keys.ledger(&self.member.worker);
        let turns = self.keys.turns(&self.member.worker);
        let mut keys = vec![&*first.fence.stream, &ledger];
        keys.extend(turns.iter().map(String::as_str));
        let mut call = self.begin(&RELEASE, &keys, releases.len());
        call.arg(self.lease_ms);
        for release in releases {
            fence_args(&mut call, &release.fence);
            call.fields(&release.fields);
        }
        verdicts(session.run(&call).await?, &call, releases.len())
    }

    /// Moves deliveries of one stream to the dead letters.
    ///
    /// Shapes, errors and cost are those of [`Settler::commit`].
    pub async fn bury(
        &self,
        session: &mut Session,
        burials: &[&Bury],
    ) -> Result<Vec<Settled>, Error> {
        let Some(first) = burials.first() else { return Ok(Vec::new()) };
        let dead_letters = self.keys.dead_letters(&self.member.worker);
        let log = self.keys.settlements(&self.member.worker);
        let ledger = self.keys.ledger(&self.member.worker);
        let slots = self.keys.settled_ids(&self.member.worker);
        let turns = self.keys.turns(&self.member.worker);
        let mut keys = vec![&*first.fence.stream, &dead_letters, &log, &ledger];
        keys.extend(slots.iter().chain(&turns).map(String::as_str));
        let mut call = self.begin(&BURY, &keys, burials.len());
        call.arg(self.dedupe_ms).arg(LOG_CAP).arg(WIDEST_VERBATIM * 2);
        for bury in burials {
            fence_args(&mut call, &bury.fence);
            call.arg(&bury.event_id)
                .arg(&bury.event_type)
                .arg(bury.attempt)
                .arg(bury.started_ms)
                .arg(&bury.reason);
            call.fields(&bury.original).fields(&bury.meta);
        }
        verdicts(session.run(&call).await?, &call, burials.len())
    }

    fn begin(&self, script: &'static Script, keys: &[&str], deliveries: usize) -> Call {
        let mut call = script.call(keys);
        call.arg(&self.member.group).arg(&self.member.consumer).arg(deliveries);
        call.arg(u8::from(self.member.ordered));
        call
    }
}

fn fence_args(call: &mut Call, fence: &Fence) {
    call.arg(fence.entry.to_string()).arg(fence.count);
}

/// The streams that a call publishes to, each once: its keys, and the places that stand for them.
pub(crate) struct Destinations<'a>(Vec<&'a str>);

impl<'a> Destinations<'a> {
    pub(crate) fn of(publications: impl Iterator<Item = &'a Publication>) -> Self {
        let mut streams: Vec<&str> = Vec::new();
        for publication in publications {
            if !streams.contains(&publication.stream.as_str()) {
                streams.push(&publication.stream);
            }
        }
        Self(streams)
    }

    pub(crate) fn keys(&self) -> &[&'a str] {
        &self.0
    }

    /// Appends where a publication goes, counted from 1, and then its fields.
    pub(crate) fn publish(&self, call: &mut Call, publication: &Publication) {
        let place = self.0.iter().position(|key| *key == publication.stream);
        call.arg(place.map_or(0, |index| index + 1)).fields(&publication.fields);
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A verdict per delivery; an empty reply says that all of them are done.
fn verdicts(reply: Value, call: &Call, expected: usize) -> Result<Vec<Settled>, Error> {
    let origin = Origin { operation: call.operation(), key: call.key() };
    let replies = origin.array(reply)?;
    if replies.is_empty() {
        return Ok(vec![Settled::Done; expected]);
    }
    if replies.len() != expected {
        return Err(origin.bad("a verdict per delivery was expected"));
    }
    replies.into_iter().map(|reply| verdict(origin, &origin.name(reply)?)).collect()
}

fn verdict(origin: Origin<'_>, text: &str) -> Result<Settled, Error> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    match word {
        "OK" => Ok(Settled::Done),
        "DUPLICATE" => Ok(Settled::Duplicate),
        "GONE" => Ok(Settled::Gone),
        "LOST" => Ok(Settled::Lost),
        "FENCED" => Ok(Settled::Fenced),
        "REFUSED" => Ok(Settled::Refused(rest.to_owned())),
        _ => Err(origin.bad("an unknown verdict")),
    }
}
