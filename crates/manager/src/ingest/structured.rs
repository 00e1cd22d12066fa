//! An event as one JSON object: CloudEvents in structured mode, or the short form `{type, data}`.
//!
//! Pure. What claims to be a CloudEvent, by its `specversion`, is held to all of that
//! specification.
//!
//! Source: CloudEvents 1.0.2, JSON event format.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use printery_events::ids;
use printery_streams::Fields;
use serde_json::{Map, Value};

use crate::ingest::{Received, Refused, cdevents, judge};

/// Attributes that every CloudEvent has.
const REQUIRED: [&str; 4] = ["specversion", "id", "type", "source"];
/// Attributes of the specification that are text where they are given.
const OPTIONAL: [&str; 4] = ["datacontenttype", "dataschema", "subject", "time"];
/// What the short form may have beside `type` and `data`.
const SHORT: [&str; 10] = [
    "type",
    "data",
    "id",
    "subject",
    "source",
    "time",
    "correlationid",
    "causationid",
    "dryrun",
    "datacontenttype",
];

/// Reads one object.
///
/// # Errors
/// The first thing that is wrong, and where.
pub(crate) fn read(value: &Value, now: Timestamp) -> Result<Received, Refused> {
    let Value::Object(object) = value else {
        return Err(Refused::malformed("", "must be a JSON object"));
    };
    if object.contains_key("specversion") {
        cloud_event(object, now)
    } else if object.contains_key("source") && !object.contains_key("data") {
        // Neither form: most likely a CloudEvent that forgot to say so.
        Err(Refused::malformed("/specversion", "is missing"))
    } else {
        short(object, now)
    }
}

fn cloud_event(object: &Map<String, Value>, now: Timestamp) -> Result<Received, Refused> {
    let mut fields = Vec::with_capacity(object.len());
    for name in REQUIRED {
        match object.get(name) {
            None | Some(Value::Null) => return Err(at(name, "is missing")),
            Some(_) => {}
        }
    }
    for (name, value) in object {
        if matches!(name.as_str(), "data" | "data_base64") || value.is_null() {
            continue;
        }
        if !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
            return Err(at(name, "an attribute's name has only lower-case letters and digits"));
        }
        let is_core = REQUIRED.contains(&name.as_str()) || OPTIONAL.contains(&name.as_str());
        fields.push((name.clone().into_bytes(), attribute(name, value, is_core)?.into_bytes()));
    }
    check(object)?;
    let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
    if text("type").starts_with(cdevents::PREFIX) {
        return cdevents::read(text("id"), text("type"), object.get("data"), now);
    }
    fields.retain(|(name, _)| name != b"datacontenttype" && name != b"dataschema");
    let content_type = object.get("datacontenttype").and_then(Value::as_str);
    fields.extend(data(object, content_type)?);
    Ok(Received::Event(Box::new(judge(&fields, now)?)))
}

/// An attribute's value as text: CloudEvents knows text, booleans and integers.
fn attribute(name: &str, value: &Value, is_core: bool) -> Result<String, Refused> {
    match value {
        Value::String(text) if text.is_empty() && is_core => Err(at(name, "is empty")),
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Number(_) if is_core => Err(at(name, "must be text")),
        Value::Bool(truth) => Ok(truth.to_string()),
        Value::Number(number) if number.as_i64().is_some_and(|it| i32::try_from(it).is_ok()) => {
            Ok(number.to_string())
        }
        Value::Number(_) => Err(at(name, "a number must be an integer of 32 bits")),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            Err(at(name, "must be text, a boolean or an integer"))
        }
    }
}

/// What the specification asks of the attributes that we do not keep ourselves.
fn check(object: &Map<String, Value>) -> Result<(), Refused> {
    if object.get("specversion").and_then(Value::as_str) != Some("1.0") {
        return Err(at("specversion", "must be 1.0"));
    }
    if let Some(media_type) = object.get("datacontenttype").and_then(Value::as_str) {
        let (kind, subtype) = media_type.split_once('/').unwrap_or_default();
        if kind.trim().is_empty() || subtype.trim().is_empty() {
            return Err(at("datacontenttype", "must be a media type such as application/json"));
        }
    }
    let given = |name: &str| object.get(name).is_some_and(|value| !value.is_null());
    if given("data") && given("data_base64") {
        return Err(at("data_base64", "stands beside data: only one of them may be given"));
    }
    if let Some(time) = object.get("time").and_then(Value::as_str)
        && time.parse::<i64>().is_ok()
    {
        return Err(at("time", "must be RFC 3339"));
    }
    Ok(())
}

/// The fields `data` and `datacontenttype`.
fn data(object: &Map<String, Value>, content_type: Option<&str>) -> Result<Fields, Refused> {
    let field = |name: &str, value: Vec<u8>| (name.as_bytes().to_vec(), value);
    if let Some(encoded) = object.get("data_base64").filter(|value| !value.is_null()) {
        let text = encoded.as_str().ok_or_else(|| at("data_base64", "must be text"))?;
        let bytes = STANDARD
            .decode(text)
            .map_err(|error| at("data_base64", format!("is not Base64: {error}")))?;
        let mut fields = vec![field("data", bytes)];
        fields.extend(content_type.map(|it| field("datacontenttype", it.as_bytes().to_vec())));
        return Ok(fields);
    }
    let Some(data) = object.get("data").filter(|data| !data.is_null()) else {
        return Ok(Vec::new());
    };
    let json = content_type.is_none_or(|it| {
        let media_type = it.split(';').next().unwrap_or_default().trim();
        media_type.eq_ignore_ascii_case("application/json") || media_type.ends_with("+json")
    });
    if let (Value::String(text), false) = (data, json) {
        // Text beside a type that is not JSON is the data itself.
        return Ok(vec![
            field("datacontenttype", content_type.unwrap_or_default().as_bytes().to_vec()),
            field("data", text.as_bytes().to_vec()),
        ]);
    }
    Ok(vec![
        field("datacontenttype", b"application/json".to_vec()),
        field("data", data.to_string().into_bytes()),
    ])
}

/// `{type, data}` and what may stand beside them; an id is made up where none is given.
fn short(object: &Map<String, Value>, now: Timestamp) -> Result<Received, Refused> {
    if let Some(name) = object.keys().find(|name| !SHORT.contains(&name.as_str())) {
        return Err(at(name, "is not known; the short form has type, data and few others"));
    }
    for name in ["type", "data"] {
        if object.get(name).is_none_or(Value::is_null) {
            return Err(at(name, "is missing"));
        }
    }
    let mut fields = Vec::with_capacity(object.len() + 2);
    for (name, value) in object.iter().filter(|(_, value)| !value.is_null()) {
        if !matches!(name.as_str(), "data" | "datacontenttype") {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Bool(truth) => truth.to_string(),
                Value::Number(number) if name == "time" => number.to_string(),
                Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                    return Err(at(name, "must be text"));
                }
            };
            fields.push((name.clone().into_bytes(), text.into_bytes()));
        }
    }
    let mut put = |name: &str, value: String| {
        if !object.contains_key(name) {
            fields.push((name.as_bytes().to_vec(), value.into_bytes()));
        }
    };
    put("id", ids::new_id(now));
    put("source", "/printery-workers/api".to_owned());
    put("time", now.to_string());
    fields.extend(data(object, None)?);
    Ok(Received::Event(Box::new(judge(&fields, now)?)))
}

fn at(name: &str, problem: impl Into<String>) -> Refused {
    Refused::malformed(format!("/{}", name.replace('~', "~0").replace('/', "~1")), problem)
}
