//! Over which of a name's addresses a target is asked.
//!
//! Probes that dial by themselves go through [`over`], which asks once, or once for each address, and makes one report of
//! all answers. The guard keeps to a [`Reach`]; nothing here dials.

use std::collections::BTreeSet;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};

use futures_util::future::join_all;
use printery_config::IpFamily;
use tokio::time::{Instant, timeout_at};

use crate::classify::lookup_timeout;
use crate::egress::{Egress, Purpose};
use crate::error::Error;
use crate::limits::Limits;
use crate::outcome::{Class, Outcome, ReasonCode};
use crate::report::Report;
use crate::retry::{About, with_retries};

/// Addresses of one name that are asked at the same time, as many as probes of one host.
const AT_ONCE: usize = 4;

/// Which of the admitted addresses are dialled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Reach {
    /// All of them in turn.
    #[default]
    Any,
    /// Those of IPv4.
    V4,
    /// Those of IPv6.
    V6,
    /// This one of a host's; those of another host, as a redirect names it, all in turn.
    One(String, IpAddr),
}

impl Reach {
    /// Returns the one address that is dialled for a host, where there is only one.
    pub(crate) fn pinned(&self, host: &str) -> Option<IpAddr> {
        match self {
            Self::One(name, address) if name == host => Some(*address),
            Self::One(..) | Self::Any | Self::V4 | Self::V6 => None,
        }
    }

    /// Keeps what is to be dialled; at least one, or an error.
    pub(crate) fn kept(
        &self,
        host: &str,
        mut found: Vec<SocketAddr>,
    ) -> Result<Vec<SocketAddr>, Error> {
        match self {
            Self::Any | Self::One(..) => return Ok(found),
            Self::V4 => found.retain(SocketAddr::is_ipv4),
            Self::V6 => found.retain(SocketAddr::is_ipv6),
        }
        let family = if *self == Self::V4 { "IPv4" } else { "IPv6" };
        if found.is_empty() { Err(no_address(host, family)) } else { Ok(found) }
    }
}

fn no_address(host: &str, family: &str) -> Error {
    let attempted = format!("looking up {host}");
    let observed = format!("{host} has no {family} address");
    Error::new(Class::Permanent, ReasonCode::NoAddress, attempted, observed)
}

/// Asks over the addresses that the limits name; `ask` does it once, through the guard it is given.
///
/// # Cancel safety
/// As cancel safe as what asks.
pub(crate) async fn over<F, Fut>(
    egress: &Egress,
    host: &str,
    limits: &Limits,
    about: &About,
    ask: F,
) -> Report
where
    F: Fn(Egress, Limits) -> Fut,
    Fut: Future<Output = Report>,
{
    match limits.ip {
        IpFamily::Any => ask(egress.clone(), *limits).await,
        IpFamily::V4 => ask(egress.reaching(Reach::V4), *limits).await,
        IpFamily::V6 => ask(egress.reaching(Reach::V6), *limits).await,
        // Whoever names an address, or a socket, means that one.
        IpFamily::Both
            if host.is_empty() || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() =>
        {
            ask(egress.clone(), *limits).await
        }
        IpFamily::Both => {
            let until = Instant::now() + limits.check;
            let found = match every(egress, host, limits, about).await {
                Ok(found) => found,
                Err(report) => return *report,
            };
            let mut reports = Vec::with_capacity(found.len());
            for some in found.chunks(AT_ONCE) {
                let limits = limits.within(until.saturating_duration_since(Instant::now()));
                let one = |address: &IpAddr| {
                    ask(egress.reaching(Reach::One(host.to_owned(), *address)), limits)
                };
                reports.extend(some.iter().copied().zip(join_all(some.iter().map(one)).await));
            }
            merged(about, reports)
        }
    }
}

/// Looks up every address of a host, with retries; both families are among them.
async fn every(
    egress: &Egress,
    host: &str,
    limits: &Limits,
    about: &About,
) -> Result<Vec<IpAddr>, Box<Report>> {
    let found = Mutex::new(Vec::new());
    let report = with_retries(limits, about, |until| {
        let found = &found;
        async move {
            match look_up(egress, host, until.min(Instant::now() + limits.connect)).await {
                Ok(addresses) => {
                    *found.lock().unwrap_or_else(PoisonError::into_inner) = addresses;
                    about.passed("")
                }
                Err(error) => about.failed(error),
            }
        }
    })
    .await;
    if report.outcome != Outcome::Pass {
        return Err(Box::new(report));
    }
    Ok(found.into_inner().unwrap_or_else(PoisonError::into_inner))
}

async fn look_up(egress: &Egress, host: &str, until: Instant) -> Result<Vec<IpAddr>, Error> {
    let started = Instant::now();
    let found = timeout_at(until, egress.resolve(Purpose::Probe, host, 0))
        .await
        .map_err(|_elapsed| lookup_timeout("", started.elapsed()))??;
    for (family, reach) in [("IPv4", Reach::V4), ("IPv6", Reach::V6)] {
        reach.kept(host, found.clone()).map_err(|_none| no_address(host, family))?;
    }
    let addresses: BTreeSet<IpAddr> = found.iter().map(SocketAddr::ip).collect();
    Ok(addresses.into_iter().collect())
}

/// Makes one report of those of all addresses: the worst counts, and says at how many it is so.
fn merged(about: &About, reports: Vec<(IpAddr, Report)>) -> Report {
    let all = reports.len();
    let bad: Vec<String> = reports
        .iter()
        .filter(|(_, report)| report.outcome != Outcome::Pass)
        .map(|(address, report)| format!("{address}: {}", report.observed))
        .collect();
    let duration = reports.iter().map(|(_, report)| report.duration).max().unwrap_or_default();
    let worst = reports.into_iter().map(|(_, report)| report).max_by_key(|report| report.outcome);
    // A name without an address has been reported before.
    let Some(worst) = worst else { return Report::skipped(&about.target, "nobody was asked") };
    let observed = if bad.is_empty() {
        format!("{}, at each of {all} addresses", worst.observed)
    } else {
        format!("at {} of {all} addresses: {}", bad.len(), bad.join("; "))
    };
    let message = format!("{}: {observed}", about.attempted);
    Report { observed, message, duration, ..worst }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn about() -> About {
        About { attempted: "asking x".into(), target: "x".into(), expected: "y".into() }
    }

    #[test]
    fn the_worst_address_counts_and_every_bad_one_is_named() {
        let refused = || {
            let observed = "connection refused";
            let error =
                Error::new(Class::Transient, ReasonCode::ConnectRefused, "asking x", observed);
            about().failed(error)
        };
        let good = || about().passed("connected in 1 ms");
        let [one, two, six] = ["10.0.0.1", "10.0.0.2", "::5"].map(address);
        let report = merged(&about(), vec![(one, good()), (two, good()), (six, good())]);
        assert_eq!(report.outcome, Outcome::Pass);
        assert_eq!(report.message, "asking x: connected in 1 ms, at each of 3 addresses");
        let report = merged(&about(), vec![(one, good()), (two, refused()), (six, refused())]);
        assert_eq!(report.reason_code, ReasonCode::ConnectRefused);
        assert_eq!(
            report.message,
            "asking x: at 2 of 3 addresses: 10.0.0.2: connection refused; ::5: connection refused"
        );
    }

    /// Accepts connections on the same port of each of these addresses.
    async fn listening(on: &[&str]) -> (u16, Vec<tokio::net::TcpListener>) {
        let mut listeners: Vec<tokio::net::TcpListener> = Vec::new();
        for host in on {
            let port = listeners.first().map_or(0, |first| first.local_addr().unwrap().port());
            let at = SocketAddr::new(address(host), port);
            listeners.push(tokio::net::TcpListener::bind(at).await.unwrap());
        }
        (listeners[0].local_addr().unwrap().port(), listeners)
    }

    #[tokio::test]
    async fn each_word_of_ip_asks_the_addresses_it_names() {
        let rules = printery_config::EgressRules { allow: vec![], allow_loopback: true };
        let egress = Egress::try_new(&rules).unwrap();
        let [all, four, six] = [&["127.0.0.1", "127.0.0.2", "::1"][..], &["127.0.0.1"], &["::1"]];
        let (ok, refused) = (ReasonCode::Ok, ReasonCode::ConnectRefused);
        for (host, up, ip, expected, said) in [
            ("both.test", all, IpFamily::Both, ok, "at each of 3 addresses"),
            ("both.test", four, IpFamily::Any, ok, "connected in"),
            ("both.test", six, IpFamily::Any, ok, "connected in"),
            ("both.test", four, IpFamily::V4, ok, "connected in"),
            ("both.test", four, IpFamily::V6, refused, "connection refused"),
            ("both.test", six, IpFamily::V4, refused, "connection refused"),
            // Half of the addresses are dead, which whoever is content with one never sees.
            ("both.test", four, IpFamily::Both, refused, "at 2 of 3 addresses: 127.0.0.2: "),
            ("four.test", four, IpFamily::V6, ReasonCode::NoAddress, "has no IPv6 address"),
            ("four.test", four, IpFamily::Both, ReasonCode::NoAddress, "has no IPv6 address"),
            ("127.0.0.1", four, IpFamily::Both, ok, "connected in"),
            ("127.0.0.1", four, IpFamily::V6, ReasonCode::NoAddress, "has no IPv6 address"),
            // What must never be dialled is left out, whatever is asked.
            ("mixed.test", &["127.0.0.1", "::1"], IpFamily::Both, ok, "at each of 2 addresses"),
        ] {
            let (port, _listeners) = listening(up).await;
            let limits = Limits { ip, attempts: 1, ..Limits::default() };
            let report = crate::tcp::TcpProbe::new(host, port).run(&egress, &limits).await;
            assert_eq!(report.reason_code, expected, "{host} {ip:?}: {report:?}");
            assert!(report.message.contains(said), "{host} {ip:?}: {}", report.message);
        }
    }

    #[test]
    fn a_family_that_a_name_does_not_have_is_no_reason_to_try_again() {
        let four = SocketAddr::new(address("10.0.0.1"), 80);
        let six = SocketAddr::new(address("::5"), 80);
        assert_eq!(Reach::V4.kept("x", vec![four, six]).unwrap(), [four]);
        assert_eq!(Reach::V6.kept("x", vec![four, six]).unwrap(), [six]);
        assert_eq!(Reach::Any.kept("x", vec![four, six]).unwrap(), [four, six]);
        let error = Reach::V6.kept("x", vec![four]).unwrap_err();
        assert_eq!((error.class(), error.reason_code()), (Class::Permanent, ReasonCode::NoAddress));
        assert!(error.to_string().contains("x has no IPv6 address"), "{error}");
    }
}
