//! Hears what a child says about itself, by the `sd_notify` protocol on a socket of its own.
//!
//! One socket per start of a child, in a directory that only this user may enter; its path is the
//! child's `NOTIFY_SOCKET`. It never talks back, and a datagram it does not understand is ignored.
//!
//! Source: `sd_notify(3)`, <https://www.freedesktop.org/software/systemd/man/sd_notify.html>.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tokio::net::UnixDatagram;

/// Longest `STATUS=` text that is kept, in characters; it is shown on one line.
const STATUS_LIMIT: usize = 200;
/// Longest datagram that is read, in bytes; systemd's own limit is of this size.
const DATAGRAM_LIMIT: usize = 4096;

/// One thing that a child said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notice {
    /// It does its job from now on.
    Ready,
    /// It takes no more work.
    Stopping,
    /// It is alive; restarts the watchdog's clock.
    Alive,
    /// What it is doing, for people.
    Status(String),
    /// Where its own `/health`, `/ready` and `/metrics` are served.
    Http(SocketAddr),
}

/// Reads one datagram: lines of `NAME=value`, of which unknown and broken ones are passed over.
pub(crate) fn parse(datagram: &[u8]) -> Vec<Notice> {
    String::from_utf8_lossy(datagram).lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Notice> {
    match line.split_once('=')? {
        ("READY", "1") => Some(Notice::Ready),
        ("STOPPING", "1") => Some(Notice::Stopping),
        ("WATCHDOG", "1") => Some(Notice::Alive),
        ("STATUS", text) => Some(Notice::Status(printable(text))),
        ("X_PRINTERY_HTTP", address) => address.parse().ok().map(Notice::Http),
        _ => None,
    }
}

/// Keeps a child's text from moving a terminal's cursor or filling a page.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(STATUS_LIMIT).collect()
}

/// The manager's end of one child's notify socket; the file goes when this is dropped.
#[derive(Debug)]
pub(crate) struct NotifySocket {
    socket: UnixDatagram,
    path: PathBuf,
}

impl NotifySocket {
    /// Binds `<directory>/<name>.sock`.
    pub(crate) fn bind(directory: &Path, name: &str) -> io::Result<Self> {
        let path = directory.join(format!("{name}.sock"));
        Ok(Self { socket: UnixDatagram::bind(&path)?, path })
    }

    /// The value of the child's `NOTIFY_SOCKET`.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for the next datagram.
    ///
    /// # Cancel safety
    /// Cancel safe: a datagram is either returned or still in the socket.
    pub(crate) async fn receive(&self) -> io::Result<Vec<Notice>> {
        let mut buffer = [0_u8; DATAGRAM_LIMIT];
        let length = self.socket.recv(&mut buffer).await?;
        Ok(parse(buffer.get(..length).unwrap_or_default()))
    }

    /// Takes what has already arrived, without waiting.
    pub(crate) fn rest(&self) -> Vec<Notice> {
        let mut buffer = [0_u8; DATAGRAM_LIMIT];
        let mut notices = Vec::new();
        while let Ok(length) = self.socket.try_recv(&mut buffer) {
            notices.extend(parse(buffer.get(..length).unwrap_or_default()));
        }
        notices
    }
}

impl Drop for NotifySocket {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(path = %self.path.display(), %error, "notify socket not removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_line_says_one_thing() {
        let table: [(&[u8], Vec<Notice>); 9] = [
            (b"READY=1", vec![Notice::Ready]),
            (b"READY=0", vec![]),
            (b"STOPPING=1\n", vec![Notice::Stopping]),
            (
                b"WATCHDOG=1\nSTATUS=2 running\n",
                vec![Notice::Alive, Notice::Status("2 running".to_owned())],
            ),
            (b"STATUS=a=b\x1b[2J", vec![Notice::Status("a=b[2J".to_owned())]),
            (
                b"X_PRINTERY_HTTP=127.0.0.1:4711",
                vec![Notice::Http(SocketAddr::from(([127, 0, 0, 1], 4711)))],
            ),
            (b"X_PRINTERY_HTTP=somewhere", vec![]),
            (b"MAINPID=4\nFDSTORE=1\nnonsense\n=\n", vec![]),
            (b"\xff\xfe\nREADY=1", vec![Notice::Ready]),
        ];
        for (datagram, expected) in table {
            assert_eq!(parse(datagram), expected, "{}", String::from_utf8_lossy(datagram));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_read(datagram in proptest::collection::vec(any::<u8>(), 0..600)) {
            for notice in parse(&datagram) {
                if let Notice::Status(text) = notice {
                    prop_assert!(text.chars().count() <= STATUS_LIMIT);
                    prop_assert!(!text.contains(char::is_control));
                }
            }
        }
    }

    #[tokio::test]
    async fn a_datagram_sent_to_the_path_is_received_and_the_file_goes() {
        let directory = tempfile::tempdir().unwrap();
        let socket = NotifySocket::bind(directory.path(), "validator.1").unwrap();
        let path = socket.path().to_owned();
        let child = std::os::unix::net::UnixDatagram::unbound().unwrap();
        child.send_to(b"READY=1\nWATCHDOG=1\n", &path).unwrap();
        assert_eq!(socket.receive().await.unwrap(), [Notice::Ready, Notice::Alive]);
        child.send_to(b"STOPPING=1\n", &path).unwrap();
        socket.socket.readable().await.unwrap();
        assert_eq!(socket.rest(), [Notice::Stopping]);
        drop(socket);
        assert!(!path.exists());
    }
}
