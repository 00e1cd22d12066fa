//! Owns the `data` of every event type: one file for each family of the contract's §4, and its enumerations.
//! Workers build and read these structs; the wire form is what their serde derives say, checked by golden files.
//! It never validates relations between fields; one event is only as true as its author.

#[macro_use]
mod words;

mod dependency;
mod deployment;
mod health;
mod notification;
mod rollback;
mod validation;

use serde::{Deserialize, Deserializer};

pub use dependency::{
    DependencyCheckCompleted, DependencyCheckStarted, DependencyResult, DependencyState,
    DependencyStatus, Impaired,
};
pub use deployment::{
    DeploymentCompleted, DeploymentFailed, DeploymentStarted, DeploymentStatus, Migrations,
    RolloutPhase, StageCompleted, StageResult, StageStarted, StageStatus, Strategy,
};
pub use health::{
    HealthCheckCompleted, HealthCheckStarted, HealthResult, HealthStatus, ServiceHealth,
};
pub use notification::{Channel, Notification, NotificationSeverity};
pub use rollback::{RollbackCompleted, RollbackInitiated, RollbackStatus};
pub use validation::{
    Check, CheckOutcome, Counts, Severity, ValidationCompleted, ValidationStarted, VerdictResult,
};

/// Reads an optional list or map: absent and `null` both mean empty.
fn or_empty<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}
