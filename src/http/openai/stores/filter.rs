//! Filters on attributes, after OpenAI's API reference, "Comparison filter" and
//! "Compound filter".
//!
//! The index tells `eq`, the bounds and `in` over texts and truth values, and
//! `and` of them as long as a key comes once (two bounds count as one). `ne`,
//! `nin`, `or`, `in` over numbers, and what comes twice are looked at after the
//! search, which finds more than is asked for to that end.

use footnote_ingest::index::MetaFilter;
use serde_json::{Map, Value, json};

use super::super::super::error::ApiError;

/// Filters within filters, at most.
const MAX_DEPTH: usize = 8;
/// Conditions of a filter, at most.
const MAX_CONDITIONS: usize = 64;
/// Values of a list, at most.
const MAX_VALUES: usize = 256;

/// A condition on attributes.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) enum Filter {
    /// An attribute compares like this with a value.
    Is { how: How, key: String, value: Value },
    /// All hold.
    All(Vec<Filter>),
    /// One holds.
    Any(Vec<Filter>),
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum How {
    Eq,
    Ne,
    Gt,
    Gte,
    Lt,
    Lte,
    In,
    Nin,
}

impl How {
    fn read(name: &str) -> Option<Self> {
        Some(match name {
            "eq" => Self::Eq,
            "ne" => Self::Ne,
            "gt" => Self::Gt,
            "gte" => Self::Gte,
            "lt" => Self::Lt,
            "lte" => Self::Lte,
            "in" => Self::In,
            "nin" => Self::Nin,
            _ => return None,
        })
    }

    /// The name of a bound.
    fn bound(self) -> Option<&'static str> {
        match self {
            Self::Gt => Some("gt"),
            Self::Gte => Some("gte"),
            Self::Lt => Some("lt"),
            Self::Lte => Some("lte"),
            Self::Eq | Self::Ne | Self::In | Self::Nin => None,
        }
    }
}

impl Filter {
    /// Reads a filter; `path` names it in refusals.
    pub(in super::super) fn read(filter: &Value, path: &str) -> Result<Self, ApiError> {
        let mut conditions = 0;
        Self::read_at(filter, path, 0, &mut conditions)
    }

    fn read_at(filter: &Value, path: &str, depth: usize, conditions: &mut usize) -> Result<Self, ApiError> {
        let wrong = |field: &str, message: &str| Err(ApiError::bad_request(&format!("{path}{field}"), message));
        *conditions += 1;
        if depth > MAX_DEPTH || *conditions > MAX_CONDITIONS {
            return wrong("", &format!("a filter has {MAX_CONDITIONS} conditions and a depth of {MAX_DEPTH} at most"));
        }
        let kind = filter["type"].as_str().unwrap_or_default();
        if matches!(kind, "and" | "or") {
            let Some(filters) = filter["filters"].as_array() else {
                return wrong(".filters", "a filter of type `and` or `or` has a list of `filters`");
            };
            let within = filters.iter().enumerate().map(|(place, filter)| {
                Self::read_at(filter, &format!("{path}.filters[{place}]"), depth + 1, conditions)
            });
            let within = within.collect::<Result<Vec<_>, _>>()?;
            return Ok(if kind == "and" { Self::All(within) } else { Self::Any(within) });
        }
        let Some(how) = How::read(kind) else {
            return wrong(
                ".type",
                "a filter is of type `eq`, `ne`, `gt`, `gte`, `lt`, `lte`, `in`, `nin`, `and` or `or`",
            );
        };
        let Some(key) = filter["key"].as_str().filter(|key| !key.is_empty()) else {
            return wrong(".key", "a filter names the `key` of an attribute");
        };
        let value = filter["value"].clone();
        let fits = match (how, &value) {
            (How::In | How::Nin, Value::Array(values)) => values.len() <= MAX_VALUES && values.iter().all(is_scalar),
            (How::In | How::Nin, _) => false,
            (How::Eq | How::Ne, value) => is_scalar(value),
            (_, value) => value.is_number(),
        };
        if !fits {
            let message = "the `value` is a text, number or truth value for `eq` and `ne`, a list of them for `in` and \
                           `nin`, and else a number";
            return wrong(".value", message);
        }
        Ok(Self::Is { how, key: key.to_owned(), value })
    }

    /// What the index tells of it, and what is left to be looked at afterwards.
    pub(in super::super) fn split(self) -> (MetaFilter, Option<Self>) {
        let (mut told, mut rest) = (Map::new(), Vec::new());
        self.tell(&mut told, &mut rest);
        let rest = match rest.len() {
            0 => None,
            1 => rest.pop(),
            _ => Some(Self::All(rest)),
        };
        // Every value was made to be read as one.
        (serde_json::from_value(Value::Object(told)).unwrap_or_default(), rest)
    }

    fn tell(self, told: &mut Map<String, Value>, rest: &mut Vec<Self>) {
        match self {
            Self::All(filters) => filters.into_iter().for_each(|filter| filter.tell(told, rest)),
            Self::Is { how, key, value } if is_plain(&key) => match (condition(how, &value), told.get_mut(&key)) {
                (Some(condition), None) => drop(told.insert(key, condition)),
                // Bounds on both sides are one condition.
                (Some(Value::Object(bound)), Some(Value::Object(known)))
                    if bound.keys().all(|name| !known.contains_key(name)) =>
                {
                    known.extend(bound);
                }
                _ => rest.push(Self::Is { how, key, value }),
            },
            other => rest.push(other),
        }
    }

    /// Whether attributes fit.
    pub(in super::super) fn fits(&self, attributes: &Value) -> bool {
        match self {
            Self::All(filters) => filters.iter().all(|filter| filter.fits(attributes)),
            Self::Any(filters) => filters.iter().any(|filter| filter.fits(attributes)),
            Self::Is { how, key, value } => {
                let held: Vec<&Value> = match &attributes[key] {
                    Value::Null => vec![],
                    Value::Array(values) => values.iter().collect(),
                    value => vec![value],
                };
                compares(*how, &held, value)
            }
        }
    }
}

/// Whether one of the values that an attribute holds compares like this; for
/// `ne` and `nin`, whether none is the same.
fn compares(how: How, held: &[&Value], value: &Value) -> bool {
    let any = |fits: &dyn Fn(&Value) -> bool| held.iter().any(|held| fits(held));
    let listed = |held: &Value| value.as_array().is_some_and(|values| values.iter().any(|value| same(held, value)));
    let number = |fits: fn(f64, f64) -> bool| {
        any(&|held| held.as_f64().zip(value.as_f64()).is_some_and(|(held, value)| fits(held, value)))
    };
    match how {
        How::Eq => any(&|held| same(held, value)),
        How::Ne => !any(&|held| same(held, value)),
        How::In => any(&listed),
        How::Nin => !any(&listed),
        How::Gt => number(|held, value| held > value),
        How::Gte => number(|held, value| held >= value),
        How::Lt => number(|held, value| held < value),
        How::Lte => number(|held, value| held <= value),
    }
}

/// The same text or truth value, or equal numbers.
#[expect(clippy::float_cmp, reason = "what was stored is compared with what is asked for")]
fn same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

/// A condition as the index reads it.
fn condition(how: How, value: &Value) -> Option<Value> {
    let words = |value: &Value| value.is_string() || value.is_boolean();
    match how {
        How::Eq if words(value) => Some(value.clone()),
        // Whether it was stored as a whole number or not.
        How::Eq => Some(json!({ "gte": value, "lte": value })),
        How::In if value.as_array().is_some_and(|values| values.iter().all(words)) => Some(value.clone()),
        _ => how.bound().map(|bound| json!({ bound: value })),
    }
}

/// Whether a key is read by the index as it is, and not as a path.
fn is_plain(key: &str) -> bool {
    key.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-')
}

fn is_scalar(value: &Value) -> bool {
    value.is_string() || value.is_number() || value.is_boolean()
}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;
