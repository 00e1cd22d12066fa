//! `GET /`: the snapshot as one plain page, for a person with a browser and nothing else.
//!
//! No script, no style from elsewhere; every text is escaped. The full dashboard is another file.

use std::fmt::Write;

use axum::extract::State;
use axum::response::Html;

use crate::api::Api;
use crate::layout;
use crate::snapshot::{GroupView, QueueView, Snapshot, WorkerView};
use crate::totals::PartitionView;

/// Answers `GET /`.
pub(crate) async fn page(State(mut api): State<Api>) -> Html<String> {
    Html(render(&api.fresh().await))
}

const HEAD: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
    <meta http-equiv=\"refresh\" content=\"5\"><title>printery-workers</title>\
    <style>body{font:14px/1.5 system-ui,sans-serif;margin:2em;max-width:70em}\
    table{border-collapse:collapse;margin:0 0 2em}\
    td,th{padding:.2em 1em .2em 0;text-align:left;border-bottom:1px solid #ddd}</style>";

fn render(snapshot: &Snapshot) -> String {
    let redis = if snapshot.redis.up { "answers" } else { "does not answer" };
    let ready = if snapshot.manager.ready { "ready" } else { "not ready" };
    let mut page = String::from(HEAD);
    let facts = &snapshot.manager.facts;
    push(
        &mut page,
        format_args!(
            "<h1>printery-workers {}</h1><p>{ready}; redis {} {redis}; prefix {}; as of {}</p>",
            escape(&facts.version),
            escape(&snapshot.redis.address),
            escape(&layout::described(&facts.prefix, facts.partitions)),
            snapshot.timestamp,
        ),
    );
    table(&mut page, &["worker", "state", "pid", "restarts", "doing"], &snapshot.workers, worker);
    let columns = ["worker", "stream", "length", "waiting", "pending", "oldest"];
    table(&mut page, &columns, &snapshot.streams, group);
    let columns = ["worker", "inbox", "delayed", "in line", "dead letters"];
    table(&mut page, &columns, &snapshot.queues, queue);
    if !snapshot.partitions.is_empty() {
        let columns =
            ["partition", "waiting", "pending", "oldest", "delayed", "in line", "dead letters"];
        table(&mut page, &columns, &snapshot.partitions, partition);
    }
    page
}

fn table<T>(page: &mut String, head: &[&str], rows: &[T], cells: impl Fn(&T) -> Vec<String>) {
    page.push_str("<table><tr>");
    for name in head {
        push(page, format_args!("<th>{name}</th>"));
    }
    for row in rows {
        page.push_str("</tr><tr>");
        for cell in cells(row) {
            push(page, format_args!("<td>{}</td>", escape(&cell)));
        }
    }
    page.push_str("</tr></table>");
}

fn worker(worker: &WorkerView) -> Vec<String> {
    vec![
        worker.worker.clone(),
        worker.state.as_str().to_owned(),
        worker.pid.map(|pid| pid.to_string()).unwrap_or_default(),
        worker.restarts.to_string(),
        worker.problem.clone().or_else(|| worker.status.clone()).unwrap_or_default(),
    ]
}

fn group(group: &GroupView) -> Vec<String> {
    let lag = group.lag.map_or_else(|| "unknown".to_owned(), |lag| lag.to_string());
    let oldest = group.oldest_pending_ms.map(|ms| format!("{} s", ms / 1000));
    vec![
        group.worker.clone(),
        group.stream.clone(),
        group.length.to_string(),
        lag,
        group.pending.to_string(),
        oldest.unwrap_or_default(),
    ]
}

fn queue(queue: &QueueView) -> Vec<String> {
    let counts = [queue.inbox, queue.delayed, queue.in_line, queue.dead_letters];
    std::iter::once(queue.worker.clone()).chain(counts.map(|count| count.to_string())).collect()
}

fn partition(partition: &PartitionView) -> Vec<String> {
    let open = partition.open();
    vec![
        partition.prefix.clone(),
        open.lag.map_or_else(|| "unknown".to_owned(), |lag| lag.to_string()),
        open.pending.to_string(),
        open.oldest_pending_ms.map(|ms| format!("{} s", ms / 1000)).unwrap_or_default(),
        open.delayed.to_string(),
        open.in_line.to_string(),
        open.dead_letters.to_string(),
    ]
}

fn push(page: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _written = page.write_fmt(text).is_ok();
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roll::{ChildView, State};
    use crate::snapshot::tests::{child, observation, snapshot};

    #[test]
    fn what_a_worker_says_cannot_become_markup() {
        let status = Some("<script>alert(1)</script>".to_owned());
        let validator = ChildView { status, ..child("validator", State::Running) };
        let page = render(&snapshot(vec![validator], &observation(), 0));
        assert!(page.contains("<td>&lt;script&gt;alert(1)&lt;/script&gt;</td>"), "{page}");
        assert!(!page.contains("<script"));
    }
}
