//! The evidence of one answer: all passages that were found for it, numbered
//! from 1 in the order they were found.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use footnote_ingest::scope::Scope;
use footnote_ingest::store::revisions;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::citations::SourceText;
use crate::ids::{DocumentId, RevisionId};
use crate::llm::Source;
use crate::retrieve::Passage;

/// Passages with their numbers.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    passages: Vec<Passage>,
    places: Places,
}

/// Where the passages lie, for tools that read on; grows with the evidence.
#[derive(Debug, Default, Clone)]
pub(super) struct Places(Arc<Mutex<Vec<(DocumentId, usize)>>>);

impl Places {
    /// Document and first code point of the passage of a number.
    pub(super) fn get(&self, n: usize) -> Option<(DocumentId, usize)> {
        self.lock().get(n.checked_sub(1)?).copied()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(DocumentId, usize)>> {
        // The list is whole between any two statements that touch it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Evidence {
    /// Takes what was found, and gives the number of each: that of an earlier
    /// one of the same range.
    pub(super) fn take(&mut self, found: Vec<Passage>) -> Vec<usize> {
        let range = |passage: &Passage| (passage.revision_id, passage.start, passage.end);
        let mut numbers = Vec::new();
        for passage in found {
            let known = self.passages.iter().position(|other| range(other) == range(&passage));
            numbers.push(known.unwrap_or(self.passages.len()) + 1);
            if known.is_none() {
                self.places.lock().push((passage.document_id, passage.start));
                self.passages.push(passage);
            }
        }
        numbers
    }

    /// Where its passages lie.
    pub(super) fn places(&self) -> Places {
        self.places.clone()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.passages.is_empty()
    }

    /// All of it, best first as long as no tool has looked for more.
    pub(super) fn passages(&self) -> &[Passage] {
        &self.passages
    }

    /// The passage of a number.
    pub(super) fn get(&self, n: usize) -> Option<&Passage> {
        self.passages.get(n.checked_sub(1)?)
    }
}

/// A part of a passage, in code points of its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    /// The passage's number.
    pub(super) n: usize,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Part {
    /// The whole passage.
    pub(super) fn whole(n: usize, passage: &Passage) -> Self {
        Self { n, start: 0, end: passage.end - passage.start }
    }

    /// Its words.
    pub(super) fn text(self, passage: &Passage) -> String {
        passage.text.chars().skip(self.start).take(self.end - self.start).collect()
    }

    /// As a model is given it.
    pub(super) fn source(self, passage: &Passage) -> Source {
        Source {
            n: self.n,
            title: passage.title.clone(),
            headings: passage.headings.clone(),
            text: self.text(passage),
            score: passage.score,
            dense: passage.scores.dense,
        }
    }

    /// As citations are checked against it.
    pub(super) fn checked(self, passage: &Passage, pages: &Pages) -> SourceText {
        SourceText {
            n: u32::try_from(self.n).unwrap_or(u32::MAX),
            text: self.text(passage),
            start: passage.start + self.start,
            document_id: passage.document_id.0,
            revision_id: passage.revision_id.0,
            title: passage.title.clone(),
            uri: passage.uri.clone(),
            pages: pages.of(passage),
        }
    }
}

/// Where the pages of revisions start.
#[derive(Debug, Default)]
pub(super) struct Pages(HashMap<RevisionId, Vec<(usize, u32)>>);

impl Pages {
    /// Of the revisions that have pages.
    ///
    /// # Errors
    /// What the database says.
    pub(super) async fn load(db: &PgPool, scope: Scope, passages: &[Passage]) -> sqlx::Result<Self> {
        let mut paged: Vec<RevisionId> =
            passages.iter().filter(|passage| passage.page.is_some()).map(|passage| passage.revision_id).collect();
        paged.sort_unstable();
        paged.dedup();
        if paged.is_empty() {
            return Ok(Self::default());
        }
        let loaded = revisions::pages(db, scope, &paged).await?;
        let starts = loaded
            .into_iter()
            .map(|(revision, pages)| (revision, pages.into_iter().map(|page| (page.span.start, page.page)).collect()));
        Ok(Self(starts.collect()))
    }

    /// Those that a passage may lie on; its first one where no more is known.
    fn of(&self, passage: &Passage) -> Vec<(usize, u32)> {
        match self.0.get(&passage.revision_id) {
            Some(starts) => {
                let first = starts.partition_point(|(start, _)| *start <= passage.start).saturating_sub(1);
                starts[first..].iter().copied().take_while(|(start, _)| *start < passage.end).collect()
            }
            None => passage.page.map(|page| (passage.start, page.cast_unsigned())).into_iter().collect(),
        }
    }
}

/// A passage as the reader's event shows it.
pub(super) fn brief(n: usize, passage: &Passage) -> Value {
    json!({
        "n": n, "document_id": passage.document_id, "revision_id": passage.revision_id, "key": passage.key,
        "title": passage.title, "page": passage.page, "start": passage.start, "end": passage.end,
        "score": passage.score,
    })
}
