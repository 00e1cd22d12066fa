//! Waiting for something to become true.
//!
//! Owns the only pause of the tests: the interval between two looks of [`eventually`]; called by tests and by the kit itself.
//! It never hides what it saw: the last observation is in the panic.

use std::fmt::Display;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

/// The pause between two looks; short enough that a fast system is not slowed down by its tests. 20 ms.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// What one look says: settled with a value, or not yet with what was seen.
pub trait Observation {
    /// What a settled look is worth.
    type Found;

    /// Returns the value, or the text of what was seen instead.
    fn settled(self) -> Result<Self::Found, String>;
}

impl Observation for bool {
    type Found = ();

    fn settled(self) -> Result<(), String> {
        if self { Ok(()) } else { Err("false".to_owned()) }
    }
}

impl<T> Observation for Option<T> {
    type Found = T;

    fn settled(self) -> Result<T, String> {
        self.ok_or_else(|| "nothing".to_owned())
    }
}

impl<T, E: Display> Observation for Result<T, E> {
    type Found = T;

    fn settled(self) -> Result<T, String> {
        self.map_err(|seen| seen.to_string())
    }
}

/// Looks until the probe settles, and panics with `what` and the last observation when `within` is over.
///
/// A probe that answers `Result` puts what it saw (a [`World`](crate::World)) in its `Err`.
pub async fn eventually<O, P>(what: &str, within: Duration, mut probe: P) -> O::Found
where
    O: Observation,
    P: AsyncFnMut() -> O,
{
    let deadline = Instant::now() + within;
    let mut seen = "no look finished".to_owned();
    loop {
        // A look that hangs does not outlive the deadline either.
        match timeout_at(deadline, probe()).await.map(Observation::settled) {
            Ok(Ok(found)) => return found,
            Ok(Err(instead)) => seen = instead,
            Err(_elapsed) => {}
        }
        assert!(Instant::now() < deadline, "not within {within:?}: {what}\nlast seen: {seen}");
        sleep(BETWEEN_LOOKS).await;
    }
}
