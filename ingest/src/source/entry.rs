//! Documents to be: what a locator leads to, listed first and read later, so
//! that what has not changed is never read. Imports the kinds of sources.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use super::bucket::{Bucket, BucketError, Object};
use super::fetch::{FetchError, Fetcher, Outcome, Validators};
use super::git::{File, GitError, Repository};
use super::records::Record;
use super::sitemap::{self, SitemapError};

#[cfg(test)]
mod tests;

/// The coarsest clock of a file system that is in use.
const COARSEST: Duration = Duration::from_secs(2);
/// What would be read as another part of a `file:` URI, or not at all.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b'#').add(b'?').add(b'"').add(b'<').add(b'>');

/// The URI of a file or a folder that is there: `file://` and its real path.
#[must_use]
pub fn uri_of(path: &Path) -> Option<String> {
    let path = path.canonicalize().ok()?;
    Some(format!("file://{}", utf8_percent_encode(&path.to_string_lossy(), ESCAPED)))
}

/// The file that a URI of [`uri_of`] names.
#[must_use]
pub fn file_of(uri: &str) -> Option<PathBuf> {
    let path = percent_decode_str(uri.strip_prefix("file://")?).decode_utf8().ok()?;
    Some(PathBuf::from(path.into_owned()))
}

/// A document to be.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its key in the collection.
    pub key: String,
    /// Where it can be looked up, if anywhere.
    pub uri: Option<String>,
    /// Its title, if the source knows it.
    pub title: Option<String>,
    /// What changes when its bytes do, if that is known before they are read:
    /// `etag:`, `blob:`, `lastmod:` or `file:` (size and time), and a value.
    /// Compare it as a whole.
    pub version: Option<String>,
    origin: Origin,
}

/// Where its bytes are.
#[derive(Debug, Clone)]
enum Origin {
    File(PathBuf),
    Url(Fetcher, String),
    Object(Arc<Bucket>, Object),
    Blob(Arc<Repository>, File),
    Bytes(Arc<[u8]>, Option<&'static str>),
}

/// What was read of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its media type, if the source tells it.
    pub media_type: Option<String>,
    /// Its version as of now, in the form of [`Entry::version`].
    pub version: Option<String>,
}

/// What reading an entry came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loaded {
    /// Its content.
    Content(Content),
    /// The version that was known is still the source's.
    Unchanged,
}

/// What a source holds.
#[derive(Debug, Default)]
pub struct Listing {
    /// Entries, in the source's order.
    pub entries: Vec<Entry>,
    /// What cannot be ingested, and why.
    pub unreadable: Vec<(String, String)>,
    /// How many were left out on purpose: pages of other hosts.
    pub left_out: usize,
}

/// Why a source or an entry cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A web page.
    #[error("cannot be fetched: {0}")]
    Fetch(#[from] FetchError),
    /// A sitemap.
    #[error(transparent)]
    Sitemap(#[from] SitemapError),
    /// A bucket.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// A repository.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A file.
    #[error("`{path}` cannot be read ({source}); check its rights")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Too large.
    #[error("{size} bytes or more, over the limit of {limit}; split it, or raise FOOTNOTE_MAX_FILE_BYTES")]
    TooLarge {
        /// Its size in bytes, as far as it is known.
        size: u64,
        /// The most that is taken.
        limit: u64,
    },
}

impl Entry {
    /// A file on this machine, under a key of choice. Its size and time are its
    /// version.
    ///
    /// # Errors
    /// [`SourceError::File`] if it cannot be looked at.
    pub fn file(key: String, path: &Path) -> Result<Self, SourceError> {
        let failed = |source| SourceError::File { path: path.to_owned(), source };
        let about = std::fs::metadata(path).map_err(failed)?;
        Ok(Self { key, uri: uri_of(path), title: None, version: stamp(&about), origin: Origin::File(path.to_owned()) })
    }

    /// A web page; its URL is its key.
    #[must_use]
    pub fn url(fetcher: &Fetcher, url: &str) -> Self {
        let origin = Origin::Url(fetcher.clone(), url.to_owned());
        Self { key: url.to_owned(), uri: Some(url.to_owned()), title: None, version: None, origin }
    }

    /// Bytes that are here already, such as those of standard input.
    #[must_use]
    pub fn bytes(key: String, bytes: Vec<u8>) -> Self {
        Self { key, uri: None, title: None, version: None, origin: Origin::Bytes(bytes.into(), None) }
    }

    /// A record. What else it tells (`meta`) is the caller's to keep.
    #[must_use]
    pub fn record(record: Record) -> Self {
        let Record { key, text, title, uri, .. } = record;
        Self {
            key,
            uri,
            title,
            version: None,
            origin: Origin::Bytes(text.into_bytes().into(), Some("text/plain; charset=utf-8")),
        }
    }

    /// Reads it, unless it is larger than `max_bytes`, or its source says that
    /// `known`, the version it had last time, is still the one.
    ///
    /// # Errors
    /// [`SourceError`] says what to do.
    pub async fn load(&self, known: Option<&str>, max_bytes: u64) -> Result<Loaded, SourceError> {
        if self.version.is_some() && self.version.as_deref() == known {
            return Ok(Loaded::Unchanged);
        }
        let limit = max_bytes;
        let content = |bytes, media_type| Content { bytes, media_type, version: self.version.clone() };
        let content = match &self.origin {
            Origin::File(path) => read(path, limit).await?,
            Origin::Url(fetcher, url) => return page(fetcher, url, known, self.version.as_deref(), limit).await,
            Origin::Object(bucket, object) => {
                let (bytes, media_type) = bucket.get(object, limit).await?;
                // What is no more than "some bytes" says nothing.
                content(bytes, media_type.filter(|kind| !kind.contains("octet-stream")))
            }
            Origin::Blob(repository, file) => content(repository.get(file, limit).await?, None),
            Origin::Bytes(bytes, media_type) => {
                check(bytes.len() as u64, limit)?;
                content(bytes.to_vec(), media_type.map(str::to_owned))
            }
        };
        Ok(Loaded::Content(content))
    }
}

/// The pages of a sitemap. `lastmod` is their version until they are read.
///
/// # Errors
/// [`SourceError::Sitemap`] if it cannot be read.
pub async fn of_sitemap(fetcher: &Fetcher, url: &str) -> Result<Listing, SourceError> {
    let sitemap::Pages { pages, left_out, unreadable } = sitemap::pages(fetcher, url).await?;
    let entry = |page: sitemap::Page| {
        let version = page.lastmod.map(|date| format!("lastmod:{date}"));
        Entry { version, ..Entry::url(fetcher, &page.url) }
    };
    Ok(Listing { entries: pages.into_iter().map(entry).collect(), unreadable, left_out })
}

/// The objects of a bucket. Their `ETag` is their version.
///
/// # Errors
/// [`SourceError::Bucket`] if it cannot be listed.
pub async fn of_bucket(bucket: Bucket) -> Result<Listing, SourceError> {
    let bucket = Arc::new(bucket);
    let entry = |object: Object| Entry {
        key: object.key.clone(),
        uri: Some(bucket.uri(&object.name)),
        title: None,
        version: object.etag.as_ref().map(|etag| format!("etag:{etag}")),
        origin: Origin::Object(Arc::clone(&bucket), object),
    };
    Ok(Listing { entries: bucket.list().await?.into_iter().map(entry).collect(), ..Listing::default() })
}

/// The files of a commit. Their blob's id is their version.
///
/// # Errors
/// [`SourceError::Git`] if it cannot be read.
pub async fn of_git(repository: Repository) -> Result<Listing, SourceError> {
    let repository = Arc::new(repository);
    let found = repository.files().await?;
    let entry = |file: File| Entry {
        key: file.path.clone(),
        uri: Some(repository.uri(&file.path)),
        title: None,
        version: Some(format!("blob:{}", file.blob)),
        origin: Origin::Blob(Arc::clone(&repository), file),
    };
    let entries = found.files.into_iter().map(entry).collect();
    Ok(Listing { entries, unreadable: found.unreadable, left_out: 0 })
}

/// A page, unless the site says that it is the one known.
async fn page(
    fetcher: &Fetcher,
    url: &str,
    known: Option<&str>,
    listed: Option<&str>,
    limit: u64,
) -> Result<Loaded, SourceError> {
    let validators = known.and_then(validators);
    let Outcome::Fetched(fetched) = fetcher.get(url, validators.as_ref()).await? else {
        return Ok(Loaded::Unchanged);
    };
    check(fetched.bytes.len() as u64, limit)?;
    // A sitemap's date was compared; it goes on to be what is compared.
    let version = listed.map(str::to_owned).or_else(|| fetched.validators.version());
    Ok(Loaded::Content(Content { bytes: fetched.bytes, media_type: fetched.media_type, version }))
}

/// What to send to a site of what it said last time.
fn validators(version: &str) -> Option<Validators> {
    if let Some(etag) = version.strip_prefix("etag:") {
        return Some(Validators { etag: Some(etag.to_owned()), last_modified: None });
    }
    let date = version.strip_prefix("modified:")?;
    Some(Validators { etag: None, last_modified: Some(date.to_owned()) })
}

async fn read(path: &Path, limit: u64) -> Result<Content, SourceError> {
    use tokio::io::AsyncReadExt;
    let failed = |source| SourceError::File { path: path.to_owned(), source };
    let file = tokio::fs::File::open(path).await.map_err(failed)?;
    let about = file.metadata().await.map_err(failed)?;
    check(about.len(), limit)?;
    let mut bytes = Vec::new();
    // It may grow while it is read.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).await.map_err(failed)?;
    check(bytes.len() as u64, limit)?;
    Ok(Content { bytes, media_type: None, version: stamp(&about).filter(|_| is_settled(&about)) })
}

/// Whether a file was left alone long enough that another change would show in
/// its time: some file systems count in seconds.
fn is_settled(about: &std::fs::Metadata) -> bool {
    about.modified().is_ok_and(|time| time.elapsed().is_ok_and(|age| age >= COARSEST))
}

/// A file's size and the time of its last change.
fn stamp(about: &std::fs::Metadata) -> Option<String> {
    let time = about.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(format!("file:{}-{}.{:09}", about.len(), time.as_secs(), time.subsec_nanos()))
}

fn check(size: u64, limit: u64) -> Result<(), SourceError> {
    if size <= limit { Ok(()) } else { Err(SourceError::TooLarge { size, limit }) }
}
