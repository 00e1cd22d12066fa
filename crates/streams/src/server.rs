//! What the server is and how it is set up: asked at start, after a reconnect, and by `doctor`.
//!
//! Judged here once, so that manager, workers and doctor say the same; nothing is changed.

use redis::cmd;

use crate::connection::{Durability, Session};
use crate::error::Error;
use crate::reply::Origin;

/// What `INFO` tells that matters to the fleet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerFacts {
    /// `redis` or `valkey`.
    pub flavour: String,
    /// The server's version, such as `7.0.15`; for Valkey its own.
    pub version: String,
    /// Changes with every start of the server.
    pub run_id: String,
    /// Seconds since the server started.
    pub uptime_s: u64,
    /// What the server does when memory is full.
    pub maxmemory_policy: String,
    /// `master` or `slave`.
    pub role: String,
    /// Whether the append-only file is on.
    pub appendonly: bool,
    /// Whether the server is part of a cluster.
    pub cluster: bool,
    /// Whether it is still loading its data.
    pub loading: bool,
    /// Replicas that are connected to it.
    pub replicas: u32,
}

/// Something about the server that a person should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// Whether the fleet must not start on it.
    pub fatal: bool,
    /// What is wrong and what to do.
    pub sentence: String,
}

/// Asks the server for its facts.
///
/// # Redis
/// `INFO`.
pub async fn facts(session: &mut Session) -> Result<ServerFacts, Error> {
    let reply = session.query("ask the server", "", &cmd("INFO")).await?;
    let text = Origin { operation: "ask the server", key: "" }.text(reply)?;
    Ok(parse(&text))
}

/// Judges whether the server can confirm what it is asked to confirm.
///
/// # Redis
/// `COMMAND INFO` where the disk is to be waited for.
pub async fn durability_remarks(
    session: &mut Session,
    facts: &ServerFacts,
    wanted: Durability,
) -> Result<Vec<Remark>, Error> {
    let mut remarks = Vec::new();
    let mut say = |fatal, sentence: String| remarks.push(Remark { fatal, sentence });
    if wanted.fsync {
        let origin = Origin { operation: "ask the server", key: "" };
        let mut question = cmd("COMMAND");
        question.arg("INFO").arg("waitaof");
        let known = origin.array(session.query(origin.operation, "", &question).await?)?;
        if known.iter().all(|command| *command == redis::Value::Nil) {
            say(
                true,
                format!(
                    "durability.fsync needs the command WAITAOF, which {} {} does not have; Redis 7.2 or Valkey 7.2 has",
                    facts.flavour, facts.version
                ),
            );
        } else if !facts.appendonly {
            say(true, "durability.fsync needs appendonly to be on".to_owned());
        }
    }
    if facts.replicas < wanted.replicas {
        say(
            false,
            format!(
                "durability.replicas is {}, but {} replica(s) are connected: nothing is confirmed until there are more",
                wanted.replicas, facts.replicas
            ),
        );
    }
    Ok(remarks)
}

fn parse(info: &str) -> ServerFacts {
    let mut facts = ServerFacts { flavour: "redis".to_owned(), ..ServerFacts::default() };
    for (name, value) in info.lines().filter_map(|line| line.trim_end().split_once(':')) {
        match name {
            "redis_version" if facts.version.is_empty() => value.clone_into(&mut facts.version),
            "valkey_version" => {
                "valkey".clone_into(&mut facts.flavour);
                value.clone_into(&mut facts.version);
            }
            "run_id" => value.clone_into(&mut facts.run_id),
            "uptime_in_seconds" => facts.uptime_s = value.parse().unwrap_or(0),
            "maxmemory_policy" => value.clone_into(&mut facts.maxmemory_policy),
            "role" => value.clone_into(&mut facts.role),
            "aof_enabled" => facts.appendonly = value == "1",
            "cluster_enabled" => facts.cluster = value == "1",
            "connected_slaves" => facts.replicas = value.parse().unwrap_or(0),
            "loading" => facts.loading = value == "1",
            _ => {}
        }
    }
    facts
}

impl ServerFacts {
    /// Judges whether the fleet can trust this server with its events under `prefix`.
    pub fn remarks(&self, prefix: &str) -> Vec<Remark> {
        let mut remarks = Vec::new();
        let mut say = |fatal, sentence: String| remarks.push(Remark { fatal, sentence });
        let (minimum, name) =
            if self.flavour == "valkey" { ((7, 2), "Valkey 7.2") } else { ((7, 0), "Redis 7.0") };
        if self.numeric_version().is_some_and(|version| version < minimum) {
            say(
                true,
                format!(
                    "the server is {} {}; at least {name} is needed",
                    self.flavour, self.version
                ),
            );
        }
        if self.maxmemory_policy.starts_with("allkeys") {
            say(
                true,
                format!(
                    "maxmemory-policy is {}, which evicts streams with their groups; set it to noeviction",
                    self.maxmemory_policy
                ),
            );
        }
        if self.cluster && hash_tag(prefix).is_none() {
            say(
                true,
                format!(
                    "the server is part of a cluster, which would scatter the keys of prefix {prefix}: it needs a hash tag, \
                     such as {{{bare}}}, or the fleet needs partitions",
                    bare = prefix.replace(['{', '}'], "")
                ),
            );
        }
        if !self.appendonly {
            say(
                false,
                "appendonly is off: a crash of the server loses what it acknowledged since its last snapshot"
                    .to_owned(),
            );
        }
        if self.role == "slave" {
            say(true, "the server is a replica; give the address of its primary".to_owned());
        }
        remarks
    }

    fn numeric_version(&self) -> Option<(u32, u32)> {
        let mut parts = self.version.split('.').map(|part| part.parse().ok());
        Some((parts.next()??, parts.next()??))
    }
}

/// The part of a key that alone decides on its slot: between the first `{` and the next `}`, unless
/// nothing is there.
fn hash_tag(key: &str) -> Option<&str> {
    let (_, behind) = key.split_once('{')?;
    behind.split_once('}').map(|(tag, _)| tag).filter(|tag| !tag.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fatal(info: &str, prefix: &str) -> Vec<String> {
        let remarks = parse(info).remarks(prefix).into_iter();
        remarks.filter(|remark| remark.fatal).map(|remark| remark.sentence).collect()
    }

    #[test]
    fn a_good_server_has_no_fatal_remark() {
        let info = "redis_version:7.0.15\r\nmaxmemory_policy:noeviction\r\nrole:master\r\naof_enabled:1\r\n";
        assert!(parse(info).remarks("materi").is_empty());
        assert!(fatal("redis_version:7.2.4\r\nvalkey_version:8.1.0\r\n", "materi").is_empty());
    }

    #[test]
    fn servers_that_would_lose_events_are_refused() {
        for (info, word) in [
            ("redis_version:6.2.5\r\n", "at least Redis 7.0"),
            ("redis_version:7.0.15\r\nmaxmemory_policy:allkeys-lru\r\n", "noeviction"),
            ("redis_version:7.0.15\r\ncluster_enabled:1\r\n", "hash tag"),
            ("redis_version:7.0.15\r\nrole:slave\r\n", "primary"),
        ] {
            let found = fatal(info, "materi");
            assert!(found.len() == 1 && found[0].contains(word), "{info}: {found:?}");
        }
        assert!(fatal("redis_version:7.0.15\r\ncluster_enabled:1\r\n", "{materi}").is_empty());
    }
}
