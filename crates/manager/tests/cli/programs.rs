//! The workers' programs, which lie beside the one under test.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

/// Makes sure that the workers are those of this source.
pub(crate) fn built() {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        let program = Path::new(env!("CARGO_BIN_EXE_printery-workers"));
        let folder = program.parent().expect("a program is in a folder");
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--bins"]);
        for worker in ["validator", "dependency-checker", "health-monitor", "notifier", "bench"] {
            build.args(["--package", &format!("printery-{worker}")]);
        }
        if folder.ends_with("release") {
            build.arg("--release");
        }
        let status = build.current_dir(env!("CARGO_MANIFEST_DIR")).status().expect("cargo starts");
        assert!(status.success(), "{build:?} failed");
    });
}
