#![doc = include_str!("../README.md")]

mod api;
mod archive;
mod census;
mod checker;
mod child;
mod cli;
mod collector;
mod demo;
mod groups;
mod history;
mod ingest;
mod janitor;
mod jobs;
mod launch;
mod layout;
mod leadership;
mod leftovers;
mod local_http;
mod metrics_merge;
mod notify;
mod observation;
mod observer;
mod parent;
mod pid_file;
mod registrar;
mod restart;
mod roll;
mod roster;
mod run;
mod services;
mod settings;
mod snapshot;
mod socket_directory;
mod steering;
mod steward;
mod supervisor;
mod telemetry;
mod totals;
mod wake;

fn main() -> std::process::ExitCode {
    cli::main()
}
