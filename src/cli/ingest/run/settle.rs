//! What turned out unreadable in the end, and with which upload it came: itself,
//! or the archive or the mail that it lies within, however deep.

use std::collections::HashMap;

use footnote_ingest::cli::Failure as Unread;
use footnote_ingest::parse::MAX_DEPTH;
use footnote_ingest::store::documents::Document;

use super::super::super::failure::Failure;
use super::{Detail, Ours, Run};
use crate::client::{Client, ClientError};
use crate::ids::DocumentId;

impl Run<'_> {
    /// Takes account of what turned out unreadable, also within archives and
    /// mails. What lay in a folder and is no document is not kept as a failed one.
    pub(in super::super) async fn settle(&mut self) -> Result<(), Failure> {
        let Some(collection) = self.collection else { return Ok(()) };
        let path = format!("/api/v1/documents?collection={collection}&status=failed");
        let failed: Vec<Document> = self.client.all(&path).await?;
        let mut uploads = Uploads::new(self.client, self.known.values().chain(&failed));
        for document in failed {
            let Some(&Ours { done, walked }) = self.ours.get(&uploads.of(document.id).await?) else { continue };
            // What lies within an upload was not counted.
            if document.parent_id.is_none() {
                let count = done.count(&mut self.report);
                *count = count.saturating_sub(1);
            }
            let reason = document.failure_message.unwrap_or_default();
            if walked && document.failure_code.as_deref() == Some("unsupported") {
                match self.client.delete(&format!("/api/v1/documents/{}", document.id)).await {
                    // With what it lay within.
                    Err(ClientError::Refused { status: 404, .. }) => {}
                    done => done?,
                }
                self.output.note(&format!("skipped: {}: {reason}", document.key));
                self.report.skipped += 1;
            } else {
                self.report.failed.push(Unread { key: document.key, reason });
            }
        }
        let detail: Detail = self.client.get(&format!("/api/v1/collections/{collection}")).await?;
        self.report.chunks = u64::try_from(detail.progress.chunks).unwrap_or_default();
        self.report.tokens = u64::try_from(detail.progress.tokens).unwrap_or_default();
        Ok(())
    }
}

/// What lies within what.
struct Uploads<'a> {
    client: &'a Client,
    /// Of each document, the one that it lies within.
    above: HashMap<DocumentId, Option<DocumentId>>,
}

impl<'a> Uploads<'a> {
    /// Of two entries for one document the later one counts.
    fn new<'d>(client: &'a Client, known: impl Iterator<Item = &'d Document>) -> Self {
        Self { client, above: known.map(|document| (document.id, document.parent_id)).collect() }
    }

    /// The upload that a document came with.
    async fn of(&mut self, document: DocumentId) -> Result<DocumentId, ClientError> {
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
