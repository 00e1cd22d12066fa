//! What is said before a connection is encrypted.
//!
//! Probes of ports that begin in clear text call it between dialling and the handshake. It reads no byte beyond the
//! server's consent, so that nothing said in clear text is taken for something said under encryption.

use printery_config::StartTls;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use crate::channel::Wire;
use crate::classify::io_error;
use crate::error::Error;
use crate::outcome::{Class, ReasonCode};
use crate::redact;

/// Bytes of one line of an answer. 2 KiB: RFC 5321 §4.5.3.1.5 says 512.
const MAX_LINE: usize = 2048;

/// Lines of one answer. A mail server lists what it can.
const MAX_LINES: usize = 64;

/// The name that a client of mail servers must give.
const EHLO: &[u8] = b"EHLO printery-workers.invalid\r\n";

/// `SSLRequest`: length 8, code 80877103.
///
/// # Source
/// PostgreSQL, Frontend/Backend Protocol, "SSL Session Encryption".
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// Gets the server's consent; the next byte on the wire is the handshake's.
pub(crate) async fn negotiate(
    kind: StartTls,
    wire: &mut Box<dyn Wire>,
    until: Instant,
) -> Result<(), Error> {
    let dialogue = async {
        match kind {
            StartTls::Smtp => {
                reply(wire, &["220"]).await?;
                say(wire, EHLO).await?;
                reply(wire, &["250"]).await?;
                say(wire, b"STARTTLS\r\n").await?;
                reply(wire, &["220"]).await
            }
            StartTls::Imap => {
                reply(wire, &["* OK"]).await?;
                say(wire, b"a1 STARTTLS\r\n").await?;
                reply(wire, &["a1 OK"]).await
            }
            StartTls::Pop3 => {
                reply(wire, &["+OK"]).await?;
                say(wire, b"STLS\r\n").await?;
                reply(wire, &["+OK"]).await
            }
            StartTls::Ftp => {
                reply(wire, &["220"]).await?;
                say(wire, b"AUTH TLS\r\n").await?;
                reply(wire, &["234"]).await
            }
            StartTls::Postgres => {
                say(wire, &SSL_REQUEST).await?;
                let answer = byte(wire).await?;
                if answer == b'S' { Ok(()) } else { Err(refused(&[answer])) }
            }
        }
    };
    timeout_at(until, dialogue).await.unwrap_or_else(|_elapsed| {
        let observed = "the server did not agree to encrypt in time";
        Err(Error::new(Class::Transient, ReasonCode::Timeout, "", observed))
    })
}

async fn say(wire: &mut Box<dyn Wire>, bytes: &[u8]) -> Result<(), Error> {
    wire.write_all(bytes).await.map_err(|error| io_error(&error, ""))?;
    wire.flush().await.map_err(|error| io_error(&error, ""))
}

/// Reads one answer with all its lines; the last one begins with one of these.
async fn reply(wire: &mut Box<dyn Wire>, expected: &[&str]) -> Result<(), Error> {
    for _ in 0..MAX_LINES {
        let line = line(wire).await?;
        // `250-SIZE` announces another line, as the capability lists of IMAP do with `*`.
        let more = line.get(3) == Some(&b'-') && line.iter().take(3).all(u8::is_ascii_digit);
        if more {
            continue;
        }
        let right = expected.iter().any(|start| line.starts_with(start.as_bytes()));
        return match (right, line.starts_with(b"* ")) {
            (true, _) => Ok(()),
            (false, true) => continue,
            (false, false) => Err(refused(&line)),
        };
    }
    Err(refused(b""))
}

async fn line(wire: &mut Box<dyn Wire>) -> Result<Vec<u8>, Error> {
    let mut line = Vec::new();
    while line.len() < MAX_LINE {
        match byte(wire).await? {
            b'\n' => return Ok(line),
            other => line.push(other),
        }
    }
    Err(refused(&line))
}

async fn byte(wire: &mut Box<dyn Wire>) -> Result<u8, Error> {
    wire.read_u8().await.map_err(|error| io_error(&error, ""))
}

fn refused(said: &[u8]) -> Error {
    let observed = "connected, but the server did not agree to encrypt";
    Error::new(Class::Permanent, ReasonCode::Protocol, "", observed)
        .with_evidence(redact::evidence(said))
}
