//! Whether an event is what a silence names.
//!
//! Owns the comparison; pure. The notifier asks for each silence that holds, the command line asks
//! whether what was typed can be one. Never knows how long a silence lasts.

use std::collections::BTreeMap;

use printery_config::Glob;

use crate::facts::Facts;

/// What a silence may name: the words of a route's `match`, and the deployment.
pub const SILENCE_WORDS: [&str; 8] =
    ["event", "result", "environment", "severity", "service", "stage", "label", "deployment"];

/// Tells whether everything that a silence names holds of an event. A word that nobody knows, and
/// a silence that names nothing, silence nothing.
pub fn silences(matches: &BTreeMap<String, String>, facts: &Facts<'_>) -> bool {
    let holds = |(word, pattern): (&String, &String)| {
        let glob = Glob::new(pattern);
        let met = |values: &[&str]| values.iter().any(|value| glob.matches(value));
        match word.as_str() {
            "event" => met(&[facts.event_type]),
            "result" => met(facts.result.as_slice()),
            "environment" => met(facts.environment.as_slice()),
            "severity" => met(&[facts.severity.as_str()]),
            "service" => met(&facts.services),
            "stage" => met(facts.stage.as_slice()),
            "label" => facts.labels.iter().any(|label| glob.matches(label)),
            "deployment" => met(&[facts.deployment_id]),
            _ => false,
        }
    };
    !matches.is_empty() && matches.iter().all(holds)
}

#[cfg(test)]
mod tests {
    use super::silences;
    use crate::facts::Facts;
    use crate::sample;

    #[test]
    fn everything_that_a_silence_names_must_hold() {
        let cases: [(&[(&str, &str)], bool); 9] = [
            (&[("environment", "stag*")], true),
            (&[("environment", "stag*"), ("service", "relay")], true),
            (&[("environment", "stag*"), ("service", "cart")], false),
            (&[("severity", "INFO"), ("event", "deployment:*")], true),
            (&[("deployment", "d-1")], true),
            (&[("deployment", "d-2")], false),
            (&[("stage", "*")], false),
            (&[("colour", "*")], false),
            (&[], false),
        ];
        let event = sample::started();
        for (matches, expected) in cases {
            let owned = matches.iter().map(|(word, glob)| ((*word).to_owned(), (*glob).to_owned()));
            assert_eq!(silences(&owned.collect(), &Facts::of(&event)), expected, "{matches:?}");
        }
    }
}
