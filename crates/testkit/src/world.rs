//! All that a fleet has written to Redis, as one value.
//!
//! Owns the snapshot that tests compare before and after and print when they fail; called by tests.
//! It never changes anything: it only reads.

use std::collections::BTreeMap;
use std::fmt;

use redis::Value;

use crate::connection::{Connection, as_list, as_number, as_text};

/// Reads every key that a pattern finds: name, type, size, and a stream's groups.
///
/// In one step: of commands one after another the first could see an empty stream and the last an empty group although
/// an entry was there all the time, under way from one to the other.
const SNAPSHOT: &str = "
local sizes = { stream = 'XLEN', zset = 'ZCARD', hash = 'HLEN', set = 'SCARD', list = 'LLEN' }
local world = {}
for _, key in ipairs(redis.call('KEYS', ARGV[1])) do
  local kind = redis.call('TYPE', key).ok
  local size = sizes[kind] and redis.call(sizes[kind], key) or 1
  local groups = {}
  if kind == 'stream' then
    for g, facts in ipairs(redis.call('XINFO', 'GROUPS', key)) do
      local group = {}
      for i = 1, #facts, 2 do group[facts[i]] = facts[i + 1] end
      -- The server's own count is nil or nonsense after deletions and restarts, and then to be made up for; a
      -- long backlog is not walked through each time.
      local waiting = group.lag
      if not waiting or waiting <= 0 then
        waiting = #redis.call('XRANGE', key, '(' .. group['last-delivered-id'], '+', 'COUNT', 10000)
      end
      groups[g] = { group.name, group.pending, waiting, group.consumers }
    end
  end
  world[#world + 1] = { key, kind, size, groups }
end
return world
";

/// One consumer group of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupState {
    /// Entries delivered and not acknowledged.
    pub pending: i64,
    /// Entries not delivered yet.
    pub undelivered: i64,
    /// How many consumers the group has.
    pub consumers: i64,
}

/// One stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamState {
    /// How many entries are retained.
    pub length: i64,
    /// Its groups by name.
    pub groups: BTreeMap<String, GroupState>,
}

/// Every key under a prefix: streams with their groups, and the size of everything else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct World {
    prefix: String,
    /// Streams by key without `<prefix>:`.
    pub streams: BTreeMap<String, StreamState>,
    /// Number of members of every sorted set, hash, set and list, and 1 for a string, by key without `<prefix>:`.
    pub sizes: BTreeMap<String, i64>,
}

impl World {
    /// Reads everything under `<prefix>:`.
    pub async fn snapshot(connection: &Connection, prefix: &str) -> Self {
        let mut world = Self { prefix: prefix.to_owned(), ..Self::default() };
        let found = connection.cmd(&["EVAL", SNAPSHOT, "0", &format!("{prefix}:*")]).await;
        for key in as_list(&found) {
            let [key, kind, size, groups] = as_list(key) else { panic!("four facts: {key:?}") };
            let (key, length) = (as_text(key), as_number(size));
            let name = key.strip_prefix(prefix).unwrap_or(&key).trim_start_matches(':').to_owned();
            if as_text(kind) == "stream" {
                world.streams.insert(name, StreamState { length, groups: group_states(groups) });
            } else {
                world.sizes.insert(name, length);
            }
        }
        world
    }

    /// Returns how many events of that type are retained.
    pub fn events(&self, event_type: &str) -> i64 {
        self.length(&format!("events:deployment:{event_type}"))
    }

    /// Returns how many dead letters wait for a decision, over all workers.
    pub fn dead_letters(&self) -> i64 {
        let waiting = self.streams.iter().filter(|(name, _)| {
            name.starts_with("events:deployment:dlq:") && !name.ends_with(":processed")
        });
        waiting.map(|(_, stream)| stream.length).sum()
    }

    /// Returns how many entries are pending, over all streams and groups.
    pub fn pending(&self) -> i64 {
        self.streams
            .values()
            .flat_map(|stream| stream.groups.values())
            .map(|group| group.pending)
            .sum()
    }

    /// Returns how many entries no consumer has seen yet, over all streams and groups.
    pub fn undelivered(&self) -> i64 {
        let groups = self.streams.values().flat_map(|stream| stream.groups.values());
        groups.map(|group| group.undelivered).sum()
    }

    /// Returns how many entries wait for their due time, over all workers.
    pub fn delayed(&self) -> i64 {
        let waiting = self.sizes.iter().filter(|(name, _)| name.starts_with("printery:delay:"));
        waiting.map(|(_, size)| *size).sum()
    }

    /// Returns how many entries wait until an older one of their deployment is settled, over all workers.
    pub fn in_line(&self) -> i64 {
        let waiting = self.sizes.iter().filter(|(name, _)| name.starts_with("printery:line:"));
        waiting.map(|(_, size)| *size).sum()
    }

    fn length(&self, name: &str) -> i64 {
        self.streams.get(name).map_or(0, |stream| stream.length)
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "world {}:", self.prefix)?;
        for (name, stream) in &self.streams {
            writeln!(f, "  {name}  {} entries", stream.length)?;
            for (group, state) in &stream.groups {
                let GroupState { pending, undelivered, consumers } = state;
                writeln!(
                    f,
                    "    {group}  pending {pending}, undelivered {undelivered}, consumers {consumers}"
                )?;
            }
        }
        for (name, size) in &self.sizes {
            writeln!(f, "  {name}  {size}")?;
        }
        Ok(())
    }
}

fn group_states(groups: &Value) -> BTreeMap<String, GroupState> {
    let mut states = BTreeMap::new();
    for group in as_list(groups) {
        let [name, numbers @ ..] = as_list(group) else { panic!("a group: {group:?}") };
        let [pending, undelivered, consumers] =
            numbers.iter().map(as_number).collect::<Vec<_>>()[..]
        else {
            panic!("three numbers: {group:?}")
        };
        states.insert(as_text(name), GroupState { pending, undelivered, consumers });
    }
    states
}
