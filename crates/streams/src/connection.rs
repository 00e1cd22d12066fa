//! Connections to the server that has our keys: found, kept, and left when it is the wrong one.
//!
//! Every owner of a loop keeps a [`Session`]; the fetcher opens a [`Reader`]. Both talk to one
//! server, whether it stands in the address, or sentinels or a cluster's nodes say where it is.
//! Nothing here repeats a command by itself.

mod address;
mod bus;
mod find;
mod node;
mod place;
mod reader;
mod session;
mod tls;
mod trouble;
mod wire;

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use deadpool_redis::Connection;
use redis::RedisError;
use redis::aio::MultiplexedConnection;

use self::address::{Address, Route};
use self::find::{Role, Search, role, role_question, role_told};
use self::node::{Fault, Node};
use self::place::Place;
use self::trouble::Trouble;
use self::wire::Wire;
use crate::error::{Error, ErrorKind};
use crate::keys::Keys;

pub use self::bus::{Bus, Durability};
pub use self::reader::Reader;
pub use self::session::Session;
pub use self::tls::TlsFiles;

/// Replies in a row that may fail to come before the server is looked for again.
const MOST_TIMEOUTS: u32 = 2;

/// The server that has one partition's keys, as this process sees it. Cheap to clone.
#[derive(Clone)]
pub struct Redis {
    shared: Arc<Shared>,
}

struct Shared {
    address: Address,
    /// The key whose owner is looked for in a cluster; none is any node.
    key: Option<String>,
    command_timeout: Duration,
    durability: Option<Durability>,
    /// Grows when the server is looked for again; connections of earlier findings are not used.
    epoch: AtomicU64,
    /// Replies in a row that did not come.
    timeouts: AtomicU32,
    found: Mutex<Found>,
    /// Held by whoever looks for the server, so that the others wait instead of looking as well.
    search: tokio::sync::Mutex<()>,
}

/// What is known about where the server is; written by searches and by what replies tell.
struct Found {
    node: Option<Arc<Node>>,
    /// Whom to ask first: nodes of the cluster or sentinels.
    known: Vec<Place>,
    /// Whether a node has said that the keys are somewhere else: then it is a cluster.
    clustered: bool,
    /// Where the server was before, for the one line that says that it moved.
    before: Option<Place>,
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Redis({})", self.shared.address.shown)
    }
}

impl Redis {
    /// Reads an address and its files; connects to nothing yet.
    ///
    /// # Shapes and units
    /// `bus`: a URL, or one with TLS files and durability. `redis://`, `rediss://` (TLS),
    /// `redis+unix://<path>`, `redis+cluster://<host:port>,…`, `redis+sentinel://<host:port>,…/<master>`,
    /// and the last two with `rediss+`; user and password stand before the hosts as usual, those of
    /// the sentinels behind them as `?sentinel_username=…&sentinel_password=…`.
    /// `command_timeout`: how long a short command may take before its outcome counts as unknown.
    /// # Errors
    /// [`ErrorKind::Refused`]: what is wrong with the address or a file; the address is not
    /// repeated.
    pub fn try_new(bus: impl Into<Bus>, command_timeout: Duration) -> Result<Self, Error> {
        let bus = bus.into();
        let address = Address::read(&bus)?;
        let durability = bus.durability.filter(Durability::asks_for_something);
        Ok(Self::of(address, None, command_timeout, durability))
    }

    /// The server that has `keys`, with a pool of its own.
    ///
    /// # Errors
    /// As [`Redis::try_new`].
    pub fn holding(&self, keys: &Keys) -> Result<Self, Error> {
        let shared = &self.shared;
        let key = Some(keys.instances());
        Ok(Self::of(shared.address.clone(), key, shared.command_timeout, shared.durability))
    }

    fn of(
        address: Address,
        key: Option<String>,
        command_timeout: Duration,
        durability: Option<Durability>,
    ) -> Self {
        let known = match &address.route {
            Route::Fixed => Vec::new(),
            Route::Cluster(seeds) => seeds.clone(),
            Route::Sentinel { sentinels, .. } => sentinels.clone(),
        };
        let found = Found { node: None, known, clustered: false, before: None };
        Self {
            shared: Arc::new(Shared {
                address,
                key,
                command_timeout,
                durability,
                epoch: AtomicU64::new(0),
                timeouts: AtomicU32::new(0),
                found: Mutex::new(found),
                search: tokio::sync::Mutex::default(),
            }),
        }
    }

    /// Host and port, the socket's path, or whom to ask; carries no credentials.
    pub fn address(&self) -> &str {
        &self.shared.address.shown
    }

    /// What a person should be told about the address whenever a process starts.
    pub fn warnings(&self) -> &[String] {
        &self.shared.address.warnings
    }

    /// How far a write must come before it counts as confirmed; none is the server's word.
    pub fn durability(&self) -> Option<Durability> {
        self.shared.durability
    }

    /// How long a short command may take.
    pub fn command_timeout(&self) -> Duration {
        self.shared.command_timeout
    }

    /// Opens a session; it connects when it is first used.
    pub fn session(&self) -> Session {
        Session::new(self.clone())
    }

    /// Opens a connection of its own for reads that block up to `block`.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] or [`ErrorKind::Unknown`]: no connection was made.
    /// # Redis
    /// `CLIENT ID`, so that a blocked read can be ended from outside.
    pub async fn reader(&self, block: Duration) -> Result<Reader, Error> {
        Reader::open(self, block).await
    }

    /// A pooled connection to the server, and which one that is.
    async fn connect(&self) -> Result<(Arc<Node>, Connection), Error> {
        let node = self.node().await?;
        let mut connection = match node.connect().await {
            Ok(connection) => connection,
            Err((error, fault)) => return Err(self.blame(&node, error, fault)),
        };
        self.make_sure(&node, role(&mut connection)).await?;
        Ok((node, connection))
    }

    /// A bare connection to the server; see [`Redis::is_wired`].
    async fn wire(&self) -> Result<(Arc<Node>, Wire), Error> {
        let node = self.node().await?;
        let mut wire = match node.wire().await {
            Ok(wire) => wire,
            Err((error, fault)) => return Err(self.blame(&node, error, fault)),
        };
        let asked = async { role_told(wire.ask(&role_question().get_packed_command()).await) };
        self.make_sure(&node, asked).await?;
        Ok((node, wire))
    }

    /// Whether scripts and reads go over bare connections: wherever there is no TLS.
    fn is_wired(&self) -> bool {
        self.shared.address.is_plain()
    }

    /// A connection outside of the pool, whose replies may take so long.
    async fn dial(&self, response: Duration) -> Result<(Arc<Node>, MultiplexedConnection), Error> {
        let node = self.node().await?;
        let mut connection = match node.dial(response).await {
            Ok(connection) => connection,
            Err(error) => {
                let away = error.kind == ErrorKind::Unavailable;
                let fault = if away { Fault::Server } else { Fault::Ours };
                return Err(self.blame(&node, error, fault));
            }
        };
        self.make_sure(&node, role(&mut connection)).await?;
        Ok((node, connection))
    }

    /// A server that does not answer is looked for elsewhere, if there is an elsewhere.
    fn blame(&self, node: &Node, error: Error, fault: Fault) -> Error {
        let elsewhere = match &self.shared.address.route {
            Route::Fixed => self.found().clustered,
            Route::Cluster(_) | Route::Sentinel { .. } => true,
        };
        if elsewhere && fault == Fault::Server {
            self.leave(node, None, &error.code);
        }
        error
    }

    /// Behind sentinels a master may come back as a replica, which would take a blocked read and
    /// never end it.
    async fn make_sure(
        &self,
        node: &Node,
        asked: impl Future<Output = Result<Role, Error>>,
    ) -> Result<(), Error> {
        let Route::Sentinel { .. } = &self.shared.address.route else { return Ok(()) };
        match asked.await? {
            Role::Master => Ok(()),
            Role::Other(role) => {
                let why = format!("the server has become a {role}");
                self.leave(node, None, &why);
                Err(Error::new(ErrorKind::Unavailable, "connect", "", why))
            }
        }
    }

    /// The server, looked for where none is known.
    async fn node(&self) -> Result<Arc<Node>, Error> {
        if let Some(node) = self.found().node.clone() {
            return Ok(node);
        }
        let _alone = self.shared.search.lock().await;
        if let Some(node) = self.found().node.clone() {
            return Ok(node);
        }
        let place = self.look().await?;
        let info = self.shared.address.server_at(place.as_ref());
        let epoch = self.shared.epoch.load(Ordering::Acquire);
        let timeout = self.shared.command_timeout;
        let node = Arc::new(Node::try_new(info, place.clone(), epoch, timeout)?);
        let mut found = self.found();
        if let (Some(place), Some(before)) = (&place, &found.before)
            && place != before
        {
            tracing::info!(%before, now = %place, "Redis has moved");
        }
        found.before = place;
        found.node = Some(Arc::clone(&node));
        Ok(node)
    }

    /// Where the server is; none where the address says it all.
    async fn look(&self) -> Result<Option<Place>, Error> {
        let shared = &self.shared;
        let (mut known, clustered) = {
            let found = self.found();
            (found.known.clone(), found.clustered)
        };
        let search = Search {
            address: &shared.address,
            key: shared.key.as_deref(),
            timeout: shared.command_timeout,
        };
        let place = match &shared.address.route {
            Route::Fixed if !clustered => return Ok(shared.address.place()),
            Route::Fixed | Route::Cluster(_) => search.owner(&mut known).await,
            Route::Sentinel { master, .. } => search.master(&mut known, master).await,
        };
        self.found().known = known;
        place.map(Some)
    }

    /// Whether connections to this node may still be used.
    fn uses(&self, node: &Node) -> bool {
        node.epoch == self.shared.epoch.load(Ordering::Acquire)
    }

    /// Learns from a reply whether this is still the right server.
    fn observe<T>(&self, node: &Node, reply: &Result<T, RedisError>) {
        let timeouts = &self.shared.timeouts;
        let Err(error) = reply else {
            if timeouts.load(Ordering::Relaxed) > 0 {
                timeouts.store(0, Ordering::Relaxed);
            }
            return;
        };
        match Trouble::of(error) {
            Trouble::Moved(told) => {
                let place = Place::told(told, node.place.as_ref());
                self.leave(node, place, "the keys are on another node");
            }
            Trouble::Demoted => self.leave(node, None, error.code().unwrap_or_default()),
            Trouble::Silent => {
                if timeouts.fetch_add(1, Ordering::Relaxed) + 1 >= MOST_TIMEOUTS {
                    self.leave(node, None, "no replies in time");
                }
            }
            Trouble::Other => {}
        }
    }

    /// Gives a server up with all connections to it; whoever comes next looks for it again, first
    /// at `hint`. Does nothing when that has happened already.
    fn leave(&self, node: &Node, hint: Option<Place>, why: &str) {
        let mut found = self.found();
        if found.node.as_ref().is_none_or(|current| current.epoch != node.epoch) {
            return;
        }
        found.node = None;
        let sentinels = matches!(self.shared.address.route, Route::Sentinel { .. });
        if let Some(hint) = hint.filter(|_| !sentinels) {
            found.clustered = true;
            let base = self.shared.address.place().filter(|_| found.known.is_empty());
            found.known.extend(base);
            found.known.retain(|other| *other != hint);
            found.known.insert(0, hint);
        }
        self.shared.epoch.fetch_add(1, Ordering::AcqRel);
        self.shared.timeouts.store(0, Ordering::Relaxed);
        node.close();
        tracing::debug!(why, redis = self.address(), "the server is looked for again");
    }

    fn found(&self) -> MutexGuard<'_, Found> {
        // Nobody panics while holding it; a poisoned one would still be whole.
        self.shared.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
