//! The names that a condition may use.
//!
//! Whoever knows the variables of a place in the fleet file says so here, and a misspelt one is found when the file is
//! read. It holds names alone, no values.

use std::collections::BTreeSet;

/// What the standard library and this crate define; callers add theirs.
const FUNCTIONS: [&str; 16] = [
    "bool",
    "bytes",
    "contains",
    "double",
    "dyn",
    "endsWith",
    "int",
    "matches",
    "max",
    "min",
    "semver",
    "size",
    "startsWith",
    "string",
    "type",
    "uint",
];

/// Names the variables and the additional functions of a condition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vocabulary {
    variables: Option<BTreeSet<String>>,
    functions: BTreeSet<String>,
}

impl Vocabulary {
    /// Allows any variable.
    pub fn any() -> Self {
        Self::default()
    }

    /// Allows these variables and no others.
    pub fn of<'n>(variables: impl IntoIterator<Item = &'n str>) -> Self {
        let variables = variables.into_iter().map(str::to_owned).collect();
        Self { variables: Some(variables), functions: BTreeSet::new() }
    }

    /// Allows one more function, which the caller brings when it evaluates.
    #[must_use]
    pub fn with_function(mut self, name: &str) -> Self {
        self.functions.insert(name.to_owned());
        self
    }

    pub(crate) fn has_variable(&self, name: &str) -> bool {
        self.variables.as_ref().is_none_or(|variables| variables.contains(name))
    }

    pub(crate) fn has_function(&self, name: &str) -> bool {
        FUNCTIONS.contains(&name) || self.functions.contains(name)
    }

    /// Lists the variables, for a person who misspelt one.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &str> {
        self.variables.iter().flatten().map(String::as_str)
    }

    /// Lists the functions, for a person who misspelt one.
    pub(crate) fn functions(&self) -> impl Iterator<Item = &str> {
        FUNCTIONS.into_iter().chain(self.functions.iter().map(String::as_str))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Condition;

    #[test]
    fn every_listed_function_is_one_that_evaluates() {
        for name in FUNCTIONS {
            let forms = [format!("{name}('1') == {name}('1')"), format!("'1'.{name}('1') == true")];
            let answers = forms.map(|text| {
                Condition::compile(&text)
                    .is_ok_and(|condition| condition.holds(&json!({})) == Ok(true))
            });
            assert!(answers.contains(&true), "{name}");
        }
    }
}
