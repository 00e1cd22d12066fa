//! A private Redis Cluster of one test: three masters on loopback ports.
//!
//! Owns the servers and who has which slots; kills and starts nodes, and moves slots between them; called by tests of clusters.
//! Each node also has its own unix socket, through which tests look past everything the cluster does.

use std::time::Duration;

use redis::Value;

use crate::connection::{Connection, as_list, as_text};
use crate::eventually::eventually;
use crate::redis_server::{RedisOptions, RedisServer, free_port};

/// How long three nodes may take to agree; a loaded machine gossips slowly.
const WHOLE_WITHIN: Duration = Duration::from_secs(30);

/// Slots of every cluster.
const SLOTS: usize = 16384;

/// Masters.
const NODES: usize = 3;

/// Three masters that share all slots; killed when dropped.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
    ids: Vec<String>,
    scheme: &'static str,
}

impl RedisCluster {
    /// Starts three masters that lose nothing when they are killed, and waits until they agree.
    pub async fn start() -> Self {
        Self::of(RedisOptions::with_tcp, "redis+cluster").await
    }

    /// Starts them with more options; `scheme` is that of the cluster's address.
    pub async fn of(more: impl Fn(RedisOptions) -> RedisOptions, scheme: &'static str) -> Self {
        let mut nodes = Vec::new();
        for _ in 0..NODES {
            let options = RedisServer::options()
                .append_only()
                .arg("--cluster-enabled", "yes")
                .arg("--cluster-config-file", "nodes.conf")
                .arg("--cluster-node-timeout", "3000")
                .arg("--cluster-port", &free_port().to_string());
            nodes.push(more(options).start().await);
        }
        let mut ids = Vec::new();
        for (index, node) in nodes.iter().enumerate() {
            let db = node.connect().await;
            let (first, last) = (SLOTS * index / NODES, SLOTS * (index + 1) / NODES - 1);
            db.cmd(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()]).await;
            db.cmd(&["CLUSTER", "SET-CONFIG-EPOCH", &(index + 1).to_string()]).await;
            ids.push(db.text(&["CLUSTER", "MYID"]).await.unwrap_or_default());
        }
        let cluster = Self { nodes, ids, scheme };
        cluster.introduce().await;
        cluster.wait_until_whole().await;
        cluster
    }

    /// Lets the first node know the others; gossip does the rest.
    async fn introduce(&self) {
        let (first, others) = self.nodes.split_first().expect("a cluster has nodes");
        let db = first.connect().await;
        for other in others {
            let bus = setting(&other.connect().await, "cluster-port").await;
            let port = other.cluster_client_port();
            db.cmd(&["CLUSTER", "MEET", "127.0.0.1", &port.to_string(), &bus]).await;
        }
    }

    /// Waits until every node says that every slot is served.
    pub async fn wait_until_whole(&self) {
        eventually("the cluster is whole", WHOLE_WITHIN, async || {
            for node in &self.nodes {
                let state = node.connect().await.text(&["CLUSTER", "INFO"]).await;
                let state = state.unwrap_or_default();
                let known = format!("cluster_known_nodes:{NODES}");
                if !(state.contains("cluster_state:ok") && state.contains(&known)) {
                    return Err(state);
                }
            }
            Ok(())
        })
        .await;
    }

    /// Returns the cluster's address, with all nodes in it.
    pub fn url(&self) -> String {
        let hosts =
            self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.cluster_client_port()));
        format!("{}://{}", self.scheme, hosts.collect::<Vec<_>>().join(","))
    }

    /// Returns one of the three nodes.
    pub fn node(&self, index: usize) -> &RedisServer {
        self.nodes.get(index).expect("one of three nodes")
    }

    fn id(&self, index: usize) -> &str {
        self.ids.get(index).expect("one of three nodes")
    }

    /// Returns which node has a key.
    pub async fn owner(&self, key: &str) -> usize {
        eventually("some node has the key", WHOLE_WITHIN, async || {
            for (index, node) in self.nodes.iter().enumerate() {
                if node.connect().await.try_cmd(&["TYPE", key]).await.is_ok() {
                    return Ok(index);
                }
            }
            Err("none has")
        })
        .await
    }

    /// Returns a connection to the node that has a key; it does not follow the key.
    pub async fn connect(&self, key: &str) -> Connection {
        self.node(self.owner(key).await).connect().await
    }

    /// Begins to move the slot of a key to another node: from now on the old one sends those away who ask for what it does not have.
    pub async fn begin_move(&self, key: &str, to: usize) -> SlotMove<'_> {
        let from = self.owner(key).await;
        assert_ne!(from, to, "the key is there already");
        let (source, target) = (self.node(from).connect().await, self.node(to).connect().await);
        let slot = source.int(&["CLUSTER", "KEYSLOT", key]).await.to_string();
        target.cmd(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", self.id(from)]).await;
        source.cmd(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", self.id(to)]).await;
        SlotMove { cluster: self, slot, from, to }
    }

    /// Moves the slot of a key, with everything in it, to another node.
    pub async fn move_slot(&self, key: &str, to: usize) {
        let moving = self.begin_move(key, to).await;
        while moving.some_keys(100).await > 0 {}
        moving.finish().await;
    }
}

/// A slot that is on its way to another node.
#[derive(Debug)]
pub struct SlotMove<'a> {
    cluster: &'a RedisCluster,
    slot: String,
    from: usize,
    to: usize,
}

impl SlotMove<'_> {
    /// Moves up to `count` keys and returns how many it were.
    pub async fn some_keys(&self, count: usize) -> usize {
        let source = self.cluster.node(self.from).connect().await;
        let keys = source.cmd(&["CLUSTER", "GETKEYSINSLOT", &self.slot, &count.to_string()]).await;
        let keys: Vec<String> = as_list(&keys).iter().map(as_text).collect();
        if keys.is_empty() {
            return 0;
        }
        let port = self.cluster.node(self.to).cluster_client_port().to_string();
        let mut words = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
        words.extend(keys.iter().map(String::as_str));
        let answer: Value = source.cmd(&words).await;
        // NOKEY: they ended by themselves meanwhile.
        assert!(["OK", "NOKEY"].contains(&as_text(&answer).as_str()), "{answer:?}");
        keys.len()
    }

    /// Gives the slot to the new node and tells everybody.
    pub async fn finish(self) {
        let order = [self.to, self.from].into_iter();
        let others = (0..NODES).filter(|index| ![self.to, self.from].contains(index));
        for index in order.chain(others) {
            let db = self.cluster.node(index).connect().await;
            db.cmd(&["CLUSTER", "SETSLOT", &self.slot, "NODE", self.cluster.id(self.to)]).await;
        }
    }
}

impl RedisServer {
    /// The port that the clients of a cluster are sent to.
    fn cluster_client_port(&self) -> u16 {
        self.tls_port_or_none().unwrap_or_else(|| self.port())
    }
}

async fn setting(db: &Connection, name: &str) -> String {
    db.texts(&["CONFIG", "GET", name]).await.pop().expect("the server has this setting")
}
