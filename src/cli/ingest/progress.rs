//! When a line says how far ingestion is, and what it says. Looks at no clock
//! itself.

use std::time::{Duration, Instant};

use footnote_ingest::store::documents::Progress;

/// The lines of one wait.
pub(super) struct Lines {
    every: Duration,
    by_meaning: bool,
    /// When the last one was due, or the wait began.
    last: Instant,
    said: Option<String>,
}

impl Lines {
    /// At most one line in `every`; the first one that much after `now`, so that
    /// a short wait says nothing.
    pub(super) fn new(every: Duration, by_meaning: bool, now: Instant) -> Self {
        Self { every, by_meaning, last: now, said: None }
    }

    /// The line that is due, if one is and it says something new.
    pub(super) fn due(&mut self, progress: &Progress, now: Instant) -> Option<String> {
        if now.saturating_duration_since(self.last) < self.every {
            return None;
        }
        let line = line(progress, self.by_meaning);
        if self.said.as_ref() == Some(&line) {
            return None;
        }
        self.last = now;
        self.said = Some(line.clone());
        Some(line)
    }
}

/// Documents are searchable by their words long before all vectors are made.
fn line(progress: &Progress, by_meaning: bool) -> String {
    let Progress { queued, words, done, failed, chunks, embedded, .. } = progress;
    let searchable = words + done;
    let all = queued + searchable + failed;
    let line = format!("ingest: {searchable} of {all} documents searchable, {failed} failed");
    if by_meaning { format!("{line}; {embedded} of {chunks} chunks by meaning") } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(10);
    const SECOND: Duration = Duration::from_secs(1);

    fn progress(queued: i64, words: i64) -> Progress {
        Progress { queued, words, done: 20, failed: 3, chunks: 900, embedded: 310, ..Progress::default() }
    }

    #[test]
    fn a_line_is_due_after_the_interval_and_not_before() {
        let start = Instant::now();
        let mut lines = Lines::new(EVERY, false, start);
        assert_eq!(lines.due(&progress(400, 0), start), None);
        assert_eq!(lines.due(&progress(300, 77), start + SECOND * 9), None);
        let line = lines.due(&progress(277, 100), start + EVERY);
        assert_eq!(line.as_deref(), Some("ingest: 120 of 400 documents searchable, 3 failed"));
        assert_eq!(lines.due(&progress(200, 177), start + SECOND * 19), None);
        let line = lines.due(&progress(200, 177), start + SECOND * 20);
        assert_eq!(line.as_deref(), Some("ingest: 197 of 400 documents searchable, 3 failed"));
    }

    #[test]
    fn nothing_is_said_twice_and_what_changes_later_is_said_at_once() {
        let start = Instant::now();
        let mut lines = Lines::new(EVERY, false, start);
        assert!(lines.due(&progress(277, 100), start + EVERY).is_some());
        for seconds in [20, 30, 44] {
            assert_eq!(lines.due(&progress(277, 100), start + SECOND * seconds), None);
        }
        assert!(lines.due(&progress(276, 101), start + SECOND * 45).is_some());
        assert_eq!(lines.due(&progress(275, 102), start + SECOND * 54), None);
    }

    #[test]
    fn vectors_are_told_where_they_are_waited_for() {
        let start = Instant::now();
        let mut lines = Lines::new(EVERY, true, start);
        let line = lines.due(&progress(0, 377), start + EVERY);
        assert_eq!(
            line.as_deref(),
            Some("ingest: 397 of 400 documents searchable, 3 failed; 310 of 900 chunks by meaning")
        );
        let more = Progress { embedded: 311, ..progress(0, 377) };
        assert!(lines.due(&more, start + SECOND * 20).is_some());
    }
}
