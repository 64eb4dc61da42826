//! The tool `current_time`: what a clock on the wall shows, here or in another
//! time zone. Imports the trait of tools.

use std::sync::Arc;
use std::time::SystemTime;

use chrono::{DateTime, SecondsFormat, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Effect, Function, ToolError, beginning, function};

/// Bytes of an unknown zone that are repeated.
const ZONE_BYTES: usize = 60;

/// What tells the time.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// This machine's clock. It is for telling the time to a reader; the times of
/// rows are Postgres's.
#[must_use]
pub fn system_clock() -> Clock {
    Arc::new(|| SystemTime::now().into())
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// IANA name of a time zone, such as Europe/Berlin or UTC. Null means the
    /// user's own.
    time_zone: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Now {
    /// The time in UTC.
    utc: String,
    /// The time in the time zone, with its offset.
    local: String,
    /// IANA name of the time zone.
    time_zone: &'static str,
    /// Day of the week there, in English.
    weekday: String,
}

/// The tool. `default` is the zone of the caller, UTC where nobody knows it.
#[must_use]
pub fn current_time(clock: Clock, default: Tz) -> Function {
    let description = "Tells the current date, time and day of the week. Use it whenever an answer depends on today's \
                       date, such as deadlines, ages or \"last month\".";
    function("current_time", description, Effect::ReadOnly, move |Arguments { time_zone }| {
        let now = clock();
        async move {
            let zone = match time_zone.as_deref().map(str::trim) {
                None | Some("") => default,
                Some(name) => zone(name).ok_or_else(|| unknown(name))?,
            };
            Ok(tell(now, zone))
        }
    })
}

/// The time zone of an IANA name, in whatever case and with spaces for
/// underscores.
#[must_use]
pub fn zone(name: &str) -> Option<Tz> {
    let name = name.replace(' ', "_");
    TZ_VARIANTS.iter().copied().find(|zone| zone.name().eq_ignore_ascii_case(&name))
}

fn unknown(name: &str) -> ToolError {
    ToolError::invalid(format!(
        "`time_zone`: there is no time zone `{}`; write an IANA name such as `Europe/Berlin`, `America/New_York` or `UTC`",
        beginning(name, ZONE_BYTES)
    ))
}

fn tell(now: DateTime<Utc>, zone: Tz) -> Now {
    let local = now.with_timezone(&zone);
    Now {
        utc: now.to_rfc3339_opts(SecondsFormat::Secs, true),
        local: local.to_rfc3339_opts(SecondsFormat::Secs, false),
        time_zone: zone.name(),
        weekday: local.format("%A").to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::tools::Tool;

    /// Half past eleven in the evening of a Sunday, UTC.
    fn tool() -> Function {
        let fixed: DateTime<Utc> = "2027-03-14T23:30:05.750Z".parse().expect("a time");
        current_time(Arc::new(move || fixed), Tz::America__New_York)
    }

    async fn told(arguments: Value) -> Result<Value, ToolError> {
        tool().call(arguments).await.map(|output| output.data.expect("data"))
    }

    #[test]
    fn its_schema_is_what_providers_take() {
        assert_eq!(
            tool().spec().parameters,
            json!({
                "type": "object",
                "properties": {
                    "time_zone": {
                        "type": ["string", "null"],
                        "description": "IANA name of a time zone, such as Europe/Berlin or UTC. Null means the user's own.",
                    },
                },
                "required": ["time_zone"],
                "additionalProperties": false,
            })
        );
    }

    #[tokio::test]
    async fn without_a_zone_it_is_the_callers() {
        let here = json!({
            "utc": "2027-03-14T23:30:05Z",
            "local": "2027-03-14T19:30:05-04:00",
            "time_zone": "America/New_York",
            "weekday": "Sunday",
        });
        for arguments in [json!({}), json!({ "time_zone": null }), json!({ "time_zone": " " })] {
            assert_eq!(told(arguments).await.expect("a time"), here);
        }
    }

    #[tokio::test]
    async fn elsewhere_it_may_be_another_day() {
        let there = told(json!({ "time_zone": "Asia/Kolkata" })).await.expect("a time");
        assert_eq!(there["local"], "2027-03-15T05:00:05+05:30");
        assert_eq!(there["weekday"], "Monday");
        let sloppy = told(json!({ "time_zone": "america/los angeles" })).await.expect("a time");
        assert_eq!(sloppy["time_zone"], "America/Los_Angeles");
    }

    #[tokio::test]
    async fn an_unknown_zone_is_answered_with_what_a_right_one_looks_like() {
        for name in ["CEST5", "Berlin", "+02:00", &"x".repeat(5_000)] {
            let error = told(json!({ "time_zone": name })).await.expect_err("no zone");
            assert_eq!(error.code(), "invalid_arguments");
            let text = error.to_string();
            assert!(text.contains("`time_zone`") && text.contains("Europe/Berlin") && text.len() < 300, "{text}");
        }
    }

    #[test]
    fn the_machines_clock_goes_forward() {
        let clock = system_clock();
        let before = clock();
        assert!(clock() >= before && before.timestamp() > 1_700_000_000);
    }
}
