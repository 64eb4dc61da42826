//! What the arguments mean: which documents there are to be, and where.

use std::collections::{HashSet, VecDeque};
use std::fmt::Display;
use std::path::{Path, PathBuf};

use footnote_ingest::cli::{Failure as Unread, IngestArgs};
use footnote_ingest::source::bucket::Bucket;
use footnote_ingest::source::entry::{self, Entry, Listing, SourceError};
use footnote_ingest::source::fetch::Fetcher;
use footnote_ingest::source::git::Repository;
use footnote_ingest::source::locator::Locator;
use footnote_ingest::source::records::{RecordError, Records};
use footnote_ingest::source::walk::{self, Selection};
use serde_json::{Map, Value};
use tokio::io::{AsyncBufRead, AsyncReadExt, BufReader};

use super::super::failure::Failure;

/// What `--allow-private` opens: every address, and this machine by its name.
const PRIVATE: &[&str] = &["0.0.0.0/0", "::/0", "localhost"];

/// A document to be.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) entry: Entry,
    /// Found by looking through a folder, not named by hand.
    pub(super) walked: bool,
    /// A web page that was named: it may turn out to list others.
    pub(super) may_list: bool,
    /// A line of a file of records: its URI is what it says, and not where its text is.
    pub(super) is_record: bool,
    /// What is known of it, if anything is told.
    pub(super) meta: Option<Map<String, Value>>,
}

/// All inputs of a run.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    pub(super) found: VecDeque<Input>,
    pub(super) unread: Vec<Unread>,
    /// Inputs that hold nothing at all: a disk that is not there looks like one.
    pub(super) empty: Vec<String>,
    /// URIs of what is there and not wanted.
    pub(super) left_out: HashSet<String>,
    /// Where everything was listed, as the URIs below it begin: a document from
    /// there that is not among the inputs is there no more.
    pub(super) roots: Vec<String>,
}

/// Where documents are looked for, and how.
pub(super) struct Finder<'a> {
    args: &'a IngestArgs,
    max_bytes: u64,
    selection: Selection,
    fetcher: Fetcher,
}

impl<'a> Finder<'a> {
    pub(super) fn new(args: &'a IngestArgs, settings: &crate::config::Settings) -> Result<Self, Failure> {
        let selection = Selection::new(&args.include, &args.exclude).map_err(crate::error::Error::from)?;
        let fetcher = settings.fetcher(if args.allow_private { PRIVATE } else { &[] })?;
        Ok(Self { args, max_bytes: settings.max_file_bytes, selection, fetcher })
    }

    pub(super) async fn find(&self) -> Result<Inputs, Failure> {
        let mut inputs = Inputs::default();
        let mut paths = Vec::new();
        for argument in &self.args.inputs {
            match self.locator(argument)? {
                Locator::Path(path) => {
                    inputs.roots.extend(folder_uri(if path.is_dir() { &path } else { parent(&path) }));
                    paths.push(argument.clone());
                }
                Locator::Glob(pattern) => {
                    inputs.roots.extend(folder_uri(walk::root(&pattern)));
                    paths.push(pattern);
                }
                locator => self.add(locator, &mut inputs).await.map_err(|error| error.named(argument))?,
            }
        }
        let discovered = walk::discover(&paths, &self.selection).map_err(crate::error::Error::from)?;
        for file in discovered.files {
            match Entry::file(file.key.clone(), &file.path) {
                Ok(entry) => inputs.found.push_back(Input { walked: file.walked, ..Input::new(entry) }),
                Err(error) => inputs.unread.push(Unread { key: file.key, reason: error.to_string() }),
            }
        }
        inputs.empty.extend(discovered.empty);
        inputs.unread.extend(discovered.unreadable.into_iter().map(|(key, reason)| Unread { key, reason }));
        Ok(inputs)
    }

    /// The pages of a sitemap that was not known to be one.
    pub(super) async fn pages(&self, sitemap: &str) -> Result<Inputs, SourceError> {
        let mut inputs = Inputs::default();
        self.list(sitemap, entry::of_sitemap(&self.fetcher, sitemap).await?, &mut inputs);
        Ok(inputs)
    }

    /// What has to be watched so that nothing is missed.
    pub(super) fn places(&self) -> Result<Vec<PathBuf>, Failure> {
        let mut places = Vec::new();
        for argument in &self.args.inputs {
            match self.locator(argument)? {
                Locator::Path(path) | Locator::Records(Some(path)) => places.push(path),
                Locator::Glob(pattern) => places.push(walk::root(&pattern).to_owned()),
                Locator::Git { path, .. } => {
                    let whole = std::path::absolute(&path).unwrap_or_else(|_| path.clone());
                    let inner = whole.ancestors().map(|folder| folder.join(".git")).find(|git| git.is_dir());
                    places.push(inner.unwrap_or(path));
                }
                Locator::Stdin | Locator::Records(None) => {
                    return Err(Failure::Usage("standard input cannot be watched; leave out `-` or --watch".into()));
                }
                Locator::Url(_) | Locator::Sitemap(_) | Locator::Bucket { .. } => {}
            }
        }
        if places.is_empty() {
            let problem = "--watch needs a file, a folder or a repository among the inputs; for others, run again";
            return Err(Failure::Usage(problem.into()));
        }
        Ok(places)
    }

    fn locator(&self, argument: &str) -> Result<Locator, Failure> {
        Locator::parse(argument, self.args.records).map_err(|error| Failure::Usage(error.to_string()))
    }

    async fn add(&self, locator: Locator, inputs: &mut Inputs) -> Result<(), Unlisted> {
        match locator {
            Locator::Path(_) | Locator::Glob(_) => {}
            Locator::Url(url) => {
                let entry = Entry::url(&self.fetcher, &url);
                inputs.found.push_back(Input { may_list: true, ..Input::new(entry) });
            }
            Locator::Sitemap(url) => self.list(&url, entry::of_sitemap(&self.fetcher, &url).await?, inputs),
            Locator::Bucket { bucket, prefix } => {
                let bucket = Bucket::open(&bucket, &prefix, |name| std::env::var(name).ok())
                    .map_err(|error| Unlisted::Wrong(error.to_string()))?;
                let uri = bucket.uri(&prefix);
                inputs.roots.push(if uri.ends_with('/') { uri.clone() } else { format!("{uri}/") });
                self.list(&uri, entry::of_bucket(bucket).await?, inputs);
            }
            Locator::Git { path, rev } => {
                let repository = Repository::open(&path, rev.as_deref()).await.map_err(SourceError::from)?;
                let uri = repository.uri("");
                inputs.roots.push(uri.clone());
                self.list(&uri, entry::of_git(repository).await?, inputs);
            }
            Locator::Stdin => {
                let mut bytes = Vec::new();
                // One more than is taken tells that it is too large.
                let mut stdin = tokio::io::stdin().take(self.max_bytes.saturating_add(1));
                stdin.read_to_end(&mut bytes).await.map_err(|error| Unlisted::Wrong(error.to_string()))?;
                inputs.found.push_back(Input::new(Entry::bytes(self.args.stdin_name.clone(), bytes)));
            }
            Locator::Records(None) => records(BufReader::new(tokio::io::stdin()), "-", inputs).await,
            Locator::Records(Some(path)) => {
                let unreadable = |error| Unlisted::Wrong(format!("cannot be read ({error}); give a file of records"));
                let file = tokio::fs::File::open(&path).await.map_err(unreadable)?;
                records(BufReader::new(file), &path.display().to_string(), inputs).await;
            }
        }
        Ok(())
    }

    fn list(&self, source: &str, listing: Listing, inputs: &mut Inputs) {
        let Listing { entries, unreadable, left_out } = listing;
        if entries.is_empty() {
            inputs.empty.push(source.to_owned());
        }
        if left_out > 0 {
            tracing::info!(pages = left_out, "pages of other hosts, or too many of them, were left out");
        }
        let (wanted, others): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| self.selection.takes(&entry.key));
        inputs.found.extend(wanted.into_iter().map(|entry| Input { walked: true, ..Input::new(entry) }));
        inputs.left_out.extend(others.into_iter().filter_map(|entry| entry.uri));
        inputs.unread.extend(unreadable.into_iter().map(|(key, reason)| Unread { key, reason }));
    }
}

impl Input {
    fn new(entry: Entry) -> Self {
        Self { entry, walked: false, may_list: false, is_record: false, meta: None }
    }
}

/// Why nothing is known of what a source holds.
enum Unlisted {
    /// It was asked for in a wrong way.
    Wrong(String),
    /// It does not answer.
    Source(SourceError),
}

impl From<SourceError> for Unlisted {
    fn from(error: SourceError) -> Self {
        Self::Source(error)
    }
}

impl Unlisted {
    fn named(self, argument: &str) -> Failure {
        let told = |error: &dyn Display| format!("`{argument}`: {error}");
        match self {
            Self::Wrong(problem) => Failure::Usage(told(&problem)),
            Self::Source(error @ SourceError::Git(_)) => Failure::Usage(told(&error)),
            Self::Source(error) => Failure::Unreachable(told(&error)),
        }
    }
}

/// Bad lines are told, and the others taken.
async fn records(reader: impl AsyncBufRead + Unpin, name: &str, inputs: &mut Inputs) {
    let mut records = Records::new(reader);
    let before = inputs.found.len();
    while let Some(record) = records.next().await {
        match record {
            Ok(mut record) => {
                let meta = record.meta.take();
                inputs.found.push_back(Input { is_record: true, meta, ..Input::new(Entry::record(record)) });
            }
            Err(error) => {
                let (RecordError::Malformed { line, .. }
                | RecordError::TooLong { line, .. }
                | RecordError::Io { line, .. }) = &error;
                inputs.unread.push(Unread { key: format!("{name}:{line}"), reason: error.to_string() });
            }
        }
    }
    if inputs.found.len() == before {
        inputs.empty.push(name.to_owned());
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// How the URIs of files below a folder begin.
fn folder_uri(folder: &Path) -> Option<String> {
    let uri = entry::uri_of(folder)?;
    Some(if uri.ends_with('/') { uri } else { format!("{uri}/") })
}
