//! Names of images as people write them: `[registry/]repository[:tag][@digest]`.
//!
//! The image probe asks for what is read here, and the validator builds one from fleet file and event. Pure; it
//! accepts no character that could lead a request to another path.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;
use crate::outcome::{Class, ReasonCode};

/// The tag that is meant when neither tag nor digest is written.
const DEFAULT_TAG: &str = "latest";

/// The longest repository name, as registries limit it.
const LONGEST_REPOSITORY: usize = 255;

/// The longest tag.
///
/// # Source
/// OCI Distribution Specification 1.1, "Pulling manifests".
const LONGEST_TAG: usize = 128;

/// An image's name in its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageReference {
    registry: Option<String>,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// The SHA-256 of a manifest or a blob.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest(String);

impl FromStr for Digest {
    type Err = Error;

    /// Reads `sha256:` and 64 lower-case hex digits.
    fn from_str(text: &str) -> Result<Self, Error> {
        let hex = text.strip_prefix("sha256:").unwrap_or_default();
        let digits = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if hex.len() == 64 && hex.bytes().all(digits) {
            Ok(Self(text.to_owned()))
        } else {
            Err(wrong("its digest is not sha256: and 64 hex digits"))
        }
    }
}

impl Digest {
    /// Computes the digest of bytes.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        let mut text = String::with_capacity(71);
        text.push_str("sha256:");
        for byte in sha2::Sha256::digest(bytes) {
            for digit in [byte >> 4, byte & 0xf] {
                text.extend(char::from_digit(digit.into(), 16));
            }
        }
        Self(text)
    }

    /// Returns the text, `sha256:…`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ImageReference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest.parse()?)),
            None => (text, None),
        };
        let (registry, rest) = match name.split_once('/') {
            Some((first, rest)) if is_registry(first) => (Some(first), rest),
            Some(_) | None => (None, name),
        };
        let (repository, tag) = match rest.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (rest, None),
        };
        if !is_repository(repository) {
            return Err(wrong("its repository is not in lower-case parts such as shop/checkout"));
        }
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(wrong("its tag has other characters than letters, digits, _ . -"));
        }
        Ok(Self {
            registry: registry.map(str::to_ascii_lowercase),
            repository: repository.to_owned(),
            tag: tag.map(str::to_owned),
            digest,
        })
    }
}

impl ImageReference {
    /// Returns the registry's host and port, where one is written.
    pub fn registry(&self) -> Option<&str> {
        self.registry.as_deref()
    }

    /// Returns the repository, as in `shop/checkout`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// Returns the digest the image is pinned to.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// Returns the same image with a tag, if it says neither tag nor digest.
    ///
    /// # Errors
    /// The text is no tag.
    pub fn or_tag(mut self, tag: &str) -> Result<Self, Error> {
        if self.tag.is_none() && self.digest.is_none() {
            if !is_tag(tag) {
                return Err(wrong("the version cannot be a tag"));
            }
            self.tag = Some(tag.to_owned());
        }
        Ok(self)
    }

    /// Returns what is asked for: the digest, else the tag.
    pub(crate) fn wanted(&self) -> &str {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.as_str(),
            (None, Some(tag)) => tag,
            (None, None) => DEFAULT_TAG,
        }
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(registry) = &self.registry {
            write!(f, "{registry}/")?;
        }
        f.write_str(&self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

/// A first part with a dot, a colon or the name `localhost` is a host; anything else begins the repository.
fn is_registry(part: &str) -> bool {
    let host = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    let begins = part.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[');
    begins && (part.contains(['.', ':']) || part == "localhost") && part.bytes().all(host)
}

fn is_repository(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let part = |part: &str| {
        part.bytes().all(|byte| inner(byte) || b"._-".contains(&byte))
            && part.bytes().next().is_some_and(inner)
            && part.bytes().last().is_some_and(inner)
            && !part.contains("..")
    };
    text.len() <= LONGEST_REPOSITORY && text.split('/').all(part)
}

fn is_tag(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= LONGEST_TAG
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|byte| word(byte) || b".-".contains(&byte))
}

fn wrong(why: &str) -> Error {
    Error::new(Class::Internal, ReasonCode::InvalidTarget, "reading the name of an image", why)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn a_name_is_read_in_its_parts_and_written_as_it_was() {
        let pinned = format!("registry.local:5000/shop/checkout:1.9.2@{SHA}");
        let cases: [(&str, Option<&str>, &str, &str); 6] = [
            ("nginx", None, "nginx", "latest"),
            ("shop/checkout:1.9.2", None, "shop/checkout", "1.9.2"),
            ("registry.local/shop/api:1", Some("registry.local"), "shop/api", "1"),
            ("localhost/api:1", Some("localhost"), "api", "1"),
            ("[::1]:5000/api:1", Some("[::1]:5000"), "api", "1"),
            (&pinned, Some("registry.local:5000"), "shop/checkout", SHA),
        ];
        for (text, registry, repository, wanted) in cases {
            let read: ImageReference = text.parse().unwrap();
            assert_eq!((read.registry(), read.repository()), (registry, repository), "{text}");
            assert_eq!(read.wanted(), wanted, "{text}");
            assert_eq!(read.to_string(), text);
        }
    }

    #[test]
    fn what_could_lead_elsewhere_is_no_name() {
        let cases = [
            "",
            "Shop/api:1",
            "shop/../admin:1",
            "shop//api:1",
            "shop/api:1/../2",
            "shop/api:..",
            "shop/api:1?x=1",
            "shop/api@sha256:00",
            "shop/api@md5:0123456789abcdef0123456789abcdef",
            "user@host/api",
            "evil.example/%2e%2e/api:1",
            "shop/api:1 2",
        ];
        for text in cases {
            assert!(text.parse::<ImageReference>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_version_becomes_the_tag_only_where_none_is_written() {
        let cases = [
            ("shop/api", "1.2.0", "shop/api:1.2.0"),
            ("shop/api:2", "1.2.0", "shop/api:2"),
            ("registry.local:5000/api", "1.2.0", "registry.local:5000/api:1.2.0"),
        ];
        for (text, version, expected) in cases {
            let read: ImageReference = text.parse().unwrap();
            assert_eq!(read.or_tag(version).unwrap().to_string(), expected);
        }
        let read: ImageReference = "shop/api".parse().unwrap();
        assert!(read.or_tag("../../x").is_err());
    }
}
