//! `events schema`: what `data` must look like.

use std::process::ExitCode;

use clap::Args;
use printery_events::{Family, schemas};
use printery_harness::exit;
use serde_json::{Map, Value};

use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::target::conclude;

/// Whose schema to print.
#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// The event type; all of them by default
    #[arg(value_name = "TYPE")]
    event_type: Option<String>,
    /// JSON is what is printed anyway
    #[arg(long = "json")]
    _json: bool,
}

/// Prints it; needs no Redis and no configuration.
pub(crate) fn schema(args: &SchemaArgs) -> ExitCode {
    match print(args.event_type.as_deref()) {
        Ok(()) => exit::code(exit::DONE),
        Err(failure) => conclude(&failure),
    }
}

fn print(event_type: Option<&str>) -> Result<(), Failure> {
    let mut out = Output::stdout();
    let Some(name) = event_type else {
        let all: Map<String, Value> = Family::ALL
            .iter()
            .map(|family| (family.pattern().to_owned(), schemas::schema(*family)))
            .collect();
        return Ok(out.json(&all)?);
    };
    let family = Family::find(name).ok_or_else(|| {
        let known: Vec<&str> = Family::ALL.iter().map(|family| family.pattern()).collect();
        Failure::usage(format!("unknown event type {name:?}; there are {}", known.join(", ")))
    })?;
    Ok(out.json(&schemas::schema(family))?)
}
