//! Checks of arguments and results against a tool's schemas. Imports nothing of
//! this crate.
//!
//! A schema is the server's: nothing it refers to is fetched, its patterns may
//! not go on searching, and one that takes long to check is given up for good.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use jsonschema::{PatternOptions, Validator};
use serde_json::{Map, Value};
use tokio::sync::oneshot;

/// Time that one check may take. No honest one comes near it.
const PATIENCE: Duration = Duration::from_secs(5);
/// Steps back that a pattern may take on one text.
const BACKTRACKS: usize = 20_000;
/// Bytes that a compiled pattern may take.
const PATTERN_BYTES: usize = 1024 * 1024;
/// Problems that are told of one value.
const TOLD: usize = 3;
/// Characters of one problem that are told.
const PROBLEM: usize = 200;

/// A tool's schemas, compiled.
#[derive(Debug)]
pub(super) struct Checks {
    input: Schema,
    output: Option<Schema>,
}

#[derive(Debug)]
struct Schema {
    validator: Arc<Validator>,
    /// A check that did not end within its time may still be running: there is
    /// never a second one.
    endless: AtomicBool,
}

impl Checks {
    /// Takes a moment for large schemas.
    ///
    /// # Errors
    /// What is wrong with a schema, in words.
    pub(super) fn new(input: &Value, output: Option<&Value>) -> Result<Self, String> {
        Ok(Self { input: Schema::new(input)?, output: output.map(Schema::new).transpose()? })
    }

    /// Gives the arguments back if they fit.
    ///
    /// # Errors
    /// Which fields do not fit and why, without their values.
    pub(super) async fn arguments(&self, arguments: Map<String, Value>) -> Result<Map<String, Value>, String> {
        match self.input.check(Value::Object(arguments)).await? {
            Value::Object(arguments) => Ok(arguments),
            _ => Err("the arguments are lost".into()),
        }
    }

    /// Gives a structured result back if it fits.
    ///
    /// # Errors
    /// As for arguments; also when there is none but must be one.
    pub(super) async fn result(&self, result: Option<Value>) -> Result<Option<Value>, String> {
        match (&self.output, result) {
            (Some(schema), Some(result)) => schema.check(result).await.map(Some),
            (Some(_), None) => Err("there is no structured result".into()),
            (None, result) => Ok(result),
        }
    }
}

impl Schema {
    fn new(schema: &Value) -> Result<Self, String> {
        let patterns = PatternOptions::fancy_regex().backtrack_limit(BACKTRACKS).size_limit(PATTERN_BYTES);
        let validator = jsonschema::options()
            .offline()
            .with_pattern_options(patterns)
            .build(schema)
            .map_err(|error| shortened(&error.to_string()))?;
        Ok(Self { validator: Arc::new(validator), endless: AtomicBool::new(false) })
    }

    async fn check(&self, value: Value) -> Result<Value, String> {
        const ENDLESS: &str = "its schema takes too long to check";
        if self.endless.load(Ordering::Relaxed) {
            return Err(ENDLESS.into());
        }
        let validator = Arc::clone(&self.validator);
        let (answer, answered) = oneshot::channel();
        // Of its own, for the runtime's end would wait for one of the pool.
        let thread = thread::Builder::new().name("schema".into()).spawn(move || {
            let problems: Vec<String> = validator.iter_errors(&value).take(TOLD).map(|error| told(&error)).collect();
            let checked = if problems.is_empty() { Ok(value) } else { Err(problems.join("; ")) };
            // Nobody listens any more if it took too long.
            let _ = answer.send(checked);
        });
        thread.map_err(|error| format!("it cannot be checked now ({})", error.kind()))?;
        match tokio::time::timeout(PATIENCE, answered).await {
            Ok(checked) => checked.unwrap_or_else(|_| Err("the check broke off".into())),
            Err(_) => {
                self.endless.store(true, Ordering::Relaxed);
                Err(ENDLESS.into())
            }
        }
    }
}

/// `/field: what it must be`, without the value: it may be someone's secret.
fn told(error: &jsonschema::ValidationError<'_>) -> String {
    let place = error.instance_path().to_string();
    let problem = shortened(&error.masked().to_string());
    if place.is_empty() { problem } else { format!("{}: {problem}", shortened(&place)) }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(PROBLEM) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn checks(input: &Value) -> Checks {
        Checks::new(input, None).expect("a schema")
    }

    async fn problem(input: &Value, arguments: Value) -> String {
        let Value::Object(arguments) = arguments else { panic!("no object") };
        checks(input).arguments(arguments).await.expect_err("refused")
    }

    #[tokio::test]
    async fn a_problem_names_the_field_and_not_its_value() {
        let schema = json!({
            "type": "object",
            "properties": { "zone": { "type": "string" }, "at": { "properties": { "hour": { "maximum": 23 } } } },
            "required": ["zone"],
            "additionalProperties": false
        });
        assert_eq!(problem(&schema, json!({})).await, "\"zone\" is a required property");
        let wrong = problem(&schema, json!({ "zone": 987, "at": { "hour": 987 } })).await;
        assert!(wrong.contains("/zone: value is not of type \"string\""), "{wrong}");
        assert!(wrong.contains("/at/hour: "), "{wrong}");
        assert!(!wrong.contains("987"), "{wrong}");
        assert!(problem(&schema, json!({ "zone": "", "zoom": 1 })).await.contains("'zoom' was unexpected"));
    }

    #[tokio::test]
    async fn a_result_must_be_there_and_fit() {
        let output = json!({ "type": "object", "properties": { "n": { "type": "integer" } }, "required": ["n"] });
        let checks = Checks::new(&json!({ "type": "object" }), Some(&output)).expect("schemas");
        assert_eq!(checks.result(Some(json!({ "n": 1 }))).await, Ok(Some(json!({ "n": 1 }))));
        assert!(checks.result(Some(json!({ "n": "1" }))).await.is_err());
        assert!(checks.result(None).await.is_err());
    }

    #[test]
    fn nothing_outside_of_a_schema_is_fetched() {
        for place in ["http://127.0.0.1:9/x.json", "file:///etc/hostname"] {
            let refused = Checks::new(&json!({ "$ref": place }), None).expect_err("refused");
            assert!(refused.contains("Retrieval is disabled"), "{refused}");
        }
        assert!(Checks::new(&json!({ "type": "thing" }), None).is_err());
    }

    #[tokio::test]
    async fn a_pattern_does_not_search_for_ever() {
        let schema = json!({ "properties": { "a": { "pattern": "^(?:a(?=a*)|aa)+c$" } } });
        let refused = problem(&schema, json!({ "a": "a".repeat(60) })).await;
        assert!(refused.contains("backtracking"), "{refused}");
    }

    /// Each level asks twice for the next: 2^24 checks of one value. No time
    /// passes here, so already that is too long.
    #[tokio::test(start_paused = true)]
    async fn a_schema_that_takes_too_long_is_checked_once() {
        let level = |n: usize| {
            let next = json!({ "$ref": format!("#/$defs/a{}", n + 1) });
            (format!("a{n}"), json!({ "allOf": [next, next] }))
        };
        let mut levels: Map<String, Value> = (0..24).map(level).collect();
        levels.insert("a24".into(), json!({ "type": "object" }));
        let checks = checks(&json!({ "$defs": levels, "$ref": "#/$defs/a0" }));
        for _ in 0..2 {
            let refused = checks.arguments(Map::new()).await.expect_err("refused");
            assert_eq!(refused, "its schema takes too long to check");
        }
        assert!(checks.input.endless.load(Ordering::Relaxed));
    }
}
