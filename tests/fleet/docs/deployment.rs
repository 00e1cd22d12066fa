//! The files that deploy the fleet describe this fleet.
//!
//! Proves what can be proved without a container engine: the compose file against the topology, the image against the programs,
//! the units against systemd where it is installed.

use std::collections::BTreeSet;
use std::process::Command;

use printery_events::topology::{WORKERS, every};
use serde_json::Value;

use super::{PROGRAMS, read, root};

fn compose() -> Value {
    serde_saphyr::from_str(&read("docker-compose.yml")).expect("docker-compose.yml is YAML")
}

/// The words of `command:`, which may be written as a list or as one line.
fn words(command: &Value) -> Vec<String> {
    if let Some(words) = command.as_array() {
        return words.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect();
    }
    command.as_str().unwrap_or_default().split_whitespace().map(ToOwned::to_owned).collect()
}

/// The kind of worker a service runs, if it runs this fleet's program at all.
fn kind(service: &Value) -> Option<String> {
    let words = words(&service["command"]);
    words.iter().find_map(|word| word.strip_prefix("--worker=").map(ToOwned::to_owned))
}

#[test]
fn compose_has_the_control_plane_and_one_service_for_each_worker() {
    let compose = compose();
    let services = compose["services"].as_object().expect("services");
    let kinds: BTreeSet<String> = services.values().filter_map(kind).collect();
    let mut expected: BTreeSet<String> = every().map(|worker| worker.name.to_owned()).collect();
    expected.insert("none".to_owned());
    assert_eq!(kinds, expected);
    for worker in every() {
        let service = services.get(worker.name);
        let runs = service.and_then(kind);
        assert_eq!(runs.as_deref(), Some(worker.name), "`--scale {}=3` must scale it", worker.name);
        let profiles = service.map(|service| service["profiles"].is_array());
        assert_eq!(profiles, Some(worker.is_on_demand()), "{} is started by `up`", worker.name);
    }
}

#[test]
fn compose_services_can_be_scaled() {
    for (name, service) in compose()["services"].as_object().expect("services") {
        assert!(service["container_name"].is_null(), "{name} has a fixed name");
        let worker = WORKERS.iter().any(|worker| worker.name == name);
        assert!(!worker || service["ports"].is_null(), "{name} has a fixed port");
    }
}

#[test]
fn compose_starts_redis_then_the_control_plane_then_the_workers() {
    let compose = compose();
    let services = compose["services"].as_object().expect("services");
    let waits_for = |name: &str, other: &str| {
        services[name]["depends_on"][other]["condition"].as_str() == Some("service_healthy")
    };
    let manager = services.iter().find(|(_, service)| kind(service).as_deref() == Some("none"));
    let (manager, _) = manager.expect("the control plane");
    assert!(waits_for(manager, "redis"), "{manager} waits for redis");
    assert!(services["redis"]["healthcheck"]["test"].is_array(), "redis can be asked");
    for worker in WORKERS {
        let waits = waits_for(worker.name, manager) || waits_for(worker.name, "redis");
        assert!(waits, "{} starts before what it needs", worker.name);
    }
}

#[test]
fn composes_redis_keeps_everything() {
    let command = words(&compose()["services"]["redis"]["command"]).join(" ");
    assert!(command.contains("--appendonly yes"), "{command}");
    assert!(command.contains("--maxmemory-policy noeviction"), "{command}");
    let volumes = compose()["services"]["redis"]["volumes"].to_string();
    assert!(volumes.contains(":/data"), "its data outlives the container: {volumes}");
}

#[test]
fn the_image_holds_every_program_and_no_root() {
    let dockerfile = read("deploy/Dockerfile");
    for program in PROGRAMS {
        assert!(dockerfile.contains(program), "{program} is not in the image");
    }
    let user = dockerfile.lines().rfind(|line| line.starts_with("USER ")).expect("a user is set");
    assert!(!user.contains("root") && user != "USER 0", "{user}");
    assert!(dockerfile.contains("HEALTHCHECK"), "the image can be asked for its health");
    let build = compose()["services"]["validator"]["build"]["dockerfile"].clone();
    assert!(build.is_null() || build == "deploy/Dockerfile", "{build}");
}

fn units() -> Vec<std::path::PathBuf> {
    let folder = std::fs::read_dir(root().join("deploy/systemd")).expect("deploy/systemd");
    let units = folder.flatten().map(|entry| entry.path());
    units.filter(|path| path.extension().is_some_and(|ending| ending == "service")).collect()
}

#[test]
fn units_start_programs_of_the_fleet_and_wait_until_they_are_ready() {
    let units = units();
    assert!(!units.is_empty());
    for unit in units {
        let text = std::fs::read_to_string(&unit).expect("a readable unit");
        let starts = text.lines().find_map(|line| line.strip_prefix("ExecStart="));
        let first = starts.and_then(|line| line.split_whitespace().next()).expect("ExecStart=");
        let program = first.rsplit('/').next().unwrap_or_default();
        assert!(PROGRAMS.contains(&program), "{}: {first}", unit.display());
        assert!(text.contains("\nType=notify"), "{}", unit.display());
        assert!(text.contains("\nWatchdogSec="), "{}", unit.display());
    }
}

#[test]
fn units_are_accepted_by_systemd_where_it_is_installed() {
    for unit in units() {
        let verified = Command::new("systemd-analyze").arg("verify").arg(&unit).output();
        // Without systemd nothing would run these units here either.
        let Ok(output) = verified else { return };
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        // The programs are not installed on a machine that only tests them.
        let about = |line: &&str| line.contains(".service") && !line.contains("is not executable");
        let problems: Vec<&str> = said.lines().filter(about).collect();
        assert!(problems.is_empty(), "{}: {problems:#?}", unit.display());
    }
}
