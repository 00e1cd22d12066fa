//! The gRPC probe: asks a server's own health service.
//!
//! Workers use it for services that speak gRPC. It makes one call over a connection of its own and tells a service that
//! is not registered from a server without a health service.

use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use printery_expressions::Condition;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, TE, USER_AGENT};
use reqwest::{Method, StatusCode};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::addresses::over;
use crate::assertions;
use crate::channel::{Channel, Handshake, Peer, Wire};
use crate::classify::{hyper_error, status_class};
use crate::egress::Egress;
use crate::error::Error;
use crate::facts;
use crate::grpc_health::{CHECK, Health, refusal, request};
use crate::limits::Limits;
use crate::outcome::{Class, ReasonCode};
use crate::redact::brief;
use crate::report::{Report, Timings};
use crate::retry::{About, with_retries};
use crate::tcp::shown;
use crate::trust::Trust;

/// Bytes of an answer that are read; a right one has seven. 1 KiB.
const MAX_ANSWER: usize = 1024;

/// One server and which of its services is asked about.
#[derive(Debug, Clone)]
pub struct GrpcProbe {
    /// A name or a literal address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The service, empty for the whole server.
    pub service: String,
    /// Whom to believe; nothing is encrypted when nobody is named.
    pub trust: Option<Trust>,
    /// Conditions over everything that was seen.
    pub conditions: Vec<Condition>,
    /// Total time from which on a right answer is a warning.
    pub warn_after: Option<Duration>,
    /// Total time from which on a right answer is a failure.
    pub fail_after: Option<Duration>,
}

impl GrpcProbe {
    /// Makes a probe of a whole server, without encryption.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
            service: String::new(),
            trust: None,
            conditions: Vec::new(),
            warn_after: None,
            fail_after: None,
        }
    }

    /// Asks, with retries, and judges the answer.
    ///
    /// # Cancel safety
    /// Cancel safe: dropping the future closes its connection.
    pub async fn run(&self, egress: &Egress, limits: &Limits) -> Report {
        let target = format!("grpc://{}", shown(&self.host, self.port));
        let whom = if self.service.is_empty() { "it" } else { self.service.as_str() };
        let about = About {
            attempted: format!("asking {target} whether {whom} serves"),
            target,
            expected: "SERVING".to_owned(),
        };
        let (probe, about) = (self, &about);
        over(egress, &self.host, limits, about, |egress, limits| async move {
            let (egress, limits) = (&egress, &limits);
            with_retries(limits, about, |until| probe.attempt(egress, limits, about, until)).await
        })
        .await
    }

    async fn attempt(
        &self,
        egress: &Egress,
        limits: &Limits,
        about: &About,
        until: Instant,
    ) -> Report {
        let started = Instant::now();
        let mut timings = Timings::default();
        let reach = until.min(started + limits.connect);
        let answer = self.ask(egress, reach, until, &mut timings).await;
        let took = started.elapsed();
        let right = match answer {
            Ok((serving, peer)) => self.holds(serving, &peer, took, &timings, until).await,
            Err(error) => Err(error),
        };
        let caveat = Trust::caveat(self.trust.as_ref());
        let report = match right {
            Ok(()) => about
                .passed(format!("SERVING in {}{caveat}", brief(took)))
                .judged_by_latency(took, self.warn_after, self.fail_after),
            Err(error) => about.failed(error),
        };
        Report { timings, ..report }
    }

    async fn holds(
        &self,
        serving: Health,
        peer: &Peer,
        took: Duration,
        timings: &Timings,
        until: Instant,
    ) -> Result<(), Error> {
        if serving != Health::Serving {
            let observed = format!("it says {}", serving.as_str());
            return Err(Error::new(Class::Assertion, ReasonCode::NotReady, "", observed));
        }
        let mut facts = facts::of_connection(peer, took, timings);
        facts.insert("grpc_status".to_owned(), serving.as_str().into());
        assertions::check(&self.conditions, facts, until).await
    }

    async fn ask(
        &self,
        egress: &Egress,
        reach: Instant,
        until: Instant,
        timings: &mut Timings,
    ) -> Result<(Health, Peer), Error> {
        let channel = Channel::open(egress, &self.host, self.port, reach).await?;
        *timings = channel.timings;
        let (wire, peer) = match &self.trust {
            None => (channel.wire, channel.peer),
            Some(trust) => {
                let handshake =
                    Handshake { name: &self.host, trust, alpn: &[b"h2"], identity: None };
                let (wire, peer, spent) = channel.secure(handshake, until).await;
                *timings = spent;
                (wire?, peer)
            }
        };
        let asked = Instant::now();
        let serving = self.call(wire).await;
        timings.processing = Some(asked.elapsed());
        Ok((serving?, peer))
    }

    async fn call(&self, wire: Box<dyn Wire>) -> Result<Health, Error> {
        let request = self.request()?;
        // Owns what drives the connection; both end together.
        let mut driver = JoinSet::new();
        let (mut sender, connection) =
            hyper::client::conn::http2::Builder::new(TokioExecutor::new())
                .max_header_list_size(16 * 1024)
                .handshake(TokioIo::new(wire))
                .await
                .map_err(|error| hyper_error(&error))?;
        driver.spawn(connection);
        let response = sender.send_request(request).await.map_err(|error| hyper_error(&error))?;
        let (parts, body) = response.into_parts();
        if parts.status != StatusCode::OK {
            let observed = format!("answered {}, which gRPC never does", parts.status);
            let class = status_class(parts.status);
            return Err(Error::new(class, ReasonCode::Protocol, "", observed));
        }
        let (body, trailers) = read(body).await?;
        let status = status(&trailers).or_else(|| status(&parts.headers));
        match status.and_then(|status| refusal(status, &self.service)) {
            Some(refused) => Err(refused),
            None => Health::read(&body).ok_or_else(|| {
                let observed = "answered something that is not a health status";
                Error::new(Class::Permanent, ReasonCode::Protocol, "", observed)
            }),
        }
    }

    fn request(&self) -> Result<hyper::Request<Full<Bytes>>, Error> {
        let wrong = || {
            let observed = "it cannot be asked for";
            Error::new(Class::Internal, ReasonCode::InvalidTarget, "", observed)
        };
        let body = request(&self.service).ok_or_else(wrong)?;
        let scheme = if self.trust.is_some() { "https" } else { "http" };
        let uri = format!("{scheme}://{}{CHECK}", shown(&self.host, self.port));
        let mut request = hyper::Request::builder()
            .method(Method::POST)
            .uri(uri)
            .body(Full::new(Bytes::from(body)))
            .map_err(|_why| wrong())?;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(USER_AGENT, HeaderValue::from_static("printery-workers"));
        Ok(request)
    }
}

/// Reads a body with what follows it.
async fn read(mut body: Incoming) -> Result<(Vec<u8>, HeaderMap), Error> {
    let mut bytes = Vec::new();
    let mut trailers = HeaderMap::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| hyper_error(&error))?;
        match frame.into_data() {
            Ok(data) if bytes.len() + data.len() > MAX_ANSWER => {
                let observed = "answered with more than a health status";
                return Err(Error::new(Class::Guard, ReasonCode::BodyTooLarge, "", observed));
            }
            Ok(data) => bytes.extend_from_slice(&data),
            Err(frame) => {
                if let Ok(after) = frame.into_trailers() {
                    trailers = after;
                }
            }
        }
    }
    Ok((bytes, trailers))
}

/// Returns the status of a call, which stands in the trailers or, when nothing else was said, in the headers.
fn status(headers: &HeaderMap) -> Option<u32> {
    headers.get("grpc-status")?.to_str().ok()?.trim().parse().ok()
}
