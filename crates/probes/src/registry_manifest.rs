//! What a registry's documents say of an image: its platforms, its configuration, its labels.
//!
//! The image probe reads manifests here after it has checked their digest. Pure: bytes in, facts out.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::error::Error;
use crate::outcome::{Class, ReasonCode};
use crate::registry_reference::Digest;

/// What is accepted as a manifest: one image or an index of several, in both vocabularies.
pub(crate) const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json";

/// Where an image runs, as `linux/amd64` or `linux/arm/v7`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(crate) struct Platform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    variant: Option<String>,
}

/// What stands under a tag.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Manifest {
    /// Several images, one for each platform.
    Index(Vec<(Platform, Digest)>),
    /// One image and where its configuration is.
    Image { config: Digest },
}

/// What an image's configuration says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Description {
    pub(crate) platform: Platform,
    /// When it was built, RFC 3339.
    pub(crate) created: Option<String>,
    pub(crate) labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct RawManifest {
    #[serde(default)]
    manifests: Option<Vec<RawEntry>>,
    #[serde(default)]
    config: Option<RawDescriptor>,
}

#[derive(Deserialize)]
struct RawEntry {
    digest: String,
    #[serde(default)]
    platform: Option<Platform>,
}

#[derive(Deserialize)]
struct RawDescriptor {
    digest: String,
}

#[derive(Deserialize)]
struct RawConfig {
    #[serde(flatten)]
    platform: Platform,
    #[serde(default)]
    created: Option<String>,
    #[serde(default)]
    config: Option<RawInner>,
}

#[derive(Deserialize)]
struct RawInner {
    #[serde(default, rename = "Labels")]
    labels: Option<BTreeMap<String, String>>,
}

impl Platform {
    /// Tells whether an image of this platform is what `wanted` (`os/architecture[/variant]`) asks for.
    pub(crate) fn is(&self, wanted: &str) -> bool {
        let mut parts = wanted.split('/');
        let same = parts.next() == Some(self.os.as_str())
            && parts.next() == Some(self.architecture.as_str());
        same && parts.next().is_none_or(|variant| Some(variant) == self.variant.as_deref())
    }

    /// Tells an image from what builders put beside it: attestations have the platform `unknown/unknown`.
    fn is_real(&self) -> bool {
        !self.os.is_empty() && self.os != "unknown"
    }
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

impl Manifest {
    /// Reads a manifest or an index.
    pub(crate) fn read(body: &[u8]) -> Result<Self, Error> {
        let raw: RawManifest =
            serde_json::from_slice(body).map_err(|_quotes_it| unreadable("manifest"))?;
        match (raw.manifests, raw.config) {
            (Some(entries), _) => {
                let image = |entry: RawEntry| {
                    let platform = entry.platform.filter(Platform::is_real)?;
                    Some((platform, entry.digest.parse().ok()?))
                };
                Ok(Self::Index(entries.into_iter().filter_map(image).collect()))
            }
            (None, Some(config)) => {
                let config = config.digest.parse().map_err(|_why: Error| unreadable("manifest"))?;
                Ok(Self::Image { config })
            }
            (None, None) => Err(unreadable("manifest")),
        }
    }
}

impl Description {
    /// Reads an image's configuration.
    pub(crate) fn read(body: &[u8]) -> Result<Self, Error> {
        let raw: RawConfig =
            serde_json::from_slice(body).map_err(|_quotes_it| unreadable("configuration"))?;
        let labels = raw.config.and_then(|inner| inner.labels).unwrap_or_default();
        Ok(Self { platform: raw.platform, created: raw.created, labels })
    }
}

fn unreadable(what: &str) -> Error {
    let observed = format!("answered with something that is no image {what}");
    Error::new(Class::Permanent, ReasonCode::Protocol, "", observed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sha(digit: char) -> String {
        format!("sha256:{}", digit.to_string().repeat(64))
    }

    #[test]
    fn an_index_lists_its_platforms_without_attestations() {
        let index = format!(
            r#"{{"schemaVersion":2,"manifests":[
                {{"digest":"{}","platform":{{"os":"linux","architecture":"amd64"}}}},
                {{"digest":"{}","platform":{{"os":"linux","architecture":"arm","variant":"v7"}}}},
                {{"digest":"{}","platform":{{"os":"unknown","architecture":"unknown"}}}},
                {{"digest":"{}"}}]}}"#,
            sha('a'),
            sha('b'),
            sha('c'),
            sha('d')
        );
        let Manifest::Index(images) = Manifest::read(index.as_bytes()).unwrap() else {
            panic!("not an index")
        };
        let platforms: Vec<String> = images.iter().map(|(p, _)| p.to_string()).collect();
        assert_eq!(platforms, ["linux/amd64", "linux/arm/v7"]);
        assert!(images[1].0.is("linux/arm") && images[1].0.is("linux/arm/v7"));
        assert!(!images[1].0.is("linux/arm/v6") && !images[0].0.is("linux/arm64"));
    }

    #[test]
    fn one_image_names_its_configuration_and_that_names_platform_and_labels() {
        let manifest = format!(r#"{{"config":{{"digest":"{}"}},"layers":[]}}"#, sha('e'));
        let read = Manifest::read(manifest.as_bytes()).unwrap();
        assert_eq!(read, Manifest::Image { config: sha('e').parse().unwrap() });
        let config = r#"{"os":"linux","architecture":"arm64","created":"2026-11-20T10:00:00Z",
            "config":{"Labels":{"team":"shop"}}}"#;
        let description = Description::read(config.as_bytes()).unwrap();
        assert!(description.platform.is("linux/arm64"), "{description:?}");
        assert_eq!(description.labels["team"], "shop");
        let bare = Description::read(br#"{"os":"linux","architecture":"amd64","config":{}}"#);
        assert!(bare.unwrap().labels.is_empty());
    }

    #[test]
    fn anything_else_is_no_manifest() {
        for body in ["", "[]", "{}", r#"{"config":{"digest":"../x"}}"#, "<html>"] {
            let error = Manifest::read(body.as_bytes()).unwrap_err();
            assert_eq!(error.reason_code(), ReasonCode::Protocol, "{body}");
        }
    }
}
