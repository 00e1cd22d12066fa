//! What people told this worker: whether it may take anything new.
//!
//! Written by the heartbeat, read by the worker loop and `/health`. It never stops what runs, and
//! while Redis does not tell, what was last known stays true.

use printery_fleet::controls::{Control, Hold};
use tokio::sync::watch;

/// What is known of the controls.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Told {
    /// They have not been asked for.
    Nothing,
    /// What they said last; no hold where they could not be read yet.
    Known(Option<Hold>),
}

/// Where the heartbeat puts down what it was told.
#[derive(Debug)]
pub(crate) struct Teller {
    told: watch::Sender<Told>,
    /// What holds whatever people say.
    guard: Option<Hold>,
}

/// What this worker was told last. Cheap to clone; all clones agree.
#[derive(Debug, Clone)]
pub(crate) struct Controls(watch::Receiver<Told>);

/// Makes both ends; nothing is known yet but what holds whatever people say.
pub(crate) fn controls(guard: Option<Hold>) -> (Teller, Controls) {
    let (told, receiver) = watch::channel(Told::Nothing);
    (Teller { told, guard }, Controls(receiver))
}

impl Teller {
    /// Puts down what Redis said; true when that changes whether something new may be taken.
    pub(crate) fn tell(&self, control: &Control) -> bool {
        let hold = self.guard.clone().or_else(|| control.hold());
        let mut changed = false;
        self.told.send_if_modified(|told| {
            let before = std::mem::replace(told, Told::Known(hold.clone()));
            changed = before.hold() != hold.as_ref();
            before != *told
        });
        changed
    }

    /// Puts down that Redis did not tell: what was known stays.
    pub(crate) fn untold(&self) {
        self.told.send_if_modified(|told| {
            let first = *told == Told::Nothing;
            if first {
                *told = Told::Known(self.guard.clone());
            }
            first
        });
    }

    /// Why nothing new is taken, as it was last put down.
    pub(crate) fn hold(&self) -> Option<Hold> {
        self.told.borrow().hold().cloned()
    }
}

impl Told {
    fn hold(&self) -> Option<&Hold> {
        match self {
            Self::Nothing | Self::Known(None) => None,
            Self::Known(Some(hold)) => Some(hold),
        }
    }
}

impl Controls {
    /// Why nothing new may be taken; none when it may.
    pub(crate) fn hold(&self) -> Option<Hold> {
        self.0.borrow().hold().cloned()
    }

    /// Waits until the controls have been asked for once, so that a process that starts while its
    /// worker is paused takes nothing before it hears of it.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn known(&mut self) {
        if self.0.wait_for(|told| *told != Told::Nothing).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until something else is told than when this was last waited for.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            // Nobody tells any more: the process is about to end.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use printery_fleet::controls::Pause;

    use super::*;

    fn paused(reason: &str) -> Control {
        let pause = Pause { reason: reason.to_owned(), ..Pause::default() };
        Control { pause: Some(pause), ..Control::default() }
    }

    #[tokio::test]
    async fn nothing_is_known_before_it_was_asked_for() {
        let (teller, mut controls) = controls(None);
        assert!(controls.known().now_or_never().is_none());
        assert_eq!(controls.hold(), None);
        assert!(teller.tell(&paused("x")));
        controls.known().await;
        assert_eq!(controls.hold(), paused("x").hold());
    }

    #[tokio::test]
    async fn what_cannot_be_read_changes_nothing() {
        let (teller, mut controls) = controls(None);
        teller.untold();
        controls.known().await;
        assert_eq!(controls.hold(), None);
        teller.tell(&paused("x"));
        teller.untold();
        assert_eq!(controls.hold(), paused("x").hold());
        assert_eq!(teller.hold(), controls.hold());
    }

    #[tokio::test]
    async fn only_what_is_new_is_told() {
        let (teller, mut controls) = controls(None);
        assert!(!teller.tell(&Control::default()), "no hold before and after");
        controls.changed().await;
        assert!(!teller.tell(&Control::default()));
        assert!(controls.changed().now_or_never().is_none());
        assert!(teller.tell(&paused("x")) && !teller.tell(&paused("x")));
        controls.changed().await;
        assert!(teller.tell(&Control::default()));
        controls.changed().await;
        assert_eq!(controls.hold(), None);
    }
}
