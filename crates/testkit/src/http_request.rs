//! One HTTP request without a client library.
//!
//! Owns the few lines that ask a program of ours for its health, its metrics or its status; called by tests.
//! It never keeps a connection, follows a redirect or leaves loopback.

use std::io::{Error, ErrorKind};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The body as text.
    pub body: String,
}

impl Response {
    /// Returns the body as JSON; panics with the text when it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// Asks `addr` (`127.0.0.1:<port>`) for a path.
///
/// # Errors
/// Nobody listens there, or the answer is not HTTP; a program that is still starting does both.
pub async fn get(addr: &str, path: &str) -> Result<Response, Error> {
    ask(addr, &format!("GET {path}"), "").await
}

/// Sends `addr` JSON to a path.
///
/// # Errors
/// As [`get`].
pub async fn post(addr: &str, path: &str, body: &serde_json::Value) -> Result<Response, Error> {
    ask(addr, &format!("POST {path}"), &body.to_string()).await
}

async fn ask(addr: &str, what: &str, body: &str) -> Result<Response, Error> {
    let mut stream = TcpStream::connect(addr).await?;
    let request = format!(
        "{what} HTTP/1.0\r\nHost: {addr}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(ErrorKind::InvalidData)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok(Response { status: status.ok_or(ErrorKind::InvalidData)?, body: body.to_owned() })
}
