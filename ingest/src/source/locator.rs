//! What an argument of the command line means: a place where documents are.
//! Imports nothing of this crate; looks only whether a file has a pattern's name.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use reqwest::Url;

/// Where documents are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Locator {
    /// A file or a folder.
    Path(PathBuf),
    /// Files by a pattern.
    Glob(String),
    /// A web page.
    Url(String),
    /// The pages that a sitemap names.
    Sitemap(String),
    /// Objects of a bucket.
    Bucket {
        /// The bucket's name.
        bucket: String,
        /// How their keys begin; may be empty.
        prefix: String,
    },
    /// Files of a commit.
    Git {
        /// The repository, or a folder in it.
        path: PathBuf,
        /// A branch, a tag or an id; `HEAD` if none is named.
        rev: Option<String>,
    },
    /// One document from standard input.
    Stdin,
    /// Records, one a line: of a file, or of standard input.
    Records(Option<PathBuf>),
}

/// Why an argument means nothing.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LocatorError {
    /// Nothing at all.
    #[error("an empty argument; give a file, a folder, a pattern, a URL or `-`")]
    Empty,
    /// A scheme that is not read.
    #[error(
        "`{0}:` is not read; give a path, or one of `https://`, `s3://bucket/prefix`, `git+file:///folder@branch`, `sitemap+https://`"
    )]
    Scheme(String),
    /// `file:`, which paths do better.
    #[error("give the path itself instead of a `file:` URL")]
    FileUrl,
    /// A URL with something wrong in it.
    #[error("`{given}` is no URL ({problem})")]
    Url {
        /// The argument without any password.
        given: String,
        /// What is wrong.
        problem: String,
    },
    /// A bucket without a name, or with one that none can have.
    #[error("`{0}` names no bucket; give `s3://bucket` or `s3://bucket/prefix`")]
    Bucket(String),
    /// A repository without a folder, or on another machine.
    #[error("`{0}` names no folder; give `git+file:///folder`, with `@branch` for a branch, a tag or a commit")]
    Git(String),
    /// `--records` with what holds none.
    #[error("`{0}` holds no records; with `--records`, give a `.jsonl` file or `-`")]
    NoRecords(String),
}

impl Locator {
    /// Reads an argument. With `records`, `-` and `*.jsonl` hold one document a
    /// line.
    ///
    /// # Errors
    /// [`LocatorError`] says what to give.
    pub fn parse(argument: &str, records: bool) -> Result<Self, LocatorError> {
        let locator = Self::of(argument)?;
        if !records {
            return Ok(locator);
        }
        match locator {
            Self::Stdin => Ok(Self::Records(None)),
            Self::Path(path) if is_jsonl(&path) => Ok(Self::Records(Some(path))),
            _ => Err(LocatorError::NoRecords(argument.to_owned())),
        }
    }

    fn of(argument: &str) -> Result<Self, LocatorError> {
        if argument.trim().is_empty() {
            return Err(LocatorError::Empty);
        }
        if argument == "-" {
            return Ok(Self::Stdin);
        }
        let Some((scheme, rest)) = scheme(argument) else {
            // A file may have such a name; whoever reads it looks.
            let is_glob = argument.contains(['*', '?', '[', '{']) && !Path::new(argument).exists();
            return Ok(if is_glob { Self::Glob(argument.to_owned()) } else { Self::Path(argument.into()) });
        };
        match scheme.as_str() {
            "http" | "https" => {
                let url = web(argument)?;
                Ok(if is_sitemap(&url) { Self::Sitemap(url.into()) } else { Self::Url(url.into()) })
            }
            "sitemap+http" | "sitemap+https" => Ok(Self::Sitemap(web(&argument["sitemap+".len()..])?.into())),
            "s3" => bucket(argument, rest),
            "git+file" => git(argument, rest),
            "file" => Err(LocatorError::FileUrl),
            _ => Err(LocatorError::Scheme(scheme)),
        }
    }
}

impl FromStr for Locator {
    type Err = LocatorError;

    fn from_str(argument: &str) -> Result<Self, Self::Err> {
        Self::parse(argument, false)
    }
}

impl fmt::Display for Locator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) | Self::Records(Some(path)) => write!(f, "{}", path.display()),
            Self::Glob(text) | Self::Url(text) | Self::Sitemap(text) => f.write_str(text),
            Self::Bucket { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
            Self::Git { path, rev } => match rev {
                Some(rev) => write!(f, "git+file:{}@{rev}", path.display()),
                None => write!(f, "git+file:{}", path.display()),
            },
            Self::Stdin | Self::Records(None) => f.write_str("-"),
        }
    }
}

/// A scheme in lower case and what follows its colon. A path is taken for a URL
/// only with `//` behind the colon, or with a scheme that is ours.
fn scheme(argument: &str) -> Option<(String, &str)> {
    let (scheme, rest) = argument.split_once(':')?;
    let is_scheme = scheme.len() > 1
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    let scheme = scheme.to_ascii_lowercase();
    let is_url = rest.starts_with("//") || scheme == "git+file";
    (is_scheme && is_url).then_some((scheme, rest))
}

fn web(argument: &str) -> Result<Url, LocatorError> {
    // What may hold a password is not repeated.
    let given = if argument.contains('@') { "the argument".to_owned() } else { argument.to_owned() };
    let wrong = |problem: &str| LocatorError::Url { given: given.clone(), problem: problem.to_owned() };
    let url = Url::parse(argument).map_err(|error| wrong(&error.to_string()))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("it has a name or a password in it; leave it out"));
    }
    Ok(url)
}

/// Whether a URL's last part is that of a sitemap: `sitemap.xml`,
/// `sitemap-2.xml`, `sitemap_index.xml`, `sitemap.txt`.
fn is_sitemap(url: &Url) -> bool {
    let last = url.path().rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    let end = Path::new(&last).extension().is_some_and(|end| end == "xml" || end == "txt");
    last.starts_with("sitemap") && end
}

fn bucket(argument: &str, rest: &str) -> Result<Locator, LocatorError> {
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    // The widest of what services allow; the name goes into a host's.
    let is_name = (3..=255).contains(&bucket.len())
        && bucket.starts_with(|c: char| c.is_ascii_alphanumeric())
        && bucket.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
        && !bucket.contains("..");
    if !is_name {
        return Err(LocatorError::Bucket(argument.to_owned()));
    }
    Ok(Locator::Bucket { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
}

/// `//` and an absolute folder, or a folder by itself; then `@` and a commit. An
/// `@` of the folder is written `%40`.
fn git(argument: &str, rest: &str) -> Result<Locator, LocatorError> {
    let wrong = || LocatorError::Git(argument.to_owned());
    let rest = match rest.strip_prefix("//") {
        Some(absolute) if absolute.starts_with('/') => absolute,
        Some(_) => return Err(wrong()),
        None => rest,
    };
    let (path, rev) = match rest.split_once('@') {
        Some((path, rev)) => (path, Some(decoded(rev).filter(|rev| !rev.is_empty()).ok_or_else(wrong)?)),
        None => (rest, None),
    };
    let path = decoded(path).filter(|path| !path.is_empty() && !path.contains('\0')).ok_or_else(wrong)?;
    Ok(Locator::Git { path: path.into(), rev })
}

fn decoded(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

fn is_jsonl(path: &Path) -> bool {
    path.extension().is_some_and(|end| end.eq_ignore_ascii_case("jsonl") || end.eq_ignore_ascii_case("ndjson"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(argument: &str) -> Locator {
        argument.parse().unwrap_or_else(|error| panic!("{argument}: {error}"))
    }

    fn refusal(argument: &str) -> LocatorError {
        argument.parse::<Locator>().expect_err(argument)
    }

    #[test]
    fn files_and_patterns_are_told_apart_and_odd_names_are_files() {
        for path in
            ["a.md", "./a b", "/x/y", "a:b.md", "C:\\notes", "C:/notes", "notes: 1.md", "--x", "äö", "http:", "..."]
        {
            assert_eq!(of(path), Locator::Path(path.into()), "{path}");
        }
        for glob in ["*.md", "docs/**/*.{md,txt}", "a?.md", "[ab].md"] {
            assert_eq!(of(glob), Locator::Glob(glob.into()), "{glob}");
        }
    }

    #[test]
    fn a_file_whose_name_looks_like_a_pattern_is_a_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("what?.md");
        std::fs::write(&path, "x").expect("written");
        assert_eq!(of(&path.display().to_string()), Locator::Path(path));
    }

    #[test]
    fn pages_and_sitemaps_are_told_apart_by_the_url() {
        for url in [
            "https://e.example/",
            "http://e.example/a?b#c",
            "https://e.example/sitemap",
            "https://e.example/my-sitemap.html",
        ] {
            assert_eq!(of(url), Locator::Url(url.into()));
        }
        assert_eq!(of("HTTPS://E.Example"), Locator::Url("https://e.example/".into()));
        for url in
            ["https://e.example/sitemap.xml", "https://e.example/x/Sitemap_index.XML?y", "http://e.example/sitemap.txt"]
        {
            assert_eq!(of(url), Locator::Sitemap(url.into()));
        }
        assert_eq!(of("sitemap+https://e.example/pages"), Locator::Sitemap("https://e.example/pages".into()));
    }

    #[test]
    fn a_bucket_has_a_name_and_perhaps_a_prefix() {
        let bucket = |bucket: &str, prefix: &str| Locator::Bucket { bucket: bucket.into(), prefix: prefix.into() };
        assert_eq!(of("s3://docs"), bucket("docs", ""));
        assert_eq!(of("s3://docs/"), bucket("docs", ""));
        assert_eq!(of("S3://my.docs-1/a/ü b/"), bucket("my.docs-1", "a/ü b/"));
        for wrong in ["s3://", "s3:///a", "s3://a", "s3://key@host/a", "s3://.docs", "s3://a..b", "s3://do cs/x"] {
            assert!(matches!(refusal(wrong), LocatorError::Bucket(_)), "{wrong}");
        }
    }

    #[test]
    fn a_repository_has_a_folder_and_perhaps_a_commit() {
        let git = |path: &str, rev: Option<&str>| Locator::Git { path: path.into(), rev: rev.map(str::to_owned) };
        assert_eq!(of("git+file:///srv/docs"), git("/srv/docs", None));
        assert_eq!(of("git+file:///srv/docs@feature/x"), git("/srv/docs", Some("feature/x")));
        assert_eq!(of("git+file:../docs@v1"), git("../docs", Some("v1")));
        assert_eq!(of("git+file:.@HEAD@{1}"), git(".", Some("HEAD@{1}")));
        assert_eq!(of("git+file:///a%40b/c%20d@v%401"), git("/a@b/c d", Some("v@1")));
        for wrong in
            ["git+file:", "git+file://", "git+file://host/docs", "git+file:///a@", "git+file:@v1", "git+file:///%ff"]
        {
            assert!(matches!(refusal(wrong), LocatorError::Git(_)), "{wrong}");
        }
    }

    #[test]
    fn records_come_from_standard_input_or_lines_of_json() {
        assert_eq!(of("-"), Locator::Stdin);
        assert_eq!(of("a.jsonl"), Locator::Path("a.jsonl".into()), "a document of its own without the flag");
        assert_eq!(Locator::parse("-", true), Ok(Locator::Records(None)));
        assert_eq!(Locator::parse("x/a.JSONL", true), Ok(Locator::Records(Some("x/a.JSONL".into()))));
        for wrong in ["a.md", "folder", "https://e.example/a.jsonl", "*.jsonl"] {
            assert_eq!(Locator::parse(wrong, true), Err(LocatorError::NoRecords(wrong.into())));
        }
    }

    #[test]
    fn what_is_not_read_is_refused_with_what_is() {
        for wrong in ["ftp://e.example/a", "gopher://x", "ssh://git@e.example/x", "git+ssh://e.example/x", "gs://b/x"] {
            assert!(refusal(wrong).to_string().contains("`s3://bucket/prefix`"), "{wrong}");
        }
        assert_eq!(refusal("file:///etc/passwd"), LocatorError::FileUrl);
        assert_eq!((refusal(""), refusal("  ")), (LocatorError::Empty, LocatorError::Empty));
        for wrong in ["https://", "https://e.example:99999/", "http://[::1/", "https://user:word@e.example/"] {
            let told = refusal(wrong);
            assert!(matches!(told, LocatorError::Url { .. }) && !told.to_string().contains("word@"), "{told}");
        }
    }

    #[test]
    fn a_locator_reads_back_what_it_prints() {
        for text in [
            "a.md",
            "*.md",
            "https://e.example/a",
            "https://e.example/sitemap.xml",
            "s3://docs/a/",
            "git+file:/a@v1",
            "-",
        ] {
            assert_eq!(of(&of(text).to_string()), of(text));
        }
    }
}
