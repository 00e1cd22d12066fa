//! Who is told, and how they are reached.
//!
//! Owns the `receivers:` section. The notifier sends by it. Never sends.

mod email;
mod grouping;
mod kind;
mod policy;
mod signing_key;

use std::time::Duration;

use serde::Serialize;

use crate::condition;
use crate::node::{Node, Value};
use crate::problem::Code;
use crate::receiver::kind::CHANNELS;
use crate::shown;
use crate::table::Table;

pub use self::email::{Email, SmtpSecurity, SmtpServer};
pub use self::grouping::Grouping;
pub use self::kind::{ReceiverKind, SlackBot, SlackMode};
pub use self::policy::{Circuit, Notifier, Retry};
pub use self::signing_key::SigningKey;

/// Describes one named receiver.
#[derive(Clone, Debug, Serialize)]
pub struct Receiver {
    /// The name routes use.
    pub name: String,
    /// How it is reached.
    pub kind: ReceiverKind,
    /// The least time between two messages; zero is none.
    #[serde(serialize_with = "shown::duration")]
    pub pace: Duration,
}

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
    /// Names a receiver; its pace is what suits its kind.
    pub(crate) fn new(name: &str, kind: ReceiverKind) -> Self {
        let pace = kind.pace();
        Self { name: name.to_owned(), kind, pace }
    }

    /// Reads one entry of `receivers:`.
    pub(crate) fn read(name: &str, table: &Table<'_, '_>, node: &Node) -> ReadReceiver {
        for (word, kind) in [("log", ReceiverKind::Log), ("stdout", ReceiverKind::Stdout)] {
            if node.value == Value::Text(word.to_owned()) {
                return ReadReceiver::Usable(Self::new(name, kind));
            }
        }
        let mut table = Table::open(table.reader, node, &format!("receivers.{name}"));
        let skipped = condition::unless_env(&mut table).is_some();
        let otherwise = table.word("otherwise", &[("log", ())]).is_some();
        let given: Vec<&'static str> =
            CHANNELS.into_iter().filter(|channel| table.get(channel).is_some()).collect();
        let [channel] = given.as_slice() else {
            let known = CHANNELS.map(|channel| format!("`{channel}`")).join(", ");
            let text = format!("receiver `{name}` must have exactly one of {known}");
            table.reader.report(Code::MissingKey, table.at, text);
            return ReadReceiver::Broken;
        };
        let pace = table.duration("pace");
        let usable = |kind| {
            let read = Self::new(name, kind);
            ReadReceiver::Usable(Self { pace: pace.unwrap_or(read.pace), ..read })
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
