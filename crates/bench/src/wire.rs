//! Redis' protocol with nothing around it: what a byte on the socket costs, and no more.
//!
//! The raw loops are the yardstick, so nothing may be cheaper than they are: commands are written into one buffer,
//! replies are walked in another. Also used to load, to look and to count. It never reconnects.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Read from the socket at once. 64 KiB: a few hundred entries.
const CHUNK: usize = 64 << 10;

/// How long a reply may take. 30 s: longer than anything that blocks, shorter than anybody waits.
const REPLY_WITHIN: Duration = Duration::from_secs(30);

/// One item of a reply.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// So many items follow.
    List(usize),
    /// A text.
    Bytes(&'a [u8]),
    /// A number.
    Int(i64),
    /// An error.
    Error(&'a [u8]),
    /// Nothing.
    Nil,
}

/// A whole reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// A text.
    Bytes(Vec<u8>),
    /// A number.
    Int(i64),
    /// Items.
    List(Vec<Reply>),
    /// Nothing.
    Nil,
}

impl Reply {
    /// The text in it; empty where there is none.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Self::Int(number) => number.to_string(),
            Self::List(_) | Self::Nil => String::new(),
        }
    }

    /// The number in it; 0 where there is none.
    pub(crate) fn number(&self) -> u64 {
        match self {
            Self::Int(number) => u64::try_from(*number).unwrap_or(0),
            Self::Bytes(_) => self.text().parse().unwrap_or(0),
            Self::List(_) | Self::Nil => 0,
        }
    }

    /// The items in it; none where it is no list.
    pub(crate) fn items(&self) -> &[Reply] {
        match self {
            Self::List(items) => items,
            Self::Bytes(_) | Self::Int(_) | Self::Nil => &[],
        }
    }
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: UnixStream,
    input: Vec<u8>,
    /// What is before this in `input` has been read.
    at: usize,
    output: Vec<u8>,
}

impl Wire {
    pub(crate) fn connect(socket: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(REPLY_WITHIN))?;
        Ok(Self { stream, input: Vec::new(), at: 0, output: Vec::new() })
    }

    /// Adds a command to what is sent next.
    pub(crate) fn push(&mut self, words: &[&[u8]]) {
        encode(&mut self.output, words);
    }

    /// Adds commands that are encoded already.
    pub(crate) fn push_encoded(&mut self, bytes: &[u8]) {
        self.output.extend_from_slice(bytes);
    }

    /// Sends what was added.
    pub(crate) fn send(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.output)?;
        self.output.clear();
        Ok(())
    }

    /// Sends one command and reads its reply.
    pub(crate) fn ask(&mut self, words: &[&str]) -> io::Result<Reply> {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        self.push(&words);
        self.send()?;
        self.reply()
    }

    /// Reads a whole reply; an error inside is an error of ours.
    pub(crate) fn reply(&mut self) -> io::Result<Reply> {
        let length = match self.token()? {
            Token::List(length) => length,
            Token::Bytes(bytes) => return Ok(Reply::Bytes(bytes.to_vec())),
            Token::Int(number) => return Ok(Reply::Int(number)),
            Token::Nil => return Ok(Reply::Nil),
            Token::Error(text) => return Err(refused(text)),
        };
        (0..length).map(|_| self.reply()).collect::<io::Result<Vec<_>>>().map(Reply::List)
    }

    /// Walks over one whole reply.
    pub(crate) fn skip(&mut self) -> io::Result<()> {
        let mut left = 1_usize;
        while left > 0 {
            left -= 1;
            match self.token()? {
                Token::List(length) => left += length,
                Token::Error(text) => return Err(refused(text)),
                Token::Bytes(_) | Token::Int(_) | Token::Nil => {}
            }
        }
        Ok(())
    }

    /// Reads the next item.
    pub(crate) fn token(&mut self) -> io::Result<Token<'_>> {
        let line = loop {
            let unread = self.input.get(self.at..).unwrap_or_default();
            match unread.iter().position(|byte| *byte == b'\n') {
                Some(end) => break (self.at, self.at + end + 1),
                None => self.fill()?,
            }
        };
        let kind = self.input.get(line.0).copied().unwrap_or_default();
        let inner = (line.0 + 1, line.1.saturating_sub(2));
        if kind == b'$' {
            let length = self.number(inner);
            self.at = line.1;
            let Ok(length) = usize::try_from(length) else { return Ok(Token::Nil) };
            while self.input.len() < self.at + length + 2 {
                self.fill()?;
            }
            let from = self.at;
            self.at = from + length + 2;
            return Ok(Token::Bytes(self.slice((from, from + length))));
        }
        let number = self.number(inner);
        self.at = line.1;
        match kind {
            b'*' => Ok(usize::try_from(number).map_or(Token::Nil, Token::List)),
            b':' => Ok(Token::Int(number)),
            b'+' => Ok(Token::Bytes(self.slice(inner))),
            b'-' => Ok(Token::Error(self.slice(inner))),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "not a reply of Redis")),
        }
    }

    /// Reads more; forgets what was read before when all of it was.
    fn fill(&mut self) -> io::Result<()> {
        if self.at > CHUNK {
            self.input.drain(..self.at);
            self.at = 0;
        }
        let full = self.input.len();
        self.input.resize(full + CHUNK, 0);
        let free = self.input.get_mut(full..).unwrap_or_default();
        let count = self.stream.read(free);
        self.input.truncate(full + count.as_ref().copied().unwrap_or(0));
        if count? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    fn slice(&self, (from, till): (usize, usize)) -> &[u8] {
        self.input.get(from..till).unwrap_or_default()
    }

    fn number(&self, place: (usize, usize)) -> i64 {
        let text = std::str::from_utf8(self.slice(place)).unwrap_or_default();
        text.parse().unwrap_or(0)
    }
}

/// Writes a command as Redis reads it.
pub(crate) fn encode(out: &mut Vec<u8>, words: &[&[u8]]) {
    put_length(out, b'*', words.len());
    for word in words {
        put_length(out, b'$', word.len());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

fn put_length(out: &mut Vec<u8>, kind: u8, length: usize) {
    out.push(kind);
    out.extend_from_slice(length.to_string().as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn refused(text: &[u8]) -> io::Error {
    io::Error::other(String::from_utf8_lossy(text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection whose other end has said all this, in pieces of `piece` bytes.
    fn wire(said: &'static [u8], piece: usize) -> Wire {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        std::thread::spawn(move || {
            for part in said.chunks(piece) {
                theirs.write_all(part).unwrap();
            }
        });
        Wire { stream: ours, input: Vec::new(), at: 0, output: Vec::new() }
    }

    #[test]
    fn a_reply_is_the_same_in_one_piece_and_in_many() {
        let said = b"*4\r\n$3\r\na\r\n\r\n:7\r\n*-1\r\n*2\r\n+OK\r\n$-1\r\n:1\r\n";
        let expected = Reply::List(vec![
            Reply::Bytes(b"a\r\n".to_vec()),
            Reply::Int(7),
            Reply::Nil,
            Reply::List(vec![Reply::Bytes(b"OK".to_vec()), Reply::Nil]),
        ]);
        for piece in [1, 2, 5, said.len()] {
            let mut wire = wire(said, piece);
            assert_eq!(wire.reply().unwrap(), expected, "pieces of {piece}");
            assert_eq!(wire.reply().unwrap(), Reply::Int(1), "pieces of {piece}");
            assert!(wire.reply().is_err(), "the end is an error");
        }
    }

    #[test]
    fn what_is_skipped_is_one_whole_reply() {
        let mut wire = wire(b"*2\r\n*1\r\n$1\r\nx\r\n:2\r\n:3\r\n", 3);
        wire.skip().unwrap();
        assert_eq!(wire.token().unwrap(), Token::Int(3));
    }

    #[test]
    fn an_error_anywhere_is_an_error() {
        assert!(wire(b"-ERR no\r\n", 9).reply().is_err());
        assert!(wire(b"*1\r\n-ERR no\r\n", 9).skip().is_err());
    }

    #[test]
    fn a_command_is_written_as_redis_reads_it() {
        let mut out = Vec::new();
        encode(&mut out, &[b"XACK", b""]);
        assert_eq!(out, b"*2\r\n$4\r\nXACK\r\n$0\r\n\r\n");
    }
}
