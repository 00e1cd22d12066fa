//! Where the programs under test are.
//!
//! Owns the one build that a test run makes, so that the programs are those of this source; called by [`Site`](crate::site::Site).
//! It never builds when `PRINTERY_BINARIES` names a folder: that is how an image or a release is tested.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Returns the folder that holds the programs, built on the first call.
pub(crate) fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| given().unwrap_or_else(built))
}

/// Returns the path of one program.
pub(crate) fn program(name: &str) -> PathBuf {
    let path = folder().join(name);
    assert!(path.is_file(), "{} is not there; does the workspace still build it?", path.display());
    path
}

/// Returns the folder of programs that were built before.
#[expect(clippy::disallowed_methods, reason = "a test run has no command line of its own")]
pub(crate) fn given() -> Option<PathBuf> {
    std::env::var_os("PRINTERY_BINARIES").map(PathBuf::from)
}

/// Builds every program with the profile of this test, which `target/<profile>/deps/<test>` tells.
fn built() -> PathBuf {
    let test = std::env::current_exe().expect("this test is a file");
    let folder = test.parent().and_then(Path::parent).expect("a test is in target/<profile>/deps");
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--locked", "--workspace", "--bins"]);
    if folder.ends_with("release") {
        build.arg("--release");
    }
    let status = build.current_dir(env!("CARGO_MANIFEST_DIR")).status().expect("cargo starts");
    assert!(status.success(), "{build:?} failed");
    folder.to_owned()
}
