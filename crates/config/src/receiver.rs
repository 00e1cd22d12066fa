//! Who is told, and how they are reached.
//!
//! Owns the `notifier:` and `receivers:` sections. The notifier sends by them. Never sends.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secrecy::{ExposeSecret, SecretSlice};
use serde::{Serialize, Serializer};

use crate::address::SecretUrl;
use crate::condition;
use crate::node::{Node, Value};
use crate::problem::Code;
use crate::route::Glob;
use crate::scalar;
use crate::secret::MASK;
use crate::shown;
use crate::table::Table;

/// Holds the notifier's settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Notifier {
    /// How long one request may take. Standard Webhooks asks for 15 s to 30 s.
    #[serde(serialize_with = "shown::duration")]
    pub timeout: Duration,
    /// Requests in all to one receiver within one delivery.
    pub attempts: u32,
    /// The first wait between them; it doubles.
    #[serde(serialize_with = "shown::duration")]
    pub backoff_base: Duration,
    /// The longest wait between them.
    #[serde(serialize_with = "shown::duration")]
    pub backoff_cap: Duration,
}

impl Default for Notifier {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(15),
            attempts: 3,
            backoff_base: Duration::from_millis(500),
            backoff_cap: Duration::from_secs(10),
        }
    }
}

/// Describes one named receiver.
#[derive(Clone, Debug, Serialize)]
pub struct Receiver {
    /// The name routes use.
    pub name: String,
    /// How it is reached.
    pub kind: ReceiverKind,
}

/// Holds what a receiver of each kind needs.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "lowercase", tag = "channel")]
pub enum ReceiverKind {
    /// A Slack incoming webhook.
    Slack {
        /// The webhook; it is itself the credential.
        url: SecretUrl,
        /// The channel's name where a person should see it; the webhook decides the real one.
        name: Option<String>,
    },
    /// A signed request by the Standard Webhooks rules.
    Webhook {
        /// Where it goes.
        url: SecretUrl,
        /// The signing keys; more than one while keys are rotated.
        secrets: Vec<SigningKey>,
        /// Event types it is sent; empty is all.
        events: Vec<Glob>,
    },
    /// The worker's own log.
    Log,
}

impl ReceiverKind {
    /// Returns the channel's name as `notification:sent` writes it.
    pub fn channel(&self) -> &'static str {
        match self {
            Self::Slack { .. } => "slack",
            Self::Webhook { .. } => "webhook",
            Self::Log => "log",
        }
    }
}

/// Holds a signing key, decoded.
#[derive(Clone)]
pub struct SigningKey(SecretSlice<u8>);

impl SigningKey {
    /// The least length Standard Webhooks allows, in bytes.
    const LEAST: usize = 24;

    /// Decodes `whsec_<base64>`; the prefix may be missing.
    pub fn try_new(text: &str) -> Result<Self, &'static str> {
        let encoded = text.trim();
        let encoded = encoded.strip_prefix("whsec_").unwrap_or(encoded);
        let Ok(key) = BASE64.decode(encoded) else { return Err("must be `whsec_` and base64") };
        if key.len() < Self::LEAST {
            return Err("must hold at least 24 bytes");
        }
        Ok(Self(SecretSlice::from(key)))
    }

    /// Gives the bytes to the code that signs.
    pub fn expose(&self) -> &[u8] {
        self.0.expose_secret()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl Serialize for SigningKey {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(MASK)
    }
}

impl Notifier {
    /// Reads the `notifier:` section.
    pub(crate) fn read(top: &mut Table<'_, '_>) -> Self {
        let mut read = Self::default();
        let Some(mut table) = top.table("notifier") else { return read };
        read.timeout = table.span("timeout").unwrap_or(read.timeout);
        read.attempts = table.small("attempts").unwrap_or(read.attempts);
        if let Some(mut backoff) = table.table("backoff") {
            read.backoff_base = backoff.span("base").unwrap_or(read.backoff_base);
            read.backoff_cap = backoff.span("cap").unwrap_or(read.backoff_cap);
            backoff.close();
        }
        table.later(&["group"]);
        table.close();
        read
    }
}

/// The channels this version knows, and those of later ones.
const CHANNELS: [&str; 3] = ["slack", "webhook", "log"];
const LATER_CHANNELS: [&str; 9] = [
    "pagerduty",
    "email",
    "discord",
    "teams",
    "ntfy",
    "alertmanager",
    "github_status",
    "stdout",
    "file",
];

/// Says what became of one entry of `receivers:`.
pub(crate) enum ReadReceiver {
    /// It can be used.
    Usable(Receiver),
    /// It is not configured here; routes pass it by.
    Skipped,
    /// It has problems, which have been reported.
    Broken,
}

impl Receiver {
    /// Reads one entry of `receivers:`.
    pub(crate) fn read(name: &str, table: &Table<'_, '_>, node: &Node) -> ReadReceiver {
        let usable = |kind| ReadReceiver::Usable(Self { name: name.to_owned(), kind });
        if node.value == Value::Text("log".to_owned()) {
            return usable(ReceiverKind::Log);
        }
        let mut table = Table::open(table.reader, node, &format!("receivers.{name}"));
        let skipped = condition::unless_env(&mut table).is_some();
        let otherwise = table.word("otherwise", &[("log", ())]).is_some();
        table.later(&LATER_CHANNELS);
        let given: Vec<&'static str> =
            CHANNELS.into_iter().filter(|channel| table.get(channel).is_some()).collect();
        let [channel] = given.as_slice() else {
            if !table.has_any(&LATER_CHANNELS) {
                let text =
                    format!("receiver `{name}` must have exactly one of `slack`, `webhook`, `log`");
                table.reader.report(Code::MissingKey, table.at, text);
            }
            return ReadReceiver::Broken;
        };
        let reader = table.reader;
        let kind = if skipped {
            reader.skipping(|| ReceiverKind::read(channel, &mut table))
        } else {
            ReceiverKind::read(channel, &mut table)
        };
        table.close();
        match (skipped, kind) {
            (true, _) if otherwise => usable(ReceiverKind::Log),
            (true, _) => ReadReceiver::Skipped,
            (false, Some(kind)) => usable(kind),
            (false, None) => ReadReceiver::Broken,
        }
    }
}

impl ReceiverKind {
    fn read(channel: &str, table: &mut Table<'_, '_>) -> Option<Self> {
        match channel {
            "slack" => slack(table),
            "webhook" => webhook(table),
            _ => {
                if let Some(log) = table.table("log") {
                    log.close();
                }
                Some(Self::Log)
            }
        }
    }
}

/// Reads `slack: https://hooks.slack.com/…` or `slack: { url, channel }`.
fn slack(table: &mut Table<'_, '_>) -> Option<ReceiverKind> {
    if !matches!(table.get("slack")?.value, Value::Table(_)) {
        let url = table.secret_url("slack").map(SecretUrl::new)?;
        return Some(ReceiverKind::Slack { url, name: None });
    }
    let mut slack = table.table("slack")?;
    let later = ["token", "mode", "broadcast"];
    if !slack.has_any(&later) {
        slack.must("url");
    }
    let url = slack.secret_url("url").map(SecretUrl::new);
    let name = slack.text("channel");
    slack.later(&later);
    slack.close();
    Some(ReceiverKind::Slack { url: url?, name })
}

/// Reads `webhook: { url, secret, events }`.
fn webhook(table: &mut Table<'_, '_>) -> Option<ReceiverKind> {
    let mut webhook = table.table("webhook")?;
    webhook.must("url");
    let url = webhook.private_url("url").map(SecretUrl::new);
    let secrets = signing_keys(&mut webhook);
    let events = webhook.texts("events").unwrap_or_default();
    let events = events.iter().map(|(pattern, _)| Glob::new(pattern)).collect();
    webhook.close();
    Some(ReceiverKind::Webhook { url: url?, secrets, events })
}

/// Reads `secret: …` or `secret: [new, old]`.
fn signing_keys(webhook: &mut Table<'_, '_>) -> Vec<SigningKey> {
    let what = webhook.name("secret");
    let Some(node) = webhook.must("secret") else { return Vec::new() };
    let items = match &node.value {
        Value::List(items) => items.as_slice(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::Table(_) => {
            std::slice::from_ref(node)
        }
    };
    let key = |item: &Node| {
        let secret = scalar::secret(webhook.reader, item, &what)?;
        let key = SigningKey::try_new(secret.expose());
        let report = |why| webhook.reader.report(Code::BadValue, item.at, format!("{what} {why}"));
        key.map_err(report).ok()
    };
    items.iter().filter_map(key).collect()
}
