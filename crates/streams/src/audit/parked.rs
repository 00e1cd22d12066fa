//! Pages of what waits beside the streams: due times, lines, bodies, and the heads of lines.
//!
//! The scans may repeat a member that moves while they run; they never leave out one that is there
//! from their beginning to their end.

use redis::{Value, cmd};

use crate::audit::PAGE;
use crate::connection::Session;
use crate::error::Error;
use crate::keys::Keys;
use crate::names::EntryId;
use crate::reply::Origin;
use crate::script::{Script, script};

static PARKED: Script = script!("list what waits", ["parked.lua"]);
static BODIES: Script = script!("list bodies", ["bodies.lua"]);

/// Which of the two waiting places is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waits {
    /// For its due time.
    Due,
    /// In line, behind an older entry of its deployment.
    InLine,
}

impl Waits {
    /// The sorted set of a worker.
    pub fn key(self, keys: &Keys, worker: &str) -> String {
        match self {
            Self::Due => keys.delay(worker),
            Self::InLine => keys.line(worker),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Due => "delay",
            Self::InLine => "line",
        }
    }
}

/// An entry that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// Its member in the sorted set, as bytes.
    pub member: Vec<u8>,
    /// The token of its body: `<stream>|<entry>|<count>` of the delivery that was put off.
    pub token: String,
    /// When it is due, the server's milliseconds; 0 in a line.
    pub due_ms: u64,
    /// Where it was first read, by its envelope; none without a body that can be read.
    pub origin: Option<(String, EntryId)>,
    /// Whether it has a body at all.
    pub has_body: bool,
}

/// Reads a page of what waits; the cursor `0` begins, and ends.
///
/// # Redis
/// One script call, which writes nothing.
pub async fn parked(
    session: &mut Session,
    keys: &Keys,
    worker: &str,
    waits: Waits,
    cursor: &str,
) -> Result<(String, Vec<Parked>), Error> {
    let (index, bodies) = (waits.key(keys, worker), keys.delay_bodies(worker));
    let mut call = PARKED.call(&[&index, &bodies]);
    call.arg(cursor).arg(PAGE).arg(waits.word());
    let origin = Origin { operation: "list what waits", key: &index };
    let [next, rows] = origin.exactly(session.run(&call).await?)?;
    let rows = origin.array(rows)?.into_iter().map(|row| one(origin, row));
    Ok((origin.text(next)?, rows.collect::<Result<_, _>>()?))
}

fn one(origin: Origin<'_>, row: Value) -> Result<Parked, Error> {
    let [member, token, score, stream, entry, has_body] = origin.exactly(row)?;
    let stream = origin.text(stream).ok();
    let entry = origin.id(entry).ok();
    // Scores of this size are printed in full; what cannot be read is due at once.
    let due_ms = origin.text(score)?.parse().unwrap_or(0);
    Ok(Parked {
        member: origin.bytes(member)?,
        token: lossy(origin.bytes(token)?),
        due_ms,
        origin: stream.zip(entry),
        has_body: origin.int(&has_body)? == 1,
    })
}

/// A body that is kept, by its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// The token.
    pub token: String,
    /// Whether a due time leads to it.
    pub is_delayed: bool,
}

/// Reads a page of the tokens under which bodies are kept; the cursor `0` begins, and ends.
///
/// # Redis
/// One script call, which writes nothing.
pub async fn bodies(
    session: &mut Session,
    keys: &Keys,
    worker: &str,
    cursor: &str,
) -> Result<(String, Vec<Body>), Error> {
    let (bodies, delay) = (keys.delay_bodies(worker), keys.delay(worker));
    let mut call = BODIES.call(&[&bodies, &delay]);
    call.arg(cursor).arg(PAGE);
    let origin = Origin { operation: "list bodies", key: &bodies };
    let [next, rows] = origin.exactly(session.run(&call).await?)?;
    let parse = |row| {
        let [token, delayed] = origin.exactly(row)?;
        Ok(Body { token: lossy(origin.bytes(token)?), is_delayed: origin.int(&delayed)? == 1 })
    };
    let rows = origin.array(rows)?.into_iter().map(parse);
    Ok((origin.text(next)?, rows.collect::<Result<_, _>>()?))
}

/// The head of a deployment's line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The deployment.
    pub subject: String,
    /// Where the entry is that others wait for: `<stream>|<entry>` or `delay|<token>`.
    pub place: String,
}

/// Reads a page of the heads of lines; the cursor `0` begins, and ends.
///
/// # Redis
/// `HSCAN`.
pub async fn heads(
    session: &mut Session,
    keys: &Keys,
    worker: &str,
    cursor: &str,
) -> Result<(String, Vec<Head>), Error> {
    let key = keys.order(worker);
    let mut scan = cmd("HSCAN");
    scan.arg(&key).arg(cursor).arg("COUNT").arg(PAGE);
    let origin = Origin { operation: "list heads of lines", key: &key };
    let [next, pairs] = origin.exactly(session.query("list heads of lines", &key, &scan).await?)?;
    let mut heads = Vec::new();
    for (field, place) in origin.map(pairs)? {
        if let Some(subject) = field.strip_prefix('s') {
            heads.push(Head { subject: subject.to_owned(), place: origin.text(place)? });
        }
    }
    Ok((origin.text(next)?, heads))
}

fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|broken| {
        let bytes = broken.into_bytes();
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
