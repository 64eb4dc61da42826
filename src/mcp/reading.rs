//! What is found and read, as it is told to other programs. Imports storage's
//! types.

use footnote_ingest::document::Span;
use footnote_ingest::store::documents::{Document, Stage};
use footnote_ingest::store::revisions::TextPart;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::backend::{Backend, Failure};
use super::place::{Address, Place};
use crate::ids::RevisionId;
use crate::retrieve::Passage;

/// Code points of a text that are read at once, at most.
pub(super) const MAX_TEXT: usize = 200_000;
/// Code points of a snippet.
const SNIPPET: usize = 600;

/// What was found.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Found {
    /// Passages, best first.
    pub(super) results: Vec<Hit>,
}

/// A passage that was found.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Hit {
    /// For fetch: `{revision_id}:{start}-{end}`, a range in code points.
    id: String,
    /// The document's title.
    title: String,
    /// Where the document came from, else its address as a resource.
    url: String,
    /// The beginning of the passage.
    snippet: String,
    /// What it is ranked by: the higher the better.
    score: f32,
}

impl From<Passage> for Hit {
    fn from(passage: Passage) -> Self {
        let span = Span { start: passage.start, end: passage.end };
        let address = Address::of(passage.collection_id, passage.document_id);
        Self {
            id: Place::Range(passage.revision_id, span).to_string(),
            title: passage.title,
            url: passage.uri.unwrap_or_else(|| address.to_string()),
            snippet: snippet(&passage.text),
            score: passage.score,
        }
    }
}

fn snippet(text: &str) -> String {
    match text.char_indices().nth(SNIPPET) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A text that was read.
#[derive(Debug, Serialize, JsonSchema)]
#[expect(clippy::struct_field_names, reason = "clients ask for these names")]
pub(super) struct Text {
    /// What was asked for.
    id: String,
    /// The document's title.
    title: String,
    /// The text itself.
    text: String,
    /// Where the document came from, else its address as a resource.
    url: String,
    /// More about it.
    metadata: Metadata,
}

/// What is known of a text.
#[derive(Debug, Serialize, JsonSchema)]
struct Metadata {
    /// For fetch: the whole document.
    document_id: String,
    /// The immutable state of its text.
    revision_id: String,
    /// The document's collection.
    collection_id: String,
    /// The document's key, unique in its collection.
    key: String,
    /// First code point of this text.
    start: i32,
    /// One past its last code point.
    end: i32,
    /// Code points of the whole document.
    length: i32,
    /// What its owner has noted about the document.
    meta: Value,
    /// For fetch: the id of what follows, if this is not all that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// Says that something follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// A text as it stands in the store, and what is left of it.
pub(super) struct Read {
    pub(super) document: Document,
    pub(super) part: TextPart,
    /// What was asked for and does not fit in.
    pub(super) rest: Option<Span>,
}

impl Read {
    pub(super) fn into_text(self, id: String) -> Text {
        let Self { document, part, rest } = self;
        let next = rest.map(|rest| Place::Range(part.revision_id, rest).to_string());
        let note = next.as_ref().map(|next| {
            format!(
                "This is a part: code points {} to {} of {}. Fetch `{next}` to read on.",
                part.start, part.end, part.length
            )
        });
        let address = Address::of(document.collection_id, document.id);
        Text {
            id,
            title: part.title,
            text: part.text,
            url: document.uri.unwrap_or_else(|| address.to_string()),
            metadata: Metadata {
                document_id: document.id.to_string(),
                revision_id: part.revision_id.to_string(),
                collection_id: document.collection_id.to_string(),
                key: document.key,
                start: part.start,
                end: part.end,
                length: part.length,
                meta: document.meta,
                next,
                note,
            },
        }
    }
}

/// Reads what a place names.
pub(super) async fn read(backend: &impl Backend, place: Place) -> Result<Read, Failure> {
    match place {
        Place::Document(id) => {
            let document = backend.document(id).await.map_err(as_document)?;
            let revision = document.revision_id.ok_or_else(|| unread(&document))?;
            from(backend, document, revision, 0).await
        }
        Place::Range(revision, wanted) => {
            let part = backend.text(revision, first_of(wanted)).await.map_err(as_document)?;
            let document = backend.document(part.document_id).await.map_err(as_document)?;
            done(document, part, wanted)
        }
    }
}

/// Reads a document from a code point on.
pub(super) async fn read_on(backend: &impl Backend, address: Address) -> Result<Read, Failure> {
    let document = backend.document(address.document).await.map_err(as_document)?;
    if document.collection_id != address.collection {
        return Err(Failure::NotFound("document"));
    }
    let revision = document.revision_id.ok_or_else(|| unread(&document))?;
    from(backend, document, revision, address.start).await
}

async fn from(backend: &impl Backend, document: Document, revision: RevisionId, start: usize) -> Result<Read, Failure> {
    let wanted = Span { start, end: usize::MAX };
    let part = backend.text(revision, first_of(wanted)).await.map_err(as_document)?;
    done(document, part, wanted)
}

fn first_of(wanted: Span) -> Span {
    Span { end: wanted.end.min(wanted.start.saturating_add(MAX_TEXT)), ..wanted }
}

fn done(document: Document, part: TextPart, wanted: Span) -> Result<Read, Failure> {
    let at = |value: i32| usize::try_from(value).unwrap_or_default();
    let (end, length) = (at(part.end), at(part.length));
    if wanted.start >= length && length > 0 {
        return Err(Failure::Refused(format!("the document ends before that: it has {length} code points")));
    }
    let rest = Span { start: end, end: wanted.end.min(length) };
    Ok(Read { document, part, rest: (!rest.is_empty()).then_some(rest) })
}

/// A revision that is not there is a document that is not there.
fn as_document(failure: Failure) -> Failure {
    match failure {
        Failure::NotFound(_) => Failure::NotFound("document"),
        other => other,
    }
}

fn unread(document: &Document) -> Failure {
    Failure::Refused(match (document.stage, &document.failure_message) {
        (Stage::Failed, Some(reason)) => format!("the document could not be read: {reason}"),
        (Stage::Failed, None) => "the document could not be read".to_owned(),
        _ => "the document has not been read yet; try again in a moment".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snippet_is_cut_at_a_character() {
        assert_eq!(snippet("Vier bar."), "Vier bar.");
        let long = snippet(&"ü".repeat(SNIPPET + 1));
        assert_eq!((long.chars().count(), long.ends_with("ü…")), (SNIPPET + 1, true));
    }

    #[test]
    fn what_is_read_at_once_has_a_bound() {
        let whole = first_of(Span { start: 5, end: usize::MAX });
        assert_eq!((whole.start, whole.len()), (5, MAX_TEXT));
        assert_eq!(first_of(Span { start: 5, end: 9 }), Span { start: 5, end: 9 });
        assert!(first_of(Span { start: usize::MAX - 1, end: usize::MAX }).len() <= MAX_TEXT);
    }
}
