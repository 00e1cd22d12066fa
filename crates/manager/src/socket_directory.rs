//! The directory in which the children's notify sockets are, and what earlier managers left there.
//!
//! Owned by the supervisor for as long as it lives. A manager that was killed cannot tidy up after
//! itself; the next one does, told apart by a lock that dies with its owner.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

/// How every such directory's name begins.
const PREFIX: &str = "printery-sockets-";
const LOCK: &str = "owner.lock";
/// Least age of a directory that may be removed: one that is younger may be about to be locked.
const SETTLED: Duration = Duration::from_secs(60);
/// What a socket's path may have on every system (Linux 108, BSD 104), with room for the name of
/// a socket: `dependency-checker.<count>.sock`.
const LONGEST: usize = 104 - 48;

/// A directory that only this user may enter; removed when dropped.
#[derive(Debug)]
pub(crate) struct SocketDirectory {
    directory: TempDir,
    /// Held until the process ends, however it ends.
    _lock: File,
}

impl SocketDirectory {
    /// Makes the directory, in the usual place for temporary files where its path is short enough.
    pub(crate) fn try_new() -> io::Result<Self> {
        let usual = std::env::temp_dir();
        let fits = usual.as_os_str().len() + PREFIX.len() + 7 <= LONGEST;
        let made = Self::make_in(if fits { &usual } else { Path::new("/tmp") })?;
        made.remove_abandoned();
        Ok(made)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    fn make_in(parent: &Path) -> io::Result<Self> {
        let directory = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
        let lock = File::create(directory.path().join(LOCK))?;
        lock.try_lock()?;
        Ok(Self { directory, _lock: lock })
    }

    /// Removes directories of managers that are gone.
    fn remove_abandoned(&self) {
        let Some(siblings) = self.path().parent().and_then(|all| std::fs::read_dir(all).ok())
        else {
            return;
        };
        for sibling in siblings.flatten() {
            let path = sibling.path();
            let ours = sibling.file_name().to_string_lossy().starts_with(PREFIX);
            let other = ours && path != self.path();
            if other
                && self.is_abandoned(&path).unwrap_or(false)
                && let Err(error) = std::fs::remove_dir_all(&path)
            {
                tracing::debug!(path = %path.display(), %error, "abandoned directory kept");
            }
        }
    }

    /// Whether nobody holds its lock; a directory without one is somebody else's.
    fn is_abandoned(&self, path: &Path) -> io::Result<bool> {
        let made = |path: PathBuf| std::fs::metadata(path)?.modified();
        let age = made(self.path().join(LOCK))?.duration_since(made(path.join(LOCK))?);
        let settled = age.is_ok_and(|age| age >= SETTLED);
        let lock = OpenOptions::new().write(true).open(path.join(LOCK))?;
        Ok(settled && lock.try_lock().is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes a directory's lock look older than [`SETTLED`].
    fn age(directory: &Path) {
        let lock = OpenOptions::new().write(true).open(directory.join(LOCK)).unwrap();
        let before = lock.metadata().unwrap().modified().unwrap() - 2 * SETTLED;
        lock.set_modified(before).unwrap();
    }

    #[test]
    fn only_what_nobody_holds_is_removed() {
        let parent = tempfile::tempdir().unwrap();
        let leave_behind = |lock: bool| {
            let directory = tempfile::Builder::new().prefix(PREFIX).tempdir_in(&parent).unwrap();
            if lock {
                File::create(directory.path().join(LOCK)).unwrap();
                age(directory.path());
            }
            directory.keep()
        };
        let held = SocketDirectory::make_in(parent.path()).unwrap();
        age(held.path());
        let (abandoned, foreign) = (leave_behind(true), leave_behind(false));
        let young = leave_behind(false);
        File::create(young.join(LOCK)).unwrap();
        SocketDirectory::make_in(parent.path()).unwrap().remove_abandoned();
        assert!(!abandoned.exists());
        assert!(held.path().exists() && foreign.exists() && young.exists());
    }

    #[test]
    fn it_goes_when_it_is_dropped() {
        let directory = SocketDirectory::try_new().unwrap();
        let path = directory.path().to_owned();
        assert!(path.join(LOCK).exists());
        drop(directory);
        assert!(!path.exists());
    }
}
