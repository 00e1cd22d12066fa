//! The names that conditions of each kind of probe may use.
//!
//! Owns the lists. The readers of the fleet file compile conditions over them, and the probes fill every one of them.
//! Never holds a value.

/// What every connection has.
pub const CONNECTION: [&str; 6] = ["connected", "ip", "latency_ms", "timings", "tls", "cert"];

/// What the answer to an HTTP request adds.
pub const HTTP: [&str; 4] = ["status", "header", "body", "json"];

/// What a Redis says of itself; what it does not say is null.
pub const REDIS: [&str; 7] = [
    "role",
    "version",
    "used_memory_pct",
    "maxmemory_policy",
    "persistence_ok",
    "connected_clients",
    "latency_ms",
];

/// What a PostgreSQL says of itself; `lag_seconds` of a primary is null.
pub const POSTGRES: [&str; 8] = [
    "role",
    "in_recovery",
    "version",
    "connections_pct",
    "lag_seconds",
    "lock_waiters",
    "oldest_transaction_seconds",
    "latency_ms",
];

/// What a look-up is answered: how many answers there are, and each as text.
pub const DNS: [&str; 3] = ["answers", "records", "latency_ms"];

/// What a gRPC health service answers.
pub const GRPC: [&str; 1] = ["grpc_status"];

/// What is read of a port.
pub const TCP: [&str; 1] = ["body"];
