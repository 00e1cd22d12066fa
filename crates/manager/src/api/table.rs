//! Every route there is, in one table. A new one is a line here and a function in a file beside it.
//!
//! Source: contract §9.

use crate::api::access::Need::{Emit, Look, Nothing, Operate};
use crate::api::route::Route;
use crate::api::{
    activity, budget, dead_letters, deployments, events, health, metrics, openapi, orders, page,
    pipelines, status, stream, targets,
};

const JSON: &[&str] = &["application/json"];

/// Every route of the manager.
pub(crate) fn table() -> Vec<Route> {
    let mut routes = vec![
        Route::get("/", Look, "The dashboard", page::page).gives("text/html"),
        Route::get("/health", Nothing, "Whether process and parts are well", health::health),
        Route::get("/ready", Nothing, "Whether every enabled worker is ready", health::ready),
        Route::get(
            "/metrics",
            Nothing,
            "Metrics of the manager and its children",
            metrics::metrics,
        )
        .gives("text/plain"),
        Route::get("/openapi.json", Look, "This document", openapi::openapi),
    ];
    routes.extend(fleet());
    routes.extend(ingest());
    routes.extend(deployed());
    routes.extend(jobs());
    routes.extend(letters());
    routes
}

/// The fleet as it is.
fn fleet() -> Vec<Route> {
    let order = "Order a worker or a process; verb is stop, restart, drain, pause or resume";
    let tokens = "Change the budget; verb is set, recalc or reset";
    let targets = "Where Prometheus finds the processes (HTTP service discovery)";
    vec![
        Route::get("/api/status", Look, "The whole fleet at this instant", status::status),
        Route::get("/api/workers", Look, "Every kind of worker", status::workers),
        Route::get("/api/workers/{worker}", Look, "One kind of worker", status::worker),
        Route::post("/api/workers/{id}/{verb}", Operate, order, orders::order)
            .takes(JSON)
            .status(202),
        Route::get("/api/budget", Look, "Tokens, and who has some", budget::show),
        Route::post("/api/budget/{verb}", Operate, tokens, budget::change).takes(JSON),
        Route::get("/api/activity", Look, "What happened last", activity::activity)
            .query(&[("limit", "1 to 100, 20 by default")]),
        Route::get("/api/events/stream", Look, "What happens, as it happens", stream::stream)
            .gives("text/event-stream"),
        Route::get("/api/groups", Look, "Every stream, as its groups see it", status::groups),
        Route::get("/api/metrics/targets", Look, targets, targets::targets),
    ]
}

/// The ways in for events.
fn ingest() -> Vec<Route> {
    const EVENTS: &[&str] = &[
        "application/cloudevents+json",
        "application/cloudevents-batch+json",
        "application/json",
        "application/msgpack",
    ];
    let publish = "Publish events: CloudEvents structured, batch or binary, or {type, data}";
    let alerts = "Alertmanager's webhook: alerts are told to the activity feed";
    vec![
        Route::post("/api/events", Emit, publish, events::publish).takes(EVENTS).status(202),
        Route::options("/api/events", Emit, "CloudEvents' webhook handshake", events::handshake),
        Route::post("/api/ingest/github", Nothing, "GitHub's webhook, signed", events::from_github)
            .takes(JSON)
            .status(202),
        Route::post("/api/ingest/alertmanager", Emit, alerts, events::from_alertmanager)
            .takes(JSON)
            .status(202),
    ]
}

/// What became of deployments.
fn deployed() -> Vec<Route> {
    const LIST: &[(&str, &str)] = &[
        ("status", "only those that stand so, such as RUNNING"),
        ("environment", "only those of this environment"),
        ("service", "only those of this service"),
        ("limit", "1 to 100, 20 by default"),
        ("offset", "how many to pass over"),
    ];
    let (path, list) = ("/api/deployments/{id}", "The latest deployments and how they stand");
    let timeline = "A line for each event of a deployment, and why it failed";
    vec![
        Route::get("/api/deployments", Look, list, deployments::list).query(LIST),
        Route::get(path, Look, "How a deployment stands", deployments::one),
        Route::get("/api/deployments/{id}/events", Look, "Its events", deployments::events),
        Route::get("/api/deployments/{id}/timeline", Look, timeline, deployments::timeline),
    ]
}

/// Jobs, and who does them.
fn jobs() -> Vec<Route> {
    const PAGE: &[(&str, &str)] = &[
        ("status", "only those that stand so"),
        ("limit", "1 to 100, 10 by default"),
        ("offset", "how many to pass over"),
    ];
    let trigger = "Ask a worker for a job";
    let change = "Cancel a job, or do it again; verb is cancel or retry";
    vec![
        Route::get("/api/pipelines", Look, "What can be triggered", pipelines::list),
        Route::post("/api/pipelines/{worker}/trigger", Operate, trigger, pipelines::trigger)
            .takes(JSON)
            .status(201),
        Route::get("/api/pipelines/{worker}/jobs", Look, "A worker's jobs", pipelines::jobs)
            .query(PAGE),
        Route::get("/api/pipelines/{worker}/stats", Look, "Counts of jobs", pipelines::stats),
        Route::get("/api/jobs/{id}", Look, "One job", pipelines::job),
        Route::post("/api/jobs/{id}/{verb}", Operate, change, pipelines::change).takes(JSON),
    ]
}

/// Dead letters, and what is decided about them.
fn letters() -> Vec<Route> {
    const PAGE: &[(&str, &str)] =
        &[("limit", "1 to 100, 20 by default"), ("before", "only those below this entry")];
    let list = "A worker's dead letters, youngest first";
    let change = "Decide on a dead letter; verb is redrive, resolve or abandon";
    vec![
        Route::get("/api/dlq/{worker}", Look, list, dead_letters::list).query(PAGE),
        Route::post("/api/dlq/{worker}/{id}/{verb}", Operate, change, dead_letters::change)
            .takes(JSON),
    ]
}
