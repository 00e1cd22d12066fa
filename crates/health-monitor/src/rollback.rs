//! Whether an unhealthy deployment is asked to go back.
//!
//! Owns the switch and its conditions. The handler calls it with the finished verdict; it never
//! publishes and never rolls anything back itself.

use printery_config::RollbackMode;
use printery_events::payload::RollbackInitiated;

use crate::request::{Phase, Request};
use crate::verdict::Standing;

/// What stands for the version to return to when no event named it.
const UNKNOWN_VERSION: &str = "unknown";

/// Who asks, in the event.
const REQUESTED_BY: &str = "health-monitor";

/// What follows from a verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Advice {
    /// Nothing.
    Stay,
    /// A person is told that going back is advised.
    Suggest,
    /// Going back is asked for.
    Request,
}

/// Decides what follows from a verdict.
///
/// `modes`: those of the services that are unhealthy; the boldest of them decides. A baseline has
/// nothing to go back from, and a dry run asks for nothing.
pub(crate) fn advise(
    phase: &Phase,
    overall: Standing,
    dry_run: DryRun,
    modes: impl IntoIterator<Item = RollbackMode>,
) -> Advice {
    let Phase::PostStage(_) = phase else { return Advice::Stay };
    if overall != Standing::Unhealthy {
        return Advice::Stay;
    }
    let bold = |mode| match mode {
        RollbackMode::Off => 0,
        RollbackMode::Suggest => 1,
        RollbackMode::Auto => 2,
    };
    match modes.into_iter().max_by_key(|mode| bold(*mode)) {
        None | Some(RollbackMode::Off) => Advice::Stay,
        Some(RollbackMode::Suggest) => Advice::Suggest,
        Some(RollbackMode::Auto) => match dry_run {
            DryRun::Yes => Advice::Suggest,
            DryRun::No => Advice::Request,
        },
    }
}

/// Whether everything outside the fleet is to be left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DryRun {
    /// Checks run, nothing is asked for.
    Yes,
    /// It is meant.
    No,
}

/// Returns the event that asks to go back, with the verdict's sentence as its reason.
pub(crate) fn initiated(request: &Request, reason: &str) -> RollbackInitiated {
    RollbackInitiated {
        deployment_id: request.deployment_id.clone(),
        previous_version: UNKNOWN_VERSION.to_owned(),
        reason: reason.to_owned(),
        stages_to_rollback: request.phase.stage().map(ToOwned::to_owned).into_iter().collect(),
        requested_by: Some(REQUESTED_BY.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn going_back_is_asked_for_only_behind_the_switch() {
        use RollbackMode::{Auto, Off, Suggest};
        let stage = || Phase::PostStage(Some("vercel".to_owned()));
        let cases = [
            (stage(), Standing::Unhealthy, DryRun::No, vec![Auto], Advice::Request),
            (stage(), Standing::Unhealthy, DryRun::No, vec![Off, Auto], Advice::Request),
            (stage(), Standing::Unhealthy, DryRun::No, vec![Suggest], Advice::Suggest),
            (stage(), Standing::Unhealthy, DryRun::No, vec![Off], Advice::Stay),
            (stage(), Standing::Unhealthy, DryRun::No, vec![], Advice::Stay),
            (stage(), Standing::Unhealthy, DryRun::Yes, vec![Auto], Advice::Suggest),
            (stage(), Standing::Degraded, DryRun::No, vec![Auto], Advice::Stay),
            (stage(), Standing::Inconclusive, DryRun::No, vec![Auto], Advice::Stay),
            (stage(), Standing::Healthy, DryRun::No, vec![Auto], Advice::Stay),
            (Phase::Baseline, Standing::Unhealthy, DryRun::No, vec![Auto], Advice::Stay),
            (Phase::PostStage(None), Standing::Unhealthy, DryRun::No, vec![Auto], Advice::Request),
        ];
        for (phase, overall, dry_run, modes, expected) in cases {
            let advice = advise(&phase, overall, dry_run, modes.clone());
            assert_eq!(advice, expected, "{phase:?} {overall:?} {dry_run:?} {modes:?}");
        }
    }
}
