//! The bare reader: a blocking `XREADGROUP`, and for each entry a result and its acknowledgement.
//!
//! What no worker can be faster than. It answers as a hop does, so that both are read in the same way.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crate::clock::wall_ns;
use crate::error::Error;
use crate::wire::{Reply, Wire};

/// The group that reads.
const GROUP: &str = "bare";

/// A thread that reads and answers.
pub(super) struct Bare {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Bare {
    /// Makes the group and starts the thread: it reads on one connection and answers on the other.
    pub(super) fn start(
        mut reads: Wire,
        answers: Wire,
        source: &str,
        results: &str,
    ) -> Result<Self, Error> {
        reads
            .ask(&["XGROUP", "CREATE", source, GROUP, "0", "MKSTREAM"])
            .map_err(Error::io("cannot start the bare reader"))?;
        let stop = Arc::new(AtomicBool::new(false));
        let (told, source, results) = (Arc::clone(&stop), source.to_owned(), results.to_owned());
        let thread = std::thread::spawn(move || hop(reads, answers, &source, &results, &told));
        Ok(Self { stop, thread: Some(thread) })
    }

    /// Ends the thread.
    pub(super) fn stop(mut self) -> Result<(), Error> {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        let ended =
            ended.and_then(Result::ok).unwrap_or_else(|| Err(io::Error::other("it panicked")));
        ended.map_err(Error::io("the bare reader failed"))
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _joined = self.thread.take().is_none_or(|thread| thread.join().is_ok());
    }
}

fn hop(
    mut reads: Wire,
    mut answers: Wire,
    source: &str,
    results: &str,
    stop: &AtomicBool,
) -> io::Result<()> {
    while !stop.load(Ordering::Relaxed) {
        let reply = reads.ask(&[
            "XREADGROUP",
            "GROUP",
            GROUP,
            "bare-1",
            "COUNT",
            "64",
            "BLOCK",
            "50",
            "STREAMS",
            source,
            ">",
        ])?;
        let started = wall_ns().to_string();
        let stream = reply.items().first().map(Reply::items).unwrap_or_default();
        let entries = stream.get(1).map(Reply::items).unwrap_or_default();
        for entry in entries {
            let [id, fields] = entry.items() else { continue };
            let mut pairs = fields.items().chunks_exact(2);
            let subject = pairs.find_map(|pair| match pair {
                [Reply::Bytes(name), value] if name == b"subject" => Some(value.text()),
                _ => None,
            });
            let subject = subject.unwrap_or_default();
            let words = ["XADD", results, "*", "subject", &subject, "version", &started];
            answers.push(&words.map(str::as_bytes));
            answers.push(&["XACK", source, GROUP, &id.text()].map(str::as_bytes));
        }
        answers.send()?;
        for _ in entries {
            answers.skip()?;
            answers.skip()?;
        }
    }
    Ok(())
}
