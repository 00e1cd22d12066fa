//! The worker loop: take free slots, take that many deliveries, start each; with nothing to take, wait.
//!
//! One per lane of a process. It is the only one who reads the lane's streams; what it starts, the
//! executor finishes. Slots are taken before entries are: none is handed out that could not start.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use printery_streams::fetch::{Fetcher, LONGEST_WAIT};
use printery_streams::{Delivery, Error, ErrorKind, Session};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::task::coop::unconstrained;
use tokio::time::Instant;

use crate::controls::Controls;
use crate::disposition::Ending;
use crate::engine::Engine;
use crate::executor::{Slot, execute};
use crate::handler::Handler;
use crate::intake::{Intake, take_in};
use crate::outage::Outage;
use crate::pulse::LanePulse;
use crate::settlement::Settlement;
use crate::shutdown::Phase;
use crate::sweeper::Sweeper;
use crate::telemetry;

/// How often a loop that waits for a slot shows that it lives.
const SHOW_LIFE: Duration = Duration::from_secs(1);

/// Reads for one lane and starts what it reads.
pub(crate) struct WorkerLoop<H> {
    pub(crate) engine: Arc<Engine<H>>,
    pub(crate) fetcher: Fetcher,
    pub(crate) sweeper: Sweeper,
    pub(crate) session: Session,
    /// One permit per handler that the process may run at once, shared by its lanes.
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) concurrency: usize,
    pub(crate) pulse: LanePulse,
    pub(crate) controls: Controls,
    pub(crate) outage: Outage,
    /// Whether the groups were made sure of since the last trouble.
    pub(crate) groups_made: bool,
    pub(crate) running: JoinSet<()>,
    /// The threads that what is running runs on.
    pub(crate) handlers: Handle,
    /// What ended where it began and is not yet handed over to be settled.
    pub(crate) finished: Vec<Settlement>,
}

impl<H: Handler> WorkerLoop<H> {
    /// Works until the process drains; then waits until nothing it started is left.
    pub(crate) async fn run(mut self) {
        self.hear_of_controls().await;
        while self.engine.shutdown.phase() == Phase::Running {
            self.pulse.turn();
            while self.running.try_join_next().is_some() {}
            if self.controls.hold().is_some() {
                self.engine.settle(&mut self.finished).await;
                self.stand_by().await;
                continue;
            }
            let Some(slots) = self.free_slots().await else { continue };
            if let Err(error) = self.turn(slots).await {
                self.recover(error).await;
            }
        }
        self.engine.settle(&mut self.finished).await;
        // Nobody waits for entries any more, and the connection that did is closed.
        drop(self.fetcher);
        while self.running.join_next().await.is_some() {}
    }

    /// Waits for what people said before this process was there: a paused worker begins paused.
    async fn hear_of_controls(&mut self) {
        tokio::select! {
            () = self.controls.known() => {}
            () = self.engine.shutdown.reached(Phase::Draining) => {}
        }
    }

    /// Takes nothing until people say so; what runs goes on.
    async fn stand_by(&mut self) {
        if let Err(error) = self.look_after_redis().await {
            return self.recover(error).await;
        }
        self.calm();
        tokio::select! {
            () = self.controls.changed() => {}
            () = self.engine.shutdown.reached(Phase::Draining) => {}
            () = tokio::time::sleep(SHOW_LIFE) => {}
        }
    }

    /// While nothing is taken nobody else would notice that Redis is away, or that its clock steps.
    async fn look_after_redis(&mut self) -> Result<(), Error> {
        self.make_groups().await?;
        let step = self.engine.clock.read(&mut self.session).await?;
        if step > self.engine.rules.lease / 4 {
            self.sweeper.grace();
        }
        Ok(())
    }

    async fn make_groups(&mut self) -> Result<(), Error> {
        if !self.groups_made {
            self.fetcher.ensure_groups(&mut self.session).await?;
            self.groups_made = true;
        }
        Ok(())
    }

    /// All slots that are free, at least one; none when it took too long.
    async fn free_slots(&mut self) -> Option<Slot> {
        let mut slots = match Arc::clone(&self.slots).try_acquire_owned() {
            Ok(slot) => slot,
            Err(_none_free) => {
                self.engine.settle(&mut self.finished).await;
                tokio::select! {
                    slot = Arc::clone(&self.slots).acquire_owned() => slot.ok()?,
                    () = self.engine.shutdown.reached(Phase::Draining) => return None,
                    () = tokio::time::sleep(SHOW_LIFE) => return None,
                }
            }
        };
        let more = u32::try_from(self.slots.available_permits()).unwrap_or(u32::MAX);
        if let Ok(more) = Arc::clone(&self.slots).try_acquire_many_owned(more) {
            slots.merge(more);
        }
        Some(slots)
    }

    /// One turn: what nobody works on first, so that new work cannot starve it; then what is new.
    async fn turn(&mut self, slots: Slot) -> Result<(), Error> {
        self.make_groups().await?;
        let free = slots.num_permits().min(self.fetcher.appetite());
        if self.sweeper.is_due() {
            self.engine.settle(&mut self.finished).await;
            let asked = Instant::now();
            let streams: Vec<_> = self.fetcher.streams().cloned().collect();
            let running = self.concurrency.saturating_sub(slots.num_permits());
            let swept =
                self.sweeper.sweep(&mut self.session, &self.engine, &streams, free, running);
            let found = match swept.await {
                Ok(found) => found,
                Err(error) => {
                    // It may have been too much for one reply: asked for again, it would be again.
                    self.fetcher.ask_for_less();
                    return Err(error);
                }
            };
            if !found.is_empty() {
                return self.start(found, asked, slots).await;
            }
        }
        let asked = Instant::now();
        // What is finished is settled behind the question for more: so Redis is busy with the one
        // while we are with the other.
        let taking = self.fetcher.take(&mut self.session, free);
        let (taken, ()) = futures_util::join!(taking, self.engine.settle(&mut self.finished));
        let deliveries = taken?;
        self.calm();
        if deliveries.is_empty() {
            // Whoever waits needs no slot: other lanes may have use for it.
            drop(slots);
            return self.wait().await;
        }
        // A process that was stopped meanwhile reads what was handed out long ago: its leases may
        // have ended. Adopting asks whose they are, and makes them young.
        if asked.elapsed() > self.engine.rules.lease / 4 {
            self.sweeper.adopt_soon();
            return Ok(());
        }
        self.start(deliveries, asked, slots).await
    }

    /// Waits until there may be something to take, to sweep or to stop for.
    async fn wait(&mut self) -> Result<(), Error> {
        let longest = LONGEST_WAIT.min(self.sweeper.until_due());
        tokio::select! {
            biased;
            () = self.engine.shutdown.reached(Phase::Draining) => Ok(()),
            () = self.controls.changed() => Ok(()),
            waited = self.fetcher.wait(&mut self.session, longest) => waited.map(drop),
        }
    }

    /// Starts deliveries; a process that stops hands them back at once.
    async fn start(
        &mut self,
        deliveries: Vec<Delivery>,
        leased: Instant,
        mut slots: Slot,
    ) -> Result<(), Error> {
        let rules = &self.engine.rules;
        let safe_until = leased + rules.lease - rules.margin();
        let taken = take_in(&self.engine, &mut self.session, deliveries, safe_until).await?;
        let stops = self.engine.shutdown.phase() > Phase::Running;
        for mut intake in taken {
            if stops && intake.ended.is_none() {
                intake.ended = Some(Ending::Interrupted);
            }
            if intake.ended.is_some() {
                self.begin(intake, None);
            } else if intake.alone {
                self.start_alone(intake);
            } else {
                // As many were asked for as there are slots; one that finds none is handed back.
                let slot = slots.split(1);
                if slot.is_none() {
                    intake.ended = Some(Ending::Interrupted);
                }
                self.begin(intake, slot);
            }
        }
        Ok(())
    }

    /// Begins an execution. Where nothing can block it is looked at once, here: one that is done
    /// with that needs no task of its own.
    fn begin(&mut self, intake: Intake, slot: Option<Slot>) {
        let prompt = H::PROMPT || intake.ended.is_some();
        let mut execution = Box::pin(execute(Arc::clone(&self.engine), intake));
        // Whatever it waits for hears from the task that goes on with it.
        let mut nobody = Context::from_waker(Waker::noop());
        let mut looked_at = pin!(unconstrained(execution.as_mut()));
        if prompt && let Poll::Ready(settlement) = looked_at.as_mut().poll(&mut nobody) {
            return self.finished.extend(settlement);
        }
        let engine = Arc::clone(&self.engine);
        let running = async move {
            let mut finished = execution.await.into_iter().collect();
            engine.settle(&mut finished).await;
            drop(slot);
        };
        self.running.spawn_on(running, &self.handlers);
    }

    /// Starts a delivery when every slot of the process is free, and keeps them all: what it may do
    /// to the process, it does to nobody else's entry.
    fn start_alone(&mut self, intake: Intake) {
        let (engine, slots) = (Arc::clone(&self.engine), Arc::clone(&self.slots));
        let all = u32::try_from(self.concurrency).unwrap_or(u32::MAX);
        let running = async move {
            let slot = slots.acquire_many_owned(all).await.ok();
            let mut finished = execute(Arc::clone(&engine), intake).await.into_iter().collect();
            engine.settle(&mut finished).await;
            drop(slot);
        };
        self.running.spawn_on(running, &self.handlers);
    }

    /// Notes that there is no trouble.
    fn calm(&mut self) {
        self.pulse.ready();
        self.pulse.redis(true);
        self.outage.over();
    }

    /// After trouble: remembers what has to be looked after, and waits.
    async fn recover(&mut self, error: Error) {
        telemetry::redis_error(self.engine.worker.name, error.kind);
        // Whatever was handed out in a reply we did not see is ours to find again; and Redis may
        // come back empty, or as another server.
        self.sweeper.adopt_soon();
        self.groups_made = false;
        match error.kind {
            ErrorKind::Missing => {
                tracing::error!(%error, "a group is gone; it is made again, at the beginning");
            }
            ErrorKind::Refused => self.pause(&error).await,
            ErrorKind::Unavailable | ErrorKind::Unknown | ErrorKind::Malformed => {
                self.pulse.redis(false);
                // Nobody could renew while Redis was away: an old lease proves nothing now.
                self.sweeper.grace();
                self.pause(&error).await;
            }
        }
    }

    async fn pause(&mut self, error: &Error) {
        let wait = self.outage.next_wait(error);
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = self.engine.shutdown.reached(Phase::Draining) => {}
        }
    }
}
