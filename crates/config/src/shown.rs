//! How resolved values are written by `config show`.
//!
//! Owns the serde forms that differ from a type's own: durations with their unit. The sections'
//! `Serialize` derives name these functions. Never reads anything.

use std::time::Duration;

use serde::Serializer;

/// Writes a duration as a person writes it in the file: `1m 30s`.
pub(crate) fn duration<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&humantime::format_duration(*value))
}

/// Writes an optional duration in the same form.
#[expect(clippy::ref_option, reason = "serde passes the field by reference")]
pub(crate) fn optional_duration<S: Serializer>(
    value: &Option<Duration>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => duration(value, to),
        None => to.serialize_none(),
    }
}
