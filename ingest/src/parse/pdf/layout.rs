//! From the runs of text that a page draws to its lines in reading order.
//! Imports nothing of the crate.
//!
//! Runs on one base line make segments, cut where the gap is wider than words
//! stand apart; segments make columns, cut where few of them cross a gutter and
//! both sides hold prose; the segments of a column that share a base line make
//! a line. Lengths are points, `y` grows upwards.

/// A run of text as it is drawn.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Run {
    pub(super) text: String,
    /// Left and right end.
    pub(super) x: [f32; 2],
    /// Lower edge.
    pub(super) y: f32,
    /// Font size.
    pub(super) size: f32,
    /// In a font whose letters are all as wide.
    pub(super) is_mono: bool,
    pub(super) is_bold: bool,
}

/// Runs that follow each other on a base line.
pub(super) type Segment = Run;

/// A line of a column.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    pub(super) cells: Vec<Segment>,
    pub(super) y: f32,
    pub(super) size: f32,
    /// The column that it stands in: its number on the page, and its left and
    /// right end.
    pub(super) column: usize,
    pub(super) within: [f32; 2],
}

impl Line {
    pub(super) fn left(&self) -> f32 {
        self.cells.first().map_or(0.0, |cell| cell.x[0])
    }

    pub(super) fn right(&self) -> f32 {
        self.cells.last().map_or(0.0, |cell| cell.x[1])
    }

    pub(super) fn is_bold(&self) -> bool {
        self.cells.iter().all(|cell| cell.is_bold)
    }

    /// Whether the cells stand too far apart for prose.
    pub(super) fn has_cells(&self) -> bool {
        let wide = |pair: &[Segment]| pair[1].x[0] - pair[0].x[1] > 1.5 * self.size;
        self.cells.len() > 2 || self.cells.windows(2).any(wide)
    }
}

/// How far base lines of one line may lie apart, in font sizes.
pub(super) const SAME_LINE: f32 = 0.45;
/// Gap that ends a segment, in font sizes.
pub(super) const SEGMENT_GAP: f32 = 1.0;
/// Gap between letters that is a space, in font sizes.
pub(super) const WORD_GAP: f32 = 0.15;
/// Places where a column may start that are tried.
const GUTTERS_TRIED: usize = 24;
/// Segments that a column has at least.
const COLUMN_SEGMENTS: usize = 6;
/// Characters that a segment of a column of prose has at least, on average.
const PROSE_CHARACTERS: usize = 18;
/// How often a part of a page is cut into two columns.
const COLUMN_DEPTH: usize = 3;

/// Rows of a page from its top: segments by base line.
pub(super) fn rows(mut runs: Vec<Run>) -> Vec<Vec<Segment>> {
    runs.retain(|run| !run.text.trim().is_empty() && run.x[0].is_finite() && run.x[1].is_finite() && run.y.is_finite());
    runs.sort_by(|a, b| b.y.total_cmp(&a.y).then(a.x[0].total_cmp(&b.x[0])));
    let mut rows: Vec<Vec<Run>> = Vec::new();
    // Base line and size of the largest run of the row.
    let (mut line, mut size) = (f32::INFINITY, 0.0_f32);
    for run in runs {
        let is_beside = line - run.y <= SAME_LINE * run.size.max(size);
        let is_larger = run.size > size;
        match rows.last_mut().filter(|_| is_beside) {
            Some(row) => row.push(run.clone()),
            None => rows.push(vec![run.clone()]),
        }
        if !is_beside || is_larger {
            (line, size) = (run.y, run.size);
        }
    }
    rows.into_iter().map(segments).collect()
}

/// Joins the runs of one row that stand as close as words do.
fn segments(mut row: Vec<Run>) -> Vec<Segment> {
    row.sort_by(|a, b| a.x[0].total_cmp(&b.x[0]));
    let mut segments: Vec<Segment> = Vec::new();
    for run in row {
        let Some(last) = segments.last_mut() else {
            segments.push(run);
            continue;
        };
        let size = last.size.max(run.size);
        let gap = run.x[0] - last.x[1];
        // The same letters again, a hair beside: how some programs draw bold.
        if run.text == last.text && (run.x[0] - last.x[0]).abs() < 0.2 * size {
            continue;
        }
        if gap > SEGMENT_GAP * size {
            segments.push(run);
            continue;
        }
        let is_apart = last.text.ends_with(char::is_whitespace) || run.text.starts_with(char::is_whitespace);
        if gap > WORD_GAP * size && !is_apart {
            last.text.push(' ');
        }
        if run.text.trim().len() > last.text.trim().len() {
            // A mark above the line does not say where the line is.
            (last.y, last.size) = (run.y, run.size);
        }
        last.text.push_str(&run.text);
        last.x[1] = last.x[1].max(run.x[1]);
        last.is_mono &= run.is_mono;
        last.is_bold &= run.is_bold;
    }
    segments
}

/// The lines of a page in the order in which they are read.
pub(super) fn lines(rows: Vec<Vec<Segment>>) -> Vec<Line> {
    let mut lines = Vec::new();
    for (number, column) in columns(rows.into_iter().flatten().collect(), COLUMN_DEPTH).into_iter().enumerate() {
        let within = column.iter().fold([f32::INFINITY, f32::NEG_INFINITY], |[left, right], segment| {
            [left.min(segment.x[0]), right.max(segment.x[1])]
        });
        let first = lines.len();
        for segment in column {
            match lines[first..].last_mut() {
                Some(line) if is_beside(line, &segment) => line.cells.push(segment),
                _ => {
                    lines.push(Line { y: segment.y, size: segment.size, column: number, within, cells: vec![segment] });
                }
            }
        }
        for line in &mut lines[first..] {
            line.cells.sort_by(|a, b| a.x[0].total_cmp(&b.x[0]));
            let widest = line.cells.iter().max_by(|a, b| a.text.len().cmp(&b.text.len()));
            line.size = widest.map_or(line.size, |cell| cell.size);
        }
    }
    lines
}

fn is_beside(line: &Line, segment: &Segment) -> bool {
    (line.y - segment.y).abs() <= SAME_LINE * line.size.max(segment.size)
}

/// Cuts the segments of a part of a page into columns, in reading order. What
/// crosses the gutter, such as a title, ends the columns above it.
fn columns(segments: Vec<Segment>, depth: usize) -> Vec<Vec<Segment>> {
    let Some(gutter) = (depth > 0).then(|| gutter(&segments)).flatten() else { return vec![segments] };
    let mut found = Vec::new();
    let (mut left, mut right, mut across) = (Vec::new(), Vec::new(), Vec::new());
    for segment in segments {
        match side(&segment, gutter) {
            Side::Across => {
                found.extend([&mut left, &mut right].map(std::mem::take).into_iter().filter(|side| !side.is_empty()));
                across.push(segment);
                continue;
            }
            Side::Left => left.push(segment),
            Side::Right => right.push(segment),
        }
        if !across.is_empty() {
            // Stands before the columns that began just now.
            found.push(std::mem::take(&mut across));
        }
    }
    found.extend([left, right, across].into_iter().filter(|part| !part.is_empty()));
    found.into_iter().flat_map(|part| columns(part, depth - 1)).collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
    Across,
}

fn side(segment: &Segment, gutter: f32) -> Side {
    if segment.x[0] >= gutter - 1.0 {
        Side::Right
    } else if segment.x[1] <= gutter - 1.0 {
        Side::Left
    } else {
        Side::Across
    }
}

/// Where the right one of two columns of prose starts.
fn gutter(segments: &[Segment]) -> Option<f32> {
    if segments.len() < 2 * COLUMN_SEGMENTS {
        return None;
    }
    let mut candidates = starts(segments);
    candidates.truncate(GUTTERS_TRIED);
    let total: usize = segments.iter().map(|segment| segment.text.len()).sum();
    let mut best: Option<(usize, f32)> = None;
    for candidate in candidates {
        let (mut count, mut letters) = ([0_usize; 3], [0_usize; 3]);
        for segment in segments {
            let side = side(segment, candidate) as usize;
            count[side] += 1;
            letters[side] += segment.text.len();
        }
        let is_column = |side: Side| {
            let side = side as usize;
            count[side] >= COLUMN_SEGMENTS
                && letters[side] >= count[side] * PROSE_CHARACTERS
                && letters[side] * 8 >= total
        };
        let crossing = letters[Side::Across as usize];
        let is_better = best.is_none_or(|(least, _)| crossing < least);
        if is_column(Side::Left) && is_column(Side::Right) && crossing * 2 <= total && is_better {
            best = Some((crossing, candidate));
        }
    }
    best.map(|(_, gutter)| gutter)
}

/// Places where segments start, the most frequent first.
fn starts(segments: &[Segment]) -> Vec<f32> {
    let mut places: Vec<f32> = segments.iter().map(|segment| segment.x[0]).collect();
    places.sort_by(f32::total_cmp);
    let mut groups: Vec<(usize, f32)> = Vec::new();
    for place in places {
        match groups.last_mut() {
            Some((count, start)) if place - *start <= 2.0 => *count += 1,
            _ => groups.push((1, place)),
        }
    }
    groups.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.total_cmp(&b.1)));
    groups.into_iter().map(|(_, start)| start).collect()
}
