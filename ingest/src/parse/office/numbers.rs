//! Numbers as a spreadsheet shows them: its number formats say which are dates,
//! times or percentages. Dates come out as ISO 8601. Imports nothing.

/// Seconds of a day.
const DAY: i64 = 86_400;
/// The last day that has a year of four digits, in days since 1899-12-30.
const LAST_DAY: f64 = 2_958_465.999_99;
/// Days from 1899-12-30, which is day 0 of most workbooks, to 1970-01-01.
const TO_1970: i64 = 25_569;
/// Days from 1899-12-30 to 1904-01-01, which is day 0 of some.
const TO_1904: f64 = 1462.0;
/// Significant digits of a number that a workbook keeps.
const DIGITS: usize = 15;

/// How a number is to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum NumberFormat {
    /// As it is.
    #[default]
    Plain,
    /// In percent, with this many digits behind the point.
    Percent(usize),
    /// As a date, a time of day, or both.
    Moment {
        /// With the date.
        date: bool,
        /// With the time of day.
        time: bool,
    },
    /// As hours, minutes and seconds that passed.
    Duration,
}

impl NumberFormat {
    /// The format with a number of its own, which no workbook spells out.
    pub(super) fn built_in(id: u32) -> Self {
        match id {
            9 => Self::Percent(0),
            10 => Self::Percent(2),
            14..=17 | 27..=31 | 34..=36 | 50..=58 => Self::Moment { date: true, time: false },
            18..=21 | 32 | 33 | 45 | 47 => Self::Moment { date: false, time: true },
            22 => Self::Moment { date: true, time: true },
            46 => Self::Duration,
            _ => Self::Plain,
        }
    }

    /// The format that a code such as `yyyy-mm-dd` or `0.0%` spells out.
    pub(super) fn of_code(code: &str) -> Self {
        let (mut date, mut time, mut percent, mut passed) = (false, false, false, false);
        let (mut decimals, mut after_point) = (0, false);
        let mut characters = code.chars();
        // The first part is the one for positive numbers.
        while let Some(c) = characters.next().filter(|c| *c != ';') {
            match c.to_ascii_lowercase() {
                '"' => {
                    let _ = characters.by_ref().find(|c| *c == '"');
                }
                '\\' | '_' | '*' => {
                    let _ = characters.next();
                }
                '[' => {
                    let inner: String = characters.by_ref().take_while(|c| *c != ']').collect();
                    let first = inner.chars().next().unwrap_or_default();
                    let same = inner.chars().all(|c| c.eq_ignore_ascii_case(&first));
                    passed |= same && matches!(first.to_ascii_lowercase(), 'h' | 'm' | 's');
                }
                'y' | 'd' => date = true,
                'h' | 's' => time = true,
                // Months or minutes; with hours or seconds about, the latter.
                'm' => date |= !time && !code.to_ascii_lowercase().contains(['h', 's']),
                '%' => percent = true,
                'g' if code[code.len() - characters.as_str().len()..].starts_with("eneral") => return Self::Plain,
                '.' => after_point = true,
                '0' | '#' | '?' if after_point => decimals += 1,
                _ => {}
            }
        }
        match () {
            () if passed => Self::Duration,
            () if date || time => Self::Moment { date, time },
            () if percent => Self::Percent(decimals),
            () => Self::Plain,
        }
    }

    /// `value` as it is shown; `since_1904` says from where a workbook counts days.
    pub(super) fn show(self, value: f64, since_1904: bool) -> String {
        let days = if since_1904 { value + TO_1904 } else { value };
        match self {
            Self::Percent(decimals) => format!("{:.*}%", decimals.min(DIGITS), rounded(value * 100.0)),
            Self::Moment { date: false, time: true } if (0.0..1.0).contains(&value) => clock(value),
            Self::Moment { date, time } if (0.0..LAST_DAY).contains(&days) => moment(days, date, time),
            Self::Duration if value.abs() < LAST_DAY => duration(value),
            _ => plain(value),
        }
    }
}

/// A number with no more digits than a workbook keeps.
pub(super) fn plain(value: f64) -> String {
    let value = rounded(value);
    if value == 0.0 { "0".to_owned() } else { value.to_string() }
}

/// A moment, from days since 1899-12-30.
pub(super) fn moment(days: f64, date: bool, time: bool) -> String {
    let seconds = whole(days * 86_400.0);
    let (mut day, second) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    // These workbooks have a 29 February 1900, before which days are off by one.
    day += i64::from(day < 60 && day > 0);
    let (hour, minute, rest) = (second / 3600, second / 60 % 60, second % 60);
    let seconds = if rest == 0 { String::new() } else { format!(":{rest:02}") };
    let clock = format!("{hour:02}:{minute:02}{seconds}");
    let (year, month, of_month) = civil(day - TO_1970);
    match (date, time) {
        (true, true) => format!("{year:04}-{month:02}-{of_month:02} {clock}"),
        (false, true) => clock,
        _ => format!("{year:04}-{month:02}-{of_month:02}"),
    }
}

fn clock(value: f64) -> String {
    moment(value, false, true)
}

/// Time that passed, from days.
pub(super) fn duration(days: f64) -> String {
    let seconds = whole(days.abs() * 86_400.0);
    let sign = if days < 0.0 { "-" } else { "" };
    format!("{sign}{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[expect(clippy::cast_possible_truncation, reason = "callers bound it to the days of the calendar; else it saturates")]
fn whole(value: f64) -> i64 {
    value.round() as i64
}

fn rounded(value: f64) -> f64 {
    format!("{value:.*e}", DIGITS - 1).parse().unwrap_or(value)
}

/// Year, month and day of the Gregorian calendar, from days since 1970-01-01.
/// Counts in eras of 400 years that start on 1 March.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(code: &str, value: f64) -> String {
        NumberFormat::of_code(code).show(value, false)
    }

    #[test]
    fn dates_come_out_as_iso_8601() {
        assert_eq!(show("yyyy\\-mm\\-dd", 45_000.0), "2023-03-15");
        assert_eq!(show("[$-409]d\\-mmm\\-yy;@", 45_000.25), "2023-03-15");
        assert_eq!(show("dd/mm/yyyy hh:mm", 45_000.75), "2023-03-15 18:00");
        assert_eq!(show("h:mm AM/PM", 0.5), "12:00");
        assert_eq!(show("mmm", 45_000.0), "2023-03-15");
        assert_eq!(show("d.m.yyyy", 1.0), "1900-01-01");
        assert_eq!(show("d.m.yyyy", 61.0), "1900-03-01");
        assert_eq!(NumberFormat::built_in(14).show(0.0, true), "1904-01-01");
    }

    #[test]
    fn durations_and_percentages_are_shown_as_such() {
        assert_eq!(show("[h]:mm:ss", 1.5), "36:00:00");
        assert_eq!(show("0.0%", 0.123), "12.3%");
        assert_eq!(show("0%", 0.29), "29%");
    }

    #[test]
    fn other_numbers_stay_as_they_are() {
        assert_eq!(show("#,##0.00\" days\"", 1234.5), "1234.5");
        assert_eq!(show("General", 0.1 + 0.2), "0.3");
        assert_eq!(show("General", -0.0), "0");
        assert_eq!(show("[Red]#,##0", 7.0), "7");
        assert_eq!(show("yyyy", 1e300).len(), 301);
    }
}
