//! What the figures were measured on.
//!
//! Read once, from `/proc` and from Redis. Nothing is guessed: what is not there is empty.

use std::fs::read_to_string;

use serde::Serialize;

use crate::error::Error;
use crate::stage::Stage;

/// The machine, its system and its Redis.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// Cores that may be used.
    pub cores: usize,
    /// The processor's name.
    pub processor: String,
    /// The kernel's version.
    pub kernel: String,
    /// The server's name and version.
    pub redis: String,
    /// What else was running when it began: the load of the last minute.
    pub load: String,
}

impl Machine {
    /// Looks at it.
    pub(crate) fn seen_from(stage: &mut Stage<'_>) -> Result<Self, Error> {
        let info = stage.ask(&["INFO", "server"])?.text();
        let value = |name: &str| info.lines().find_map(|line| line.strip_prefix(name));
        let redis = match value("valkey_version:") {
            Some(version) => format!("Valkey {}", version.trim()),
            None => format!("Redis {}", value("redis_version:").unwrap_or_default().trim()),
        };
        let processors = read_to_string("/proc/cpuinfo").unwrap_or_default();
        let processor = processors.lines().find_map(|line| line.strip_prefix("model name"));
        let load = read_to_string("/proc/loadavg").unwrap_or_default();
        Ok(Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            processor: processor
                .unwrap_or_default()
                .trim_start_matches([' ', '\t', ':'])
                .to_owned(),
            kernel: read_to_string("/proc/sys/kernel/osrelease")
                .unwrap_or_default()
                .trim()
                .to_owned(),
            redis,
            load: load.split_whitespace().next().unwrap_or_default().to_owned(),
        })
    }

    /// One line about it.
    pub fn line(&self) -> String {
        let Self { cores, processor, kernel, redis, load } = self;
        format!("{cores} cores, {processor}; Linux {kernel}; {redis}; load at the start {load}")
    }
}
