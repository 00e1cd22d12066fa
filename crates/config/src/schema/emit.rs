//! What was found, as JSON Schema.
//!
//! Owns the wording: types, patterns, and conditions for keys that only go with others. Called once for the whole file. Never
//! knows a key.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::explore::{Fields, Shape, Variant};

/// Text that is replaced when the file is read: it may become anything.
const REPLACED: &str = r"\$\{";

/// One or more of number and unit, as in `1m30s`.
const DURATION: &str = r"^(\s*[0-9]+\s*[a-zA-Zµ]+)+\s*$|\$\{";

/// Writes what a map may hold.
pub(super) fn object(fields: &Fields) -> Value {
    let mut schema = parts(fields);
    schema.insert("type".to_owned(), json!("object"));
    Value::Object(schema)
}

fn parts(fields: &Fields) -> Map<String, Value> {
    let mut schema = Map::new();
    if fields.open {
        return schema;
    }
    let mut properties: Map<String, Value> = fields
        .keys
        .iter()
        .map(|(key, one)| ((*key).to_owned(), shape_of(fields, key, one)))
        .collect();
    // Keys of variants are described where their condition holds; here they only must not be unknown.
    for key in fields.variants.iter().flat_map(|variant| keys(&variant.fields)) {
        properties.entry(key).or_insert(json!(true));
    }
    schema.insert("properties".to_owned(), Value::Object(properties));
    let others = fields.names.as_ref().map_or(json!(false), |names| shape(names));
    schema.insert("additionalProperties".to_owned(), others);
    if !fields.prefixed.is_empty() {
        // No prefix has a letter that means something else in a pattern, but for the dot.
        let pattern = |prefix: &str| format!("^{}", prefix.replace('.', r"\."));
        let words = fields.prefixed.iter().map(|(prefix, words)| {
            let words: Vec<Value> =
                words.iter().map(|word| json!(word)).chain([Value::Null]).collect();
            (pattern(prefix), json!({ "enum": words }))
        });
        schema.insert("patternProperties".to_owned(), Value::Object(words.collect()));
    }
    if !fields.required.is_empty() {
        schema.insert("required".to_owned(), json!(fields.required));
    }
    if !fields.variants.is_empty() {
        let conditions = fields.variants.iter().map(|variant| condition(fields, variant)).collect();
        schema.insert("allOf".to_owned(), Value::Array(conditions));
    }
    schema
}

/// Lists every key of a map, those of its variants included.
fn keys(fields: &Fields) -> BTreeSet<String> {
    let own = fields.keys.keys().map(|key| (*key).to_owned());
    own.chain(fields.variants.iter().flat_map(|variant| keys(&variant.fields))).collect()
}

/// Writes `if` the map has the key (with the word) `then` it may have these keys, too.
fn condition(fields: &Fields, variant: &Variant) -> Value {
    let key = variant.key;
    let holds = match &variant.word {
        Some(word) => json!({ "required": [key], "properties": { key: { "const": word } } }),
        None => json!({ "required": [key] }),
    };
    let mut then = parts(&variant.fields);
    then.remove("additionalProperties");
    if fields.names.is_none() {
        // With one word of a key, what belongs to its other words is unknown; other keys have their own say.
        let others = fields.variants.iter().filter(|other| other.key != key);
        let mut allowed: BTreeSet<String> =
            fields.keys.keys().map(|key| (*key).to_owned()).collect();
        allowed.extend(keys(&variant.fields));
        allowed.extend(others.flat_map(|other| keys(&other.fields)));
        then.insert("propertyNames".to_owned(), json!({ "enum": allowed }));
    }
    json!({ "if": holds, "then": then })
}

/// Writes what a key's value may be; where the key must be there, not nothing.
fn shape_of(fields: &Fields, key: &str, one: &Shape) -> Value {
    let null = one.null && !fields.required.contains(key);
    shape(&Shape { null, ..one.clone() })
}

/// Writes what may stand in one place.
fn shape(shape: &Shape) -> Value {
    let mut forms = Vec::new();
    let Shape { null, text, only, words, duration, flag, number, least, items, map, open } = shape;
    if *open {
        return json!(true);
    }
    match (text, only) {
        (true, _) if *duration => forms.push(json!({ "type": "string", "pattern": DURATION })),
        (true, _) if !words.is_empty() => {
            forms.push(json!({ "enum": words }));
            forms.push(json!({ "type": "string", "pattern": REPLACED }));
        }
        (true, _) => forms.push(json!({ "type": "string" })),
        (false, Some(only)) => forms.push(json!({ "const": only })),
        (false, None) => {}
    }
    if *flag {
        forms.push(json!({ "type": "boolean" }));
    }
    if *number {
        forms.push(match least {
            Some(least) => json!({ "type": "integer", "minimum": least }),
            None => json!({ "type": "number" }),
        });
    }
    if (*flag || *number) && !*text {
        forms.push(json!({ "type": "string", "pattern": REPLACED }));
    }
    if let Some(items) = items {
        forms.push(json!({ "type": "array", "items": self::shape(items) }));
    }
    if let Some(map) = map {
        forms.push(object(map));
    }
    joined(forms, *null)
}

/// Joins the forms; nothing is one more where it is taken, as it is for every key.
fn joined(mut forms: Vec<Value>, null: bool) -> Value {
    if !null {
    } else if let [Value::Object(form)] = forms.as_mut_slice()
        && let Some(Value::String(one)) = form.get("type").cloned()
    {
        form.insert("type".to_owned(), json!([one, "null"]));
    } else {
        forms.push(json!({ "type": "null" }));
    }
    match forms.as_mut_slice() {
        [form] => form.take(),
        forms => json!({ "anyOf": forms }),
    }
}
