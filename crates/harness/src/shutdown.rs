//! The phases of a process: Running → Draining → Stopping → Aborting; they only move right.
//!
//! The first SIGTERM or SIGINT drains, a second one stops at once. The owner of a loop asks
//! [`Shutdown`] which phase it is; nothing here touches the work itself.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// How far a shutdown has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// New work is taken.
    Running,
    /// No new work is taken; what runs may finish.
    Draining,
    /// Everything that still runs is handed back.
    Stopping,
    /// The process ends at once; what it held is reclaimed by others.
    Aborting,
}

/// The phase of this process, shared by its loops.
#[derive(Debug, Clone)]
pub struct Shutdown {
    phase: watch::Sender<Phase>,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { phase: watch::Sender::new(Phase::Running) }
    }
}

impl Shutdown {
    /// Moves to a later phase; an earlier one is ignored.
    pub fn advance(&self, to: Phase) {
        self.phase.send_if_modified(|phase| {
            let moves = to > *phase;
            *phase = to.max(*phase);
            moves
        });
    }

    /// The phase at this moment.
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Waits until the phase is `at_least`.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn reached(&self, at_least: Phase) {
        let mut phase = self.phase.subscribe();
        // The sender lives as long as `self`, so waiting cannot fail.
        let _closed = phase.wait_for(|now| *now >= at_least).await.is_err();
    }

    /// Follows SIGTERM and SIGINT for as long as it is polled: the first drains, the second stops.
    pub async fn follow_signals(&self) -> std::io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        one_of(&mut terminate, &mut interrupt).await;
        tracing::info!("stopping: no new work is taken; a second signal stops at once");
        self.advance(Phase::Draining);
        one_of(&mut terminate, &mut interrupt).await;
        tracing::warn!("second signal: stopping at once");
        self.advance(Phase::Aborting);
        Ok(())
    }
}

async fn one_of(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
