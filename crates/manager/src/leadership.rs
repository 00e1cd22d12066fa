//! Which of the fleet's managers does what one of them does for all: tidying, judging the silent.
//!
//! One task per manager asks for the lock and renews it; the others stand by and take over when it is
//! not renewed. Whoever acts for the fleet asks [`Lead::epoch`] just before and carries the answer in
//! its scripts. Nothing here does anything with the lead.

use std::time::{Duration, Instant};

use printery_fleet::activity::{self, Happening};
use printery_fleet::locks::{Claim, Epoch, Holder, LEADER, Lock};
use printery_harness::own_process::name_of;
use printery_streams::{Error, Partition};
use serde_json::json;
use tokio::sync::watch;

use crate::telemetry;

/// Least time for which the lead is held without renewal. 1 s: shorter leases are for tests of
/// deliveries, and a manager has other things to do.
const SHORTEST: Duration = Duration::from_secs(1);
/// How often the lock is asked for in the time that it is held, so that one lost answer costs nothing.
const QUESTIONS: u32 = 3;

/// Where this manager stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Standing {
    /// It has not been told yet, or Redis is away.
    #[default]
    Unknown,
    /// It leads, until this moment at the least.
    Leads(Epoch, Instant),
    /// Somebody else leads.
    Follows(Holder),
}

/// Where others read whether this manager leads. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Lead(watch::Receiver<Standing>);

impl Lead {
    /// The epoch to act with; none while somebody else leads, or this manager cannot be sure.
    pub(crate) fn epoch(&self) -> Option<Epoch> {
        match *self.0.borrow() {
            Standing::Leads(epoch, until) => (Instant::now() < until).then_some(epoch),
            Standing::Unknown | Standing::Follows(_) => None,
        }
    }
}

/// What this manager is called among the managers of the fleet.
pub(crate) fn own_name() -> String {
    let random: u32 = rand::random();
    format!("{}{random:08x}", name_of("manager", std::process::id()))
}

/// The task that asks for the lead.
#[derive(Debug)]
pub(crate) struct Leadership {
    home: Partition,
    lock: Lock,
    name: String,
    every: Duration,
    standing: watch::Sender<Standing>,
}

impl Leadership {
    /// Prepares to ask, holding the lead for the fleet's lease; asks nothing yet.
    pub(crate) fn new(home: &Partition, name: &str, lease: Duration) -> (Self, Lead) {
        let time = lease.max(SHORTEST);
        let (standing, lead) = watch::channel(Standing::default());
        let leadership = Self {
            home: home.clone(),
            lock: Lock::new(home, LEADER, name, time),
            name: name.to_owned(),
            every: time / QUESTIONS,
            standing,
        };
        (leadership, Lead(lead))
    }

    /// Asks and renews; woken by its own pace, ended by `stop`, and gives the lead back then.
    pub(crate) async fn run(mut self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        loop {
            self.ask_once().await;
            tokio::select! {
                () = tokio::time::sleep(self.every) => {}
                () = &mut stop => break,
            }
        }
        self.standing.send_replace(Standing::Unknown);
        match self.lock.free().await {
            Ok(true) => tracing::info!("the lead is free for another manager"),
            Ok(false) => {}
            Err(error) => tracing::debug!(%error, "the lead is free when its time is over"),
        }
    }

    /// Asks once and takes note of the answer.
    ///
    /// # Redis
    /// One script call; another one when it begins to lead.
    async fn ask_once(&mut self) {
        let asked = self.lock.hold().await;
        let before = self.standing.borrow().clone();
        let (now, news) = follow(&before, asked);
        telemetry::leads(matches!(now, Standing::Leads(..)));
        self.standing.send_replace(now);
        match news {
            None => {}
            Some(News::Leads(epoch)) => {
                tracing::info!(%epoch, "this manager leads");
                self.tell(epoch).await;
            }
            Some(News::Follows(name)) => tracing::info!(leader = name, "another manager leads"),
            Some(News::Lost) => tracing::warn!("this manager leads no more: it stands by"),
        }
    }

    async fn tell(&self, epoch: Epoch) {
        let happening = Happening {
            kind: "manager:leads".to_owned(),
            subject: self.name.clone(),
            sentence: format!("{} leads the fleet's managers", self.name),
            detail: json!({ "epoch": epoch.number() }),
        };
        let mut session = self.home.redis.session();
        if let Err(error) = activity::tell(&mut session, &self.home.keys, &happening).await {
            tracing::debug!(%error, "nobody is told who leads");
        }
    }
}

/// What is worth saying of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
enum News {
    Leads(Epoch),
    Follows(String),
    Lost,
}

/// Where a manager stands after an answer. One that cannot ask goes on until its time is over: the
/// server gives the lead to nobody else before that.
fn follow(before: &Standing, asked: Result<Claim, Error>) -> (Standing, Option<News>) {
    match (asked, before) {
        (Ok(Claim::Ours(epoch, until)), Standing::Leads(same, _)) if *same == epoch => {
            (Standing::Leads(epoch, until), None)
        }
        (Ok(Claim::Ours(epoch, until)), _) => {
            (Standing::Leads(epoch, until), Some(News::Leads(epoch)))
        }
        (Ok(Claim::Theirs(holder)), Standing::Follows(same)) if same.epoch == holder.epoch => {
            (Standing::Follows(holder), None)
        }
        (Ok(Claim::Theirs(holder)), Standing::Leads(..)) => {
            (Standing::Follows(holder), Some(News::Lost))
        }
        (Ok(Claim::Theirs(holder)), _) => {
            let news = News::Follows(holder.name.clone());
            (Standing::Follows(holder), Some(news))
        }
        (Err(_away), Standing::Leads(epoch, until)) if Instant::now() < *until => {
            (Standing::Leads(*epoch, *until), None)
        }
        (Err(_away), Standing::Leads(..)) => (Standing::Unknown, Some(News::Lost)),
        (Err(_away), Standing::Unknown | Standing::Follows(_)) => (Standing::Unknown, None),
    }
}

#[cfg(test)]
#[path = "leadership_tests.rs"]
pub(crate) mod tests;
