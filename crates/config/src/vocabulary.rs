//! The names that conditions of each kind of probe may use.
//!
//! Owns the lists. The readers of the fleet file compile conditions over them, and the probes fill every one of them.
//! Never holds a value.

/// What every connection has.
pub const CONNECTION: [&str; 6] = ["connected", "ip", "latency_ms", "timings", "tls", "cert"];

/// What the answer to an HTTP request adds.
pub const HTTP: [&str; 4] = ["status", "header", "body", "json"];

/// What a Redis says of itself.
pub const REDIS: [&str; 5] = ["role", "version", "exists", "used_memory_pct", "maxmemory_policy"];

/// What a name server answers.
pub const DNS: [&str; 3] = ["rcode", "answers", "records"];

/// What a gRPC health service answers.
pub const GRPC: [&str; 1] = ["grpc_status"];

/// What is read of a port.
pub const TCP: [&str; 1] = ["body"];
