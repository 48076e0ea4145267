//! The documents of `--json` beside their schemas in `tests/schemas/` (RFC 8927), and the README's
//! table of keys.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::common::schemas::faults;
use crate::common::{Folder, terminal};
use serde_json::Value;

/// What the other tests check is no check if a schema takes anything.
#[test]
fn a_key_of_another_name_is_refused() {
    for (name, document) in [
        ("sample", r#"{"seed": 1, "names": [], "nmes": []}"#),
        (
            "sample",
            r#"{"seed": 1, "names": [{"name": "a", "likelihood": 0.5}]}"#,
        ),
        ("devices", r#"{"libtorch": "2.13.0"}"#),
        (
            "train-bigram",
            r#"{"type": "bigram", "checkpoint": "m", "names": []}"#,
        ),
        (
            "lecture",
            r#"{"agrees": true, "complete": true, "steps": [1]}"#,
        ),
    ] {
        let document = serde_json::from_str(document).unwrap();
        assert!(!faults(name, &document).is_empty(), "{name}: {document}");
    }
}

/// The names of all properties in a schema.
fn keys(schema: &Value, found: &mut BTreeSet<String>) {
    for properties in ["properties", "optionalProperties"] {
        let properties = schema.get(properties).and_then(Value::as_object);
        found.extend(properties.into_iter().flat_map(|keys| keys.keys().cloned()));
    }
    match schema {
        Value::Object(parts) => parts.values().for_each(|part| keys(part, found)),
        Value::Array(parts) => parts.iter().for_each(|part| keys(part, found)),
        _ => {}
    }
}

#[test]
fn the_readme_has_every_key_and_no_other() {
    let mut wanted = BTreeSet::new();
    let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemas");
    for schema in fs::read_dir(schemas).unwrap() {
        let path = schema.unwrap().path();
        let schema = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        keys(&schema, &mut wanted);
    }
    let readme = include_str!("../README.md");
    let (_, section) = readme.split_once("\n## JSON\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let cells = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let cells = cells.filter_map(|line| line.split(" | ").next());
    let names = cells.flat_map(|cell| cell.split(['`', ',', ' ']));
    let named: BTreeSet<String> = names
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    assert_eq!(named, wanted);
}

/// It was printed as it is, and turned the rest of the line around.
#[cfg(target_os = "linux")]
#[test]
fn json_on_a_terminal_has_escapes_for_what_would_steer_it() {
    use std::io::Read;

    let folder = Folder::new();
    folder.write("list.txt", "a\u{202E}b\n");
    let (mut ours, its) = terminal();
    let count = "count --json --data list.txt";
    let mut child = folder.process(count).stdout(its).spawn().unwrap();
    let mut printed = Vec::new();
    // Ends with an error where the program has closed the terminal.
    let _ = ours.read_to_end(&mut printed);
    assert!(child.wait().unwrap().success());
    let printed = String::from_utf8(printed).unwrap();
    assert!(
        printed.contains("\\u202e") && !printed.contains('\u{202E}'),
        "{printed}"
    );
    let document: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(document, folder.json(count));
}
