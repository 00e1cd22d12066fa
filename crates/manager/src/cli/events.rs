//! `printery-workers events`: what was published, what is being published, and what may be.

mod export;
mod list;
mod row;
mod schema;
mod tail;

use std::process::ExitCode;

use clap::Subcommand;
use printery_harness::args::CommonArgs;

use crate::cli::target::on_redis;

/// What to do with events.
#[derive(Debug, Subcommand)]
pub(crate) enum EventsVerb {
    /// List the latest events, oldest first
    List(list::ListArgs),
    /// Print everything about one deployment, why it failed included
    Export(export::ExportArgs),
    /// Follow events as they are published, until Ctrl-C
    Tail(tail::TailArgs),
    /// Print the JSON Schema of an event's data, or of all of them
    Schema(schema::SchemaArgs),
}

/// Does what was typed.
pub(crate) fn events(common: &CommonArgs, verb: &EventsVerb) -> ExitCode {
    match verb {
        EventsVerb::List(args) => {
            on_redis(common, "list events", async |target| list::list(target, args).await)
        }
        EventsVerb::Export(args) => on_redis(common, "export the deployment", async |target| {
            export::export(target, args).await
        }),
        EventsVerb::Tail(args) => {
            on_redis(common, "follow events", async |target| tail::tail(target, args).await)
        }
        EventsVerb::Schema(args) => schema::schema(args),
    }
}
