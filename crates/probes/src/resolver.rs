//! Looking names up and filtering what they lead to, in one step.
//!
//! HTTP clients resolve through [`GuardedResolver`], raw connections through [`look_up`]; because a client dials
//! exactly what it is given here, a name cannot change between the check and the dial.

use std::io;
use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::egress::{Egress, Purpose};
use crate::error::Error;
use crate::outcome::{Class, ReasonCode};

/// The resolver of every HTTP client of the fleet.
pub(crate) struct GuardedResolver {
    egress: Egress,
    purpose: Purpose,
}

impl GuardedResolver {
    pub(crate) fn new(egress: Egress, purpose: Purpose) -> Self {
        Self { egress, purpose }
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (egress, purpose) = (self.egress.clone(), self.purpose);
        Box::pin(async move {
            // Port 0 lets the client put in the URL's own.
            let admitted = egress.resolve(purpose, name.as_str(), 0).await?;
            let addresses: Addrs = Box::new(admitted.into_iter());
            Ok(addresses)
        })
    }
}

/// Looks a name up with the system's resolver.
pub(crate) async fn look_up(host: &str, port: u16) -> Result<Vec<SocketAddr>, Error> {
    #[cfg(test)]
    if let Some(found) = tests::known(host, port) {
        return Ok(found);
    }
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

    /// Names of this crate's tests, as the machine's own file of hosts would have them.
    pub(super) fn known(host: &str, port: u16) -> Option<Vec<SocketAddr>> {
        let addresses: &[&str] = match host {
            "four.test" => &["127.0.0.1", "127.0.0.2"],
            "both.test" => &["127.0.0.1", "127.0.0.2", "::1"],
            "mixed.test" => &["127.0.0.1", "169.254.169.254", "::1"],
            _ => return None,
        };
        let address = |text: &&str| SocketAddr::new(text.parse().unwrap(), port);
        Some(addresses.iter().map(address).collect())
    }

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
