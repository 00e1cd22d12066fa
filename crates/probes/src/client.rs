//! HTTP clients that ask the egress guard: one kind for senders, one for probes.
//!
//! The HTTP probe and the notifier's senders are made of these. A client here never follows a redirect unchecked,
//! never reads proxy variables and never decompresses.

use reqwest::{Method, RequestBuilder, Url, redirect};

use crate::classify;
use crate::egress::{Egress, Purpose, blocked};
use crate::error::Error;
use crate::limits::Limits;
use crate::outcome::{Class, ReasonCode};
use crate::resolver::{GuardedResolver, ResolveTime};
use crate::tls;

/// Redirects that a probe follows; senders follow none, as webhook conventions ask.
const MAX_REDIRECTS: usize = 3;

/// Header bytes that an HTTP/2 answer may have. 16 KiB.
const MAX_HEADERS: u32 = 16 * 1024;

/// Whether a probe goes where a redirect points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Redirects {
    Follow,
    /// As a request whose headers may be credentials must.
    FollowOnSameHost,
    Stop,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hosts {
    Any,
    Same,
}

/// An HTTP client that asks the guard before it makes a request.
///
/// The resolver inside it filters the addresses of names; literal addresses are checked here, because a client
/// does not look those up.
#[derive(Debug, Clone)]
pub struct GuardedClient {
    client: reqwest::Client,
    egress: Egress,
    purpose: Purpose,
}

impl GuardedClient {
    /// Starts a request, if the guard admits its URL.
    pub fn request(&self, method: Method, url: &Url) -> Result<RequestBuilder, Error> {
        self.egress.check_url(self.purpose, url)?;
        Ok(self.client.request(method, url.clone()))
    }
}

impl Egress {
    /// Makes an HTTP client for senders: no redirect, no proxy, no decompression, connections are kept.
    pub fn client(&self, purpose: Purpose, limits: &Limits) -> Result<GuardedClient, Error> {
        let client = self
            .builder(purpose, limits, None)?
            .redirect(redirect::Policy::none())
            .build()
            .map_err(|error| classify::request_error(&error, "making an HTTP client"))?;
        Ok(GuardedClient { client, egress: self.clone(), purpose })
    }

    /// Makes an HTTP client for one probe attempt: a fresh connection, at most three checked redirects if asked.
    pub(crate) fn probe_client(
        &self,
        limits: &Limits,
        follow: Redirects,
        resolve_time: ResolveTime,
    ) -> Result<GuardedClient, Error> {
        let policy = match follow {
            Redirects::Follow => self.redirects(Hosts::Any),
            Redirects::FollowOnSameHost => self.redirects(Hosts::Same),
            Redirects::Stop => redirect::Policy::none(),
        };
        let client = self
            .builder(Purpose::Probe, limits, Some(resolve_time))?
            .redirect(policy)
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|error| classify::request_error(&error, "making an HTTP client"))?;
        Ok(GuardedClient { client, egress: self.clone(), purpose: Purpose::Probe })
    }

    fn builder(
        &self,
        purpose: Purpose,
        limits: &Limits,
        resolve_time: Option<ResolveTime>,
    ) -> Result<reqwest::ClientBuilder, Error> {
        let resolver = GuardedResolver::new(self.clone(), purpose, resolve_time);
        Ok(reqwest::Client::builder()
            .tls_backend_preconfigured(tls::for_http()?)
            .dns_resolver(resolver)
            .no_proxy()
            .referer(false)
            .user_agent(concat!("printery-workers/", env!("CARGO_PKG_VERSION")))
            .http2_max_header_list_size(MAX_HEADERS)
            .connect_timeout(limits.connect)
            .timeout(limits.attempt))
    }

    /// Checks each hop like a first request, and two things that only a redirect can do.
    fn redirects(&self, hosts: Hosts) -> redirect::Policy {
        let egress = self.clone();
        redirect::Policy::custom(move |attempt| {
            if attempt.previous().len() > MAX_REDIRECTS {
                let observed = format!("redirected more than {MAX_REDIRECTS} times");
                return attempt.error(Error::new(
                    Class::Guard,
                    ReasonCode::TooManyRedirects,
                    "following a redirect",
                    observed,
                ));
            }
            let from_https = attempt.previous().last().is_some_and(|url| url.scheme() == "https");
            let next = attempt.url();
            let host = next.host_str().unwrap_or_default().to_owned();
            let moved = attempt.previous().last().is_some_and(|url| url.origin() != next.origin());
            let checked = if from_https && next.scheme() == "http" {
                Err(blocked(&host, "it was redirected from https to http"))
            } else if hosts == Hosts::Same && moved {
                Err(blocked(&host, "a request with credentials is not redirected to another host"))
            } else if !next.username().is_empty() || next.password().is_some() {
                Err(blocked(&host, "the redirect carries credentials"))
            } else {
                egress.check_url(Purpose::Probe, next)
            };
            match checked {
                Ok(()) => attempt.follow(),
                Err(error) => attempt.error(error),
            }
        })
    }
}
