//! Files of a question: documents that it names, from which alone it is
//! answered.

use footnote_ingest::scope::Scope;
use footnote_ingest::store::documents::{self, Document, Stage};
use footnote_ingest::store::members::Access;

use super::state::Generation;
use crate::app::App;
use crate::error::{Error, Result};
use crate::ids::{DocumentId, RevisionId};
use crate::retrieve::{self, Passage};
use crate::sharing;
use crate::storage::messages::{Message, Part};

/// Documents that a question names, at most.
const MAX_FILES: usize = 16;
/// Chunks of them that are given beside what was found in them, at most; a chunk
/// has about 200 tokens.
const CHUNKS: usize = 32;

/// A document that a question names, as it can be read now.
#[derive(Debug, Clone)]
pub(super) struct File {
    pub(super) id: DocumentId,
    pub(super) revision: RevisionId,
    title: String,
}

impl File {
    /// As it is stored.
    pub(super) fn part(&self) -> Part {
        Part::File { document_id: self.id, title: self.title.clone() }
    }
}

/// The documents of these ids, each once.
///
/// # Errors
/// [`Error::NotFound`] for what the scope may not read, [`Error::Invalid`] for
/// what has no text, or not yet, and for too many.
pub(super) async fn find(app: &App, scope: Scope, ids: &[DocumentId]) -> Result<Vec<File>> {
    if ids.len() > MAX_FILES {
        return Err(wrong(format!("name {MAX_FILES} documents at most; put more into a collection and name that")));
    }
    let mut files: Vec<File> = Vec::with_capacity(ids.len());
    for id in ids {
        if files.iter().all(|file| file.id != *id) {
            let owner = sharing::access_to_document(app, scope, *id, Access::Reader).await?;
            let found = documents::find(&app.db, owner, *id).await?.ok_or(Error::NotFound("document"))?;
            files.push(readable(found)?);
        }
    }
    Ok(files)
}

fn readable(document: Document) -> Result<File> {
    let Document { id, title, revision_id, stage, failure_message, .. } = document;
    if let Some(revision) = revision_id {
        return Ok(File { id, revision, title });
    }
    let why = match (stage, failure_message) {
        (Stage::Failed, Some(why)) => format!("could not be read: {why}"),
        (Stage::Failed, None) => "could not be read".to_owned(),
        (Stage::Queued, _) => "is not read yet; ask again once its stage is `words` or `done`".to_owned(),
        (Stage::Words | Stage::Done, _) => "holds no text of its own".to_owned(),
    };
    Err(wrong(format!("name the document {id}, which {why}")))
}

fn wrong(problem: String) -> Error {
    Error::Invalid { field: "parts", problem }
}

impl Message {
    /// The documents that a question names.
    pub(super) fn documents(&self) -> Vec<DocumentId> {
        let named = self.parts.iter().filter_map(|part| match part {
            Part::File { document_id, .. } => Some(*document_id),
            _ => None,
        });
        named.collect()
    }
}

impl Generation {
    /// The revisions that are searched alone, if the question names any.
    pub(super) fn revisions(&self) -> Option<Vec<RevisionId>> {
        let revisions: Vec<RevisionId> = self.files.iter().map(|file| file.revision).collect();
        Some(revisions).filter(|revisions| !revisions.is_empty())
    }

    /// What was found in the documents that the question names, and after it the
    /// rest of them: it may be about all of their text.
    pub(super) async fn with_files(&self, mut found: Vec<Passage>) -> Result<Vec<Passage>> {
        if let Some(revisions) = self.revisions() {
            let rest = retrieve::beginnings(&self.app.corpus, self.scope, &revisions, &found, CHUNKS).await?;
            found.extend(rest);
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document(changes: &serde_json::Value) -> Document {
        let mut document = json!({
            "id": DocumentId::new(), "collection_id": crate::ids::CollectionId::new(), "key": "k", "title": "Manual",
            "meta": {}, "stage": "queued", "sha256": "", "bytes": 1, "chunks": 0, "embedded": 0,
            "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z", "outdated": false,
        });
        document.as_object_mut().expect("an object").extend(changes.as_object().expect("changes").clone());
        serde_json::from_value(document).expect("a document")
    }

    #[test]
    fn a_document_without_a_text_is_refused_with_the_reason() {
        for (changes, reason) in [
            (json!({}), "is not read yet"),
            (json!({ "stage": "failed", "failure_message": "it has a password" }), "could not be read: it has"),
            (json!({ "stage": "failed" }), "could not be read"),
            (json!({ "stage": "done" }), "holds no text"),
        ] {
            let refusal = readable(document(&changes)).expect_err("refused").to_string();
            assert!(refusal.starts_with("`parts` name the document ") && refusal.contains(reason), "{refusal}");
        }
        // The one before is still there while a new version is read.
        let read = readable(document(&json!({ "revision_id": RevisionId::new() }))).expect("a file");
        assert!(
            matches!(read.part(), Part::File { document_id, title } if document_id == read.id && title == "Manual")
        );
    }
}
