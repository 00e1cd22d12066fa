//! A CloudEvent in binary mode: attributes in `ce-` headers, the body is its data.
//!
//! Pure. The attributes are judged as in structured mode.
//!
//! Source: CloudEvents 1.0.2, HTTP protocol binding, §3.1.

use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::ingest::{Received, Refused, structured};

/// What the headers of attributes begin with.
const PREFIX: &str = "ce-";

/// Whether a request says that it is one.
pub(crate) fn is_one(headers: &HeaderMap) -> bool {
    headers.contains_key("ce-specversion")
}

/// Reads headers and body.
///
/// # Errors
/// The first thing that is wrong; headers are named as attributes.
pub(crate) fn read(headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<Received, Refused> {
    let mut object = Map::new();
    for (name, value) in headers {
        let Some(attribute) = name.as_str().strip_prefix(PREFIX) else { continue };
        let pointer = format!("/{attribute}");
        let text = std::str::from_utf8(value.as_bytes())
            .map_err(|_not| Refused::malformed(&pointer, "the header is not text"))?;
        let text = percent_decoded(text)
            .ok_or_else(|| Refused::malformed(&pointer, "is not percent-encoded UTF-8"))?;
        if object.insert(attribute.to_owned(), Value::String(text)).is_some() {
            return Err(Refused::malformed(&pointer, "is given more than once"));
        }
    }
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let json = content_type.is_none_or(|it| it.starts_with("application/json"));
    if let Some(content_type) = content_type {
        object.insert("datacontenttype".to_owned(), content_type.into());
    }
    if !body.is_empty() {
        if json {
            let data = serde_json::from_slice(body)
                .map_err(|error| Refused::malformed("/data", error.to_string()))?;
            object.insert("data".to_owned(), data);
        } else {
            object.insert("data_base64".to_owned(), STANDARD.encode(body).into());
        }
    }
    structured::read(&Value::Object(object), now)
}

/// Undoes percent-encoding; none where it is broken.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let [high, low, after @ ..] = rest else { return None };
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        bytes.push(u8::try_from(digit(high)? * 16 + digit(low)?).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}
