//! Several events as one message.
//!
//! Owns what leads and what else is said; pure. The notifier gathers, the receivers render what
//! this makes like any other facts. Never leaves an event out.

use printery_events::payload::NotificationSeverity as Severity;

use crate::facts::Facts;
use crate::render;

/// Makes one message of several events, oldest first: what is most urgent leads, the latest of
/// equals; the others follow in a line each. None of none.
pub fn gathered<'a>(all: &[Facts<'a>]) -> Option<Facts<'a>> {
    let (place, lead) = all.iter().enumerate().max_by_key(|(_, facts)| urgency(facts.severity))?;
    let others = all.iter().enumerate().filter(|(other, _)| *other != place);
    let also = others.map(|(_, facts)| line(facts)).collect();
    Some(Facts { also, ..lead.clone() })
}

/// Returns everything a message says that people would notice, to tell whether two say the same.
pub fn words(facts: &Facts<'_>) -> String {
    let mut words = vec![render::title(facts)];
    words.extend(render::lines(facts));
    // Two runs never take equally long.
    let details = render::details(facts).into_iter().filter(|(name, _)| *name != "Duration");
    words.extend(details.map(|(name, value)| format!("{name}: {value}")));
    words.join("\n")
}

fn line(facts: &Facts<'_>) -> String {
    let title = render::title(facts);
    match facts.sentence {
        Some(sentence) => format!("{title}. {sentence}"),
        None => title,
    }
}

fn urgency(severity: Severity) -> u8 {
    match severity {
        Severity::Info => 0,
        Severity::Success => 1,
        Severity::Warning => 2,
        Severity::Critical => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::{gathered, words};
    use crate::facts::Facts;
    use crate::sample;

    #[test]
    fn what_is_most_urgent_leads_and_nothing_is_left_out() {
        let events = [
            sample::started(),
            sample::validation("FAILED"),
            sample::failed(),
            sample::rollback_completed("success"),
        ];
        let all: Vec<Facts<'_>> = events.iter().map(Facts::of).collect();
        let one = gathered(&all).unwrap();
        assert_eq!(one.headline, "deployment failed", "the latest of two that are critical");
        let expected = [
            "ℹ️ d-1: deployment started",
            "🔴 d-1: validation FAILED. 1 of 2 checks failed",
            "⚠️ d-1: rollback success",
        ];
        assert_eq!(one.also, expected);
        assert!(gathered(&[]).is_none());
        let alone = Facts::of(&events[0]);
        assert_eq!(gathered(std::slice::from_ref(&alone)), Some(alone));
    }

    #[test]
    fn the_same_words_are_the_same_whatever_the_event_s_id_and_time() {
        let first = sample::health("UNHEALTHY");
        let mut second = first.clone();
        second.id = "e-2".to_owned();
        assert_eq!(words(&Facts::of(&first)), words(&Facts::of(&second)));
        assert_ne!(words(&Facts::of(&first)), words(&Facts::of(&sample::health("HEALTHY"))));
        let event = sample::started();
        let noted = Facts { also: vec!["more".to_owned()], ..Facts::of(&event) };
        assert_ne!(words(&Facts::of(&event)), words(&noted));
    }
}
