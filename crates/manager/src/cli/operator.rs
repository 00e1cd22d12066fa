//! Who types a change, and that they mean it.
//!
//! Flattened into every verb that changes something: `--actor` for the operator log, `--yes` for
//! scripts. It reads one answer from a terminal and writes nothing to Redis.

use std::io::{self, BufRead, IsTerminal, Write};

use clap::Args;
use printery_fleet::operator_log::{self, Begun};
use printery_harness::args::environment;

use crate::cli::failure::Failure;
use crate::cli::target::Target;

/// Who does it.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Actor {
    /// Who does it, for the operator log; user@host by default
    #[arg(long = "actor", value_name = "WHO")]
    called: Option<String>,
}

impl Actor {
    /// The name that the operator log gets.
    pub(crate) fn name(&self) -> String {
        if let Some(called) = self.called.as_ref().filter(|name| !name.trim().is_empty()) {
            return called.clone();
        }
        // Behind sudo everybody is root.
        let user = ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(environment);
        let user = user.unwrap_or_else(|| format!("uid-{}", rustix::process::getuid().as_raw()));
        format!("{user}@{}", rustix::system::uname().nodename().to_string_lossy())
    }

    /// Writes to the operator log that a change is about to be made.
    ///
    /// # Errors
    /// It could not be written; the change is not to be made.
    pub(crate) async fn begins(
        &self,
        target: &mut Target,
        action: &str,
        subject: &str,
        count: u64,
        detail: String,
    ) -> Result<Begun, Failure> {
        let entry = operator_log::Entry {
            actor: self.name(),
            action: action.to_owned(),
            subject: subject.to_owned(),
            count,
            detail,
            ..operator_log::Entry::default()
        };
        operator_log::begin(&mut target.session, &target.keys, entry).await.map_err(|error| {
            let failure = Failure::from(error);
            let text =
                format!("nothing was changed: the operator log does not take it: {}", failure.text);
            Failure { text, ..failure }
        })
    }
}

/// Whether the person means it.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Consent {
    /// Do it without asking
    #[arg(long)]
    yes: bool,
}

impl Consent {
    /// Asks on a terminal; `what` would happen.
    ///
    /// # Errors
    /// No was answered, or there is nobody to ask and no `--yes`.
    pub(crate) fn ask(&self, what: &str) -> Result<(), Failure> {
        if self.yes {
            return Ok(());
        }
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return Err(Failure::usage(format!("{what}; repeat it with --yes")));
        }
        let mut asked = io::stderr().lock();
        write!(asked, "{what}. Go on? [y/N] ")?;
        asked.flush()?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        if is_yes(&answer) { Ok(()) } else { Err(Failure::failed("nothing was changed")) }
    }
}

/// Everything but a clear yes is a no.
fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_is_one() {
        for yes in ["y\n", "Yes\r\n", " YES "] {
            assert!(is_yes(yes), "{yes:?}");
        }
        for no in ["", "\n", "n\n", "ye\n", "yes, but\n"] {
            assert!(!is_yes(no), "{no:?}");
        }
    }

    #[test]
    fn whoever_calls_themselves_something_is_called_that() {
        assert_eq!(Actor { called: Some("ann".to_owned()) }.name(), "ann");
        assert!(Actor { called: Some(" ".to_owned()) }.name().contains('@'));
    }
}
