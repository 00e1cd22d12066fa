//! `import`: from a team's own files to a fleet file that the fleet accepts.

use std::io::Write;
use std::process::Stdio;

use serde_json::json;

use crate::shell::{program, typed};

const BOUTIQUE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../config/tests/data/microservices-demo.yaml");

#[test]
fn a_made_fleet_file_passes_the_check() {
    let made = typed(&["import", "k8s", BOUTIQUE]);
    assert_eq!(made.code, 0, "{made:?}");
    for said in ["# Not taken over:", "shoppingassistantservice:80", "fleet: microservices-demo"] {
        assert!(made.out.contains(said), "{said}: {}", made.out);
    }
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), &made.out).expect("a writable file");
    let path = file.path().display().to_string();
    let checked = typed(&["config", "check", &path]);
    assert_eq!(checked.code, 0, "{checked:?}");
    assert!(checked.out.contains("0 errors, 0 warnings"), "{checked:?}");
    let shown = typed(&["config", "show", &path, "--json"]).json();
    assert_eq!(shown["services"].as_object().map(serde_json::Map::len), Some(12));
}

#[test]
fn several_files_are_one_source() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let deployment = "{ apiVersion: apps/v1, kind: Deployment, metadata: { name: a }, spec: { template: { metadata: { labels: { app: a } }, spec: { containers: [{ name: a, image: 'shop/a:1' }] } } } }";
    let service = "{ apiVersion: v1, kind: Service, metadata: { name: front }, spec: { selector: { app: a }, ports: [{ port: 80 }] } }";
    std::fs::write(path("deployment.yaml"), deployment).expect("a writable file");
    std::fs::write(path("service.yaml"), service).expect("a writable file");
    let words = ["import", "k8s", &path("deployment.yaml"), &path("service.yaml")];
    let made = typed(&[&words[..], &["--json", "--name", "shop"]].concat()).json();
    let expected = json!({ "version": 1, "fleet": "shop", "services": { "a": { "image": "shop/a", "tcp": "front:80" } } });
    assert_eq!(made["file"], expected);
}

#[test]
fn a_compose_file_may_come_from_standard_input() {
    let mut command = program();
    command.args(["import", "compose", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("it reads");
    stdin.write_all(b"services: { web: { ports: [80] } }").expect("it reads all");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let made = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && made.contains("tcp: \"web:80\""), "{made}");
}

#[test]
fn what_cannot_be_imported_is_said() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let path = file.path().display().to_string();
    let nothing = typed(&["import", "k8s", &path]);
    assert!(nothing.code == 1 && nothing.err.contains("deploys no services"), "{nothing:?}");
    std::fs::write(file.path(), "services: [\n").expect("a writable file");
    let broken = typed(&["import", "compose", &path]);
    assert!(broken.code == 2 && broken.err.contains("not readable as YAML"), "{broken:?}");
    assert_eq!(typed(&["import", "compose", "/nowhere/at/all"]).code, 2);
}
