//! Tools made of two Rust types and an async function: their schemas come from
//! the types, arguments are checked by reading them into one, and results are
//! of the other by construction. Imports the trait and the schema.

use std::fmt;
use std::future::{Future, ready};

use futures::FutureExt;
use futures::future::BoxFuture;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Effect, Output, Spec, Tool, ToolError, beginning, schema};

/// Bytes of a problem with arguments that are told; it may quote them.
const PROBLEM_BYTES: usize = 500;

type Run = dyn Fn(Value) -> BoxFuture<'static, Result<Output, ToolError>> + Send + Sync;

/// A tool made by [`function`].
pub struct Function {
    spec: Spec,
    effect: Effect,
    results: Value,
    run: Box<Run>,
}

/// Makes a tool of an async function.
///
/// `A` should be `#[serde(deny_unknown_fields)]`, as its schema says. The model
/// reads the result as JSON; its documentation comments become the schema's
/// descriptions.
pub fn function<A, R, F, Fut>(name: &str, description: &str, effect: Effect, run: F) -> Function
where
    A: DeserializeOwned + JsonSchema + 'static,
    R: Serialize + JsonSchema + 'static,
    F: Fn(A) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<R, ToolError>> + Send + 'static,
{
    let spec = Spec { name: name.into(), description: description.into(), parameters: schema::of::<A>() };
    let run = move |arguments| match read::<A>(arguments) {
        Ok(arguments) => run(arguments).map(|result| result.and_then(|result| write(&result))).boxed(),
        Err(error) => ready(Err(error)).boxed(),
    };
    Function { spec, effect, results: schema::of::<R>(), run: Box::new(run) }
}

impl Tool for Function {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn effect(&self) -> Effect {
        self.effect
    }

    fn call(&self, arguments: Value) -> BoxFuture<'_, Result<Output, ToolError>> {
        (self.run)(arguments)
    }

    fn results(&self) -> Option<&Value> {
        Some(&self.results)
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function").field("spec", &self.spec).field("effect", &self.effect).finish_non_exhaustive()
    }
}

/// Reads arguments, or says which field is wrong.
pub(crate) fn read<A: DeserializeOwned>(arguments: Value) -> Result<A, ToolError> {
    serde_path_to_error::deserialize(arguments).map_err(|error| {
        let place = error.path().to_string();
        let problem = error.inner().to_string();
        let problem = match place.as_str() {
            "." => problem,
            place => format!("`{place}`: {problem}"),
        };
        ToolError::invalid(beginning(&problem, PROBLEM_BYTES))
    })
}

fn write<R: Serialize>(result: &R) -> Result<Output, ToolError> {
    let unusable = |error: serde_json::Error| ToolError::InvalidResult { problem: error.to_string() };
    let data = serde_json::to_value(result).map_err(unusable)?;
    Ok(Output { text: data.to_string(), data: Some(data) })
}
