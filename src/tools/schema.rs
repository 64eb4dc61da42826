//! The JSON schema (draft 2020-12) of a Rust type, in the common subset of what
//! providers take: OpenAI's strict mode, Anthropic's `input_schema`, Gemini's
//! `parametersJsonSchema`. Imports nothing of this crate.
//!
//! Nothing is referenced, all stands in place. Each object forbids other fields
//! and requires its own; a field that may be absent may be null instead, which
//! is how strict mode has it. Types that contain themselves, and maps with free
//! keys, have no form in that subset: no tool should take them.

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

/// Notes of the generator that no provider reads, and some refuse.
const NOISE: [&str; 3] = ["$schema", "title", "default"];
/// Formats of strings that strict mode knows; it refuses all others.
const FORMATS: [&str; 9] = ["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"];

/// The schema of a type.
#[must_use]
pub fn of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    RecursiveTransform(common_subset).transform(&mut schema);
    schema.to_value()
}

fn common_subset(schema: &mut Schema) {
    let Some(fields) = schema.as_object_mut() else { return };
    for noise in NOISE {
        fields.remove(noise);
    }
    if fields.get("format").and_then(Value::as_str).is_some_and(|format| !FORMATS.contains(&format)) {
        fields.remove("format");
    }
    if let Some(only) = fields.remove("const") {
        fields.insert("enum".into(), json!([only]));
    }
    if let Some(choices) = fields.remove("oneOf") {
        fields.insert("anyOf".into(), choices);
    }
    // Lines of a documentation comment are those of the source.
    if let Some(Value::String(description)) = fields.get_mut("description") {
        *description = description.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    close(fields);
}

/// Requires all fields of an object and forbids others.
fn close(fields: &mut Map<String, Value>) {
    let is_object = fields.get("type").is_some_and(|kind| match kind {
        Value::Array(kinds) => kinds.contains(&"object".into()),
        kind => kind == "object",
    });
    let has_free_keys = fields.get("additionalProperties").is_some_and(|others| *others != Value::Bool(false));
    if !is_object || has_free_keys {
        return;
    }
    let properties = fields.entry("properties").or_insert_with(|| json!({}));
    let mut names: Vec<String> = properties.as_object().into_iter().flat_map(Map::keys).cloned().collect();
    names.sort_unstable();
    fields.insert("required".into(), names.into());
    fields.insert("additionalProperties".into(), false.into());
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only their schema is asked for")]
    struct Wish {
        /// What the document is called.
        title: String,
        /// How many.
        count: Option<u32>,
        sort: Sort,
        between: Option<Span>,
        tags: Vec<String>,
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    enum Sort {
        /// Newest first.
        Newest,
        Oldest,
    }

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only their schema is asked for")]
    struct Span {
        #[serde(default)]
        from: u8,
        default: bool,
    }

    #[derive(Deserialize, JsonSchema)]
    struct Nothing {}

    #[test]
    fn a_schema_is_inlined_closed_and_without_noise() {
        assert_eq!(
            of::<Wish>(),
            json!({
                "type": "object",
                "properties": {
                    "title": { "type": "string", "description": "What the document is called." },
                    "count": { "type": ["integer", "null"], "description": "How many.", "minimum": 0 },
                    "sort": {
                        "anyOf": [
                            { "type": "string", "enum": ["oldest"] },
                            { "type": "string", "enum": ["newest"], "description": "Newest first." },
                        ],
                    },
                    "between": {
                        "type": ["object", "null"],
                        "properties": {
                            "from": { "type": "integer", "minimum": 0, "maximum": 255 },
                            "default": { "type": "boolean" },
                        },
                        "required": ["default", "from"],
                        "additionalProperties": false,
                    },
                    "tags": { "type": "array", "items": { "type": "string" } },
                },
                "required": ["between", "count", "sort", "tags", "title"],
                "additionalProperties": false,
            })
        );
    }

    #[test]
    fn a_tool_without_arguments_takes_an_empty_object() {
        assert_eq!(
            of::<Nothing>(),
            json!({ "type": "object", "properties": {}, "required": [], "additionalProperties": false })
        );
    }
}
