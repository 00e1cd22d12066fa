//! What the tests of order share: an ordered worker that takes, settles and looks who waits.
//!
//! Events are added with plain commands; whatever moves a turn goes through the code under test.

use std::time::Duration;

use printery_streams::delay::{Promoted, promote};
use printery_streams::order::{self, Turn};
use printery_streams::reclaim::{ReclaimPolicy, Reclaimed, Reclaimer};
use printery_streams::settle::{Settled, Settler};
use printery_streams::{Delivery, Error, History};

use crate::scene::{
    LEASE, ME, OTHERS, RESULTS, Reading, SOURCE, Scene, WORKER, bury, commit, defer, ordered,
    release,
};

/// The event streams that the ordered worker reads.
pub(crate) const STREAMS: [&str; 3] = [SOURCE, RESULTS, OTHERS];

/// One replica of an ordered worker.
pub(crate) struct Replica {
    pub(crate) reading: Reading,
    consumer: &'static str,
}

impl Replica {
    pub(crate) async fn of(scene: &Scene, consumer: &'static str) -> Self {
        let reading = Reading::of(scene, ordered(consumer), &STREAMS).await;
        Self { reading, consumer }
    }

    pub(crate) async fn take(&mut self, free: usize) -> Vec<Delivery> {
        self.try_take(free).await.unwrap()
    }

    pub(crate) async fn try_take(&mut self, free: usize) -> Result<Vec<Delivery>, Error> {
        self.reading.take(free).await
    }

    /// Takes as much as there is; gives the notes of what was handed out.
    pub(crate) async fn notes(&mut self) -> Vec<String> {
        self.take(256).await.iter().map(note).collect()
    }

    pub(crate) fn settler(&self, scene: &Scene) -> Settler {
        Settler::new(scene.keys.clone(), ordered(self.consumer), 0, 15_000)
    }

    pub(crate) async fn commit(&mut self, scene: &Scene, delivery: &Delivery) -> Settled {
        let done = commit(&delivery.fence, "", vec![]);
        let settler = self.settler(scene);
        settler.commit(&mut self.reading.session, &[&done]).await.unwrap().remove(0)
    }

    pub(crate) async fn bury(&mut self, scene: &Scene, delivery: &Delivery) -> Settled {
        let dead = bury(&delivery.fence, "", delivery.fields.as_ref().unwrap());
        let settler = self.settler(scene);
        settler.bury(&mut self.reading.session, &[&dead]).await.unwrap().remove(0)
    }

    pub(crate) async fn defer(
        &mut self,
        scene: &Scene,
        delivery: &Delivery,
        delay: Duration,
    ) -> Settled {
        let history =
            History { failures: delivery.history.failures + 1, ..delivery.history.clone() };
        let sealed = history.seal(delivery.fields.as_ref().unwrap());
        let later = defer(&delivery.fence, delay, &sealed);
        let settler = self.settler(scene);
        settler.defer(&mut self.reading.session, &[&later]).await.unwrap().remove(0)
    }

    pub(crate) async fn release(&mut self, scene: &Scene, delivery: &Delivery) -> Settled {
        let sealed = delivery.history.seal(delivery.fields.as_ref().unwrap());
        let back = release(&delivery.fence, &sealed);
        let settler = self.settler(scene);
        settler.release(&mut self.reading.session, &[&back]).await.unwrap().remove(0)
    }

    /// Takes over what others are silent about in one stream.
    pub(crate) async fn reclaim(&mut self, scene: &Scene, stream: &str) -> Reclaimed {
        let policy = ReclaimPolicy { lease: LEASE, suspect_at: 1_000, poison_at: 1_000 };
        let mut reclaimer = Reclaimer::new(scene.keys.clone(), ordered(self.consumer), policy);
        let stream = stream.into();
        reclaimer.reclaim_due(&mut self.reading.session, &stream, 100, 0).await.unwrap()
    }

    /// Mends every line, page by page; gives the deployments whose turn was passed on.
    pub(crate) async fn mend(&mut self, scene: &Scene) -> Vec<String> {
        let streams: Vec<_> = self.reading.fetcher.streams().cloned().collect();
        let (mut mended, mut cursor) = (Vec::new(), String::new());
        loop {
            let session = &mut self.reading.session;
            let (keys, member) = (&scene.keys, ordered(self.consumer));
            let page = order::mend(session, keys, &member, &streams, &cursor).await;
            let (next, passed) = page.unwrap();
            mended.extend(passed);
            if next.is_empty() {
                return mended;
            }
            cursor = next;
        }
    }
}

/// A scene with one replica.
pub(crate) async fn set() -> (Scene, Replica) {
    let scene = Scene::set().await;
    let replica = Replica::of(&scene, ME).await;
    (scene, replica)
}

impl Scene {
    /// Adds an entry about a deployment; the note tells the entries apart.
    pub(crate) async fn about(&self, stream: &str, deployment: &str, note: &str) -> String {
        self.db.add(stream, &[("subject", deployment), ("note", note)]).await
    }

    /// The same with an id of the test's choice: ids of several streams differ in the millisecond.
    pub(crate) async fn aged(&self, stream: &str, at: &str, deployment: &str, note: &str) {
        self.db.cmd(&["XADD", stream, at, "subject", deployment, "note", note]).await;
    }

    /// Adds entries about one deployment, with these notes, to one stream.
    pub(crate) async fn queue(&self, deployment: &str, notes: &[&str]) {
        for note in notes {
            self.about(SOURCE, deployment, note).await;
        }
    }

    pub(crate) async fn promote(&mut self) -> Promoted {
        promote(&mut self.session, &self.keys, WORKER).await.unwrap()
    }

    /// How many entries of a deployment are in line.
    pub(crate) async fn waiting(&mut self, deployment: &str) -> usize {
        let (session, keys) = (&mut self.session, &self.keys);
        order::waiting_of(session, keys, WORKER, deployment, 1_000).await.unwrap().len()
    }

    /// How many entries are in line.
    pub(crate) async fn waiting_in_all(&mut self) -> u64 {
        order::count_waiting(&mut self.session, &self.keys, WORKER).await.unwrap()
    }

    pub(crate) async fn turn(&mut self, deployment: &str) -> Option<Turn> {
        order::turn_of(&mut self.session, &self.keys, WORKER, deployment).await.unwrap()
    }
}

/// The note of an entry that [`Scene::about`] added.
pub(crate) fn note(delivery: &Delivery) -> String {
    let fields = delivery.fields.as_ref().unwrap();
    let note = fields.iter().find(|(name, _)| name == b"note").unwrap();
    String::from_utf8(note.1.clone()).unwrap()
}
