//! Owns the JSON Schemas of `data`, generated from the payload structs.
//! `printery-workers events schema` prints them; producers generate their own types from them.
//! It never validates at run time: decoding does, and the golden tests hold both together.

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use crate::kinds::{Family, schema_of};

/// Builds the JSON Schema (draft 2020-12) of one family's `data`.
///
/// Enumerations are listed in the case the fleet writes; readers ignore it. Unknown keys are allowed.
pub fn schema(family: Family) -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let root = schema_of(family, &mut generator);
    let mut schema = root.to_value();
    let definitions = generator.take_definitions(true);
    if let Some(object) = schema.as_object_mut() {
        let dialect = "https://json-schema.org/draft/2020-12/schema";
        object.insert("$schema".to_owned(), json!(dialect));
        object.insert("title".to_owned(), json!(family.pattern()));
        if !definitions.is_empty() {
            object.insert("$defs".to_owned(), Value::Object(definitions));
        }
    }
    if let Some(deployment_id) = schema.pointer_mut("/properties/deployment_id")
        && let Some(object) = deployment_id.as_object_mut()
    {
        object.insert("pattern".to_owned(), json!("^[A-Za-z0-9_.:-]{1,128}$"));
    }
    schema
}
