//! A file to which all processes of a host append their log lines, and that never grows without end.
//!
//! Opened by [`crate::logging`], read by `worker logs`. Whoever finds it full moves it aside, one at a
//! time; the others notice with their next line and go on in the new one. No line is ever split.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// How large it gets before it is moved aside, in bytes. 10 MiB, P-073.
const LARGEST: u64 = 10 << 20;
/// How many old ones are kept, `.1` being the youngest. 5, P-073.
const KEPT: u32 = 5;

/// The file as one process writes it.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    open: Mutex<File>,
}

impl LogFile {
    /// Opens it, or makes it.
    ///
    /// # Errors
    /// Its folder is missing, or it may not be written.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), open: Mutex::new(append_to(path)?) })
    }

    /// Goes on in the new file where somebody moved this one aside, and moves a full one aside.
    fn follow(&self, open: &mut File) -> io::Result<()> {
        let (own, there) = (open.metadata()?, fs::metadata(&self.path).ok());
        let is_there = there.is_some_and(|it| (it.dev(), it.ino()) == (own.dev(), own.ino()));
        if is_there && own.len() < LARGEST {
            return Ok(());
        }
        if is_there {
            move_aside(&self.path, LARGEST)?;
        }
        *open = append_to(&self.path)?;
        Ok(())
    }
}

impl Write for &LogFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // Poisoned by a panic elsewhere, the file is still a file.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        self.follow(&mut open)?;
        // Appended in one call: lines of several processes never mix.
        open.write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}

/// Moves a file aside that has at least so many bytes; false where somebody else was faster.
///
/// # Errors
/// Its folder may not be written.
pub fn move_aside(path: &Path, least: u64) -> io::Result<bool> {
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(with_ending(path, "lock"))?;
    lock.lock()?;
    if !fs::metadata(path).is_ok_and(|file| file.len() >= least) {
        return Ok(false);
    }
    for n in (1..KEPT).rev() {
        let (from, to) =
            (with_ending(path, &n.to_string()), with_ending(path, &(n + 1).to_string()));
        match fs::rename(from, to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    fs::rename(path, with_ending(path, "1")).map(|()| true)
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("printery-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_full_file_is_moved_aside_once_and_everybody_goes_on_in_the_new_one() {
        let folder = folder("log-full");
        let path = folder.join("fleet.log");
        let (one, other) = (LogFile::open(&path).unwrap(), LogFile::open(&path).unwrap());
        (&one).write_all(b"first\n").unwrap();
        (&other).write_all(b"second\n").unwrap();
        File::options().write(true).open(&path).unwrap().set_len(LARGEST).unwrap();
        (&one).write_all(b"third\n").unwrap();
        (&other).write_all(b"fourth\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "third\nfourth\n");
        let old = fs::read(with_ending(&path, "1")).unwrap();
        assert!(old.starts_with(b"first\nsecond\n") && old.len() as u64 == LARGEST);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn only_so_many_old_ones_are_kept() {
        let folder = folder("log-old");
        let path = folder.join("fleet.log");
        for n in 0..8 {
            fs::write(&path, n.to_string()).unwrap();
            assert!(move_aside(&path, 1).unwrap());
        }
        assert!(!move_aside(&path, 1).unwrap(), "nobody has written since");
        let kept = (1..=6).map(|n| fs::read_to_string(with_ending(&path, &n.to_string())).ok());
        let kept: Vec<_> = kept.map(Option::unwrap_or_default).collect();
        assert_eq!(kept, ["7", "6", "5", "4", "3", ""]);
        fs::remove_dir_all(folder).unwrap();
    }
}
