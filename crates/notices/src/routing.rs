//! Which receivers are told about an event.
//!
//! Owns the walk over the fleet file's routes; pure. The handler asks once for each event. Never
//! looks at a receiver.

use printery_config::{Glob, Match, Route};

use crate::facts::Facts;

/// Returns the names of the receivers, each once, in the routes' order.
///
/// The first route that matches decides, unless it says `continue`.
pub fn receivers<'a>(routes: &'a [Route], facts: &Facts<'_>) -> Vec<&'a str> {
    let mut told: Vec<&'a str> = Vec::new();
    for route in routes.iter().filter(|route| holds(&route.matches, facts)) {
        for name in &route.to {
            if !told.contains(&name.as_str()) {
                told.push(name);
            }
        }
        if !route.continues {
            break;
        }
    }
    told
}

/// Tells whether every demand of a route is met. What the event does not say meets no demand.
fn holds(demands: &Match, facts: &Facts<'_>) -> bool {
    let met = |globs: &[Glob], values: &[&str]| {
        globs.is_empty() || globs.iter().any(|glob| values.iter().any(|value| glob.matches(value)))
    };
    met(&demands.event, &[facts.event_type])
        && met(&demands.result, facts.result.as_slice())
        && met(&demands.environment, facts.environment.as_slice())
        && met(&demands.severity, &[facts.severity.as_str()])
        && met(&demands.service, &facts.services)
}

#[cfg(test)]
mod tests {
    use printery_config::Fleet;
    use printery_events::Event;

    use super::receivers;
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
}
