//! `printery-workers demo`: the whole fleet at work on this machine, in half a minute.
//!
//! Starts a private Redis, a few small real services and the fleet itself, lets one deployment flow
//! through them and shows what was found. Whatever it starts it ends, whichever way it ends.

mod fleet;
mod fleet_file;
mod hook;
mod redis;
mod scene;
mod services;
mod verdicts;

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use printery_harness::args::CommonArgs;
use printery_harness::exit;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::deploy::made_up_id;
use crate::cli::deploy::plan::{Gate, Plan, Reality};
use crate::cli::deploy::rollout::{Audience, Ended, Rollout};
use crate::cli::deploy::timeline::Timeline;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, Tone};
use crate::cli::sighting::Sighting;
use crate::cli::target::{Target, conclude};
use crate::demo::scene::Scene;
use crate::demo::services::Fault;
use crate::demo::verdicts::{Judged, judge};

/// The version that is deployed.
const VERSION: &str = "2.4.0";
/// How long each stage takes. 400 ms: long enough to be seen.
const PACE: Duration = Duration::from_millis(400);
/// How long to wait for a verdict; the windows of the demo take a second. 30 s.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long the last notifications may take. 5 s.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// The stage before which a service turns bad: half-way.
const BREAK_BEFORE: usize = 1;

/// How the demo goes.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Let one of the services turn bad half-way; the demo succeeds when the fleet finds it
    #[arg(long = "break")]
    breaks: bool,
    /// Leave everything running afterwards, until Ctrl-C
    #[arg(long)]
    keep: bool,
    /// How many services to deploy
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=8))]
    services: u8,
}

/// Shows the fleet at work.
pub(crate) fn demo(common: &CommonArgs, args: &DemoArgs) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let played = match runtime {
        Ok(runtime) => runtime.block_on(play(common, args)),
        Err(error) => Err(Failure::failed(format!("cannot start the runtime: {error}"))),
    };
    match played {
        Ok(()) => exit::code(exit::DONE),
        Err(failure) => conclude(&failure),
    }
}

/// Shows everything, and clears away whatever was started.
async fn play(common: &CommonArgs, args: &DemoArgs) -> Result<(), Failure> {
    let mut signals = Signals::try_new()?;
    let mut scene = Scene::try_new()?;
    let shown = tokio::select! {
        shown = show(&mut scene, common, args) => shown,
        () = signals.any() => Err(Failure::failed("interrupted")),
    };
    if args.keep && shown.is_ok() {
        signals.any().await;
    }
    tokio::select! {
        () = scene.clear() => {}
        // Somebody is in a hurry.
        () = signals.any() => scene.kill(),
    }
    shown
}

/// Sets the scene, runs the deployment and tells what was found.
async fn show(scene: &mut Scene, common: &CommonArgs, args: &DemoArgs) -> Result<(), Failure> {
    let mut out = Output::stdout();
    scene.set(common, usize::from(args.services), &mut out).await?;
    let target = scene.target()?;
    let plan = plan(scene, &target);
    out.line("")?;
    let head = format!("deployment {} of {VERSION} to {}", plan.deployment_id, plan.environment);
    out.line(out.colour().paint(Tone::Strong, &head))?;

    let mut rollout = Rollout::begin(&target, &plan).await?;
    let fault = args.breaks.then(|| scene.fault()).flatten();
    let mut stage = Stage { timeline: Timeline::new(&mut out, &plan), fault: fault.clone() };
    let ended = rollout.run(&mut stage).await?;
    rollout.look_until(LAST_WORDS, &mut stage, |seen| verdicts::is_told(seen, &ended)).await?;
    out.take_live_away()?;

    let received = scene.received();
    out.line("")?;
    out.lines(verdicts::lines(rollout.seen(), &received, out.colour()))?;
    let broken = fault.as_ref().map(Fault::service);
    let judged = judge(rollout.seen(), &received, &ended, broken);
    conclude_story(&mut out, &plan, &ended, &judged)?;
    scene.tell_how_to_look(&mut out, &target, &plan.deployment_id, args.keep).await?;
    match judged {
        Judged::AsExpected(_) => Ok(()),
        Judged::Unexpected(problem) => Err(Failure::failed(problem)),
    }
}

fn plan(scene: &Scene, target: &Target) -> Plan {
    Plan {
        deployment_id: made_up_id(Timestamp::now()),
        version: VERSION.to_owned(),
        environment: "staging".to_owned(),
        services: scene.service_names(),
        stages: target.fleet.stages.clone(),
        fail_stage: None,
        reality: Reality::Real,
        gate: Gate::EveryStage,
        pace: PACE,
        timeout: TIMEOUT,
    }
}

fn conclude_story(
    out: &mut Output,
    plan: &Plan,
    ended: &Ended,
    judged: &Judged,
) -> Result<(), Failure> {
    let (tone, line) = ended.line(&plan.deployment_id);
    out.line("")?;
    out.line(out.colour().paint(tone, &line))?;
    if let Judged::AsExpected(sentence) = judged {
        out.line(out.colour().paint(Tone::Good, sentence))?;
    }
    Ok(())
}

/// Shows the timeline, and breaks a service when its time has come.
struct Stage<'a> {
    timeline: Timeline<'a>,
    fault: Option<Fault>,
}

impl Audience for Stage<'_> {
    fn sees(&mut self, at: Duration, sighting: &Sighting) -> Result<(), Failure> {
        self.timeline.sees(at, sighting)
    }

    fn ticks(&mut self, at: Duration) -> Result<(), Failure> {
        self.timeline.ticks(at)
    }

    fn before_stage(&mut self, at: Duration, index: usize) -> Result<(), Failure> {
        match &self.fault {
            Some(fault) if index == BREAK_BEFORE => {
                fault.happen();
                self.timeline.note(at, Tone::Warn, "turns bad", [fault.service(), services::FAULT])
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// The signals that end the demo.
struct Signals([Signal; 3]);

impl Signals {
    fn try_new() -> Result<Self, Failure> {
        let of = |kind| signal(kind);
        Ok(Self([
            of(SignalKind::interrupt())?,
            of(SignalKind::terminate())?,
            of(SignalKind::hangup())?,
        ]))
    }

    async fn any(&mut self) {
        let Self([interrupt, terminate, hangup]) = self;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
