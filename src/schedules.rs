//! Schedules: what may be set up, and when it comes round. Imports storage and
//! the one state.

use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use chrono::{DateTime, SubsecRound, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds};
use footnote_ingest::scope::Scope;
use footnote_ingest::store::members::Access;

use crate::app::App;
use crate::error::{Error, Result};
use crate::sharing;
use crate::storage::schedules::{self, Action, Clock, New, Schedule, Sync};

/// Characters of a name, at most.
const MAX_NAME: usize = 100;
/// Inputs of a sync, at most.
const MAX_INPUTS: usize = 100;

/// When a schedule comes round, as its owner says it.
#[derive(Debug, Clone, PartialEq)]
pub struct Timetable {
    /// Six fields, as stored.
    pub cron: String,
    /// The time zone.
    pub zone: Tz,
    parsed: Cron,
}

impl Timetable {
    /// Reads five fields (minutes, hours, days of the month, months, days of
    /// the week) or six (seconds before them), and a name of the IANA time zone
    /// database; UTC if there is none.
    ///
    /// # Errors
    /// [`Error::Invalid`], which names the field.
    pub fn new(cron: &str, time_zone: Option<&str>) -> Result<Self> {
        let invalid = |field, problem| Error::Invalid { field, problem };
        let zone = time_zone.unwrap_or("UTC");
        let zone = Tz::from_str(zone).map_err(|_| {
            invalid("time_zone", format!("`{zone}` is no time zone; give one such as `Europe/Zurich` or `UTC`"))
        })?;
        let fields: Vec<&str> = cron.split_whitespace().collect();
        let cron = match fields.len() {
            5 => format!("0 {}", fields.join(" ")),
            _ => fields.join(" "),
        };
        // As the scheduler itself reads it.
        let parser = CronParser::builder().seconds(Seconds::Required).dom_and_dow(true).build();
        let parsed = parser.parse(&cron).map_err(|error| {
            invalid("cron", format!("is no time to come round ({error}); give one such as `0 3 * * *`, daily at 03:00"))
        })?;
        Ok(Self { cron, zone, parsed })
    }

    /// The next time after a moment; `None` if it never comes round again.
    #[must_use]
    pub fn next(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        // Whole seconds: the library carries what is below them along.
        let after = after.trunc_subsecs(0).with_timezone(&self.zone);
        let next = self.parsed.find_next_occurrence(&after, false).ok()?;
        Some(next.with_timezone(&Utc))
    }
}

/// The next time of a stored clock after a moment.
#[must_use]
pub fn next(clock: &Clock, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    Timetable::new(&clock.cron, Some(&clock.time_zone)).ok()?.next(after)
}

/// Makes a schedule.
///
/// # Errors
/// [`Error::Invalid`] for what could never run, [`Error::NotFound`] for a
/// collection that is not there, [`Error::Forbidden`] for one that the scope may
/// only read, [`Error::Conflict`] for a name that is taken.
pub async fn create(
    app: &App,
    scope: Scope,
    name: &str,
    cron: &str,
    time_zone: Option<&str>,
    action: &Action,
) -> Result<Schedule> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME || name.contains(['/', '\0']) {
        let problem = format!("has 1 to {MAX_NAME} characters, none of them a slash");
        return Err(Error::Invalid { field: "name", problem });
    }
    let timetable = Timetable::new(cron, time_zone)?;
    if let Action::Sync(sync) = action {
        check(app, scope, sync).await?;
    }
    let never = || Error::Invalid { field: "cron", problem: "never comes round; give a date that does".into() };
    let next_run_at = timetable.next(schedules::now(&app.db).await?).ok_or_else(never)?;
    let new = New { name, cron: &timetable.cron, time_zone: timetable.zone.name(), action, next_run_at };
    match schedules::create(&app.db, scope, &new).await {
        Err(sqlx::Error::Database(error)) if error.constraint() == Some("schedules_owner_name") => {
            Err(Error::Conflict {
                what: "schedule",
                problem: format!("`{name}` is there already; delete it, or choose another name"),
            })
        }
        made => Ok(made?),
    }
}

async fn check(app: &App, scope: Scope, sync: &Sync) -> Result<()> {
    sharing::access(app, scope, sync.collection, Access::Writer).await?;
    let invalid = |problem| Err(Error::Invalid { field: "inputs", problem });
    if sync.inputs.is_empty() || sync.inputs.len() > MAX_INPUTS {
        return invalid(format!("names 1 to {MAX_INPUTS} files, folders or globs"));
    }
    for input in &sync.inputs {
        if !is_named_below(Path::new(input), &app.settings.sync_roots) {
            return invalid(format!(
                "`{input}` is not under a folder that this server's operator allows (FOOTNOTE_SYNC_ROOTS)"
            ));
        }
    }
    Ok(())
}

/// Whether a path is absolute, goes nowhere up, and is named below one of
/// these folders. Links are looked at when files are read: see [`is_below`].
fn is_named_below(path: &Path, roots: &[PathBuf]) -> bool {
    path.is_absolute()
        && !path.components().any(|part| part == Component::ParentDir)
        && roots.iter().any(|root| path.starts_with(root))
}

/// Whether a path, with all links followed, is below one of these folders.
#[must_use]
pub fn is_below(path: &Path, roots: &[PathBuf]) -> bool {
    let Ok(path) = path.canonicalize() else { return false };
    roots.iter().filter_map(|root| root.canonicalize().ok()).any(|root| path.starts_with(root))
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;

    use super::*;

    fn next(cron: &str, zone: &str, after: (i32, u32, u32, u32)) -> String {
        let (year, month, day, hour) = after;
        let after = Utc.with_ymd_and_hms(year, month, day, hour, 0, 0).unwrap();
        Timetable::new(cron, Some(zone)).unwrap().next(after).unwrap().to_rfc3339()
    }

    #[test]
    fn five_fields_mean_the_full_minute_and_six_have_seconds() {
        assert_eq!(next("30 3 * * *", "UTC", (2026, 1, 1, 4)), "2026-01-02T03:30:00+00:00");
        assert_eq!(next("*/10 * * * * *", "UTC", (2026, 1, 1, 4)), "2026-01-01T04:00:10+00:00");
    }

    #[test]
    fn what_is_below_a_second_does_not_carry_on() {
        let after = Utc.timestamp_millis_opt(1_700_000_000_700).unwrap();
        let next = Timetable::new("* * * * * *", None).unwrap().next(after).unwrap();
        assert_eq!(next.timestamp_millis(), 1_700_000_001_000);
    }

    #[test]
    fn a_time_zone_has_its_own_hours_in_summer_too() {
        assert_eq!(next("0 3 * * *", "Europe/Zurich", (2026, 1, 10, 12)), "2026-01-11T02:00:00+00:00");
        assert_eq!(next("0 3 * * *", "Europe/Zurich", (2026, 7, 10, 12)), "2026-07-11T01:00:00+00:00");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let refused = |cron, zone| Timetable::new(cron, zone).unwrap_err().to_string();
        assert!(refused("every day", None).contains("`cron`"));
        assert!(refused("0 3 * * *", Some("Mars/Olympus")).contains("`time_zone` `Mars/Olympus`"));
        let never = Timetable::new("0 3 30 2 *", None).unwrap();
        assert_eq!(never.next(Utc.with_ymd_and_hms(2026, 1, 1, 0, 0, 0).unwrap()), None);
    }

    #[test]
    fn only_paths_below_allowed_folders_are_taken() {
        let roots = [PathBuf::from("/srv/files")];
        for (path, allowed) in [
            ("/srv/files", true),
            ("/srv/files/a/*.md", true),
            ("/srv/files-2/a", false),
            ("/srv/files/../secrets", false),
            ("srv/files/a", false),
            ("/", false),
        ] {
            assert_eq!(is_named_below(Path::new(path), &roots), allowed, "{path}");
        }
        assert!(!is_named_below(Path::new("/srv/files"), &[]));
    }

    #[test]
    fn a_link_out_of_an_allowed_folder_leads_nowhere() {
        let (inside, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(outside.path().join("secret"), "x").unwrap();
        let link = inside.path().join("link");
        std::os::unix::fs::symlink(outside.path().join("secret"), &link).unwrap();
        assert!(!is_below(&link, &[inside.path().to_owned()]));
        assert!(is_below(&link, &[outside.path().to_owned()]));
    }
}
