//! One run: what is sent, what is left alone, what it came to.

use std::collections::{HashMap, HashSet};

use footnote_ingest::cli::{Failure as Unread, IngestArgs, Report};
use footnote_ingest::store::documents::{Document, Outcome, Stage};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::client::{Client, ClientError, Form};
use crate::ids::{CollectionId, DocumentId};

use super::super::failure::Failure;
use super::super::output::Output;
use super::inputs::{Content, Input, Inputs};

/// Bytes that are sent together.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// Files that are sent together.
const BATCH_FILES: usize = 200;

/// A run of `ingest`.
pub(super) struct Run<'a> {
    client: &'a Client,
    collection: Option<CollectionId>,
    args: &'a IngestArgs,
    known: HashMap<String, Document>,
    max_bytes: u64,
    output: Output,
    named: HashSet<String>,
    walked: HashSet<String>,
    sent: HashSet<DocumentId>,
    batch: Vec<(String, Content)>,
    pub(super) report: Report,
}

#[derive(Debug, Deserialize)]
struct Accepted {
    documents: Vec<Taken>,
}

#[derive(Debug, Deserialize)]
struct Taken {
    id: DocumentId,
    outcome: Outcome,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        client: &'a Client,
        collection: Option<CollectionId>,
        args: &'a IngestArgs,
        known: HashMap<String, Document>,
        max_bytes: u64,
        output: Output,
    ) -> Self {
        Self {
            client,
            collection,
            args,
            known,
            max_bytes,
            output,
            named: HashSet::new(),
            walked: HashSet::new(),
            sent: HashSet::new(),
            batch: Vec::new(),
            report: Report::default(),
        }
    }

    /// Sends what is new or changed.
    pub(super) async fn send(&mut self, inputs: Inputs) -> Result<(), Failure> {
        self.report.failed = inputs.unread;
        for input in inputs.found {
            self.take(input).await?;
            let bytes: usize = self.batch.iter().map(|(_, content)| content.bytes.len()).sum();
            if bytes >= BATCH_BYTES || self.batch.len() >= BATCH_FILES {
                self.flush().await?;
            }
        }
        self.flush().await
    }

    async fn take(&mut self, input: Input) -> Result<(), Failure> {
        let key = input.key.clone();
        self.named.insert(key.clone());
        if input.walked {
            self.walked.insert(key.clone());
        }
        let content = match input.read(self.max_bytes).await {
            Ok(content) => content,
            Err(reason) => {
                self.report.failed.push(Unread { key, reason });
                return Ok(());
            }
        };
        let known = self.known.get(&key).filter(|known| known.stage != Stage::Failed);
        let same = known.is_some_and(|known| known.sha256 == hex(&Sha256::digest(&content.bytes)));
        if same && !self.args.force {
            self.report.unchanged += 1;
        } else if self.args.dry_run {
            let known = self.known.contains_key(&key);
            let (verb, count) =
                if known { ("change", &mut self.report.changed) } else { ("add", &mut self.report.added) };
            *count += 1;
            self.output.note(&format!("would {verb}: {key}"));
        } else {
            self.batch.push((key, content));
        }
        Ok(())
    }

    /// Sends the batch; if it is refused, each file by itself, so that one does
    /// not stand for all.
    async fn flush(&mut self) -> Result<(), Failure> {
        let batch = std::mem::take(&mut self.batch);
        let (Some(collection), false) = (self.collection, batch.is_empty()) else { return Ok(()) };
        let path = format!("/api/v1/collections/{collection}/documents");
        match self.upload(&path, &batch).await {
            Err(Failure::Client(ClientError::Refused { status: 400..=499, .. })) if batch.len() > 1 => {}
            Err(Failure::Client(ClientError::Refused { status: 400..=499, message, .. })) => {
                let key = batch.into_iter().map(|(key, _)| key).collect();
                self.report.failed.push(Unread { key, reason: message });
                return Ok(());
            }
            done => return done,
        }
        for one in batch {
            match self.upload(&path, std::slice::from_ref(&one)).await {
                Err(Failure::Client(ClientError::Refused { status: 400..=499, message, .. })) => {
                    self.report.failed.push(Unread { key: one.0, reason: message });
                }
                done => done?,
            }
        }
        Ok(())
    }

    async fn upload(&mut self, path: &str, batch: &[(String, Content)]) -> Result<(), Failure> {
        let mut form = Form::default();
        if self.args.force {
            form.field("force", "true");
        }
        for (key, content) in batch {
            form.field("key", key);
            if let Some(uri) = &content.uri {
                form.field("uri", uri);
            }
            form.file(key, content.media_type.as_deref(), &content.bytes);
        }
        let accepted: Accepted = self.client.upload(path, form).await?;
        for taken in accepted.documents {
            self.sent.insert(taken.id);
            let count = match taken.outcome {
                Outcome::Added => &mut self.report.added,
                Outcome::Changed => &mut self.report.changed,
                Outcome::Unchanged => &mut self.report.unchanged,
            };
            *count += 1;
        }
        Ok(())
    }

    /// Deletes documents that were not named.
    pub(super) async fn prune(&mut self) -> Result<(), Failure> {
        let gone: Vec<&Document> = self.known.values().filter(|known| !self.named.contains(&known.key)).collect();
        for document in gone {
            if self.args.dry_run {
                self.output.note(&format!("would delete: {}", document.key));
            } else {
                self.client.delete(&format!("/api/v1/documents/{}", document.id)).await?;
            }
            self.report.deleted += 1;
        }
        Ok(())
    }

    /// Takes account of what turned out unreadable. What lay in a folder and is
    /// no document is not kept as a failed one.
    pub(super) async fn settle(&mut self) -> Result<(), Failure> {
        let Some(collection) = self.collection else { return Ok(()) };
        let path = format!("/api/v1/documents?collection={collection}&status=failed");
        let failed: Vec<Document> = self.client.all(&path).await?;
        for document in failed.into_iter().filter(|document| self.sent.contains(&document.id)) {
            let was_added = !self.known.contains_key(&document.key);
            let count = if was_added { &mut self.report.added } else { &mut self.report.changed };
            *count = count.saturating_sub(1);
            if self.walked.contains(&document.key) && document.failure_code.as_deref() == Some("unsupported") {
                self.client.delete(&format!("/api/v1/documents/{}", document.id)).await?;
                self.report.skipped += 1;
            } else {
                let reason = document.failure_message.unwrap_or_default();
                self.report.failed.push(Unread { key: document.key, reason });
            }
        }
        let detail: Detail = self.client.get(&format!("/api/v1/collections/{collection}")).await?;
        self.report.chunks = u64::try_from(detail.progress.chunks).unwrap_or_default();
        self.report.tokens = u64::try_from(detail.progress.tokens).unwrap_or_default();
        Ok(())
    }
}

/// A collection's progress.
#[derive(Debug, Deserialize)]
pub(super) struct Detail {
    pub(super) progress: footnote_ingest::store::documents::Progress,
    pub(super) stalled: Option<String>,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
