//! How jobs are called: `<worker>-manual-<ms>` where a person asked for one, otherwise
//! `<worker>-<deployment>-<entry>`.
//!
//! Pure. Whoever lists jobs and whoever remembers them must call them the same.

use printery_streams::EntryId;

/// What stands between worker and time of a job that a person asked for.
pub const MANUAL: &str = "-manual-";

/// Whether a text names a job of this worker that a person asked for.
pub fn is_manual(worker: &str, text: &str) -> bool {
    let rest = text.strip_prefix(worker).and_then(|rest| rest.strip_prefix(MANUAL));
    rest.is_some_and(|rest| {
        !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
    })
}

/// Names the job that an event's entry is to a worker.
pub fn of_event(worker: &str, deployment: &str, entry: EntryId) -> String {
    format!("{worker}-{deployment}-{entry}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_number_behind_the_word_makes_a_job_manual() {
        for (text, expected) in [
            ("notifier-manual-17", true),
            ("notifier-manual-17-1", true),
            ("notifier-manual-", false),
            ("notifier-manual-x", false),
            ("validator-manual-17", false),
        ] {
            assert_eq!(is_manual("notifier", text), expected, "{text}");
        }
    }
}
