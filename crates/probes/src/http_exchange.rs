//! One HTTP request with its redirects, over connections of its own.
//!
//! The HTTP probe makes one for each attempt, so that every phase is measured and every hop passes the guard. It keeps
//! no connection, reads no proxy variable and never reads beyond its caps.

use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::MultiGzDecoder;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use printery_config::MAX_REDIRECTS;
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_ENCODING, HOST, HeaderMap, HeaderValue, LOCATION, USER_AGENT,
};
use reqwest::{StatusCode, Url};
use tokio::task::JoinSet;
use tokio::time::Instant;
use url::Position;

use crate::channel::{self, Channel, Handshake, Peer, Wire};
use crate::classify::hyper_error;
use crate::egress::{Egress, Purpose, blocked};
use crate::error::Error;
use crate::http::{HttpProbe, MAX_BODY, StatusRange};
use crate::limits::Limits;
use crate::outcome::{Class, ReasonCode};
use crate::redis_target::decoded;
use crate::report::Timings;
use crate::sign_in::Age;
use crate::trust::Trust;

/// Header bytes that an answer may have. 64 KiB.
const MAX_HEADERS: usize = 64 * 1024;

/// What came back, before it is judged.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) peer: Peer,
}

/// Where a redirect may lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Follow {
    /// Anywhere the guard admits, so many times.
    Times(usize),
    Nowhere,
}

/// What a request carries beside the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Carries<'t> {
    /// The probe's headers and credentials, and a token: it goes where the probe was sent.
    Everything(Option<&'t HeaderValue>),
    /// Nothing of them: a redirect has led to another host, which they are not for.
    Nothing,
}

/// One attempt to get an answer.
pub(crate) struct Exchange<'a> {
    pub(crate) probe: &'a HttpProbe,
    pub(crate) egress: &'a Egress,
    pub(crate) limits: &'a Limits,
    pub(crate) until: Instant,
    pub(crate) follow: Follow,
}

impl Exchange<'_> {
    /// Signs in, asks and follows; writes into `timings` what it learns, also when it fails half-way.
    pub(crate) async fn run(&self, timings: &mut Timings) -> Result<Answer, Error> {
        let Some(tokens) = &self.probe.sign_in.tokens else {
            return self.walk(None, timings).await;
        };
        let (token, age) = tokens.authorization(self.egress, self.limits).await?;
        let answer = self.walk(Some(&token), timings).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        // The next attempt asks for a new one; a kept one may have been revoked, and deserves that chance now.
        tokens.forget(&token).await;
        if age == Age::New {
            return Ok(answer);
        }
        let (token, _) = tokens.authorization(self.egress, self.limits).await?;
        self.walk(Some(&token), timings).await
    }

    /// Asks and follows.
    async fn walk(
        &self,
        token: Option<&HeaderValue>,
        timings: &mut Timings,
    ) -> Result<Answer, Error> {
        let mut url = without_user(self.probe.url.clone());
        let mut carries = Carries::Everything(token);
        let mut followed = 0;
        loop {
            let answer = self.ask(&url, carries, timings).await?;
            let Follow::Times(most) = self.follow else { return Ok(answer) };
            let Some(next) = next(&url, &answer) else { return Ok(answer) };
            if followed >= most {
                let times = if most == 1 { "once".to_owned() } else { format!("{most} times") };
                let observed = format!("redirected more than {times}");
                return Err(Error::new(Class::Guard, ReasonCode::TooManyRedirects, "", observed));
            }
            followed += 1;
            let next = checked(&url, next?)?;
            if next.origin() != url.origin() {
                // Not taken up again on the way back: who sent us there may have chosen the path.
                carries = Carries::Nothing;
            }
            url = next;
        }
    }

    async fn ask(
        &self,
        url: &Url,
        carries: Carries<'_>,
        timings: &mut Timings,
    ) -> Result<Answer, Error> {
        self.egress.check_url(Purpose::Probe, url)?;
        let host = url.host_str().unwrap_or_default();
        let (dialled, port) = self.probe.place(url);
        let reach = self.until.min(Instant::now() + self.limits.connect);
        let channel = Channel::open(self.egress, dialled, port, reach).await?;
        let (wire, peer) = if url.scheme() == "https" {
            let trust = self.probe.trust.clone().map_or_else(Trust::machine, Ok)?;
            let identity = match (carries, &self.probe.sign_in.certificate) {
                (Carries::Everything(_), Some(files)) => Some(files.read().await?),
                (Carries::Everything(_), None) | (Carries::Nothing, _) => None,
            };
            let alpn: &[&[u8]] = &[b"h2", b"http/1.1"];
            let handshake =
                Handshake { name: host, trust: &trust, alpn, identity: identity.as_ref() };
            let (wire, peer, spent) = channel.secure(handshake, self.until).await;
            channel::add(timings, &spent);
            (wire?, peer)
        } else {
            channel::add(timings, &channel.timings);
            (channel.wire, channel.peer)
        };
        self.converse((url, carries), wire, peer, timings).await
    }

    async fn converse(
        &self,
        (url, carries): (&Url, Carries<'_>),
        wire: Box<dyn Wire>,
        peer: Peer,
        timings: &mut Timings,
    ) -> Result<Answer, Error> {
        let asked = Instant::now();
        // Owns what drives the connection; both end together.
        let mut driver = JoinSet::new();
        let response = if peer.alpn.as_deref() == Some(b"h2") {
            let (mut sender, connection) =
                hyper::client::conn::http2::Builder::new(TokioExecutor::new())
                    .max_header_list_size(16 * 1024)
                    .handshake(TokioIo::new(wire))
                    .await
                    .map_err(|error| hyper_error(&error))?;
            driver.spawn(connection);
            sender.send_request(self.request((url, carries), url.as_str())?).await
        } else {
            let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
                .max_buf_size(MAX_HEADERS)
                .handshake(TokioIo::new(wire))
                .await
                .map_err(|error| hyper_error(&error))?;
            driver.spawn(connection);
            let path = &url[Position::BeforePath..Position::AfterQuery];
            sender.send_request(self.request((url, carries), path)?).await
        };
        let response = response.map_err(|error| hyper_error(&error))?;
        let answered = Instant::now();
        let spent = Timings { processing: Some(answered - asked), ..Timings::default() };
        channel::add(timings, &spent);
        let (parts, body) = response.into_parts();
        let body = read(body).await;
        let spent = Timings { transfer: Some(answered.elapsed()), ..Timings::default() };
        channel::add(timings, &spent);
        let body = decompressed(body?, &parts.headers)?;
        Ok(Answer { status: parts.status, headers: parts.headers, body, peer })
    }

    fn request(
        &self,
        (url, carries): (&Url, Carries<'_>),
        target: &str,
    ) -> Result<hyper::Request<Empty<Bytes>>, Error> {
        let wrong = || {
            let observed = "cannot be asked for";
            Error::new(Class::Internal, ReasonCode::InvalidTarget, "", observed)
        };
        // HTTP/2 names the host in the target itself.
        let target = target.split('#').next().unwrap_or_default();
        let mut request = hyper::Request::builder()
            .method(self.probe.method.clone())
            .uri(target)
            .body(Empty::new())
            .map_err(|_why| wrong())?;
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert(
            USER_AGENT,
            HeaderValue::from_static(concat!("printery-workers/", env!("CARGO_PKG_VERSION"))),
        );
        if !target.contains("://") {
            let host = &url[Position::BeforeHost..Position::AfterPort];
            headers.insert(HOST, HeaderValue::from_str(host).map_err(|_why| wrong())?);
        }
        let Carries::Everything(token) = carries else { return Ok(request) };
        if let Some(token) = token {
            headers.insert(AUTHORIZATION, token.clone());
        }
        if let Some(authorization) = basic(&self.probe.url) {
            headers.insert(AUTHORIZATION, authorization);
        }
        for (name, value) in &self.probe.headers {
            headers.insert(name, value.clone());
        }
        Ok(request)
    }
}

/// Returns where an answer sends us, if it does.
fn next(url: &Url, answer: &Answer) -> Option<Result<Url, Error>> {
    if !matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = answer.headers.get(LOCATION)?;
    let next = location.to_str().ok().and_then(|location| url.join(location).ok());
    Some(next.ok_or_else(|| {
        let observed = "redirected to something that is no URL";
        Error::new(Class::Permanent, ReasonCode::Protocol, "", observed)
    }))
}

/// Checks a hop for what only a redirect can do; the guard checks it like a first request.
fn checked(from: &Url, next: Url) -> Result<Url, Error> {
    let host = next.host_str().unwrap_or_default();
    if from.scheme() == "https" && next.scheme() == "http" {
        return Err(blocked(host, "it was redirected from https to http"));
    }
    if !next.username().is_empty() || next.password().is_some() {
        return Err(blocked(host, "the redirect carries credentials"));
    }
    Ok(next)
}

/// Takes credentials out of a URL: they travel in a header, and a relative redirect does not inherit them.
fn without_user(mut url: Url) -> Url {
    // Fails only for URLs that cannot carry credentials.
    url.set_username("").unwrap_or_default();
    url.set_password(None).unwrap_or_default();
    url
}

/// Makes the header of credentials in a URL.
fn basic(url: &Url) -> Option<HeaderValue> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let (user, password) = (decoded(url.username()), decoded(url.password().unwrap_or_default()));
    let encoded = STANDARD.encode(format!("{user}:{password}"));
    let mut value = HeaderValue::from_str(&format!("Basic {encoded}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Reads a body up to the cap.
async fn read(mut body: Incoming) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| hyper_error(&error))?;
        let Some(data) = frame.data_ref() else { continue };
        if bytes.len() + data.len() > MAX_BODY {
            return Err(too_large());
        }
        bytes.extend_from_slice(data);
    }
    Ok(bytes)
}

/// Unpacks a body that came packed unasked; the cap holds for what comes out.
fn decompressed(body: Vec<u8>, headers: &HeaderMap) -> Result<Vec<u8>, Error> {
    let encoding = headers.get(CONTENT_ENCODING).and_then(|encoding| encoding.to_str().ok());
    let packed = encoding.is_some_and(|encoding| {
        ["gzip", "x-gzip"].iter().any(|known| encoding.trim().eq_ignore_ascii_case(known))
    });
    if !packed || body.is_empty() {
        return Ok(body);
    }
    let mut unpacked = Vec::new();
    let most = MAX_BODY as u64 + 1;
    MultiGzDecoder::new(body.as_slice()).take(most).read_to_end(&mut unpacked).map_err(|_why| {
        let observed = "answered something that is not the gzip it says";
        Error::new(Class::Permanent, ReasonCode::Protocol, "reading the answer", observed)
    })?;
    if unpacked.len() > MAX_BODY { Err(too_large()) } else { Ok(unpacked) }
}

fn too_large() -> Error {
    let observed = format!("answered with more than {} KiB", MAX_BODY / 1024);
    Error::new(Class::Guard, ReasonCode::BodyTooLarge, "reading the answer", observed)
}

impl Follow {
    /// Tells how far a probe's request may be sent on.
    pub(crate) fn of(probe: &HttpProbe) -> Self {
        // Whoever expects a redirect wants to see it, not to follow it.
        let wants_redirect = |range: &StatusRange| (300..400).any(|status| range.holds(status));
        match probe.follow {
            Some(0) => Self::Nowhere,
            Some(most) => Self::Times(most),
            None if probe.status.iter().chain(&probe.warn_status).any(wants_redirect) => {
                Self::Nowhere
            }
            None => Self::Times(MAX_REDIRECTS),
        }
    }
}
