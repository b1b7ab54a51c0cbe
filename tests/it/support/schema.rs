//! Validates real output against `schemas/`: used by the unit tests of the modules that write it
//! and by the scenarios that read it back from Kafka.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use jsonschema::{Registry, Validator};
use serde_json::Value;

/// A stand-in for wherever the schemas are published, so that their relative references resolve.
const BASE: &str = "schemas:/";

/// Checks that a JSON document is of that schema (`review-item.v1`, or a part of one:
/// `dead-letter.v1#/$defs/headers`). Says every fault, by its place, without quoting the document.
pub(crate) fn check(schema: &str, document: &[u8]) -> Result<Value, String> {
    let document: Value =
        serde_json::from_slice(document).map_err(|fault| format!("{schema}: no JSON: {fault}"))?;
    let faults: Vec<String> = validator(schema)
        .iter_errors(&document)
        .map(|fault| format!("{} violates {}", fault.instance_path(), fault.schema_path()))
        .collect();
    if faults.is_empty() {
        Ok(document)
    } else {
        Err(format!("{schema}: {}", faults.join("; ")))
    }
}

/// The validator of that schema, compiled once.
pub(crate) fn validator(schema: &str) -> Arc<Validator> {
    static COMPILED: Mutex<BTreeMap<String, Arc<Validator>>> = Mutex::new(BTreeMap::new());
    let mut compiled = COMPILED.lock().unwrap();
    let validator = compiled
        .entry(schema.to_owned())
        .or_insert_with(|| Arc::new(compile(schema)));
    Arc::clone(validator)
}

fn compile(schema: &str) -> Validator {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    let mut registry = Registry::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if !name.ends_with(".schema.json") {
            continue;
        }
        let schema: Value = serde_json::from_slice(&std::fs::read(entry.path()).unwrap()).unwrap();
        registry = registry.add(format!("{BASE}{name}"), schema).unwrap();
    }
    let registry = registry.prepare().unwrap();
    let (name, part) = schema.split_once('#').unwrap_or((schema, ""));
    let reference = format!("{BASE}{name}.schema.json#{part}");
    jsonschema::options()
        .with_registry(&registry)
        .should_validate_formats(true)
        .build(&serde_json::json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$ref": reference,
        }))
        .unwrap()
}
