//! The socket of the process that remembers: where it is, and one question over it.

use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use printery_harness::args::environment;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// Where the socket of a database is: the same for every manager of this user on this host.
pub(super) fn path(address: &str) -> Result<PathBuf, String> {
    let folder = folder();
    private(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    // Two ways of writing a file's name are one file.
    let address = std::path::absolute(address)
        .ok()
        .filter(|_| !address.contains("://"))
        .map_or_else(|| address.to_owned(), |path| path.to_string_lossy().into_owned());
    let digest = Sha256::digest(address.as_bytes());
    let number = digest.iter().take(8).fold(0_u64, |all, byte| (all << 8) | u64::from(*byte));
    Ok(folder.join(format!("store-{number:016x}.sock")))
}

fn folder() -> PathBuf {
    if let Some(said) = environment("PRINTERY_RUNTIME_DIR") {
        return said.into();
    }
    if let Some(own) = environment("XDG_RUNTIME_DIR") {
        return PathBuf::from(own).join("printery");
    }
    let uid = rustix::process::getuid().as_raw();
    std::env::temp_dir().join(format!("printery-{uid}"))
}

/// Makes sure that nobody else can put a socket there.
fn private(folder: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let found = std::fs::symlink_metadata(folder)?;
    let own = found.uid() == rustix::process::getuid().as_raw();
    if own && found.is_dir() && found.mode() & 0o022 == 0 {
        return Ok(());
    }
    Err(io::Error::new(ErrorKind::PermissionDenied, "others may write there"))
}

/// Whether somebody listens.
pub(super) async fn listens(socket: &Path) -> bool {
    UnixStream::connect(socket).await.is_ok()
}

/// Asks one question on a connection of its own.
pub(super) async fn ask(socket: &Path, question: &Value, within: Duration) -> io::Result<Value> {
    let conversation = async {
        let mut stream = UnixStream::connect(socket).await?;
        stream.write_all(format!("{question}\n").as_bytes()).await?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).await?;
        serde_json::from_str(&line).map_err(io::Error::from)
    };
    timeout(within, conversation).await.map_err(|_late| io::Error::from(ErrorKind::TimedOut))?
}
