//! Which groups must exist on which streams, and making sure that they do.
//!
//! Called at start, before any worker, and by the collector whenever one is missing: a flushed
//! Redis gets its groups back though no worker may be running. It never moves or removes a group.

use printery_events::topology::{WORKERS, Worker};
use printery_events::{EventType, Family};
use printery_streams::{Error, Keys, Partition, Partitions, Session, group};

/// One group on one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subscription {
    /// The worker whose group it is.
    pub(crate) worker: &'static Worker,
    /// The stream's key.
    pub(crate) key: String,
    /// The event type, or `inbox:<worker>`: what people see.
    pub(crate) label: String,
    /// The consumer group.
    pub(crate) group: String,
}

/// One partition, and the streams that the fleet has in it.
#[derive(Debug, Clone)]
pub(crate) struct PartitionStreams {
    /// Its keys and its server.
    pub(crate) partition: Partition,
    /// The streams of all event types, those that no worker reads included.
    pub(crate) events: Vec<String>,
    /// What the workers subscribe to.
    pub(crate) subscriptions: Vec<Subscription>,
}

impl PartitionStreams {
    /// Lists the streams of a fleet with these stages in a partition.
    pub(crate) fn new(partition: &Partition, stages: &[String]) -> Self {
        Self {
            partition: partition.clone(),
            events: event_streams(&partition.keys, stages),
            subscriptions: subscriptions(&partition.keys, stages),
        }
    }

    /// The same for every partition, the home partition first.
    pub(crate) fn of_all(partitions: &Partitions, stages: &[String]) -> Vec<Self> {
        partitions.all().map(|partition| Self::new(partition, stages)).collect()
    }
}

/// Lists what every worker of the fleet subscribes to, its inbox last.
pub(crate) fn subscriptions(keys: &Keys, stages: &[String]) -> Vec<Subscription> {
    WORKERS.iter().flat_map(|worker| of_worker(worker, keys, stages)).collect()
}

/// Lists the streams of all event types, those that no worker reads included.
pub(crate) fn event_streams(keys: &Keys, stages: &[String]) -> Vec<String> {
    let of_family = |family: &Family| -> Vec<EventType> {
        if !family.is_staged() {
            return vec![EventType::of(*family)];
        }
        let of_stage = if *family == Family::StageStarted {
            EventType::stage_started
        } else {
            EventType::stage_completed
        };
        stages.iter().map(|stage| of_stage(stage)).collect()
    };
    let types = Family::ALL.iter().flat_map(of_family);
    types.map(|event_type| keys.events(event_type.as_str())).collect()
}

fn of_worker(worker: &'static Worker, keys: &Keys, stages: &[String]) -> Vec<Subscription> {
    let subscription = |key, label| Subscription { worker, key, label, group: worker.group() };
    let events = worker
        .streams(stages)
        .into_iter()
        .map(|event_type| subscription(keys.events(event_type.as_str()), event_type.to_string()));
    let inbox = subscription(keys.inbox(worker.name), format!("inbox:{}", worker.name));
    events.chain([inbox]).collect()
}

/// Makes sure that every group exists; gives how many were made just now.
///
/// # Errors
/// The first failure; groups before it exist.
/// # Redis
/// One `XGROUP CREATE` each.
pub(crate) async fn ensure(
    session: &mut Session,
    subscriptions: &[Subscription],
) -> Result<usize, Error> {
    let mut made = 0;
    for subscription in subscriptions {
        if group::ensure_group(session, &subscription.key, &subscription.group).await? {
            made += 1;
        }
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use printery_events::topology::DEFAULT_STAGES;
    use printery_testkit::RedisServer;

    use super::*;

    fn all() -> Vec<Subscription> {
        subscriptions(&Keys::new("materi"), &DEFAULT_STAGES.map(str::to_owned))
    }

    #[test]
    fn the_groups_are_those_of_the_contract() {
        let lines: Vec<_> = all()
            .iter()
            .map(|one| format!("{} {} {}", one.worker.name, one.label, one.group))
            .collect();
        assert!(lines.contains(&"validator deployment:started printery-validator".to_owned()));
        assert!(
            lines.contains(
                &"notifier deployment:stage:folio:completed printery-notifier".to_owned()
            )
        );
        assert!(lines.contains(&"notifier inbox:notifier printery-notifier".to_owned()));
        assert_eq!(lines.len(), 1 + 4 + 1 + 11 + 4);
    }

    #[test]
    fn every_stream_that_is_read_is_an_event_stream_or_an_inbox() {
        let streams = event_streams(&Keys::new("materi"), &DEFAULT_STAGES.map(str::to_owned));
        assert_eq!(streams.len(), 13 + 2 * 3);
        for one in all() {
            assert!(one.label.starts_with("inbox:") || streams.contains(&one.key), "{one:?}");
        }
    }

    #[tokio::test]
    async fn groups_are_made_once_at_the_beginning_of_each_stream() {
        let server = RedisServer::start().await;
        let redis =
            printery_streams::Redis::try_new(&server.url(), std::time::Duration::from_secs(5));
        let mut session = redis.unwrap().session();
        let all = all();
        assert_eq!(ensure(&mut session, &all).await.unwrap(), all.len());
        assert_eq!(ensure(&mut session, &all).await.unwrap(), 0);
        let connection = server.connect().await;
        for one in &all {
            let pending = connection.pending(&one.key, &one.group).await;
            assert_eq!(pending, 0, "{}", one.label);
        }
    }
}
