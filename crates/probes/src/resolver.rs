//! Looking names up and filtering what they lead to, in one step.
//!
//! HTTP clients resolve through [`GuardedResolver`], raw connections through [`look_up`]; because a client dials
//! exactly what it is given here, a name cannot change between the check and the dial.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::time::Instant;

use crate::egress::{Egress, Purpose};
use crate::error::Error;
use crate::outcome::{Class, ReasonCode};

/// Where a resolver notes how long its last lookup took; written by the client, read by the probe that made it.
#[derive(Debug, Clone, Default)]
pub(crate) struct ResolveTime(Arc<Mutex<Option<Duration>>>);

impl ResolveTime {
    pub(crate) fn get(&self) -> Option<Duration> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, took: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(took);
    }
}

/// The resolver of every HTTP client of the fleet.
pub(crate) struct GuardedResolver {
    egress: Egress,
    purpose: Purpose,
    time: Option<ResolveTime>,
}

impl GuardedResolver {
    pub(crate) fn new(egress: Egress, purpose: Purpose, time: Option<ResolveTime>) -> Self {
        Self { egress, purpose, time }
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (egress, purpose, time) = (self.egress.clone(), self.purpose, self.time.clone());
        Box::pin(async move {
            let started = Instant::now();
            // Port 0 lets the client put in the URL's own.
            let admitted = egress.resolve(purpose, name.as_str(), 0).await?;
            if let Some(time) = time {
                time.note(started.elapsed());
            }
            let addresses: Addrs = Box::new(admitted.into_iter());
            Ok(addresses)
        })
    }
}

/// Looks a name up with the system's resolver.
pub(crate) async fn look_up(host: &str, port: u16) -> Result<Vec<SocketAddr>, Error> {
    tokio::net::lookup_host((host, port))
        .await
        .map(Iterator::collect)
        .map_err(|error| lookup_error(host, &error))
}

/// Tells "there is no such name" from "nobody could say", which only the resolver's text reveals.
///
/// # Source
/// `gai_strerror` of glibc, musl, macOS for `EAI_NONAME` and `EAI_NODATA`.
fn lookup_error(host: &str, error: &io::Error) -> Error {
    const NO_SUCH_NAME: [&str; 4] = [
        "Name or service not known",
        "No address associated with hostname",
        "Name does not resolve",
        "nodename nor servname provided",
    ];
    let text = error.to_string();
    let attempted = format!("looking up {host}");
    if NO_SUCH_NAME.iter().any(|known| text.contains(known)) {
        Error::new(Class::Permanent, ReasonCode::DnsNxdomain, attempted, "there is no such name")
    } else {
        let observed = "the name could not be looked up (resolver unavailable)";
        Error::new(Class::Transient, ReasonCode::DnsFailure, attempted, observed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_is_permanent_and_a_silent_resolver_is_not() {
        let cases = [
            ("failed to lookup address information: Name or service not known", Class::Permanent),
            ("failed to lookup address information: Name does not resolve", Class::Permanent),
            (
                "failed to lookup address information: Temporary failure in name resolution",
                Class::Transient,
            ),
            ("failed to lookup address information: Try again", Class::Transient),
        ];
        for (text, class) in cases {
            assert_eq!(lookup_error("x", &io::Error::other(text)).class(), class, "{text}");
        }
    }
}
