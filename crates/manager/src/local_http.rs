//! Asks a process of this fleet for one page over plain HTTP.
//!
//! For the health checks and scrapes of children and for `printery-workers health`: short answers,
//! no redirects, no TLS, no proxies. It never talks to anything that an event or a person named.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Largest answer that is read, in bytes. 4 MiB, far above what a worker has to say.
const LARGEST: u64 = 4 << 20;

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The body, as text.
    pub(crate) body: String,
}

/// Asks for `path`, within a time for all of it.
///
/// # Errors
/// Nobody listens, the time is over, or the answer is not HTTP.
/// # Cancel safety
/// Cancel safe: the connection is closed.
pub(crate) async fn get(address: SocketAddr, path: &str, within: Duration) -> io::Result<Answer> {
    let exchange = exchange(reachable(address), path);
    tokio::time::timeout(within, exchange).await.unwrap_or_else(|_elapsed| {
        Err(io::Error::new(io::ErrorKind::TimedOut, "no answer in time"))
    })
}

/// An address that listens everywhere is asked on this machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(ip, address.port())
}

async fn exchange(address: SocketAddr, path: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(address).await?;
    // HTTP/1.0: the answer ends with the connection and is never chunked.
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    let read = stream.take(LARGEST).read_to_end(&mut answer).await?;
    if u64::try_from(read).is_ok_and(|read| read == LARGEST) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the answer is too large"));
    }
    parse(&String::from_utf8_lossy(&answer))
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP"))
}

fn parse(answer: &str) -> Option<Answer> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_taken_apart() {
        let ok = "HTTP/1.0 200 OK\r\ncontent-type: text/plain\r\n\r\na 1\n\r\n\r\n";
        assert_eq!(parse(ok), Some(Answer { status: 200, body: "a 1\n\r\n\r\n".to_owned() }));
        for bad in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 ok\r\n\r\n", "SSH-2.0-x\r\n\r\n"] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn an_address_that_listens_everywhere_is_asked_on_this_machine() {
        for (listens, asked) in [
            ("0.0.0.0:1", "127.0.0.1:1"),
            ("[::]:2", "[::1]:2"),
            ("127.0.0.1:3", "127.0.0.1:3"),
            ("10.0.0.1:4", "10.0.0.1:4"),
        ] {
            assert_eq!(reachable(listens.parse().unwrap()), asked.parse().unwrap());
        }
    }

    #[tokio::test]
    async fn a_silent_listener_is_given_up() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let error = get(address, "/health", Duration::from_millis(20)).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
