//! The fleet file's JSON Schema, for editors.
//!
//! Owns no list of keys: it asks the reader itself, which tells what it asks for while it reads trial files. `config schema`
//! prints it. Never says more than the reader does, so that it cannot drift from it; what only the reader can judge (names that
//! must exist, numbers that contradict each other) it leaves to `config check`.

mod emit;
mod explore;
mod heard;
mod trial;

use serde_json::{Value, json};

pub(crate) use heard::{Ear, Told};

/// Returns the JSON Schema (draft 2020-12) of a fleet file.
pub fn schema() -> Value {
    let mut schema = emit::object(&explore::top());
    if let Value::Object(schema) = &mut schema {
        let dialect = "https://json-schema.org/draft/2020-12/schema";
        schema.insert("$schema".to_owned(), json!(dialect));
        schema.insert("title".to_owned(), json!("Fleet file of printery-workers"));
    }
    schema
}
