//! A fleet file that changes while somebody lives by it.
#![expect(clippy::unwrap_used, reason = "a set-up that fails is a failed test")]

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use printery_config::{FleetFile, Problems, Reloaded};

/// A file and the environment it is read in.
struct Stage {
    folder: PathBuf,
    token: RefCell<String>,
}

impl Stage {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("reloading-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self { folder, token: RefCell::new("one".to_owned()) }
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn load(&self) -> FleetFile {
        FleetFile::load(Some(&self.folder.join("fleet.yaml")), &|name| self.env(name)).unwrap()
    }

    fn reload(&self, file: &mut FleetFile) -> Result<Reloaded, Problems> {
        file.reload(&|name| self.env(name))
    }

    fn env(&self, name: &str) -> Option<String> {
        (name == "TOKEN").then(|| self.token.borrow().clone())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.folder));
    }
}

fn taken(reloaded: Result<Reloaded, Problems>) -> Option<Vec<&'static str>> {
    match reloaded.unwrap() {
        Reloaded::Unchanged => None,
        Reloaded::Taken { restart, .. } => Some(restart),
    }
}

#[test]
fn a_bad_file_is_never_taken() {
    let stage = Stage::new("bad");
    stage.write("fleet.yaml", "fleet: one");
    let mut file = stage.load();
    let before = Arc::clone(file.current());
    for bad in ["fleet: [", "flet: two", "fleet: two\nroutes: [{ to: [nobody] }]"] {
        let path = stage.write("fleet.yaml", bad);
        assert!(!file.is_written() && file.is_written(), "{bad}");
        let problems = stage.reload(&mut file).unwrap_err();
        assert!(problems.to_string().contains(&path.display().to_string()), "{problems}");
        assert!(Arc::ptr_eq(file.current(), &before) && !file.is_written(), "{bad}");
    }
    fs::remove_file(stage.folder.join("fleet.yaml")).unwrap();
    assert!(!file.is_written(), "a file that is gone is about to come back");
    assert!(stage.reload(&mut file).is_err());
    stage.write("fleet.yaml", "fleet: three # and mended");
    assert!(!file.is_written(), "it may be written still");
    assert!(file.is_written());
    assert_eq!(taken(stage.reload(&mut file)), Some(Vec::new()));
    assert_eq!(file.current().name, "three");
}

#[test]
fn only_what_really_changed_is_taken() {
    let stage = Stage::new("same");
    stage.write("fleet.yaml", "fleet: one");
    let mut file = stage.load();
    assert_eq!(taken(stage.reload(&mut file)), None);
    assert!(!file.is_written());
    assert_eq!(FleetFile::load(None, &|_| None).unwrap().current().name, "materi");
}

#[test]
fn a_secret_that_was_exchanged_is_a_change() {
    let stage = Stage::new("secret");
    let secret = stage.write("secret", "https://h.example/1");
    let text = format!(
        "receivers: {{ a: {{ slack: \"${{file:{}}}\" }}, b: {{ slack: \"https://h.example/${{env:TOKEN}}\" }} }}\n\
         routes: [{{ to: [a, b] }}]",
        secret.display()
    );
    stage.write("fleet.yaml", &text);
    let mut file = stage.load();
    let digest = file.current().digest();
    assert_eq!(taken(stage.reload(&mut file)), None);
    stage.write("secret", "https://h.example/2");
    assert_eq!(taken(stage.reload(&mut file)), Some(Vec::new()));
    stage.token.replace("two".to_owned());
    assert_eq!(taken(stage.reload(&mut file)), Some(Vec::new()));
    assert_eq!(file.current().digest(), digest, "the digest knows no secrets");
}

#[test]
fn what_needs_a_restart_is_named() {
    let stage = Stage::new("restart");
    stage.write("fleet.yaml", "stages: [a]\nengine: { lease: 15s }");
    let mut file = stage.load();
    stage.write("fleet.yaml", "stages: [a]\nengine: { lease: 15s }\nfleet: shop");
    assert_eq!(taken(stage.reload(&mut file)), Some(Vec::new()));
    stage.write(
        "fleet.yaml",
        "stages: [b]\nengine: { lease: 16s }\nserver: { listen: 127.0.0.1:1 }",
    );
    assert_eq!(taken(stage.reload(&mut file)), Some(vec!["engine", "server", "stages"]));
    stage.write("fleet.yaml", "stages: [b]\nengine: { lease: 16s }\nserver: { listen: 127.0.0.1:1 }\nbus: { redis: \"redis://u:p@h\" }");
    assert_eq!(taken(stage.reload(&mut file)), Some(vec!["engine"]));
}
