//! One run: what is sent, what is left alone, what it came to.

mod settle;

use std::collections::{HashMap, HashSet};

use footnote_ingest::cli::{Failure as Unread, IngestArgs, Plan, Report};
use footnote_ingest::parse::{self, Source};
use footnote_ingest::source::entry::{Content, Loaded};
use footnote_ingest::source::sitemap;
use footnote_ingest::store::documents::{Document, Outcome, Stage};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::client::{Client, ClientError, Form};
use crate::ids::{CollectionId, DocumentId};

use super::super::failure::Failure;
use super::super::output::Output;
use super::inputs::{Finder, Input, Inputs};
use super::moves::Gone;
use super::namesakes;

/// Bytes that are sent together.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// Files that are sent together.
const BATCH_FILES: usize = 200;
/// Bytes of a token, about: enough to judge a price by.
const BYTES_PER_TOKEN: u64 = 4;

/// A run of `ingest`.
pub(super) struct Run<'a> {
    client: &'a Client,
    collection: Option<CollectionId>,
    args: &'a IngestArgs,
    finder: &'a Finder<'a>,
    known: HashMap<String, Document>,
    max_bytes: u64,
    output: Output,
    named: HashSet<String>,
    walked: HashSet<String>,
    gone: Gone,
    /// Something could not be looked into: what is missing may still be there.
    is_partial: bool,
    /// Inputs that hold nothing at all.
    empty: Vec<String>,
    ours: HashMap<DocumentId, Ours>,
    batch: Vec<Sending>,
    pub(super) report: Report,
}

/// A document of this run.
#[derive(Debug, Clone, Copy)]
struct Ours {
    done: Done,
    /// Found by looking through a folder, not named by hand.
    walked: bool,
}

/// What was done with a document.
#[derive(Debug, Clone, Copy)]
enum Done {
    Sent(Outcome),
    Moved,
}

impl Done {
    fn count(self, report: &mut Report) -> &mut u64 {
        match self {
            Self::Sent(Outcome::Added) => &mut report.added,
            Self::Sent(Outcome::Changed) => &mut report.changed,
            Self::Sent(Outcome::Unchanged) => &mut report.unchanged,
            Self::Moved => &mut report.moved,
        }
    }
}

/// Whether documents are sent for the first time, or once more each by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Try {
    First,
    Second,
}

/// A document on its way.
struct Sending {
    key: String,
    title: Option<String>,
    uri: Option<String>,
    meta: Option<Map<String, Value>>,
    content: Content,
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
        finder: &'a Finder<'a>,
        known: HashMap<String, Document>,
        max_bytes: u64,
        output: Output,
    ) -> Self {
        let report = Report { plan: args.dry_run.then(Plan::default), ..Report::default() };
        Self {
            client,
            collection,
            args,
            finder,
            known,
            max_bytes,
            output,
            named: HashSet::new(),
            walked: HashSet::new(),
            gone: Gone::default(),
            is_partial: false,
            empty: Vec::new(),
            ours: HashMap::new(),
            batch: Vec::new(),
            report,
        }
    }

    /// Sends what is new or changed.
    pub(super) async fn send(&mut self, mut inputs: Inputs) -> Result<(), Failure> {
        namesakes::refuse(&mut inputs);
        self.is_partial = !inputs.unread.is_empty();
        self.named = inputs.found.iter().map(|input| input.entry.key.clone()).collect();
        self.gone = Gone::new(&self.known, &self.named, &inputs);
        self.report.failed = inputs.unread;
        self.empty = inputs.empty;
        while let Some(input) = inputs.found.pop_front() {
            if let Some(pages) = self.take(input).await? {
                inputs.found.extend(pages.found);
            }
            let bytes: usize = self.batch.iter().map(|sending| sending.content.bytes.len()).sum();
            if bytes >= BATCH_BYTES || self.batch.len() >= BATCH_FILES {
                self.flush().await?;
            }
        }
        self.flush().await
    }

    /// Takes a document; returns the pages that it lists, if it is a sitemap.
    async fn take(&mut self, input: Input) -> Result<Option<Inputs>, Failure> {
        let Input { entry, walked, may_list, meta, .. } = input;
        let key = entry.key.clone();
        if walked {
            self.walked.insert(key.clone());
        }
        let known = self.known.get(&key).filter(|known| known.stage != Stage::Failed);
        // What an older version of the program read is read again.
        let current = known.filter(|known| !known.outdated && !self.args.force);
        let version = current.and_then(|known| known.source_version.as_deref());
        let content = match entry.load(version, self.max_bytes).await {
            Ok(Loaded::Content(content)) => content,
            Ok(Loaded::Unchanged) => {
                self.keep(&key, entry.uri, entry.version).await?;
                return Ok(None);
            }
            Err(error) => {
                self.report.failed.push(Unread { key, reason: error.to_string() });
                return Ok(None);
            }
        };
        if may_list && sitemap::is_sitemap(&content.bytes) {
            return Ok(self.expand(key).await);
        }
        let sha256 = hex(&Sha256::digest(&content.bytes));
        let told = |known: &&Document| {
            entry.title.as_ref().is_none_or(|title| *title == known.title)
                && meta.as_ref().is_none_or(|meta| known.meta.as_object() == Some(meta))
        };
        if current.filter(told).is_some_and(|known| known.sha256 == sha256) {
            self.keep(&key, entry.uri, content.version).await?;
            return Ok(None);
        }
        // What lies in a folder and is no document is not even sent.
        let is_new = walked && !self.known.contains_key(&key);
        let source = Source { name: Some(&key), media_type: content.media_type.as_deref(), bytes: &content.bytes };
        if let (true, Some(reason)) = (is_new, parse::unsupported(&source)) {
            self.output.note(&format!("skipped: {key}: {reason}"));
            self.report.skipped += 1;
            return Ok(None);
        }
        let sending = Sending { key, title: entry.title, uri: entry.uri, meta, content };
        if !self.known.contains_key(&sending.key) && self.moved(&sending, &sha256).await? {
            return Ok(None);
        }
        if self.args.dry_run {
            self.plan(&sending);
        } else {
            self.batch.push(sending);
        }
        Ok(None)
    }

    /// The pages of a sitemap that was named like a page.
    async fn expand(&mut self, url: String) -> Option<Inputs> {
        self.named.remove(&url);
        match self.finder.pages(&url).await {
            Ok(mut pages) => {
                self.is_partial |= !pages.unread.is_empty();
                self.report.failed.append(&mut pages.unread);
                self.empty.append(&mut pages.empty);
                self.named.extend(pages.found.iter().map(|page| page.entry.key.clone()));
                Some(pages)
            }
            Err(error) => {
                self.is_partial = true;
                self.report.failed.push(Unread { key: url, reason: error.to_string() });
                None
            }
        }
    }

    /// Leaves a document alone, but for where it is and what its source tells
    /// of its version.
    async fn keep(&mut self, key: &str, uri: Option<String>, version: Option<String>) -> Result<(), Failure> {
        let Some(known) = self.known.get(key) else { return Ok(()) };
        let id = known.id;
        let uri = uri.filter(|uri| known.uri.as_ref() != Some(uri));
        let version = version.filter(|version| known.source_version.as_ref() != Some(version));
        if (uri.is_some() || version.is_some()) && !self.args.dry_run {
            self.change(id, &json!({ "uri": uri, "version": version })).await?;
        }
        self.note(id, key, Done::Sent(Outcome::Unchanged));
        Ok(())
    }

    /// Whether a new key is that of a document whose file is gone and held the
    /// same; it then has the new key.
    async fn moved(&mut self, sending: &Sending, sha256: &str) -> Result<bool, Failure> {
        let Some(from) = self.gone.take(sha256) else { return Ok(false) };
        let Some(id) = self.known.get(&from).map(|known| known.id) else { return Ok(false) };
        if self.args.dry_run {
            self.output.note(&format!("would move: {from} to {}", sending.key));
        } else {
            let change = json!({ "key": sending.key, "uri": sending.uri, "version": sending.content.version });
            match self.change(id, &change).await {
                // Somebody else sent it meanwhile.
                Err(Failure::Client(ClientError::Refused { status: 404 | 409, .. })) => return Ok(false),
                done => done?,
            }
        }
        // It is no document of its old key any more, that could be deleted.
        self.known.remove(&from);
        self.note(id, &sending.key, Done::Moved);
        Ok(true)
    }

    fn note(&mut self, id: DocumentId, key: &str, done: Done) {
        self.ours.insert(id, Ours { done, walked: self.walked.contains(key) });
        *done.count(&mut self.report) += 1;
    }

    async fn change(&self, id: DocumentId, change: &Value) -> Result<(), Failure> {
        let _: Value = self.client.patch(&format!("/api/v1/documents/{id}"), change).await?;
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "about so many tokens")]
    fn plan(&mut self, sending: &Sending) {
        let is_known = self.known.contains_key(&sending.key);
        let (verb, count) =
            if is_known { ("change", &mut self.report.changed) } else { ("add", &mut self.report.added) };
        *count += 1;
        let bytes = sending.content.bytes.len() as u64;
        let plan = self.report.plan.get_or_insert_default();
        plan.bytes += bytes;
        plan.tokens += bytes.div_ceil(BYTES_PER_TOKEN);
        plan.cost = self.args.price.map(|price| price * plan.tokens as f64 / 1e6);
        self.output.note(&format!("would {verb}: {} ({bytes} bytes)", sending.key));
    }

    /// Sends the batch; if it is refused, each file by itself, so that one does
    /// not stand for all.
    async fn flush(&mut self) -> Result<(), Failure> {
        let batch = std::mem::take(&mut self.batch);
        let (Some(collection), false) = (self.collection, batch.is_empty()) else { return Ok(()) };
        let path = format!("/api/v1/collections/{collection}/documents");
        match self.upload(&path, &batch, Try::First).await {
            Err(Failure::Client(ClientError::Refused { status: 400..=499, .. })) if batch.len() > 1 => {}
            Err(Failure::Client(ClientError::Refused { status: 400..=499, message, .. })) => {
                let key = batch.into_iter().map(|sending| sending.key).collect();
                self.report.failed.push(Unread { key, reason: message });
                return Ok(());
            }
            done => return done,
        }
        for one in batch {
            match self.upload(&path, std::slice::from_ref(&one), Try::Second).await {
                Err(Failure::Client(ClientError::Refused { status: 400..=499, message, .. })) => {
                    self.report.failed.push(Unread { key: one.key, reason: message });
                }
                done => done?,
            }
        }
        Ok(())
    }

    async fn upload(&mut self, path: &str, batch: &[Sending], nth: Try) -> Result<(), Failure> {
        let mut form = Form::default();
        if self.args.force {
            form.field("force", "true");
        }
        if self.args.priority != 0 {
            form.field("priority", &self.args.priority.to_string());
        }
        for Sending { key, title, uri, meta, content } in batch {
            form.field("key", key);
            let told = [("title", title), ("uri", uri), ("version", &content.version)];
            for (name, value) in told.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
                form.field(name, value);
            }
            if let Some(meta) = meta {
                form.field("meta", &json!(meta).to_string());
            }
            form.file(key, content.media_type.as_deref(), &content.bytes);
        }
        let accepted: Accepted = self.client.upload(path, form).await?;
        for (taken, Sending { key, .. }) in accepted.documents.into_iter().zip(batch) {
            let outcome = match (nth, taken.outcome) {
                // Only what is new or changed is sent: the first try took it.
                (Try::Second, _) if !self.known.contains_key(key) => Outcome::Added,
                (Try::Second, Outcome::Unchanged) => Outcome::Changed,
                (_, outcome) => outcome,
            };
            self.note(taken.id, key, Done::Sent(outcome));
        }
        Ok(())
    }

    /// Deletes documents that were not named; those that lie within another's
    /// file go with that one.
    pub(super) async fn prune(&mut self) -> Result<(), Failure> {
        if self.is_partial {
            self.output.note("nothing is deleted, for not everything could be looked at");
            return Ok(());
        }
        // A disk that is not there looks like a folder without files.
        if let Some(empty) = self.empty.first() {
            let note =
                format!("nothing is deleted, for `{empty}` holds nothing at all; leave it out if it is to be empty");
            self.output.note(&note);
            return Ok(());
        }
        if self.named.is_empty() {
            self.output.note("nothing is deleted, for the inputs hold nothing at all");
            return Ok(());
        }
        let is_gone = |known: &&Document| !self.named.contains(&known.key) && known.parent_id.is_none();
        for document in self.known.values().filter(is_gone) {
            if self.args.dry_run {
                self.output.note(&format!("would delete: {}", document.key));
            } else {
                self.client.delete(&format!("/api/v1/documents/{}", document.id)).await?;
            }
            self.report.deleted += 1;
        }
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
