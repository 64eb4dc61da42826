//! Files of a commit in a Git repository on this machine, bare ones included,
//! read by the `git` program's plumbing: no work tree is looked at, no hook or
//! filter runs, and nothing is fetched. Imports nothing of this crate.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Mutex;

#[cfg(test)]
mod tests;

/// The most bytes of a listing: a million files and more.
const MAX_LISTING: u64 = 256 * 1024 * 1024;
/// The longest first line of an answer of `cat-file`, in bytes.
const MAX_HEADER: u64 = 1024;
/// How a file begins that stands for one kept by Git LFS.
const LFS: &[u8] = b"version https://git-lfs.github.com/spec/";
/// What would be read as another part of a URI, or not at all.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b'@').add(b'#').add(b'?').add(b'"').add(b'<').add(b'>');

/// A file of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its path below the folder that was opened, with `/`.
    pub path: String,
    /// The id of its content: the same id, the same bytes.
    pub blob: String,
    /// Its size in bytes, unless the repository does not hold it.
    pub size: Option<u64>,
}

/// What a commit holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    /// Files in the order of their paths; neither hidden ones, nor symbolic
    /// links, nor other repositories inside.
    pub files: Vec<File>,
    /// What cannot be ingested, and why.
    pub unreadable: Vec<(String, String)>,
}

/// Why a repository cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The program is missing.
    #[error("`git` cannot be started ({0}); install Git")]
    NoGit(std::io::Error),
    /// No repository.
    #[error("`{0}` is in no Git repository; give the folder of one")]
    NoRepository(PathBuf),
    /// Somebody else's repository.
    #[error("`{0}` belongs to another user; run `git config --global --add safe.directory {0}` if you trust it")]
    Untrusted(PathBuf),
    /// No such commit.
    #[error("`{rev}` names no commit of `{path}`; give a branch, a tag or a commit's id")]
    NoCommit {
        /// The repository.
        path: PathBuf,
        /// What was asked for.
        rev: String,
    },
    /// The content is not on this machine.
    #[error("its content is not in this repository; run `git fetch` there first")]
    Missing,
    /// The content is kept elsewhere.
    #[error("its content is kept by Git LFS; check the files out and give the folder")]
    Lfs,
    /// Too large.
    #[error("{size} bytes, over the limit of {limit}; split it, or raise FOOTNOTE_MAX_FILE_BYTES")]
    TooLarge {
        /// Its size in bytes.
        size: u64,
        /// The most that is taken.
        limit: u64,
    },
    /// Git failed.
    #[error("`git` failed: {0}")]
    Failed(String),
}

/// A commit of a repository. Reads one content at a time.
#[derive(Debug)]
pub struct Repository {
    path: PathBuf,
    rev: Option<String>,
    commit: String,
    reader: Mutex<Option<Reader>>,
}

/// A running `git cat-file --batch`.
#[derive(Debug)]
struct Reader {
    /// Ends with this.
    _child: Child,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Repository {
    /// Opens a repository, or a folder in its work tree, at a commit: that of
    /// `rev` (a branch, a tag, an id), else of `HEAD`.
    ///
    /// # Errors
    /// [`GitError`] says what to do.
    pub async fn open(path: &Path, rev: Option<&str>) -> Result<Self, GitError> {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        if !path.is_dir() {
            return Err(GitError::NoRepository(path));
        }
        let named = rev.unwrap_or("HEAD");
        // Asked first, so that a wrong folder and a wrong name are told apart.
        run(&path, &["rev-parse", "--git-dir"]).await?;
        let wanted = format!("{named}^{{commit}}");
        let found = run(&path, &["rev-parse", "--verify", "--quiet", "--end-of-options", &wanted]).await;
        let commit = found.ok().and_then(|out| String::from_utf8(out).ok()).map(|id| id.trim().to_owned());
        match commit.filter(|id| is_id(id)) {
            Some(commit) => Ok(Self { path, rev: rev.map(str::to_owned), commit, reader: Mutex::new(None) }),
            None => Err(GitError::NoCommit { path, rev: named.to_owned() }),
        }
    }

    /// The id of the commit that is read.
    #[must_use]
    pub fn commit(&self) -> &str {
        &self.commit
    }

    /// Where a file is, for people: `git+file:///folder@rev#path`. It stays the
    /// same when the branch moves on.
    #[must_use]
    pub fn uri(&self, file: &str) -> String {
        let folder = self.path.to_string_lossy();
        let rev = self.rev.as_deref().map(|rev| format!("@{}", utf8_percent_encode(rev, ESCAPED))).unwrap_or_default();
        format!("git+file://{}{rev}#{}", utf8_percent_encode(&folder, ESCAPED), utf8_percent_encode(file, ESCAPED))
    }

    /// The commit's files below the folder that was opened.
    ///
    /// # Errors
    /// [`GitError`] if the commit cannot be read.
    pub async fn files(&self) -> Result<Files, GitError> {
        let listing = run(&self.path, &["ls-tree", "-r", "-z", "-l", &self.commit]).await?;
        let mut files = Files::default();
        for line in listing.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
            let odd = || GitError::Failed("a listing that cannot be understood".to_owned());
            let tab = line.iter().position(|byte| *byte == b'\t').ok_or_else(odd)?;
            let about = std::str::from_utf8(&line[..tab]).map_err(|_| odd())?;
            let mut fields = about.split_ascii_whitespace();
            let (mode, blob) = (fields.next().unwrap_or_default(), fields.nth(1).unwrap_or_default());
            let is_file = matches!(mode, "100644" | "100755" | "100664");
            let Ok(path) = std::str::from_utf8(&line[tab + 1..]) else {
                let name = String::from_utf8_lossy(&line[tab + 1..]).into_owned();
                files.unreadable.push((name, "its name is not in UTF-8; rename it".to_owned()));
                continue;
            };
            let is_hidden = path.split('/').any(|part| part.starts_with('.'));
            if !is_file || is_hidden {
                continue;
            }
            if !is_id(blob) {
                return Err(odd());
            }
            let size = fields.next().and_then(|size| size.parse().ok());
            files.files.push(File { path: path.to_owned(), blob: blob.to_owned(), size });
        }
        Ok(files)
    }

    /// A file's content, if it has at most `max_bytes`.
    ///
    /// # Errors
    /// [`GitError`] says what to do.
    pub async fn get(&self, file: &File, max_bytes: u64) -> Result<Vec<u8>, GitError> {
        let limit = max_bytes;
        if let Some(size) = file.size.filter(|size| *size > limit) {
            return Err(GitError::TooLarge { size, limit });
        }
        let mut slot = self.reader.lock().await;
        // Taken out, so that one that is left in the middle is not used again.
        let mut reader = match slot.take() {
            Some(reader) => reader,
            None => Reader::start(&self.path)?,
        };
        let content = reader.read(&file.blob, limit).await.map_err(|error| GitError::Failed(error.to_string()))?;
        match content {
            Content::Whole(bytes) => {
                *slot = Some(reader);
                if bytes.len() <= 1024 && bytes.starts_with(LFS) { Err(GitError::Lfs) } else { Ok(bytes) }
            }
            Content::TooLarge(size) => Err(GitError::TooLarge { size, limit }),
            Content::Missing => Err(GitError::Missing),
        }
    }
}

/// What is behind an id.
enum Content {
    Whole(Vec<u8>),
    TooLarge(u64),
    Missing,
}

impl Reader {
    fn start(path: &Path) -> Result<Self, GitError> {
        let mut child = command(path)
            .args(["cat-file", "--batch"])
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(GitError::NoGit)?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (asks, answers) = pipes.ok_or_else(|| GitError::Failed("it has no pipes".to_owned()))?;
        Ok(Self { _child: child, asks, answers: BufReader::new(answers) })
    }

    async fn read(&mut self, id: &str, limit: u64) -> std::io::Result<Content> {
        self.asks.write_all(format!("{id}\n").as_bytes()).await?;
        self.asks.flush().await?;
        let mut header = String::new();
        (&mut self.answers).take(MAX_HEADER).read_line(&mut header).await?;
        // `<id> blob <size>`, or `<id> missing`; nothing at all if it gave up.
        let mut fields = header.split_ascii_whitespace().skip(1);
        let (kind, size) = (fields.next(), fields.next().and_then(|size| size.parse::<u64>().ok()));
        let (Some("blob"), Some(size)) = (kind, size) else { return Ok(Content::Missing) };
        let Some(length) = usize::try_from(size).ok().filter(|_| size <= limit) else {
            return Ok(Content::TooLarge(size));
        };
        // Its end is marked with a line's end.
        let mut bytes = vec![0; length.saturating_add(1)];
        self.answers.read_exact(&mut bytes).await?;
        bytes.truncate(length);
        Ok(Content::Whole(bytes))
    }
}

/// `git` in a folder, with nothing of this process's environment that could
/// lead it elsewhere, and no way of its own to the network.
fn command(path: &Path) -> Command {
    let mut command = Command::new("git");
    command.env_clear();
    for kept in ["PATH", "HOME", "XDG_CONFIG_HOME"] {
        if let Some(value) = std::env::var_os(kept) {
            command.env(kept, value);
        }
    }
    command
        .env("LC_ALL", "C")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("GIT_NO_REPLACE_OBJECTS", "1")
        // What a partial clone lacks is not fetched: its configuration, which
        // may be a stranger's, names the program that would be run.
        .env("GIT_NO_LAZY_FETCH", "1")
        .env("GIT_ALLOW_PROTOCOL", "")
        .arg("--no-pager")
        .arg("-C")
        .arg(path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// What `git` prints.
async fn run(path: &Path, arguments: &[&str]) -> Result<Vec<u8>, GitError> {
    let failed = |error: std::io::Error| GitError::Failed(error.to_string());
    let mut child = command(path).args(arguments).stderr(Stdio::piped()).spawn().map_err(GitError::NoGit)?;
    let pipes = child.stdout.take().zip(child.stderr.take());
    let (out, complaints) = pipes.ok_or_else(|| GitError::Failed("it has no pipes".to_owned()))?;
    let (mut printed, mut said) = (Vec::new(), Vec::new());
    let (mut out, mut complaints) = (out.take(MAX_LISTING + 1), complaints.take(64 * 1024));
    let (read, heard) = tokio::join!(out.read_to_end(&mut printed), complaints.read_to_end(&mut said));
    read.and(heard).map_err(failed)?;
    if printed.len() as u64 > MAX_LISTING {
        return Err(GitError::Failed("the commit has too many files; give a folder of it".to_owned()));
    }
    if child.wait().await.map_err(failed)?.success() {
        return Ok(printed);
    }
    let said = String::from_utf8_lossy(&said);
    if said.contains("dubious ownership") {
        return Err(GitError::Untrusted(path.to_owned()));
    }
    if said.contains("not a git repository") {
        return Err(GitError::NoRepository(path.to_owned()));
    }
    Err(GitError::Failed(said.lines().next().unwrap_or("no reason given").chars().take(200).collect()))
}

/// Whether text is an object's id (SHA-1 or SHA-256).
fn is_id(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
