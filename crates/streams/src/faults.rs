//! Faults that are built in on purpose, so that it can be shown that the checker of the tests sees them.
//!
//! Compiled with the feature `faults` only, which nothing that is shipped has; asked by every script for its text and by every call of one.
//! It never does anything unless the environment says so.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// A way in which one script is made wrong.
struct Mutant {
    name: &'static str,
    /// The scripts that it changes.
    operations: &'static [&'static str],
    /// In front of what it is put; none = the script's own text.
    before: Option<&'static str>,
    lua: &'static str,
}

const MUTANTS: [Mutant; 5] = [
    Mutant {
        name: "fence_off",
        operations: &["commit", "defer", "release", "bury"],
        before: None,
        lua: include_str!("scripts/faults/fence_off.lua"),
    },
    Mutant {
        name: "ack_before_publish",
        operations: &["commit"],
        before: Some("-- Everything that could fail is looked at"),
        lua: include_str!("scripts/faults/ack_before_publish.lua"),
    },
    Mutant {
        name: "claim_without_cursor",
        operations: &["reclaim"],
        before: None,
        lua: include_str!("scripts/faults/claim_without_cursor.lua"),
    },
    Mutant {
        name: "history_read_at_start",
        operations: &["adopt"],
        before: None,
        lua: include_str!("scripts/faults/history_read_at_start.lua"),
    },
    Mutant {
        name: "take_over_uncounted",
        operations: &["reclaim"],
        before: None,
        lua: include_str!("scripts/faults/take_over_uncounted.lua"),
    },
];

/// Returns the text that runs instead of a script's own.
pub(crate) fn changed(operation: &str, text: &'static str) -> &'static str {
    let Some(mutant) = chosen().filter(|mutant| mutant.operations.contains(&operation)) else {
        return text;
    };
    // A script's own text begins with its name; shared functions stand before it.
    let place = mutant.before.map_or_else(|| format!("\n-- {operation}: "), str::to_owned);
    let Some((before, after)) = text.split_once(&place) else {
        tracing::error!(
            mutant = mutant.name,
            operation,
            "the script has changed; so must the mutant"
        );
        std::process::abort();
    };
    // Once for each script of a process that lives for one test.
    Box::leak(format!("{before}\n{}{place}{after}", mutant.lua).into_boxed_str())
}

/// Ends this process as a crash does when the environment names this moment: `before_commit`, or
/// `before_commit:3` for its third time.
pub(crate) fn crash_at(before_or_after: &str, operation: &str) {
    static TIMES: AtomicU32 = AtomicU32::new(0);
    let Some(said) = environment("PRINTERY_CRASH_AT") else { return };
    let (point, nth) = said.split_once(':').unwrap_or((&said, "1"));
    if point == format!("{before_or_after}_{operation}") {
        let times = TIMES.fetch_add(1, Ordering::SeqCst) + 1;
        if nth.parse() == Ok(times) {
            std::process::abort();
        }
    }
}

fn chosen() -> Option<&'static Mutant> {
    static CHOSEN: OnceLock<Option<&'static Mutant>> = OnceLock::new();
    *CHOSEN.get_or_init(|| {
        let name = environment("PRINTERY_FAULT")?;
        let found = MUTANTS.iter().find(|mutant| mutant.name == name);
        if found.is_none() {
            tracing::error!(name, "no fault of that name is built in");
            std::process::abort();
        }
        found
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "no setting of the fleet: nothing that is shipped has this file"
)]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
