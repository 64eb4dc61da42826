//! Definitions of tools: what the model is told of one, under a name of our own,
//! within bounds. Imports settings, and the checks that go with each.
//!
//! All of it is the server's text. What nobody would see is taken out of the
//! description; a schema that is too large or does not compile costs its tool.

use std::collections::HashSet;
use std::time::Duration;

use rmcp::model::{Tool as ServerTool, ToolAnnotations};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::checks::Checks;
use super::config::{Approve, ServerConfig};

/// Tools of one server that are taken.
pub(super) const MAX_TOOLS: usize = 128;
/// Characters of a full name, which is what models' providers take.
const MAX_NAME: usize = 64;
/// Characters of a server's name for a tool, by the protocol.
const MAX_SERVER_NAME: usize = 128;
/// Characters of a description that are kept.
const MAX_DESCRIPTION: usize = 2_000;
/// Bytes of a schema as JSON.
const MAX_SCHEMA: usize = 64 * 1024;
/// Digits of the hash that makes a shortened name one of a kind.
const HASH_DIGITS: usize = 8;

/// What a tool is.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolDefinition {
    /// `server__tool`, at most 64 of A–Z, a–z, 0–9, `_` and `-`.
    pub name: String,
    /// The server's name in the settings.
    pub server: String,
    /// The server's name for it.
    pub tool: String,
    /// The server's words, at most 2,000 characters.
    pub description: String,
    /// JSON Schema of the arguments, at most 64 KiB.
    pub input_schema: Value,
    /// JSON Schema of the structured result, if there is one.
    pub output_schema: Option<Value>,
    /// Whether the server says that it changes nothing.
    pub read_only: bool,
    /// Whether a person must agree to each call, by the settings.
    pub needs_approval: bool,
    /// How long a call may take, by the settings.
    pub limit: Duration,
    /// SHA-256, in hexadecimal, of all that the server says of it: name,
    /// description, schemas and annotations, uncut.
    pub sha256: String,
}

/// A definition with what is needed to call it.
#[derive(Debug)]
pub(super) struct Tool {
    pub(super) definition: ToolDefinition,
    pub(super) checks: Checks,
}

/// Takes a server's tools, but for those that are not allowed or not usable.
/// Compiling their schemas may take a while.
pub(super) fn take(config: &ServerConfig, tools: Vec<ServerTool>) -> Vec<Tool> {
    let allowed = |tool: &ServerTool| {
        let listed = |tools: &Vec<String>| tools.iter().any(|allowed| *allowed == tool.name);
        config.tools.as_ref().is_none_or(listed)
    };
    let (mut taken, mut names) = (Vec::new(), HashSet::new());
    for tool in tools.into_iter().filter(allowed).take(MAX_TOOLS) {
        match Tool::new(config, &tool) {
            Ok(tool) if names.insert(tool.definition.name.clone()) => taken.push(tool),
            Ok(tool) => {
                tracing::warn!(mcp.server = config.name, mcp.tool = tool.definition.name, "the tool is listed twice");
            }
            Err(problem) => {
                let name = public_name(&config.name, &tool.name);
                tracing::warn!(mcp.server = config.name, mcp.tool = name, problem, "the tool is left out");
            }
        }
    }
    taken
}

impl Tool {
    fn new(config: &ServerConfig, tool: &ServerTool) -> Result<Self, String> {
        if tool.name.is_empty() || tool.name.chars().count() > MAX_SERVER_NAME {
            return Err(format!("its name has not 1 to {MAX_SERVER_NAME} characters"));
        }
        let input_schema = Value::Object(tool.input_schema.as_ref().clone());
        let output_schema = tool.output_schema.as_ref().map(|schema| Value::Object(schema.as_ref().clone()));
        for schema in std::iter::once(&input_schema).chain(&output_schema) {
            if schema.to_string().len() > MAX_SCHEMA {
                return Err(format!("a schema is larger than {MAX_SCHEMA} bytes"));
            }
        }
        let checks = Checks::new(&input_schema, output_schema.as_ref())?;
        let read_only = tool.annotations.as_ref().is_some_and(|hints| hints.read_only_hint == Some(true));
        let definition = ToolDefinition {
            name: public_name(&config.name, &tool.name),
            server: config.name.clone(),
            tool: tool.name.to_string(),
            description: visible(tool.description.as_deref().unwrap_or_default()),
            sha256: fingerprint(tool, &input_schema, output_schema.as_ref()),
            input_schema,
            output_schema,
            read_only,
            limit: config.limit(),
            needs_approval: match config.approve {
                Approve::Writes => !read_only,
                Approve::Always => true,
                Approve::Never => false,
            },
        };
        Ok(Self { definition, checks })
    }
}

/// `server__tool`. Where characters must go, a hash of the whole says which tool
/// it is.
fn public_name(server: &str, tool: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let plain: String = tool.chars().map(|c| if fits(c) { c } else { '_' }).collect();
    let mut name = format!("{server}__{plain}");
    if plain == tool && name.len() <= MAX_NAME {
        return name;
    }
    name.truncate(MAX_NAME - 1 - HASH_DIGITS);
    format!("{name}_{}", &hex(&Sha256::digest(tool))[..HASH_DIGITS])
}

/// The description as a person would see it.
fn visible(text: &str) -> String {
    let shown = |c: &char| matches!(c, '\n' | '\t') || !(c.is_control() || is_invisible(*c));
    let mut shown: String = text.chars().filter(shown).take(MAX_DESCRIPTION + 1).collect();
    if shown.chars().count() > MAX_DESCRIPTION {
        shown.pop();
        shown.pop();
        shown.push('…');
    }
    shown
}

/// Characters that have no shape of their own, and may spell what nobody reads.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{00AD}' | '\u{061C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}')
}

fn fingerprint(tool: &ServerTool, input: &Value, output: Option<&Value>) -> String {
    let hints = tool.annotations.as_ref().map(hints);
    let all = json!([tool.name, tool.description, input, output, hints]);
    hex(&Sha256::digest(canonical(&all).to_string()))
}

fn hints(hints: &ToolAnnotations) -> Value {
    json!({
        "title": hints.title,
        "readOnlyHint": hints.read_only_hint,
        "destructiveHint": hints.destructive_hint,
        "idempotentHint": hints.idempotent_hint,
        "openWorldHint": hints.open_world_hint,
    })
}

/// The value with the fields of its objects in the order of their names.
fn canonical(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(canonical).collect(),
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().map(|(name, field)| (name.clone(), canonical(field))).collect();
            fields.sort_by(|(one, _), (other, _)| one.cmp(other));
            Value::Object(fields.into_iter().collect::<Map<_, _>>())
        }
        plain => plain.clone(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn config(more: &Value) -> ServerConfig {
        let mut config = json!({ "name": "srv", "command": "x" });
        for (name, value) in more.as_object().expect("an object") {
            config[name] = value.clone();
        }
        serde_json::from_value(config).expect("a config")
    }

    fn server_tool(more: &Value) -> ServerTool {
        let mut tool = json!({ "name": "t", "description": "d", "inputSchema": { "type": "object" } });
        for (name, value) in more.as_object().expect("an object") {
            tool[name] = value.clone();
        }
        serde_json::from_value(tool).expect("a tool")
    }

    fn one(settings: &Value, tool: &Value) -> ToolDefinition {
        take(&config(settings), vec![server_tool(tool)]).pop().expect("one tool").definition
    }

    proptest! {
        #[test]
        fn a_name_is_fit_for_every_provider_and_says_its_server(server in "[a-z0-9-]{1,32}", tool in "\\PC{1,130}") {
            let name = public_name(&server, &tool);
            prop_assert!(name.len() <= MAX_NAME);
            prop_assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)), "{}", name);
            prop_assert_eq!(name.split_once("__").map(|(server, _)| server), Some(server.as_str()));
        }

        #[test]
        fn names_that_differ_stay_apart(one in "[a-c._ é-]{1,90}", other in "[a-c._ é-]{1,90}") {
            prop_assert_eq!(one == other, public_name("srv", &one) == public_name("srv", &other));
        }

        #[test]
        fn a_description_has_its_bounds(text in "\\PC{0,50}", times in 0_usize..200) {
            let text = visible(&text.repeat(times));
            prop_assert!(text.chars().count() <= MAX_DESCRIPTION);
            prop_assert!(!text.chars().any(is_invisible));
        }
    }

    #[test]
    fn a_plain_name_is_kept() {
        assert_eq!(public_name("everything", "get-sum"), "everything__get-sum");
    }

    #[test]
    fn what_nobody_sees_is_not_told_to_the_model() {
        let hidden = "Adds.\n\u{202E}\u{200B}\u{E0041}\u{E0042}\u{1b}\u{7}Numbers.";
        assert_eq!(visible(hidden), "Adds.\nNumbers.");
    }

    #[test]
    fn the_hash_does_not_depend_on_the_order_of_fields() {
        let schema = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
        let one = schema(r#"{"type":"object","properties":{"a":{"type":"string","x":1},"b":{}}}"#);
        let other = schema(r#"{"properties":{"b":{},"a":{"x":1,"type":"string"}},"type":"object"}"#);
        let hash = |input: Value| self::one(&json!({}), &json!({ "inputSchema": input })).sha256;
        assert_eq!(hash(one), hash(other));
    }

    #[test]
    fn every_part_of_a_definition_changes_its_hash() {
        let long = "x".repeat(5000);
        let hashes: HashSet<String> = [
            json!({}),
            json!({ "name": "u" }),
            json!({ "description": "e" }),
            json!({ "description": long }),
            json!({ "description": format!("{long}, and sends it to me") }),
            json!({ "inputSchema": { "type": "object", "properties": { "a": {} } } }),
            json!({ "outputSchema": { "type": "object" } }),
            json!({ "annotations": { "readOnlyHint": true } }),
            json!({ "annotations": { "readOnlyHint": false } }),
            json!({ "annotations": { "destructiveHint": true } }),
        ]
        .iter()
        .map(|tool| one(&json!({}), tool).sha256)
        .collect();
        assert_eq!(hashes.len(), 10);
        assert!(hashes.iter().all(|hash| hash.len() == 64));
    }

    #[test]
    fn approval_goes_by_the_settings_and_the_servers_mark() {
        let reads = json!({ "annotations": { "readOnlyHint": true } });
        let asked = |approve: &str| {
            let settings = json!({ "approve": approve });
            [&reads, &json!({})].map(|tool| one(&settings, tool).needs_approval)
        };
        assert_eq!(asked("writes"), [false, true]);
        assert_eq!(asked("always"), [true, true]);
        assert_eq!(asked("never"), [false, false]);
        assert!(one(&json!({}), &reads).read_only);
    }

    #[test]
    fn only_allowed_and_usable_tools_are_taken() {
        let tools = [
            json!({ "name": "a" }),
            json!({ "name": "b" }),
            json!({ "name": "a", "description": "again" }),
            json!({ "name": "" }),
            json!({ "name": "c", "inputSchema": { "type": "thing" } }),
            json!({ "name": "d", "inputSchema": { "title": "x".repeat(MAX_SCHEMA) } }),
        ];
        let names = |settings: &Value| -> Vec<String> {
            let taken = take(&config(settings), tools.iter().map(server_tool).collect());
            taken.into_iter().map(|tool| tool.definition.name).collect()
        };
        assert_eq!(names(&json!({})), ["srv__a", "srv__b"]);
        assert_eq!(names(&json!({ "tools": ["b", "x"] })), ["srv__b"]);
        let many = (0..200).map(|n| server_tool(&json!({ "name": format!("t{n}") }))).collect();
        assert_eq!(take(&config(&json!({})), many).len(), MAX_TOOLS);
    }
}
