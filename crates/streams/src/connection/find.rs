//! Finds the server that has our keys: by asking the nodes of a cluster, or the sentinels.
//!
//! Called by [`super::Redis`] whenever it has no server. Asks one after the other, whoever answered
//! last first; changes nothing on any of them.

use std::collections::VecDeque;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, RedisError, Value, cmd};

use super::address::Address;
use super::node::dial_once;
use super::place::Place;
use crate::error::{Error, ErrorKind};
use crate::reply::Origin;

/// How often one search follows a hint to another node: two would do unless slots are moving.
const MOST_HOPS: usize = 5;

/// Nodes that are remembered: every node of a large cluster.
const MOST_KNOWN: usize = 1024;

const FIND: &str = "find the server";

/// One search.
pub(super) struct Search<'a> {
    pub(super) address: &'a Address,
    /// The key whose owner is looked for; none is any node.
    pub(super) key: Option<&'a str>,
    /// How long one question may take.
    pub(super) timeout: Duration,
}

/// What a cluster's node says.
enum Answer {
    /// It has the key itself; with every node that it knows.
    Mine(Vec<Place>),
    /// Another one has it.
    At(Place),
}

impl Search<'_> {
    /// The node of a cluster that has the key. Moves whoever does not answer to the end of `known`
    /// and adds whomever it hears of.
    pub(super) async fn owner(&self, known: &mut Vec<Place>) -> Result<Place, Error> {
        let mut to_ask: VecDeque<Place> = known.iter().cloned().collect();
        let mut silent = Vec::new();
        let mut failure = None;
        let mut hops = 0;
        while let Some(place) = to_ask.pop_front() {
            match self.ask(&place).await {
                Ok(Answer::Mine(nodes)) => {
                    known.retain(|other| !silent.contains(other) && *other != place);
                    known.insert(0, place.clone());
                    silent.extend(nodes);
                    learn(known, silent);
                    return Ok(place);
                }
                Ok(Answer::At(owner)) if hops < MOST_HOPS && !silent.contains(&owner) => {
                    hops += 1;
                    to_ask.retain(|other| *other != owner);
                    to_ask.push_front(owner);
                }
                Ok(Answer::At(owner)) => {
                    let why = format!("{place} names {owner}, which cannot be asked");
                    failure.get_or_insert(Error::new(ErrorKind::Unavailable, FIND, "", why));
                }
                Err(error) => {
                    silent.push(place);
                    prefer(&mut failure, error);
                }
            }
        }
        known.retain(|other| !silent.contains(other));
        learn(known, silent);
        Err(failure.unwrap_or_else(|| Error::new(ErrorKind::Unavailable, FIND, "", "no node")))
    }

    async fn ask(&self, place: &Place) -> Result<Answer, Error> {
        let mut node = dial_once(self.address.server_at(Some(place)), self.timeout).await?;
        let Some(key) = self.key else { return Ok(Answer::Mine(Vec::new())) };
        match cmd("TYPE").arg(key).query_async::<Value>(&mut node).await {
            Ok(_type) => Ok(Answer::Mine(nodes(&mut node, place).await)),
            Err(error) => match (error.code(), error.redirect_node()) {
                (Some("MOVED"), Some((told, _slot))) => {
                    Place::told(told, Some(place)).map(Answer::At).ok_or_else(|| {
                        Error::malformed(FIND, key, "a node is named that nobody knows")
                    })
                }
                // The slot is on its way elsewhere, but still this node's.
                (Some("ASK"), _) => Ok(Answer::Mine(nodes(&mut node, place).await)),
                _ => Err(Error::redis(FIND, key, &error)),
            },
        }
    }

    /// The master that the sentinels name, once it says so itself. The sentinel that answered
    /// comes first from then on.
    pub(super) async fn master(&self, sentinels: &mut [Place], name: &str) -> Result<Place, Error> {
        let mut failure = None;
        for index in 0..sentinels.len() {
            let Some(sentinel) = sentinels.get(index) else { break };
            match self.named_by(sentinel, name).await {
                Ok(master) => {
                    if let Some(asked) = sentinels.get_mut(..=index) {
                        asked.rotate_right(1);
                    }
                    return Ok(master);
                }
                Err(error) => prefer(&mut failure, error),
            }
        }
        Err(failure.unwrap_or_else(|| Error::new(ErrorKind::Unavailable, FIND, "", "no sentinel")))
    }

    async fn named_by(&self, sentinel: &Place, name: &str) -> Result<Place, Error> {
        let mut asked = dial_once(self.address.sentinel_at(sentinel), self.timeout).await?;
        let mut question = cmd("SENTINEL");
        question.arg("get-master-addr-by-name").arg(name);
        let reply = question.query_async::<Value>(&mut asked).await;
        let reply = reply.map_err(|error| Error::redis("ask the sentinel", "", &error))?;
        let place = master_place(reply, sentinel, name)?;
        let mut server = dial_once(self.address.server_at(Some(&place)), self.timeout).await?;
        match role(&mut server).await? {
            Role::Master => Ok(place),
            Role::Other(role) => {
                let why = format!("the sentinels name {place}, which is a {role}");
                Err(Error::new(ErrorKind::Unavailable, FIND, "", why))
            }
        }
    }
}

/// Appends those that are not there yet.
fn learn(known: &mut Vec<Place>, nodes: Vec<Place>) {
    for node in nodes {
        if !known.contains(&node) && known.len() < MOST_KNOWN {
            known.push(node);
        }
    }
}

/// Keeps the failure that tells most: what a person must mend, before what may pass.
fn prefer(kept: &mut Option<Error>, error: Error) {
    let tells_more = kept
        .as_ref()
        .is_none_or(|kept| kept.kind != ErrorKind::Refused && error.kind == ErrorKind::Refused);
    if tells_more {
        *kept = Some(error);
    }
}

/// What a server says that it is.
pub(super) enum Role {
    /// It takes writes; also where it may not be asked.
    Master,
    /// Anything else, in its own word.
    Other(String),
}

/// Asks a server what it is.
pub(super) async fn role(server: &mut MultiplexedConnection) -> Result<Role, Error> {
    role_told(role_question().query_async::<Value>(server).await)
}

/// What a server is asked that may not be the master.
pub(super) fn role_question() -> Cmd {
    cmd("ROLE")
}

/// Understands the answer.
pub(super) fn role_told(answer: Result<Value, RedisError>) -> Result<Role, Error> {
    let origin = Origin { operation: "ask for the role", key: "" };
    match answer {
        Ok(reply) => {
            let word = origin.array(reply)?.into_iter().next();
            let word = word.map_or_else(|| Ok(String::new()), |word| origin.text(word))?;
            Ok(if word == "master" { Role::Master } else { Role::Other(word) })
        }
        // Without the right to ask, the first write will tell.
        Err(error) if error.code() == Some("NOPERM") => Ok(Role::Master),
        Err(error) => Err(Error::redis(origin.operation, "", &error)),
    }
}

fn master_place(reply: Value, sentinel: &Place, name: &str) -> Result<Place, Error> {
    let origin = Origin { operation: "ask the sentinel", key: "" };
    let mut parts = origin.array(reply)?.into_iter();
    let (Some(host), Some(port)) = (parts.next(), parts.next()) else {
        let why = format!("sentinel {sentinel} knows no master {name:?}");
        return Err(Error::new(ErrorKind::Refused, origin.operation, "", why));
    };
    let (host, port) = (origin.text(host)?, origin.int(&port)?);
    let port = u16::try_from(port).map_err(|_range| origin.bad("a port was expected"))?;
    Ok(Place { host, port })
}

/// Every node that this one knows; none where it does not say, which costs nothing but comfort.
async fn nodes(node: &mut MultiplexedConnection, asked: &Place) -> Vec<Place> {
    let reply = cmd("CLUSTER").arg("SLOTS").query_async::<Value>(node).await;
    let origin = Origin { operation: FIND, key: "" };
    let mut found = Vec::new();
    for range in reply.ok().and_then(|reply| origin.array(reply).ok()).unwrap_or_default() {
        // First and last slot, then the nodes.
        for listed in origin.array(range).unwrap_or_default().into_iter().skip(2) {
            found.extend(listed_node(origin, listed, asked));
        }
    }
    let mut places = Vec::new();
    learn(&mut places, found);
    places
}

fn listed_node(origin: Origin<'_>, listed: Value, asked: &Place) -> Option<Place> {
    let mut parts = origin.array(listed).ok()?.into_iter();
    let host = parts.next().and_then(|host| origin.text(host).ok()).unwrap_or_default();
    let port = origin.int(&parts.next()?).ok()?;
    Place::told(&format!("{host}:{port}"), Some(asked))
}
