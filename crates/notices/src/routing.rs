//! Which receivers are told about an event.
//!
//! Owns the walk over the fleet file's routes; pure. The handler asks once for each event. Never
//! looks at a receiver.

use jiff::Timestamp;
use printery_config::{Escalate, Fleet, Glob, Match, Route};

use crate::facts::Facts;

/// Who is told, and who would be were it not for a window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routing<'a> {
    /// The receivers that are told, each once, in the routes' order.
    pub told: Vec<&'a str>,
    /// The receivers that only muted routes name, and the window that mutes them.
    pub muted: Vec<(&'a str, &'a str)>,
    /// The routes that matched, by their place in the file, from 0.
    pub matched: Vec<usize>,
    /// Those of them that tell others when nobody does anything, and are not muted.
    pub escalating: Vec<&'a Escalate>,
    /// Conditions that could not be judged, with the route's place; such a route does not match.
    pub unclear: Vec<(usize, String)>,
}

/// Returns the names of the receivers, each once, in the routes' order, at a moment at which no
/// window is open.
///
/// The first route that matches decides, unless it says `continue`.
pub fn receivers<'a>(routes: &'a [Route], facts: &Facts<'_>) -> Vec<&'a str> {
    walk(routes, facts, |_| false).told
}

/// Walks the routes at a moment.
///
/// A route whose window is open still decides: what it would tell is told nobody.
pub fn route<'a>(fleet: &'a Fleet, facts: &Facts<'_>, now: Timestamp) -> Routing<'a> {
    walk(&fleet.routes, facts, |name| {
        fleet.windows.get(name).is_some_and(|window| window.holds(now))
    })
}

fn walk<'a>(routes: &'a [Route], facts: &Facts<'_>, is_open: impl Fn(&str) -> bool) -> Routing<'a> {
    let mut routing = Routing::default();
    for (place, route) in routes.iter().enumerate() {
        if !holds(&route.matches, facts) {
            continue;
        }
        if let Some(when) = &route.when {
            match when.holds(&facts.variables()) {
                Ok(true) => {}
                Ok(false) => continue,
                Err(why) => {
                    routing.unclear.push((place, why.to_string()));
                    continue;
                }
            }
        }
        routing.matched.push(place);
        let muting = route.mute.iter().find(|name| is_open(name));
        routing.escalating.extend(route.escalate.iter().filter(|_| muting.is_none()));
        for name in &route.to {
            match muting {
                Some(window) => routing.muted.push((name, window)),
                None if !routing.told.contains(&name.as_str()) => routing.told.push(name),
                None => {}
            }
        }
        if !route.continues {
            break;
        }
    }
    let Routing { told, muted, .. } = &mut routing;
    muted.retain(|(name, _)| !told.contains(name));
    routing
}

/// Tells whether every demand of a route is met. What the event does not say meets no demand.
fn holds(demands: &Match, facts: &Facts<'_>) -> bool {
    let met = |globs: &[Glob], values: &[&str]| {
        globs.is_empty() || globs.iter().any(|glob| values.iter().any(|value| glob.matches(value)))
    };
    let labels: Vec<&str> = facts.labels.iter().map(String::as_str).collect();
    met(&demands.event, &[facts.event_type])
        && met(&demands.result, facts.result.as_slice())
        && met(&demands.environment, facts.environment.as_slice())
        && met(&demands.severity, &[facts.severity.as_str()])
        && met(&demands.service, &facts.services)
        && met(&demands.stage, facts.stage.as_slice())
        && met(&demands.labels, &labels)
}

#[cfg(test)]
mod tests {
    use printery_config::Fleet;
    use printery_events::Event;

    use super::{Routing, receivers, route};
    use crate::facts::Facts;
    use crate::sample;

    const FILE: &str = r#"
receivers: { a: log, b: log, c: log, d: log, e: log }
routes:
  - { match: { event: "rollback:*" }, to: [a, b], continue: true }
  - { match: { result: [FAILED, failure], environment: "prod*" }, to: [c] }
  - { match: { severity: [critical], service: api }, to: [d] }
  - { match: { event: "deployment:stage:*:completed", result: success }, to: [] }
  - { to: [a, e] }
"#;

    #[test]
    fn the_first_matching_route_decides_unless_it_continues() {
        let fleet = Fleet::parse("f", FILE, &|_| None).unwrap();
        let cases: [(&str, Event, &[&str]); 7] = [
            ("a rollback continues", sample::rollback_initiated(), &["a", "b", "e"]),
            ("a failure in production", sample::completed("failure"), &["c"]),
            ("a success in production", sample::completed("success"), &["a", "e"]),
            ("critical, of a service", sample::validation("FAILED"), &["d"]),
            ("critical, of no service", sample::failed(), &["a", "e"]),
            ("a silenced success", sample::stage("success"), &[]),
            ("no environment, no match", sample::stage("failure"), &["a", "e"]),
        ];
        for (name, event, expected) in cases {
            assert_eq!(receivers(&fleet.routes, &Facts::of(&event)), expected, "{name}");
        }
    }

    #[test]
    fn the_built_in_profile_mails_only_what_is_critical() {
        let set = |name: &str| {
            let value = match name {
                "ONCALL_EMAIL" => "oncall@shop.example, second@shop.example",
                "TEAM_EMAIL" => "team@shop.example",
                "SMTP_URL" => "smtps://mail.shop.example",
                _ => return None,
            };
            Some(value.to_owned())
        };
        let fleet = Fleet::load(None, &set).unwrap();
        let cases: [(Event, &[&str]); 7] = [
            (sample::started(), &["deployments"]),
            (sample::completed("success"), &["deployments"]),
            (sample::failed(), &["critical", "oncall"]),
            (sample::rollback_initiated(), &["critical", "team"]),
            (sample::rollback_completed("success"), &["critical"]),
            (sample::rollback_completed("failure"), &["critical", "oncall"]),
            (sample::health("UNHEALTHY"), &["critical"]),
        ];
        for (event, expected) in cases {
            assert_eq!(receivers(&fleet.routes, &Facts::of(&event)), expected, "{event:?}");
        }
    }

    #[test]
    fn the_built_in_profile_tells_the_critical_channel_what_is_critical() {
        let fleet = Fleet::load(None, &|_| None).unwrap();
        let cases = [
            (sample::started(), "deployments"),
            (sample::stage("failure"), "deployments"),
            (sample::completed("success"), "deployments"),
            (sample::failed(), "critical"),
            (sample::rollback_completed("success"), "critical"),
            (sample::health("UNHEALTHY"), "critical"),
            (sample::health("HEALTHY"), "deployments"),
        ];
        for (event, expected) in cases {
            let told = receivers(&fleet.routes, &Facts::of(&event));
            assert_eq!(told, [expected], "{}", event.event_type);
        }
    }

    const CONDITIONS: &str = r#"
windows: { nights: { zone: Europe/Berlin, times: [{ from: "22:00", to: "07:00" }] } }
receivers: { pager: log, chat: log, mail: log }
routes:
  - { when: 'severity == "critical" && environment.startsWith("prod")', to: [pager], continue: true }
  - { match: { stage: "rail*" }, when: 'result == "failure"', to: [mail, chat] }
  - { when: '"hotfix" in labels || services.exists(s, s == "relay")', to: [chat], mute: [nights] }
  - { match: { labels: "rele*" }, to: [mail] }
  - { to: [chat], mute: nights }
"#;

    #[test]
    fn conditions_see_every_fact_and_windows_mute() {
        let fleet = Fleet::parse("f", CONDITIONS, &|_| None).unwrap();
        let day = "2026-11-20T12:00:00+01:00".parse().unwrap();
        let night = "2026-11-20T23:30:00+01:00".parse().unwrap();
        let told = |event: &Event, now| route(&fleet, &Facts::of(event), now);
        let names = |told: &[&'static str], muted: &[&'static str], matched: &[usize]| Routing {
            told: told.to_vec(),
            muted: muted.iter().map(|name| (*name, "nights")).collect(),
            matched: matched.to_vec(),
            escalating: Vec::new(),
            unclear: Vec::new(),
        };
        let failure = sample::completed("failure");
        assert_eq!(told(&failure, day), names(&["pager", "chat"], &[], &[0, 4]));
        assert_eq!(told(&failure, night), names(&["pager"], &["chat"], &[0, 4]));
        assert_eq!(told(&sample::stage("failure"), night), names(&["mail", "chat"], &[], &[1]));
        assert_eq!(told(&sample::started(), night), names(&[], &["chat"], &[2]));
        assert_eq!(told(&sample::stage("success"), day), names(&["chat"], &[], &[4]));
        let labelled = sample::event(
            "deployment:started",
            &serde_json::json!({ "deployment_id": "d", "version": "1", "environment": "x",
                "services": ["a"], "labels": ["release"] }),
        );
        assert_eq!(told(&labelled, day), names(&["mail"], &[], &[3]));
    }

    #[test]
    fn whatever_a_condition_may_name_has_a_value_in_every_event() {
        for event in [sample::started(), sample::failed(), sample::health("HEALTHY")] {
            let variables = Facts::of(&event).variables();
            let variables = variables.as_object().unwrap();
            let named: Vec<&str> = printery_config::ROUTE_VARIABLES.to_vec();
            assert_eq!(variables.len(), named.len());
            for name in named {
                assert!(!variables[name].is_null(), "{name} of {}", event.event_type);
            }
        }
    }

    #[test]
    fn a_condition_that_cannot_be_judged_matches_nothing_and_says_so() {
        let file = "receivers: { a: log, b: log }\n\
                    routes: [{ when: 'labels[3] == version', to: [a] }, { to: [b] }]";
        let fleet = Fleet::parse("f", file, &|_| None).unwrap();
        let event = sample::started();
        let routing = route(&fleet, &Facts::of(&event), jiff::Timestamp::UNIX_EPOCH);
        assert_eq!((routing.told, routing.unclear.len()), (vec!["b"], 1));
    }
}
