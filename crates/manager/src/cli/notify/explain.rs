//! `printery-workers notify explain`: who would be told of an event, who would not, and why.
//!
//! Goes by the routes, windows and inhibitions of the fleet file alone: it asks no Redis, so that
//! what was told before is what is typed with `--after`.

use clap::Args;
use jiff::Timestamp;
use printery_config::Fleet;
use printery_events::Event;
use printery_notices::{Cause, Facts, Hiding, Routing, hiding, is_cause, route};
use serde_json::{Value, json};

use super::{EventArgs, event, receiver};
use crate::cli::failure::Failure;
use crate::cli::output::{Output, Tone, clean};

/// Which event, when, and after what.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The event's type, such as deployment:failed
    #[arg(value_name = "TYPE")]
    event_type: String,
    /// The moment, for windows: RFC 3339; now by default
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// The type of an event that was told before, for inhibitions
    #[arg(long, value_name = "TYPE")]
    after: Option<String>,
    /// The data of the one before: JSON, @file, or - for standard input; an example by default
    #[arg(long, value_name = "JSON|@FILE|-", allow_hyphen_values = true, requires = "after")]
    after_data: Option<String>,
    #[command(flatten)]
    event: EventArgs,
}

/// One receiver that a route names.
struct Named<'a> {
    name: &'a str,
    target: String,
    wants: bool,
    hiding: Hiding,
}

impl Named<'_> {
    /// Whether it is told.
    fn is_told(&self) -> bool {
        self.wants && self.hiding.why.is_none()
    }
}

/// Says it.
pub(super) fn explain(fleet: &Fleet, args: &ExplainArgs) -> Result<(), Failure> {
    let event = event(&args.event_type, &args.event)?;
    let before = args.after.as_deref().map(|of| before(of, args)).transpose()?;
    let now = match &args.at {
        None => Timestamp::now(),
        Some(said) => said
            .parse()
            .map_err(|error| Failure::usage(format!("--at {said:?} is no time: {error}")))?,
    };
    let facts = Facts::of(&event);
    let routing = route(fleet, &facts, now);
    let before = before.as_ref().map(|before| told_before(fleet, before, now));
    let mut named = Vec::new();
    for name in &routing.told {
        let one = receiver(fleet, name)?;
        let causes: Vec<Cause<'_>> = before.iter().map(Before::cause).collect();
        let hiding = hiding(&fleet.inhibit, &causes, &facts, name);
        named.push(Named { name, target: one.target(), wants: one.wants(&facts), hiding });
    }
    if args.event.json {
        return Ok(Output::stdout().json(&as_json(fleet, &facts, &routing, &named))?);
    }
    print(fleet, &facts, &routing, &named)
}

/// What was told before.
struct Before {
    event: Event,
    variables: Value,
    receivers: Vec<String>,
}

impl Before {
    fn cause(&self) -> Cause<'_> {
        Cause {
            event_id: &self.event.id,
            deployment_id: self.event.payload.deployment_id(),
            variables: &self.variables,
            receivers: &self.receivers,
        }
    }
}

fn before(event_type: &str, args: &ExplainArgs) -> Result<Event, Failure> {
    let of = EventArgs { data: args.after_data.clone(), json: false };
    let event = event(event_type, &of)?;
    Ok(Event { id: "before".to_owned(), ..event })
}

/// Who was told of it; nobody, where it is the cause of nothing.
fn told_before(fleet: &Fleet, event: &Event, now: Timestamp) -> Before {
    let facts = Facts::of(event);
    let told = route(fleet, &facts, now).told;
    let receivers = if is_cause(&fleet.inhibit, &facts) { told } else { Vec::new() };
    Before {
        event: event.clone(),
        variables: facts.variables(),
        receivers: receivers.into_iter().map(str::to_owned).collect(),
    }
}

fn as_json(fleet: &Fleet, facts: &Facts<'_>, routing: &Routing<'_>, named: &[Named<'_>]) -> Value {
    let told: Vec<Value> = named
        .iter()
        .map(|one| {
            json!({ "receiver": one.name, "target": one.target, "wants": one.wants,
                    "inhibited": one.hiding.why })
        })
        .collect();
    let muted: Vec<Value> = routing
        .muted
        .iter()
        .map(|(name, window)| json!({ "receiver": name, "window": window }))
        .collect();
    let unclear = |(place, why): &(usize, String)| json!({ "route": place + 1, "why": why });
    json!({
        "type": facts.event_type,
        "severity": facts.severity.as_str(),
        "variables": facts.variables(),
        "routes": routing.matched.iter().map(|place| place + 1).collect::<Vec<_>>(),
        "unclear": routing.unclear.iter().map(unclear).collect::<Vec<_>>(),
        "told": told,
        "muted": muted,
        "escalates": routing.escalating,
        "fallback": fleet.notifier.fallback,
    })
}

fn print(
    fleet: &Fleet,
    facts: &Facts<'_>,
    routing: &Routing<'_>,
    named: &[Named<'_>],
) -> Result<(), Failure> {
    let mut out = Output::stdout();
    let colour = out.colour();
    out.line(format!("{}: {}, {}", facts.event_type, facts.headline, facts.severity.as_str()))?;
    for place in &routing.matched {
        out.line(format!("route {} matches", place + 1))?;
    }
    for (place, why) in &routing.unclear {
        let line = format!("route {} cannot be judged: {}", place + 1, clean(why));
        out.line(colour.paint(Tone::Bad, &line))?;
    }
    for one in named {
        for (place, why) in &one.hiding.unclear {
            let line = format!("inhibition {} cannot be judged: {}", place + 1, clean(why));
            out.line(colour.paint(Tone::Bad, &line))?;
        }
        let name = one.name;
        let (tone, line) = match &one.hiding.why {
            Some(why) => (Tone::Warn, format!("{name} is not told: {}", clean(why))),
            None if one.wants => (Tone::Good, format!("{name} is told: {}", clean(&one.target))),
            None => (Tone::Dim, format!("{name} does not want to hear of it")),
        };
        out.line(colour.paint(tone, &line))?;
    }
    for (name, window) in &routing.muted {
        let line = format!("{name} is muted by the window {window}");
        out.line(colour.paint(Tone::Warn, &line))?;
    }
    for escalate in &routing.escalating {
        let (to, after) = (escalate.to.join(", "), escalate.after);
        out.line(format!(
            "{to} hears of it after {after:?} when nobody resolves or acknowledges it"
        ))?;
    }
    if named.is_empty() && routing.muted.is_empty() {
        out.line("nobody is told")?;
    }
    if let Some(group) = &fleet.notifier.group
        && named.iter().any(Named::is_told)
    {
        let by = group.by.join(", ");
        out.line(format!(
            "people are told in groups by {by}: after {:?} at the soonest",
            group.wait
        ))?;
    }
    if let Some(fallback) = &fleet.notifier.fallback {
        out.line(format!("{fallback} hears of it when one of them cannot be told"))?;
    }
    Ok(())
}
