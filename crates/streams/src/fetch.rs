//! Hands new entries to this consumer: waits for them without taking any, then takes some.
//!
//! Called by the harness' worker loop, which asks for as many as it has free slots. Waiting reads
//! the streams as everybody may (`XREAD`), so nothing is handed out to a reader that is gone;
//! taking never blocks.

use std::sync::Arc;
use std::time::Duration;

use redis::{Value, cmd};

use crate::connection::{Reader, Redis, Session};
use crate::delivery::Delivery;
use crate::error::{Error, ErrorKind};
use crate::group::ensure_group;
use crate::keys::Keys;
use crate::names::{EntryId, Member};
use crate::order;
use crate::reply::Origin;
use crate::script::{Script, script};

/// Entries asked for in one command at most; larger reads gain nothing.
const LARGEST_READ: usize = 256;

/// Takes that may hit the same stream in a row before another one is asked first.
const HOT_READS: u32 = 16;

/// What one wait may last; a group that vanished meanwhile is noticed by the take that follows.
pub const LONGEST_WAIT: Duration = Duration::from_secs(2);

static FRONTIER: Script = script!("find the frontier", ["groups.lua", "frontier.lua"]);

/// Reads a worker's streams through its consumer group.
#[derive(Debug)]
pub struct Fetcher {
    redis: Redis,
    keys: Keys,
    member: Member,
    sources: Vec<Source>,
    /// The connection that waits.
    reader: Option<Reader>,
    /// Index of the stream that is asked first when slots are few.
    first: usize,
    hits: u32,
    /// Takes for which one stream is asked before all others, although there are slots for all.
    hot: u32,
    /// Entries asked for at once: less after a connection broke while it was handed some.
    appetite: usize,
    /// The last wait promised entries that the next take did not find: others took them.
    misled: bool,
}

/// A stream that is read.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) key: Arc<str>,
    pub(crate) is_inbox: bool,
    /// Up to here the group was handed everything, as far as is known.
    pub(crate) passed: Option<EntryId>,
    /// Its group was there before: one that has to be made again tells of a loss.
    known: bool,
    /// The key is not a stream; it is left out until it is one again.
    wrong_type: bool,
}

impl Source {
    fn new(key: &str, is_inbox: bool) -> Self {
        Self { key: key.into(), is_inbox, passed: None, known: false, wrong_type: false }
    }
}

impl Fetcher {
    /// Reads the worker's inbox and the given event streams; connects when first used.
    pub fn new(redis: Redis, keys: &Keys, member: Member, events: &[String]) -> Self {
        let inbox = Source::new(&keys.inbox(&member.worker), true);
        let events = events.iter().map(|key| Source::new(key, false));
        Self {
            redis,
            keys: keys.clone(),
            member,
            sources: std::iter::once(inbox).chain(events).collect(),
            reader: None,
            first: 0,
            hits: 0,
            hot: 0,
            appetite: LARGEST_READ,
            misled: false,
        }
    }

    /// Every stream this fetcher reads, the inbox first.
    pub fn streams(&self) -> impl Iterator<Item = &Arc<str>> {
        self.sources.iter().map(|source| &source.key)
    }

    /// Makes sure of the consumer group on every stream and looks at their types again.
    ///
    /// # Errors
    /// As [`ensure_group`]; a key of the wrong type is left out and reported once.
    pub async fn ensure_groups(&mut self, session: &mut Session) -> Result<(), Error> {
        for source in &mut self.sources {
            source.passed = None;
            match ensure_group(session, &source.key, &self.member.group).await {
                Ok(created) => {
                    if created && source.known {
                        tracing::error!(stream = %source.key, "came back without its consumer group: what it held before may be lost");
                    }
                    (source.known, source.wrong_type) = (true, false);
                }
                Err(error) if error.kind == ErrorKind::Refused => {
                    if !source.wrong_type {
                        tracing::error!(stream = %source.key, %error, "stream is not read until it is mended");
                    }
                    source.wrong_type = true;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// How many entries should be asked for at once, by whomever: an output buffer that the server
    /// closes over too large a reply strands what was in it.
    pub fn appetite(&self) -> usize {
        self.appetite
    }

    /// Halves the appetite; also for whoever adopts what a take had stranded and broke as well.
    pub fn ask_for_less(&mut self) {
        self.appetite = (self.appetite / 2).max(1);
    }

    /// Waits until the streams hold something that the group was not handed yet, at most `block`
    /// and [`LONGEST_WAIT`]; whether they do.
    ///
    /// # Errors
    /// [`ErrorKind::Missing`]: call [`Fetcher::ensure_groups`]. After any other the connection is
    /// replaced.
    /// # Cancel safety
    /// Cancel safe: nothing is handed out by waiting; the connection is replaced.
    /// # Redis
    /// `XREAD BLOCK`; before the first and after a misleading one also a script that asks how far
    /// the group has come.
    pub async fn wait(&mut self, session: &mut Session, block: Duration) -> Result<bool, Error> {
        let readable = self.readable();
        if self.misled || readable.iter().any(|index| self.passed(*index).is_none()) {
            self.find_frontier(session, &readable).await?;
        }
        let mut command = cmd("XREAD");
        // BLOCK 0 would wait for ever.
        let block = block.min(LONGEST_WAIT).as_millis().max(1).to_string();
        command.arg("COUNT").arg(1).arg("BLOCK").arg(block);
        command.arg("STREAMS");
        for index in &readable {
            command.arg(self.sources.get(*index).map_or("", |source| &source.key));
        }
        for index in &readable {
            command.arg(self.passed(*index).unwrap_or_default().to_string());
        }
        // Taken out while it waits: a wait that is dropped takes its blocked connection with it.
        let mut reader = match self.reader.take() {
            Some(reader) => reader,
            None => self.redis.reader(LONGEST_WAIT).await?,
        };
        let reply = reader.query("wait", "", &command).await;
        if !reply.as_ref().is_err_and(Error::breaks_connection) {
            self.reader = Some(reader);
        }
        self.misled = reply? != Value::Nil;
        Ok(self.misled)
    }

    /// Takes up to `free` new entries; none when there are none.
    ///
    /// # Errors
    /// [`ErrorKind::Unknown`], [`ErrorKind::Malformed`]: entries may have been handed out unseen:
    /// adopt them. [`ErrorKind::Missing`]: call [`Fetcher::ensure_groups`].
    /// # Cancel safety
    /// Not cancel safe: what was handed out would have to be adopted.
    /// # Redis
    /// `XREADGROUP`, once where there are as many slots as streams, otherwise once per stream until
    /// one has something; for an ordered worker one script call.
    pub async fn take(
        &mut self,
        session: &mut Session,
        free: usize,
    ) -> Result<Vec<Delivery>, Error> {
        let readable = self.readable();
        if readable.is_empty() {
            return Err(Error::new(ErrorKind::Refused, "read", "", "no stream can be read"));
        }
        let free = free.clamp(1, self.appetite);
        let taken = if self.member.ordered {
            let mut sources: Vec<&mut Source> =
                self.sources.iter_mut().filter(|source| !source.wrong_type).collect();
            order::take(session, &self.keys, &self.member, &mut sources, free).await
        } else if free < readable.len() || self.hot > 0 {
            self.read_in_turn(session, &readable, free).await
        } else {
            self.read_all(session, &readable, free / readable.len()).await
        };
        match &taken {
            Err(error) if error.breaks_connection() => self.ask_for_less(),
            Ok(taken) if !taken.is_empty() => {
                // By little, so that a limit that stays is not run into again and again.
                self.appetite = (self.appetite + 1).min(LARGEST_READ);
            }
            Ok(_) | Err(_) => {}
        }
        // A script tells exactly how far the group has come; a read only by what it hands out.
        if taken.as_ref().is_ok_and(|taken| self.member.ordered || !taken.is_empty()) {
            self.misled = false;
        }
        taken
    }

    /// As many slots as streams: asks all at once for an equal share each.
    async fn read_all(
        &mut self,
        session: &mut Session,
        readable: &[usize],
        share: usize,
    ) -> Result<Vec<Delivery>, Error> {
        let found = self.read(session, readable, share).await?;
        let one = found.first().map(|delivery| Arc::clone(&delivery.fence.stream));
        if let Some(one) = one
            && found.len() == share
            && found.iter().all(|delivery| delivery.fence.stream == one)
        {
            // A backlog in one stream alone: for a while the others' shares are better spent on it.
            let is_it = |index: &usize| self.sources.get(*index).is_some_and(|it| it.key == one);
            self.first = readable.iter().position(is_it).unwrap_or(0);
            (self.hits, self.hot) = (0, HOT_READS);
        }
        Ok(found)
    }

    /// Fewer slots than streams, or one hot stream: asks one after the other for exactly what is free. The stream that
    /// had entries last is asked first, so a backlog costs one round trip a take.
    async fn read_in_turn(
        &mut self,
        session: &mut Session,
        readable: &[usize],
        free: usize,
    ) -> Result<Vec<Delivery>, Error> {
        self.hot = self.hot.saturating_sub(1);
        for turn in 0..readable.len() {
            let place = (self.first + turn) % readable.len();
            let Some(index) = readable.get(place) else { continue };
            let found = self.read(session, &[*index], free).await?;
            if found.len() < free {
                self.hot = 0;
            }
            if !found.is_empty() {
                self.hits = if turn == 0 { self.hits + 1 } else { 1 };
                self.first = if self.hits >= HOT_READS { place + 1 } else { place };
                return Ok(found);
            }
        }
        Ok(Vec::new())
    }

    async fn read(
        &mut self,
        session: &mut Session,
        chosen: &[usize],
        count: usize,
    ) -> Result<Vec<Delivery>, Error> {
        let sources: Vec<&Source> =
            chosen.iter().filter_map(|index| self.sources.get(*index)).collect();
        let mut command = cmd("XREADGROUP");
        command.arg("GROUP").arg(&self.member.group).arg(&self.member.consumer);
        command.arg("COUNT").arg(count).arg("STREAMS");
        for source in &sources {
            command.arg(&*source.key);
        }
        for _ in &sources {
            command.arg(">");
        }
        let first_key = sources.first().map(|source| &*source.key).unwrap_or_default();
        let reply = session.ask("read", first_key, &command.get_packed_command()).await?;
        let deliveries = deliveries(reply, &sources)?;
        for delivery in &deliveries {
            let source = self.sources.iter_mut().find(|source| source.key == delivery.fence.stream);
            if let Some(source) = source {
                source.passed = source.passed.max(Some(delivery.fence.entry));
            }
        }
        Ok(deliveries)
    }

    async fn find_frontier(
        &mut self,
        session: &mut Session,
        readable: &[usize],
    ) -> Result<(), Error> {
        let keys: Vec<Arc<str>> = readable
            .iter()
            .filter_map(|index| self.sources.get(*index))
            .map(|source| Arc::clone(&source.key))
            .collect();
        let keys: Vec<&str> = keys.iter().map(|key| &**key).collect();
        let mut call = FRONTIER.call(&keys);
        call.arg(&self.member.group);
        let origin = Origin { operation: "find the frontier", key: call.key() };
        let ids = origin.array(session.run(&call).await?)?;
        for (index, id) in readable.iter().zip(ids) {
            let id = origin.id(id)?;
            if let Some(source) = self.sources.get_mut(*index) {
                source.passed = Some(id);
            }
        }
        self.misled = false;
        Ok(())
    }

    fn readable(&self) -> Vec<usize> {
        let readable = |index: &usize| self.sources.get(*index).is_some_and(|it| !it.wrong_type);
        (0..self.sources.len()).filter(readable).collect()
    }

    fn passed(&self, index: usize) -> Option<EntryId> {
        self.sources.get(index).and_then(|source| source.passed)
    }
}

fn deliveries(reply: Value, sources: &[&Source]) -> Result<Vec<Delivery>, Error> {
    let origin = Origin { operation: "read", key: "" };
    let mut out = Vec::new();
    for (stream, entries) in origin.streams(reply)? {
        let source = sources
            .iter()
            .find(|source| source.key.as_bytes() == stream)
            .ok_or_else(|| origin.bad("a stream that was not asked for"))?;
        for entry in entries {
            let (id, fields) = origin.entry(entry)?;
            out.push(Delivery::new(Arc::clone(&source.key), id, 1, fields, source.is_inbox));
        }
    }
    Ok(out)
}
