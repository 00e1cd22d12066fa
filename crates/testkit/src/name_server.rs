//! A real name server under a test's control.
//!
//! Owns one `dnsmasq` on a loopback port that knows only what the test tells it; called by tests of the DNS probe. It never
//! forwards a question.

use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::eventually::eventually;
use crate::process::Process;
use crate::redis_server::free_port;

/// How long it may take to listen; a loaded machine is slow. 60 s.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long one question waits for its answer. 200 ms.
const ANSWER: Duration = Duration::from_millis(200);

/// A question for the address of `ready.test`, which every server of a test knows: header, name, type A, class IN.
const QUESTION: &[u8] =
    b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x05ready\x04test\x00\x00\x01\x00\x01";

/// A running name server; it stops when dropped.
#[derive(Debug)]
pub struct NameServer {
    port: u16,
    _process: Process,
}

impl NameServer {
    /// Starts a server with records as dnsmasq's options say them: `--address=/a.test/127.0.0.1`.
    pub async fn start(records: &[String]) -> Self {
        let port = free_port();
        let own = [
            "--no-daemon".to_owned(),
            "--no-resolv".to_owned(),
            "--no-hosts".to_owned(),
            "--conf-file=/dev/null".to_owned(),
            "--pid-file=".to_owned(),
            "--user=".to_owned(),
            "--bind-interfaces".to_owned(),
            "--listen-address=127.0.0.1".to_owned(),
            "--local=/test/".to_owned(),
            "--address=/ready.test/127.0.0.1".to_owned(),
            format!("--port={port}"),
        ];
        let process = Process::of(&program()).args(own).args(records).start();
        eventually("the name server answers", PATIENCE, async || {
            if answers(port) { Ok(()) } else { Err(process.report()) }
        })
        .await;
        Self { port, _process: process }
    }

    /// Returns its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }
}

fn answers(port: u16) -> bool {
    let ask = || -> std::io::Result<usize> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_read_timeout(Some(ANSWER))?;
        socket.connect(("127.0.0.1", port))?;
        socket.send(QUESTION)?;
        socket.recv(&mut [0; 512])
    };
    ask().is_ok()
}

/// Debian keeps it where only administrators look.
fn program() -> PathBuf {
    let known = Path::new("/usr/sbin/dnsmasq");
    if known.is_file() { known.to_owned() } else { PathBuf::from("dnsmasq") }
}
