//! The yardstick: the least code that could do a hop, without and with a fence.
//!
//! Threads with a connection each. A batch is settled and the next asked for in one write. It recovers nothing, retries
//! nothing and knows no event: that is the point.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crate::error::Error;
use crate::load::result_words;
use crate::wire::{Token, Wire, encode};

/// The group that reads.
const GROUP: &str = "raw";

/// The batch's fence, its results, its log and its acknowledgement in one call.
/// KEYS 1 stream, 2 results, 3 log. ARGV group, consumer, n, values of a result, then n ids, then n results.
const FENCED: &str = "
local n, width = tonumber(ARGV[3]), tonumber(ARGV[4])
local own, acks = {}, {}
local rows = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[5], ARGV[4 + n], n, ARGV[2])
for _, row in ipairs(rows) do own[row[1]] = row[4] end
local t = redis.call('TIME')
local at = 5 + n
for i = 1, n do
  local id = ARGV[4 + i]
  if own[id] == 1 then
    local added = redis.call('XADD', KEYS[2], '*', unpack(ARGV, at, at + width - 1))
    redis.call('XADD', KEYS[3], 'MAXLEN', '~', 100000, '*', 'entry', id, 'outcome', 'done', 'at', t[1], 'result', added)
    acks[#acks + 1] = id
  end
  at = at + width
end
if #acks > 0 then redis.call('XACK', KEYS[1], ARGV[1], unpack(acks)) end
return #acks
";

/// How a batch is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settle {
    /// `XADD` and `XACK` for each entry, pipelined.
    Plain,
    /// One script for all.
    Fenced,
}

/// A way to do it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way {
    pub(crate) settle: Settle,
    /// Entries read at once.
    pub(crate) count: usize,
    /// Connections.
    pub(crate) threads: usize,
    /// Whether the acknowledgement is waited for before the next read is sent.
    pub(crate) waits: bool,
}

/// Threads that hop until they are told to stop; joined when dropped.
pub(crate) struct RawHop {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<io::Result<()>>>,
}

impl RawHop {
    /// Makes the group and starts the threads.
    pub(crate) fn start(socket: &Path, streams: &[String; 3], way: Way) -> Result<Self, Error> {
        let [source, results, log] = streams;
        let failed = || Error::io("cannot start the raw loop");
        let mut wire = Wire::connect(socket).map_err(failed())?;
        wire.ask(&["XGROUP", "CREATE", source, GROUP, "0"]).map_err(failed())?;
        let sha = wire.ask(&["SCRIPT", "LOAD", FENCED]).map_err(failed())?.text();
        let stop = Arc::new(AtomicBool::new(false));
        let mut hop = Self { stop: Arc::clone(&stop), threads: Vec::new() };
        for number in 0..way.threads {
            let looped = Loop {
                wire: Wire::connect(socket).map_err(failed())?,
                streams: [source.clone(), results.clone(), log.clone()],
                consumer: format!("raw-{number}"),
                sha: sha.clone(),
                words: result_words(),
                way,
                stop: Arc::clone(&stop),
            };
            hop.threads.push(std::thread::spawn(move || looped.run()));
        }
        Ok(hop)
    }

    /// Ends the threads.
    ///
    /// # Errors
    /// What went wrong in one of them.
    pub(crate) fn stop(mut self) -> Result<(), Error> {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let ended = thread.join().unwrap_or_else(|_panic| Err(io::Error::other("it panicked")));
            ended.map_err(Error::io("the raw loop failed"))?;
        }
        Ok(())
    }
}

impl Drop for RawHop {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _joined = thread.join().is_ok();
        }
    }
}

struct Loop {
    wire: Wire,
    streams: [String; 3],
    consumer: String,
    sha: String,
    words: Vec<Vec<u8>>,
    way: Way,
    stop: Arc<AtomicBool>,
}

impl Loop {
    fn run(mut self) -> io::Result<()> {
        let [source, results, _log] = &self.streams;
        let count = self.way.count.to_string();
        let mut read = Vec::new();
        let words = [
            "XREADGROUP",
            "GROUP",
            GROUP,
            &self.consumer,
            "COUNT",
            &count,
            "BLOCK",
            "20",
            "STREAMS",
            source,
            ">",
        ];
        encode(&mut read, &words.map(str::as_bytes));
        let mut add: Vec<&[u8]> = vec![b"XADD", results.as_bytes(), b"*"];
        add.extend(self.words.iter().map(Vec::as_slice));
        let mut added = Vec::new();
        encode(&mut added, &add);

        let mut ids: Vec<Vec<u8>> = Vec::new();
        while !self.stop.load(Ordering::Relaxed) {
            let replies = self.settle(&added, &ids);
            if self.way.waits {
                self.wire.send()?;
                self.skip(replies)?;
            }
            self.wire.push_encoded(&read);
            self.wire.send()?;
            if !self.way.waits {
                self.skip(replies)?;
            }
            ids.clear();
            self.read_ids(&mut ids)?;
        }
        let replies = self.settle(&added, &ids);
        self.wire.send()?;
        self.skip(replies)
    }

    fn skip(&mut self, replies: usize) -> io::Result<()> {
        (0..replies).try_for_each(|_| self.wire.skip())
    }

    /// Adds what settles a batch to what is sent next; how many replies it will have.
    fn settle(&mut self, added: &[u8], ids: &[Vec<u8>]) -> usize {
        if ids.is_empty() {
            return 0;
        }
        let [source, results, log] = &self.streams;
        match self.way.settle {
            Settle::Plain => {
                for id in ids {
                    self.wire.push_encoded(added);
                    self.wire.push(&[b"XACK", source.as_bytes(), GROUP.as_bytes(), id]);
                }
                2 * ids.len()
            }
            Settle::Fenced => {
                let (n, width) = (ids.len().to_string(), self.words.len().to_string());
                let head = [
                    "EVALSHA",
                    &self.sha,
                    "3",
                    source,
                    results,
                    log,
                    GROUP,
                    &self.consumer,
                    &n,
                    &width,
                ];
                let mut words: Vec<&[u8]> = head.map(str::as_bytes).into();
                words.extend(ids.iter().map(Vec::as_slice));
                for _ in ids {
                    words.extend(self.words.iter().map(Vec::as_slice));
                }
                self.wire.push(&words);
                1
            }
        }
    }

    fn read_ids(&mut self, ids: &mut Vec<Vec<u8>>) -> io::Result<()> {
        // [[stream, [[id, [name, value, …]], …]]], or nothing.
        if matches!(self.wire.token()?, Token::Nil) {
            return Ok(());
        }
        self.wire.token()?;
        self.wire.token()?;
        let Token::List(entries) = self.wire.token()? else {
            return Err(io::Error::other("not entries"));
        };
        for _ in 0..entries {
            self.wire.token()?;
            match self.wire.token()? {
                Token::Bytes(id) => ids.push(id.to_vec()),
                Token::List(_) | Token::Int(_) | Token::Error(_) | Token::Nil => {
                    return Err(io::Error::other("not an entry"));
                }
            }
            self.wire.skip()?;
        }
        Ok(())
    }
}
