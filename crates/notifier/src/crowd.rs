//! How many of this process' handlers one receiver may keep waiting.
//!
//! Owns the places in front of each receiver. The handler takes one before it tells somebody, so
//! that a receiver that never answers keeps two handlers and not all of them. Never sends anything.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};

/// Handlers that may wait for one receiver: of the usual five, three are left for all others.
const PLACES: usize = 2;

/// How long a handler waits for a place, and how long one may be taken before nobody waits. 1 s:
/// whoever answers at all mostly does so sooner.
const PATIENCE: Duration = Duration::from_secs(1);

/// The handlers in front of one receiver.
#[derive(Debug)]
pub(crate) struct Crowd {
    places: Semaphore,
    /// When each of those that wait for its answer began to.
    began: Mutex<Vec<Instant>>,
}

/// A place in front of a receiver; it is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    crowd: &'a Crowd,
    began: Instant,
    _permit: SemaphorePermit<'a>,
}

impl Default for Crowd {
    fn default() -> Self {
        Self { places: Semaphore::new(PLACES), began: Mutex::default() }
    }
}

impl Crowd {
    /// Takes a place; none when those who have them have waited long, or still wait in a second.
    ///
    /// # Cancel safety
    /// Cancel safe: nobody has a place then.
    pub(crate) async fn enter(&self) -> Option<Place<'_>> {
        if let Ok(permit) = self.places.try_acquire() {
            return Some(self.place(permit));
        }
        if self.is_stuck() {
            return None;
        }
        let permit = timeout(PATIENCE, self.places.acquire()).await.ok()?.ok()?;
        Some(self.place(permit))
    }

    fn place<'a>(&'a self, permit: SemaphorePermit<'a>) -> Place<'a> {
        let began = Instant::now();
        self.began.lock().unwrap_or_else(PoisonError::into_inner).push(began);
        Place { crowd: self, began, _permit: permit }
    }

    fn is_stuck(&self) -> bool {
        let began = self.began.lock().unwrap_or_else(PoisonError::into_inner);
        began.iter().all(|began| began.elapsed() >= PATIENCE)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut began = self.crowd.began.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = began.iter().position(|began| *began == self.began) {
            began.swap_remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Crowd, PATIENCE};

    #[tokio::test(start_paused = true)]
    async fn two_may_wait_and_others_only_while_there_is_hope() {
        let crowd = Crowd::default();
        let first = crowd.enter().await.unwrap();
        let _second = crowd.enter().await.unwrap();
        let before = tokio::time::Instant::now();
        assert!(crowd.enter().await.is_none());
        assert_eq!(before.elapsed(), PATIENCE, "it hoped for a second");
        let before = tokio::time::Instant::now();
        assert!(crowd.enter().await.is_none());
        assert!(before.elapsed().is_zero(), "nobody hopes any more");
        drop(first);
        let third = crowd.enter().await;
        assert!(third.is_some(), "whoever answers makes a place");
        // One of the two is new: there is hope again.
        let (fourth, ()) = tokio::join!(crowd.enter(), async { drop(third) });
        assert!(fourth.is_some());
    }
}
