//! Dialling addresses that the guard has admitted, one after the other.
//!
//! Only the egress guard calls it; it checks nothing by itself.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::classify;
use crate::error::Error;
use crate::outcome::{Class, ReasonCode};

/// Connects to the first address that answers by the deadline; also returns how long its handshake took.
pub(crate) async fn dial(
    addresses: &[SocketAddr],
    deadline: Instant,
    attempted: &str,
) -> Result<(TcpStream, Duration), Error> {
    let started = Instant::now();
    let mut last = Error::new(
        Class::Transient,
        ReasonCode::DnsFailure,
        attempted,
        "the name leads to no address",
    );
    for (tried, address) in addresses.iter().enumerate() {
        // What remains is shared, so that one silent address does not use up the turn of the next.
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len().saturating_sub(tried)).unwrap_or(1).max(1);
        let now = Instant::now();
        match timeout_at(now + share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true).map_err(|error| classify::io_error(&error, attempted))?;
                return Ok((stream, now.elapsed()));
            }
            Ok(Err(error)) => last = classify::io_error(&error, attempted),
            Err(_elapsed) => last = classify::connect_timeout(attempted, started.elapsed()),
        }
    }
    Err(last)
}
