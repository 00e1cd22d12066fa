//! Probes of gRPC servers by their health service.
//!
//! Owns `grpc` of endpoints. The probes crate makes probes of it. Never dials one.

use printery_expressions::{Condition, Vocabulary};
use serde::Serialize;

use crate::address::HostPort;
use crate::authorities::Authorities;
use crate::node::Value;
use crate::probe::{self, LatencyThresholds, Limits};
use crate::table::Table;
use crate::vocabulary;

/// Describes a gRPC server that must say `SERVING`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GrpcProbe {
    /// What is dialled.
    pub address: HostPort,
    /// Which of its services is asked about; empty for the whole server.
    pub service: String,
    /// How the connection is made.
    pub transport: GrpcTransport,
    /// Conditions over [`vocabulary::CONNECTION`] and [`vocabulary::GRPC`].
    pub conditions: Vec<Condition>,
    /// Response times that count as slow; `None` where the using worker has its own thresholds.
    pub latency: Option<LatencyThresholds>,
    /// Time and repetition.
    pub limits: Limits,
}

/// Says whether a gRPC connection is encrypted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum GrpcTransport {
    /// It is not.
    #[default]
    Plain,
    /// It is.
    Tls {
        /// Whose certificates are believed.
        authorities: Authorities,
    },
}

impl GrpcProbe {
    /// Makes the probe of a whole server without encryption.
    pub fn plain(address: HostPort, limits: Limits) -> Self {
        Self {
            address,
            service: String::new(),
            transport: GrpcTransport::Plain,
            conditions: Vec::new(),
            latency: None,
            limits,
        }
    }

    /// Reads `grpc: host:port` or `grpc: { target: host:port, service: …, tls: true }`, with what is expected beside it.
    pub(crate) fn read(table: &mut Table<'_, '_>, limits: Limits) -> Option<Self> {
        let mut service = String::new();
        let mut tls = false;
        let address = if matches!(table.get("grpc")?.value, Value::Table(_)) {
            let mut long = table.table("grpc")?;
            long.must("target");
            let address = probe::host_port(&mut long, "target");
            service = long.text("service").unwrap_or_default();
            tls = long.flag("tls").unwrap_or_default();
            long.close();
            address
        } else {
            probe::host_port(table, "grpc")
        };
        let authorities = Authorities::read(table);
        let transport = if tls || authorities.is_given() {
            GrpcTransport::Tls { authorities }
        } else {
            GrpcTransport::Plain
        };
        let names = vocabulary::CONNECTION.into_iter().chain(vocabulary::GRPC);
        let conditions = table.conditions("assert", &Vocabulary::of(names)).unwrap_or_default();
        let latency = LatencyThresholds::read(table, LatencyThresholds::default());
        let limits = Limits::read_with_ip(table, limits);
        address.map(|address| Self { address, service, transport, conditions, latency, limits })
    }
}
