//! The clock that several processes of this machine share.
//!
//! The load generator stamps what it writes, the measured worker stamps what it starts. Nothing else may use it: the
//! fleet's time is the server's.

use std::time::{SystemTime, UNIX_EPOCH};

/// This machine's wall clock, in nanoseconds since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "two processes of one machine are compared, which no other clock of the standard library can do"
)]
pub fn wall_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
