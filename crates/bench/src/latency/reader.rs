//! Waits for results and notes when each was there.
//!
//! A thread with a connection of its own. It tells the writer how many came.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use crate::clock::wall_ns;
use crate::error::Error;
use crate::load::index_of;
use crate::wire::{Reply, Wire};

/// What stands before the time in a result's data.
const VERSION: &[u8] = br#""version":""#;

/// One result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    /// The number of the entry that it answers.
    pub(super) index: u64,
    /// When its handler was started, where the result says so.
    pub(super) started_ns: Option<u64>,
    /// When it was read.
    pub(super) visible_ns: u64,
}

/// A thread that reads results.
pub(super) struct Reader {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<io::Result<Vec<Answer>>>>,
}

impl Reader {
    pub(super) fn start(wire: Wire, results: String, answered: Arc<AtomicU64>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::spawn(move || read(wire, &results, &answered, &told));
        Self { stop, thread: Some(thread) }
    }

    /// Ends the thread; everything that it read.
    pub(super) fn stop(mut self) -> Result<Vec<Answer>, Error> {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        let answers =
            ended.and_then(Result::ok).unwrap_or_else(|| Err(io::Error::other("it panicked")));
        answers.map_err(Error::io("the reader of results failed"))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _joined = self.thread.take().is_none_or(|thread| thread.join().is_ok());
    }
}

fn read(
    mut wire: Wire,
    results: &str,
    answered: &AtomicU64,
    stop: &AtomicBool,
) -> io::Result<Vec<Answer>> {
    let (mut answers, mut last) = (Vec::new(), "0-0".to_owned());
    while !stop.load(Ordering::Relaxed) {
        let reply =
            wire.ask(&["XREAD", "COUNT", "1000", "BLOCK", "50", "STREAMS", results, &last])?;
        let visible_ns = wall_ns();
        let stream = reply.items().first().map(Reply::items).unwrap_or_default();
        let entries = stream.get(1).map(Reply::items).unwrap_or_default();
        for entry in entries {
            let [id, fields] = entry.items() else { continue };
            last = id.text();
            if let Some(answer) = answer(fields.items(), visible_ns) {
                answers.push(answer);
            }
        }
        answered.fetch_add(u64::try_from(entries.len()).unwrap_or(0), Ordering::Relaxed);
    }
    Ok(answers)
}

/// Understands a result: a hop's, the bare reader's or the validator's.
fn answer(fields: &[Reply], visible_ns: u64) -> Option<Answer> {
    let (mut index, mut started_ns) = (None, None);
    for pair in fields.chunks_exact(2) {
        let [Reply::Bytes(name), Reply::Bytes(value)] = pair else { continue };
        match name.as_slice() {
            b"subject" => index = index_of(value),
            b"version" => started_ns = number(value),
            b"data" => started_ns = started_in(value),
            _ => {}
        }
    }
    // A version of a deployment is no time.
    let started_ns = started_ns.filter(|at| *at > 1 << 50);
    Some(Answer { index: index?, started_ns, visible_ns })
}

fn started_in(data: &[u8]) -> Option<u64> {
    let at = data.windows(VERSION.len()).position(|window| window == VERSION)?;
    number(data.get(at + VERSION.len()..)?.split(|byte| *byte == b'"').next()?)
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_says_which_entry_it_answers_and_when_its_handler_started() {
        let fields = |words: &[&str]| -> Vec<Reply> {
            words.iter().map(|word| Reply::Bytes(word.as_bytes().to_vec())).collect()
        };
        let at = |words: &[&str]| answer(&fields(words), 9).map(|it| (it.index, it.started_ns));
        let data = r#"{"deployment_id":"b7","version":"1700000000000000000"}"#;
        let hop = ["id", "x", "subject", "b7", "data", data];
        assert_eq!(at(&hop), Some((7, Some(1_700_000_000_000_000_000))));
        let bare = ["subject", "b8", "version", "1700000000000000001"];
        assert_eq!(at(&bare), Some((8, Some(1_700_000_000_000_000_001))));
        let validator = ["subject", "b9", "data", r#"{"version":"2.4.0"}"#];
        assert_eq!(at(&validator), Some((9, None)));
        assert_eq!(at(&["id", "x"]), None);
    }
}
