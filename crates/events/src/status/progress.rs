//! Owns how far each event carries a deployment, in percent.
//! The record takes the greatest of them, so that progress only grows.
//!
//! Source: contract §7.

use crate::kinds::Payload;
use crate::topology::DEFAULT_STAGES;

/// When the deployment began.
const BEGUN: u8 = 10;
/// When its first stage begins, and when its last one is done.
const STAGES: (usize, usize) = (20, 85);
/// When it is over, however.
const OVER: u8 = 100;
/// Beginning and end of each default stage; they are not evenly spread.
const DEFAULTS: [(u8, u8); 3] = [(20, 35), (40, 65), (75, 85)];

/// How far an event carries its deployment; 0 for one that carries it nowhere.
pub(super) fn of_payload(payload: &Payload, stages: &[String]) -> u8 {
    match payload {
        Payload::DeploymentStarted(_) => BEGUN,
        Payload::StageStarted(data) => of_stage(&data.stage, stages).map_or(0, |(begun, _)| begun),
        Payload::StageCompleted(data) => of_stage(&data.stage, stages).map_or(0, |(_, done)| done),
        Payload::DeploymentCompleted(_)
        | Payload::DeploymentFailed(_)
        | Payload::RollbackCompleted(_) => OVER,
        Payload::RollbackInitiated(_)
        | Payload::ValidationStarted(_)
        | Payload::ValidationCompleted(_)
        | Payload::DependencyCheckStarted(_)
        | Payload::DependencyCheckCompleted(_)
        | Payload::HealthCheckStarted(_)
        | Payload::HealthCheckCompleted(_)
        | Payload::NotificationSent(_)
        | Payload::NotificationFailed(_) => 0,
    }
}

/// Beginning and end of a stage; none for one that the fleet does not have.
fn of_stage(stage: &str, stages: &[String]) -> Option<(u8, u8)> {
    let index = stages.iter().position(|one| one == stage)?;
    if stages == DEFAULT_STAGES {
        return DEFAULTS.get(index).copied();
    }
    let (first, last) = STAGES;
    // Two points for each stage, the first at its lowest and the last at its highest.
    let steps = stages.len() * 2 - 1;
    let at = |step: usize| u8::try_from(first + (last - first) * step / steps).ok();
    Some((at(index * 2)?, at(index * 2 + 1)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(stages: &[&str]) -> Vec<u8> {
        let stages: Vec<String> = stages.iter().map(|stage| (*stage).to_owned()).collect();
        let both = stages.iter().flat_map(|stage| {
            let (begun, done) = of_stage(stage, &stages).unwrap();
            [begun, done]
        });
        both.collect()
    }

    #[test]
    fn the_default_stages_have_the_contract_s_percentages() {
        assert_eq!(all(&DEFAULT_STAGES), [20, 35, 40, 65, 75, 85]);
    }

    #[test]
    fn other_stages_are_spread_evenly_between_20_and_85() {
        assert_eq!(all(&["only"]), [20, 85]);
        assert_eq!(all(&["a", "b"]), [20, 41, 63, 85]);
        assert_eq!(of_stage("c", &["a".to_owned()]), None);
        let many: Vec<String> = (0..50).map(|n| format!("s{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(all(&many).is_sorted() && all(&many).ends_with(&[85]));
    }
}
