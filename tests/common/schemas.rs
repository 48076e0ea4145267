//! The documents of `--json` beside their schemas in `tests/schemas/` (RFC 8927).

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemas")
}

fn schema(name: &str) -> Value {
    let path = folder().join(format!("{name}.json"));
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The places in a document that are not as its schema describes; a key of another name is one.
pub fn faults(name: &str, document: &Value) -> Vec<String> {
    let schema = serde_json::from_value(schema(name)).unwrap();
    let schema = jtd::Schema::from_serde_schema(schema).unwrap();
    schema.validate().unwrap();
    let faults = jtd::validate(&schema, document, Default::default()).unwrap();
    let faults = faults.into_iter();
    faults.map(|fault| fault.instance_path.join("/")).collect()
}

/// Whether the document of a command is as its schema describes.
pub fn check(arguments: &str, document: &Value) {
    let name = match arguments.split(' ').next().unwrap() {
        "score" if arguments.contains("--each") => "score-each",
        "score" if document["words"].is_array() => "score-words",
        "train" => match document["type"].as_str().unwrap() {
            counted @ ("bigram" | "ngram") => &format!("train-{counted}"),
            _ => "train-network",
        },
        command => command,
    };
    let faults = faults(name, document);
    assert!(faults.is_empty(), "{arguments}: {faults:?} in {document}");
}
