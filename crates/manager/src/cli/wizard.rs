//! `printery-workers wizard`: asks what there is to say of a process, then asks for it.
//!
//! Reads one answer a line, also from a pipe; what is in brackets is taken for an empty one. Who does
//! not agree in the end gets the command that would do it.

use std::io::{self, BufRead, Write};
use std::process::ExitCode;

use clap::Args;
use printery_events::topology::{Worker, every};
use printery_fleet::budget;
use printery_harness::args::CommonArgs;

use crate::cli::failure::Failure;
use crate::cli::operator::Actor;
use crate::cli::spec::{PRIORITIES, Wish};
use crate::cli::target::on_redis;
use crate::cli::worker::spawn::{self, How};

/// Who usually looks after processes.
const MASTERS: [&str; 3] = ["development-master", "testing-master", "operations-master"];
/// What a process matters where nobody says.
const NORMAL: usize = 2;

/// Who asks.
#[derive(Debug, Args)]
pub(crate) struct WizardArgs {
    #[command(flatten)]
    actor: Actor,
}

/// Asks.
pub(crate) fn wizard(common: &CommonArgs, args: &WizardArgs) -> ExitCode {
    on_redis(common, "ask for a process", async |target| {
        let budget = budget::read(&mut target.session, &target.keys).await?;
        let mut said = io::stderr().lock();
        let left = match budget.total {
            0 => "no limit".to_owned(),
            total => format!("{} of {total} tokens are available", budget.available),
        };
        writeln!(said, "budget: {left}")?;
        let mut questions = Questions { answers: io::stdin().lock(), said };
        let wish = questions.all()?;
        writeln!(questions.said, "{}", wish.command())?;
        if !questions.agreed()? {
            return Ok(target.out.line(wish.command())?);
        }
        drop(questions);
        let how = How { actor: args.actor.name(), ..How::default() };
        spawn::start(target, &wish, &how).await
    })
}

/// One who asks, and where the answers come from.
struct Questions<R, W> {
    answers: R,
    said: W,
}

impl<R: BufRead, W: Write> Questions<R, W> {
    fn all(&mut self) -> Result<Wish, Failure> {
        let master = self.choose("master", &MASTERS, 1)?;
        let known: Vec<&str> = every().map(|worker| worker.name).collect();
        let kind = self.choose("type", &known, 1)?;
        let worker = Worker::find(&kind)
            .ok_or_else(|| Failure::usage(format!("type: there is no worker {kind:?}")))?;
        let task = self.ask("task id", "")?;
        if task.is_empty() {
            return Err(Failure::usage("task id: must not be empty"));
        }
        let priority = self.choose("priority", &PRIORITIES, NORMAL)?;
        if !PRIORITIES.contains(&priority.as_str()) {
            let known = PRIORITIES.join(", ");
            return Err(Failure::usage(format!("priority: {priority:?} must be one of {known}")));
        }
        let repo = self.ask("repo, OWNER/REPO", "")?;
        Ok(Wish { worker, task, master, priority, repo, tokens: None })
    }

    fn agreed(&mut self) -> Result<bool, Failure> {
        let answer = self.ask("ask for it? y or n", "n")?;
        Ok(matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes"))
    }

    /// Lets somebody choose by number, or say something else.
    fn choose(&mut self, what: &str, known: &[&str], default: usize) -> Result<String, Failure> {
        for (place, one) in known.iter().enumerate() {
            writeln!(self.said, "  {}) {one}", place + 1)?;
        }
        let answer = self.ask(what, &default.to_string())?;
        let place = answer.parse::<usize>().ok();
        match place {
            None => Ok(answer),
            Some(place) => match place.checked_sub(1).and_then(|place| known.get(place)) {
                Some(one) => Ok((*one).to_owned()),
                None => Err(Failure::usage(format!(
                    "{what}: {place} must be a number from 1 to {}",
                    known.len()
                ))),
            },
        }
    }

    fn ask(&mut self, what: &str, default: &str) -> Result<String, Failure> {
        write!(self.said, "{what} [{default}]: ")?;
        self.said.flush()?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        let answer = answer.trim();
        Ok(if answer.is_empty() { default } else { answer }.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(answers: &str) -> Result<(Wish, bool), String> {
        let mut questions = Questions { answers: answers.as_bytes(), said: Vec::new() };
        let wish = questions.all().map_err(|failure| failure.text)?;
        let agreed = questions.agreed().map_err(|failure| failure.text)?;
        Ok((wish, agreed))
    }

    #[test]
    fn answers_are_numbers_words_or_nothing() {
        let (wish, agreed) = asked("1\n1\ntask-1\n2\n\ny\n").unwrap();
        assert_eq!(
            wish.command(),
            "printery-workers worker spawn --type validator --task-id task-1 \
             --master development-master --priority normal"
        );
        assert!(agreed);
        let (wish, agreed) = asked("me\nnotifier\nt\ncritical\no/r\nn\n").unwrap();
        assert_eq!((wish.master.as_str(), wish.worker.name), ("me", "notifier"));
        assert_eq!((wish.priority.as_str(), wish.repo.as_str()), ("critical", "o/r"));
        assert!(!agreed);
        assert!(!asked("1\n1\nt\n\n\n").unwrap().1, "silence is no yes");
    }

    #[test]
    fn what_makes_no_process_is_refused() {
        for (answers, about) in
            [("1\n1\n\n", "task id"), ("1\n9\nt\n", "type"), ("1\n1\nt\nurgent\n", "priority")]
        {
            assert!(asked(answers).unwrap_err().starts_with(about), "{answers:?}");
        }
    }
}
