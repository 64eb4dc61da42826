use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use axum::http::Method;
use serde_json::Value;

use super::*;
use crate::http::description as whole;

/// All operations: method, path and what is said of it.
fn described() -> (Value, Vec<(String, String, Value)>) {
    let document = serde_json::to_value(whole()).expect("JSON");
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            all.push((method.clone(), path.clone(), operation.clone()));
        }
    }
    assert!(all.len() > 70, "{}", all.len());
    (document, all)
}

fn statuses(operation: &Value) -> BTreeSet<&str> {
    operation["responses"].as_object().expect("responses").keys().map(String::as_str).collect()
}

#[test]
fn every_operation_has_a_name_of_its_own() {
    assert_eq!(name(&Method::GET, "/api/v1/api-keys/{id}"), "get_api_keys_by_id");
    assert_eq!(name(&Method::POST, "/v1/chat/completions"), "post_openai_chat_completions");
    assert_eq!(name(&Method::POST, "/api/{user_id}/chat"), "post_by_user_id_chat");
    let mut names = BTreeMap::new();
    for (method, path, operation) in described().1 {
        let name = operation["operationId"].as_str().expect("a name").to_owned();
        if let Some(other) = names.insert(name.clone(), path.clone()) {
            panic!("{method} {path} and {other} are both called {name}");
        }
    }
}

#[test]
fn every_operation_tells_how_it_refuses() {
    for (method, path, operation) in described().1 {
        let statuses = statuses(&operation);
        let what = format!("{method} {path}: {statuses:?}");
        let open = !operation["security"].is_null();
        let method = method.to_uppercase().parse().expect("a method");
        assert_eq!(open, needs::of(&method, &path) == Need::Nothing, "{what}");
        assert!(open || statuses.contains("401"), "{what}");
        assert!(statuses.contains("403"), "{what}");
        assert_eq!(statuses.contains("429"), path.starts_with("/api/") || path.starts_with("/v1/"), "{what}");
        assert!(operation["requestBody"].is_null() || statuses.is_superset(&["400", "413"].into()), "{what}");
        assert!(!path.contains('{') || statuses.contains("404"), "{what}");
        assert!(!(path.starts_with("/v1/") && statuses.contains("422")), "{what}");
    }
}

#[test]
fn every_refusal_has_the_shape_of_its_face() {
    for (method, path, operation) in described().1 {
        let (kind, body) = Face::of(&path).body();
        let expected = serde_json::to_value(body).expect("JSON")["schema"].take();
        for (status, response) in operation["responses"].as_object().expect("responses") {
            assert!(!response["description"].as_str().expect("a description").is_empty(), "{method} {path} {status}");
            if status.starts_with(['4', '5']) {
                assert_eq!(response["content"][kind]["schema"], expected, "{method} {path} {status}");
            }
        }
    }
}

#[test]
fn every_tag_is_described_and_used() {
    let (document, all) = described();
    let tags = document["tags"].as_array().expect("tags").iter();
    let described: BTreeSet<&str> = tags
        .filter(|tag| tag["description"].as_str().is_some_and(|text| !text.is_empty()))
        .filter_map(|tag| tag["name"].as_str())
        .collect();
    let used: BTreeSet<&str> = all.iter().filter_map(|(_, _, operation)| operation["tags"][0].as_str()).collect();
    assert_eq!(described, used);
}

#[test]
fn every_reference_leads_somewhere() {
    fn check(document: &Value, value: &Value) {
        match value {
            Value::Object(fields) => {
                if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
                    let place = reference.strip_prefix('#').expect("a place in the document");
                    assert!(document.pointer(place).is_some(), "{reference}");
                }
                fields.values().for_each(|value| check(document, value));
            }
            Value::Array(items) => items.iter().for_each(|value| check(document, value)),
            _ => {}
        }
    }
    let document = described().0;
    check(&document, &document);
}

/// Types of the same name would describe each other.
#[test]
fn no_two_schemas_have_one_name() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for file in ["src", "ingest/src"].iter().flat_map(|folder| sources(&root.join(folder))) {
        let text = std::fs::read_to_string(&file).expect("a source");
        for derive in text.split("\n#[derive(").skip(1) {
            let Some(name) = schema_name(derive) else { continue };
            if let Some(other) = names.insert(name.clone(), file.clone()) {
                panic!("{file} and {other} both have a schema `{name}`; name one by `#[schema(as = ...)]`");
            }
        }
    }
    assert!(names.len() > 100, "{names:?}");
}

/// Files of Rust below a folder.
fn sources(folder: &Path) -> Vec<String> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path.to_str().expect("UTF-8").to_owned());
        }
    }
    files
}

/// The name of the schema that is derived here, if one is.
fn schema_name(derive: &str) -> Option<String> {
    let (derived, item) = derive.split_once(")]")?;
    derived.split(',').find(|derived| derived.trim() == "ToSchema")?;
    let (before, after) = item
        .split_once("struct ")
        .into_iter()
        .chain(item.split_once("enum "))
        .min_by_key(|(before, _)| before.len())?;
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let named = before.split_once("#[schema(as = ").map_or(after, |(_, named)| named);
    Some(named.split(|letter| !is_word(letter)).next()?.to_owned())
}
