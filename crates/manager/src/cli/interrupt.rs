//! Ctrl-C in the middle of something that changes many things.
//!
//! The first one asks it to stop after the step it is at and to tell how far it came; the second
//! one stops at once. Nothing here knows what is stopped.

use std::io;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::failure::Failure;

/// Hears SIGINT and SIGTERM.
#[derive(Debug)]
pub(crate) struct Interrupt {
    keyboard: Signal,
    request: Signal,
    raised: bool,
}

impl Interrupt {
    /// Listens from now on: the signals do not end the process any more.
    ///
    /// # Errors
    /// The system does not let it listen.
    pub(crate) fn listen() -> io::Result<Self> {
        let (keyboard, request) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        Ok(Self { keyboard, request, raised: false })
    }

    /// Whether one has come.
    pub(crate) fn is_raised(&mut self) -> bool {
        self.raised = self.raised || self.next().now_or_never().is_some();
        self.raised
    }

    /// Waits so long, or until one comes; tells whether one has come.
    pub(crate) async fn within(&mut self, pause: Duration) -> bool {
        self.raised = self.raised || tokio::time::timeout(pause, self.next()).await.is_ok();
        self.raised
    }

    /// Waits until the next one comes.
    pub(crate) async fn wait(&mut self) {
        self.next().await;
        self.raised = true;
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.keyboard.recv() => {}
            _ = self.request.recv() => {}
        }
    }
}

/// Works until it is done, or until a second signal has come.
///
/// # Errors
/// Those of the work; or it was stopped at once.
pub(crate) async fn stoppable<T>(
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let mut second = Interrupt::listen()?;
    let twice = async {
        second.next().await;
        second.next().await;
    };
    tokio::select! {
        biased;
        done = work => done,
        () = twice => Err(Failure::failed(
            "stopped at once; what was done so far stays done, and the operator log has no end of it",
        )),
    }
}
