//! The little of the Redis protocol that a probe speaks: commands out, simple replies in.
//!
//! The Redis probe uses it over a guarded connection. It reads no nested reply and no more than 64 KiB.

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::classify::io_error;
use crate::error::Error;
use crate::http::MAX_BODY;
use crate::outcome::{Class, ReasonCode};

/// The longest line that a server may answer with. 4 KiB.
const MAX_LINE: u64 = 4 * 1024;

/// One reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// `+PONG`, `:1` or the text of a bulk string; a nil is empty.
    Text(String),
    /// `-NOAUTH Authentication required.` without the dash.
    Refusal(String),
}

/// Sends one command.
pub(crate) async fn send(
    stream: &mut (impl AsyncWrite + Unpin),
    command: &[&str],
) -> Result<(), Error> {
    let mut bytes = format!("*{}\r\n", command.len()).into_bytes();
    for part in command {
        bytes.extend_from_slice(format!("${}\r\n", part.len()).as_bytes());
        bytes.extend_from_slice(part.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    stream.write_all(&bytes).await.map_err(|error| io_error(&error, ""))?;
    stream.flush().await.map_err(|error| io_error(&error, ""))
}

/// Reads one reply.
///
/// # Errors
/// The connection broke (transient), or what was read is not Redis (permanent).
/// # Cancel safety
/// Not cancel safe: a half-read reply is lost; the connection must be dropped with it.
pub(crate) async fn receive(stream: &mut (impl AsyncBufRead + Unpin)) -> Result<Reply, Error> {
    let line = read_line(stream).await?;
    let Some((first, rest)) = line.split_at_checked(1) else {
        return Err(not_redis());
    };
    match first {
        "+" | ":" => Ok(Reply::Text(rest.to_owned())),
        "-" => Ok(Reply::Refusal(rest.to_owned())),
        "$" => match rest.parse::<i64>() {
            Ok(-1) => Ok(Reply::Text(String::new())),
            Ok(length) => read_bulk(stream, length).await.map(Reply::Text),
            Err(_) => Err(not_redis()),
        },
        _ => Err(not_redis()),
    }
}

async fn read_line(stream: &mut (impl AsyncBufRead + Unpin)) -> Result<String, Error> {
    let mut line = Vec::new();
    stream
        .take(MAX_LINE)
        .read_until(b'\n', &mut line)
        .await
        .map_err(|error| io_error(&error, ""))?;
    if line.is_empty() {
        let observed = "closed the connection before answering";
        return Err(Error::new(Class::Transient, ReasonCode::ConnectionClosed, "", observed));
    }
    match line.strip_suffix(b"\r\n") {
        Some(text) => Ok(String::from_utf8_lossy(text).into_owned()),
        None => Err(not_redis()),
    }
}

async fn read_bulk(stream: &mut (impl AsyncBufRead + Unpin), length: i64) -> Result<String, Error> {
    let length = usize::try_from(length).ok().filter(|length| *length <= MAX_BODY);
    let Some(length) = length else {
        return Err(not_redis());
    };
    let mut bytes = vec![0; length + 2];
    stream.read_exact(&mut bytes).await.map_err(|error| io_error(&error, ""))?;
    bytes.truncate(length);
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn not_redis() -> Error {
    let observed = "answered something that is not Redis";
    Error::new(Class::Permanent, ReasonCode::Protocol, "", observed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn replies_are_read_as_they_are_written() {
        let cases: [(&[u8], Reply); 5] = [
            (b"+PONG\r\n", Reply::Text("PONG".into())),
            (b"-NOAUTH no\r\n", Reply::Refusal("NOAUTH no".into())),
            (b":7\r\n", Reply::Text("7".into())),
            (b"$-1\r\n", Reply::Text(String::new())),
            (b"$4\r\na\r\nb\r\n", Reply::Text("a\r\nb".into())),
        ];
        for (mut bytes, reply) in cases {
            assert_eq!(receive(&mut bytes).await.unwrap(), reply);
        }
    }

    #[tokio::test]
    async fn what_is_not_redis_is_told_from_a_broken_connection() {
        let cases: [(&[u8], ReasonCode); 6] = [
            (b"HTTP/1.1 400 Bad Request\r\n", ReasonCode::Protocol),
            (b"\r\n", ReasonCode::Protocol),
            (b"+no end", ReasonCode::Protocol),
            (b"$999999999\r\n", ReasonCode::Protocol),
            (b"", ReasonCode::ConnectionClosed),
            (b"$10\r\nabc", ReasonCode::ConnectionClosed),
        ];
        for (mut bytes, code) in cases {
            assert_eq!(receive(&mut bytes).await.unwrap_err().reason_code(), code, "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn a_command_carries_any_argument() {
        let mut sent = Vec::new();
        send(&mut sent, &["AUTH", "a b\r\nc"]).await.unwrap();
        assert_eq!(sent, b"*2\r\n$4\r\nAUTH\r\n$6\r\na b\r\nc\r\n");
    }
}
