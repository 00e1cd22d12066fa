//! `printery-workers completions`: what a shell needs to complete this command line.

use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use printery_harness::exit;

use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::target::{PROGRAM, conclude};

/// For which shell.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Prints the completions; needs no Redis and no configuration.
pub(crate) fn completions(args: &CompletionsArgs) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::Cli::command(), PROGRAM, &mut script);
    match Output::stdout().raw(&script) {
        Ok(()) => exit::code(exit::DONE),
        Err(error) => conclude(&Failure::from(error)),
    }
}
