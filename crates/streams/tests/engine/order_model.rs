//! Order against a simple model: whatever happens in whatever order, both say the same at each step.
//!
//! The model is a page of plain code; Redis is read whole after every step and compared with it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use printery_streams::order::waiting;
use printery_streams::settle::{Commit, Settled};
use printery_streams::{Delivery, History};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::sync::Mutex;

use crate::line_scene::{Replica, STREAMS, note};
use crate::scene::{
    BODIES, DEAD, DELAY, GROUP, INBOX, ME, ORDER, OTHER, Scene, WORKER, commit, id,
};

#[derive(Debug, Clone)]
enum Step {
    Add {
        stream: usize,
        deployment: u8,
    },
    Take {
        who: usize,
        free: usize,
    },
    /// Ends one of the running entries.
    End {
        pick: usize,
        how: How,
    },
    /// Commits everything that one replica runs, a call per stream.
    CommitAll {
        who: usize,
    },
    Promote,
    Redrive {
        pick: usize,
    },
    Mend,
}

#[derive(Debug, Clone, Copy)]
enum How {
    Commit,
    Bury,
    Defer,
    Release,
    /// Its owner dies and another takes it over.
    TakeOver,
    /// Its owner dies and its body is deleted.
    Lose,
}

fn any_step() -> impl Strategy<Value = Step> {
    let how = prop_oneof![
        3 => Just(How::Commit),
        1 => Just(How::Bury),
        2 => Just(How::Defer),
        1 => Just(How::Release),
        1 => Just(How::TakeOver),
        1 => Just(How::Lose),
    ];
    prop_oneof![
        6 => (0..3_usize, 0..4_u8).prop_map(|(stream, deployment)| Step::Add { stream, deployment }),
        4 => (0..2_usize, 1..6_usize).prop_map(|(who, free)| Step::Take { who, free }),
        5 => (any::<usize>(), how).prop_map(|(pick, how)| Step::End { pick, how }),
        1 => (0..2_usize).prop_map(|who| Step::CommitAll { who }),
        2 => Just(Step::Promote),
        1 => any::<usize>().prop_map(|pick| Step::Redrive { pick }),
        1 => Just(Step::Mend),
    ]
}

/// Where every entry should be. An entry is a number; its age.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Model {
    deployments: BTreeMap<u64, u8>,
    undelivered: BTreeSet<u64>,
    running: BTreeMap<u64, usize>,
    delayed: BTreeSet<u64>,
    inbox: Vec<u64>,
    line: BTreeSet<(u8, u64)>,
    turns: BTreeMap<u8, u64>,
    dead: Vec<u64>,
    lost: usize,
    replays: BTreeSet<u64>,
    /// What was settled, in order, apart from replays.
    over: Vec<u64>,
}

impl Model {
    fn take(&mut self, who: usize, free: usize) -> Vec<u64> {
        let mut out = Vec::new();
        while out.len() < free {
            let first = self.inbox.first().copied();
            let Some(entry) = first.or_else(|| self.undelivered.pop_first()) else { break };
            self.inbox.retain(|waits| *waits != entry);
            let deployment = self.deployments[&entry];
            if *self.turns.entry(deployment).or_insert(entry) == entry {
                self.running.insert(entry, who);
                out.push(entry);
            } else {
                self.line.insert((deployment, entry));
            }
        }
        out
    }

    fn end(&mut self, entry: u64) {
        self.running.remove(&entry);
        if !self.replays.contains(&entry) {
            self.over.push(entry);
        }
        let deployment = self.deployments[&entry];
        assert_eq!(self.turns.remove(&deployment), Some(entry));
        let next = self.line.range((deployment, 0)..=(deployment, u64::MAX)).next().copied();
        if let Some(next) = next {
            self.line.remove(&next);
            self.turns.insert(deployment, next.1);
            self.inbox.push(next.1);
        }
    }

    /// What must be true of any model, so that a wrong one does not bless a wrong Redis.
    fn check(&self) {
        for entry in self.running.keys().chain(&self.delayed) {
            assert_eq!(
                self.turns.get(&self.deployments[entry]),
                Some(entry),
                "{entry} is out of turn"
            );
        }
        for deployment in 0..4 {
            let of = |entry: &&u64| self.deployments[*entry] == deployment;
            let over: Vec<_> = self.over.iter().filter(of).collect();
            assert!(over.is_sorted(), "{deployment} was not in order: {over:?}");
        }
        let places = self.undelivered.len() + self.running.len() + self.delayed.len();
        let places = places + self.inbox.len() + self.line.len();
        assert!(places <= self.deployments.len());
    }
}

/// Redis, the model of it, and the deliveries that run.
struct Play<'a> {
    scene: &'a mut Scene,
    replicas: [Replica; 2],
    model: Model,
    running: BTreeMap<u64, Delivery>,
}

impl<'a> Play<'a> {
    async fn begin(scene: &'a mut Scene) -> Self {
        scene.db.cmd(&["FLUSHALL"]).await;
        let replicas = [Replica::of(scene, ME).await, Replica::of(scene, OTHER).await];
        Self { scene, replicas, model: Model::default(), running: BTreeMap::new() }
    }

    async fn step(&mut self, step: &Step) {
        match *step {
            Step::Add { stream, deployment } => self.add(stream, deployment).await,
            Step::Take { who, free } => self.take(who, free).await,
            Step::End { pick, how } => {
                let count = self.running.len();
                if let Some(entry) = self.running.keys().nth(pick % count.max(1)).copied() {
                    self.end(entry, how).await;
                }
            }
            Step::CommitAll { who } => self.commit_all(who).await,
            Step::Promote => {
                let moved = self.scene.promote().await.moved;
                assert_eq!(moved, u64::try_from(self.model.delayed.len()).unwrap());
                // Which of those that fell due at the same time is first is not said.
                let came = self.inbox().await.split_off(self.model.inbox.len());
                assert_eq!(came.iter().copied().collect::<BTreeSet<_>>(), self.model.delayed);
                self.model.inbox.extend(came);
                self.model.delayed.clear();
            }
            Step::Redrive { pick } => self.redrive(pick).await,
            Step::Mend => assert_eq!(self.replicas[0].mend(self.scene).await, [""; 0]),
        }
        self.compare().await;
    }

    async fn add(&mut self, stream: usize, deployment: u8) {
        let entry = u64::try_from(self.model.deployments.len()).unwrap() + 1;
        self.model.deployments.insert(entry, deployment);
        self.model.undelivered.insert(entry);
        let (at, subject, note) =
            (format!("{entry}-0"), format!("d{deployment}"), entry.to_string());
        let fields = ["subject", &subject, "note", &note];
        self.scene.db.cmd(&[&["XADD", STREAMS[stream], &at][..], &fields[..]].concat()).await;
    }

    async fn take(&mut self, who: usize, free: usize) {
        let taken = self.replicas[who].take(free).await;
        let entries: Vec<u64> = taken.iter().map(|it| note(it).parse().unwrap()).collect();
        assert_eq!(entries, self.model.take(who, free));
        self.running.extend(entries.into_iter().zip(taken));
    }

    async fn end(&mut self, entry: u64, how: How) {
        let who = self.model.running[&entry];
        let delivery = self.running.remove(&entry).unwrap();
        let (me, scene) = (&mut self.replicas[who], &mut *self.scene);
        match how {
            How::Commit => {
                assert_eq!(me.commit(scene, &delivery).await, Settled::Done);
                self.model.end(entry);
            }
            How::Bury => {
                assert_eq!(me.bury(scene, &delivery).await, Settled::Done);
                self.model.end(entry);
                self.model.dead.push(entry);
            }
            How::Defer => {
                assert_eq!(me.defer(scene, &delivery, Duration::ZERO).await, Settled::Done);
                self.model.running.remove(&entry);
                self.model.delayed.insert(entry);
            }
            How::Release => {
                assert_eq!(me.release(scene, &delivery).await, Settled::Done);
                self.model.running.remove(&entry);
                self.model.inbox.push(entry);
            }
            How::TakeOver | How::Lose => {
                let fence = &delivery.fence;
                scene.silence(fence, [ME, OTHER][who], fence.count).await;
                if matches!(how, How::Lose) {
                    scene.delete_body(fence).await;
                }
                let swept = self.replicas[1 - who].reclaim(scene, &fence.stream).await;
                if matches!(how, How::Lose) {
                    assert_eq!(swept.lost.len(), 1);
                    self.model.end(entry);
                    self.model.lost += 1;
                } else {
                    let taken = swept.deliveries.into_iter().next().unwrap();
                    assert_eq!(taken.fence.count, fence.count + 1);
                    // Who was late finds out.
                    let late = self.replicas[who].commit(scene, &delivery).await;
                    assert_eq!(late, Settled::Fenced);
                    self.running.insert(entry, taken);
                    self.model.running.insert(entry, 1 - who);
                }
            }
        }
    }

    async fn commit_all(&mut self, who: usize) {
        for stream in STREAMS.iter().chain(&[INBOX]) {
            let mine = |entry: &u64| self.model.running[entry] == who;
            let mut batch: Vec<(u64, Delivery)> = self
                .running
                .iter()
                .filter(|(entry, it)| mine(entry) && &*it.fence.stream == *stream)
                .map(|(entry, it)| (*entry, it.clone()))
                .collect();
            batch.sort_by_key(|(_, it)| it.fence.entry);
            let commits: Vec<Commit> =
                batch.iter().map(|(_, it)| commit(&it.fence, "", vec![])).collect();
            let settler = self.replicas[who].settler(self.scene);
            let session = &mut self.replicas[who].reading.session;
            let commits: Vec<&Commit> = commits.iter().collect();
            let verdicts = settler.commit(session, &commits).await.unwrap();
            assert!(verdicts.iter().all(|verdict| *verdict == Settled::Done), "{verdicts:?}");
            for (entry, _) in batch {
                self.running.remove(&entry);
                self.model.end(entry);
            }
        }
    }

    async fn redrive(&mut self, pick: usize) {
        if self.model.dead.is_empty() {
            return;
        }
        let entry = self.model.dead.remove(pick % self.model.dead.len());
        let letters = self.scene.db.entries(DEAD).await;
        let letter = letters.iter().find(|it| it.text("note") == entry.to_string()).unwrap();
        let history =
            History { replays: 1, ..History::fresh(STREAMS[0], id(&format!("{entry}-0"))) };
        let original: Vec<_> = letter.fields.iter().take(2).cloned().collect();
        self.scene.add_fields(INBOX, &history.seal(&original)).await;
        self.scene.db.cmd(&["XDEL", DEAD, &letter.id]).await;
        self.model.replays.insert(entry);
        self.model.inbox.push(entry);
    }

    /// The entries that are in the inbox and still to be taken.
    async fn inbox(&self) -> Vec<u64> {
        let rows = self.scene.db.entries(INBOX).await;
        let info = self.scene.db.cmd(&["XINFO", "GROUPS", INBOX]).await;
        let info: Vec<BTreeMap<String, redis::Value>> = redis::from_redis_value(info).unwrap();
        let passed: String = redis::from_redis_value(info[0]["last-delivered-id"].clone()).unwrap();
        let ahead = rows.iter().filter(|row| id(&row.id) > id(&passed));
        ahead.map(|row| row.text("note").parse().unwrap()).collect()
    }

    /// Reads Redis whole and compares.
    async fn compare(&mut self) {
        self.model.check();
        let inbox = self.inbox().await;
        assert_eq!(inbox, self.model.inbox, "the inbox");
        let contents = self.scene.contents().await;
        let mut places: BTreeMap<String, u64> = BTreeMap::new();
        let mut running = BTreeMap::new();
        for stream in STREAMS.iter().chain(&[INBOX]) {
            for (at, fields) in contents.ids(stream).into_iter().zip(contents.entries(stream)) {
                let (_, note) = fields.iter().find(|(name, _)| name == b"note").unwrap();
                let note = str::from_utf8(note).unwrap();
                places.insert(format!("{stream}|{at}"), note.parse().unwrap());
            }
            for row in contents.pending(stream) {
                let entry = places[&format!("{stream}|{}", row.entry)];
                let who = usize::from(row.consumer != ME);
                assert_eq!(running.insert(entry, who), None, "{entry} is twice there");
            }
        }
        assert_eq!(running, self.model.running, "who runs what");
        let mut delayed = BTreeSet::new();
        for (token, _) in contents.sorted_set(DELAY) {
            let (session, keys) = (&mut self.scene.session, &self.scene.keys);
            let history = printery_streams::delay::history(session, keys, WORKER, &token).await;
            let entry = history.unwrap().unwrap().origin_entry.ms;
            places.insert(format!("delay|{token}"), entry);
            delayed.insert(entry);
        }
        assert_eq!(delayed, self.model.delayed, "who is delayed");
        let (session, keys) = (&mut self.scene.session, &self.scene.keys);
        let line = waiting(session, keys, WORKER, None, 1_000).await.unwrap();
        let line: Vec<(u8, u64)> = line
            .iter()
            .map(|it| (it.deployment[1..].parse().unwrap(), it.origin_entry.ms))
            .collect();
        assert_eq!(line, self.model.line.iter().copied().collect::<Vec<_>>(), "who is in line");
        assert_eq!(contents.hash(BODIES).len(), delayed.len() + line.len(), "their bodies");
        let order = contents.hash(ORDER);
        let mut turns = BTreeMap::new();
        for (name, place) in &order {
            if let Some(deployment) = name.strip_prefix("sd") {
                turns.insert(deployment.parse::<u8>().unwrap(), places[place]);
                assert_eq!(order[&format!("e{place}")], format!("d{deployment}"));
            }
        }
        assert_eq!(turns, self.model.turns, "whose turn it is");
        assert_eq!(order.len(), 2 * turns.len(), "and nothing else");
        let dead = usize::try_from(self.scene.db.len(DEAD).await).unwrap();
        assert_eq!(dead, self.model.dead.len() + self.model.lost);
    }

    /// Works everything off; at the end nothing is left but the dead.
    async fn drain(&mut self) {
        for round in 0..200 {
            self.step(&Step::Promote).await;
            self.step(&Step::Take { who: round % 2, free: 5 }).await;
            self.step(&Step::CommitAll { who: round % 2 }).await;
            self.step(&Step::CommitAll { who: 1 - round % 2 }).await;
            if self.model.turns.is_empty() && self.model.undelivered.is_empty() {
                break;
            }
        }
        let model = &self.model;
        assert!(model.turns.is_empty() && model.line.is_empty() && model.inbox.is_empty());
        let once: BTreeSet<_> = model.over.iter().collect();
        assert_eq!(once.len(), model.over.len(), "nothing twice");
        assert_eq!(once.len(), model.deployments.len(), "nothing lost");
        assert_eq!(self.scene.db.pending(INBOX, GROUP).await, 0);
    }
}

#[test]
fn whatever_happens_each_deployment_goes_in_order_and_everything_drains() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let scene = Mutex::new(runtime.block_on(Scene::set()));
    let config =
        Config { cases: 20, max_shrink_iters: 400, failure_persistence: None, ..Config::default() };
    let steps = proptest::collection::vec(any_step(), 10..70);
    let ran = TestRunner::new(config).run(&steps, |steps| {
        runtime.block_on(async {
            let mut scene = scene.lock().await;
            let mut play = Play::begin(&mut scene).await;
            for step in &steps {
                play.step(step).await;
            }
            play.drain().await;
        });
        Ok(())
    });
    if let Err(failure) = ran {
        panic!("{failure}");
    }
}
