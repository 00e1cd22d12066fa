//! An open connection to a target: guarded, encrypted where asked for, with the time of each step.
//!
//! Probes of HTTP, TLS and TCP open one for each attempt. What the other side showed in its handshake is kept, also when
//! the handshake fails. It sends nothing of its own.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ProtocolVersion;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use crate::certificate::Certificate;
use crate::classify::io_error;
use crate::egress::{Egress, Purpose};
use crate::error::Error;
use crate::outcome::{Class, ReasonCode};
use crate::report::Timings;
use crate::sign_in::Identity;
use crate::trust::Trust;

/// Whatever carries the bytes.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// Who is at the other end, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Peer {
    /// The address that was dialled.
    pub(crate) ip: Option<IpAddr>,
    /// `1.2` or `1.3`; absent without TLS.
    pub(crate) tls_version: Option<&'static str>,
    /// The protocol that was agreed on in the handshake.
    pub(crate) alpn: Option<Vec<u8>>,
    /// The certificate that was shown, believed or not.
    pub(crate) certificate: Option<Certificate>,
}

/// What is said to whom in a handshake.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Handshake<'a> {
    /// The name that the certificate must be for.
    pub(crate) name: &'a str,
    pub(crate) trust: &'a Trust,
    pub(crate) alpn: &'a [&'a [u8]],
    /// Who we are, to whoever wants to see a certificate.
    pub(crate) identity: Option<&'a Identity>,
}

/// An open connection.
pub(crate) struct Channel {
    pub(crate) wire: Box<dyn Wire>,
    pub(crate) peer: Peer,
    pub(crate) timings: Timings,
}

impl Channel {
    /// Dials, within `reach`; nothing is encrypted yet.
    pub(crate) async fn open(
        egress: &Egress,
        host: &str,
        port: u16,
        reach: Instant,
    ) -> Result<Self, Error> {
        let connection = egress.connect(Purpose::Probe, host, port, reach).await?;
        let ip = connection.stream.peer_addr().ok().map(|address| address.ip());
        let timings = Timings {
            resolve: connection.resolve,
            connect: Some(connection.connect),
            ..Timings::default()
        };
        let peer = Peer { ip, ..Peer::default() };
        Ok(Self { wire: Box::new(connection.stream), peer, timings })
    }

    /// Encrypts the connection; what was shown is in `peer` whether or not it succeeds.
    pub(crate) async fn secure(
        self,
        handshake: Handshake<'_>,
        until: Instant,
    ) -> (Result<Box<dyn Wire>, Error>, Peer, Timings) {
        let Self { wire, mut peer, mut timings } = self;
        let started = Instant::now();
        let result = shake(wire, handshake, until, &mut peer).await;
        timings.tls = Some(started.elapsed());
        (result, peer, timings)
    }
}

async fn shake(
    wire: Box<dyn Wire>,
    handshake: Handshake<'_>,
    until: Instant,
    peer: &mut Peer,
) -> Result<Box<dyn Wire>, Error> {
    let Handshake { name, trust, alpn, identity } = handshake;
    let name = ServerName::try_from(name.trim_matches(['[', ']']).to_owned()).map_err(|_why| {
        let observed = "the name cannot stand in a certificate";
        Error::new(Class::Internal, ReasonCode::InvalidTarget, "", observed)
    })?;
    let (config, shown) = trust.recording(alpn, identity)?;
    let connecting = TlsConnector::from(Arc::clone(&config)).connect(name, wire);
    let result = timeout_at(until, connecting).await;
    peer.certificate = shown.certificate();
    let stream = match result {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(io_error(&error, "")),
        Err(_elapsed) => {
            let observed = "the TLS handshake was not finished in time";
            return Err(Error::new(Class::Transient, ReasonCode::Timeout, "", observed));
        }
    };
    let session = stream.get_ref().1;
    peer.alpn = session.alpn_protocol().map(<[u8]>::to_vec);
    peer.tls_version = session.protocol_version().map(version);
    Ok(Box::new(stream))
}

fn version(version: ProtocolVersion) -> &'static str {
    if version == ProtocolVersion::TLSv1_3 { "1.3" } else { "1.2" }
}

/// Adds the phases of one more connection to those of the ones before, as redirects make them.
pub(crate) fn add(sum: &mut Timings, more: &Timings) {
    let add = |sum: &mut Option<Duration>, more: Option<Duration>| {
        if let Some(more) = more {
            *sum = Some(sum.unwrap_or_default() + more);
        }
    };
    add(&mut sum.resolve, more.resolve);
    add(&mut sum.connect, more.connect);
    add(&mut sum.tls, more.tls);
    add(&mut sum.processing, more.processing);
    add(&mut sum.transfer, more.transfer);
}
