//! Publishes deployments while everything breaks, and notes what it was told.
//!
//! Owns the only source of events of a soak. It repeats itself until Redis says that it has the event, but for every tenth,
//! which it gives up on after the first doubt: nobody knows whether that one is there.

use std::time::Duration;

use printery_testkit::{History, Value};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::site::{Site, started, stream};

/// Deployments that events are about, in turn: few enough that several events of one wait for each other.
const SUBJECTS: usize = 25;

/// Events that may be without a last result; more would only measure how fast this machine is.
const MOST_OPEN: usize = 120;

/// Between two events, and between two tries of one.
const PAUSE: Duration = Duration::from_millis(40);

/// Publishes until it is told that everything is over.
pub(crate) async fn produce(site: &Site, history: &History, ended: watch::Receiver<bool>) {
    let conn = site.redis.connect().await;
    let key = stream("deployment:started");
    let mut published = 0;
    while !*ended.borrow() {
        let done = conn.try_cmd(&["XLEN", &stream("validation:completed")]).await;
        let done =
            if let Ok(Value::Int(done)) = done { usize::try_from(done).unwrap_or(0) } else { 0 };
        if published > done + MOST_OPEN {
            sleep(PAUSE).await;
            continue;
        }
        published += 1;
        let id = format!("e-{published}");
        let [(id_name, _), (data_name, data)] = started(published % SUBJECTS, &id);
        history.attempted(&id, &format!("d-{}", published % SUBJECTS));
        let words = ["XADD", &key, "*", id_name, &id, data_name, &data];
        loop {
            let answer = timeout(Duration::from_secs(2), conn.try_cmd(&words)).await;
            if let Ok(Ok(Value::BulkString(entry))) = answer {
                history.acknowledged(&id, &String::from_utf8_lossy(&entry));
                break;
            }
            if published % 10 == 0 {
                break;
            }
            sleep(PAUSE).await;
        }
        sleep(PAUSE).await;
    }
}
