//! How urgent an event is for the people who are told.
//!
//! Owns the table from payload to severity; pure. Routing matches on it and rendering colours by
//! it. Never looks at configuration.

use printery_events::Payload;
use printery_events::payload::{
    DependencyResult, DeploymentStatus, HealthResult, NotificationSeverity as Severity,
    RollbackStatus, StageStatus, VerdictResult,
};

/// Returns the severity of an event.
pub(crate) fn severity(payload: &Payload) -> Severity {
    match payload {
        Payload::DeploymentStarted(_)
        | Payload::StageStarted(_)
        | Payload::ValidationStarted(_)
        | Payload::DependencyCheckStarted(_)
        | Payload::HealthCheckStarted(_)
        | Payload::NotificationSent(_)
        | Payload::NotificationFailed(_) => Severity::Info,
        Payload::StageCompleted(stage) => match stage.status {
            StageStatus::Success => Severity::Success,
            StageStatus::Failure => Severity::Warning,
        },
        Payload::DeploymentCompleted(done) => match done.status {
            DeploymentStatus::Success => Severity::Success,
            DeploymentStatus::RolledBack => Severity::Warning,
            DeploymentStatus::Failure => Severity::Critical,
        },
        Payload::DeploymentFailed(_) | Payload::RollbackInitiated(_) => Severity::Critical,
        Payload::RollbackCompleted(rollback) => match rollback.status {
            // Even one that worked means that the new version did not.
            RollbackStatus::Success => Severity::Warning,
            RollbackStatus::Failure => Severity::Critical,
        },
        Payload::ValidationCompleted(validation) => match validation.result {
            VerdictResult::Passed => Severity::Success,
            VerdictResult::Warnings => Severity::Warning,
            VerdictResult::Failed => Severity::Critical,
        },
        Payload::DependencyCheckCompleted(check) => match check.result {
            DependencyResult::AllHealthy => Severity::Success,
            DependencyResult::SomeDegraded => Severity::Warning,
            DependencyResult::AllUnhealthy => Severity::Critical,
        },
        Payload::HealthCheckCompleted(check) => match check.status {
            HealthResult::Healthy => Severity::Success,
            HealthResult::Degraded | HealthResult::Inconclusive => Severity::Warning,
            HealthResult::Unhealthy => Severity::Critical,
        },
    }
}

#[cfg(test)]
mod tests {
    use printery_events::payload::NotificationSeverity as Severity;

    use super::severity;
    use crate::sample;

    #[test]
    fn severities_follow_the_table() {
        let cases = [
            (sample::started(), Severity::Info),
            (sample::stage("success"), Severity::Success),
            (sample::stage("failure"), Severity::Warning),
            (sample::completed("success"), Severity::Success),
            (sample::completed("failure"), Severity::Critical),
            (sample::completed("rolled_back"), Severity::Warning),
            (sample::failed(), Severity::Critical),
            (sample::rollback_initiated(), Severity::Critical),
            (sample::rollback_completed("success"), Severity::Warning),
            (sample::rollback_completed("failure"), Severity::Critical),
            (sample::validation("PASSED"), Severity::Success),
            (sample::validation("WARNINGS"), Severity::Warning),
            (sample::validation("FAILED"), Severity::Critical),
            (sample::dependencies("ALL_HEALTHY"), Severity::Success),
            (sample::dependencies("SOME_DEGRADED"), Severity::Warning),
            (sample::dependencies("ALL_UNHEALTHY"), Severity::Critical),
            (sample::health("HEALTHY"), Severity::Success),
            (sample::health("INCONCLUSIVE"), Severity::Warning),
            (sample::health("UNHEALTHY"), Severity::Critical),
        ];
        for (event, expected) in cases {
            assert_eq!(severity(&event.payload), expected, "{:?}", event.payload);
        }
    }
}
