//! The tool `calculate`: arithmetic that a model would get wrong by heart.
//! Imports the trait of tools.
//!
//! * [`number`]: decimal numbers of bounded size
//! * [`functions`]: the functions by name
//! * [`expression`]: reads an expression and evaluates it
//!
//! An expression comes from a model, which may have it from a hostile document.
//! No number grows beyond 60 digits, no step takes more than a few milliseconds,
//! and there are no loops, variables or functions of the model's own, so that
//! the length and depth that are read bound the whole and nothing need be
//! interrupted. `fend-core`, which evaluates whole expressions exactly, has no
//! such bounds: it cannot be interrupted in `1 << 10^9`, nor in nested
//! parentheses, which it reads in exponential time, and it takes more than 0.2 s
//! for common powers such as `2^0.3333`.

mod expression;
mod functions;
mod number;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Effect, Function, ToolError, function};

/// Characters of an expression that are read.
const EXPRESSION_CHARS: usize = 1_000;

const DESCRIPTION: &str = "Evaluates an arithmetic expression with decimal numbers of 60 digits. Use it for every \
    calculation. Operators: + - * / ^ (power), ! (factorial), mod, parentheses; 15% is 0.15, and 15% of 80 is 12. \
    Functions: sqrt, cbrt, abs, exp, ln, log10, log2, log(x, base), sin, cos, tan, asin, acos, atan (radians; 30° or \
    30*pi/180 for degrees), floor, ceil, round(x, digits), min, max, sum, mean, mod(a, b), choose(n, k). Constants: \
    pi, e. Write numbers as 1234.5 or 1.5e6, without units, currency signs or thousands separators. A result that \
    begins with ≈ is rounded to 15 digits; any other is exact.";

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// The expression, at most 1,000 characters, such as 1200 * (1 + 3.5%)^10.
    expression: String,
}

#[derive(Serialize, JsonSchema)]
struct Answer {
    /// The value; ≈ before it says that it is rounded to 15 digits.
    result: String,
}

/// The tool.
#[must_use]
pub fn calculate() -> Function {
    function("calculate", DESCRIPTION, Effect::ReadOnly, |Arguments { expression }| async move {
        let chars = expression.chars().count();
        if chars > EXPRESSION_CHARS {
            let problem = format!("`expression`: has {chars} characters; at most {EXPRESSION_CHARS} are read");
            return Err(ToolError::InvalidArguments { problem });
        }
        // The worst takes a fifth of a second: too long for the threads that answer requests.
        let value = tokio::task::spawn_blocking(move || expression::evaluate(&expression)).await;
        let value = value.map_err(|_| ToolError::Failed { problem: "the calculation broke down within".into() })?;
        let value = value.map_err(|problem| ToolError::invalid(format!("`expression`: {problem}")))?;
        Ok(Answer { result: value.to_string() })
    })
}

#[cfg(test)]
mod tests;
