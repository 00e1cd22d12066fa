//! One run of validators under a fault: a producer that notes what it was told, and the judgement at the end.
//!
//! Owns a [`Site`], the service that its validators ask, and the history; made by every test that breaks something under load.
//! It never repairs anything: a run ends with a drain, and then the checker says what came of every event.

use std::time::Duration;

use printery_testkit::{
    Answer, FaultProxy, History, HttpService, Launch, Process, RedisOptions, RedisServer, Rules,
    Value, Watched, check, eventually,
};
use serde_json::Value as Json;
use tokio::time::timeout;

use crate::site::{PREFIX, SOON, Site, fleet_file, started, stream};

/// What a validator answers with.
pub(crate) const RESULT: &str = "validation:completed";

/// The group that reads for the validators.
pub(crate) const GROUP: &str = "printery-validator";

/// The stream that everything begins with.
pub(crate) const STARTED: &str = "deployment:started";

/// Validators on a private Redis, and what is known of every event that was published.
pub(crate) struct Run {
    pub(crate) site: Site,
    pub(crate) service: HttpService,
    pub(crate) history: History,
    published: usize,
}

impl Run {
    /// On a Redis that forgets everything when it ends.
    pub(crate) async fn new() -> Self {
        Self::on(RedisServer::options()).await
    }

    /// On a Redis that keeps everything.
    pub(crate) async fn kept() -> Self {
        Self::on(RedisServer::options().append_only()).await
    }

    /// On a Redis with these options; the service answers quickly.
    pub(crate) async fn on(options: RedisOptions) -> Self {
        Self::with(options, |_| {}).await
    }

    /// The same, with a fleet file that differs.
    pub(crate) async fn with(options: RedisOptions, change: impl FnOnce(&mut Json)) -> Self {
        let service = HttpService::start().await;
        service.answer(Answer::Slow(Duration::from_millis(2)));
        let mut file = fleet_file(&service.url());
        change(&mut file);
        let site = Site::on(options, &file).await;
        Self { site, service, history: History::default(), published: 0 }
    }

    /// Starts a validator.
    pub(crate) fn validator(&self) -> Process {
        self.prepared().start()
    }

    /// Starts a validator that reaches Redis through the proxy.
    pub(crate) fn validator_behind(&self, proxy: &FaultProxy) -> Process {
        self.prepared().env("REDIS_URL", proxy.url()).start()
    }

    /// Prepares a validator with four slots.
    pub(crate) fn prepared(&self) -> Launch {
        self.site.worker("validator").args(["--concurrency", "4"])
    }

    /// Publishes so many events, each again and again until Redis says that it has it.
    pub(crate) async fn publish(&mut self, count: usize) {
        for _ in 0..count {
            let id = self.begin();
            eventually("the event is published", 2 * SOON, async || self.try_add(&id).await).await;
        }
    }

    /// Publishes one event and takes whatever Redis says for an answer.
    pub(crate) async fn publish_once(&mut self) -> Result<(), String> {
        let id = self.begin();
        self.try_add(&id).await
    }

    fn begin(&mut self) -> String {
        self.published += 1;
        let id = format!("e-{}", self.published);
        self.history.attempted(&id, &format!("d-{}", self.published));
        id
    }

    async fn try_add(&self, id: &str) -> Result<(), String> {
        let n = id.trim_start_matches("e-").parse().unwrap_or_default();
        let key = stream(STARTED);
        let [(id_name, _), (data_name, data)] = started(n, id);
        let words = ["XADD", &key, "*", id_name, id, data_name, &data];
        match self.site.conn.try_cmd(&words).await {
            Ok(Value::BulkString(entry)) => {
                self.history.acknowledged(id, &String::from_utf8_lossy(&entry));
                Ok(())
            }
            other => Err(format!("{other:?}")),
        }
    }

    /// Waits until so many events have a result.
    pub(crate) async fn results(&self, count: usize) {
        self.site.wait_for_results(RESULT, count, 3 * SOON).await;
    }

    /// Waits until so many handlers wait for the service.
    pub(crate) async fn handlers(&self, count: usize) {
        eventually(&format!("{count} handlers wait"), SOON, async || {
            let waiting = self.service.in_flight();
            if waiting == count { Ok(()) } else { Err(waiting) }
        })
        .await;
    }

    /// Notes a fault, for the file that a broken promise leaves behind.
    pub(crate) fn fault(&self, what: &str) {
        self.history.fault(what);
    }

    /// Drains, and asserts that every promise was kept.
    pub(crate) async fn judge(&self) {
        self.judge_by(&Rules { ordered: true, ..Rules::default() }).await;
    }

    /// The same by other rules.
    pub(crate) async fn judge_by(&self, rules: &Rules) {
        let drained = timeout(3 * SOON, self.drained(4 * SOON)).await.is_ok();
        let begun = Some("validation:started");
        let watched = Watched::of(PREFIX, "validator", RESULT, begun);
        let history = self.history.with(&self.site.conn, &[watched]).await;
        check(&history.facts(), rules).assert_clean(&history);
        assert!(drained, "something is left: {}", self.site.world().await);
    }

    /// Waits until every event that Redis has is settled, and nothing is left to do.
    async fn drained(&self, within: Duration) {
        eventually("every event has an outcome", within, async || {
            let results = self.site.results(RESULT).await;
            let dead = self.site.dead_letters("validator").await.len();
            let open =
                self.history.acknowledgements().difference(&results.into_keys().collect()).count();
            if open <= dead { Ok(()) } else { Err(format!("{open}; {}", self.site.world().await)) }
        })
        .await;
        eventually("the validators have nothing left", within, async || {
            let world = self.site.world().await;
            let groups = world.streams.values().filter_map(|stream| stream.groups.get(GROUP));
            let open = groups.map(|group| group.pending + group.undelivered).sum::<i64>();
            if open + world.delayed() == 0 { Ok(()) } else { Err(world) }
        })
        .await;
    }

    /// Publishes some more when the fault is over, and judges: whatever was broken works again.
    pub(crate) async fn recovers(&mut self, workers: &[Process]) {
        self.publish(5).await;
        self.judge().await;
        for worker in workers {
            assert!(worker.is_running(), "{}", worker.report());
        }
    }
}

/// Waits until a process has said this.
pub(crate) async fn says(process: &Process, text: &str) {
    eventually(&format!("it says {text:?}"), SOON, async || {
        let said = process.lines().iter().any(|line| line.contains(text));
        if said { Ok(()) } else { Err(process.report()) }
    })
    .await;
}
