//! Jobs that Redis has forgotten, asked of what remembers them.
//!
//! They follow those that Redis still has, as one list. Without a history, or with one that is out
//! of order, the list simply ends earlier.

use printery_events::topology::Worker;
use printery_streams::{EntryId, browse};
use serde_json::{Map, Value, json};

use crate::archive::Archive;
use crate::cli::failure::Failure;
use crate::cli::target::Target;
use crate::jobs::find::{Listed, Page, get, list};
use crate::jobs::{Job, Status};

/// A part of a worker's whole list.
#[derive(Debug)]
pub(crate) struct Whole {
    /// Those that Redis has, the youngest first.
    pub(crate) jobs: Vec<Job>,
    /// Those behind them, as the API shows them.
    pub(crate) older: Vec<Value>,
    /// How many there are in all.
    pub(crate) total: u64,
    /// Whether there are more behind these.
    pub(crate) has_more: bool,
}

impl Whole {
    /// All of them, as the API shows them.
    pub(crate) fn shown(self) -> Vec<Value> {
        self.jobs.iter().map(Job::to_json).chain(self.older).collect()
    }
}

/// Lists a worker's jobs wherever they are, the youngest first.
pub(crate) async fn list_whole(
    target: &mut Target,
    archive: &Archive,
    worker: &'static Worker,
    page: Page,
) -> Result<Whole, Failure> {
    let Listed { jobs, total, has_more } = list(target, worker, page).await?;
    let mut whole = Whole { jobs, older: Vec::new(), total, has_more };
    if archive.standing().is_none() {
        return Ok(whole);
    }
    let number = |of: usize| u64::try_from(of).unwrap_or(u64::MAX);
    let (offset, limit) = (number(page.offset), number(page.limit));
    let end = offset.saturating_add(limit);
    let question = json!({
        "ask": "list",
        "pipeline": worker.name,
        "status": page.status.map(Status::as_str),
        "limit": end.saturating_sub(total.max(offset)),
        "offset": offset.saturating_sub(total),
        "retained": retained(target, worker).await?,
    });
    if let Some(answer) = archive.ask(&question).await {
        let more = answer.get("total").and_then(Value::as_u64).unwrap_or(0);
        whole.total = total.saturating_add(more);
        whole.older = answer.get("jobs").and_then(Value::as_array).cloned().unwrap_or_default();
        whole.has_more = has_more || end < whole.total;
    }
    Ok(whole)
}

/// Finds one by its name, wherever it is; as the API shows it.
pub(crate) async fn get_whole(
    target: &mut Target,
    archive: &Archive,
    id: &str,
) -> Result<Option<Value>, Failure> {
    if let Some(job) = get(target, id).await? {
        return Ok(Some(job.to_json()));
    }
    let answer = archive.ask(&json!({ "ask": "get", "id": id })).await;
    Ok(answer
        .and_then(|mut answer| answer.get_mut("job").map(Value::take))
        .filter(|job| !job.is_null()))
}

/// Counts a worker's jobs by how they stand: all that ended, where a history is kept, otherwise the
/// youngest that Redis has.
pub(crate) async fn stats(
    target: &mut Target,
    archive: &Archive,
    worker: &'static Worker,
) -> Result<Value, Failure> {
    let asked = archive.ask(&json!({ "ask": "stats", "pipeline": worker.name })).await;
    let page = Page { status: None, limit: YOUNGEST, offset: 0 };
    let young = list(target, worker, page).await?.jobs;
    let mut counts: Map<String, Value> = Status::ALL
        .map(|(status, name)| {
            let standing = young.iter().filter(|job| job.status == status).count();
            (name.to_owned(), json!(standing))
        })
        .into_iter()
        .collect();
    let remembered = asked.as_ref().and_then(|answer| answer.get("counts")?.as_object());
    // What ended is counted by the history alone; what has not ended is nowhere but in Redis.
    if let Some(remembered) = remembered {
        for ended in [Status::Completed, Status::Failed, Status::Cancelled] {
            let name = ended.as_str();
            let count = remembered.get(name).cloned().unwrap_or(json!(0));
            counts.insert(name.to_owned(), count);
        }
    }
    Ok(json!({
        "pipelineId": worker.name,
        "counts": counts,
        "of": if remembered.is_some() { "history" } else { "redis" },
        "lastJob": young.first().map(Job::to_json),
    }))
}

/// Jobs that are counted where nothing remembers them: each costs a question or two.
const YOUNGEST: usize = 200;

/// From where on Redis has each stream of a worker.
async fn retained(target: &Target, worker: &Worker) -> Result<Vec<Value>, Failure> {
    let mut retained = Vec::new();
    for partition in target.partitions.all() {
        let mut session = partition.redis.session();
        let inputs = worker.streams(&target.fleet.stages);
        let streams = inputs.iter().map(|event_type| partition.keys.events(event_type.as_str()));
        for stream in streams.chain([partition.keys.inbox(worker.name)]) {
            let oldest =
                browse::range(&mut session, &stream, EntryId::default(), None, 1).await?.pop();
            if let Some(oldest) = oldest {
                let EntryId { ms, seq } = oldest.id;
                retained.push(json!({ "stream": stream, "ms": ms, "seq": seq }));
            }
        }
    }
    Ok(retained)
}
