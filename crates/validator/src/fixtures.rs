//! Fleet files and events for this crate's tests.
//!
//! The tests of several files share it; nothing that ships does.

use std::collections::BTreeMap;

use printery_config::Fleet;
use printery_events::payload::DeploymentStarted;
use printery_events::{Event, Payload};

/// Loads a fleet file from its text; it sees no environment.
pub(crate) fn fleet(text: &str) -> Fleet {
    Fleet::parse("fleet.yaml", text, &|_: &str| None)
        .unwrap_or_else(|problems| panic!("{problems}"))
}

/// A deployment of these services.
pub(crate) fn deployment(services: &[&str]) -> DeploymentStarted {
    DeploymentStarted {
        deployment_id: "d-1".to_owned(),
        version: "1.2.0".to_owned(),
        environment: "staging".to_owned(),
        strategy: None,
        services: services.iter().map(ToString::to_string).collect(),
        previous_version: None,
        images: BTreeMap::new(),
        initiated_by: None,
        labels: Vec::new(),
        migrations: None,
        git: None,
        manifest: None,
    }
}

/// An event that carries a payload.
pub(crate) fn event(payload: Payload) -> Event {
    Event::new("e-1".to_owned(), "/test".to_owned(), payload, jiff::Timestamp::UNIX_EPOCH)
}
