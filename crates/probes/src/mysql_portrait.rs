//! What a MySQL or MariaDB says of itself, and what is expected of it.
//!
//! The MySQL probe fills a portrait and has it judged here. Pure: nothing is asked.

use std::time::Duration;

use printery_config::MysqlRole;

use crate::outcome::ReasonCode;
use crate::redact::brief;

/// What is expected of a server beyond letting us in.
#[derive(Debug, Clone, Default)]
pub(crate) struct MysqlDemands {
    /// What it must be.
    pub(crate) role: Option<MysqlRole>,
    /// The lowest version that will do, as in `8.0` or `10.11`.
    pub(crate) min_version: Option<String>,
    /// The highest, as in `8.0`, which holds 8.0.36 too.
    pub(crate) max_version: Option<String>,
    /// The share of connections that must be free, 0..=1.
    pub(crate) headroom: Option<f64>,
    /// How far a replica may be behind.
    pub(crate) max_lag: Option<Duration>,
}

/// How a server stands to the one it follows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Following {
    /// Nobody asked, because nothing is expected of it.
    Unasked,
    /// It follows nobody.
    Nobody,
    /// It is so many seconds behind; `None` when it cannot say, as while it has lost its primary.
    Behind(Option<f64>),
}

/// What a server says of itself.
#[derive(Debug, PartialEq)]
pub(crate) struct Portrait {
    /// As it says it: `10.11.6-MariaDB-0+deb12u1`.
    pub(crate) version: String,
    pub(crate) read_only: bool,
    pub(crate) most_connections: u64,
    pub(crate) connections: u64,
    pub(crate) following: Following,
}

impl MysqlDemands {
    /// Tells whether it matters whom a server follows, which not every user may ask.
    pub(crate) fn need_replication(&self) -> bool {
        self.role == Some(MysqlRole::Replica) || self.max_lag.is_some()
    }

    /// Returns the first reason and everything that is wrong.
    pub(crate) fn judge(&self, portrait: &Portrait) -> Option<(ReasonCode, String)> {
        let mut wrong: Vec<(ReasonCode, String)> = Vec::new();
        let mut say = |reason, text: String| wrong.push((reason, text));
        match self.role {
            Some(MysqlRole::Primary) if portrait.read_only => {
                say(ReasonCode::Role, "it is read-only and takes no writes".to_owned());
            }
            Some(MysqlRole::Replica) if portrait.following == Following::Nobody => {
                say(ReasonCode::Role, "it follows nobody".to_owned());
            }
            Some(MysqlRole::Primary | MysqlRole::Replica) | None => {}
        }
        let numbers = numbers(&portrait.version);
        if let Some(least) = &self.min_version
            && shortened(&numbers, least) < written(least)
        {
            say(ReasonCode::Version, format!("it is older than version {least}"));
        }
        if let Some(most) = &self.max_version
            && shortened(&numbers, most) > written(most)
        {
            say(ReasonCode::Version, format!("it is newer than version {most}"));
        }
        if let Some(share) = self.headroom
            && portrait.free_share() < share
        {
            let wanted = share * 100.0;
            say(ReasonCode::Capacity, format!("less than {wanted}% of its connections are free"));
        }
        if let (Some(most), Following::Behind(lag)) = (self.max_lag, portrait.following)
            && lag.is_none_or(|lag| lag > most.as_secs_f64())
        {
            say(ReasonCode::Lag, format!("it is more than {} behind", brief(most)));
        }
        let reason = wrong.first()?.0;
        let texts: Vec<String> = wrong.into_iter().map(|(_, text)| text).collect();
        Some((reason, texts.join("; ")))
    }

    /// Says what is expected, for people.
    pub(crate) fn words(&self) -> String {
        let mut words = vec!["a session".to_owned()];
        match self.role {
            Some(MysqlRole::Primary) => words.push("of a server that takes writes".to_owned()),
            Some(MysqlRole::Replica) => words.push("of a replica".to_owned()),
            None => {}
        }
        words.extend(self.min_version.iter().map(|version| format!("version {version} or later")));
        words
            .extend(self.max_version.iter().map(|version| format!("version {version} or earlier")));
        words.extend(
            self.headroom.map(|share| format!("{}% of its connections free", share * 100.0)),
        );
        words.extend(self.max_lag.map(|lag| format!("at most {} behind", brief(lag))));
        words.join(", ")
    }
}

impl Portrait {
    #[expect(clippy::cast_precision_loss, reason = "connections are counted in thousands")]
    fn free_share(&self) -> f64 {
        let free = self.most_connections.saturating_sub(self.connections);
        free as f64 / self.most_connections.max(1) as f64
    }

    /// Says what was seen, for people.
    pub(crate) fn words(&self) -> String {
        let kind = if self.version.contains("MariaDB") { "MariaDB" } else { "MySQL" };
        let version: Vec<String> = numbers(&self.version).iter().map(ToString::to_string).collect();
        let writes = if self.read_only { "read-only" } else { "takes writes" };
        let following = match self.following {
            Following::Unasked => String::new(),
            Following::Nobody => ", follows nobody".to_owned(),
            Following::Behind(Some(lag)) => format!(", a replica {lag:.0}s behind"),
            Following::Behind(None) => ", a replica that has lost its primary".to_owned(),
        };
        let Self { connections, most_connections, .. } = self;
        format!(
            "{kind} {}, {writes}{following}, {connections} of {most_connections} connections",
            version.join(".")
        )
    }
}

/// Reads the numbers of a version as servers say it.
///
/// MariaDB before 11 says `5.5.5-` first on the wire, for old replicas.
fn numbers(version: &str) -> Vec<u64> {
    let version = version.strip_prefix("5.5.5-").unwrap_or(version);
    let plain = version.split(|c: char| !c.is_ascii_digit() && c != '.').next().unwrap_or_default();
    written(plain)
}

fn written(version: &str) -> Vec<u64> {
    version.split('.').map(|part| part.parse().unwrap_or_default()).collect()
}

/// Cuts a version to as many numbers as were written, so that `8.0` holds 8.0.36.
fn shortened(numbers: &[u64], as_written: &str) -> Vec<u64> {
    numbers.iter().copied().take(as_written.split('.').count()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn portrait() -> Portrait {
        Portrait {
            version: "10.11.6-MariaDB-0+deb12u1".to_owned(),
            read_only: false,
            most_connections: 100,
            connections: 90,
            following: Following::Unasked,
        }
    }

    #[test]
    fn each_demand_is_judged_by_itself() {
        let plain = MysqlDemands::default;
        let role = |role| MysqlDemands { role: Some(role), ..plain() };
        let least = |text: &str| MysqlDemands { min_version: Some(text.to_owned()), ..plain() };
        let most = |text: &str| MysqlDemands { max_version: Some(text.to_owned()), ..plain() };
        let room = |share| MysqlDemands { headroom: Some(share), ..plain() };
        let lag = MysqlDemands { max_lag: Some(Duration::from_secs(5)), ..plain() };
        let replica = |lag| Portrait { following: Following::Behind(lag), ..portrait() };
        let read_only = || Portrait { read_only: true, ..portrait() };
        let alone = || Portrait { following: Following::Nobody, ..portrait() };
        let old = || Portrait { version: "8.0.36".to_owned(), ..portrait() };
        let disguised = || Portrait { version: "5.5.5-10.6.1-MariaDB".to_owned(), ..portrait() };
        for (demands, portrait, expected) in [
            (plain(), read_only(), None),
            (role(MysqlRole::Primary), portrait(), None),
            (role(MysqlRole::Primary), read_only(), Some(ReasonCode::Role)),
            (role(MysqlRole::Replica), replica(Some(0.0)), None),
            (role(MysqlRole::Replica), alone(), Some(ReasonCode::Role)),
            (least("10.11"), portrait(), None),
            (least("10.6"), disguised(), None),
            (least("10.11"), old(), Some(ReasonCode::Version)),
            (most("8.0"), old(), None),
            (most("10.6"), portrait(), Some(ReasonCode::Version)),
            (room(0.1), portrait(), None),
            (room(0.11), portrait(), Some(ReasonCode::Capacity)),
            (lag.clone(), replica(Some(5.0)), None),
            (lag.clone(), replica(Some(6.0)), Some(ReasonCode::Lag)),
            (lag.clone(), replica(None), Some(ReasonCode::Lag)),
            (lag, alone(), None),
        ] {
            let judged = demands.judge(&portrait).map(|(reason, _)| reason);
            assert_eq!(judged, expected, "{demands:?} {portrait:?}");
        }
        let words = "MariaDB 10.11.6, takes writes, 90 of 100 connections";
        assert_eq!(portrait().words(), words);
    }
}
