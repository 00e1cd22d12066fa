//! The file that keeps a second manager of the same fleet from being started on a host by mistake.
//!
//! Locked for as long as the manager lives, so that one that was killed leaves nothing in the way. It
//! holds the manager's pid for people; nobody is signalled by it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use clap::Args;

/// Which file, where there is to be one.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct PidArgs {
    /// A file that one manager at a time holds; a second one is not started
    #[arg(long, env = "PRINTERY_PID_FILE", value_name = "FILE", global = true)]
    pid_file: Option<String>,
}

impl PidArgs {
    /// Its place; none where nothing was said.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.pid_file.as_deref().filter(|path| !path.is_empty()).map(Path::new)
    }
}

/// The file while it is held.
#[derive(Debug)]
pub(crate) struct PidFile {
    _locked: File,
}

impl PidFile {
    /// Takes it, and writes this process' pid into it.
    ///
    /// # Errors
    /// A sentence: somebody else holds it, and who; or it may not be written.
    pub(crate) fn take(path: &Path) -> Result<Self, String> {
        let place = path.display();
        let failed =
            |error: std::io::Error| format!("--pid-file (PRINTERY_PID_FILE) {place}: {error}");
        let mut options = OpenOptions::new();
        // Whoever holds it is named in it until it is ours.
        let mut file = options.create(true).truncate(false).read(true).write(true).open(path);
        let file =
            file.as_mut().map_err(|error| failed(std::io::Error::other(error.to_string())))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                file.read_to_string(&mut pid).map_err(failed)?;
                return Err(format!("already running: pid {}, {place}", pid.trim()));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        file.set_len(0).and_then(|()| file.rewind()).map_err(failed)?;
        writeln!(file, "{}", std::process::id()).map_err(failed)?;
        let locked = file.try_clone().map_err(failed)?;
        Ok(Self { _locked: locked })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_second_is_told_who_is_there_and_the_dead_hold_nothing() {
        let path = std::env::temp_dir().join(format!("printery-pid-{}", std::process::id()));
        std::fs::write(&path, "999999999 and more\n").unwrap();
        let held = PidFile::take(&path).unwrap();
        let own = std::process::id();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{own}\n"));
        let second = PidFile::take(&path).unwrap_err();
        assert_eq!(second, format!("already running: pid {own}, {}", path.display()));
        drop(held);
        assert!(PidFile::take(&path).is_ok());
        std::fs::remove_file(&path).unwrap();
        assert!(PidFile::take(Path::new("/nowhere/pid")).unwrap_err().contains("/nowhere/pid"));
    }
}
