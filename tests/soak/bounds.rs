//! How long things take that are promised within a time: measured one after the other, when nothing else is broken.
//!
//! Owns the measurements and what they are compared with; called at the end of a soak. It never fails for a little: a loaded
//! machine gets a multiple of each bound, and the table shows what was measured.

use std::fmt;
use std::time::{Duration, Instant};

use printery_testkit::{Answer, History, HttpService, eventually};

use crate::replicas::Replicas;
use crate::site::{SOON, Site, started, stream};

/// How often each thing is measured.
const TIMES: usize = 5;

/// How much longer than promised something may take before it counts as broken here.
const LENIENCE: u32 = 4;

/// What was measured.
#[derive(Debug, Default)]
pub(crate) struct Bounds {
    after_kill: Vec<Duration>,
    after_redis: Vec<Duration>,
    hand_back: Vec<Duration>,
    lease: Duration,
}

impl Bounds {
    fn rows(&self) -> [(&'static str, &[Duration], Duration); 3] {
        let third = self.lease / 3;
        // A lease, the pause between two sweeps, and the moment that a sweep takes.
        let recovery = self.lease + third + Duration::from_secs(1);
        [
            ("recovery after kill -9", &self.after_kill, recovery),
            ("work after Redis returns", &self.after_redis, Duration::from_secs(5)),
            ("hand-back on SIGTERM", &self.hand_back, Duration::from_secs(1)),
        ]
    }

    /// Tells whether nothing took a multiple of what is promised.
    pub(crate) fn hold(&self) -> bool {
        self.rows().iter().all(|(_, measured, bound)| {
            measured.iter().all(|measured| *measured <= *bound * LENIENCE)
        })
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<28}{:>10}{:>10}{:>10}", "", "median", "most", "promised")?;
        for (name, measured, bound) in self.rows() {
            let mut sorted = measured.to_vec();
            sorted.sort();
            let median = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
            let most = sorted.last().copied().unwrap_or_default();
            let over = if most > bound { "  over" } else { "" };
            let [median, most, bound] =
                [median, most, bound].map(|time| format!("{:.2} s", time.as_secs_f64()));
            writeln!(f, "{name:<28}{median:>10}{most:>10}{bound:>10}{over}")?;
        }
        Ok(())
    }
}

/// What the measurements are made on.
struct Bench<'a> {
    site: &'a Site,
    service: &'a HttpService,
    history: &'a History,
    replicas: &'a mut Replicas,
    published: usize,
}

impl Bench<'_> {
    /// Publishes one event, waits until its handler runs, and returns whose it is: the place of a validator.
    async fn one_runs(&mut self) -> usize {
        let begun = self.begun().await;
        self.publish().await;
        self.begins(begun + 1).await;
        let key = stream("deployment:started");
        let question = ["XPENDING", &key, "printery-validator", "-", "+", "1"];
        eventually("one of ours has it", SOON, async || {
            let rows = format!("{:?}", self.site.conn.cmd(&question).await);
            let mut validators = self.replicas.of("validator").into_iter();
            let owner = validators
                .find(|who| rows.contains(&format!("-{}-", self.replicas.process(*who).pid())));
            owner.ok_or(rows)
        })
        .await
    }

    async fn publish(&mut self) {
        self.published += 1;
        // About a deployment that nothing else is about: it waits in no line.
        let id = format!("measured-{}", self.published);
        let fields = started(1_000_000 + self.published, &id);
        self.history.attempted(&id, &id);
        let entry = self.site.conn.add(&stream("deployment:started"), &fields).await;
        self.history.acknowledged(&id, &entry);
    }

    /// Returns how many attempts validators have begun: each announces itself.
    async fn begun(&self) -> i64 {
        self.site.conn.len(&stream("validation:started")).await
    }

    async fn begins(&self, times: i64) {
        eventually("an attempt begins", 6 * SOON, async || {
            let begun = self.begun().await;
            if begun >= times { Ok(()) } else { Err(self.site.world().await) }
        })
        .await;
    }

    /// Lets everything finish that waits for the service, and makes it wait again.
    async fn finish(&self) {
        self.service.answer(Answer::Healthy);
        self.site.wait_until_idle(6 * SOON).await;
        self.service.answer(Answer::Hold);
    }
}

/// Measures each bound a few times.
pub(crate) async fn measure(
    site: &Site,
    service: &HttpService,
    history: &History,
    replicas: &mut Replicas,
) -> Bounds {
    let lease = replicas.lease();
    let mut bounds = Bounds { lease, ..Bounds::default() };
    let mut bench = Bench { site, service, history, replicas, published: 0 };
    service.answer(Answer::Hold);
    for _ in 0..TIMES {
        let (owner, begun) = (bench.one_runs().await, bench.begun().await);
        bench.replicas.kill(owner);
        let since = Instant::now();
        bench.begins(begun + 1).await;
        bounds.after_kill.push(since.elapsed());
        bench.replicas.restart(site, owner).await;
        bench.finish().await;
    }
    for _ in 0..TIMES {
        let (owner, begun) = (bench.one_runs().await, bench.begun().await);
        let leaving = bench.replicas.process(owner);
        leaving.sigterm();
        leaving.wait(SOON).await;
        let since = Instant::now();
        bench.begins(begun + 1).await;
        bounds.hand_back.push(since.elapsed());
        bench.replicas.restart(site, owner).await;
        bench.finish().await;
    }
    for _ in 0..TIMES {
        site.redis.kill9();
        site.redis.restart().await;
        let (since, begun) = (Instant::now(), bench.begun().await);
        bench.publish().await;
        bench.begins(begun + 1).await;
        bounds.after_redis.push(since.elapsed());
        bench.finish().await;
    }
    service.answer(Answer::Healthy);
    bounds
}
