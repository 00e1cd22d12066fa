//! The one sentence that says what a check found.
//!
//! Owns the wording that people read in notifications. The handler calls it with the plan, the
//! answers and the judgement; it never decides anything.

use std::time::Duration;

use printery_config::needs::{Blame, Plan};
use printery_events::payload::DependencyState;

use crate::blast_radius::BlastRadius;
use crate::judge::{Answer, Answers};

/// So many names or causes are written out; the rest is counted.
const WRITTEN_OUT: usize = 5;

/// Says what a check found, in one sentence.
pub(crate) fn summary(
    plan: &Plan,
    answers: &Answers,
    blame: &Blame,
    radius: &BlastRadius,
) -> String {
    let mut parts = vec![found(plan, answers)];
    if !blame.impaired.is_empty() {
        let impaired = blame.impaired.iter().map(|(name, by)| format!("{name} (by {by})"));
        parts.push(format!("impaired: {}", listed(impaired)));
    }
    for (cause, others) in radius.iter() {
        let others = others.iter().cloned();
        parts.push(format!("{cause} also carries {}", listed(others)));
    }
    let skipped = answers.iter().filter_map(|(name, answer)| match answer {
        Answer::Skipped(why) => Some(format!("{name} ({why})")),
        Answer::Asked { .. } => None,
    });
    let skipped: Vec<String> = skipped.collect();
    if !skipped.is_empty() {
        parts.push(format!("not asked: {}", listed(skipped.into_iter())));
    }
    if !plan.unknown.is_empty() {
        parts.push(format!("not in the fleet file: {}", listed(plan.unknown.iter().cloned())));
    }
    parts.join("; ")
}

fn found(plan: &Plan, answers: &Answers) -> String {
    if plan.edges.is_empty() {
        return match plan.services.as_slice() {
            [] => "no dependency was checked, because no service of the event is known".to_owned(),
            services => format!(
                "no dependency is configured for {}, nothing was checked",
                listed(services.iter().cloned())
            ),
        };
    }
    let mut asked = 0_usize;
    let mut down = Vec::new();
    let mut degraded = Vec::new();
    for (name, answer) in answers {
        let Answer::Asked { state, took, error, .. } = answer else { continue };
        asked += 1;
        match state {
            DependencyState::Healthy => {}
            DependencyState::Degraded => degraded.push(format!("{name} ({})", time(*took))),
            DependencyState::Unhealthy => {
                let error = error.as_deref().unwrap_or("no answer");
                down.push(format!("{name} ({error})"));
            }
        }
    }
    let of = dependencies(asked);
    match (down.len(), degraded.len()) {
        (0, 0) if asked == 0 => "no dependency could be asked".to_owned(),
        (0, 0) if asked == 1 => "the 1 dependency is healthy".to_owned(),
        (0, 0) => format!("all {of} are healthy"),
        (0, some) => format!("{some} of {of} degraded: {}", listed(degraded.into_iter())),
        (some, 0) => format!("{some} of {of} down: {}", listed(down.into_iter())),
        (some, _) => format!(
            "{some} of {of} down: {}; degraded: {}",
            listed(down.into_iter()),
            listed(degraded.into_iter())
        ),
    }
}

fn dependencies(count: usize) -> String {
    if count == 1 { "1 dependency".to_owned() } else { format!("{count} dependencies") }
}

fn listed(names: impl Iterator<Item = String>) -> String {
    let names: Vec<String> = names.collect();
    let (written, rest) = names.split_at(names.len().min(WRITTEN_OUT));
    let written = written.join(", ");
    if rest.is_empty() { written } else { format!("{written} and {} more", rest.len()) }
}

/// Returns a time as people say it: `12 ms`, `1.42 s`.
fn time(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{:.2} s", time.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::judge;
    use crate::judge::tests::{answers, plan};

    #[test]
    fn one_sentence_says_what_was_found() {
        let cases = [
            ("api", "api>db", "", "the 1 dependency is healthy"),
            ("api", "api>db api>cache", "", "all 2 dependencies are healthy"),
            ("docs", "", "", "no dependency is configured for docs, nothing was checked"),
            ("", "", "", "no dependency was checked, because no service of the event is known"),
            ("api", "api>db", "db:slow", "1 of 1 dependency degraded: db (1.42 s)"),
            (
                "web",
                "web>api api>db",
                "db:down",
                "1 of 2 dependencies down: db (connection refused); impaired: api (by db), web (by db)",
            ),
            (
                "api",
                "api>db api>cdn?",
                "db:down cdn:slow",
                "1 of 2 dependencies down: db (connection refused); degraded: cdn (1.42 s); impaired: api (by db)",
            ),
            (
                "api",
                "api>db",
                "db:skip",
                "no dependency could be asked; not asked: db (it has no address)",
            ),
        ];
        for (services, edges, states, expected) in cases {
            let plan = plan(services, edges);
            let answers = answers(&plan, states);
            let judgement = judge(&plan, &answers);
            assert_eq!(
                summary(&plan, &answers, &judgement.blame, &BlastRadius::default()),
                expected
            );
        }
    }

    #[test]
    fn unknown_services_are_named() {
        let plan = Plan { unknown: vec!["ghost".to_owned()], ..plan("api", "api>db") };
        let answers = answers(&plan, "");
        let sentence = summary(&plan, &answers, &Blame::default(), &BlastRadius::default());
        assert_eq!(sentence, "the 1 dependency is healthy; not in the fleet file: ghost");
    }

    #[test]
    fn a_long_list_is_cut_and_counted() {
        let edges: Vec<String> = (1..=8).map(|n| format!("api>d{n}")).collect();
        let plan = plan("api", &edges.join(" "));
        let states: Vec<String> = (1..=8).map(|n| format!("d{n}:slow")).collect();
        let answers = answers(&plan, &states.join(" "));
        let sentence = summary(&plan, &answers, &Blame::default(), &BlastRadius::default());
        assert!(sentence.starts_with("8 of 8 dependencies degraded: d1 (1.42 s), "), "{sentence}");
        assert!(sentence.ends_with(" and 3 more"), "{sentence}");
    }
}
