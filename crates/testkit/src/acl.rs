//! The users that a deployment ships, on a test's own server.
//!
//! Owns the installing of `deploy/acl`, the addresses that name a user, and what the server refused; called by tests of rights
//! and by the engine's. It never changes a right: what is tested is what is shipped.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use redis::Value;

use crate::connection::{Connection, as_list, as_pairs, as_text};
use crate::redis_server::RedisServer;

/// The users, as their files are called.
pub const USERS: [&str; 5] = ["worker", "manager", "producer", "fleet", "operator"];

/// The password of every user of a test.
const PASSWORD: &str = "a password of tests";

/// SHA-256 of [`PASSWORD`].
const DIGEST: &str = "d67bbf1c04cd5f6b832e314591854436209d05f9a286460ae0ed920a4b0a69c6";

/// How long a server may take to say what it refused; one that a test has stopped says nothing.
const LAST_ANSWER: Duration = Duration::from_secs(1);

/// A user as a server knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its name, such as `materi-worker`.
    pub name: String,
    /// Its rules, one word each, without the name.
    pub rules: Vec<String>,
}

impl User {
    /// Returns the commands that are granted, without their plus.
    pub fn commands(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().filter_map(|rule| rule.strip_prefix('+'))
    }

    /// Returns the address of a server for this user.
    pub fn at(&self, address: &str) -> String {
        let Self { name, .. } = self;
        let password = PASSWORD.replace(' ', "%20");
        match address.split_once("://") {
            Some((scheme @ ("redis+unix" | "unix"), path)) => {
                format!("{scheme}://{path}?user={name}&pass={password}")
            }
            Some((scheme, host)) => format!("{scheme}://{name}:{password}@{host}"),
            None => panic!("{address} is no address"),
        }
    }

    /// Makes this user on a server, or gives one of that name other rules; it outlives a restart.
    pub async fn install(&self, admin: &Connection) {
        let mut words = vec!["ACL", "SETUSER", &self.name, "reset"];
        words.extend(self.rules.iter().map(String::as_str));
        admin.cmd(&words).await;
        admin.cmd(&["ACL", "SAVE"]).await;
    }

    /// Makes one user of several, which may do what any of them may.
    pub fn merged(name: &str, users: &[Self]) -> Self {
        let mut rules: Vec<String> = Vec::new();
        for rule in users.iter().flat_map(|user| &user.rules) {
            if !rules.contains(rule) {
                rules.push(rule.clone());
            }
        }
        Self { name: name.to_owned(), rules }
    }
}

/// Returns the shipped users for keys below `prefix`, as this server can take them.
pub async fn shipped_users(server: &RedisServer, prefix: &str) -> BTreeMap<&'static str, User> {
    let admin = server.connect().await;
    let known = admin.cmd(&["COMMAND", "INFO", "waitaof"]).await;
    let recent = as_list(&known).iter().any(|command| *command != Value::Nil);
    rendered(prefix, if recent { "7.2" } else { "7.0" })
}

/// Runs `deploy/acl/render`, once for each prefix and kind of server.
fn rendered(prefix: &str, since: &'static str) -> BTreeMap<&'static str, User> {
    type Texts = BTreeMap<(String, &'static str), String>;
    static TEXTS: Mutex<Texts> = Mutex::new(BTreeMap::new());
    let mut texts = TEXTS.lock().expect("no holder panics");
    let text = texts.entry((prefix.to_owned(), since)).or_insert_with(|| {
        let users = USERS.map(|user| format!("{user}={DIGEST}"));
        let output = Command::new(deployed("acl/render"))
            .args(users)
            .env("PREFIX", prefix)
            .env("REDIS", since)
            .output()
            .expect("the renderer can be run");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "deploy/acl/render: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    });
    let lines = text.lines().filter(|line| !line.starts_with("user default "));
    USERS.into_iter().zip(lines.map(parsed)).collect()
}

/// Returns a file of the `deploy` folder.
pub fn deployed(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(path)
}

fn parsed(line: &str) -> User {
    let mut words = line.split_whitespace().map(str::to_owned);
    assert_eq!(words.next().as_deref(), Some("user"), "{line}");
    User { name: words.next().expect("a user has a name"), rules: words.collect() }
}

/// Returns what the server refused for want of a right, one line each: who, which command or key, and how often.
pub async fn refusals(admin: &Connection) -> Vec<String> {
    let log = admin.cmd(&["ACL", "LOG", "128"]).await;
    let lines = as_list(&log).iter().map(|entry| {
        let facts: BTreeMap<String, &Value> = as_pairs(entry).collect();
        let fact = |name: &str| facts.get(name).map(|value| as_text(value)).unwrap_or_default();
        let [user, reason, object] = ["username", "reason", "object"].map(fact);
        let [context, count] = ["context", "count"].map(fact);
        format!("{user}: {reason} {object} ({context}), {count} times")
    });
    lines.collect()
}

/// Asks the same where nothing can be awaited any more, such as at the end of a test; unparsed. A server that does not
/// answer has refused nothing.
pub fn refused_at(socket: &Path) -> String {
    let ask = || -> std::io::Result<String> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(LAST_ANSWER))?;
        stream.write_all(b"ACL LOG\r\nQUIT\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    ask().unwrap_or_default()
}
