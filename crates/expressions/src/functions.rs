//! Functions that a caller adds to the language.
//!
//! A worker that knows windows or silences brings them here, from JSON to JSON. It holds no state of its own.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use cel::common::value::CowVal;
use cel::{Context, ExecutionError, FunctionContext};
use serde_json::Value as Json;

use crate::variables;
use crate::version;

type Body = dyn Fn(&[Json]) -> Result<Json, String> + Send + Sync;

/// What the evaluation calls.
type Called = Box<
    dyn for<'c, 'v> Fn(&mut FunctionContext<'c, 'v>) -> Result<CowVal<'c, 'v>, ExecutionError>
        + Send
        + Sync,
>;

/// Holds the functions that conditions may call beyond the standard ones.
///
/// Cheap to clone.
#[derive(Clone, Default)]
pub struct Functions {
    named: BTreeMap<String, Arc<Body>>,
}

impl Functions {
    /// Returns no additional functions.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds a function; called on a value (`now.inWindow("x")`), the value is its first argument.
    ///
    /// The names of the standard functions are taken and stay as they are.
    #[must_use]
    pub fn with(
        mut self,
        name: &str,
        body: impl Fn(&[Json]) -> Result<Json, String> + Send + Sync + 'static,
    ) -> Self {
        self.named.insert(name.to_owned(), Arc::new(body));
        self
    }

    /// Makes them known to an evaluation, together with those of this crate.
    pub(crate) fn add_to(&self, context: &mut Context<'_, '_>) -> Result<(), ExecutionError> {
        let taken = |error: cel::DeclarationError| {
            ExecutionError::function_error("functions", error.to_string())
        };
        context.add_function("max", cel::functions::max).map_err(taken)?;
        context.add_function("min", cel::functions::min).map_err(taken)?;
        let semver: Called = Box::new(|call| version::semver(call));
        context.add_function("semver", semver).map_err(taken)?;
        for (name, body) in &self.named {
            let body = Arc::clone(body);
            let call: Called = Box::new(move |call| called(&body, call));
            context.add_function(name, call).map_err(taken)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Functions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.named.keys()).finish()
    }
}

fn called<'c, 'v>(
    body: &Arc<Body>,
    call: &FunctionContext<'c, 'v>,
) -> Result<CowVal<'c, 'v>, ExecutionError> {
    let argument = |value: &CowVal<'_, '_>| -> Result<Json, ExecutionError> {
        let value = cel::Value::try_from(value.as_ref())?;
        value.json().map_err(|why| call.error(why))
    };
    let arguments: Result<Vec<Json>, _> =
        call.this.iter().chain(&call.args).map(argument).collect();
    let result = body(&arguments?).map_err(|why| call.error(why))?;
    Ok(CowVal::Owned(variables::value(&result).try_into()?))
}
