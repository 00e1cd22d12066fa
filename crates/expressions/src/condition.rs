//! A condition: CEL that must come out true or false.
//!
//! The fleet file compiles it when it is read, workers evaluate it over what they have seen. It never evaluates what
//! it has not first found affordable, and never on the caller's stack when it parses.

use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use cel::common::ast::IdedExpr;
use cel::parser::PrattParser;
use cel::{Context, Env};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::cost;
use crate::functions::Functions;
use crate::problem::Problem;
use crate::tree;
use crate::variables;
use crate::vocabulary::Vocabulary;

/// Bytes that an expression may have. 2 KiB: whoever needs more wants a program.
pub const MAX_TEXT: usize = 2048;

/// How deep an expression may nest. The parser recurses for each level.
pub const MAX_NESTING: u16 = 32;

/// The stack that expressions are worked on: parser and evaluation recurse, and must not take the process with them.
const STACK: usize = 16 * 1024 * 1024;

/// How many levels an expression may have; a sum of that many terms has that many.
const DEEPEST: usize = 96;

/// Levels that are evaluated on the caller's stack, which spares nearly every condition a thread.
const SHALLOW: usize = 10;

/// The standard functions, made once.
static STANDARD: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// A compiled condition; two are equal when their texts are.
///
/// Cheap to clone.
#[derive(Clone)]
pub struct Condition {
    text: Arc<str>,
    parsed: Arc<IdedExpr>,
    depth: usize,
}

impl Condition {
    /// Compiles a condition over any variables.
    ///
    /// # Errors
    /// It is no CEL, too long, too deep, calls an unknown function or can never be true or false.
    pub fn compile(text: &str) -> Result<Self, Problem> {
        Self::compile_with(text, &Vocabulary::any())
    }

    /// Compiles a condition that may use these names and no others.
    ///
    /// # Errors
    /// As [`compile`](Self::compile), and for a name that is not in the vocabulary.
    pub fn compile_with(text: &str, vocabulary: &Vocabulary) -> Result<Self, Problem> {
        if text.trim().is_empty() {
            return Err(Problem::new("is empty"));
        }
        if text.len() > MAX_TEXT {
            return Err(Problem::new(format!("is longer than {MAX_TEXT} bytes")));
        }
        if nesting(text) > usize::from(MAX_NESTING) {
            return Err(Problem::new(format!("nests deeper than {MAX_NESTING} levels")));
        }
        let (parsed, depth) = on_own_stack(|| {
            let parsed = parsed(text)?;
            let depth = tree::depth(&parsed);
            if depth > DEEPEST {
                return Err(Problem::new(format!("has more than {DEEPEST} levels; split it")));
            }
            tree::check(&parsed, vocabulary)?;
            Ok((parsed, depth))
        })?;
        Ok(Self { text: text.into(), parsed: Arc::new(parsed), depth })
    }

    /// Tells whether the condition holds for the variables, a JSON map.
    ///
    /// Blocks while it evaluates; asynchronous callers use [`holds_within`](Self::holds_within).
    ///
    /// # Errors
    /// The values do not fit the condition, it would cost too much, or what comes out is neither true nor false.
    pub fn holds(&self, variables: &Value) -> Result<bool, Problem> {
        self.holds_with(variables, &Functions::none())
    }

    /// Tells whether the condition holds, with functions of the caller's.
    ///
    /// # Errors
    /// As [`holds`](Self::holds).
    pub fn holds_with(&self, variables: &Value, functions: &Functions) -> Result<bool, Problem> {
        cost::check(&self.parsed, cost::Size::of(variables))?;
        if self.depth <= SHALLOW {
            self.evaluate(variables, functions)
        } else {
            on_own_stack(|| self.evaluate(variables, functions))
        }
    }

    /// Tells whether the condition holds, off the asynchronous threads and by a deadline.
    ///
    /// # Errors
    /// As [`holds`](Self::holds), and when it takes longer than `limit`.
    /// # Cancel safety
    /// Cancel safe: the evaluation ends by itself, since its steps are bounded.
    pub async fn holds_within(
        &self,
        limit: Duration,
        variables: Value,
        functions: Functions,
    ) -> Result<bool, Problem> {
        let condition = self.clone();
        let evaluation =
            tokio::task::spawn_blocking(move || condition.holds_with(&variables, &functions));
        match tokio::time::timeout(limit, evaluation).await {
            Ok(Ok(result)) => result,
            Ok(Err(_ended)) => Err(Problem::new("could not be evaluated")),
            Err(_elapsed) => Err(Problem::new(format!("was not evaluated within {limit:?}"))),
        }
    }

    /// Returns the condition as it is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn evaluate(&self, variables: &Value, functions: &Functions) -> Result<bool, Problem> {
        let mut context = Context::with_env(Arc::clone(&STANDARD));
        functions.add_to(&mut context).map_err(|error| Problem::evaluating(&error))?;
        for (name, json) in variables.as_object().into_iter().flatten() {
            context.add_variable_from_value(name.as_str(), variables::value(json));
        }
        let result = context.resolve(&self.parsed).map_err(|error| Problem::evaluating(&error))?;
        if let cel::Value::Bool(holds) = result {
            return Ok(holds);
        }
        let kind = variables::kind(&result);
        Err(Problem::new(format!("comes out as {kind}, neither true nor false")))
    }
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Condition {}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Condition").field(&self.text).finish()
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.text)
    }
}

fn parsed(text: &str) -> Result<IdedExpr, Problem> {
    let parser = PrattParser::new().max_recursion_depth(MAX_NESTING);
    parser.parse(text).map_err(|errors| Problem::parsing(&errors))
}

/// Runs on a thread whose stack is large enough for the deepest expression, and waits for it.
fn on_own_stack<T: Send>(run: impl FnOnce() -> Result<T, Problem> + Send) -> Result<T, Problem> {
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name("expression".to_owned())
            .stack_size(STACK)
            .spawn_scoped(scope, run)
            .map_err(|error| Problem::new(format!("no thread to work on: {error}")))?
            .join()
            .unwrap_or_else(|_panic| Err(Problem::new("cannot be read")))
    })
}

/// Counts brackets and signs that nest, before anything recurses over them.
fn nesting(text: &str) -> usize {
    let mut open = 0_usize;
    let mut deepest = 0;
    let mut signs = 0;
    for character in text.chars() {
        match character {
            '(' | '[' | '{' => open += 1,
            ')' | ']' | '}' => open = open.saturating_sub(1),
            _ => {}
        }
        signs = match character {
            '!' | '-' => signs + 1,
            _ if character.is_whitespace() => signs,
            _ => 0,
        };
        deepest = deepest.max(open).max(signs);
    }
    deepest
}
