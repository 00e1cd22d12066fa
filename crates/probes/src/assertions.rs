//! Conditions of the fleet file over what a probe has seen.
//!
//! Every protocol file ends with it. A condition that does not hold, or cannot be asked of what came back, is a broken
//! expectation; it is never tried again by itself.

use std::time::Duration;

use printery_expressions::{Condition, Functions};
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::error::Error;
use crate::outcome::{Class, ReasonCode};

/// The longest that one condition may take; its steps are bounded as well.
const LONGEST: Duration = Duration::from_secs(1);

/// Asks the conditions in their order; the first that does not hold is the error.
pub(crate) async fn check(
    conditions: &[Condition],
    facts: Map<String, Value>,
    until: Instant,
) -> Result<(), Error> {
    let facts = Value::Object(facts);
    for condition in conditions {
        let limit = LONGEST.min(until.saturating_duration_since(Instant::now()));
        let holds = condition.holds_within(limit, facts.clone(), Functions::none()).await;
        let why = match holds {
            Ok(true) => continue,
            Ok(false) => format!("`{condition}` does not hold"),
            Err(problem) => format!("`{condition}` cannot be asked: {problem}"),
        };
        return Err(Error::new(Class::Assertion, ReasonCode::Policy, "", why));
    }
    Ok(())
}
