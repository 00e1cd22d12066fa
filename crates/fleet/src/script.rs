//! The Lua scripts of records: their text, and one call of them.
//!
//! The files beside this one that must decide and write in one step keep their scripts as
//! constants. Scripts here answer with data, never with errors of their own making.

use std::sync::OnceLock;

use printery_streams::{Error, Session};
use redis::{Cmd, Value, cmd};

/// Assembles a script from files beside this one, parts first. `allow-oom`, because what has been
/// done must be remembered also when Redis is full: forgetting it would do it twice.
macro_rules! script {
    ($operation:literal, $($file:literal),+) => {
        $crate::script::Script::new(
            $operation,
            concat!(
                "#!lua flags=allow-oom\n",
                $(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/scripts/", $file))),+
            ),
        )
    };
}
pub(crate) use script;

/// A script that is the same in every process of one version.
pub(crate) struct Script {
    operation: &'static str,
    text: &'static str,
    digest: OnceLock<String>,
}

impl Script {
    pub(crate) const fn new(operation: &'static str, text: &'static str) -> Self {
        Self { operation, text, digest: OnceLock::new() }
    }

    /// Runs it over one key; see [`Script::run_over`].
    pub(crate) async fn run(
        &self,
        session: &mut Session,
        key: &str,
        arguments: &[String],
    ) -> Result<Value, Error> {
        self.run_over(session, &[key], arguments).await
    }

    /// Runs it over keys of one hash slot, the first of which it is about, loading it where the server does not know it.
    ///
    /// # Errors
    /// Those of any command; it may have been executed.
    pub(crate) async fn run_over(
        &self,
        session: &mut Session,
        keys: &[&str],
        arguments: &[String],
    ) -> Result<Value, Error> {
        let (call, key) = (self.call(keys, arguments), keys.first().copied().unwrap_or_default());
        match session.query(self.operation, key, &call).await {
            Err(error) if error.code.starts_with("NOSCRIPT") => {
                let mut load = cmd("SCRIPT");
                load.arg("LOAD").arg(self.text);
                session.query(self.operation, key, &load).await?;
                session.query(self.operation, key, &call).await
            }
            reply => reply,
        }
    }

    fn call(&self, keys: &[&str], arguments: &[String]) -> Cmd {
        let digest =
            self.digest.get_or_init(|| redis::Script::new(self.text).get_hash().to_owned());
        let mut call = cmd("EVALSHA");
        call.arg(digest).arg(keys.len()).arg(keys).arg(arguments);
        call
    }
}
