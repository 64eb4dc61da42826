//! The corpus: the one shared state of this crate. Everything that reads or
//! writes documents holds a clone of it. Floor 4.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use sqlx::PgPool;
use tokio::sync::{Notify, watch};

use crate::config::{Config, IndexConfig};
use crate::disk::DiskGuard;
use crate::error::{Error, Result};
use crate::fault::{self, Place};
use crate::ids::{CollectionId, DocumentId, GenerationId, JobId};
use crate::index::bm25::Bm25;
use crate::quota::{Exceeded, Quota, Quotas, Usage};
use crate::reader::Reader;
use crate::scope::Scope;
use crate::space::{Space, Spaces};
use crate::store::documents::Outcome;
use crate::store::edits::Edit;
use crate::store::usage::{self, Gate};
use crate::store::{collections, documents, edits, jobs, originals, purges};

/// How often a waiting caller looks at the progress.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// How long the workers may stand still before a waiting caller gives up.
const STALLED: Duration = Duration::from_mins(1);

/// The corpus. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Corpus {
    /// Postgres: the truth.
    pub db: PgPool,
    /// The vector index and its embedding model: can be rebuilt.
    pub(crate) spaces: Arc<Spaces>,
    /// Texts to words.
    pub bm25: Arc<Bm25>,
    /// Files to texts.
    pub reader: Reader,
    /// Settings.
    pub config: Arc<Config>,
    /// Wakes the workers when there is something to do.
    pub(crate) work: Arc<Notify>,
    /// Why the workers stand still, when they do.
    pub(crate) stalled: Arc<watch::Sender<Option<String>>>,
}

/// A document that comes in, from whichever door.
#[derive(Debug)]
pub struct Incoming<'a> {
    /// Where it goes.
    pub collection: CollectionId,
    /// What makes a second upload a change.
    pub key: &'a str,
    /// Shown to readers; `None` takes the document's own.
    pub title: Option<&'a str>,
    /// Where it came from.
    pub uri: Option<&'a str>,
    /// As the caller declares it.
    pub media_type: Option<&'a str>,
    /// For filters; `None` leaves what a document of the key has.
    pub meta: Option<serde_json::Map<String, serde_json::Value>>,
    /// The content.
    pub bytes: &'a [u8],
    /// What its source tells of the version that was read.
    pub version: Option<&'a str>,
    /// Do the work again even if nothing changed.
    pub force: bool,
    /// Before other documents of its collection, the higher the sooner.
    pub priority: i16,
}

impl Corpus {
    /// Loads the embedder and opens the index. The schema must be there.
    ///
    /// # Errors
    /// What is missing, and what to do about it.
    pub async fn open(db: PgPool, config: Config) -> Result<Self> {
        let spaces = Arc::new(Spaces::open(&db, &config).await?);
        let reader = match &config.parser_program {
            Some(program) => Reader::sandboxed(program.clone(), config.parser_limits, config.max_file_bytes),
            None => Reader::here(),
        }
        .with_ocr(config.ocr_command.as_deref())?;
        reader.warm().await?;
        Ok(Self {
            db,
            spaces,
            bm25: Arc::new(Bm25::new()?),
            reader,
            config: Arc::new(config),
            work: Arc::default(),
            stalled: Arc::new(watch::Sender::new(None)),
        })
    }

    /// The embedding model and the index that queries use. Hold on to it for the
    /// length of one query: the next one may be given another.
    #[must_use]
    pub fn live(&self) -> Arc<Space> {
        self.spaces.live()
    }

    /// Whether the index in use was built with the configured model.
    #[must_use]
    pub fn has_configured_model(&self) -> bool {
        self.spaces.is_configured()
    }

    /// The build of the index that is under way, if one is.
    pub(crate) fn generation_in_building(&self) -> Option<GenerationId> {
        self.spaces.generation_in_building()
    }

    /// The one that is built beside it, if one is. Its model is loaded.
    ///
    /// # Errors
    /// What the embedder says.
    pub async fn building(&self) -> Result<Option<Arc<Space>>> {
        self.spaces.building(&self.config).await
    }

    /// Follows what the database says of the index's generations.
    ///
    /// # Errors
    /// What the database, the embedder or the index say.
    pub async fn refresh(&self) -> Result<()> {
        self.spaces.refresh(&self.db, &self.config).await
    }

    /// Takes a document in: its row and its bytes are committed together, and
    /// the workers are told. Nothing is read yet.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::DiskFull`], [`Error::Quota`], or what the
    /// database says.
    pub async fn submit(&self, scope: Scope, incoming: &Incoming<'_>) -> Result<(DocumentId, Outcome)> {
        let sha256 = Sha256::digest(incoming.bytes);
        self.take_in(scope, incoming, &sha256, incoming.bytes.len() as u64).await
    }

    /// Takes a document in whose bytes are kept already: of `incoming` they are
    /// left empty.
    ///
    /// # Errors
    /// [`Error::NotFound`] when they are gone; else as [`Corpus::submit`].
    pub async fn submit_kept(
        &self,
        scope: Scope,
        incoming: &Incoming<'_>,
        sha256: &[u8],
        bytes: u64,
    ) -> Result<(DocumentId, Outcome)> {
        self.take_in(scope, incoming, sha256, bytes).await
    }

    async fn take_in(
        &self,
        scope: Scope,
        incoming: &Incoming<'_>,
        sha256: &[u8],
        bytes: u64,
    ) -> Result<(DocumentId, Outcome)> {
        documents::check_key(incoming.key)?;
        incoming.meta.as_ref().map_or(Ok(()), documents::check_meta)?;
        self.check_size(incoming.key, bytes)?;
        self.check_disk(bytes)?;
        let upload = documents::Upload {
            collection: incoming.collection,
            key: incoming.key,
            title: incoming.title,
            uri: incoming.uri,
            media_type: incoming.media_type,
            meta: incoming.meta.as_ref(),
            sha256,
            bytes: i64::try_from(bytes).unwrap_or(i64::MAX),
            version: incoming.version,
            force: incoming.force,
            priority: incoming.priority,
            parent: None,
        };
        let mut tx = self.db.begin().await?;
        let gate = Gate::open(&mut tx, self.config.quotas, [scope.owner()]).await?;
        gate.check_upload(&mut tx, scope, upload.collection, upload.key, upload.bytes).await?;
        let (document, outcome) = documents::submit(&mut tx, scope, &upload).await.map_err(gone)?;
        if incoming.bytes.len() as u64 == bytes {
            if outcome != Outcome::Unchanged {
                originals::keep(&mut tx, scope, sha256, incoming.bytes).await?;
            }
        } else if !originals::hold(&mut tx, scope, sha256).await? {
            return Err(Error::NotFound("file"));
        }
        fault::may_happen(Place::TakingIn).await?;
        tx.commit().await?;
        fault::may_happen(Place::TakenIn).await?;
        self.work.notify_waiters();
        Ok((document, outcome))
    }

    /// Changes what a document is called, where it comes from and what is known
    /// of it. It keeps its id, its revisions and its vectors; it is read again
    /// only if what the index holds would differ.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Invalid`] for the key of what lies within
    /// another document's file, or what the database says: a key that is taken
    /// violates `documents_collection_key`.
    pub async fn edit(&self, scope: Scope, document: DocumentId, edit: &Edit<'_>) -> Result<()> {
        edit.meta.map_or(Ok(()), documents::check_meta)?;
        let mut tx = self.db.begin().await?;
        edits::apply(&mut tx, scope, document, edit).await?;
        tx.commit().await?;
        self.work.notify_waiters();
        Ok(())
    }

    /// Refuses a file that is larger than configured.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub fn check_size(&self, key: &str, bytes: u64) -> Result<()> {
        let limit = self.config.max_file_bytes;
        if bytes > limit {
            return Err(Error::TooLarge {
                what: format!("`{key}`"),
                actual: bytes,
                limit,
                hint: "split it, or raise FOOTNOTE_MAX_FILE_BYTES",
            });
        }
        Ok(())
    }

    /// Counts a web page that is about to be fetched for a caller.
    ///
    /// # Errors
    /// [`Error::Quota`] when the caller may have no more today, or what the
    /// database says.
    pub async fn count_fetch(&self, scope: Scope) -> Result<()> {
        let tier = usage::tier(&self.db, scope).await?;
        let limit = self.config.quotas.of(tier).limit(Quota::Fetches);
        if usage::count_fetch(&self.db, scope, limit).await? {
            return Ok(());
        }
        let limit = limit.unwrap_or(i64::MAX);
        Err(Exceeded { tier, quota: Quota::Fetches, limit, used: limit, added: 1 }.into())
    }

    /// What a caller has, and may have.
    ///
    /// # Errors
    /// What the database says.
    pub async fn usage(&self, scope: Scope) -> Result<(Usage, Quotas)> {
        let owned = usage::of(&self.db, &[scope.owner()]).await?.remove(&scope.owner()).unwrap_or_default();
        let fetches = usage::fetched_today(&self.db, scope).await?;
        Ok((Usage { fetches, ..owned.usage }, *self.config.quotas.of(owned.tier)))
    }

    /// Refuses to take in what the disk of the embedded store has no room for.
    ///
    /// # Errors
    /// [`Error::DiskFull`].
    pub fn check_disk(&self, bytes: u64) -> Result<()> {
        match &self.config.index {
            // The bytes, their text and their index: a few times the upload.
            IndexConfig::Edge(folder) => DiskGuard::new(folder, self.config.disk_reserve).check(4 * bytes),
            IndexConfig::Server(_) => Ok(()),
        }
    }

    /// Deletes documents. Queries do not see them any more when this returns;
    /// their points leave the index soon after.
    ///
    /// # Errors
    /// What the database says.
    pub async fn delete(
        &self,
        scope: Scope,
        collection: Option<CollectionId>,
        ids: Option<&[DocumentId]>,
    ) -> Result<Vec<DocumentId>> {
        let mut tx = self.db.begin().await?;
        let deleted = documents::delete(&mut tx, scope, collection, ids).await?;
        fault::may_happen(Place::Deleting).await?;
        tx.commit().await?;
        self.work.notify_waiters();
        Ok(deleted)
    }

    /// Deletes a collection with all that is in it. Whether it was there.
    ///
    /// # Errors
    /// What the database says.
    pub async fn delete_collection(&self, scope: Scope, collection: CollectionId) -> Result<bool> {
        let mut tx = self.db.begin().await?;
        usage::take_turn(&mut tx, &[scope.owner()]).await?;
        documents::delete(&mut tx, scope, Some(collection), None).await?;
        if !collections::lock(&mut tx, scope, collection).await? {
            return Ok(false);
        }
        // What came in before the lock: nothing does after it.
        documents::delete(&mut tx, scope, Some(collection), None).await?;
        purges::forget_collection(&mut tx, scope, collection).await?;
        let deleted = collections::delete(&mut *tx, scope, collection).await?;
        tx.commit().await?;
        self.work.notify_waiters();
        Ok(deleted)
    }

    /// Tells the workers that somebody has left them work.
    pub fn wake(&self) {
        self.work.notify_waiters();
    }

    /// Returns when no document of a collection waits any more: each is
    /// searchable by words and by meaning, or has failed.
    ///
    /// # Errors
    /// What the database says, or why the workers have stood still for
    /// a minute.
    pub async fn settled(&self, scope: Scope, collection: CollectionId) -> Result<()> {
        let mut still_since: Option<Instant> = None;
        loop {
            let progress = documents::progress(&self.db, scope, collection).await?;
            if progress.queued == 0 && progress.words == 0 {
                return Ok(());
            }
            match self.stalled() {
                None => still_since = None,
                Some(reason) if still_since.get_or_insert_with(Instant::now).elapsed() > STALLED => {
                    return Err(Error::Stalled(reason));
                }
                Some(_) => {}
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Tries again what was given up, of all owners for no scope. Returns how many
    /// jobs those were.
    ///
    /// # Errors
    /// What the database says.
    pub async fn retry_jobs(&self, scope: Option<Scope>, jobs: Option<&[JobId]>) -> Result<i64> {
        let revived = jobs::revive(&self.db, scope, jobs).await?;
        self.work.notify_waiters();
        Ok(revived)
    }

    /// Why the workers stand still, if they do: a full disk, a provider that
    /// does not answer. They try again by themselves.
    #[must_use]
    pub fn stalled(&self) -> Option<String> {
        self.stalled.borrow().clone()
    }
}

/// The collection was deleted while its document came in.
fn gone(error: sqlx::Error) -> Error {
    let constraint = error.as_database_error().and_then(|error| error.constraint());
    if constraint == Some("documents_collection_id_fkey") { Error::NotFound("collection") } else { error.into() }
}
