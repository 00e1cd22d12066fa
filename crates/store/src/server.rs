//! Answers over a unix socket, one line for one line.

use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::database::Database;
use crate::mirror::Mirror;
use crate::questions;

/// Connections at once: a manager keeps one for each question that is open.
const MOST: usize = 32;
/// Longest question, in bytes: one names every stream of a worker in every partition.
const LONGEST: u64 = 1 << 18;

/// Takes the socket; the lock says that whoever had it is gone.
pub(crate) fn bind(socket: &Path) -> Result<UnixListener, String> {
    if let Err(error) = std::fs::remove_file(socket) {
        tracing::debug!(%error, "no socket was left behind");
    }
    UnixListener::bind(socket).map_err(|error| format!("{}: {error}", socket.display()))
}

/// Answers until it is dropped.
pub(crate) async fn answer<D: Database>(listener: UnixListener, mirror: Arc<Mutex<Mirror<D>>>) {
    let mut open = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                open.spawn(converse(stream, Arc::clone(&mirror)));
            }
            Err(error) => {
                tracing::warn!(%error, "nobody could be listened to");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
        while open.try_join_next().is_some() || open.len() >= MOST {
            if open.len() >= MOST {
                open.join_next().await;
            }
        }
    }
}

async fn converse<D: Database>(stream: UnixStream, mirror: Arc<Mutex<Mirror<D>>>) {
    let (reading, mut writing) = stream.into_split();
    let mut reading = BufReader::new(reading.take(LONGEST));
    loop {
        let mut line = String::new();
        match reading.read_line(&mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => reading.get_mut().set_limit(LONGEST),
        }
        let mut answer = questions::answer(&mut *mirror.lock().await, &line).await.to_string();
        answer.push('\n');
        if writing.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}
