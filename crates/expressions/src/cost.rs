//! What an evaluation may cost, reckoned before it begins.
//!
//! A running evaluation cannot be stopped, so a condition asks here first. The reckoning is an upper bound on steps
//! from the loops of the expression and the size of the variables; it evaluates nothing.

use cel::common::ast::{CallExpr, Expr, IdedExpr};
use serde_json::Value;

use crate::problem::Problem;
use crate::tree::parts;

/// Steps that one evaluation may take: well below a second.
const MOST_STEPS: u64 = 1_000_000;

/// Bytes of text that cost as much as one step when they are searched.
const BYTES_A_STEP: u64 = 256;

/// How large the variables are.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Size {
    values: u64,
    bytes: u64,
}

impl Size {
    /// Counts the values and the bytes of text in a document.
    pub(crate) fn of(document: &Value) -> Self {
        let sum = |mut size: Self, part: &Value| {
            let Self { values, bytes } = Self::of(part);
            size.values = size.values.saturating_add(values);
            size.bytes = size.bytes.saturating_add(bytes);
            size
        };
        match document {
            Value::Null | Value::Bool(_) | Value::Number(_) => Self { values: 1, bytes: 0 },
            Value::String(text) => Self { values: 1, bytes: text.len() as u64 },
            Value::Array(items) => items.iter().fold(Self { values: 1, bytes: 0 }, sum),
            Value::Object(entries) => entries.values().fold(Self { values: 1, bytes: 0 }, sum),
        }
    }
}

/// Tells whether an evaluation over variables of this size is affordable.
pub(crate) fn check(root: &IdedExpr, size: Size) -> Result<(), Problem> {
    let (elements, joins) = written(root);
    // No list is longer than all values there are, as often as the text joins lists.
    let longest = size.values.saturating_add(elements).saturating_mul(joins.saturating_add(1));
    if steps(root, longest, size.bytes) > MOST_STEPS {
        return Err(Problem::new("would take too long over so many values"));
    }
    Ok(())
}

/// Counts the elements of the lists and maps that are written out, and the sums that may join two lists.
fn written(root: &IdedExpr) -> (u64, u64) {
    let elements = match &root.expr {
        Expr::List(list) => list.elements.len() as u64,
        Expr::Map(map) => map.entries.len() as u64,
        Expr::Unspecified
        | Expr::Call(_)
        | Expr::Comprehension(_)
        | Expr::Ident(_)
        | Expr::Literal(_)
        | Expr::Select(_)
        | Expr::Struct(_) => 0,
    };
    let own = u64::from(matches!(&root.expr, Expr::Call(call) if joins(call)));
    let parts = parts(&root.expr).into_iter().map(written);
    parts.fold((elements, own), |(elements, joins), (more, sums)| (elements + more, joins + sums))
}

/// Tells whether a call may make a list of two; a loop that gathers its own result makes it no longer than the loop.
fn joins(call: &CallExpr) -> bool {
    let gathers =
        |first: &IdedExpr| matches!(&first.expr, Expr::Ident(name) if name.starts_with('@'));
    call.func_name == "_+_" && !call.args.first().is_some_and(gathers)
}

fn steps(root: &IdedExpr, longest: u64, bytes: u64) -> u64 {
    let cost = |part: &IdedExpr| steps(part, longest, bytes);
    match &root.expr {
        Expr::Comprehension(each) => {
            let once = cost(&each.loop_cond).saturating_add(cost(&each.loop_step));
            longest
                .saturating_mul(once)
                .saturating_add(cost(&each.iter_range))
                .saturating_add(cost(&each.accu_init))
                .saturating_add(cost(&each.result))
        }
        Expr::Call(call) => {
            let searched = matches!(
                call.func_name.as_str(),
                "matches"
                    | "contains"
                    | "startsWith"
                    | "endsWith"
                    | "_+_"
                    | "_==_"
                    | "_!=_"
                    | "@in"
            );
            let own = if searched { 1 + bytes / BYTES_A_STEP } else { 1 };
            parts(&root.expr).into_iter().fold(own, |sum, part| sum.saturating_add(cost(part)))
        }
        Expr::Unspecified
        | Expr::Ident(_)
        | Expr::List(_)
        | Expr::Literal(_)
        | Expr::Map(_)
        | Expr::Select(_)
        | Expr::Struct(_) => {
            parts(&root.expr).into_iter().fold(1, |sum, part| sum.saturating_add(cost(part)))
        }
    }
}
