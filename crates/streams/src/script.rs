//! Lua scripts: their text, their digest, and the argument list of one call.
//!
//! The files beside this one that write keep their scripts as constants; a [`crate::Session`] runs
//! the calls. Scripts answer with data, never with errors of their own making.

use std::sync::OnceLock;

use redis::{Cmd, ToRedisArgs, cmd};

/// Assembles a script: the shebang, shared functions, then its own text.
///
/// `allow-oom` because finishing must work when Redis is full: a fleet that cannot settle cannot
/// be trimmed either. The producers' script goes without.
macro_rules! script {
    ($operation:literal, [$($file:literal),+]) => {
        $crate::script::Script::new(
            $operation,
            concat!("#!lua flags=allow-oom\n", $(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/scripts/", $file))),+),
        )
    };
    ($operation:literal, plain [$($file:literal),+]) => {
        $crate::script::Script::new(
            $operation,
            concat!("#!lua\n", $(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/scripts/", $file))),+),
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

    #[cfg(not(feature = "faults"))]
    fn text(&self) -> &'static str {
        self.text
    }

    #[cfg(feature = "faults")]
    fn text(&self) -> &'static str {
        crate::faults::changed(self.operation, self.text)
    }

    /// Begins a call; the first key names the call in errors.
    pub(crate) fn call(&'static self, keys: &[&str]) -> Call {
        let digest =
            self.digest.get_or_init(|| redis::Script::new(self.text()).get_hash().to_owned());
        let mut command = cmd("EVALSHA");
        command.arg(digest).arg(keys.len()).arg(keys);
        let key = keys.first().copied().unwrap_or_default().to_owned();
        Call { script: self, key, command }
    }
}

/// One call of a script, ready to be sent, and to be sent again.
pub(crate) struct Call {
    script: &'static Script,
    key: String,
    command: Cmd,
}

impl Call {
    pub(crate) fn arg(&mut self, argument: impl ToRedisArgs) -> &mut Self {
        self.command.arg(argument);
        self
    }

    /// Appends a count and then every name and value.
    pub(crate) fn fields(&mut self, fields: &[(Vec<u8>, Vec<u8>)]) -> &mut Self {
        self.command.arg(fields.len() * 2);
        for (name, value) in fields {
            self.command.arg(name.as_slice()).arg(value.as_slice());
        }
        self
    }

    pub(crate) fn command(&self) -> &Cmd {
        &self.command
    }

    pub(crate) fn load(&self) -> Cmd {
        let mut load = cmd("SCRIPT");
        load.arg("LOAD").arg(self.script.text());
        load
    }

    pub(crate) fn operation(&self) -> &'static str {
        self.script.operation
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }
}
