//! JSON schemas of arguments and results, and reading the former. Imports
//! nothing of this crate but how arguments are read.

use rmcp::model::JsonObject;
use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::backend::Failure;
use crate::tools::function;

/// Notes of the generator that clients do not know.
const NOISE: [&str; 2] = ["title", "format"];

/// What a tool takes.
pub(super) fn of_arguments<T: JsonSchema>() -> JsonObject {
    let mut schema = make::<T>(SchemaSettings::draft2020_12());
    // Some clients look for it even where there are none.
    schema.entry("properties").or_insert_with(|| json!({}));
    schema
}

/// What a tool gives.
pub(super) fn of_results<T: JsonSchema>() -> JsonObject {
    make::<T>(SchemaSettings::draft2020_12().for_serialize())
}

/// Nothing is referenced, all stands in place.
fn make<T: JsonSchema>(settings: SchemaSettings) -> JsonObject {
    let settings = settings.with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    RecursiveTransform(plain).transform(&mut schema);
    schema.remove("description");
    match schema.to_value() {
        Value::Object(schema) => schema,
        _ => JsonObject::new(),
    }
}

fn plain(schema: &mut Schema) {
    for noise in NOISE {
        schema.remove(noise);
    }
    // Lines of a documentation comment are those of the source.
    if let Some(Value::String(description)) = schema.get_mut("description") {
        *description = description.split_whitespace().collect::<Vec<_>>().join(" ");
    }
}

/// Reads arguments, or says which is wrong.
pub(super) fn read<T: DeserializeOwned>(arguments: Option<JsonObject>) -> Result<T, Failure> {
    let arguments = Value::Object(arguments.unwrap_or_default());
    function::read(arguments).map_err(|error| Failure::Refused(error.to_string()))
}
