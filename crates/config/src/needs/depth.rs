//! How far from what was deployed the graph is looked at.
//!
//! Owns `depth` of the `dependency_checker:` section. Plans are made by it. Never walks the graph.

use serde::{Serialize, Serializer};

use crate::node::Value;
use crate::problem::Code;
use crate::table::Table;

/// Says how many edges away from a service something may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FollowDepth {
    /// As many as there are.
    All,
    /// So many.
    Steps(u32),
}

/// Says how far a check follows the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Depth {
    /// Over hard edges alone.
    pub hard: FollowDepth,
    /// Where an edge on the way is soft.
    pub soft: FollowDepth,
}

impl Default for Depth {
    /// What is needed can break from its far end; what is only wanted is looked at itself.
    fn default() -> Self {
        Self { hard: FollowDepth::All, soft: FollowDepth::Steps(1) }
    }
}

impl FollowDepth {
    /// Tells whether one more edge is followed from something that is so many away.
    pub(crate) fn goes_beyond(self, steps: u32) -> bool {
        match self {
            Self::All => true,
            Self::Steps(most) => steps < most,
        }
    }

    fn read(table: &mut Table<'_, '_>, key: &'static str) -> Option<Self> {
        let what = table.name(key);
        let node = table.get(key)?;
        let steps = |text: &str| text.parse().ok().filter(|steps| *steps > 0).map(Self::Steps);
        let read = match &node.value {
            Value::Text(text) | Value::Number(text) if text == "all" => Some(Self::All),
            Value::Text(text) | Value::Number(text) => steps(text),
            Value::Null | Value::Bool(_) | Value::List(_) | Value::Table(_) => {
                table.reader.wrong(node, &what, "`all` or a number of steps");
                return None;
            }
        };
        if read.is_none() {
            let text = format!("{what} must be `all` or a number of steps");
            table.reader.report(Code::BadValue, node.at, text);
        }
        read
    }
}

impl Serialize for FollowDepth {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::All => to.serialize_str("all"),
            Self::Steps(steps) => to.serialize_u32(*steps),
        }
    }
}

impl Depth {
    /// Reads `depth: all` and `depth: 2`, which are of hard edges, or `depth: { hard: all, soft: 1 }`.
    pub(crate) fn read(table: &mut Table<'_, '_>) -> Self {
        let mut read = Self::default();
        let Some(node) = table.get("depth") else { return read };
        if matches!(node.value, Value::Table(_)) {
            if let Some(mut long) = table.table("depth") {
                read.hard = FollowDepth::read(&mut long, "hard").unwrap_or(read.hard);
                read.soft = FollowDepth::read(&mut long, "soft").unwrap_or(read.soft);
                long.close();
            }
            return read;
        }
        Self { hard: FollowDepth::read(table, "depth").unwrap_or(read.hard), ..read }
    }
}
