//! The probes that only checks use, as the fleet file words them.
//!
//! The validator makes them here once at start. Pure: nothing is asked, and what cannot be made says why.

use std::time::Duration;

use printery_config as config;
use url::Url;

use crate::credential::OAuth2Probe;
use crate::dns::{DnsProbe, DnsRecord};
use crate::error::Error;
use crate::instances::Places;
use crate::migrations::MigrationsProbe;
use crate::migrations_table::Adapter;
use crate::outcome::{Class, ReasonCode};
use crate::postgres::{PostgresDemands, PostgresProbe, PostgresRole};
use crate::postgres_session::PostgresTarget;

impl PostgresProbe {
    /// Makes the probe of a database.
    ///
    /// # Errors
    /// Its address is not that of one server; the text does not repeat it.
    pub fn configured(said: &config::PostgresProbe) -> Result<Self, Error> {
        let latency = said.latency;
        Ok(Self {
            target: PostgresTarget::parse(said.dsn.expose())?,
            demands: PostgresDemands {
                role: said.role.map(|role| match role {
                    config::PostgresRole::Primary => PostgresRole::Primary,
                    config::PostgresRole::Replica => PostgresRole::Replica,
                }),
                min_version: said.min_version.clone(),
                max_version: said.max_version.clone(),
                headroom: said.headroom,
                max_lag: said.max_lag,
                max_transaction_age: said.max_transaction_age,
                max_lock_waiters: said.max_lock_waiters,
            },
            conditions: said.conditions.clone(),
            warn_after: latency.map(|latency| latency.degraded),
            fail_after: latency.map(|latency| latency.unhealthy),
        })
    }
}

impl MigrationsProbe {
    /// Makes the probe of a schema; what it must have is filled in for each deployment.
    ///
    /// # Errors
    /// Its address is not that of one server, or nobody knows the tool.
    pub fn configured(said: &config::MigrationsCheck) -> Result<Self, Error> {
        let adapter = Adapter::of(said.adapter).ok_or_else(|| {
            let attempted = format!("reading the books of {}", said.adapter);
            Error::new(
                Class::Internal,
                ReasonCode::Unsupported,
                attempted,
                "nobody knows that tool",
            )
        })?;
        Ok(Self {
            target: PostgresTarget::parse(said.dsn.expose())?,
            adapter,
            table: said.table.clone(),
            require: Vec::new(),
            max: None,
        })
    }
}

impl DnsProbe {
    /// Makes the probe of a name.
    pub fn configured(said: &config::DnsCheck) -> Self {
        Self {
            name: said.name.clone(),
            record: match said.record {
                config::RecordKind::A => DnsRecord::A,
                config::RecordKind::Aaaa => DnsRecord::Aaaa,
                config::RecordKind::Cname => DnsRecord::Cname,
                config::RecordKind::Mx => DnsRecord::Mx,
                config::RecordKind::Ns => DnsRecord::Ns,
                config::RecordKind::Srv => DnsRecord::Srv,
                config::RecordKind::Txt => DnsRecord::Txt,
            },
            min_answers: said.min_answers,
            expect: said.expect.clone(),
            nameserver: said.nameserver.as_ref().map(|server| (server.host.clone(), server.port)),
            connect: said.connect,
            conditions: said.conditions.clone(),
        }
    }
}

impl Places {
    /// Takes over where instances are.
    pub fn configured(said: &config::Targets, limits: config::Limits) -> Self {
        match said {
            config::Targets::Listed(places) => {
                Self::Listed(places.iter().map(|it| (it.host.clone(), it.port)).collect())
            }
            config::Targets::Srv { name, nameserver } => {
                let question = config::DnsCheck {
                    name: name.clone(),
                    record: config::RecordKind::Srv,
                    min_answers: 1,
                    expect: Vec::new(),
                    nameserver: nameserver.clone(),
                    connect: false,
                    conditions: Vec::new(),
                    limits,
                };
                Self::Srv(Box::new(DnsProbe::configured(&question)))
            }
        }
    }
}

impl OAuth2Probe {
    /// Makes the probe of a client.
    pub fn configured(said: &config::OAuth2Client, min_ttl: Duration) -> Self {
        let token_url: Url = said.token_url.expose().clone();
        Self {
            token_url,
            client_id: said.client_id.clone(),
            client_secret: said.client_secret.expose().to_owned().into(),
            scope: said.scope.clone(),
            min_ttl,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_of_the_fleet_file_is_known() {
        let words: Vec<&str> = Adapter::WORDS.iter().map(|(word, _)| *word).collect();
        assert_eq!(words, config::MIGRATION_ADAPTERS);
    }
}
