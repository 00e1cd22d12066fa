//! `semver(text)`: versions that compare as versions do.
//!
//! Conditions call it; its values can be compared with each other and with nothing else. It reads a version leniently
//! (`v1.2` is `1.2.0`) and never guesses at what is not one.

use std::any::Any;
use std::cmp::Ordering;

use cel::common::traits::Comparer;
use cel::common::types::{CelString, Type};
use cel::common::value::{CowVal, StaticVal, Val};
use cel::{ExecutionError, FunctionContext};
use semver::Version;

static SEMVER: Type = Type::new_unspecified_type("semver");

/// Holds a version as a value of the evaluation; build metadata does not count.
#[derive(Clone, Debug)]
struct Semver(Version);

impl Val for Semver {
    fn get_type(&self) -> &Type {
        &SEMVER
    }

    fn cel_type() -> &'static Type {
        &SEMVER
    }

    fn as_comparer(&self) -> Option<&dyn Comparer> {
        Some(self)
    }

    fn equals(&self, other: &dyn Val) -> bool {
        other
            .downcast_ref::<Self>()
            .is_some_and(|other| self.0.cmp_precedence(&other.0) == Ordering::Equal)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Semver {}

impl Comparer for Semver {
    fn compare(&self, other: &dyn Val) -> Result<Ordering, ExecutionError> {
        match other.downcast_ref::<Self>() {
            Some(other) => Ok(self.0.cmp_precedence(&other.0)),
            None => Err(ExecutionError::function_error(
                "semver",
                "a version compares with a version only; write semver(…) on both sides",
            )),
        }
    }
}

/// Is `semver(text)`.
pub(crate) fn semver<'c, 'v>(
    call: &FunctionContext<'c, 'v>,
) -> Result<CowVal<'c, 'v>, ExecutionError> {
    let [text] = call.args.as_slice() else {
        return Err(call.error("takes one text"));
    };
    let Some(text) = text.downcast_ref::<CelString>() else {
        return Err(call.error("takes a text"));
    };
    let version = read(text.inner()).ok_or_else(|| {
        let shown: String = text.inner().chars().take(64).collect();
        call.error(format!("`{shown}` is no version such as `1.4.2`"))
    })?;
    Ok(CowVal::owned(Semver(version)))
}

/// Reads a version, also one with a `v` before it or with fewer than three numbers.
fn read(text: &str) -> Option<Version> {
    let text = text.trim();
    let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
    let end = text.find(['-', '+']).unwrap_or(text.len());
    let (numbers, rest) = text.split_at_checked(end)?;
    let missing = 2_usize.checked_sub(numbers.matches('.').count())?;
    Version::parse(&format!("{numbers}{}{rest}", ".0".repeat(missing))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_leniently_and_nothing_else_is() {
        for (text, version) in [
            ("1.2.3", "1.2.3"),
            ("v1.2", "1.2.0"),
            ("2", "2.0.0"),
            (" 1.0-rc.1+b7 ", "1.0.0-rc.1+b7"),
        ] {
            assert_eq!(read(text).map(|version| version.to_string()).as_deref(), Some(version));
        }
        for text in ["", "v", "latest", "1.2.3.4", "1.02.3", "é"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
