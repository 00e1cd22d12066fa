//! The demo's fleet file: short windows, everything on this machine.
//!
//! Pure. A newcomer may read what it makes as an example, so it is written as a person would.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;

use crate::demo::hook;
use crate::demo::services::Service;

/// Writes the fleet file.
///
/// The address of Redis comes from the environment and the signing key from a file: neither stands
/// in the fleet file.
pub(crate) fn fleet_file(services: &[Service], hook: SocketAddr, key: &Path) -> String {
    let (mut deployed, mut checks) = (String::new(), String::new());
    for service in services {
        let Service { name, address, .. } = service;
        let needs: Vec<&str> = std::iter::once("store").chain(service.requires()).collect();
        let line =
            format!("{name}: {{ url: \"http://{address}\", requires: [{}] }}", needs.join(", "));
        // Writing to a text cannot fail.
        let _written = writeln!(deployed, "  {line}").is_ok();
        let check = format!("{name}-port: {{ kind: tcp, address: \"{address}\" }}");
        let _written = writeln!(checks, "  {check}").is_ok();
    }
    let names: Vec<String> =
        services.iter().map(|service| format!(", {}-port", service.name)).collect();
    format!(
        r#"# The fleet of `printery-workers demo`.
version: 1
fleet: demo
stages: [vercel, railway, folio]

egress: {{ allow_loopback: true }}

defaults:
  probe: {{ timeout: 2s, connect_timeout: 1s }}
  # A second in all; a real deployment is watched for minutes.
  health: {{ warmup: 0s, samples: 5, interval: 200ms, min_samples: 3, baseline: {{ samples: 3 }} }}

endpoints:
  store: {{ redis: "${{env:REDIS_URL}}" }}

services:
{deployed}
checks:
  store: {{ kind: redis, url: "${{env:REDIS_URL}}" }}
{checks}
validator:
  checks: [store{}]

receivers:
  team: {{ webhook: {{ url: "http://{hook}{}", secret: "${{file:{}}}" }} }}
  on-call: {{ log: {{}} }}

routes:
  - {{ match: {{ severity: [warning, critical] }}, to: [on-call], continue: true }}
  - {{ to: [team] }}
"#,
        names.concat(),
        hook::PATH,
        key.display(),
    )
}

#[cfg(test)]
mod tests {
    use printery_config::Fleet;
    use tokio::task::JoinSet;

    use super::*;
    use crate::demo::services;

    #[tokio::test]
    async fn the_fleet_file_has_no_problem_and_no_secret() {
        let mut tasks = JoinSet::new();
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key");
        std::fs::write(&key, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        for count in [1, 3, 8] {
            let services = services::start(count, &mut tasks).await.unwrap();
            let text = fleet_file(&services, services[0].address, &key);
            let env = |name: &str| (name == "REDIS_URL").then(|| "redis://:hunter2@h".to_owned());
            let fleet = Fleet::parse("demo", &text, &env).unwrap_or_else(|e| panic!("{e}\n{text}"));
            assert_eq!(fleet.services.len(), count);
            assert_eq!(fleet.checks.len(), count + 1);
            assert_eq!(fleet.warnings, []);
            assert!(!text.contains("hunter2") && !text.contains("whsec"));
        }
    }
}
