//! The `oci_image` check as the fleet file describes it.
//!
//! Owns its keys, and the rule that an event never names the registry that is asked. The validator makes one probe of it for
//! each service. Never asks a registry.

use std::time::Duration;

use serde::Serialize;

use crate::address::TargetUrl;
use crate::probe::{self, Limits};
use crate::problem::Code;
use crate::reader::Refers;
use crate::secret::Secret;
use crate::shown;
use crate::table::Table;
use crate::template::Template;

/// Describes images that a registry must have.
#[derive(Clone, Debug, Serialize)]
pub struct ImageCheck {
    /// The image of one service.
    pub image: Template,
    /// The registry that is asked; `None`: the one that the image names.
    pub registry: Option<TargetUrl>,
    /// How to sign in there.
    pub login: Option<RegistryLogin>,
    /// Token servers (`host` or `host:port`) that may be given the password beside the registry itself.
    pub realms: Vec<String>,
    /// Services whose images are looked for; empty: all that are deployed.
    pub services: Vec<String>,
    /// What the image must be beyond being there.
    pub require: ImageRequirements,
    /// Time and repetition.
    pub limits: Limits,
}

/// Names who signs in at a registry.
#[derive(Clone, Debug, Serialize)]
pub struct RegistryLogin {
    /// The user.
    pub username: String,
    /// The password, or an access token in its place.
    pub password: Secret,
}

/// Says what an image must be beyond being there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ImageRequirements {
    /// The reference must name a digest.
    pub digest_pinned: bool,
    /// Platforms that must be there, `os/architecture[/variant]`.
    pub platforms: Vec<String>,
    /// Labels and the values they must have.
    pub labels: Vec<(String, Template)>,
    /// How old the image may be.
    #[serde(serialize_with = "shown::optional_duration")]
    pub max_age: Option<Duration>,
    /// A signature or another document that refers to the image must be there.
    pub signed: bool,
}

impl ImageCheck {
    /// Reads its keys.
    pub(super) fn read(table: &mut Table<'_, '_>, limits: Limits) -> Option<Self> {
        let at = table.get("image").map_or(table.at, |node| node.at);
        let asks_by_default = || Template::parse("${event.image}").ok();
        let image =
            if table.get("image").is_some() { table.template("image") } else { asks_by_default() };
        let registry = table.url("registry", &probe::HTTP);
        let names_host =
            |image: &Template| image.beginning().contains('/') || image.is_field("image");
        if registry.is_none()
            && !table.has_any(&["registry"])
            && let Some(image) = &image
            && !names_host(image)
        {
            let text = format!("{} leaves open which registry is asked", table.name("image"));
            let hint = "write the registry before the first `/`, or as `registry`";
            table.reader.hint(Code::Conflict, at, text, hint);
        }
        let (login, realms) = login(table);
        let mut services = Vec::new();
        for (name, at) in table.texts("services").unwrap_or_default() {
            table.reader.refer(Refers::Dependency, &name, at);
            services.push(name);
        }
        let require = ImageRequirements::read(table);
        let limits = Limits::read(table, limits);
        Some(Self { image: image?, registry, login, realms, services, require, limits })
    }
}

/// Reads `auth: { username, password, realms }`.
fn login(table: &mut Table<'_, '_>) -> (Option<RegistryLogin>, Vec<String>) {
    let Some(mut auth) = table.table("auth") else { return (None, Vec::new()) };
    auth.must("username");
    auth.must("password");
    let username = auth.text("username");
    let password = auth.secret("password");
    let realms = auth.texts("realms").unwrap_or_default();
    auth.close();
    let login = username.zip(password);
    let login = login.map(|(username, password)| RegistryLogin { username, password });
    (login, realms.into_iter().map(|(realm, _)| realm).collect())
}

impl ImageRequirements {
    fn read(table: &mut Table<'_, '_>) -> Self {
        let mut read = Self::default();
        let Some(mut require) = table.table("require") else { return read };
        read.digest_pinned = require.flag("digest_pinned").unwrap_or_default();
        read.signed = require.flag("signed").unwrap_or_default();
        read.max_age = require.span("max_age");
        for (platform, at) in require.texts("platforms").unwrap_or_default() {
            let parts = platform.split('/').count();
            if (2..=3).contains(&parts) && platform.split('/').all(|part| !part.is_empty()) {
                read.platforms.push(platform);
            } else {
                let what = require.name("platforms");
                let text = format!("{what} must be such as `linux/amd64`, found `{platform}`");
                require.reader.report(Code::BadValue, at, text);
            }
        }
        if let Some(node) = require.get("labels") {
            let path = require.path_to("labels");
            read.labels = Table::open(require.reader, node, &path).templates();
        }
        require.close();
        read
    }
}
