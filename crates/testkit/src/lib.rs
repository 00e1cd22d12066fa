#![doc = include_str!("../README.md")]
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a set-up that fails is a failed test, and a panic is how a test fails"
)]

pub mod acl;
mod checker;
mod clock;
mod connection;
mod docker_registry;
mod eventually;
mod fault_proxy;
mod grpc_health;
mod history;
mod http_request;
mod http_service;
mod mariadb_server;
mod name_server;
mod postgres_server;
mod process;
mod prometheus_server;
mod redis_cluster;
mod redis_sentinel;
mod redis_server;
mod servers;
mod tls;
mod typescript;
mod world;

pub use checker::{Rules, Verdict, check};
pub use clock::WallClock;
pub use connection::{Connection, Entry};
pub use docker_registry::DockerRegistry;
pub use eventually::{Observation, eventually};
pub use fault_proxy::{FaultProxy, Mode, Traffic};
pub use grpc_health::GrpcHealthServers;
pub use history::{Fact, History, Settlement, Watched};
pub use http_request::{Response, get, post};
pub use http_service::{Answer, HttpService, Recorded};
pub use mariadb_server::{MARIADB_PASSWORD, MariadbServer};
pub use name_server::NameServer;
pub use postgres_server::{POSTGRES_PASSWORD, PostgresServer};
pub use process::{Ended, Launch, Process};
pub use prometheus_server::PrometheusServer;
pub use redis::Value;
pub use redis_cluster::{RedisCluster, SlotMove};
pub use redis_sentinel::{RedisSentinel, follow};
pub use redis_server::{RedisOptions, RedisServer, free_port};
pub use servers::server_program;
pub use tls::{Certificates, ClientProof};
pub use typescript::TypeScript;
pub use world::{GroupState, StreamState, World};
