//! Puts on record what becomes of this manager's children: lives, restarts, starts that failed.
//!
//! One task per manager; the supervisor tells it and waits for nothing. What cannot be written is
//! judged by the census later. It decides nothing about a child.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use printery_fleet::instances;
use printery_fleet::lives::{self, State, Step};
use printery_fleet::restarts::{self, Restart};
use printery_fleet::starts::{self, Starts};
use printery_harness::own_process::host_name;
use printery_streams::{Error, Partition, Session};
use tokio::sync::mpsc;

/// Crashes of a worker within [`CRASHED_WITHIN`] after which nobody starts it for a while. 5, P-064.
const CRASHES: usize = 5;
/// The time in which they are counted. 15 min, P-064.
const CRASHED_WITHIN: Duration = Duration::from_secs(900);

/// What happened to a child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum News {
    /// It is ready.
    Ready(&'static str),
    /// Its process cannot be started at all.
    NotStarted(&'static str, String),
    /// Its process has ended.
    Ended(Ended),
}

/// A child whose process has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    /// The worker.
    pub(crate) worker: &'static str,
    /// The process it was.
    pub(crate) pid: Option<u32>,
    /// What it was called by whoever asked for it.
    pub(crate) spawn: Option<String>,
    /// How it ended.
    pub(crate) exit: String,
    /// How far it had come.
    pub(crate) how: How,
    /// Which restart follows and after which time; none where none does.
    pub(crate) restart: Option<(u32, Duration)>,
    /// Why none follows.
    pub(crate) result: String,
}

/// How far a child had come that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// It was told to leave, or left cleanly by itself.
    Left,
    /// It was told to leave and had to be killed, or crashed while it left.
    Killed,
    /// It had been ready.
    Crashed,
    /// It had never been ready.
    NeverReady,
}

/// The task that writes.
#[derive(Debug)]
pub(crate) struct Registrar {
    home: Partition,
    news: mpsc::UnboundedReceiver<News>,
    crashes: BTreeMap<&'static str, VecDeque<Instant>>,
}

impl Registrar {
    /// Prepares to write what the supervisor tells.
    pub(crate) fn new(home: &Partition, news: mpsc::UnboundedReceiver<News>) -> Self {
        Self { home: home.clone(), news, crashes: BTreeMap::new() }
    }

    /// Writes until the supervisor has ended and everything it told is written.
    pub(crate) async fn run(mut self) {
        while let Some(news) = self.news.recv().await {
            if let Err(error) = self.write(&news).await {
                tracing::debug!(%error, ?news, "not on record");
            }
        }
    }

    async fn write(&mut self, news: &News) -> Result<(), Error> {
        let mut session = self.home.redis.session();
        match news {
            News::Ready(worker) => Starts::of(&self.home, worker).went_well().await,
            News::NotStarted(worker, problem) => {
                let restart = Restart {
                    worker: (*worker).to_owned(),
                    host: host_name(),
                    reason: problem.clone(),
                    result: "not started".to_owned(),
                    ..Restart::default()
                };
                restarts::record(&mut session, &self.home.keys, &restart).await?;
                self.start_failed(&mut session, worker, problem).await
            }
            News::Ended(ended) => self.ended(&mut session, ended).await,
        }
    }

    async fn ended(&mut self, session: &mut Session, ended: &Ended) -> Result<(), Error> {
        let process = self.called(session, ended).await?;
        // It goes on under the same name.
        let goes_on = ended.restart.is_some() && ended.spawn.is_some();
        if let Some(id) = process.as_deref().filter(|_| !goes_on) {
            let clean = ended.how == How::Left;
            let moves: &[State] =
                if clean { &[State::ShuttingDown, State::Completed] } else { &[State::Failed] };
            for to in moves {
                let step = Step::new(id, *to, ended.exit.clone());
                lives::take_step(session, &self.home.keys, None, &step).await?;
            }
        }
        if ended.restart.is_none() && matches!(ended.how, How::Left | How::Killed) {
            return Ok(());
        }
        let (attempt, delay) = ended.restart.unwrap_or_default();
        let restart = Restart {
            at_ms: 0,
            worker: ended.worker.to_owned(),
            process: process.unwrap_or_default(),
            host: host_name(),
            attempt,
            delay_ms: u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
            reason: ended.exit.clone(),
            result: ended.result.clone(),
        };
        restarts::record(session, &self.home.keys, &restart).await?;
        match ended.how {
            How::NeverReady => self.start_failed(session, ended.worker, &ended.exit).await,
            How::Crashed if self.crashes_often(ended.worker, Instant::now()) => {
                let cooldown = Starts::of(&self.home, ended.worker).crashed_often().await?;
                if let Some(cooldown) = cooldown {
                    tracing::warn!("{cooldown}");
                }
                Ok(())
            }
            How::Crashed | How::Left | How::Killed => Ok(()),
        }
    }

    async fn start_failed(
        &self,
        session: &mut Session,
        worker: &str,
        message: &str,
    ) -> Result<(), Error> {
        starts::note(session, &self.home.keys, worker, message).await?;
        if let Some(cooldown) = Starts::of(&self.home, worker).failed().await? {
            tracing::warn!("{cooldown}");
        }
        Ok(())
    }

    /// What an ended process is called in the records; none where it never beat and nobody asked for it.
    async fn called(&self, session: &mut Session, ended: &Ended) -> Result<Option<String>, Error> {
        if ended.spawn.is_some() {
            return Ok(ended.spawn.clone());
        }
        let (Some(pid), host) = (ended.pid, host_name()) else { return Ok(None) };
        let recorded = instances::list(session, &self.home.keys).await?;
        let was = recorded
            .iter()
            .filter(|one| one.worker == ended.worker && one.host == host && one.pid == pid)
            .max_by_key(|one| one.started_ms);
        Ok(was.map(|one| one.called().to_owned()))
    }

    fn crashes_often(&mut self, worker: &'static str, now: Instant) -> bool {
        let crashes = self.crashes.entry(worker).or_default();
        crashes.push_back(now);
        while crashes.front().is_some_and(|at| now.duration_since(*at) > CRASHED_WITHIN) {
            crashes.pop_front();
        }
        crashes.len() >= CRASHES
    }
}

#[cfg(test)]
mod tests {
    use printery_streams::{Keys, Redis};
    use printery_testkit::RedisServer;

    use super::*;

    const FIRST: &str = "validator";

    fn ended(how: How, restart: Option<(u32, Duration)>) -> News {
        News::Ended(Ended {
            worker: FIRST,
            pid: Some(7),
            spawn: Some("s-1".to_owned()),
            exit: "ended by signal 9".to_owned(),
            how,
            restart,
            result: if restart.is_some() { "restart" } else { "given up" }.to_owned(),
        })
    }

    #[tokio::test]
    async fn three_starts_that_fail_cool_down_and_a_good_one_ends_it() {
        let server = RedisServer::start().await;
        let redis = Redis::try_new(&server.url(), Duration::from_secs(5)).unwrap();
        let home = Partition { keys: Keys::new("t"), redis };
        let (told, news) = mpsc::unbounded_channel();
        let restart = Some((1, Duration::from_secs(1)));
        for news in [
            News::NotStarted(FIRST, "no such file".to_owned()),
            ended(How::NeverReady, restart),
            ended(How::NeverReady, None),
            ended(How::Left, None),
        ] {
            told.send(news).unwrap();
        }
        drop(told);
        Registrar::new(&home, news).run().await;
        let mut session = home.redis.session();
        let cooldown = Starts::of(&home, FIRST).ask().await.unwrap().unwrap();
        assert_eq!((cooldown.failures, cooldown.seconds()), (3, 60));
        let failed = starts::last_failure(&mut session, &home.keys, FIRST).await.unwrap().unwrap();
        assert_eq!(failed.message, "ended by signal 9");
        let found = restarts::latest(&mut session, &home.keys, 10).await.unwrap();
        let shown: Vec<_> =
            found.iter().map(|one| (one.attempt, one.delay_ms, one.result.as_str())).collect();
        assert_eq!(shown, [(0, 0, "not started"), (1, 1000, "restart"), (0, 0, "given up")]);
        let (told, news) = mpsc::unbounded_channel();
        told.send(News::Ready(FIRST)).unwrap();
        drop(told);
        Registrar::new(&home, news).run().await;
        assert_eq!(Starts::of(&home, FIRST).ask().await.unwrap(), None);
    }

    #[test]
    fn five_crashes_in_a_quarter_of_an_hour_are_often() {
        let redis = Redis::try_new("redis://127.0.0.1:1", Duration::from_secs(1)).unwrap();
        let home = Partition { keys: Keys::new("t"), redis };
        let mut registrar = Registrar::new(&home, mpsc::unbounded_channel().1);
        let begin = Instant::now();
        let at = |minute: u64| begin + Duration::from_secs(60 * minute);
        let often = [0, 1, 2, 3, 16, 17, 17, 17].map(|n| registrar.crashes_often(FIRST, at(n)));
        assert_eq!(often, [false, false, false, false, false, false, true, true]);
    }
}
