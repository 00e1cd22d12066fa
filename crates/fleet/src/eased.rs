//! Whether anybody did something about a deployment's trouble: it is over, or a person has it.
//!
//! The notifier writes what it hears of, people say that they have it, and the notifier asks
//! before it tells others. Nothing here knows what the trouble was.

use std::time::Duration;

use printery_streams::{Error, ErrorKind, Keys};
use redis::{cmd, pipe};

use crate::records::Records;

/// How long it is remembered: longer than anything is escalated after. 7 days.
const KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Eased {
    /// When the deployment was last well as a whole, the server's milliseconds.
    pub well_ms: Option<u64>,
    /// When the kind of news that was asked about was last good.
    pub good_ms: Option<u64>,
    /// When somebody said that they have it.
    pub acknowledged_ms: Option<u64>,
    /// Who.
    pub actor: Option<String>,
}

impl Eased {
    /// Whether anything was done about what began then, and what.
    pub fn since(&self, began_ms: u64) -> Option<String> {
        let after = |at: Option<u64>| at.is_some_and(|at| at >= began_ms);
        if after(self.well_ms) || after(self.good_ms) {
            return Some("it is over".to_owned());
        }
        let actor = self.actor.as_deref().unwrap_or("somebody");
        after(self.acknowledged_ms).then(|| format!("{actor} has it"))
    }
}

/// Reads what is known of a deployment, and of one kind of news about it.
///
/// # Redis
/// `HMGET`.
pub async fn read(records: &Records, deployment: &str, event_type: &str) -> Result<Eased, Error> {
    let key = key(records.keys(), deployment);
    let mut command = cmd("HMGET");
    command.arg(&key).arg("well_ms").arg(good(event_type)).arg("acknowledged_ms").arg("actor");
    let reply = records.session().query("read who has it", &key, &command).await?;
    let (well_ms, good_ms, acknowledged_ms, actor) =
        redis::from_redis_value(reply).map_err(|_shape| {
            Error::new(ErrorKind::Malformed, "read who has it", &key, "not what was done")
        })?;
    Ok(Eased { well_ms, good_ms, acknowledged_ms, actor })
}

/// Notes that a deployment is well, or that one kind of news about it is good.
///
/// # Redis
/// `HSET` and `PEXPIRE` in one round trip.
pub async fn is_well(
    records: &Records,
    deployment: &str,
    event_type: Option<&str>,
    now_ms: u64,
) -> Result<(), Error> {
    let field = event_type.map_or_else(|| "well_ms".to_owned(), good);
    write(records, deployment, &[(&field, now_ms.to_string())]).await
}

/// Notes that a person has it.
///
/// # Redis
/// As [`is_well`].
pub async fn acknowledge(
    records: &Records,
    deployment: &str,
    actor: &str,
    now_ms: u64,
) -> Result<(), Error> {
    let fields = [("acknowledged_ms", now_ms.to_string()), ("actor", actor.to_owned())];
    write(records, deployment, &fields).await
}

async fn write(
    records: &Records,
    deployment: &str,
    fields: &[(&str, String)],
) -> Result<(), Error> {
    let key = key(records.keys(), deployment);
    let kept = u64::try_from(KEPT.as_millis()).unwrap_or(u64::MAX);
    let mut both = pipe();
    let set = both.cmd("HSET").arg(&key);
    for (field, value) in fields {
        set.arg(*field).arg(value);
    }
    both.cmd("PEXPIRE").arg(&key).arg(kept);
    records.session().pipeline("write who has it", &key, &both).await.map(drop)
}

fn good(event_type: &str) -> String {
    format!("good:{event_type}")
}

/// Hash of what was done about a deployment's trouble. Written by the notifiers and by people, read
/// by the notifiers; gone seven days after the last of it.
fn key(keys: &Keys, deployment: &str) -> String {
    format!("{}:printery:eased:{deployment}", keys.prefix())
}

#[cfg(test)]
mod tests {
    use super::Eased;

    #[test]
    fn only_what_was_done_since_counts() {
        let eased = |well_ms, good_ms, acknowledged_ms| Eased {
            well_ms,
            good_ms,
            acknowledged_ms,
            actor: Some("ana".to_owned()),
        };
        let cases = [
            (eased(None, None, None), None),
            (eased(Some(9), Some(9), Some(9)), None),
            (eased(Some(10), None, None), Some("it is over")),
            (eased(None, Some(11), None), Some("it is over")),
            (eased(Some(9), None, Some(12)), Some("ana has it")),
        ];
        for (eased, expected) in cases {
            assert_eq!(eased.since(10).as_deref(), expected, "{eased:?}");
        }
    }
}
