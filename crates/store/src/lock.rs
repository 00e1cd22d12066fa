//! One process per database, by a lock on a file that dies with its owner.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use printery_config::is_postgres;

/// The lock, held until it is dropped or the process ends.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "it is held, never read")] File);

impl Lock {
    /// Takes it; none where another process has it.
    pub(crate) fn take(path: &Path) -> Result<Option<Self>, String> {
        let failed = |error| format!("{} cannot be locked: {error}", path.display());
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let file = File::create(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

/// Where the lock of a database is: beside its file; of a server's, beside the socket.
pub(crate) fn beside(url: &str, socket: &Path) -> PathBuf {
    let mut path = if is_postgres(url) {
        socket.as_os_str().into()
    } else {
        PathBuf::from(url).into_os_string()
    };
    path.push(".lock");
    path.into()
}
