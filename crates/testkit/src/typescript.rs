//! What the makers of a service say of its messages, as types that a compiler checks.
//!
//! Owns the packages and one run of the compiler; called by tests of receivers. Its packages come from npm once and stay
//! below the build's folder.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The compiler; later ones may find more.
const COMPILER: &str = "typescript@5.9.3";

/// A compiler, and the types of one package.
#[derive(Debug)]
pub struct TypeScript {
    folder: PathBuf,
}

impl TypeScript {
    /// Makes sure of the compiler and of a package, such as `@slack/types@3.2.0`.
    pub fn with(package: &str) -> Self {
        let test = std::env::current_exe().expect("a test knows its own program");
        let build = test.ancestors().nth(3).expect("a test lies below the build's folder");
        let parent = build.join("test-servers");
        let name = format!("npm-{}", package.replace(['@', '/'], "-"));
        let folder = parent.join(&name);
        if !folder.is_dir() {
            fs::create_dir_all(&parent).expect("the build's folder can be written");
            let work = tempfile::Builder::new().prefix(&name).tempdir_in(&parent);
            let work = work.expect("the build's folder can be written").keep();
            let mut install = Command::new("npm");
            install.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"]);
            install.arg(&work).args([package, COMPILER]).stdin(Stdio::null());
            let output = install.output().expect("npm can be run");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{package} could not be had from npm: {said}");
            // Another test run may have been faster; then its copy is as good.
            if fs::rename(&work, &folder).is_err() {
                fs::remove_dir_all(&work).expect("our own folder can be removed");
            }
        }
        Self { folder }
    }

    /// Compiles a program that uses the types.
    ///
    /// # Errors
    /// What the compiler has against it.
    pub fn check(&self, program: &str) -> Result<(), String> {
        // Beside the packages, because that is where the compiler looks for them.
        let file = tempfile::Builder::new().suffix(".ts").tempfile_in(&self.folder);
        let file = file.expect("the packages' folder can be written");
        fs::write(file.path(), program).expect("a temporary file can be written");
        let mut compile = Command::new("node");
        compile.arg(self.folder.join("node_modules/typescript/bin/tsc"));
        compile.args(["--noEmit", "--strict", "--skipLibCheck", "--target", "es2022"]);
        compile.args(["--module", "nodenext", "--moduleResolution", "nodenext"]).arg(file.path());
        let output = compile.stdin(Stdio::null()).output().expect("node can be run");
        if output.status.success() {
            return Ok(());
        }
        Err(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
