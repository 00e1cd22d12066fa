//! What a Redis says of itself.
//!
//! The Redis probe fills one from the sections of `INFO` and judges it. What a user may not see stays unknown.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::facts::milliseconds;

/// The lines of `INFO` that matter; each is unknown when the user may not ask.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Portrait {
    pub(crate) role: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) maxmemory_policy: Option<String>,
    used_memory: Option<f64>,
    maxmemory: Option<f64>,
    persistence_ok: Option<bool>,
    connected_clients: Option<u64>,
}

impl Portrait {
    /// Takes over the lines of one section.
    pub(crate) fn read(&mut self, section: &str) {
        for line in section.lines() {
            let Some((name, value)) = line.split_once(':') else { continue };
            let value = value.trim();
            match name {
                "role" => self.role = Some(value.to_owned()),
                "redis_version" => self.version = Some(value.to_owned()),
                "maxmemory_policy" => self.maxmemory_policy = Some(value.to_owned()),
                "used_memory" => self.used_memory = value.parse().ok(),
                "maxmemory" => self.maxmemory = value.parse().ok(),
                "connected_clients" => self.connected_clients = value.parse().ok(),
                "rdb_last_bgsave_status" | "aof_last_write_status" => {
                    let so_far = self.persistence_ok.unwrap_or(true);
                    self.persistence_ok = Some(so_far && value == "ok");
                }
                _ => {}
            }
        }
    }

    /// Returns the variables of conditions: `printery_config::vocabulary::REDIS`.
    pub(crate) fn facts(&self, took: Duration) -> Map<String, Value> {
        let facts = [
            ("role", json!(self.role)),
            ("version", json!(self.version)),
            ("used_memory_pct", json!(self.used_memory_pct())),
            ("maxmemory_policy", json!(self.maxmemory_policy)),
            ("persistence_ok", json!(self.persistence_ok)),
            ("connected_clients", json!(self.connected_clients)),
            ("latency_ms", json!(milliseconds(took))),
        ];
        facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Of a server without a limit nothing is ever full.
    fn used_memory_pct(&self) -> Option<f64> {
        let (used, most) = (self.used_memory?, self.maxmemory?);
        Some(if most > 0.0 { used / most * 100.0 } else { 0.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_portrait_is_read_from_info() {
        let mut portrait = Portrait::default();
        portrait.read("# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\n");
        portrait.read("# Replication\r\nrole:master\r\nconnected_slaves:0\r\n");
        assert_eq!(portrait.version.as_deref(), Some("7.0.15"));
        assert_eq!(portrait.role.as_deref(), Some("master"));
        portrait.read("# Memory\r\nused_memory:250\r\nmaxmemory:1000\r\n");
        portrait.read("rdb_last_bgsave_status:ok\r\naof_last_write_status:err\r\n");
        let facts = portrait.facts(Duration::from_millis(2));
        assert_eq!(facts["used_memory_pct"], json!(25.0));
        assert_eq!(facts["persistence_ok"], json!(false));
        assert_eq!(facts["connected_clients"], json!(null));
        let names: Vec<&str> = facts.keys().map(String::as_str).collect();
        let mut listed = printery_config::vocabulary::REDIS.to_vec();
        listed.sort_unstable();
        assert_eq!(names, listed);
    }
}
