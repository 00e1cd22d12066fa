//! A fleet file made of a compose file.
//!
//! Owns which keys of a service matter: image, ports, health check, `depends_on` and the addresses in its environment. The
//! command `import compose` calls it. Never asks a container engine.

use std::collections::BTreeSet;

use serde_json::Value;

use super::address::{addresses, is_address};
use super::document::{documents, list, map, scalar, text};
use super::kubernetes::outside;
use super::{Asked, Draft, DraftService, without_version};
use crate::problem::Problems;

/// Makes a draft of a compose file; services are called by their names, as they call each other.
///
/// # Errors
/// The text is not YAML.
pub fn compose(file: &str, text: &str) -> Result<Draft, Problems> {
    let documents = documents(file, text)?;
    let mut draft = Draft::default();
    for document in &documents {
        if let Some(name) = self::text(document, "/name") {
            name.clone_into(&mut draft.name);
        }
        let services = document.pointer("/services").and_then(Value::as_object);
        for (name, service) in services.into_iter().flatten() {
            let (asked, note) = asked(name, service);
            if let Some(note) = note {
                draft.note(format!("`{name}`: {note}"));
            }
            let image = self::text(service, "/image").map(without_version);
            let image = image.filter(|image| !image.contains('$'));
            draft.add(name, DraftService { image, asked, ..DraftService::default() });
        }
        for (name, service) in services.into_iter().flatten() {
            let needs = needs(name, service, &mut draft);
            if let Some(service) = draft.services.get_mut(name) {
                service.requires.extend(needs);
            }
        }
    }
    Ok(draft)
}

/// Returns what a service waits for and what its settings name.
fn needs(name: &str, service: &Value, draft: &mut Draft) -> BTreeSet<String> {
    let mut needs = BTreeSet::new();
    for waited_for in names(service, "/depends_on").into_iter().chain(names(service, "/links")) {
        // `links` may rename: `db:database`.
        let waited_for = waited_for.split(':').next().unwrap_or_default().to_owned();
        if draft.services.contains_key(&waited_for) {
            needs.insert(waited_for);
        } else {
            draft.note(format!("`{name}` depends on `{waited_for}`, which is not in the file"));
        }
    }
    for (variable, value) in environment(service) {
        for address in addresses(Some(&variable), &value) {
            let says_so = address.scheme.is_some() || is_address(&variable);
            let ours =
                draft.services.keys().find(|known| known.eq_ignore_ascii_case(&address.host));
            match ours.cloned() {
                Some(ours) if says_so || address.port.is_some() => {
                    needs.insert(ours);
                }
                Some(_) => {}
                None => needs.extend(outside(name, Some(&variable), &address, draft)),
            }
        }
    }
    needs.remove(name);
    needs
}

/// Reads a list of names, or a map whose keys are the names.
fn names(service: &Value, path: &str) -> Vec<String> {
    match service.pointer(path) {
        Some(Value::Object(map)) => map.keys().cloned().collect(),
        Some(Value::Array(items)) => items.iter().filter_map(scalar).collect(),
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => {
            Vec::new()
        }
    }
}

/// Reads `environment` as a map or as a list of `NAME=value`.
fn environment(service: &Value) -> Vec<(String, String)> {
    let listed = list(service, "/environment").filter_map(|line| {
        let (name, value) = line.as_str()?.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    });
    map(service, "/environment").into_iter().chain(listed).collect()
}

/// Returns how a service is asked: by the URL of its health check, or by a connection to its first port.
fn asked(name: &str, service: &Value) -> (Asked, Option<String>) {
    if let Some((port, path, https)) = health_url(service) {
        let scheme = if https { "https" } else { "http" };
        let port =
            if port == if https { 443 } else { 80 } { String::new() } else { format!(":{port}") };
        let url = format!("{scheme}://{name}{port}");
        return (Asked::Http { url, health: Some(path), ready: None }, None);
    }
    match ports(service).first() {
        Some(port) => (Asked::Tcp(format!("{name}:{port}")), None),
        None if service.pointer("/healthcheck/test").is_some() => (
            Asked::Not,
            Some("its health check runs inside the container and names no URL".to_owned()),
        ),
        None => (Asked::Not, None),
    }
}

/// Finds `http://localhost:8080/health` in a health check: port, path, and whether it is HTTPS.
fn health_url(service: &Value) -> Option<(u16, String, bool)> {
    let test = service.pointer("/healthcheck/test")?;
    let words: Vec<String> = match test {
        Value::Array(words) => words.iter().filter_map(scalar).collect(),
        Value::String(line) => vec![line.clone()],
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    };
    let line = words.join(" ");
    let start = line.find("http://").or_else(|| line.find("https://"))?;
    let ends = |c: char| c.is_whitespace() || "\"'|;&$)".contains(c);
    let url = line.get(start..)?.split(ends).next()?;
    let url = url::Url::parse(url).ok()?;
    let here = ["localhost", "127.0.0.1", "0.0.0.0", "[::1]"].contains(&url.host_str()?);
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let path = format!("{}{query}", url.path());
    here.then_some((url.port_or_known_default()?, path, url.scheme() == "https"))
}

/// Lists the ports inside the container, those of `ports` before those of `expose`.
fn ports(service: &Value) -> Vec<u16> {
    let published = list(service, "/ports").filter_map(|port| match port {
        Value::Object(long) => super::document::port(long.get("target")?),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            last_port(&scalar(port)?)
        }
    });
    let exposed = list(service, "/expose").filter_map(|port| last_port(&scalar(port)?));
    published.chain(exposed).collect()
}

/// Reads `8080`, `80:8080`, `127.0.0.1:80:8080/tcp` and, of a range, its first port.
fn last_port(text: &str) -> Option<u16> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let inside = ports.rsplit(':').next().unwrap_or_default();
    let first = inside.split('-').next().unwrap_or_default();
    first.parse().ok().filter(|port| protocol == "tcp" && *port != 0)
}
