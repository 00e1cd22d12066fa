//! `dlq redrive`: another chance, for one dead letter or for many.
//!
//! Many go back at a rate, or in steps whose outcomes are waited for, so that what is still broken
//! shows with few. At most what was there at the beginning is put back.

mod pace;
mod report;
mod run;

use std::time::Duration;

use clap::Args;
use printery_fleet::instances;
use printery_streams::Clock;

use crate::cli::dlq::change::{Agreed, Change, ChangeArgs, end};
use crate::cli::dlq::choice::Chosen;
use crate::cli::failure::Failure;
use crate::cli::interrupt::stoppable;
use crate::cli::target::Target;
use pace::{Rate, Share, Steps};
use report::Report;
use run::{Finish, Plan, Run, Watch};

/// Which dead letters to put back, and how.
#[derive(Debug, Args)]
pub(crate) struct RedriveArgs {
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    /// At most so many in a second, a minute or an hour: 10/s
    #[arg(long, value_name = "N/UNIT")]
    rate: Option<Rate>,
    /// Steps: a number is so many more, a share is until so much of all is back. After each step it
    /// waits until all of it is settled, and goes on only if few failed
    #[arg(long, value_name = "STEP,…")]
    canary: Option<Steps>,
    /// Stop when more of a step than this share fails again [default with --canary: 20%]
    #[arg(long, value_name = "SHARE")]
    max_failures: Option<Share>,
    /// Stop when a step is not settled within this time
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = humantime::parse_duration)]
    settle_within: Duration,
}

/// Puts them back.
pub(crate) async fn redrive(target: &mut Target, args: &RedriveArgs) -> Result<(), Failure> {
    let chosen = args.change.choice.find(target).await?;
    let change = Change {
        action: "dlq redrive",
        done_to: "put back into the inbox",
        detail: args.manner(),
        args: &args.change,
    };
    let Some(agreed) = change.agree(target, &chosen).await? else { return Ok(()) };
    // Only a remark: a letter whose worker does not run is put back all the same.
    let idle = idle(target, &chosen, &agreed.counts).await.unwrap_or_default();
    for worker in idle {
        eprintln!("no {worker} runs: what is put back waits in its inbox until one does");
    }
    let matched = agreed.total();
    let plan = args.plan(matched);
    let mut report = Report::of(matched, plan.watch.is_some());
    let Agreed { begun, interrupt, .. } = agreed;
    let mut run = Run::new(&chosen, &plan, interrupt);
    let done = stoppable(Box::pin(run.all(&mut report, &mut target.out))).await;
    let finish = done.as_ref().ok().copied();
    let outcome = match finish {
        Some(Finish::Complete) => "done",
        Some(Finish::Cancelled) => "cancelled",
        Some(Finish::TooManyFailed | Finish::Unsettled) => "stopped",
        None => "failed",
    };
    end(target, begun, report.put_back(), outcome, &report.summary()).await;
    if args.change.json {
        target.out.json(&report.to_json(outcome))?;
    } else {
        report.tell(target, finish)?;
    }
    let missed = !report.is_whole() || (chosen.is_named() && report.gone > 0);
    match done? {
        Finish::Complete if !missed => Ok(()),
        Finish::Complete | Finish::Cancelled | Finish::TooManyFailed | Finish::Unsettled => {
            Err(Failure::told())
        }
    }
}

impl RedriveArgs {
    /// How it goes about it, for the operator log.
    fn manner(&self) -> String {
        let mut parts = Vec::new();
        if let Some(rate) = self.rate {
            parts.push(format!("one every {:?}", rate.interval));
        }
        if let Some(steps) = &self.canary {
            parts.push(format!("in steps {steps}"));
        }
        if let Some(watch) = self.watch() {
            parts.push(format!("at most {} failures", watch.most_failures));
        }
        parts.join(", ")
    }

    fn plan(&self, total: u64) -> Plan {
        let steps = self.canary.clone().unwrap_or_else(Steps::one);
        Plan { sizes: steps.sizes(total), rate: self.rate, watch: self.watch() }
    }

    /// Outcomes are waited for where somebody asked for something that depends on them.
    fn watch(&self) -> Option<Watch> {
        let asked = self.canary.is_some() || self.max_failures.is_some();
        asked.then(|| Watch {
            most_failures: self.max_failures.unwrap_or(Share::FIFTH),
            within: self.settle_within,
        })
    }
}

/// The workers with letters of which no process lives.
async fn idle(
    target: &mut Target,
    chosen: &Chosen,
    counts: &[u64],
) -> Result<Vec<&'static str>, Failure> {
    let clock = Clock::default();
    clock.read(&mut target.session).await?;
    let now_ms = clock.now_ms();
    let mut running = instances::list(&mut target.session, &target.keys).await?;
    running.retain(|one| one.is_alive(now_ms));
    let with_letters = chosen.sources.iter().zip(counts).filter(|(_, count)| **count > 0);
    let mut idle: Vec<&'static str> = with_letters
        .map(|(source, _)| source.worker.name)
        .filter(|worker| !running.iter().any(|one| one.worker == *worker))
        .collect();
    idle.dedup();
    Ok(idle)
}
