//! HTTP clients that ask the egress guard.
//!
//! Registries are asked and the notifier's senders are made with these. A client here never follows a redirect, never
//! reads proxy variables and never decompresses.

use reqwest::{Method, RequestBuilder, Url, redirect};

use crate::classify;
use crate::egress::{Egress, Purpose};
use crate::error::Error;
use crate::limits::Limits;
use crate::resolver::GuardedResolver;
use crate::tls;

/// Header bytes that an HTTP/2 answer may have. 16 KiB.
const MAX_HEADERS: u32 = 16 * 1024;

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
            .builder(purpose, limits)?
            .redirect(redirect::Policy::none())
            .build()
            .map_err(|error| classify::request_error(&error, "making an HTTP client"))?;
        Ok(GuardedClient { client, egress: self.clone(), purpose })
    }

    fn builder(&self, purpose: Purpose, limits: &Limits) -> Result<reqwest::ClientBuilder, Error> {
        let resolver = GuardedResolver::new(self.clone(), purpose);
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
}
