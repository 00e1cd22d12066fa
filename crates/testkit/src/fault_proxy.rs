//! A proxy in front of Redis that breaks the connection in chosen ways.
//!
//! Owns the listener, the connections through it and the fault of the moment; called by tests that prove what a broken network costs.
//! It never changes a byte: it forwards, holds back, or drops.

use std::future::pending;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::eventually::eventually;
use crate::redis_server::RedisServer;

/// The most that is forwarded in one step; a whole request of a worker fits, so that it can be recognised. 1 MiB.
const CHUNK: usize = 1 << 20;

/// How long closing connections may take; nothing is waited for but the scheduler. 5 s.
const CLOSED_WITHIN: Duration = Duration::from_secs(5);

/// The fault of the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Forwards everything.
    Pass,
    /// Closes every connection, and every new one at once.
    Cut,
    /// Breaks every connection off with a reset, and every new one at once.
    Reset,
    /// Keeps connections open and forwards nothing in either direction.
    Stall,
    /// Forwards every chunk after a pause.
    Delay(Duration),
    /// Forwards no more than so many bytes a second in each direction of each connection.
    Trickle {
        /// Bytes a second.
        bytes_per_second: u32,
    },
}

/// What went through the proxy so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// Connections accepted.
    pub connections: u64,
    /// Connections that are open now.
    pub open: u64,
    /// Bytes forwarded to Redis.
    pub to_redis: u64,
    /// Bytes forwarded to clients.
    pub to_clients: u64,
    /// Replies that were dropped.
    pub swallowed: u64,
    /// Requests that are held back now.
    pub held: u64,
}

#[derive(Debug)]
struct Shared {
    upstream: Mutex<PathBuf>,
    mode: watch::Sender<Mode>,
    /// How often the connections of the moment were forgotten.
    forgotten: watch::Sender<u64>,
    /// All of these texts in one request arm the swallowing of its reply; taken by the request that matches.
    swallow: Mutex<Option<Vec<Vec<u8>>>>,
    /// The same for holding a request back.
    hold: Mutex<Option<Vec<Vec<u8>>>>,
    /// How often what was held back was let go.
    let_go: watch::Sender<u64>,
    connections: AtomicU64,
    open: AtomicU64,
    to_redis: AtomicU64,
    to_clients: AtomicU64,
    swallowed: AtomicU64,
    held: AtomicU64,
}

/// A proxy on a loopback port; it closes everything when dropped.
#[derive(Debug)]
pub struct FaultProxy {
    addr: SocketAddr,
    shared: Arc<Shared>,
    _accepting: JoinSet<()>,
}

impl FaultProxy {
    /// Starts a proxy in front of the server; it passes everything until told otherwise.
    pub async fn start(server: &RedisServer) -> Self {
        Self::in_front_of(server.socket()).await
    }

    /// Starts a proxy in front of a unix socket.
    pub async fn in_front_of(socket: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let addr = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(Shared {
            upstream: Mutex::new(socket.to_owned()),
            mode: watch::Sender::new(Mode::Pass),
            forgotten: watch::Sender::new(0),
            swallow: Mutex::new(None),
            hold: Mutex::new(None),
            let_go: watch::Sender::new(0),
            connections: AtomicU64::new(0),
            open: AtomicU64::new(0),
            to_redis: AtomicU64::new(0),
            to_clients: AtomicU64::new(0),
            swallowed: AtomicU64::new(0),
            held: AtomicU64::new(0),
        });
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, Arc::clone(&shared)));
        Self { addr, shared, _accepting: accepting }
    }

    /// Returns the proxy's address as a Redis URL.
    pub fn url(&self) -> String {
        format!("redis://{}", self.addr)
    }

    /// Leads later connections to another server, as an address does that moves; those there are stay where they are.
    pub fn move_to(&self, server: &RedisServer) {
        server.socket().clone_into(&mut self.shared.upstream.lock().expect("no holder panics"));
    }

    /// Changes the fault of the moment.
    pub fn set(&self, mode: Mode) {
        self.shared.mode.send_replace(mode);
    }

    /// Closes every connection there is; later ones pass.
    pub async fn cut_once(&self) {
        self.break_once(Mode::Cut).await;
    }

    /// Breaks off every connection there is with a reset; later ones pass.
    pub async fn reset_once(&self) {
        self.break_once(Mode::Reset).await;
    }

    /// Makes every connection there is half open: Redis sees it closed, its client hears nothing any more. Later ones pass.
    pub fn forget_once(&self) {
        self.shared.forgotten.send_modify(|times| *times += 1);
    }

    async fn break_once(&self, mode: Mode) {
        self.set(mode);
        eventually("every connection is closed", CLOSED_WITHIN, async || {
            let open = self.traffic().open;
            if open == 0 { Ok(()) } else { Err(open) }
        })
        .await;
        self.set(Mode::Pass);
    }

    /// Forwards the next request, drops its reply and closes that connection.
    pub fn swallow_next_reply(&self) {
        self.swallow_reply_to(&[]);
    }

    /// Does the same to the next request that contains all of these texts.
    pub fn swallow_reply_to(&self, texts: &[&str]) {
        *self.shared.swallow.lock().expect("no holder panics") = Some(bait(texts));
    }

    /// Holds the next request back that contains all of these texts, and whatever follows it on its connection.
    pub fn hold_request(&self, texts: &[&str]) {
        *self.shared.hold.lock().expect("no holder panics") = Some(bait(texts));
    }

    /// Lets go of what is held back: it reaches Redis even when its client has given up long ago.
    pub fn let_go(&self) {
        self.shared.let_go.send_modify(|times| *times += 1);
    }

    /// Returns what went through so far.
    pub fn traffic(&self) -> Traffic {
        Traffic {
            connections: self.shared.connections.load(Ordering::SeqCst),
            open: self.shared.open.load(Ordering::SeqCst),
            to_redis: self.shared.to_redis.load(Ordering::SeqCst),
            to_clients: self.shared.to_clients.load(Ordering::SeqCst),
            swallowed: self.shared.swallowed.load(Ordering::SeqCst),
            held: self.shared.held.load(Ordering::SeqCst),
        }
    }
}

fn bait(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// Takes the bait when this request matches it.
fn takes(armed: &Mutex<Option<Vec<Vec<u8>>>>, request: &[u8]) -> bool {
    let mut armed = armed.lock().expect("no holder panics");
    armed.take_if(|texts| texts.iter().all(|text| contains(request, text))).is_some()
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    text.is_empty() || bytes.windows(text.len()).any(|window| window == text)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        shared.connections.fetch_add(1, Ordering::SeqCst);
        connections.spawn(carry(client, Arc::clone(&shared)));
    }
}

/// Counts a connection as open, or a request as held, while it lives.
struct Open<'a>(&'a AtomicU64);

impl<'a> Open<'a> {
    fn count(open: &'a AtomicU64) -> Self {
        open.fetch_add(1, Ordering::SeqCst);
        Self(open)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Carries one connection until either side closes it or a fault does.
async fn carry(mut client: TcpStream, shared: Arc<Shared>) {
    let _open = Open::count(&shared.open);
    if forward_both(&mut client, &shared).await == Close::Silently {
        // The client finds out by itself: it is only listened to.
        let mut ignored = vec![0; CHUNK];
        while let Ok(1..) = client.read(&mut ignored).await {}
        return;
    }
    if *shared.mode.borrow() == Mode::Reset {
        // With nothing to wait for, closing resets.
        set_socket_linger(&client, Some(Duration::ZERO)).ok();
    }
}

/// How the client learns that its connection is over.
#[derive(PartialEq, Eq)]
enum Close {
    Openly,
    Silently,
}

/// Forwards until a side closes or a fault ends it; the connection to Redis is closed with that.
async fn forward_both(client: &mut TcpStream, shared: &Shared) -> Close {
    let mut mode = shared.mode.subscribe();
    let mut forgotten = shared.forgotten.subscribe();
    let breaks = |mode: &Mode| matches!(mode, Mode::Cut | Mode::Reset);
    if breaks(&mode.borrow()) {
        return Close::Openly;
    }
    let upstream = shared.upstream.lock().expect("no holder panics").clone();
    let Ok(upstream) = UnixStream::connect(upstream).await else { return Close::Openly };
    let (from_client, to_client) = client.split();
    let (from_redis, to_redis) = upstream.into_split();
    let swallowing = AtomicBool::new(false);
    let requests = async {
        pump(from_client, to_redis, shared, &shared.to_redis, |request| {
            if takes(&shared.swallow, request) {
                swallowing.store(true, Ordering::SeqCst);
            }
            if takes(&shared.hold, request) { Verdict::Hold } else { Verdict::Forward }
        })
        .await;
    };
    let replies = async {
        pump(from_redis, to_client, shared, &shared.to_clients, |_| {
            if swallowing.load(Ordering::SeqCst) {
                shared.swallowed.fetch_add(1, Ordering::SeqCst);
                Verdict::Close
            } else {
                Verdict::Forward
            }
        })
        .await;
    };
    let cut = async {
        if mode.wait_for(breaks).await.is_err() {
            pending::<()>().await;
        }
    };
    let forgetting = async {
        if forgotten.changed().await.is_err() {
            pending::<()>().await;
        }
    };
    tokio::select! {
        () = requests => Close::Openly,
        () = replies => Close::Openly,
        () = cut => Close::Openly,
        () = forgetting => Close::Silently,
    }
}

/// What happens to one chunk.
enum Verdict {
    Forward,
    Hold,
    Close,
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    shared: &Shared,
    counter: &AtomicU64,
    judge: impl Fn(&[u8]) -> Verdict,
) {
    let mut mode = shared.mode.subscribe();
    let mut buffer = vec![0; CHUNK];
    loop {
        let Ok(length @ 1..) = from.read(&mut buffer).await else { return };
        let chunk = buffer.get(..length).unwrap_or_default();
        if mode.wait_for(|mode| *mode != Mode::Stall).await.is_err() {
            return;
        }
        match judge(chunk) {
            Verdict::Close => return,
            Verdict::Hold => {
                let mut let_go = shared.let_go.subscribe();
                let _held = Open::count(&shared.held);
                if let_go.changed().await.is_err() {
                    return;
                }
            }
            Verdict::Forward => {}
        }
        if forward(chunk, &mut to, &mode).await.is_err() {
            return;
        }
        counter.fetch_add(length as u64, Ordering::SeqCst);
    }
}

async fn forward(
    chunk: &[u8],
    to: &mut (impl AsyncWrite + Unpin),
    mode: &watch::Receiver<Mode>,
) -> std::io::Result<()> {
    let mode = *mode.borrow();
    match mode {
        Mode::Pass | Mode::Cut | Mode::Reset | Mode::Stall => to.write_all(chunk).await,
        Mode::Delay(pause) => {
            sleep(pause).await;
            to.write_all(chunk).await
        }
        Mode::Trickle { bytes_per_second } => {
            // Ten steps a second: slow as a whole, yet never silent for long.
            let step = (bytes_per_second / 10).max(1) as usize;
            for piece in chunk.chunks(step) {
                to.write_all(piece).await?;
                sleep(Duration::from_millis(100)).await;
            }
            Ok(())
        }
    }
}
