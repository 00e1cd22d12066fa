//! What the reader asks for while it reads.
//!
//! Owns the record of one reading. Tables tell it every key; the schema's explorer listens. Never changes what is read.

use std::cell::RefCell;

use crate::problem::Position;

/// What is asked of one map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// A key.
    Key(&'static str),
    /// A key that must be there.
    Required(&'static str),
    /// A key of a later version.
    Later(&'static str),
    /// Its keys are names the user chose.
    Names,
    /// A key whose value is one of these.
    Words(&'static str, Vec<String>),
    /// Any key, with any value.
    Anything,
    /// Keys that begin so, whose values are one of these.
    Prefixed(&'static str, Vec<String>),
    /// A key whose value is a duration.
    Duration(&'static str),
    /// A key whose value is a number of at least so much.
    Least(&'static str, u64),
}

/// Remembers what is told, with the place of the map that it is about.
#[derive(Debug, Default)]
pub(crate) struct Ear(RefCell<Vec<(Position, Told)>>);

impl Ear {
    /// Remembers one thing.
    pub(crate) fn hear(&self, map: Position, told: Told) {
        self.0.borrow_mut().push((map, told));
    }

    /// Returns everything that was told.
    pub(super) fn into_told(self) -> Vec<(Position, Told)> {
        self.0.into_inner()
    }
}
