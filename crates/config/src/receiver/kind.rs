//! The kinds of receivers and what each of them needs.
//!
//! Owns the keys of each kind. [`super::Receiver`] reads one of them. Never sends and never shows
//! a credential.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use url::Url;

use crate::address::SecretUrl;
use crate::node::Value;
use crate::receiver::email::Email;
use crate::receiver::policy::Retry;
use crate::receiver::signing_key::{SigningKey, signing_keys};
use crate::route::Glob;
use crate::scalar;
use crate::secret::Secret;
use crate::table::Table;

/// Where Slack's own methods are.
const SLACK_API: &str = "https://slack.com/api/";

/// Where `PagerDuty` takes events.
const PAGERDUTY: &str = "https://events.pagerduty.com/";

/// Where GitHub's methods are.
const GITHUB_API: &str = "https://api.github.com/";

/// Holds what a receiver of each kind needs.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "channel")]
pub enum ReceiverKind {
    /// A Slack incoming webhook.
    Slack {
        /// The webhook; it is itself the credential.
        url: SecretUrl,
        /// The channel's name where a person should see it; the webhook decides the real one.
        name: Option<String>,
    },
    /// A Slack bot, which can answer in threads and edit what it said.
    SlackBot(SlackBot),
    /// A signed request by the Standard Webhooks rules.
    Webhook {
        /// Where it goes.
        url: SecretUrl,
        /// The signing keys; more than one while keys are rotated.
        secrets: Vec<SigningKey>,
        /// Event types it is sent; empty is all.
        events: Vec<Glob>,
    },
    /// Mail.
    Email(Email),
    /// `PagerDuty` Events v2.
    #[serde(rename = "pagerduty")]
    PagerDuty {
        /// The integration's key.
        routing_key: Secret,
        /// What is no trouble is recorded as a change, which pages nobody.
        change_events: bool,
        /// Where events go.
        url: SecretUrl,
    },
    /// A Discord webhook.
    Discord {
        /// The webhook; it is itself the credential.
        url: SecretUrl,
    },
    /// A Teams workflow that takes adaptive cards.
    Teams {
        /// The workflow; it is itself the credential.
        url: SecretUrl,
    },
    /// An ntfy topic.
    Ntfy {
        /// The server and the topic: `https://ntfy.example/deploys`.
        url: SecretUrl,
        /// The access token, where the topic wants one.
        token: Option<Secret>,
    },
    /// An Alertmanager.
    Alertmanager {
        /// Its address.
        url: SecretUrl,
        /// The bearer token, where it wants one.
        token: Option<Secret>,
    },
    /// The statuses of the commit that is deployed.
    GithubStatus {
        /// The token; it needs the right `statuses: write`.
        token: Secret,
        /// `owner/name`.
        repo: String,
        /// What stands before the name of each status.
        context: String,
        /// Where the methods are.
        api: SecretUrl,
    },
    /// The worker's own log.
    Log,
    /// The worker's standard output, a line of JSON for each notice.
    Stdout,
    /// A file, a line of JSON for each notice.
    File {
        /// Where it is, from the root.
        path: PathBuf,
    },
}

/// Holds what a Slack bot needs.
#[derive(Clone, Debug, Serialize)]
pub struct SlackBot {
    /// The bot's token, `xoxb-…`.
    pub token: Secret,
    /// The channel it writes to, by name or id.
    pub channel: String,
    /// How the messages of one deployment hang together.
    pub mode: SlackMode,
    /// Event types whose reply is shown in the channel as well.
    pub broadcast: Vec<Glob>,
    /// Where the methods are.
    pub api: SecretUrl,
}

/// Says how the messages of one deployment hang together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SlackMode {
    /// Each is a message of its own.
    Post,
    /// The first is a message, the others are replies to it.
    Thread,
    /// As `thread`, and the first one is edited to say how things stand.
    ThreadAndUpdate,
}

const SLACK_MODES: [(&str, SlackMode); 3] = [
    ("post", SlackMode::Post),
    ("thread", SlackMode::Thread),
    ("thread_and_update", SlackMode::ThreadAndUpdate),
];

/// The channels, as the file names them.
pub(super) const CHANNELS: [&str; 12] = [
    "slack",
    "email",
    "webhook",
    "pagerduty",
    "discord",
    "teams",
    "ntfy",
    "alertmanager",
    "github_status",
    "log",
    "stdout",
    "file",
];

impl ReceiverKind {
    /// Returns how it is told again where the file says nothing.
    pub fn retry(&self) -> Retry {
        match self {
            Self::PagerDuty { .. } | Self::Alertmanager { .. } => Retry::PAGER,
            Self::Webhook { .. } => Retry::WEBHOOK,
            Self::Slack { .. }
            | Self::SlackBot(_)
            | Self::Email(_)
            | Self::Discord { .. }
            | Self::Teams { .. }
            | Self::Ntfy { .. }
            | Self::GithubStatus { .. }
            | Self::Log
            | Self::Stdout
            | Self::File { .. } => Retry::CHAT,
        }
    }

    /// The least time between two messages where the file says nothing: Slack takes one a second
    /// for each channel, Teams four, Discord thirty a minute.
    pub(super) fn pace(&self) -> Duration {
        match self {
            Self::Slack { .. } | Self::SlackBot(_) => Duration::from_secs(1),
            Self::Teams { .. } => Duration::from_millis(250),
            Self::Discord { .. } => Duration::from_secs(2),
            Self::Webhook { .. }
            | Self::Email(_)
            | Self::PagerDuty { .. }
            | Self::Ntfy { .. }
            | Self::Alertmanager { .. }
            | Self::GithubStatus { .. }
            | Self::Log
            | Self::Stdout
            | Self::File { .. } => Duration::ZERO,
        }
    }

    /// Returns the directory of the templates that it is told by, where there can be some.
    pub fn pages(&self) -> Option<&'static str> {
        match self {
            Self::Slack { .. } | Self::SlackBot(_) => Some("slack"),
            Self::Webhook { .. } => Some("webhook"),
            Self::Email(_) => Some("email"),
            Self::Discord { .. } => Some("discord"),
            Self::Teams { .. } => Some("teams"),
            Self::Ntfy { .. } => Some("ntfy"),
            Self::PagerDuty { .. }
            | Self::Alertmanager { .. }
            | Self::GithubStatus { .. }
            | Self::Log
            | Self::Stdout
            | Self::File { .. } => None,
        }
    }

    /// Reads what stands under a channel's name.
    pub(super) fn read(channel: &str, table: &mut Table<'_, '_>) -> Option<Self> {
        match channel {
            "slack" => slack(table),
            "webhook" => webhook(table),
            "email" => Email::read(table.table("email")?).map(Self::Email),
            "pagerduty" => pagerduty(table.table("pagerduty")?),
            "discord" => one_url(table, "discord").map(|url| Self::Discord { url }),
            "teams" => one_url(table, "teams").map(|url| Self::Teams { url }),
            "ntfy" => with_token(table, "ntfy").map(|(url, token)| Self::Ntfy { url, token }),
            "alertmanager" => with_token(table, "alertmanager")
                .map(|(url, token)| Self::Alertmanager { url, token }),
            "github_status" => github_status(table.table("github_status")?),
            "stdout" => {
                table.table("stdout")?.close();
                Some(Self::Stdout)
            }
            "file" => file(table),
            _ => {
                if let Some(log) = table.table("log") {
                    log.close();
                }
                Some(Self::Log)
            }
        }
    }
}

/// Tells whether a short form stands under a key: a text instead of a map.
fn is_short(table: &mut Table<'_, '_>, key: &'static str) -> bool {
    table.get(key).is_some_and(|node| !matches!(node.value, Value::Table(_)))
}

/// Reads `discord: https://…` or `discord: { url }`.
fn one_url(table: &mut Table<'_, '_>, key: &'static str) -> Option<SecretUrl> {
    if is_short(table, key) {
        return table.secret_url(key).map(SecretUrl::new);
    }
    let mut inner = table.table(key)?;
    inner.must("url");
    let url = inner.secret_url("url").map(SecretUrl::new);
    inner.close();
    url
}

/// Reads `ntfy: https://…` or `ntfy: { url, token }`.
fn with_token(table: &mut Table<'_, '_>, key: &'static str) -> Option<(SecretUrl, Option<Secret>)> {
    if is_short(table, key) {
        return table.private_url(key).map(|url| (SecretUrl::new(url), None));
    }
    let mut inner = table.table(key)?;
    inner.must("url");
    let url = inner.private_url("url").map(SecretUrl::new);
    let token = inner.secret("token");
    inner.close();
    Some((url?, token))
}

/// Reads where a service's methods are; a test's or a company's own server instead of the usual.
fn api(table: &mut Table<'_, '_>, key: &'static str, usual: &str) -> Option<SecretUrl> {
    let given = table.get(key).is_some();
    let url = if given { table.private_url(key) } else { Url::parse(usual).ok() };
    let mut url = url?;
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Some(SecretUrl::new(url))
}

/// Reads `slack: https://hooks.slack.com/…`, `slack: { url, channel }` or `slack: { token, channel, … }`.
fn slack(table: &mut Table<'_, '_>) -> Option<ReceiverKind> {
    if is_short(table, "slack") {
        let url = table.secret_url("slack").map(SecretUrl::new)?;
        return Some(ReceiverKind::Slack { url, name: None });
    }
    let mut slack = table.table("slack")?;
    if !slack.has_any(&["token"]) {
        slack.must("url");
        let url = slack.secret_url("url").map(SecretUrl::new);
        let name = slack.text("channel");
        slack.only_with("token", &["mode", "broadcast", "api"]);
        slack.close();
        return Some(ReceiverKind::Slack { url: url?, name });
    }
    slack.must("channel");
    let token = slack.secret("token");
    let channel = slack.text("channel");
    let mode = slack.word("mode", &SLACK_MODES).unwrap_or(SlackMode::Thread);
    let broadcast = globs(&mut slack, "broadcast");
    let api = api(&mut slack, "api", SLACK_API);
    slack.close();
    let (token, channel, api) = (token?, channel?, api?);
    Some(ReceiverKind::SlackBot(SlackBot { token, channel, mode, broadcast, api }))
}

/// Reads `file: /var/log/notices.jsonl` or `file: { path }`.
fn file(table: &mut Table<'_, '_>) -> Option<ReceiverKind> {
    let absolute = |text: &str| {
        let path = PathBuf::from(text);
        let why = "must be a path from the root, such as /var/log/notices.jsonl";
        if path.is_absolute() { Ok(path) } else { Err(why.to_owned()) }
    };
    if is_short(table, "file") {
        return table.parse("file", absolute).map(|path| ReceiverKind::File { path });
    }
    let mut inner = table.table("file")?;
    inner.must("path");
    let path = inner.parse("path", absolute);
    inner.close();
    Some(ReceiverKind::File { path: path? })
}

/// Reads `webhook: { url, secret, events }`.
fn webhook(table: &mut Table<'_, '_>) -> Option<ReceiverKind> {
    let mut webhook = table.table("webhook")?;
    webhook.must("url");
    let url = webhook.private_url("url").map(SecretUrl::new);
    let secrets = signing_keys(&mut webhook);
    let events = globs(&mut webhook, "events");
    webhook.close();
    Some(ReceiverKind::Webhook { url: url?, secrets, events })
}

fn globs(table: &mut Table<'_, '_>, key: &'static str) -> Vec<Glob> {
    let patterns = table.texts(key).unwrap_or_default();
    patterns.iter().map(|(pattern, _)| Glob::new(pattern)).collect()
}

/// Reads `pagerduty: { routing_key, change_events, url }`.
fn pagerduty(mut table: Table<'_, '_>) -> Option<ReceiverKind> {
    table.must("routing_key");
    let routing_key = table.secret("routing_key");
    let change_events = table.flag("change_events").unwrap_or_default();
    let url = api(&mut table, "url", PAGERDUTY);
    table.close();
    Some(ReceiverKind::PagerDuty { routing_key: routing_key?, change_events, url: url? })
}

/// Reads `github_status: { token, repo, context, api }`.
fn github_status(mut table: Table<'_, '_>) -> Option<ReceiverKind> {
    table.must("token");
    table.must("repo");
    let token = table.secret("token");
    let repo = table.parse("repo", |text| {
        let named = |part: &str| scalar::name(part).is_ok();
        match text.split_once('/') {
            Some((owner, name)) if named(owner) && named(name) => Ok(text.to_owned()),
            Some(_) | None => Err("must be `owner/name`".to_owned()),
        }
    });
    let context = table.text("context").unwrap_or_else(|| "printery".to_owned());
    let api = api(&mut table, "api", GITHUB_API);
    table.close();
    Some(ReceiverKind::GithubStatus { token: token?, repo: repo?, context, api: api? })
}
