//! Owns [`EventType`], the name of one stream of events.
//! Topology, decoding and publishing pass it around instead of text, so that a wrong name cannot travel far.
//! It never knows keys or prefixes; streams turn its text into a key.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::ids::is_stage_name;
use crate::invalid::{Invalid, quoted};
use crate::kinds::Family;

/// What the event types of all stages begin with.
const STAGE_PREFIX: &str = "deployment:stage:";

/// Names one event type, e.g. `validation:completed` or `deployment:stage:folio:completed`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventType {
    family: Family,
    text: Cow<'static, str>,
}

impl EventType {
    /// Reads an event type from its text.
    ///
    /// # Errors
    /// The text is no row of the contract's event table; the field named is `type`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if let Some(family) = Family::ALL.iter().find(|family| family.pattern() == text)
            && !family.is_staged()
        {
            return Ok(Self::of(*family));
        }
        match text.strip_prefix(STAGE_PREFIX).and_then(|rest| rest.rsplit_once(':')) {
            Some((stage, "started")) if is_stage_name(stage) => Ok(Self::stage_started(stage)),
            Some((stage, "completed")) if is_stage_name(stage) => Ok(Self::stage_completed(stage)),
            Some(_) | None => {
                let problem = format!("{} is not an event type of this fleet", quoted(text));
                Err(Invalid::new("type", problem))
            }
        }
    }

    /// Gives the one event type of a family.
    ///
    /// A family of stages has many; for it this is the pattern with `<stage>` in it, which serves to print a table
    /// and is no stream's name.
    pub const fn of(family: Family) -> Self {
        Self { family, text: Cow::Borrowed(family.pattern()) }
    }

    /// Names the beginning of a stage; `stage` must satisfy [`is_stage_name`].
    pub fn stage_started(stage: &str) -> Self {
        let text = format!("{STAGE_PREFIX}{stage}:started");
        Self { family: Family::StageStarted, text: Cow::Owned(text) }
    }

    /// Names the end of a stage; `stage` must satisfy [`is_stage_name`].
    pub fn stage_completed(stage: &str) -> Self {
        let text = format!("{STAGE_PREFIX}{stage}:completed");
        Self { family: Family::StageCompleted, text: Cow::Owned(text) }
    }

    /// Gives the event type of a family; the stage counts only where the family has one.
    pub(crate) fn of_stage(family: Family, stage: Option<&str>) -> Self {
        match (family, stage) {
            (Family::StageStarted, Some(stage)) => Self::stage_started(stage),
            (Family::StageCompleted, Some(stage)) => Self::stage_completed(stage),
            (family, _) => Self::of(family),
        }
    }

    /// Gives the text that stands on the wire and in the stream's key.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Tells which row of the event table this is.
    pub const fn family(&self) -> Family {
        self.family
    }

    /// Gives the stage in the name, for the two families that have one.
    pub fn stage(&self) -> Option<&str> {
        let rest = self.text.strip_prefix(STAGE_PREFIX)?;
        rest.rsplit_once(':').map(|(stage, _)| stage).filter(|stage| is_stage_name(stage))
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl AsRef<str> for EventType {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

impl FromStr for EventType {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::parse(text)
    }
}

impl Serialize for EventType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for EventType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(|invalid| de::Error::custom(invalid.problem))
    }
}

impl JsonSchema for EventType {
    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("EventType")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "An event type of this fleet." })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_type_is_parsed_back_from_its_text() {
        for family in Family::ALL.iter().filter(|family| !family.is_staged()) {
            let event_type = EventType::of(*family);
            assert_eq!(EventType::parse(event_type.as_str()), Ok(event_type.clone()));
            assert_eq!((event_type.family(), event_type.stage()), (*family, None));
        }
        for staged in [EventType::stage_started("folio"), EventType::stage_completed("a.b-C_1")] {
            assert_eq!(EventType::parse(staged.as_str()), Ok(staged.clone()));
        }
        assert_eq!(EventType::stage_completed("folio").stage(), Some("folio"));
    }

    #[test]
    fn a_name_outside_the_table_is_refused() {
        let long = format!("deployment:stage:{}:started", "x".repeat(65));
        for text in [
            "",
            "deployment:start",
            "Deployment:started",
            "deployment:started ",
            "deployment:stage::completed",
            "deployment:stage:<stage>:completed",
            "deployment:stage:a:b:completed",
            "deployment:stage:folio:paused",
            "deployment:stage:completed",
            &long,
        ] {
            assert_eq!(EventType::parse(text).map_err(|invalid| invalid.field), Err("type".into()));
        }
    }

    #[test]
    fn a_staged_pattern_has_no_stage() {
        assert_eq!(EventType::of(Family::StageCompleted).stage(), None);
    }
}
