//! Every place in words: state, reason, future, the command that changes it, and the same by hand.
//!
//! Pure. Called by the text and by the JSON, so that both say the same.

use printery_fleet::controls::{Hold, OURSELVES, Pause, owner_field, pause_field};
use printery_streams::History;

use crate::cli::explain::place::{Body, Finding, Held, Line, Place};
use crate::cli::explain::reason::Reason;
use crate::cli::output::Tone;
use crate::cli::times::{moment, span};

/// Why an entry is delayed whose body has just gone.
const FAILED: &str = "its attempt failed, or asked to be repeated later";

/// A place in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Explained {
    /// Few words.
    pub(crate) state: String,
    /// How they are meant.
    pub(crate) tone: Tone,
    /// Why it is there.
    pub(crate) why: String,
    /// What happens next, and when.
    pub(crate) next: String,
    /// The command that changes it.
    pub(crate) command: Option<String>,
    /// The words with which redis-cli shows it.
    pub(crate) look: Vec<String>,
    /// The words with which redis-cli changes it.
    pub(crate) change: Option<Vec<String>>,
}

impl Finding {
    /// Says it in words.
    pub(crate) fn explain(&self) -> Explained {
        match &self.place {
            Place::NoGroup | Place::Waiting { .. } => match &self.around.hold {
                Some(Hold::Paused(pause)) => self.paused(pause),
                Some(Hold::OwnedElsewhere { owner }) => self.owned_elsewhere(owner),
                Some(Hold::Guarded { guard }) => self.guarded(guard),
                None => self.waiting(),
            },
            Place::Running(held) => self.running(held),
            Place::Expired(held) => self.expired(held),
            Place::Delayed { token, due_ms } => self.delayed(token, *due_ms),
            Place::InLine(line) => self.in_line(line),
            Place::Dead(letter) => self.dead(letter),
            Place::PutAway(away) => self.put_away(away),
            Place::Done(line) if line.outcome == "dead" => self.was_dead(line),
            Place::Done(line) => self.done(line),
            Place::Duplicate(line) => self.duplicate(line),
            Place::Settled => self.settled(),
            Place::Trimmed { passed } => self.trimmed(*passed),
        }
    }

    fn waiting(&self) -> Explained {
        let worker = self.worker.name;
        let missing = matches!(self.place, Place::NoGroup);
        let next = if missing {
            "the group is made again and reads from the beginning".to_owned()
        } else {
            format!("the next free {worker} reads it")
        };
        let state = if missing {
            "not subscribed"
        } else if self.in_inbox() {
            "in the inbox"
        } else {
            "undelivered"
        };
        Explained {
            state: state.to_owned(),
            tone: Tone::Warn,
            why: self.why_waiting(),
            next: self.if_read(&next),
            command: Some(format!("printery-workers --worker={worker}")),
            look: words(["XINFO", "GROUPS", &self.stream]),
            change: None,
        }
    }

    /// Why nobody has taken it, apart from its worker being held.
    fn why_waiting(&self) -> String {
        let Place::Waiting { ahead } = &self.place else {
            let group = self.worker.group();
            return format!("the group {group} does not exist on {}", self.stream);
        };
        let before = match ahead {
            0 => "nothing is before it".to_owned(),
            1 => "1 entry is before it".to_owned(),
            _ => format!("{ahead} entries are before it"),
        };
        match &self.history {
            Some(history) => format!("{}; {before}", came_back(history)),
            None if self.in_inbox() => format!("somebody put it into the inbox; {before}"),
            None => format!("no {} has read it yet; {before}", self.worker.name),
        }
    }

    fn paused(&self, pause: &Pause) -> Explained {
        let worker = self.worker.name;
        let controls = self.around.home.controls();
        let field = pause_field(worker);
        let hold = Hold::Paused(pause.clone());
        let since = match pause.since_ms {
            0 => String::new(),
            ms => format!(" (since {})", moment(ms)),
        };
        Explained {
            state: "paused".to_owned(),
            tone: Tone::Warn,
            why: format!("{worker} is {hold}{since}; {}", self.why_waiting()),
            next: format!(
                "nothing until somebody resumes {worker}; then its next free process reads it within 5 s"
            ),
            command: Some(format!("printery-workers group resume {worker}")),
            look: words(["HGET", &controls, &field]),
            change: Some(words(["HDEL", &controls, &field])),
        }
    }

    fn owned_elsewhere(&self, owner: &str) -> Explained {
        let worker = self.worker.name;
        let controls = self.around.home.controls();
        let field = owner_field(worker);
        Explained {
            state: "owned elsewhere".to_owned(),
            tone: Tone::Warn,
            why: format!(
                "{owner} runs {worker}, so that this fleet's processes of it take nothing; {}",
                self.why_waiting()
            ),
            next: format!("{owner} reads it as {}, or nobody does", self.worker.group()),
            command: Some(format!("printery-workers owner set {worker} {OURSELVES}")),
            look: words(["HGET", &controls, &field]),
            change: Some(words(["HDEL", &controls, &field])),
        }
    }

    fn guarded(&self, guard: &str) -> Explained {
        let (worker, key) = (self.worker.name, self.around.home.instances());
        Explained {
            state: "guarded".to_owned(),
            tone: Tone::Warn,
            why: format!("{guard} keeps every process of {worker} from taking anything"),
            next: "one of them is started with another environment and takes it".to_owned(),
            command: None,
            look: words(["HVALS", &key]),
            change: None,
        }
    }

    fn running(&self, held: &Held) -> Explained {
        let left = span(self.around.lease_ms.saturating_sub(held.idle_ms));
        let sweep = span(self.around.sweep_ms);
        let Held { owner, idle_ms, .. } = held;
        let next = match held.body {
            Body::There => format!(
                "it is settled when its handler ends; should its owner fall silent, its lease ends in {left} and another {} takes it over within {sweep} more",
                self.worker.name
            ),
            Body::Gone => {
                "its owner settles it, or it becomes a dead letter without a body".to_owned()
            }
        };
        let pid = held.process.as_ref().filter(|(_, _, alive)| *alive).map(|(_, pid, _)| pid);
        Explained {
            state: "running".to_owned(),
            tone: Tone::Good,
            why: format!(
                "{owner}{} works on it and was heard {} ago{}",
                process(held),
                span(*idle_ms),
                self.before(held)
            ),
            next,
            command: pid.map(|pid| format!("kill -TERM {pid}")),
            look: self.pending_row(),
            change: None,
        }
    }

    fn expired(&self, held: &Held) -> Explained {
        let Held { owner, idle_ms, .. } = held;
        let (worker, sweep) = (self.worker.name, span(self.around.sweep_ms));
        let (idle, lease) = (span(*idle_ms), span(self.around.lease_ms));
        let next = match (&self.around.hold, held.body) {
            (Some(why), _) => format!("nothing while {worker} is {why}"),
            (None, Body::There) => self.if_read(&format!(
                "whichever {worker} sweeps next takes it over, within {sweep} once it has a free slot"
            )),
            (None, Body::Gone) => {
                self.if_read(&format!("it becomes a dead letter without a body within {sweep}"))
            }
        };
        Explained {
            state: "lease expired".to_owned(),
            tone: Tone::Bad,
            why: format!(
                "{owner}{} has been silent for {idle}, longer than the lease of {lease}{}",
                process(held),
                self.before(held)
            ),
            next,
            command: Some(format!("printery-workers --worker={worker}")),
            look: self.pending_row(),
            change: None,
        }
    }

    fn delayed(&self, token: &str, due_ms: u64) -> Explained {
        let left = due_ms.saturating_sub(self.around.now_ms);
        let due = if left == 0 { "now".to_owned() } else { format!("in {}", span(left)) };
        let (attempt, most) = (self.attempt(), self.around.max_attempts);
        let open = self.reason() == Reason::BreakerOpen;
        let why = match &self.history {
            Some(History { last_error, .. }) if open => {
                format!(
                    "a circuit breaker lets nothing through, which uses no attempt: {last_error}"
                )
            }
            Some(History { failures: 0, last_error, .. }) if !last_error.is_empty() => {
                format!("it was asked to wait: {last_error}")
            }
            Some(history) if !history.last_error.is_empty() => came_back(history),
            Some(_) | None => FAILED.to_owned(),
        };
        let delay = self.around.keys.delay(self.worker.name);
        Explained {
            state: format!("{}, due {due}", if open { "breaker open" } else { "delayed" }),
            tone: Tone::Warn,
            why,
            next: format!(
                "at {} it moves to the inbox of {} for attempt {attempt} of {most}",
                moment(due_ms),
                self.worker.name
            ),
            command: None,
            look: words(["ZSCORE", &delay, token]),
            change: Some(words(["ZADD", &delay, "XX", "0", token])),
        }
    }

    fn in_line(&self, line: &Line) -> Explained {
        let Line { subject, ahead, head } = line;
        let worker = self.worker.name;
        let others = match ahead {
            0 => String::new(),
            1 => " and 1 more".to_owned(),
            _ => format!(" and {ahead} more"),
        };
        let rule = format!("{worker} handles one entry of {subject} at a time, oldest first");
        let (why, next, command) = match head {
            Some(head) => {
                let it = head.explain();
                let id = head.entry;
                let then = "it moves to the inbox as soon as that is settled";
                (
                    format!(
                        "{rule}: {id} of {}{others} is before it, {}: {}",
                        head.stream, it.state, it.why
                    ),
                    format!("{then}; of that: {}", it.next),
                    Some(format!("printery-workers explain {id}")),
                )
            }
            None => (
                format!("{rule}: what was before it{others} has just been settled"),
                "it moves to the inbox".to_owned(),
                None,
            ),
        };
        Explained {
            state: "blocked by order".to_owned(),
            tone: Tone::Warn,
            why,
            next,
            command,
            look: words(["HGET", &self.around.keys.order(worker), &format!("s{subject}")]),
            change: None,
        }
    }

    /// What happened before this delivery.
    fn before(&self, held: &Held) -> String {
        let history = self.history.as_ref();
        let back = history.map(|it| format!("; {}", came_back(it))).unwrap_or_default();
        let count = match held.deliveries {
            0 | 1 => String::new(),
            count => format!("; it was delivered {count} times"),
        };
        let gone = match held.body {
            Body::There => "",
            Body::Gone => "; somebody has deleted its body",
        };
        format!("{back}{count}{gone}")
    }

    fn if_read(&self, next: &str) -> String {
        if self.around.readers > 0 {
            next.to_owned()
        } else {
            format!("nothing, because no {} runs", self.worker.name)
        }
    }

    pub(crate) fn pending_row(&self) -> Vec<String> {
        let entry = self.entry.to_string();
        words(["XPENDING", &self.stream, &self.worker.group(), &entry, &entry, "1"])
    }
}

/// Where an owner runs.
fn process(held: &Held) -> String {
    match &held.process {
        Some((host, pid, true)) => format!(" (pid {pid} on {host})"),
        Some((host, pid, false)) => format!(" (pid {pid} on {host}, which does not beat)"),
        None => " (of which there is no record)".to_owned(),
    }
}

/// Why an entry came through the inbox.
fn came_back(history: &History) -> String {
    let error = &history.last_error;
    match (history.failures, history.replays) {
        (0, 0) if !error.is_empty() => format!("it was asked to wait: {error}"),
        (0, 0) => {
            "it was handed back by a process that stopped, or had to wait its turn".to_owned()
        }
        (0, _) => "it was redriven by a person".to_owned(),
        (1, _) => format!("its first attempt failed: {error}"),
        (failures, _) => format!("{failures} attempts have failed, the last: {error}"),
    }
}

/// Words for redis-cli.
pub(crate) fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(ToOwned::to_owned).into()
}

#[cfg(test)]
#[path = "words_tests.rs"]
mod tests;
