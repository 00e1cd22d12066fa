//! Probes and their limits as the fleet file words them.
//!
//! Every worker that asks builds its probes here, once at start. It decides nothing, since the fleet file has applied
//! every default, and it asks nothing.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use printery_config::{
    self as config, GrpcTransport, HttpAuth, LatencyThresholds, Login, RedisRole,
};
use reqwest::Method;
use reqwest::header::HeaderName;

use crate::credential::OAuth2Probe;
use crate::error::Error;
use crate::grpc::GrpcProbe;
use crate::http::{HttpProbe, StatusRange};
use crate::limits::Limits;
use crate::outcome::{Class, ReasonCode};
use crate::redis::RedisProbe;
use crate::sign_in::{ClientFiles, Tokens};
use crate::tcp::{Expect, TcpProbe};
use crate::tls_probe::TlsProbe;
use crate::trust::Trust;

impl Limits {
    /// Takes over the limits of one attempt; the whole check gets room for all of them and the waits between.
    pub fn configured(said: config::Limits) -> Self {
        let limits = Self::new(said.timeout, said.connect_timeout, said.attempts);
        Self { ip: said.ip, retry_on: said.retry_on, ..limits }
    }
}

impl Trust {
    /// Takes over whom to believe; `None` where it is whom this machine believes.
    ///
    /// # Errors
    /// The authorities cannot be read.
    pub fn configured(said: &config::Authorities) -> Result<Option<Self>, Error> {
        match said {
            config::Authorities::Machine => Ok(None),
            config::Authorities::File(path) => Self::of_file(path).map(Some),
            config::Authorities::Anyone => Ok(Some(Self::anyone())),
        }
    }
}

impl HttpProbe {
    /// Makes the probe of a request; without latency thresholds of its own no right answer is too slow.
    ///
    /// # Errors
    /// A header cannot be sent, or the authorities cannot be read; the text repeats no header's value.
    pub fn configured(said: &config::HttpProbe) -> Result<Self, Error> {
        let mut probe = Self {
            method: match said.method {
                config::Method::Get => Method::GET,
                config::Method::Head => Method::HEAD,
            },
            status: StatusRange::where_named(|status| said.status.contains(status)),
            warn_status: StatusRange::where_named(|status| said.warn_status.contains(status)),
            body_contains: said.contains.clone(),
            expect_json: said.expect.json.clone(),
            conditions: said.expect.conditions.clone(),
            trust: Trust::configured(&said.authorities)?,
            follow: said.follow,
            ..Self::new(said.url.expose().clone())
        };
        if let Some(latency) = said.latency {
            probe = probe.slow_from(latency);
        }
        for (name, pattern) in &said.expect.headers {
            let name = HeaderName::try_from(name).map_err(|_why| {
                let attempted = "reading the headers that an answer must have";
                let observed = format!("`{name}` is no name of a header");
                Error::new(Class::Internal, ReasonCode::InvalidTarget, attempted, observed)
            })?;
            probe.expect_headers.push((name, pattern.clone()));
        }
        for (name, value) in &said.headers {
            probe = probe.with_header(name, value.expose())?;
        }
        probe.signed_in(&said.auth)
    }

    fn signed_in(mut self, auth: &HttpAuth) -> Result<Self, Error> {
        let files = |said: &config::ClientCertificate| ClientFiles {
            cert: said.cert.clone(),
            key: said.key.clone(),
        };
        self.sign_in.certificate = auth.certificate.as_ref().map(files);
        match &auth.login {
            None => Ok(self),
            Some(Login::Bearer(token)) => {
                self.with_header("authorization", &format!("Bearer {}", token.expose()))
            }
            Some(Login::Basic { username, password }) => {
                let encoded = STANDARD.encode(format!("{username}:{}", password.expose()));
                self.with_header("authorization", &format!("Basic {encoded}"))
            }
            Some(Login::OAuth2(client)) => {
                let client = OAuth2Probe::configured(client, Duration::ZERO);
                self.sign_in.tokens = Some(Arc::new(Tokens::of(client)));
                Ok(self)
            }
        }
    }

    /// Returns the same probe, whose right answers are judged by these thresholds.
    #[must_use]
    pub fn slow_from(self, latency: LatencyThresholds) -> Self {
        let LatencyThresholds { degraded, unhealthy } = latency;
        Self { warn_after: Some(degraded), fail_after: Some(unhealthy), ..self }
    }
}

impl TcpProbe {
    /// Makes the probe of a port that must accept a connection and say what is expected.
    ///
    /// # Errors
    /// The authorities cannot be read.
    pub fn configured(said: &config::TcpProbe) -> Result<Self, Error> {
        let probe = Self {
            send: said.send.as_deref().map(|text| text.as_bytes().to_vec()),
            expect: said.expect.clone().map(Expect::Like),
            starttls: said.starttls,
            trust: Trust::configured(&said.authorities)?,
            conditions: said.conditions.clone(),
            ..Self::new(said.address.host.as_str(), said.address.port)
        };
        Ok(match said.latency {
            Some(latency) => probe.slow_from(latency),
            None => probe,
        })
    }

    /// Returns the same probe, whose right answers are judged by these thresholds.
    #[must_use]
    pub fn slow_from(self, latency: LatencyThresholds) -> Self {
        let LatencyThresholds { degraded, unhealthy } = latency;
        Self { warn_after: Some(degraded), fail_after: Some(unhealthy), ..self }
    }
}

impl TlsProbe {
    /// Makes the probe of a port's certificate.
    ///
    /// # Errors
    /// The authorities cannot be read.
    pub fn configured(said: &config::TlsProbe) -> Result<Self, Error> {
        let host = said.address.host.as_str();
        let probe = Self {
            server_name: said.server_name.clone().unwrap_or_else(|| host.to_owned()),
            starttls: said.starttls,
            trust: Trust::configured(&said.authorities)?,
            certificate: said.certificate,
            conditions: said.conditions.clone(),
            ..Self::new(host, said.address.port)
        };
        Ok(match said.latency {
            Some(latency) => probe.slow_from(latency),
            None => probe,
        })
    }

    /// Returns the same probe, whose right answers are judged by these thresholds.
    #[must_use]
    pub fn slow_from(self, latency: LatencyThresholds) -> Self {
        let LatencyThresholds { degraded, unhealthy } = latency;
        Self { warn_after: Some(degraded), fail_after: Some(unhealthy), ..self }
    }
}

impl GrpcProbe {
    /// Makes the probe of a gRPC server that must say that it serves.
    ///
    /// # Errors
    /// The authorities cannot be read.
    pub fn configured(said: &config::GrpcProbe) -> Result<Self, Error> {
        let trust = match &said.transport {
            GrpcTransport::Plain => None,
            GrpcTransport::Tls { authorities } => match Trust::configured(authorities)? {
                Some(trust) => Some(trust),
                None => Some(Trust::machine()?),
            },
        };
        let probe = Self {
            service: said.service.clone(),
            trust,
            conditions: said.conditions.clone(),
            ..Self::new(said.address.host.as_str(), said.address.port)
        };
        Ok(match said.latency {
            Some(latency) => probe.slow_from(latency),
            None => probe,
        })
    }

    /// Returns the same probe, whose right answers are judged by these thresholds.
    #[must_use]
    pub fn slow_from(self, latency: LatencyThresholds) -> Self {
        let LatencyThresholds { degraded, unhealthy } = latency;
        Self { warn_after: Some(degraded), fail_after: Some(unhealthy), ..self }
    }
}

impl RedisProbe {
    /// Makes the probe of a Redis that must answer `PING` and be what is expected.
    ///
    /// # Errors
    /// The URL is not that of a server; the text does not repeat it.
    pub fn configured(said: &config::RedisProbe) -> Result<Self, Error> {
        let probe = Self {
            role: said.role.map(|role| match role {
                RedisRole::Master => "master".to_owned(),
                RedisRole::Replica => "replica".to_owned(),
            }),
            min_version: said.min_version.clone(),
            maxmemory_policy: said.maxmemory_policy.clone(),
            maintenance_key: said.maintenance_key.clone(),
            conditions: said.conditions.clone(),
            ..Self::try_new(said.url.expose())?
        };
        Ok(match said.latency {
            Some(latency) => probe.slow_from(latency),
            None => probe,
        })
    }

    /// Returns the same probe, whose right answers are judged by these thresholds.
    #[must_use]
    pub fn slow_from(self, latency: LatencyThresholds) -> Self {
        let LatencyThresholds { degraded, unhealthy } = latency;
        Self { warn_after: Some(degraded), fail_after: Some(unhealthy), ..self }
    }
}

#[cfg(test)]
mod tests {
    use printery_config::{CheckSpec, Fleet};

    use super::*;

    const FLEET: &str = "
        version: 1
        fleet: shop
        validator: { checks: [plain, precise] }
        checks:
          plain: { kind: http, url: 'http://api/health' }
          precise:
            kind: http
            url: 'http://api/health'
            method: HEAD
            status: [200-204, 401]
            warn_status: [429]
            latency: { warn: 1s, fail: 2s }
            contains: ok
            headers: { x-shop: north }
            auth: { bearer: hunter2 }
            timeout: 3s
            connect_timeout: 1s
            attempts: 1
        ";

    fn http(name: &str) -> (HttpProbe, Limits) {
        let fleet = Fleet::parse("f", FLEET, &|_| None).unwrap();
        let CheckSpec::Http(said) = &fleet.checks[name].spec else { panic!("{name} is not http") };
        (HttpProbe::configured(said).unwrap(), Limits::configured(said.limits))
    }

    #[test]
    fn everything_the_fleet_file_says_of_a_request_is_in_the_probe() {
        let (probe, limits) = http("precise");
        assert_eq!((probe.method.as_str(), probe.url.as_str()), ("HEAD", "http://api/health"));
        assert_eq!(probe.status, [StatusRange { first: 200, last: 204 }, StatusRange::only(401)]);
        assert_eq!(probe.warn_status, [StatusRange::only(429)]);
        let [one, two, three] = [1, 2, 3].map(Duration::from_secs);
        assert_eq!((probe.warn_after, probe.fail_after), (Some(one), Some(two)));
        assert_eq!(probe.body_contains.as_deref(), Some("ok"));
        assert_eq!(probe.headers["x-shop"], "north");
        assert_eq!(probe.headers["authorization"], "Bearer hunter2");
        assert!(!format!("{probe:?}").contains("hunter2"), "{probe:?}");
        assert_eq!(limits.check, three);
        assert_eq!(limits, Limits::new(three, one, 1));
    }

    #[test]
    fn what_the_fleet_file_leaves_open_is_not_judged() {
        let (probe, _) = http("plain");
        assert_eq!((probe.method.as_str(), probe.headers.len()), ("GET", 0));
        assert_eq!((probe.status, probe.warn_status), (vec![StatusRange::SUCCESS], vec![]));
        assert_eq!((probe.warn_after, probe.fail_after, probe.body_contains), (None, None, None));
    }
}
