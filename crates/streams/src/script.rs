//! Lua scripts: their text, their digest, and the argument list of one call.
//!
//! The files beside this one that write keep their scripts as constants; a [`crate::Session`] runs
//! the calls. Scripts answer with data, never with errors of their own making.

use std::fmt::{Display, Write as _};
use std::sync::OnceLock;

use redis::cmd;

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

/// What a call has room for from the beginning. 4 KiB: a few deliveries.
const FIRST_BODY: usize = 4 << 10;

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
        let key = keys.first().copied().unwrap_or_default().to_owned();
        let mut call = Call {
            script: self,
            key,
            words: 0,
            body: Vec::with_capacity(FIRST_BODY),
            shown: String::new(),
        };
        call.text("EVALSHA").text(digest).arg(keys.len());
        for key in keys {
            call.text(key);
        }
        call
    }
}

/// One call of a script, ready to be sent, and to be sent again.
///
/// Encoded as it is built: a batch has thousands of words, and nobody else looks at them.
pub(crate) struct Call {
    script: &'static Script,
    key: String,
    words: usize,
    body: Vec<u8>,
    /// For arguments that are on their way to be text; kept for its room.
    shown: String,
}

impl Call {
    /// Appends what can be shown as text, such as a number.
    pub(crate) fn arg(&mut self, argument: impl Display) -> &mut Self {
        let mut shown = std::mem::take(&mut self.shown);
        shown.clear();
        // Writing to a text does not fail.
        let _written = write!(shown, "{argument}").is_ok();
        self.bytes(shown.as_bytes());
        self.shown = shown;
        self
    }

    /// Appends a text.
    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    /// Appends what anybody may have written.
    pub(crate) fn bytes(&mut self, word: &[u8]) -> &mut Self {
        self.words += 1;
        self.header(b'$', word.len());
        self.body.extend_from_slice(word);
        self.body.extend_from_slice(b"\r\n");
        self
    }

    /// Appends a count and then every name and value.
    pub(crate) fn fields(&mut self, fields: &[(Vec<u8>, Vec<u8>)]) -> &mut Self {
        self.arg(fields.len() * 2);
        for (name, value) in fields {
            self.bytes(name).bytes(value);
        }
        self
    }

    /// The command as it goes over the wire.
    pub(crate) fn encoded(&self) -> Vec<u8> {
        let mut encoded = format!("*{}\r\n", self.words).into_bytes();
        encoded.reserve_exact(self.body.len());
        encoded.extend_from_slice(&self.body);
        encoded
    }

    fn header(&mut self, kind: u8, mut number: usize) {
        let mut digits = [b'0'; 20];
        let mut first = digits.len();
        for place in digits.iter_mut().rev() {
            *place = b'0' + u8::try_from(number % 10).unwrap_or_default();
            first -= 1;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.body.push(kind);
        self.body.extend_from_slice(digits.get(first..).unwrap_or_default());
        self.body.extend_from_slice(b"\r\n");
    }

    /// The command that makes the script known.
    pub(crate) fn load(&self) -> Vec<u8> {
        cmd("SCRIPT").arg("LOAD").arg(self.script.text()).get_packed_command()
    }

    pub(crate) fn operation(&self) -> &'static str {
        self.script.operation
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }
}
