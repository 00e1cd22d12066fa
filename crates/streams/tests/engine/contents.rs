//! Everything in a Redis as one value, so that a test can say what changed and that nothing else did.
//!
//! Read with plain commands before and after; idle times are left out, because they always change.

use std::collections::BTreeMap;

use printery_streams::Fields;
use printery_testkit::{Connection, Entry};
use redis::{Value, from_redis_value};

/// One row of a group's pending list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) entry: String,
    pub(crate) consumer: String,
    pub(crate) count: u64,
}

/// A stream's groups: by name the last delivered id and the pending list.
pub(crate) type Groups = BTreeMap<String, (String, Vec<Row>)>;

/// What a key holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Held {
    /// Entries and groups.
    Stream(Vec<Entry>, Groups),
    /// Names and values, sorted.
    Hash(BTreeMap<Vec<u8>, Vec<u8>>),
    /// Members and scores.
    SortedSet(Vec<(Vec<u8>, u64)>),
    /// A plain value.
    Text(Vec<u8>),
}

/// Every key with what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Contents(pub(crate) BTreeMap<String, Held>);

impl Contents {
    pub(crate) async fn read(db: &Connection) -> Self {
        let mut contents = BTreeMap::new();
        for key in db.keys("*").await {
            let held = match db.text(&["TYPE", &key]).await.unwrap().as_str() {
                "stream" => Held::Stream(db.entries(&key).await, groups(db, &key).await),
                "hash" => Held::Hash(from_redis_value(db.cmd(&["HGETALL", &key]).await).unwrap()),
                "zset" => {
                    let range = db.cmd(&["ZRANGE", &key, "0", "-1", "WITHSCORES"]).await;
                    Held::SortedSet(from_redis_value(range).unwrap())
                }
                "string" => Held::Text(from_redis_value(db.cmd(&["GET", &key]).await).unwrap()),
                other => panic!("{key} is a {other}"),
            };
            contents.insert(key, held);
        }
        Self(contents)
    }

    /// The entries' fields of a stream, oldest first; none when there is no such key.
    pub(crate) fn entries(&self, key: &str) -> Vec<Fields> {
        self.stream(key).0.into_iter().map(|entry| entry.fields).collect()
    }

    /// Ids of the entries of a stream.
    pub(crate) fn ids(&self, key: &str) -> Vec<String> {
        self.stream(key).0.into_iter().map(|entry| entry.id).collect()
    }

    /// The pending list of a stream with one group.
    pub(crate) fn pending(&self, key: &str) -> Vec<Row> {
        self.stream(key).1.into_values().flat_map(|(_, rows)| rows).collect()
    }

    fn stream(&self, key: &str) -> (Vec<Entry>, Groups) {
        match self.0.get(key) {
            Some(Held::Stream(entries, groups)) => (entries.clone(), groups.clone()),
            None => (Vec::new(), BTreeMap::new()),
            Some(other) => panic!("{key} is no stream: {other:?}"),
        }
    }

    /// A hash as text.
    pub(crate) fn hash(&self, key: &str) -> BTreeMap<String, String> {
        let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
        match self.0.get(key) {
            Some(Held::Hash(pairs)) => {
                pairs.iter().map(|(name, value)| (text(name), text(value))).collect()
            }
            None => BTreeMap::new(),
            Some(other) => panic!("{key} is no hash: {other:?}"),
        }
    }

    /// The sorted set, by score.
    pub(crate) fn sorted_set(&self, key: &str) -> Vec<(String, u64)> {
        match self.0.get(key) {
            Some(Held::SortedSet(members)) => members
                .iter()
                .map(|(name, score)| (String::from_utf8_lossy(name).into_owned(), *score))
                .collect(),
            None => Vec::new(),
            Some(other) => panic!("{key} is no sorted set: {other:?}"),
        }
    }

    /// The same without some keys, for comparing the rest.
    pub(crate) fn without(&self, keys: &[&str]) -> Self {
        let kept = self.0.iter().filter(|(key, _)| !keys.contains(&key.as_str()));
        Self(kept.map(|(key, held)| (key.clone(), held.clone())).collect())
    }
}

/// A row as the tests write it down.
pub(crate) fn row(entry: &impl ToString, consumer: &str, count: u64) -> Row {
    Row { entry: entry.to_string(), consumer: consumer.to_owned(), count }
}

async fn groups(db: &Connection, key: &str) -> Groups {
    let infos = db.cmd(&["XINFO", "GROUPS", key]).await;
    let infos: Vec<BTreeMap<String, Value>> = from_redis_value(infos).unwrap();
    let mut groups = BTreeMap::new();
    for info in infos {
        let text = |name: &str| from_redis_value::<String>(info[name].clone()).unwrap();
        let group = text("name");
        let rows = db.cmd(&["XPENDING", key, &group, "-", "+", "100000"]).await;
        let rows: Vec<(String, String, u64, u64)> = from_redis_value(rows).unwrap();
        let rows =
            rows.into_iter().map(|(entry, consumer, _, count)| Row { entry, consumer, count });
        groups.insert(group, (text("last-delivered-id"), rows.collect()));
    }
    groups
}
