//! A plain Redis connection for assertions.
//!
//! Owns one connection and the reading of replies into values a test can compare; called by tests and by [`World`](crate::World).
//! It never retries: a command that fails closes the connection, and the next one opens another, as a restart of the server does.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError, Value};

/// How long one command of a test may take; generous, because a test that stops Redis waits on purpose.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

/// One entry of a stream, its fields in order, duplicates and raw bytes kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The entry id, `<ms>-<seq>`.
    pub id: String,
    /// Names and values as they came.
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Entry {
    /// Returns the bytes of the first field of that name.
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.fields
            .iter()
            .find(|(key, _)| key == name.as_bytes())
            .map(|(_, value)| value.as_slice())
    }

    /// Returns the text of the first field of that name; an absent field is an empty text.
    pub fn text(&self, name: &str) -> String {
        String::from_utf8_lossy(self.bytes(name).unwrap_or_default()).into_owned()
    }
}

/// A connection to a test's Redis; commands are given as words.
#[derive(Debug)]
pub struct Connection {
    client: Client,
    /// How often the server has been started; written by the server.
    starts: Arc<AtomicU64>,
    /// The open connection, and the start of the server it belongs to.
    open: Mutex<Option<(u64, MultiplexedConnection)>>,
}

impl Connection {
    /// Prepares a connection to `url`; nothing is opened before the first command.
    pub fn new(url: &str) -> Self {
        Self::to_server(url, Arc::default())
    }

    /// Prepares a connection that is opened anew after each start of its server.
    pub(crate) fn to_server(url: &str, starts: Arc<AtomicU64>) -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "an assertion must not go through the code it asserts"
        )]
        let client = Client::open(url).expect("the address of a test's Redis is well formed");
        Self { client, starts, open: Mutex::new(None) }
    }

    /// Sends one command; panics with the command when Redis refuses it.
    pub async fn cmd<A: AsRef<[u8]>>(&self, words: &[A]) -> Value {
        match self.try_cmd(words).await {
            Ok(value) => value,
            Err(error) => panic!("{}: {error}", spoken(words)),
        }
    }

    /// Sends one command and hands back whatever came of it.
    pub async fn try_cmd<A: AsRef<[u8]>>(&self, words: &[A]) -> Result<Value, RedisError> {
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(word.as_ref());
        }
        let mut connection = self.opened().await?;
        let answer = command.query_async(&mut connection).await;
        if answer
            .as_ref()
            .is_err_and(|error: &RedisError| error.is_io_error() || error.is_timeout())
        {
            self.open.lock().expect("no holder panics").take();
        }
        answer
    }

    /// Sends one command whose answer is a number; nil counts as 0.
    pub async fn int<A: AsRef<[u8]>>(&self, words: &[A]) -> i64 {
        let value = self.cmd(words).await;
        if value == Value::Nil {
            return 0;
        }
        redis::from_redis_value(value).unwrap_or_else(|error| panic!("{}: {error}", spoken(words)))
    }

    /// Sends one command whose answer is text; nil is `None`.
    pub async fn text<A: AsRef<[u8]>>(&self, words: &[A]) -> Option<String> {
        let value = self.cmd(words).await;
        (value != Value::Nil).then(|| as_text(&value))
    }

    /// Sends one command whose answer is a list of texts.
    pub async fn texts<A: AsRef<[u8]>>(&self, words: &[A]) -> Vec<String> {
        as_list(&self.cmd(words).await).iter().map(as_text).collect()
    }

    /// Adds one entry with an id of the server's choice and returns that id.
    pub async fn add<V: AsRef<[u8]>>(&self, stream: &str, fields: &[(&str, V)]) -> String {
        let mut words: Vec<&[u8]> = vec![b"XADD", stream.as_bytes(), b"*"];
        for (name, value) in fields {
            words.push(name.as_bytes());
            words.push(value.as_ref());
        }
        as_text(&self.cmd(&words).await)
    }

    /// Returns all entries of a stream, oldest first; an absent stream has none.
    pub async fn entries(&self, stream: &str) -> Vec<Entry> {
        as_list(&self.cmd(&["XRANGE", stream, "-", "+"]).await).iter().map(as_entry).collect()
    }

    /// Returns the length of a stream; an absent stream has length 0.
    pub async fn len(&self, stream: &str) -> i64 {
        self.int(&["XLEN", stream]).await
    }

    /// Returns how many entries of the stream are pending in the group; 0 while either is absent.
    pub async fn pending(&self, stream: &str, group: &str) -> i64 {
        match self.try_cmd(&["XPENDING", stream, group]).await {
            Ok(summary) => as_list(&summary).first().map_or(0, as_number),
            Err(error) if error.code() == Some("NOGROUP") => 0,
            Err(error) => panic!("XPENDING {stream} {group}: {error}"),
        }
    }

    /// Returns the names of all keys that match the pattern, sorted.
    pub async fn keys(&self, pattern: &str) -> Vec<String> {
        let mut names = self.texts(&["KEYS", pattern]).await;
        names.sort();
        names
    }

    async fn opened(&self) -> Result<MultiplexedConnection, RedisError> {
        let start = self.starts.load(Ordering::SeqCst);
        let open = self.open.lock().expect("no holder panics").clone();
        if let Some((_, connection)) = open.filter(|(of, _)| *of == start) {
            return Ok(connection);
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(RESPONSE_TIMEOUT))
            .set_response_timeout(Some(RESPONSE_TIMEOUT));
        let fresh = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        *self.open.lock().expect("no holder panics") = Some((start, fresh.clone()));
        Ok(fresh)
    }
}

/// Returns the elements of a list reply; nil and single values are an empty list.
pub(crate) fn as_list(value: &Value) -> &[Value] {
    if let Value::Array(items) | Value::Set(items) = value { items } else { &[] }
}

/// Returns a reply as text, bytes that are not UTF-8 replaced.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the replies of a foreign crate: whatever is not text is shown as it is"
)]
pub(crate) fn as_text(value: &Value) -> String {
    match value {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::SimpleString(text) => text.clone(),
        Value::Okay => "OK".to_owned(),
        Value::Int(number) => number.to_string(),
        _ => format!("{value:?}"),
    }
}

/// Returns a reply as a number; anything else is 0.
pub(crate) fn as_number(value: &Value) -> i64 {
    if let Value::Int(number) = value {
        *number
    } else {
        as_text(value).parse().unwrap_or_default()
    }
}

/// Reads a flat list of names and values (`XINFO`) into pairs.
pub(crate) fn as_pairs(value: &Value) -> impl Iterator<Item = (String, &Value)> {
    as_list(value).chunks_exact(2).filter_map(|pair| match pair {
        [name, value] => Some((as_text(name), value)),
        _ => None,
    })
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the replies of a foreign crate: whatever is not bytes is shown as it is"
)]
fn as_entry(value: &Value) -> Entry {
    let [id, fields] = as_list(value) else { panic!("not a stream entry: {value:?}") };
    let raw = |value: &Value| match value {
        Value::BulkString(bytes) => bytes.clone(),
        _ => as_text(value).into_bytes(),
    };
    let fields = as_list(fields)
        .chunks_exact(2)
        .filter_map(
            |pair| if let [name, value] = pair { Some((raw(name), raw(value))) } else { None },
        )
        .collect();
    Entry { id: as_text(id), fields }
}

/// The command as a person would type it, long values shortened.
fn spoken<A: AsRef<[u8]>>(words: &[A]) -> String {
    let words = words
        .iter()
        .map(|word| String::from_utf8_lossy(word.as_ref()).chars().take(60).collect::<String>());
    words.collect::<Vec<_>>().join(" ")
}
