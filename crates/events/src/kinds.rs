//! Owns the one table of event families: its name on the wire and the struct of its `data`.
//! Everything that must be exhaustive over families (decoding, schemas, topology, documents) is generated from or
//! matched against it. It never knows which worker reads or writes a family; that is [`crate::topology`].

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize};

use crate::event_type::EventType;
use crate::payload::{
    DependencyCheckCompleted, DependencyCheckStarted, DeploymentCompleted, DeploymentFailed,
    DeploymentStarted, HealthCheckCompleted, HealthCheckStarted, Notification, RollbackCompleted,
    RollbackInitiated, StageCompleted, StageStarted, ValidationCompleted, ValidationStarted,
};

macro_rules! families {
    ($($(#[$doc:meta])* $family:ident($body:ty) = $pattern:literal;)+) => {
        /// Names one row of the event table, whatever stage it may be about.
        ///
        /// # Source
        /// Contract §4.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Family { $($(#[$doc])* $family,)+ }

        impl Family {
            /// Every family, in the order of the contract.
            pub const ALL: &'static [Self] = &[$(Self::$family,)+];

            /// Gives the family's event type as the contract prints it, `<stage>` standing for a stage's name.
            pub const fn pattern(self) -> &'static str {
                match self { $(Self::$family => $pattern,)+ }
            }
        }

        /// Holds the `data` of one event: one variant for each [`Family`].
        #[derive(Clone, Debug, PartialEq, Serialize)]
        #[serde(untagged)]
        pub enum Payload { $($(#[$doc])* $family($body),)+ }

        impl Payload {
            /// Tells which row of the table this is.
            pub const fn family(&self) -> Family {
                match self { $(Self::$family(_) => Family::$family,)+ }
            }

            /// Reads the struct that belongs to `family`.
            pub(crate) fn read<'de, D: Deserializer<'de>>(
                family: Family,
                data: D,
            ) -> Result<Self, D::Error> {
                match family {
                    $(Family::$family => <$body>::deserialize(data).map(Self::$family),)+
                }
            }
        }

        /// Builds the bare JSON Schema of a family's struct; [`crate::schemas`] completes it.
        pub(crate) fn schema_of(family: Family, generator: &mut SchemaGenerator) -> Schema {
            match family { $(Family::$family => <$body>::json_schema(generator),)+ }
        }
    };
}

families! {
    /// A deployment begins; a producer outside the fleet says so.
    DeploymentStarted(DeploymentStarted) = "deployment:started";
    /// One stage of a deployment begins.
    StageStarted(StageStarted) = "deployment:stage:<stage>:started";
    /// One stage of a deployment ended, well or badly.
    StageCompleted(StageCompleted) = "deployment:stage:<stage>:completed";
    /// The whole deployment ended.
    DeploymentCompleted(DeploymentCompleted) = "deployment:completed";
    /// The deployment cannot go on.
    DeploymentFailed(DeploymentFailed) = "deployment:failed";
    /// Somebody asks for the previous version back.
    RollbackInitiated(RollbackInitiated) = "rollback:initiated";
    /// The previous version is back, or could not be restored.
    RollbackCompleted(RollbackCompleted) = "rollback:completed";
    /// The validator began an attempt.
    ValidationStarted(ValidationStarted) = "validation:started";
    /// The validator's verdict; exactly one for each input event.
    ValidationCompleted(ValidationCompleted) = "validation:completed";
    /// The dependency checker began an attempt.
    DependencyCheckStarted(DependencyCheckStarted) = "dependency:check:started";
    /// The dependency checker's verdict; exactly one for each input event.
    DependencyCheckCompleted(DependencyCheckCompleted) = "dependency:check:completed";
    /// The health monitor began an attempt.
    HealthCheckStarted(HealthCheckStarted) = "health:check:started";
    /// The health monitor's verdict; exactly one for each input event.
    HealthCheckCompleted(HealthCheckCompleted) = "health:check:completed";
    /// A receiver was told.
    NotificationSent(Notification) = "notification:sent";
    /// A receiver could not be told.
    NotificationFailed(Notification) = "notification:failed";
}

impl Family {
    /// Tells whether there is one event type for each stage instead of a single one.
    pub const fn is_staged(self) -> bool {
        matches!(self, Self::StageStarted | Self::StageCompleted)
    }

    /// Finds the family of an event type, given with its stage or as [`Family::pattern`] prints it.
    pub fn find(text: &str) -> Option<Self> {
        let by_pattern = || Self::ALL.iter().copied().find(|family| family.pattern() == text);
        by_pattern().or_else(|| EventType::parse(text).ok().map(|event_type| event_type.family()))
    }
}

impl std::fmt::Display for Family {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.pattern())
    }
}

impl Payload {
    /// Gives the event type this `data` belongs under; a stage's event carries its stage's name.
    pub fn event_type(&self) -> EventType {
        EventType::of_stage(self.family(), self.stage())
    }

    /// Gives the stage this is about, for the two families that have one.
    pub fn stage(&self) -> Option<&str> {
        match self {
            Self::StageStarted(data) => Some(&data.stage),
            Self::StageCompleted(data) => Some(&data.stage),
            Self::DeploymentStarted(_)
            | Self::DeploymentCompleted(_)
            | Self::DeploymentFailed(_)
            | Self::RollbackInitiated(_)
            | Self::RollbackCompleted(_)
            | Self::ValidationStarted(_)
            | Self::ValidationCompleted(_)
            | Self::DependencyCheckStarted(_)
            | Self::DependencyCheckCompleted(_)
            | Self::HealthCheckStarted(_)
            | Self::HealthCheckCompleted(_)
            | Self::NotificationSent(_)
            | Self::NotificationFailed(_) => None,
        }
    }

    /// Gives the deployment this is about; an event's `subject` is the same.
    pub fn deployment_id(&self) -> &str {
        match self {
            Self::DeploymentStarted(data) => &data.deployment_id,
            Self::StageStarted(data) => &data.deployment_id,
            Self::StageCompleted(data) => &data.deployment_id,
            Self::DeploymentCompleted(data) => &data.deployment_id,
            Self::DeploymentFailed(data) => &data.deployment_id,
            Self::RollbackInitiated(data) => &data.deployment_id,
            Self::RollbackCompleted(data) => &data.deployment_id,
            Self::ValidationStarted(data) => &data.deployment_id,
            Self::ValidationCompleted(data) => &data.deployment_id,
            Self::DependencyCheckStarted(data) => &data.deployment_id,
            Self::DependencyCheckCompleted(data) => &data.deployment_id,
            Self::HealthCheckStarted(data) => &data.deployment_id,
            Self::HealthCheckCompleted(data) => &data.deployment_id,
            Self::NotificationSent(data) | Self::NotificationFailed(data) => &data.deployment_id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_is_found_by_its_pattern() {
        for family in Family::ALL {
            assert_eq!(Family::find(family.pattern()), Some(*family));
        }
        assert_eq!(Family::find("deployment:stage:folio:completed"), Some(Family::StageCompleted));
        assert_eq!(Family::find("deployment:paused"), None);
    }
}
