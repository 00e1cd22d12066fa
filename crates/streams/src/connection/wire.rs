//! A socket with nothing between it and its one owner: where deliveries are read and settled.
//!
//! Used by [`super::Session`] for scripts and reads; everything else, and every address with TLS,
//! goes through the client. One question at a time is written from where it was made and its reply
//! is read in place: no driver, no channel, no second parser for each delivery. It repeats nothing.

use std::io;
use std::time::Duration;

use redis::io::tcp::socket2::{SockRef, TcpKeepalive};
use redis::{Cmd, ConnectionAddr, ConnectionInfo, RedisError, Value, cmd};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::address::KEEPALIVE;

/// What is read at once: the reply of a usual read, some hundred entries.
const CHUNK: usize = 64 << 10;

/// A buffer that grew beyond this for one large reply is given back. 1 MiB.
const LARGEST_KEPT: usize = 1 << 20;

/// Lists within lists of a reply: what the server itself allows a script to return, and more.
const DEEPEST: usize = 64;

/// One connection; after an error it is of no use any more.
pub(super) struct Wire {
    socket: Socket,
    input: Vec<u8>,
    response: Duration,
}

enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Wire {
    /// Whether such an address can be dialled here; the client does the others.
    pub(super) fn reaches(info: &ConnectionInfo) -> bool {
        matches!(info.addr(), ConnectionAddr::Tcp(..) | ConnectionAddr::Unix(..))
    }

    /// Connects and says who we are.
    ///
    /// # Redis
    /// `AUTH` and `SELECT`, where the address asks for them.
    pub(super) async fn open(info: &ConnectionInfo, within: Duration) -> Result<Self, RedisError> {
        let mut wire = Self {
            socket: timeout(within, dial(info.addr())).await.map_err(too_late)??,
            input: Vec::with_capacity(CHUNK),
            response: within,
        };
        let login = info.redis_settings();
        if let Some(password) = login.password() {
            let mut auth = cmd("AUTH");
            auth.arg(login.username()).arg(password);
            wire.ask(&auth.get_packed_command()).await?;
        }
        if login.db() != 0 {
            wire.ask(&cmd("SELECT").arg(login.db()).get_packed_command()).await?;
        }
        Ok(wire)
    }

    /// Sends one encoded command and reads its reply.
    ///
    /// # Errors
    /// What the server replied, or what became of the connection.
    /// # Cancel safety
    /// Not cancel safe: the reply of a dropped question would answer the next one.
    pub(super) async fn ask(&mut self, command: &[u8]) -> Result<Value, RedisError> {
        timeout(self.response, self.exchange(command)).await.map_err(too_late)?
    }

    async fn exchange(&mut self, command: &[u8]) -> Result<Value, RedisError> {
        match &mut self.socket {
            Socket::Tcp(socket) => socket.write_all(command).await?,
            Socket::Unix(socket) => socket.write_all(command).await?,
        }
        let mut frame = Frame::default();
        while !frame.is_whole(&self.input)? {
            self.input.reserve(CHUNK);
            let count = match &mut self.socket {
                Socket::Tcp(socket) => socket.read_buf(&mut self.input).await?,
                Socket::Unix(socket) => socket.read_buf(&mut self.input).await?,
            };
            if count == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
        let mut reading = Reading { bytes: &self.input, at: 0, error: None };
        let value = reading.value(0);
        let error = reading.error;
        let all_read = reading.at == self.input.len();
        self.input.clear();
        self.input.shrink_to(LARGEST_KEPT);
        match (value, error) {
            // More than what was asked for answers nobody's question.
            (Ok(value), None) if all_read => Ok(value),
            (Ok(_), None) => Err(nonsense("more than a reply").into()),
            (_, Some(line)) => Err(server_error(&line)),
            (Err(error), None) => Err(error.into()),
        }
    }
}

async fn dial(addr: &ConnectionAddr) -> Result<Socket, RedisError> {
    match addr {
        ConnectionAddr::Tcp(host, port) => {
            let stream = TcpStream::connect((host.as_str(), *port)).await?;
            stream.set_nodelay(true)?;
            SockRef::from(&stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE))?;
            Ok(Socket::Tcp(stream))
        }
        ConnectionAddr::Unix(path) => Ok(Socket::Unix(UnixStream::connect(path).await?)),
        ConnectionAddr::TcpTls { .. } | _ => {
            Err(io::Error::from(io::ErrorKind::Unsupported).into())
        }
    }
}

/// Makes a command out of an encoded one, for a connection of the client.
pub(super) fn decoded(command: &[u8]) -> Cmd {
    let mut reading = Reading { bytes: command, at: 0, error: None };
    let mut decoded = Cmd::new();
    if let Ok(Value::Array(words)) = reading.value(0) {
        for word in words {
            if let Value::BulkString(word) = word {
                decoded.arg(word);
            }
        }
    }
    decoded
}

fn too_late(_elapsed: tokio::time::error::Elapsed) -> RedisError {
    io::Error::from(io::ErrorKind::TimedOut).into()
}

fn nonsense(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// The client's own reading of an error, so that both kinds of connection report the same.
fn server_error(line: &[u8]) -> RedisError {
    match redis::parse_redis_value(line).and_then(Value::extract_error) {
        Err(error) => error,
        Ok(_) => nonsense("an error that is none").into(),
    }
}

/// How far it is known that a reply is whole; each byte is looked at once, however it arrives.
#[derive(Debug, Default)]
struct Frame {
    at: usize,
    /// Items that are still to come behind the first one.
    owed: usize,
    begun: bool,
}

impl Frame {
    fn is_whole(&mut self, bytes: &[u8]) -> io::Result<bool> {
        while !self.begun || self.owed > 0 {
            let Some((kind, number, next)) = header(bytes, self.at)? else { return Ok(false) };
            self.owed = if self.begun { self.owed - 1 } else { 0 };
            self.begun = true;
            self.at = next;
            match (kind, usize::try_from(number)) {
                (b'$', Ok(length)) => self.at += length + 2,
                (b'*', Ok(items)) => self.owed += items,
                _ => {}
            }
        }
        Ok(self.at <= bytes.len())
    }
}

/// The first line of an item: its kind, the number in it, and where the next byte stands.
fn header(bytes: &[u8], at: usize) -> io::Result<Option<(u8, i64, usize)>> {
    let Some((kind, rest)) = bytes.get(at..).and_then(<[u8]>::split_first) else {
        return Ok(None);
    };
    let Some(end) = rest.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
    let line = rest.get(..end.saturating_sub(1)).unwrap_or_default();
    let number = match kind {
        b'$' | b'*' | b':' => number(line).ok_or_else(|| nonsense("a number was expected"))?,
        b'+' | b'-' => 0,
        _ => return Err(nonsense("not a reply of Redis")),
    };
    Ok(Some((*kind, number, at + end + 2)))
}

fn number(line: &[u8]) -> Option<i64> {
    let (negative, digits) = match line.split_first()? {
        (b'-', digits) => (true, digits),
        _ => (false, line),
    };
    if digits.is_empty() {
        return None;
    }
    let mut number: i64 = 0;
    for digit in digits {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        let digit = if negative { -i64::from(digit) } else { i64::from(digit) };
        number = number.checked_mul(10)?.checked_add(digit)?;
    }
    Some(number)
}

/// Reads a reply that is known to be whole.
struct Reading<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The line of the first error in it.
    error: Option<Vec<u8>>,
}

impl Reading<'_> {
    fn value(&mut self, depth: usize) -> io::Result<Value> {
        let begun = self.at;
        let cut = || nonsense("a cut reply");
        let (kind, number, next) = header(self.bytes, begun)?.ok_or_else(cut)?;
        let line = self.bytes.get(begun..next).unwrap_or_default();
        self.at = next;
        match (kind, usize::try_from(number)) {
            (b':', _) => Ok(Value::Int(number)),
            (b'$', Ok(length)) => {
                let text = self.bytes.get(next..next + length).ok_or_else(cut)?;
                self.at = next + length + 2;
                Ok(Value::BulkString(text.to_vec()))
            }
            (b'*', Ok(_)) if depth == DEEPEST => Err(nonsense("a list in too many lists")),
            (b'*', Ok(items)) => {
                // Each item has three bytes at least: what is claimed beyond that is not there.
                let mut list = Vec::with_capacity(items.min(self.bytes.len() / 3));
                for _ in 0..items {
                    list.push(self.value(depth + 1)?);
                }
                Ok(Value::Array(list))
            }
            (b'+', _) => match line.get(1..line.len().saturating_sub(2)).unwrap_or_default() {
                b"OK" => Ok(Value::Okay),
                text => Ok(Value::SimpleString(String::from_utf8_lossy(text).into_owned())),
            },
            (b'-', _) => {
                self.error.get_or_insert_with(|| line.to_vec());
                Ok(Value::Nil)
            }
            _ => Ok(Value::Nil),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// A reply as a server writes it.
    #[expect(clippy::wildcard_enum_match_arm, reason = "what is not made here is nothing")]
    fn written(value: &Value, out: &mut Vec<u8>) {
        match value {
            Value::Int(number) => out.extend(format!(":{number}\r\n").bytes()),
            Value::BulkString(bytes) => {
                out.extend(format!("${}\r\n", bytes.len()).bytes());
                out.extend(bytes);
                out.extend(b"\r\n");
            }
            Value::Array(items) => {
                out.extend(format!("*{}\r\n", items.len()).bytes());
                for item in items {
                    written(item, out);
                }
            }
            Value::SimpleString(text) => out.extend(format!("+{text}\r\n").bytes()),
            Value::Okay => out.extend(b"+OK\r\n"),
            _ => out.extend(b"$-1\r\n"),
        }
    }

    fn any_reply() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Nil),
            Just(Value::Okay),
            any::<i64>().prop_map(Value::Int),
            "[a-z ]{0,9}".prop_map(Value::SimpleString),
            vec(any::<u8>(), 0..40).prop_map(Value::BulkString),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| vec(inner, 0..6).prop_map(Value::Array))
    }

    /// Asks a server that answers with these bytes, in such pieces.
    fn asked(answer: Vec<u8>, piece: usize) -> Result<Value, RedisError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            let serving = async move {
                let mut question = [0; 14];
                theirs.read_exact(&mut question).await.unwrap();
                for part in answer.chunks(piece) {
                    if theirs.write_all(part).await.is_err() {
                        return;
                    }
                    tokio::task::yield_now().await;
                }
            };
            let response = Duration::from_secs(60);
            let mut wire = Wire { socket: Socket::Unix(ours), input: Vec::new(), response };
            tokio::join!(wire.ask(b"*1\r\n$4\r\nPING\r\n"), serving).0
        })
    }

    proptest! {
        #[test]
        fn a_reply_is_the_same_in_whatever_pieces_it_comes(reply in any_reply(), piece in 1..50_usize) {
            let mut bytes = Vec::new();
            written(&reply, &mut bytes);
            prop_assert_eq!(&redis::parse_redis_value(&bytes).unwrap(), &reply);
            prop_assert_eq!(asked(bytes, piece).unwrap(), reply);
        }

        #[test]
        fn a_command_for_the_client_is_the_one_that_was_encoded(words in vec(vec(any::<u8>(), 0..9), 1..9)) {
            let mut command = Cmd::new();
            for word in &words {
                command.arg(word.as_slice());
            }
            let encoded = command.get_packed_command();
            prop_assert_eq!(decoded(&encoded).get_packed_command(), encoded);
        }

        #[test]
        fn no_bytes_make_it_panic_or_answer_what_is_not_there(bytes in vec(any::<u8>(), 0..60)) {
            let expected = redis::parse_redis_value(&bytes);
            if let Ok(found) = asked(bytes, 7) {
                prop_assert_eq!(expected.unwrap(), found);
            }
        }
    }

    #[test]
    fn errors_are_those_of_the_client_wherever_they_stand() {
        for answer in
            ["-MOVED 3999 127.0.0.1:6381\r\n", "*2\r\n:1\r\n-MOVED 3999 127.0.0.1:6381\r\n"]
        {
            let error = asked(answer.into(), 3).unwrap_err();
            assert_eq!(
                (error.code(), error.redirect_node()),
                (Some("MOVED"), Some(("127.0.0.1:6381", 3999)))
            );
        }
    }

    #[test]
    fn a_connection_that_ends_a_second_reply_and_depth_without_end_are_errors() {
        for answer in
            [":1", "*2\r\n:1\r\n", ":1\r\n:2\r\n", "*-\r\n", "?\r\n", "$99999999999999999999\r\n"]
        {
            assert!(asked(answer.into(), 64).unwrap_err().is_io_error(), "{answer:?}");
        }
        let deep = "*1\r\n".repeat(DEEPEST + 2) + ":1\r\n";
        assert!(asked(deep.into(), 64).is_err());
    }
}
