use std::sync::Arc;

use futures::future::pending;
use proptest::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::calculate::calculate;
use super::current_time::{current_time, system_clock};
use super::*;

const LIMIT: Duration = Duration::from_secs(5);

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Order {
    lines: Vec<Line>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Line {
    count: u8,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// A tool without arguments.
fn tool<F, Fut>(name: &str, run: F) -> Arc<dyn Tool>
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<String, ToolError>> + Send + 'static,
{
    Arc::new(function(name, "does something", Effect::ReadOnly, move |Nothing {}| run()))
}

fn toolbox(tools: impl IntoIterator<Item = Arc<dyn Tool>>) -> Toolbox {
    let mut toolbox = Toolbox::default();
    for tool in tools {
        toolbox.add(tool).expect("a good tool");
    }
    toolbox
}

fn built_in() -> Toolbox {
    toolbox([Arc::new(current_time(system_clock(), chrono_tz::Tz::UTC)) as Arc<dyn Tool>, Arc::new(calculate())])
}

#[tokio::test]
async fn tools_are_told_in_one_order_and_run_by_name() {
    let toolbox = built_in();
    let names: Vec<&str> = toolbox.specs().map(|spec| spec.name.as_str()).collect();
    assert_eq!(names, ["calculate", "current_time"]);
    assert_eq!(toolbox.get("calculate").map(|tool| tool.effect()), Some(Effect::ReadOnly));
    let output = toolbox.run("calculate", r#"{"expression": "2+2"}"#, LIMIT).await.expect("a result");
    assert_eq!(output.text, r#"{"result":"4"}"#);
}

#[tokio::test]
async fn no_text_is_an_empty_object() {
    for text in ["", " \n", "{}"] {
        assert!(built_in().run("current_time", text, LIMIT).await.is_ok(), "{text:?}");
    }
}

#[tokio::test]
async fn an_unknown_tool_is_answered_with_those_there_are() {
    let error = built_in().run("calculator", "{}", LIMIT).await.expect_err("unknown");
    assert_eq!(error.code(), "unknown_tool");
    assert_eq!(error.to_string(), "there is no tool `calculator`; the tools are `calculate`, `current_time`");
    let long = Toolbox::default().run(&"é".repeat(10_000), "{}", LIMIT).await.expect_err("unknown").to_string();
    assert!(long.len() < 200 && long.contains("there are no tools here"), "{long}");
}

#[tokio::test]
async fn arguments_that_are_no_object_are_told_what_to_be() {
    let deep = "[".repeat(100_000);
    for text in ["[1]", "7", "null", "\"2+2\"", "{\"expression\":", "{} {}", deep.as_str()] {
        let error = built_in().run("calculate", text, LIMIT).await.expect_err("no object");
        assert_eq!(error.code(), "invalid_arguments");
        assert!(error.to_string().contains("JSON object"), "{error}");
    }
    let large = format!("{{\"expression\": \"{}\"}}", "1".repeat(2 << 20));
    let error = built_in().run("calculate", &large, LIMIT).await.expect_err("too large");
    assert!(error.to_string().contains("at most 1048576 are read"), "{error}");
}

#[tokio::test]
async fn an_invalid_argument_deep_inside_is_named() {
    let order = function("order", "orders", Effect::Writes, |order: Order| async move {
        Ok(order.lines.iter().map(|line| u32::from(line.count)).sum::<u32>())
    });
    let toolbox = toolbox([Arc::new(order) as Arc<dyn Tool>]);
    let good = toolbox.run("order", r#"{"lines": [{"count": 2}, {"count": 3}]}"#, LIMIT).await.expect("a result");
    assert_eq!(good.text, "5");
    for (text, expected) in [
        (r#"{"lines": [{"count": 2}, {"count": 300}]}"#, "`lines[1].count`: invalid value: integer `300`, expected u8"),
        (r#"{"lines": [{}]}"#, "`lines[0]`: missing field `count`"),
        (r#"{"lines": 7}"#, "`lines`: invalid type: integer `7`, expected a sequence"),
        (r#"{"lines": [], "color": "red"}"#, "`color`: unknown field `color`, expected `lines`"),
    ] {
        let error = toolbox.run("order", text, LIMIT).await.expect_err("not valid");
        assert_eq!(error, ToolError::invalid(expected), "{text}");
    }
    let long = format!(r#"{{"lines": "{}"}}"#, "ü".repeat(10_000));
    let error = toolbox.run("order", &long, LIMIT).await.expect_err("not valid").to_string();
    assert!(error.len() < 600, "{} bytes", error.len());
}

#[tokio::test]
async fn a_panicking_tool_is_an_error_that_tells_nothing() {
    let toolbox = toolbox([
        tool("at_once", || -> std::future::Ready<Result<String, ToolError>> { panic!("secret") }),
        tool("later", || async {
            tokio::task::yield_now().await;
            panic!("secret")
        }),
    ]);
    for name in ["at_once", "later", "at_once"] {
        let error = toolbox.run(name, "{}", LIMIT).await.expect_err("it panics");
        assert_eq!(error.code(), "tool_failed");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_hangs_is_given_up_when_its_time_is_over() {
    let toolbox = toolbox([tool("hang", pending)]);
    let started = tokio::time::Instant::now();
    let error = toolbox.run("hang", "{}", LIMIT).await.expect_err("it hangs");
    assert_eq!(error, ToolError::TimedOut { limit: LIMIT });
    assert_eq!(error.to_string(), "the tool did not answer within 5 s; ask for less, or go on without it");
    assert_eq!(started.elapsed(), LIMIT);
}

#[tokio::test]
async fn a_tools_own_error_reaches_the_model() {
    let toolbox = toolbox([tool("closed", || async { Err(ToolError::NotAllowed { problem: "ask an admin".into() }) })]);
    let error = toolbox.run("closed", "{}", LIMIT).await.expect_err("not allowed");
    assert_eq!((error.code(), error.to_string().as_str()), ("not_allowed", "this is not allowed: ask an admin"));
}

#[derive(serde::Serialize, JsonSchema)]
struct Unwritable {
    #[serde(serialize_with = "refuse")]
    value: String,
}

fn refuse<S: serde::Serializer>(_: &str, _: S) -> Result<S::Ok, S::Error> {
    Err(serde::ser::Error::custom("it has no form"))
}

#[tokio::test]
async fn a_result_that_cannot_be_written_is_an_error() {
    let broken =
        function("broken", "", Effect::ReadOnly, |Nothing {}| async { Ok(Unwritable { value: String::new() }) });
    let toolbox = toolbox([Arc::new(broken) as Arc<dyn Tool>]);
    let error = toolbox.run("broken", "{}", LIMIT).await.expect_err("no form");
    assert_eq!(error, ToolError::InvalidResult { problem: "it has no form".into() });
}

#[tokio::test]
async fn output_is_cut_at_a_character_and_says_so() {
    let toolbox = toolbox([tool("long", || async { Ok("é".repeat(50_000)) })]);
    let output = toolbox.run("long", "{}", LIMIT).await.expect("a result");
    assert!(output.text.len() <= 64 << 10, "{} bytes", output.text.len());
    let (shown, mark) = output.text.rsplit_once('\n').expect("a mark");
    assert_eq!(mark, format!("[cut: {} of 100002 bytes are shown]", shown.len()));
    assert!(shown.len() > 65_400 && shown.trim_start_matches('"').chars().all(|c| c == 'é'));
    assert_eq!(output.data, Some(json!("é".repeat(50_000))));
}

struct Fake(Spec);

impl Tool for Fake {
    fn spec(&self) -> &Spec {
        &self.0
    }

    fn effect(&self) -> Effect {
        Effect::Writes
    }

    fn call(&self, _: Value) -> BoxFuture<'_, Result<Output, ToolError>> {
        Box::pin(pending())
    }
}

#[test]
fn a_tool_that_providers_would_refuse_is_not_offered() {
    let fake = |name: &str, parameters: Value| -> Arc<dyn Tool> {
        Arc::new(Fake(Spec { name: name.into(), description: String::new(), parameters }))
    };
    let object = || json!({ "type": "object" });
    let mut toolbox = Toolbox::default();
    for name in ["", "a b", "a.b", "é", &"a".repeat(65)] {
        assert!(matches!(toolbox.add(fake(name, object())), Err(BadTool::Name(_))), "{name}");
    }
    assert_eq!(toolbox.add(fake("free", json!(true))), Err(BadTool::Parameters("free".into())));
    assert_eq!(toolbox.add(fake("taken", object())), Ok(()));
    assert_eq!(toolbox.add(fake("taken", object())), Err(BadTool::Taken("taken".into())));
    assert_eq!(toolbox.specs().count(), 1);
}

/// Texts that are JSON more often than random ones.
fn arguments() -> impl Strategy<Value = String> {
    let pieces = [
        "{",
        "}",
        "\"expression\"",
        "\"time_zone\"",
        ":",
        ",",
        "\"1+1\"",
        "null",
        "7",
        "[",
        "]",
        "\"",
        "\\u00",
        "é",
        "1e999",
    ];
    let jumbled = proptest::collection::vec(proptest::sample::select(pieces.to_vec()), 0..12);
    let field = "expression|time_zone|other";
    prop_oneof![
        any::<String>(),
        jumbled.prop_map(|pieces| pieces.concat()),
        (field, any::<String>()).prop_map(|(field, value)| json!({ field: value }).to_string()),
        (field, any::<f64>()).prop_map(|(field, value)| json!({ field: value }).to_string()),
    ]
}

proptest! {
    #[test]
    fn any_argument_text_gives_a_result_or_a_typed_error(name in "calculate|current_time|other", text in arguments()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        match runtime.block_on(built_in().run(&name, &text, LIMIT)) {
            Ok(output) => prop_assert!(output.data.is_some()),
            // `tool_failed` would be a panic that was contained.
            Err(error) => prop_assert!(matches!(error.code(), "invalid_arguments" | "unknown_tool"), "{}", error),
        }
    }
}
