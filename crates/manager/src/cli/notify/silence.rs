//! `printery-workers notify silence`, `silences`, `unsilence`: what people do not want to hear of
//! for a while.
//!
//! A silence is the same in every partition, so that each notifier finds it beside its own records.
//! It keeps receivers from being told; nothing is put off until it ends, and logs are written.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use printery_fleet::silences::{self, Silence};
use printery_notices::SILENCE_WORDS;
use serde_json::json;
use uuid::Uuid;

use crate::cli::failure::Failure;
use crate::cli::operator::Actor;
use crate::cli::output::clean;
use crate::cli::target::Target;
use crate::cli::times::moment;

/// The longest silence: who needs more wants another route. 30 days.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// What is silenced, how long and why.
#[derive(Debug, Args)]
pub(crate) struct SilenceArgs {
    /// What an event must be: event, result, environment, severity, service, stage, label or
    /// deployment, and a pattern; all of them must hold
    #[arg(long = "match", value_name = "WORD=PATTERN", required = true)]
    matches: Vec<String>,
    /// How long, such as 2h
    #[arg(long = "for", value_name = "TIME")]
    lasting: String,
    /// Why, for whoever wonders
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    actor: Actor,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Which silence ends.
#[derive(Debug, Args)]
pub(crate) struct UnsilenceArgs {
    /// Its id, as `silences` prints it
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    actor: Actor,
}

/// How to list them.
#[derive(Debug, Args)]
pub(crate) struct SilencesArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Adds a silence.
pub(super) async fn silence(target: &mut Target, args: &SilenceArgs) -> Result<(), Failure> {
    let matches = matches(&args.matches)?;
    let lasting = humantime::parse_duration(&args.lasting)
        .ok()
        .filter(|lasting| !lasting.is_zero() && *lasting <= LONGEST);
    let Some(lasting) = lasting else {
        let text = format!("--for {:?} must be a time such as 2h, at most 30 days", args.lasting);
        return Err(Failure::usage(text));
    };
    if args.reason.trim().is_empty() {
        return Err(Failure::usage("--reason must not be empty"));
    }
    let id: String = Uuid::new_v4().simple().to_string().chars().take(8).collect();
    let (actor, reason) = (args.actor.name(), args.reason.clone());
    let mut silence = Silence { id, matches, since_ms: 0, until_ms: 0, actor, reason };
    let (detail, id) = (format!("{} for {}", named(&silence), args.lasting), silence.id.clone());
    let begun = args.actor.begins(target, "notify silence", &id, 1, detail).await?;
    for partition in target.partitions.all() {
        let mut session = partition.redis.session();
        silence = silences::add(&mut session, &partition.keys, silence, lasting).await?;
    }
    begun.end(&mut target.session, &target.keys, 1, "done", "").await?;
    if args.json {
        return Ok(target.out.json(&silence)?);
    }
    let until = moment(silence.until_ms);
    target.out.line(format!("nobody is told of {} until {until}", named(&silence)))?;
    Ok(target.out.line(format!("  to end it  printery-workers notify unsilence {id}"))?)
}

/// Ends a silence.
pub(super) async fn unsilence(target: &mut Target, args: &UnsilenceArgs) -> Result<(), Failure> {
    let begun = args.actor.begins(target, "notify unsilence", &args.id, 1, String::new()).await?;
    let mut found = false;
    for partition in target.partitions.all() {
        found |=
            silences::remove(&mut partition.redis.session(), &partition.keys, &args.id).await?;
    }
    let outcome = if found { "done" } else { "nothing" };
    begun.end(&mut target.session, &target.keys, u64::from(found), outcome, "").await?;
    if !found {
        return Err(Failure::failed(format!("there is no silence {:?}", args.id)));
    }
    Ok(target.out.line(format!("the silence {} is over", args.id))?)
}

/// Lists the silences that hold.
pub(super) async fn silences(target: &mut Target, args: &SilencesArgs) -> Result<(), Failure> {
    let clock = printery_streams::Clock::default();
    clock.read(&mut target.session).await?;
    let mut standing = silences::list(&mut target.session, &target.keys).await?;
    standing.retain(|silence| silence.until_ms > clock.now_ms());
    if args.json {
        return Ok(target.out.json(&json!(standing))?);
    }
    if standing.is_empty() {
        return Ok(target.out.line("nothing is silenced")?);
    }
    for silence in &standing {
        let (until, actor) = (moment(silence.until_ms), clean(&silence.actor));
        let line = format!(
            "{}  until {until}  {}  by {actor}: {}",
            silence.id,
            clean(&named(silence)),
            clean(&silence.reason),
        );
        target.out.line(line)?;
    }
    Ok(())
}

fn named(silence: &Silence) -> String {
    let words: Vec<String> =
        silence.matches.iter().map(|(word, pattern)| format!("{word}={pattern}")).collect();
    words.join(" ")
}

/// Reads `service=cart*`.
fn matches(typed: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let mut matches = BTreeMap::new();
    for one in typed {
        let read = one.split_once('=').filter(|(_, pattern)| !pattern.is_empty());
        let Some((word, pattern)) = read.filter(|(word, _)| SILENCE_WORDS.contains(word)) else {
            let known = SILENCE_WORDS.join(", ");
            let text = format!("--match {one:?} must be one of {known}, = and a pattern");
            return Err(Failure::usage(text));
        };
        if matches.insert(word.to_owned(), pattern.to_owned()).is_some() {
            return Err(Failure::usage(format!("--match {word} is there twice")));
        }
    }
    Ok(matches)
}
