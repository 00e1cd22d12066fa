//! Walking a parsed expression: the names it uses and how deep it is.
//!
//! A condition does it once when it is compiled. It changes nothing and evaluates nothing.

use cel::common::ast::{EntryExpr, Expr, IdedExpr};

use crate::problem::Problem;
use crate::vocabulary::Vocabulary;

/// Lists the parts that an expression is made of, without the names that a loop gives its own.
pub(crate) fn parts(expression: &Expr) -> Vec<&IdedExpr> {
    match expression {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => Vec::new(),
        Expr::Call(call) => call.target.iter().map(AsRef::as_ref).chain(&call.args).collect(),
        Expr::Comprehension(each) => {
            vec![&each.iter_range, &each.accu_init, &each.loop_cond, &each.loop_step, &each.result]
        }
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => map.entries.iter().flat_map(|each| entry(&each.expr)).collect(),
        Expr::Select(select) => vec![&select.operand],
        Expr::Struct(fields) => fields.entries.iter().flat_map(|each| entry(&each.expr)).collect(),
    }
}

fn entry(entry: &EntryExpr) -> Vec<&IdedExpr> {
    match entry {
        EntryExpr::StructField(field) => vec![&field.value],
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
    }
}

/// Tells whether an expression may be evaluated at all: known names, an answer of yes or no.
pub(crate) fn check(root: &IdedExpr, vocabulary: &Vocabulary) -> Result<(), Problem> {
    names(root, vocabulary, &mut Vec::new())?;
    if answers(&root.expr) {
        Ok(())
    } else {
        Err(Problem::new("is never true or false; compare it with something"))
    }
}

/// Counts the levels of an expression; a sum has as many as terms.
pub(crate) fn depth(root: &IdedExpr) -> usize {
    // Not recursive, because it guards against what recursion cannot bear.
    let mut deepest = 0;
    let mut left = vec![(root, 1)];
    while let Some((next, depth)) = left.pop() {
        deepest = deepest.max(depth);
        left.extend(parts(&next.expr).into_iter().map(|part| (part, depth + 1)));
    }
    deepest
}

/// Finds the first name that nobody knows; `own` are those of the loops around.
fn names<'e>(
    root: &'e IdedExpr,
    vocabulary: &Vocabulary,
    own: &mut Vec<&'e str>,
) -> Result<(), Problem> {
    match &root.expr {
        Expr::Ident(name) if !own.contains(&name.as_str()) && !is_type(name) => {
            if !vocabulary.has_variable(name) {
                return Err(unknown("name", name, vocabulary.variables()));
            }
        }
        Expr::Call(call) if is_word(&call.func_name) => {
            if !vocabulary.has_function(&call.func_name) {
                return Err(unknown("function", &call.func_name, vocabulary.functions()));
            }
        }
        Expr::Struct(made) => {
            return Err(Problem::new(format!("there is no type `{}` here", made.type_name)));
        }
        Expr::Comprehension(each) => {
            names(&each.iter_range, vocabulary, own)?;
            names(&each.accu_init, vocabulary, own)?;
            let outer = own.len();
            own.extend([each.iter_var.as_str(), each.accu_var.as_str()]);
            own.extend(each.iter_var2.as_deref());
            for part in [&each.loop_cond, &each.loop_step, &each.result] {
                names(part, vocabulary, own)?;
            }
            own.truncate(outer);
            return Ok(());
        }
        Expr::Unspecified
        | Expr::Ident(_)
        | Expr::Call(_)
        | Expr::List(_)
        | Expr::Literal(_)
        | Expr::Map(_)
        | Expr::Select(_) => {}
    }
    parts(&root.expr).into_iter().try_for_each(|part| names(part, vocabulary, own))
}

/// Tells a function's name from an operator's, which is made of `_`, `@` and signs.
fn is_word(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic())
}

/// Tells whether a name is that of a type, as in `type(x) == string`.
fn is_type(name: &str) -> bool {
    matches!(
        name,
        "bool"
            | "bytes"
            | "double"
            | "int"
            | "list"
            | "map"
            | "null_type"
            | "string"
            | "type"
            | "uint"
    )
}

/// Tells whether an expression can be true or false, as far as its form shows.
fn answers(expression: &Expr) -> bool {
    match expression {
        Expr::Unspecified | Expr::List(_) | Expr::Map(_) | Expr::Struct(_) => false,
        Expr::Literal(literal) => matches!(literal, cel::common::ast::LiteralValue::Boolean(_)),
        Expr::Call(call) => !matches!(
            call.func_name.as_str(),
            "_+_"
                | "_-_"
                | "_*_"
                | "_/_"
                | "_%_"
                | "-_"
                | "size"
                | "int"
                | "uint"
                | "double"
                | "string"
                | "bytes"
                | "semver"
                | "type"
        ),
        Expr::Comprehension(each) => !matches!(each.accu_init.expr, Expr::List(_)),
        Expr::Ident(_) | Expr::Select(_) => true,
    }
}

fn unknown<'n>(what: &str, name: &str, known: impl Iterator<Item = &'n str>) -> Problem {
    let near = known
        .map(|known| (distance(name, known), known))
        .filter(|(distance, known)| *distance <= 1 + known.len() / 4)
        .min();
    match near {
        Some((_, near)) => Problem::new(format!("unknown {what} `{name}`; did you mean `{near}`?")),
        None => Problem::new(format!("unknown {what} `{name}`")),
    }
}

/// Counts the letters that must be changed, added or removed.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, left) in one.chars().enumerate() {
        let mut before = line;
        let mut last = line + 1;
        let mut next = vec![last];
        for (right, above) in other.iter().zip(row.iter().skip(1)) {
            last = (before + usize::from(left != *right)).min(above + 1).min(last + 1);
            before = *above;
            next.push(last);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}
