//! Over which addresses a target is asked, and which final answers are tried again.
//!
//! Owns `ip` and `retry_on`, which checks and endpoints of every kind share. The probes crate acts on them. Never looks a name up.

use serde::{Serialize, Serializer};

use crate::problem::Code;
use crate::table::Table;

/// Says which of a name's addresses are asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum IpFamily {
    /// The first that answers, whatever its family.
    #[default]
    Any,
    /// The first of IPv4 that answers.
    V4,
    /// The first of IPv6 that answers.
    V6,
    /// Every one; the name must have some of each family, and the worst answer counts.
    Both,
}

impl IpFamily {
    const WORDS: [(&'static str, Self); 4] =
        [("any", Self::Any), ("v4", Self::V4), ("v6", Self::V6), ("both", Self::Both)];

    /// Reads `ip`.
    pub(crate) fn read(table: &mut Table<'_, '_>, base: Self) -> Self {
        table.word("ip", &Self::WORDS).unwrap_or(base)
    }
}

/// Names an answer that is final unless `retry_on` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Final {
    /// The name does not exist.
    Nxdomain,
    /// The name has no address of the family that is asked for.
    NoAddress,
    /// The handshake or the certificate was refused.
    Tls,
    /// It does not speak the protocol.
    Protocol,
    /// An HTTP status of 400 to 499.
    HttpStatus,
    /// It wants credentials, or other ones.
    Auth,
    /// It does not know what is asked for.
    Content,
    /// It cannot do what is asked of it.
    Unsupported,
    /// The registry has no such image.
    ImageNotFound,
    /// The database has no such table.
    NoSuchTable,
}

/// Lists the final answers that are tried again like any passing trouble.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetryOn(u16);

impl RetryOn {
    /// The words of `retry_on`, which are the reason codes of results; the first has a short form.
    const WORDS: [(&'static str, Final); 11] = [
        ("nxdomain", Final::Nxdomain),
        ("dns_nxdomain", Final::Nxdomain),
        ("no_address", Final::NoAddress),
        ("tls", Final::Tls),
        ("protocol", Final::Protocol),
        ("http_status", Final::HttpStatus),
        ("auth", Final::Auth),
        ("content", Final::Content),
        ("unsupported", Final::Unsupported),
        ("image_not_found", Final::ImageNotFound),
        ("no_such_table", Final::NoSuchTable),
    ];

    /// Lists none.
    pub const NONE: Self = Self(0);

    /// Tells whether an answer is listed.
    pub fn holds(self, answer: Final) -> bool {
        self.0 & Self::bit(answer) != 0
    }

    /// Returns the same list with one more answer.
    #[must_use]
    pub fn with(self, answer: Final) -> Self {
        Self(self.0 | Self::bit(answer))
    }

    fn bit(answer: Final) -> u16 {
        1 << answer as u16
    }

    /// Reads `retry_on`, one word or several.
    pub(crate) fn read(table: &mut Table<'_, '_>, base: Self) -> Self {
        let what = table.name("retry_on");
        let Some(words) = table.texts("retry_on") else { return base };
        let mut read = Self::NONE;
        for (word, at) in words {
            if let Some((_, answer)) = Self::WORDS.iter().find(|(known, _)| *known == word) {
                read = read.with(*answer);
            } else {
                let known = Self::WORDS.map(|(known, _)| format!("`{known}`")).join(", ");
                let text = format!("{what} must hold reason codes: {known}");
                table.reader.report(Code::BadValue, at, text);
            }
        }
        read
    }
}

impl Serialize for RetryOn {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let listed = Self::WORDS.iter().skip(1).filter(|(_, answer)| self.holds(*answer));
        to.collect_seq(listed.map(|(word, _)| word))
    }
}
