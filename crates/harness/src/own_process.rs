//! What a process can tell of itself that makes it findable: its name, when its host started it,
//! and who asked for it.
//!
//! Read once at start. With host, pid and start it names one process and no other, so that nobody
//! ever signals a stranger.

use std::time::Duration;

use printery_fleet::orders::Spawn;

use crate::args::environment;

/// Carries [`Spawn`] as JSON from the manager to a process that somebody asked for.
pub const SPAWN_VARIABLE: &str = "PRINTERY_SPAWN";

/// One name per process start, never used again: `<worker>-<host>-<pid>-<random>`.
pub(crate) fn consumer_name(worker: &str) -> String {
    let random = uuid::Uuid::new_v4().simple().to_string();
    let random = random.get(..8).unwrap_or(&random);
    format!("{}{random}", name_of(worker, std::process::id()))
}

/// What the name of a worker's process on this host begins with.
pub fn name_of(worker: &str, pid: u32) -> String {
    let host: String = host_name()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '.' || c == '-' { c } else { '-' })
        .take(64)
        .collect();
    format!("{worker}-{host}-{pid}-")
}

/// This host's name.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// When this host started a process, in ticks since it booted; none where it does not live, has
/// ended and only waits for its parent to notice, or the system does not tell.
pub fn ticks_of(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in brackets and may contain anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let lives = !matches!(fields.next()?, "Z" | "X");
    fields.nth(18).filter(|_| lives)?.parse().ok()
}

/// What this process has used of a processor so far, and the memory that it holds in bytes; none
/// where the system does not tell.
pub(crate) fn usage() -> Option<(Duration, u64)> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let ticks: u64 = fields.next()?.parse().ok()?;
    let of_system: u64 = fields.next()?.parse().ok()?;
    let second = rustix::param::clock_ticks_per_second();
    let used = Duration::from_millis(ticks.saturating_add(of_system).saturating_mul(1000) / second);
    let memory = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = memory.split_whitespace().nth(1)?.parse().ok()?;
    let page = u64::try_from(rustix::param::page_size()).ok()?;
    Some((used, pages.saturating_mul(page)))
}

/// Who asked for this process, where somebody did.
pub(crate) fn spawn() -> Option<Spawn> {
    serde_json::from_str(&environment(SPAWN_VARIABLE)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_from_another_of_the_same_pid_by_its_start() {
        let own = std::process::id();
        let ticks = ticks_of(own).unwrap();
        assert_eq!(ticks_of(own), Some(ticks), "it never changes");
        assert_eq!(ticks_of(u32::MAX), None);
        assert!(consumer_name("validator").starts_with(&name_of("validator", own)));
    }
}
