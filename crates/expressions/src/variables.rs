//! Between JSON and the values of an evaluation.
//!
//! A condition turns its variables into values here and a function its arguments back. Whole numbers are signed, so
//! that `status + 1` is a number and not a mixture of types.

use std::collections::HashMap;
use std::sync::Arc;

use cel::objects::{Key, Map};
use serde_json::Value as Json;

/// Turns a JSON value into one of the evaluation.
pub(crate) fn value(json: &Json) -> cel::Value {
    match json {
        Json::Null => cel::Value::Null,
        Json::Bool(truth) => cel::Value::Bool(*truth),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => cel::Value::Int(whole),
            (None, Some(large)) => cel::Value::UInt(large),
            (None, None) => cel::Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => cel::Value::String(Arc::new(text.clone())),
        Json::Array(items) => cel::Value::List(Arc::new(items.iter().map(value).collect())),
        Json::Object(entries) => {
            let key = |name: &String| Key::String(Arc::new(name.clone()));
            let map: HashMap<Key, cel::Value> =
                entries.iter().map(|(name, json)| (key(name), value(json))).collect();
            cel::Value::Map(Map { map: Arc::new(map) })
        }
    }
}

/// Says what kind of value came out, for a person who expected yes or no.
pub(crate) fn kind(value: &cel::Value) -> String {
    value.type_of().to_string()
}
