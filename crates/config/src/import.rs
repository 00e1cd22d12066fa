//! Fleet files made of what a team already has: Kubernetes manifests and compose files.
//!
//! Owns the draft and its text; one file beside this for each format, and one for finding addresses in settings. The command
//! `import` calls it. Never invents what the source does not say: what cannot be taken over becomes a note.

mod address;
mod compose;
mod document;
mod kubernetes;
mod manifest;
mod workload;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

pub use compose::compose;
pub use kubernetes::kubernetes;
pub use manifest::{ServiceVariables, Variable, service_variables};

use crate::scalar;
use crate::yaml::to_yaml;

/// Holds what a source says of a fleet, ready to be written as a fleet file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// The fleet's name; empty where the source has none.
    pub name: String,
    /// What the source deploys, by name.
    pub services: BTreeMap<String, DraftService>,
    /// What its services name and something else provides: `host:port`, by name.
    pub endpoints: BTreeMap<String, String>,
    /// What could not be taken over, each one sentence.
    pub notes: Vec<String>,
}

/// Describes one service of a draft.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DraftService {
    /// The image, without the tag of the version.
    pub image: Option<String>,
    /// How it is asked whether it works.
    pub asked: Asked,
    /// What its settings name.
    pub requires: BTreeSet<String>,
}

/// Says how a service is asked whether it works.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Asked {
    /// Not at all: nothing leads to it.
    #[default]
    Not,
    /// With requests.
    Http {
        /// The base address.
        url: String,
        /// The path that tells whether it lives; without one it is not asked.
        health: Option<String>,
        /// The path that tells whether it is ready; without one it is not asked.
        ready: Option<String>,
    },
    /// With the gRPC health protocol, at `host:port`.
    Grpc(String),
    /// With a connection to `host:port`.
    Tcp(String),
}

impl Draft {
    /// Returns the fleet file as a value.
    pub fn value(&self) -> Value {
        let mut file = Map::new();
        file.insert("version".to_owned(), json!(1));
        if !self.name.trim().is_empty() {
            file.insert("fleet".to_owned(), literal(&self.name));
        }
        if !self.endpoints.is_empty() {
            let endpoint =
                |(name, tcp): (&String, &String)| (name.clone(), json!({ "tcp": literal(tcp) }));
            file.insert("endpoints".to_owned(), self.endpoints.iter().map(endpoint).collect());
        }
        let service = |(name, service): (&String, &DraftService)| (name.clone(), service.value());
        file.insert("services".to_owned(), self.services.iter().map(service).collect());
        Value::Object(file)
    }

    /// Returns the fleet file as a person would write it, the notes as comments at its top.
    pub fn text(&self, source: &str) -> String {
        let tame = |text: &str| text.replace(|c: char| c.is_control(), " ");
        let mut lines = vec![format!("# Made from {}; it is yours from here on.", tame(source))];
        if !self.notes.is_empty() {
            lines.push("# Not taken over:".to_owned());
            lines.extend(self.notes.iter().map(|note| format!("#   {}", tame(note))));
        }
        let value = self.value();
        for section in ["version", "fleet", "endpoints", "services"] {
            let Some(content) = value.get(section) else { continue };
            if content.is_object() {
                lines.push(String::new());
            }
            lines.extend(to_yaml(&json!({ section: content })));
        }
        lines.push(String::new());
        lines.join("\n")
    }

    /// Adds a service, unless its name cannot stand in a fleet file.
    fn add(&mut self, name: &str, service: DraftService) {
        match scalar::name(name) {
            Ok(()) => {
                self.services.insert(name.to_owned(), service);
            }
            Err(why) => self.note(format!("the service `{name}` {why}")),
        }
    }

    /// Adds what is outside, under a name that no service has.
    fn add_endpoint(&mut self, host: &str, address: String) -> Option<String> {
        let name = if self.services.contains_key(host) {
            format!("{host}-outside")
        } else {
            host.to_owned()
        };
        scalar::name(&name).ok()?;
        self.endpoints.entry(name.clone()).or_insert(address);
        Some(name)
    }

    /// Says once what could not be taken over.
    fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}

impl DraftService {
    fn value(&self) -> Value {
        let mut service = Map::new();
        let mut put = |key: &str, value: Value| service.insert(key.to_owned(), value);
        if let Some(image) = &self.image {
            put("image", Value::from(image.as_str()));
        }
        match &self.asked {
            Asked::Not => {}
            Asked::Http { url, health, ready } => {
                let path = |path: &Option<String>| path.as_deref().map_or(json!(false), literal);
                put("url", literal(url));
                put("health", path(health));
                put("ready", path(ready));
            }
            Asked::Grpc(address) => {
                put("grpc", literal(address));
            }
            Asked::Tcp(address) => {
                put("tcp", literal(address));
            }
        }
        if !self.requires.is_empty() {
            put("requires", self.requires.iter().map(String::as_str).collect());
        }
        Value::Object(service)
    }
}

/// Writes a text so that nothing in it is replaced when the file is read.
fn literal(text: &str) -> Value {
    Value::from(text.replace("${", "$${"))
}

/// Takes the version off an image: it comes with each deployment. Other tags, such as `alpine`, belong to the image.
fn without_version(image: &str) -> String {
    let image = image.split_once('@').map_or(image, |(image, _)| image);
    let name = image.rfind('/').map_or(0, |slash| slash + 1);
    let Some(tag) = image.get(name..).and_then(|name| name.find(':')).map(|colon| name + colon)
    else {
        return image.to_owned();
    };
    let version = image.get(tag + 1..).unwrap_or_default();
    let number = version.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit());
    let filled_in = version.contains('$');
    let tagged = if number || filled_in || version == "latest" { image.get(..tag) } else { None };
    tagged.unwrap_or(image).to_owned()
}

#[cfg(test)]
mod tests {
    use super::without_version;

    #[test]
    fn an_image_loses_its_version_and_nothing_else() {
        let cases = [
            ("shop/cart", "shop/cart"),
            ("shop/cart:v1.2", "shop/cart"),
            ("h:5000/shop/cart:1.2@sha256:ab", "h:5000/shop/cart"),
            ("h:5000/shop/cart", "h:5000/shop/cart"),
            ("redis:alpine", "redis:alpine"),
            ("cart:latest", "cart"),
            ("cart:${TAG:-1}", "cart"),
        ];
        for (image, expected) in cases {
            assert_eq!(without_version(image), expected, "{image}");
        }
    }
}
