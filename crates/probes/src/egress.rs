//! The egress guard: the only way out of the fleet for probes and senders.
//!
//! Probes open connections and HTTP clients here, the notifier its senders' clients. It checks the address
//! that is really dialled and never trusts a name, a redirect or a proxy variable.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use printery_config::EgressRules;
use reqwest::Url;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use url::Host;

use crate::address::{AddressKind, kind};
use crate::addresses::Reach;
use crate::allow::AllowList;
use crate::classify;
use crate::dial::dial;
use crate::error::Error;
use crate::outcome::{Class, ReasonCode};
use crate::resolver;

/// On whose behalf a connection is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Asking how something is: private networks are the job.
    Probe,
    /// Telling somebody: public addresses only, unless the allow list names the target.
    Notify,
}

/// Decides which addresses may be dialled, and dials them.
///
/// Cheap to clone. Link-local, metadata, unspecified, multicast, broadcast and reserved addresses are refused
/// for everybody, also when they hide inside an IPv6 address.
#[derive(Debug, Clone)]
pub struct Egress {
    rules: Arc<Rules>,
    reach: Reach,
}

#[derive(Debug)]
struct Rules {
    allow: AllowList,
    allow_loopback: bool,
}

/// An open, guarded TCP connection and how long its parts took.
#[derive(Debug)]
pub struct Connection {
    /// The connection itself.
    pub stream: TcpStream,
    /// Looking the name up; absent for a literal address.
    pub resolve: Option<Duration>,
    /// The TCP handshake.
    pub connect: Duration,
}

impl Egress {
    /// Makes the guard that the fleet file describes.
    ///
    /// # Errors
    /// The allow list has entries that cannot be read; the text names each of them.
    pub fn try_new(rules: &EgressRules) -> Result<Self, Error> {
        let allow = AllowList::parse(&rules.allow).map_err(|wrong| {
            Error::new(
                Class::Internal,
                ReasonCode::InvalidTarget,
                "reading egress.allow",
                wrong.join("; "),
            )
        })?;
        let rules = Rules { allow, allow_loopback: rules.allow_loopback };
        Ok(Self { rules: Arc::new(rules), reach: Reach::Any })
    }

    /// Returns the same guard, which dials only some of what it admits.
    pub(crate) fn reaching(&self, reach: Reach) -> Self {
        Self { rules: Arc::clone(&self.rules), reach }
    }

    /// Tells whether one address of a host may be dialled.
    pub fn admit(&self, purpose: Purpose, host: &str, address: IpAddr) -> Result<(), Error> {
        let listed = self.rules.allow.names(host, address);
        let kind = kind(address);
        let why = match kind {
            AddressKind::LinkLocal
            | AddressKind::Metadata
            | AddressKind::Unspecified
            | AddressKind::Multicast
            | AddressKind::Broadcast
            | AddressKind::Reserved => "which is never allowed",
            AddressKind::Loopback if !self.rules.allow_loopback => {
                "allowed only with egress.allow_loopback: true"
            }
            AddressKind::Private if purpose == Purpose::Notify && !listed => {
                "allowed for notifications only when egress.allow names it"
            }
            // Allowed by a rule of its own, so that it need not be listed once more.
            AddressKind::Loopback => return Ok(()),
            AddressKind::Public | AddressKind::Private => {
                return if listed || self.rules.allow.is_empty() {
                    Ok(())
                } else {
                    Err(blocked(host, "not in egress.allow"))
                };
            }
        };
        Err(blocked(host, &format!("{address} is {}, {why}", kind.as_str())))
    }

    /// Tells whether a URL may be asked, as far as its text tells: scheme, literal address, allow list.
    ///
    /// A name is checked again with each address it leads to when it is dialled.
    pub fn check_url(&self, purpose: Purpose, url: &Url) -> Result<(), Error> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(blocked(url.scheme(), "only http and https are allowed"));
        }
        match url.host() {
            Some(Host::Ipv4(address)) => self.admit(purpose, &address.to_string(), address.into()),
            Some(Host::Ipv6(address)) => self.admit(purpose, &address.to_string(), address.into()),
            Some(Host::Domain(name)) => self.admit_name(name),
            None => Err(blocked(url.scheme(), "the URL names no host")),
        }
    }

    /// Tells whether sockets in this machine's file system may be opened: they are this machine, like loopback.
    pub(crate) fn admit_unix_socket(&self) -> Result<(), Error> {
        if self.rules.allow_loopback {
            Ok(())
        } else {
            let why =
                "a unix socket is this machine, allowed only with egress.allow_loopback: true";
            Err(blocked("a unix socket", why))
        }
    }

    /// Looks a host up and keeps the addresses that may be dialled; at least one, or an error.
    pub async fn resolve(
        &self,
        purpose: Purpose,
        host: &str,
        port: u16,
    ) -> Result<Vec<SocketAddr>, Error> {
        self.admit_name(host)?;
        let found = resolver::look_up(host, port).await?;
        let mut refused = None;
        let mut admitted = Vec::with_capacity(found.len());
        for address in found {
            match self.admit(purpose, host, address.ip()) {
                Ok(()) => admitted.push(address),
                Err(error) => refused = Some(error),
            }
        }
        match refused {
            Some(error) if admitted.is_empty() => Err(error),
            Some(_) | None => self.reach.kept(host, admitted),
        }
    }

    /// Connects to a host and port, each of its admitted addresses in turn.
    ///
    /// # Errors
    /// Blocked, unknown, refused, unreachable, or nothing by the deadline.
    /// # Cancel safety
    /// Cancel safe: a dropped future closes what it had opened.
    pub async fn connect(
        &self,
        purpose: Purpose,
        host: &str,
        port: u16,
        deadline: Instant,
    ) -> Result<Connection, Error> {
        let attempted = format!("connecting to {host}:{port}");
        let (addresses, resolve) = self.addresses(purpose, host, port, deadline).await?;
        let (stream, connect) = dial(&addresses, deadline, &attempted).await?;
        Ok(Connection { stream, resolve, connect })
    }

    /// Returns what may be dialled for a host, and how long a look-up took where there was one.
    pub(crate) async fn addresses(
        &self,
        purpose: Purpose,
        host: &str,
        port: u16,
        deadline: Instant,
    ) -> Result<(Vec<SocketAddr>, Option<Duration>), Error> {
        let attempted = format!("connecting to {host}:{port}");
        let pinned = self.reach.pinned(host).map(Ok);
        let literal = pinned.unwrap_or_else(|| host.trim_matches(['[', ']']).parse::<IpAddr>());
        let started = Instant::now();
        let addresses = match literal {
            Ok(address) => {
                self.admit(purpose, host, address)?;
                self.reach.kept(host, vec![SocketAddr::new(address, port)])?
            }
            Err(_) => timeout_at(deadline, self.resolve(purpose, host, port))
                .await
                .map_err(|_elapsed| classify::lookup_timeout(&attempted, started.elapsed()))?
                .map_err(|error| error.while_attempting(&attempted))?,
        };
        let resolve = literal.is_err().then(|| started.elapsed());
        Ok((addresses, resolve))
    }

    fn admit_name(&self, host: &str) -> Result<(), Error> {
        if self.rules.allow_loopback || self.rules.allow.may_name(host) {
            Ok(())
        } else {
            Err(blocked(host, "not in egress.allow"))
        }
    }
}

pub(crate) fn blocked(host: &str, why: &str) -> Error {
    Error::new(
        Class::Guard,
        ReasonCode::BlockedByPolicy,
        format!("reaching {host}"),
        format!("blocked by the egress policy: {why}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(allow: &[&str], allow_loopback: bool) -> Egress {
        let allow = allow.iter().map(ToString::to_string).collect();
        Egress::try_new(&EgressRules { allow, allow_loopback }).unwrap()
    }

    #[test]
    fn the_guard_admits_what_the_purpose_needs_and_nothing_else() {
        let open = guard(&[], false);
        let local = guard(&[], true);
        let beside = guard(&["*.shop.internal"], true);
        let listed = guard(&["*.shop.internal", "10.0.0.0/8"], false);
        let cases = [
            (&open, Purpose::Probe, "http://8.8.8.8/", true),
            (&open, Purpose::Probe, "http://10.0.0.1/", true),
            (&open, Purpose::Notify, "http://10.0.0.1/", false),
            (&open, Purpose::Notify, "https://8.8.8.8/", true),
            (&open, Purpose::Probe, "http://127.0.0.1/", false),
            (&open, Purpose::Probe, "http://0x7f.1/", false),
            (&open, Purpose::Probe, "http://2130706433/", false),
            (&open, Purpose::Probe, "http://[::ffff:127.0.0.1]/", false),
            (&local, Purpose::Probe, "http://127.0.0.1/", true),
            (&local, Purpose::Notify, "http://[::1]/", true),
            (&local, Purpose::Probe, "http://169.254.169.254/latest/meta-data", false),
            (&local, Purpose::Probe, "http://[64:ff9b::a9fe:a9fe]/", false),
            (&local, Purpose::Probe, "http://0.0.0.0/", false),
            (&local, Purpose::Probe, "http://100.100.100.200/", false),
            (&local, Purpose::Probe, "ftp://8.8.8.8/", false),
            (&beside, Purpose::Probe, "http://127.0.0.1/", true),
            (&beside, Purpose::Probe, "http://8.8.8.8/", false),
            (&listed, Purpose::Notify, "http://10.0.0.1/", true),
            (&listed, Purpose::Probe, "http://8.8.8.8/", false),
            (&listed, Purpose::Probe, "http://api.shop.internal/", true),
        ];
        for (egress, purpose, url, admitted) in cases {
            let answer = egress.check_url(purpose, &Url::parse(url).unwrap());
            assert_eq!(answer.is_ok(), admitted, "{purpose:?} {url}: {answer:?}");
        }
    }

    #[test]
    fn a_name_outside_a_list_of_names_is_not_even_looked_up() {
        let egress = guard(&["*.shop.internal"], false);
        let url = Url::parse("http://localhost/").unwrap();
        let error = egress.check_url(Purpose::Probe, &url).unwrap_err();
        assert_eq!(error.reason_code(), ReasonCode::BlockedByPolicy);
    }

    #[tokio::test]
    async fn a_name_that_leads_to_a_refused_address_is_blocked() {
        let egress = guard(&[], false);
        let deadline = Instant::now() + Duration::from_secs(5);
        let error = egress.connect(Purpose::Probe, "localhost", 1, deadline).await.unwrap_err();
        assert_eq!(error.reason_code(), ReasonCode::BlockedByPolicy);
        assert!(error.to_string().contains("allow_loopback"), "{error}");
    }
}
