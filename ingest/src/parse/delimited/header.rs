//! Which of a table's first rows is its header, and which only its title.
//! Imports nothing of the crate.

use std::collections::HashSet;

/// What the first rows are.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// The title that stands above the table in a row of its own.
    pub caption: Option<String>,
    /// Rows that the table itself starts after.
    pub skip: usize,
    /// Whether its first row is its header.
    pub has_header: bool,
}

/// Looks at the first rows of a table.
///
/// A header row is all text, each cell another one, and either a column below
/// holds something else than text, or nothing in the table does. Years may
/// stand in it where the columns below hold no years.
pub(super) fn find(rows: &[Vec<String>]) -> Found {
    let first = rows.iter().take_while(|row| filled(row) == 0).count();
    let rows = &rows[first..];
    let is_title = |row: &[String]| filled(row) == 1 && row.first().is_some_and(|cell| !cell.trim().is_empty());
    if let [title, next, ..] = rows
        && is_title(title)
        && filled(next) >= 2
        && rows[1..].iter().filter(|row| filled(row) >= 2).count() * 2 > rows.len() - 1
    {
        let has_header = is_header(&rows[1..]);
        return Found { caption: title.first().cloned(), skip: first + 1, has_header };
    }
    Found { caption: None, skip: first, has_header: is_header(rows) }
}

fn filled(row: &[String]) -> usize {
    row.iter().filter(|cell| !cell.trim().is_empty()).count()
}

fn is_header(rows: &[Vec<String>]) -> bool {
    let Some((header, body)) = rows.split_first() else { return false };
    let width = filled(header);
    if width < 2 || body.is_empty() {
        return false;
    }
    let mut seen = HashSet::new();
    let mut finds_data = false;
    for (place, cell) in header.iter().map(|cell| cell.trim()).enumerate() {
        if cell.is_empty() {
            continue;
        }
        if !seen.insert(cell) {
            return false;
        }
        let below = || body.iter().filter_map(|row| row.get(place)).map(|cell| cell.trim()).filter(|c| !c.is_empty());
        let is_year_column = is_year(cell) && place > 0 && !below().all(is_year);
        if is_data(cell) && !is_year_column {
            return false;
        }
        finds_data |= below().filter(|cell| is_data(cell)).count() * 2 > below().count();
    }
    // The first cell may be empty above the names of the rows, others rarely are.
    let gaps = header.iter().skip(1).take(header.iter().rposition(|cell| !cell.trim().is_empty()).unwrap_or_default());
    if gaps.filter(|cell| cell.trim().is_empty()).count() * 2 > width {
        return false;
    }
    finds_data || !body.iter().flatten().any(|cell| is_data(cell.trim()))
}

fn is_year(cell: &str) -> bool {
    cell.len() == 4 && cell.parse::<u16>().is_ok_and(|year| (1500..2200).contains(&year))
}

/// Whether a cell is a number, an amount, a date, a time or a truth value.
fn is_data(cell: &str) -> bool {
    if cell.is_empty() {
        return false;
    }
    if ["true", "false"].iter().any(|word| cell.eq_ignore_ascii_case(word)) {
        return true;
    }
    let digits = cell.chars().filter(char::is_ascii_digit).count();
    let others = cell.chars().filter(|c| c.is_alphabetic()).count();
    // `2024-01-31T12:00Z`, `1.5e3`, `-12 %`, `EUR 5.00`, `n = 5` all have few letters.
    digits > 0 && others <= 3 && digits * 2 >= others * 3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(source: &str) -> Vec<Vec<String>> {
        source.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
    }

    #[test]
    fn a_row_of_text_above_other_things_is_a_header() {
        let cases = [
            ("name,age\nAnn,30\nBen,41", true),
            ("Ann,30\nBen,41", false),
            ("name,city\nAnn,Ulm\nBen,Bonn", true),
            ("a,a\n1,2", false),
            (",2019,2020\nsales,1.5,2.5", true),
            ("Blues,1967\nFlyers,1974", false),
            ("id,date,ok\nx,2024-01-31,true", true),
            ("only\none\ncolumn", false),
            ("name,age", false),
        ];
        for (source, header) in cases {
            assert_eq!(find(&rows(source)).has_header, header, "{source}");
        }
    }

    #[test]
    fn a_title_in_a_row_of_its_own_is_the_caption() {
        let found = find(&rows("Cups,,\nTeam,Cups\nBlues,1\nFlyers,2"));
        assert_eq!(found, Found { caption: Some("Cups".into()), skip: 1, has_header: true });
        assert_eq!(find(&rows("a\nb\nc,d\ne\nf")).caption, None);
        assert_eq!(find(&[]), Found::default());
    }
}
