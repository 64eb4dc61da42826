//! What the arguments mean: files, URLs, standard input.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use footnote_ingest::cli::Failure as Unread;
use footnote_ingest::source::{self, Found};

use super::super::failure::Failure;

/// How long a URL may take.
const FETCH: Duration = Duration::from_mins(1);

/// A document to be.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) key: String,
    pub(super) from: From,
    /// Found by looking through a folder, not named by hand.
    pub(super) walked: bool,
}

/// Where its bytes are.
#[derive(Debug)]
pub(super) enum From {
    File(PathBuf),
    Url(reqwest::Url),
    Bytes(Vec<u8>),
}

/// What was read of an input.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) bytes: Vec<u8>,
    pub(super) uri: Option<String>,
    pub(super) media_type: Option<String>,
}

/// All inputs of a run.
#[derive(Debug)]
pub(super) struct Inputs {
    pub(super) found: Vec<Input>,
    pub(super) unread: Vec<Unread>,
}

impl Inputs {
    pub(super) fn find(named: &[String], stdin_name: &str) -> Result<Self, Failure> {
        let is_url = |input: &str| input.starts_with("http://") || input.starts_with("https://");
        let mut inputs = Self { found: Vec::new(), unread: Vec::new() };
        let mut paths = Vec::new();
        for input in named {
            if input == "-" {
                let mut bytes = Vec::new();
                std::io::stdin().read_to_end(&mut bytes).map_err(anyhow::Error::from)?;
                inputs.found.push(Input { key: stdin_name.to_owned(), from: From::Bytes(bytes), walked: false });
            } else if is_url(input) {
                let url = input.parse().map_err(|_| Failure::Usage(format!("`{input}` is no URL")))?;
                inputs.found.push(Input { key: input.clone(), from: From::Url(url), walked: false });
            } else {
                paths.push(input.clone());
            }
        }
        let discovered = source::discover(&paths).map_err(crate::error::Error::from)?;
        let named: Vec<&Path> = paths.iter().map(Path::new).collect();
        inputs.found.extend(discovered.files.into_iter().map(|Found { key, path }| Input {
            walked: !named.contains(&path.as_path()),
            key,
            from: From::File(path),
        }));
        let unread = discovered.unreadable.into_iter();
        inputs.unread.extend(unread.map(|(key, reason)| Unread { key, reason }));
        Ok(inputs)
    }

    /// What changes when a file does: for each its path, size and time.
    pub(super) fn fingerprint(named: &[String]) -> Vec<(PathBuf, u64, Option<SystemTime>)> {
        let Ok(discovered) = source::discover(named) else { return Vec::new() };
        let state = |Found { path, .. }| {
            let about = std::fs::metadata(&path).ok();
            let time = about.as_ref().and_then(|about| about.modified().ok());
            (path, about.map_or(0, |about| about.len()), time)
        };
        discovered.files.into_iter().map(state).collect()
    }
}

impl Input {
    /// Reads it, unless it is larger than `max_bytes`. The error says what to
    /// do.
    pub(super) async fn read(self, max_bytes: u64) -> Result<Content, String> {
        match self.from {
            From::Bytes(bytes) => Ok(Content { bytes, uri: None, media_type: None }),
            From::File(path) => {
                let size = tokio::fs::metadata(&path).await.map_err(|error| unreadable(&path, &error))?.len();
                check_size(size, max_bytes)?;
                let bytes = tokio::fs::read(&path).await.map_err(|error| unreadable(&path, &error))?;
                let uri = path.canonicalize().ok().map(|path| format!("file://{}", path.display()));
                Ok(Content { bytes, uri, media_type: None })
            }
            From::Url(url) => fetch(url, max_bytes).await,
        }
    }
}

async fn fetch(url: reqwest::Url, max_bytes: u64) -> Result<Content, String> {
    let problem = |error: reqwest::Error| format!("cannot be fetched: {}", error.without_url());
    let client = reqwest::Client::builder().timeout(FETCH).build().map_err(problem)?;
    let mut reply = client.get(url.clone()).send().await.map_err(problem)?;
    if !reply.status().is_success() {
        return Err(format!("cannot be fetched: the site answers with status {}", reply.status().as_u16()));
    }
    let kind = reply.headers().get("content-type").and_then(|kind| kind.to_str().ok()).map(str::to_owned);
    let mut bytes = Vec::new();
    while let Some(part) = reply.chunk().await.map_err(problem)? {
        bytes.extend_from_slice(&part);
        check_size(bytes.len() as u64, max_bytes)?;
    }
    Ok(Content { bytes, uri: Some(url.into()), media_type: kind })
}

fn check_size(bytes: u64, limit: u64) -> Result<(), String> {
    if bytes <= limit {
        return Ok(());
    }
    Err(format!("{bytes} bytes or more, over the limit of {limit}; split it, or raise FOOTNOTE_MAX_FILE_BYTES"))
}

fn unreadable(path: &Path, error: &std::io::Error) -> String {
    format!("`{}` cannot be read ({error}); check its rights", path.display())
}
