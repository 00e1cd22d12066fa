//! A wall clock that a test sets, for one server or one program.
//!
//! Owns the file that libfaketime reads the offset from and the variables that load it; called by tests about clocks that step.
//! It never touches the machine's own clock, and leaves monotonic time alone, as a step of a real clock does.

use std::path::PathBuf;

use tempfile::TempDir;

/// Where Debian, Fedora, Arch and Homebrew put it.
const PLACES: [&str; 6] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
    "/usr/local/lib/faketime/libfaketimeMT.so.1",
    "/opt/homebrew/lib/faketime/libfaketimeMT.1.dylib",
];

/// A program that allocates through its own allocator asks for the time before libfaketime is ready; the C library's, loaded
/// right after it, does not.
const C_LIBRARIES: [&str; 4] = [
    "/lib/x86_64-linux-gnu/libc.so.6",
    "/lib/aarch64-linux-gnu/libc.so.6",
    "/lib64/libc.so.6",
    "/usr/lib/libc.so.6",
];

/// A clock that begins as the machine's and steps when the test says so.
#[derive(Debug)]
pub struct WallClock {
    dir: TempDir,
}

impl Default for WallClock {
    fn default() -> Self {
        let clock =
            Self { dir: TempDir::with_prefix("printery-clock-").expect("a temporary folder") };
        clock.set("+0");
        clock
    }
}

impl WallClock {
    /// Steps to so many seconds after (or, negative, before) the machine's time.
    pub fn step(&self, seconds: i64) {
        self.set(&format!("{seconds:+}"));
    }

    /// Runs so many times as fast as the machine's from now on.
    pub fn slew(&self, factor: f64) {
        self.set(&format!("+0 x{factor}"));
    }

    /// Returns the environment that puts a program under this clock; panics when libfaketime is not installed.
    pub fn variables(&self) -> Vec<(String, String)> {
        let library = first(&PLACES)
            .expect("libfaketime is not installed; scripts/test installs it (package libfaketime)");
        let preload = match first(&C_LIBRARIES) {
            Some(c_library) => format!("{library} {c_library}"),
            None => library.to_owned(),
        };
        let file = self.file().display().to_string();
        [
            ("LD_PRELOAD", preload.as_str()),
            ("FAKETIME_TIMESTAMP_FILE", &file),
            // The file is read at every look at the clock, so that a step is seen at once.
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("DONT_FAKE_MONOTONIC", "1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("offset")
    }

    /// Replaces the file in one step: a reader never sees half of it.
    fn set(&self, offset: &str) {
        let new = self.dir.path().join("new");
        std::fs::write(&new, format!("{offset}\n")).expect("a writable folder");
        std::fs::rename(new, self.file()).expect("a writable folder");
    }
}

fn first(places: &[&'static str]) -> Option<&'static str> {
    places.iter().copied().find(|place| std::path::Path::new(place).exists())
}
