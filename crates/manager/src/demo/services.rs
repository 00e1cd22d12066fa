//! The services that the demo deploys: small, real, and one of them breakable.
//!
//! Owns their sockets and what they answer on `/health` and `/ready`. They know nothing of the
//! fleet that watches them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::api::server;

/// What the services are called, in the order in which they are added; each needs some before it.
const NAMES: [&str; 8] =
    ["api", "relay", "manuscript", "canvas", "shield", "search", "billing", "docs"];
/// A port of the system's choice on this machine alone.
const ANY_PORT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
/// What happens when a fault does.
pub(crate) const FAULT: &str = "answers 503 from now on";
/// What is wrong with a service that has turned bad.
const TROUBLE: &str = "no connection to the database is free";

/// One service.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    /// The name that events use.
    pub(crate) name: &'static str,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    bad: Arc<AtomicBool>,
}

impl Service {
    /// The services that it needs, all of them started before it.
    pub(crate) fn requires(&self) -> Vec<&'static str> {
        let needs = |names: &[&'static str]| names.to_vec();
        match self.name {
            "api" => needs(&[]),
            "manuscript" => needs(&["relay"]),
            "docs" => needs(&["search"]),
            _ => needs(&["api"]),
        }
    }

    /// How it can be broken.
    pub(crate) fn fault(&self) -> Fault {
        Fault { service: self.name, bad: Arc::clone(&self.bad) }
    }
}

/// A fault that can happen to a service.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    service: &'static str,
    bad: Arc<AtomicBool>,
}

impl Fault {
    /// Whose fault it is.
    pub(crate) fn service(&self) -> &'static str {
        self.service
    }

    /// Lets it happen.
    pub(crate) fn happen(&self) {
        self.bad.store(true, Ordering::Relaxed);
    }
}

/// Starts so many services; they end with `tasks`.
pub(crate) async fn start(count: usize, tasks: &mut JoinSet<()>) -> std::io::Result<Vec<Service>> {
    let mut services = Vec::with_capacity(count);
    for name in NAMES.into_iter().take(count) {
        let listener = server::bind(ANY_PORT).await?;
        let address = listener.local_addr()?;
        let service = Service { name, address, bad: Arc::default() };
        tasks.spawn(server::serve(listener, routes(service.clone())));
        services.push(service);
    }
    Ok(services)
}

fn routes(service: Service) -> Router {
    Router::new().route("/health", get(health)).route("/ready", get(health)).with_state(service)
}

async fn health(State(service): State<Service>) -> (StatusCode, Json<Value>) {
    if service.bad.load(Ordering::Relaxed) {
        let answer = json!({ "service": service.name, "status": "failing", "reason": TROUBLE });
        return (StatusCode::SERVICE_UNAVAILABLE, Json(answer));
    }
    (StatusCode::OK, Json(json!({ "service": service.name, "status": "ok" })))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::local_http;

    #[tokio::test]
    async fn a_fault_changes_the_answer_of_its_service_alone() {
        let mut tasks = JoinSet::new();
        let services = start(2, &mut tasks).await.unwrap();
        services[0].fault().happen();
        let mut statuses = Vec::new();
        for service in &services {
            let answer = local_http::get(service.address, "/health", Duration::from_secs(5)).await;
            statuses.push(answer.unwrap().status);
        }
        assert_eq!(statuses, [503, 200]);
    }

    #[test]
    fn what_a_service_needs_is_started_before_it() {
        for (place, name) in NAMES.into_iter().enumerate() {
            let service = Service { name, address: ANY_PORT, bad: Arc::default() };
            for needed in service.requires() {
                let before = NAMES.iter().position(|other| *other == needed);
                assert!(before.is_some_and(|before| before < place), "{name} needs {needed}");
            }
        }
    }
}
