//! What is hidden because its cause was told.
//!
//! Owns the comparison of news with causes that were told; pure. The notifier asks before it tells,
//! the command line asks what would be hidden. Never hides good news, nor anything from a receiver
//! that did not hear of the cause.

use std::collections::BTreeSet;

use printery_config::Inhibit;
use printery_events::payload::NotificationSeverity as Severity;
use serde_json::{Value, json};

use crate::facts::{Facts, Kind};

/// Something that was told, and may be the cause of what follows.
#[derive(Clone, Copy, Debug)]
pub struct Cause<'a> {
    /// The event that was told.
    pub event_id: &'a str,
    /// Its deployment.
    pub deployment_id: &'a str,
    /// What conditions may speak of, as [`Facts::variables`] says.
    pub variables: &'a Value,
    /// Who was told.
    pub receivers: &'a [String],
}

/// Why something is hidden, or why that cannot be said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hiding {
    /// One clause; nothing is hidden without.
    pub why: Option<String>,
    /// Conditions that could not be judged, by the rule's place in the file, from 0; such a rule
    /// hides nothing.
    pub unclear: Vec<(usize, String)>,
}

/// Tells whether news is kept in mind as a possible cause: it names root causes, or a rule's
/// `source` holds.
pub fn is_cause(rules: &[Inhibit], facts: &Facts<'_>) -> bool {
    let variables = facts.variables();
    let named = facts.kind == Kind::RootCause;
    named || rules.iter().any(|rule| rule.source.holds(&variables) == Ok(true))
}

/// Tells whether news can be hidden at all: it is new trouble, not the end of one.
pub fn can_be_hidden(facts: &Facts<'_>) -> bool {
    let is_trouble = matches!(facts.severity, Severity::Warning | Severity::Critical);
    is_trouble && !facts.concludes_well()
}

/// Says by which cause news is hidden from a receiver.
pub fn hiding(
    rules: &[Inhibit],
    causes: &[Cause<'_>],
    facts: &Facts<'_>,
    receiver: &str,
) -> Hiding {
    let mut hiding = Hiding::default();
    if !can_be_hidden(facts) {
        return hiding;
    }
    let heard: Vec<&Cause<'_>> = causes
        .iter()
        .filter(|cause| cause.event_id != facts.event_id)
        .filter(|cause| cause.receivers.iter().any(|name| name == receiver))
        .collect();
    let mut variables = facts.variables();
    if let Some(cause) = heard.iter().find(|cause| impairs(cause, facts)) {
        let causes = texts(cause.variables, "root_causes").join(", ");
        hiding.why =
            Some(format!("inhibited by the root cause {causes}, told with {}", cause.event_id));
        if let Some(kind) = variables.get_mut("kind") {
            *kind = json!(Kind::Impaired.as_str());
        }
    }
    for (place, rule) in rules.iter().enumerate() {
        match rule.target.holds(&variables) {
            Ok(true) => {}
            Ok(false) => continue,
            Err(why) => {
                hiding.unclear.push((place, why.to_string()));
                continue;
            }
        }
        let source = |cause: &&&Cause<'_>| {
            let agree = rule.equal.iter().all(|word| agree(cause, facts, &variables, word));
            agree && rule.source.holds(cause.variables) == Ok(true)
        };
        if let Some(cause) = heard.iter().find(source) {
            let why = format!("inhibited by rule {}, told with {}", place + 1, cause.event_id);
            hiding.why.get_or_insert(why);
        }
    }
    hiding
}

/// Tells whether everything that is in trouble here cannot work because of what the cause names.
fn impairs(cause: &Cause<'_>, facts: &Facts<'_>) -> bool {
    let impaired: BTreeSet<&str> = texts(cause.variables, "impaired").into_iter().collect();
    let place = cause.variables.get("environment").and_then(Value::as_str).unwrap_or_default();
    let same_place = facts.environment.is_some_and(|here| here == place && !here.is_empty());
    let related = cause.deployment_id == facts.deployment_id || same_place;
    let troubled = &facts.troubled;
    related && !troubled.is_empty() && troubled.iter().all(|service| impaired.contains(service))
}

/// Tells whether both agree on a word. Of one deployment, what one of them does not say is what the
/// other says.
fn agree(cause: &Cause<'_>, facts: &Facts<'_>, variables: &Value, word: &str) -> bool {
    let (one, other) = (cause.variables.get(word), variables.get(word));
    let silent = |value: Option<&Value>| value.is_none_or(|value| *value == json!(""));
    let related = cause.deployment_id == facts.deployment_id;
    one == other || related && (silent(one) || silent(other))
}

fn texts<'a>(variables: &'a Value, word: &str) -> Vec<&'a str> {
    let list = variables.get(word).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).collect()
}

#[cfg(test)]
mod tests {
    use printery_config::{Fleet, Inhibit};
    use printery_events::Event;
    use serde_json::json;

    use super::{Cause, Hiding, hiding, is_cause};
    use crate::facts::Facts;
    use crate::sample;

    fn rules(text: &str) -> Vec<Inhibit> {
        Fleet::parse("f", &format!("inhibit: {text}"), &|_| None).unwrap().inhibit
    }

    /// A dependency check of this deployment that blames postgres for api and relay.
    fn blames(deployment: &str) -> Event {
        let data = json!({
            "deployment_id": deployment, "phase": "pre-deploy", "services": ["api"],
            "environment": "production", "result": "SOME_DEGRADED", "statuses": [],
            "root_causes": ["postgres"], "duration_ms": 5, "summary": "postgres is down",
            "impaired": [{ "name": "api", "by": "postgres" }, { "name": "relay", "by": "postgres" }],
        });
        Event { id: "cause".to_owned(), ..sample::event("dependency:check:completed", &data) }
    }

    fn health(status: &str, services: &[(&str, &str)]) -> Event {
        let services: Vec<_> = services
            .iter()
            .map(|(service, status)| {
                json!({ "service": service, "status": status, "samples": 3,
                "error_rate": 0.0, "p50_ms": 1.0, "p99_ms": 2.0, "reason": "" })
            })
            .collect();
        let data = json!({
            "deployment_id": "d-1", "phase": "post-stage", "status": status,
            "rollback_requested": false, "services": services, "duration_ms": 1, "summary": "s",
        });
        sample::event("health:check:completed", &data)
    }

    fn asked(rules: &[Inhibit], cause: &Event, told: &[&str], news: &Event, to: &str) -> Hiding {
        let variables = Facts::of(cause).variables();
        let receivers: Vec<String> = told.iter().map(|name| (*name).to_owned()).collect();
        let cause = Cause {
            event_id: &cause.id,
            deployment_id: &cause.subject,
            variables: &variables,
            receivers: &receivers,
        };
        hiding(rules, &[cause], &Facts::of(news), to)
    }

    #[test]
    fn a_root_cause_hides_what_it_impairs_and_nothing_else() {
        let unhealthy = |services| health("UNHEALTHY", services);
        let cases = [
            ("d-1", unhealthy(&[("api", "unhealthy")]), true),
            ("d-1", unhealthy(&[("api", "unhealthy"), ("relay", "degraded")]), true),
            ("d-1", unhealthy(&[("api", "unhealthy"), ("shop", "healthy")]), true),
            ("d-1", unhealthy(&[("api", "unhealthy"), ("shop", "unhealthy")]), false),
            ("d-1", unhealthy(&[]), false),
            ("d-2", unhealthy(&[("api", "unhealthy")]), false),
            ("d-1", health("HEALTHY", &[("api", "degraded")]), false),
            ("d-1", sample::failed(), false),
            ("d-1", sample::rollback_completed("success"), false),
        ];
        for (deployment, news, hidden) in cases {
            let asked = asked(&[], &blames(deployment), &["chat"], &news, "chat");
            assert_eq!(asked.why.is_some(), hidden, "{deployment} {:?}", news.payload);
        }
        let news = unhealthy(&[("api", "unhealthy")]);
        let why = asked(&[], &blames("d-1"), &["chat"], &news, "chat").why.unwrap();
        assert_eq!(why, "inhibited by the root cause postgres, told with cause");
        let elsewhere = asked(&[], &blames("d-1"), &["chat"], &news, "pager");
        assert_eq!(elsewhere, Hiding::default(), "the pager never heard of the cause");
    }

    #[test]
    fn a_rule_hides_its_target_where_both_agree_and_never_the_end_of_trouble() {
        let rule = rules(
            "[{ source: 'kind == \"root_cause\"', target: 'severity == \"critical\"', \
               equal: [environment] }]",
        );
        let failure = sample::completed("failure");
        let other = blames("d-2");
        let why = asked(&rule, &other, &["chat"], &failure, "chat").why;
        assert_eq!(why.unwrap(), "inhibited by rule 1, told with cause");
        // It says no environment, and is of another deployment.
        assert_eq!(asked(&rule, &other, &["chat"], &sample::failed(), "chat").why, None);
        assert!(asked(&rule, &blames("d-1"), &["chat"], &sample::failed(), "chat").why.is_some());
        let everything = rules("[{ source: 'true', target: 'true' }]");
        for end in ["success", "rolled_back"] {
            let end = sample::completed(end);
            assert_eq!(asked(&everything, &other, &["chat"], &end, "chat").why, None);
        }
        assert_eq!(asked(&everything, &other, &["chat"], &other, "chat").why, None, "itself");
        let impaired = rules("[{ source: 'type == \"x\"', target: 'kind == \"impaired\"' }]");
        let news = health("UNHEALTHY", &[("api", "unhealthy")]);
        assert!(asked(&impaired, &blames("d-1"), &["chat"], &news, "chat").why.is_some());
    }

    #[test]
    fn a_rule_that_cannot_be_judged_hides_nothing_and_says_so() {
        let rule = rules("[{ source: 'true', target: 'labels[3] == version' }]");
        let hiding = asked(&rule, &blames("d-1"), &["chat"], &sample::failed(), "chat");
        assert_eq!((hiding.why, hiding.unclear.len()), (None, 1));
    }

    #[test]
    fn causes_are_what_names_root_causes_or_what_a_rule_says() {
        assert!(is_cause(&[], &Facts::of(&blames("d-1"))));
        assert!(!is_cause(&[], &Facts::of(&sample::dependencies("ALL_HEALTHY"))));
        let rule = rules("[{ source: 'stage == \"railway\"', target: 'true' }]");
        assert!(is_cause(&rule, &Facts::of(&sample::stage("failure"))));
        assert!(!is_cause(&rule, &Facts::of(&sample::started())));
    }
}
