//! One place that is told.
//!
//! Owns the choice between channels and what all of them share. The notifier tells by it, the
//! command line shows by it what would be told. Never waits, never retries, never remembers.

mod alertmanager;
mod discord;
mod email;
mod exchange;
mod github_status;
mod lines;
mod log;
mod ntfy;
mod pagerduty;
mod slack;
mod slack_bot;
mod teams;
mod webhook;
mod written;

use std::sync::Arc;
use std::time::Duration;

use printery_config::{Fleet, Pages, ReceiverKind, Retry};
use printery_events::Event;
use printery_events::payload::Channel;
use printery_probes::{Egress, GuardedClient, Limits, Purpose};

use self::exchange::Request;
use self::written::{Written, body, written};
use crate::facts::Facts;
use crate::verdict::Verdict;

/// What stands for a credential in what is shown to people.
const MASK: &str = "***";

/// A place that is told, ready to be used.
#[derive(Debug)]
pub struct Receiver {
    /// The name routes use.
    pub name: String,
    /// The least time between two messages.
    pub pace: Duration,
    /// How it is told again.
    pub retry: Retry,
    kind: ReceiverKind,
    ways: Ways,
}

/// The ways out of this process.
#[derive(Clone, Debug)]
pub struct Ways {
    /// For receivers that speak HTTP.
    pub client: GuardedClient,
    /// For the others.
    pub egress: Egress,
    /// How long telling one receiver may take.
    pub timeout: Duration,
    /// The fleet's own words.
    pages: Arc<Pages>,
}

/// What is told: an event, and the identity of telling it to this receiver.
#[derive(Clone, Copy, Debug)]
pub struct Telling<'a> {
    /// The event.
    pub event: &'a Event,
    /// What it says.
    pub facts: &'a Facts<'a>,
    /// The same however often it is told.
    pub id: &'a str,
    /// Now, in whole seconds since the epoch.
    pub timestamp: u64,
    /// What this receiver asked to be remembered of this deployment.
    pub memory: Option<&'a str>,
    /// How often it was tried before with this event.
    pub tries: u32,
    /// The message in the fleet's own words; the receiver itself sees to it.
    written: Option<&'a Written>,
}

impl<'a> Telling<'a> {
    /// Tells an event for the first time.
    ///
    /// # Shapes and units
    /// `timestamp`: now, in whole seconds since the epoch.
    pub fn new(event: &'a Event, facts: &'a Facts<'a>, id: &'a str, timestamp: u64) -> Self {
        Self { event, facts, id, timestamp, memory: None, tries: 0, written: None }
    }

    /// Tells it after so many tries.
    #[must_use]
    pub fn after(self, tries: u32) -> Self {
        Self { tries, ..self }
    }

    /// Tells it to a receiver that asked for this to be remembered.
    #[must_use]
    pub fn remembering(self, memory: Option<&'a str>) -> Self {
        Self { memory, ..self }
    }
}

/// What came of telling a receiver once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// What its answer means.
    pub verdict: Verdict,
    /// What is to be remembered of this deployment for the next time, where that is new.
    pub memory: Option<String>,
}

/// How long connecting to a receiver may take. 5 s.
const CONNECT: Duration = Duration::from_secs(5);

impl Ways {
    /// Makes the ways out that a fleet file allows.
    ///
    /// # Errors
    /// Its egress rules cannot be read, or there is no TLS: a sentence that says so.
    pub fn try_new(fleet: &Fleet) -> Result<Self, String> {
        let egress = Egress::try_new(&fleet.egress).map_err(|error| error.to_string())?;
        let timeout = fleet.notifier.timeout;
        let limits = Limits::new(timeout, CONNECT, 1);
        let client = egress.client(Purpose::Notify, &limits).map_err(|error| error.to_string())?;
        let pages = Arc::new(fleet.templates.clone());
        Ok(Self { client, egress, timeout, pages })
    }
}

impl From<Verdict> for Reply {
    fn from(verdict: Verdict) -> Self {
        Self { verdict, memory: None }
    }
}

impl Receiver {
    /// Takes a receiver of the fleet file and its ways out; `retry` is the fleet's own, where it
    /// has one.
    pub fn new(receiver: &printery_config::Receiver, retry: Option<Retry>, ways: Ways) -> Self {
        Self {
            name: receiver.name.clone(),
            pace: receiver.pace,
            retry: retry.unwrap_or_else(|| receiver.kind.retry()),
            kind: receiver.kind.clone(),
            ways,
        }
    }

    /// Returns how it is told, as events name it: what is no Slack, mail or pager is a webhook.
    pub fn channel(&self) -> Channel {
        match self.kind {
            ReceiverKind::Slack { .. } | ReceiverKind::SlackBot(_) => Channel::Slack,
            ReceiverKind::Email(_) => Channel::Email,
            ReceiverKind::PagerDuty { .. } => Channel::PagerDuty,
            ReceiverKind::Webhook { .. }
            | ReceiverKind::Discord { .. }
            | ReceiverKind::Teams { .. }
            | ReceiverKind::Ntfy { .. }
            | ReceiverKind::Alertmanager { .. }
            | ReceiverKind::GithubStatus { .. } => Channel::Webhook,
            ReceiverKind::Log | ReceiverKind::Stdout | ReceiverKind::File { .. } => Channel::Log,
        }
    }

    /// Returns the address without secrets.
    pub fn target(&self) -> String {
        match &self.kind {
            ReceiverKind::Slack { url, name: Some(name) } => format!("{name} by {url}"),
            ReceiverKind::Slack { url, name: None } | ReceiverKind::Webhook { url, .. } => {
                url.to_string()
            }
            ReceiverKind::SlackBot(bot) => format!("{} by {}", bot.channel, bot.api),
            ReceiverKind::Email(mail) => format!("{} by {}", mail.to.join(", "), mail.smtp),
            ReceiverKind::PagerDuty { url, .. } => format!("PagerDuty {url}"),
            ReceiverKind::Discord { url } => format!("Discord {url}"),
            ReceiverKind::Teams { url } => format!("Teams {url}"),
            ReceiverKind::Ntfy { url, .. } => format!("ntfy {url}"),
            ReceiverKind::Alertmanager { url, .. } => format!("Alertmanager {url}"),
            ReceiverKind::GithubStatus { repo, api, .. } => format!("{repo} at {api}"),
            ReceiverKind::Log => "log".to_owned(),
            ReceiverKind::Stdout => "stdout".to_owned(),
            ReceiverKind::File { path } => path.display().to_string(),
        }
    }

    /// Tells whether it wants to hear of this.
    pub fn wants(&self, facts: &Facts<'_>) -> bool {
        match &self.kind {
            ReceiverKind::Webhook { events, .. } => {
                events.is_empty() || events.iter().any(|glob| glob.matches(facts.event_type))
            }
            ReceiverKind::PagerDuty { change_events, .. } => {
                pagerduty::action(facts, *change_events).is_some()
            }
            ReceiverKind::Alertmanager { .. } => alertmanager::action(facts).is_some(),
            ReceiverKind::GithubStatus { .. } => github_status::state(facts).is_some(),
            ReceiverKind::Slack { .. }
            | ReceiverKind::SlackBot(_)
            | ReceiverKind::Email(_)
            | ReceiverKind::Discord { .. }
            | ReceiverKind::Teams { .. }
            | ReceiverKind::Ntfy { .. }
            | ReceiverKind::Log
            | ReceiverKind::Stdout
            | ReceiverKind::File { .. } => true,
        }
    }

    /// Tells whether people read it line by line, so that one message is better than many; what
    /// is read by machines is told each event by itself.
    pub fn is_read_by_people(&self) -> bool {
        match self.kind {
            ReceiverKind::Slack { .. }
            | ReceiverKind::SlackBot(_)
            | ReceiverKind::Email(_)
            | ReceiverKind::Discord { .. }
            | ReceiverKind::Teams { .. }
            | ReceiverKind::Ntfy { .. } => true,
            ReceiverKind::Webhook { .. }
            | ReceiverKind::PagerDuty { .. }
            | ReceiverKind::Alertmanager { .. }
            | ReceiverKind::GithubStatus { .. }
            | ReceiverKind::Log
            | ReceiverKind::Stdout
            | ReceiverKind::File { .. } => false,
        }
    }

    /// Tells whether it can be told at any time and twice, so that nobody has to remember it.
    pub fn is_log(&self) -> bool {
        matches!(self.kind, ReceiverKind::Log | ReceiverKind::Stdout)
    }

    /// Tells whether it goes by what it said before about the same deployment.
    pub fn remembers(&self) -> bool {
        matches!(self.kind, ReceiverKind::SlackBot(_) | ReceiverKind::GithubStatus { .. })
    }

    /// Tells it once, in the fleet's own words where it has some. Words that cannot be made are no
    /// reason to tell nobody: it is told in ours then, and that it was.
    ///
    /// # Cancel safety
    /// Cancel safe for us; the receiver may have it although nobody heard the answer.
    pub async fn tell(&self, telling: Telling<'_>) -> Reply {
        match self.written(telling) {
            Ok(written) => self.deliver(Telling { written: written.as_ref(), ..telling }).await,
            Err(why) => {
                tracing::warn!(receiver = self.name, why, "told in the built-in words");
                let facts = noted(telling.facts, &why);
                self.deliver(Telling { facts: &facts, ..telling }).await
            }
        }
    }

    /// Writes the message in the fleet's own words, where it has some for this kind of receiver.
    fn written(&self, telling: Telling<'_>) -> Result<Option<Written>, String> {
        match self.kind.pages() {
            Some(channel) => written(&self.ways.pages, channel, telling),
            None => Ok(None),
        }
    }

    async fn deliver(&self, telling: Telling<'_>) -> Reply {
        let client = &self.ways.client;
        match &self.kind {
            ReceiverKind::Log => log::tell(&self.name, telling.facts).into(),
            ReceiverKind::Stdout => lines::print(telling).into(),
            ReceiverKind::File { path } => lines::append(path, telling).await.into(),
            ReceiverKind::Email(mail) => email::tell(mail, &self.ways, telling).await.into(),
            ReceiverKind::SlackBot(bot) => slack_bot::tell(bot, client, telling).await,
            ReceiverKind::Teams { url } => teams::tell(url, client, telling).await.into(),
            ReceiverKind::Slack { .. }
            | ReceiverKind::Webhook { .. }
            | ReceiverKind::PagerDuty { .. }
            | ReceiverKind::Discord { .. }
            | ReceiverKind::Ntfy { .. }
            | ReceiverKind::Alertmanager { .. }
            | ReceiverKind::GithubStatus { .. } => self.tell_once(telling).await,
        }
    }

    /// Tells with one request.
    async fn tell_once(&self, telling: Telling<'_>) -> Reply {
        let request = match self.request(telling) {
            Ok(request) => request,
            Err(why) => return Verdict::Never { why }.into(),
        };
        let answer = match request.send(&self.ways.client, telling.timestamp).await {
            Ok(answer) => answer,
            Err(verdict) => return verdict.into(),
        };
        let verdict = match &self.kind {
            ReceiverKind::Slack { .. } => slack::judge(&answer),
            ReceiverKind::Discord { .. } => discord::judge(&answer),
            ReceiverKind::GithubStatus { .. } => github_status::judge(&answer),
            ReceiverKind::SlackBot(_)
            | ReceiverKind::Webhook { .. }
            | ReceiverKind::Email(_)
            | ReceiverKind::PagerDuty { .. }
            | ReceiverKind::Teams { .. }
            | ReceiverKind::Ntfy { .. }
            | ReceiverKind::Alertmanager { .. }
            | ReceiverKind::Log
            | ReceiverKind::Stdout
            | ReceiverKind::File { .. } => answer.judged(),
        };
        let commit = matches!(self.kind, ReceiverKind::GithubStatus { .. });
        let memory = telling.facts.commit.filter(|_| commit).map(str::to_owned);
        Reply { verdict, memory }
    }

    /// Builds the one request of a receiver that needs no more.
    fn request(&self, telling: Telling<'_>) -> Result<Request, String> {
        match &self.kind {
            ReceiverKind::Slack { url, name } => {
                Ok(slack::request(url.expose(), name.as_deref(), telling))
            }
            ReceiverKind::Webhook { url, secrets, .. } => {
                Ok(webhook::request(url.expose(), secrets, telling))
            }
            ReceiverKind::PagerDuty { routing_key, change_events, url } => {
                pagerduty::request(url.expose(), routing_key.expose(), *change_events, telling)
            }
            ReceiverKind::Discord { url } => Ok(discord::request(url.expose(), telling)),
            ReceiverKind::Teams { url } => Ok(teams::request(url.expose(), telling)),
            ReceiverKind::Ntfy { url, token } => {
                ntfy::request(url.expose(), token.as_ref(), telling)
            }
            ReceiverKind::Alertmanager { url, token } => {
                alertmanager::request(url.expose(), token.as_ref(), telling)
            }
            ReceiverKind::GithubStatus { token, repo, context, api } => {
                let commit = github_status::Commit { repo, context, token };
                github_status::request(api.expose(), commit, telling)
            }
            ReceiverKind::SlackBot(bot) => slack_bot::request(bot, telling),
            ReceiverKind::Email(_)
            | ReceiverKind::Log
            | ReceiverKind::Stdout
            | ReceiverKind::File { .. } => Err("it takes no request".to_owned()),
        }
    }

    /// Returns what would be told, as people can read it, without credentials.
    pub fn preview(&self, telling: Telling<'_>) -> String {
        match self.written(telling) {
            Ok(written) => self.shown(Telling { written: written.as_ref(), ..telling }),
            Err(why) => {
                let facts = noted(telling.facts, &why);
                self.shown(Telling { facts: &facts, ..telling })
            }
        }
    }

    fn shown(&self, telling: Telling<'_>) -> String {
        match &self.kind {
            ReceiverKind::Log => crate::render::log(telling.facts),
            ReceiverKind::Stdout | ReceiverKind::File { .. } => lines::line(telling).to_string(),
            ReceiverKind::Email(mail) => email::preview(mail, telling),
            ReceiverKind::PagerDuty { change_events, url, .. } => {
                shown(pagerduty::request(url.expose(), MASK, *change_events, telling))
            }
            ReceiverKind::Slack { .. }
            | ReceiverKind::SlackBot(_)
            | ReceiverKind::Webhook { .. }
            | ReceiverKind::Discord { .. }
            | ReceiverKind::Teams { .. }
            | ReceiverKind::Ntfy { .. }
            | ReceiverKind::Alertmanager { .. }
            | ReceiverKind::GithubStatus { .. } => shown(self.request(telling)),
        }
    }
}

/// Adds to what is said that it is not said in the fleet's own words.
fn noted<'a>(facts: &Facts<'a>, why: &str) -> Facts<'a> {
    let why = format!("{why}; these are the built-in words");
    let note = facts.note.as_ref().map_or_else(|| why.clone(), |note| format!("{note}; {why}"));
    Facts { note: Some(note), ..facts.clone() }
}

fn shown(request: Result<Request, String>) -> String {
    match request {
        Ok(request) => request.shown(),
        Err(why) => format!("nothing: {why}"),
    }
}
