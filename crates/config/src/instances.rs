//! Where the instances of a service are, and how many of them must work.
//!
//! Owns `targets` and `quorum` of services. The probes crate asks each instance. Never looks one up.

use serde::{Serialize, Serializer};

use crate::address::HostPort;
use crate::check::host_name;
use crate::node::Value;
use crate::probe;
use crate::problem::Code;
use crate::scalar;
use crate::table::Table;

/// Describes the instances of a service that are asked one by one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Instances {
    /// Where they are.
    pub targets: Targets,
    /// The share of them that must work, 0..=1; with fewer the service is down, with some missing it is degraded.
    pub quorum: f64,
}

/// Says where the instances of a service are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Targets {
    /// Here.
    Listed(Vec<HostPort>),
    /// Where the SRV records of a name say, each time anew.
    Srv {
        /// The name, `_http._tcp.checkout.svc.local`.
        name: String,
        /// Who is asked; the machine's own name servers, if nobody is named.
        nameserver: Option<HostPort>,
    },
}

impl Serialize for Targets {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Listed(targets) => to.collect_seq(targets.iter().map(ToString::to_string)),
            Self::Srv { name, .. } => to.serialize_str(name),
        }
    }
}

impl Instances {
    /// Reads `targets: [host:port, …]`, `targets: _http._tcp.name` or `targets: { srv: …, nameserver: … }`, and `quorum: 80%`.
    pub(crate) fn read(table: &mut Table<'_, '_>) -> Option<Self> {
        let what = table.name("targets");
        let Some(node) = table.get("targets") else {
            table.only_with("targets", &["quorum"]);
            return None;
        };
        let targets = match &node.value {
            Value::List(_) => listed(table, &what),
            Value::Table(_) => table.table("targets").and_then(|mut long| {
                long.must("srv");
                let name = long.parse("srv", host_name);
                let nameserver = probe::host_port(&mut long, "nameserver");
                long.close();
                Some(Targets::Srv { name: name?, nameserver })
            }),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => table
                .parse("targets", host_name)
                .map(|name| Targets::Srv { name, nameserver: None }),
        };
        let quorum = table.parse("quorum", scalar::share).unwrap_or(1.0);
        targets.map(|targets| Self { targets, quorum })
    }
}

fn listed(table: &mut Table<'_, '_>, what: &str) -> Option<Targets> {
    let mut targets: Vec<HostPort> = Vec::new();
    for (text, at) in table.texts("targets").unwrap_or_default() {
        match text.parse::<HostPort>() {
            Ok(target) if targets.contains(&target) => {
                let text = format!("{what} has `{target}` twice");
                table.reader.report(Code::BadValue, at, text);
            }
            Ok(target) => targets.push(target),
            Err(why) => table.reader.report(Code::BadValue, at, format!("{what} {why}")),
        }
    }
    if targets.is_empty() {
        table.reader.report(Code::BadValue, table.at, format!("{what} must name an instance"));
        return None;
    }
    Some(Targets::Listed(targets))
}
