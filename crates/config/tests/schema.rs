//! The schema that editors use says what the reader says.
#![expect(clippy::unwrap_used, reason = "a set-up that fails is a failed test")]

use std::path::Path;

use jsonschema::Validator;
use printery_config::{Code, Fleet, Severity, schema};
use serde_json::{Value, json};

/// Files that are right, from which wrong ones are made.
fn right_files() -> Vec<(String, Value)> {
    let fleets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/fleets");
    let mut files = vec![("broad.yaml".to_owned(), include_str!("data/broad.yaml").to_owned())];
    for entry in std::fs::read_dir(fleets).unwrap() {
        let path = entry.unwrap().path();
        files.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
    }
    assert!(files.len() > 1, "the project ships a fleet file");
    files.into_iter().map(|(name, text)| (name, serde_saphyr::from_str(&text).unwrap())).collect()
}

fn validator() -> Validator {
    let schema = schema();
    assert!(jsonschema::draft202012::meta::is_valid(&schema), "it is a schema itself");
    jsonschema::draft202012::new(&schema).unwrap()
}

/// What the reader has against a file; JSON is YAML.
fn codes(file: &Value) -> Vec<Code> {
    let env = |name: &str| match name {
        "KEY" => Some("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned()),
        "DATABASE_URL" => Some("postgres://db:5432/x".to_owned()),
        "HOOK" | "SLACK_WEBHOOK_URL" => Some("https://h.example/x".to_owned()),
        "PSP" | "SLACK_TOKEN" | "PAGERDUTY_KEY" => Some("token".to_owned()),
        "SMTP" => Some("smtp://mail.example:25".to_owned()),
        _ => None,
    };
    match Fleet::parse("f", &file.to_string(), &env) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(|problem| problem.code).collect(),
    }
}

/// The file in pieces: an entry of a section each, or a section. What they name is missing, which no schema could know.
fn pieces(file: &Value) -> Vec<Value> {
    let mut pieces = Vec::new();
    for (section, content) in file.as_object().unwrap() {
        let entries = content.as_object().filter(|all| all.values().all(Value::is_object));
        match entries {
            Some(entries) => {
                let piece = |(name, entry): (&String, &Value)| json!({ section: { name: entry } });
                pieces.extend(entries.iter().map(piece));
            }
            None => pieces.push(json!({ section: content })),
        }
    }
    pieces
}

/// Every file that differs from this one in one place.
fn mutants(file: &Value) -> Vec<(String, Value)> {
    let mut made = Vec::new();
    visit(file, "", &mut |path, value| {
        let mut put = |what: &str, new: Value| {
            let mut mutant = file.clone();
            *mutant.pointer_mut(path).unwrap() = new;
            made.push((format!("{path} {what}"), mutant));
        };
        for other in [json!(7), json!(true), json!("text"), json!({}), json!(["a"])] {
            put(&format!("= {other}"), other);
        }
        put("= null", Value::Null);
        if let Value::Object(map) = value {
            for key in map.keys() {
                let mut renamed = map.clone();
                let inner = renamed.remove(key).unwrap();
                put(&format!("without {key}"), Value::Object(renamed.clone()));
                renamed.insert(format!("{key}zz"), inner);
                put(&format!("{key} misspelled"), Value::Object(renamed));
            }
        }
    });
    made
}

fn visit(value: &Value, path: &str, see: &mut impl FnMut(&str, &Value)) {
    see(path, value);
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                let key = key.replace('~', "~0").replace('/', "~1");
                visit(inner, &format!("{path}/{key}"), see);
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                visit(inner, &format!("{path}/{index}"), see);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn files_that_are_right_are_valid() {
    let validator = validator();
    for (name, file) in right_files() {
        assert_eq!(codes(&file), [], "{name}");
        let errors: Vec<String> = validator
            .iter_errors(&file)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{name}: {errors:#?}");
    }
}

#[test]
fn the_schema_and_the_reader_agree_on_what_is_wrong() {
    let validator = validator();
    let pieces = right_files().into_iter().flat_map(|(_, file)| pieces(&file));
    let mut disagree = Vec::new();
    let mut refused = 0;
    for (what, mutant) in pieces.flat_map(|piece| mutants(&piece)) {
        // Which versions there are is the reader's to know; so is that an empty file is one. An unknown kind is an unknown name.
        if what.starts_with("/version") || what == " = null" || what.ends_with("/kind = \"text\"") {
            continue;
        }
        // What a piece names stands in another one.
        let counts = |code: &Code| *code != Code::UnknownName && code.severity() == Severity::Error;
        let codes: Vec<Code> = codes(&mutant).into_iter().filter(counts).collect();
        let valid = validator.is_valid(&mutant);
        // The reader's word is final: what it takes is valid, and a key it does not know is not.
        let must = codes
            .iter()
            .any(|code| matches!(code, Code::UnknownKey | Code::NotSupported | Code::WrongType));
        refused += usize::from(must);
        if codes.is_empty() != valid && (codes.is_empty() || must) {
            disagree.push(format!("{what}: reader {codes:?}, schema {valid}: {mutant}"));
        }
    }
    assert!(disagree.is_empty(), "{}:\n{}", disagree.len(), disagree.join("\n"));
    assert!(refused > 500, "{refused} wrong files");
}
