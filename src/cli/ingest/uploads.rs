//! Which document a failed one came in with: itself, or the archive or the mail
//! that it lies within, however deep.

use std::collections::HashMap;

use footnote_ingest::parse::MAX_DEPTH;
use footnote_ingest::store::documents::Document;

use crate::client::{Client, ClientError};
use crate::ids::DocumentId;

/// What lies within what.
pub(super) struct Uploads<'a> {
    client: &'a Client,
    /// Of each document, the one that it lies within.
    above: HashMap<DocumentId, Option<DocumentId>>,
}

impl<'a> Uploads<'a> {
    /// Of two entries for one document the later one counts.
    pub(super) fn new<'d>(client: &'a Client, known: impl Iterator<Item = &'d Document>) -> Self {
        Self { client, above: known.map(|document| (document.id, document.parent_id)).collect() }
    }

    /// The upload that a document came with.
    pub(super) async fn of(&mut self, document: DocumentId) -> Result<DocumentId, ClientError> {
        let mut upload = document;
        // Files do not lie within each other any deeper.
        for _ in 0..MAX_DEPTH {
            let Some(above) = self.above(upload).await? else { break };
            upload = above;
        }
        Ok(upload)
    }

    /// What a document lies within; nothing if it was deleted meanwhile.
    async fn above(&mut self, id: DocumentId) -> Result<Option<DocumentId>, ClientError> {
        if let Some(above) = self.above.get(&id) {
            return Ok(*above);
        }
        let above = match self.client.get::<Document>(&format!("/api/v1/documents/{id}")).await {
            Ok(document) => document.parent_id,
            Err(ClientError::Refused { status: 404, .. }) => None,
            Err(error) => return Err(error),
        };
        self.above.insert(id, above);
        Ok(above)
    }
}
