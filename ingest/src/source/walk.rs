//! Files, folders and patterns: which files they mean. Imports errors.

use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use ignore::WalkBuilder;

use crate::error::{Error, Result};

/// A file to be ingested.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// Its key: the path below the folder that was named, or the file's name.
    pub key: String,
    /// Where it is.
    pub path: PathBuf,
    /// Found by looking through a folder, not named by hand.
    pub walked: bool,
}

/// Which keys are wanted of what a source lists. A pattern without `/` fits a
/// name at any depth, one with `/` the whole key; one that fits a folder fits
/// all below it.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    include: GlobSet,
    exclude: GlobSet,
}

impl Selection {
    /// Keys that fit one of `include`, or all if there is none, and none of
    /// `exclude`.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the pattern that is malformed.
    pub fn new(include: &[String], exclude: &[String]) -> Result<Self> {
        Ok(Self { include: patterns("--include", include)?, exclude: patterns("--exclude", exclude)? })
    }

    /// Whether a key is wanted.
    #[must_use]
    pub fn takes(&self, key: &str) -> bool {
        let fits = |set: &GlobSet| Path::new(key).ancestors().any(|part| set.is_match(part));
        (self.include.is_empty() || fits(&self.include)) && !fits(&self.exclude)
    }
}

fn patterns(field: &'static str, patterns: &[String]) -> Result<GlobSet> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let bare = pattern.trim_start_matches("./").trim_end_matches('/');
        let anywhere = if bare.contains('/') { bare.to_owned() } else { format!("**/{bare}") };
        let malformed = |error| Error::Invalid { field, problem: format!("`{pattern}` is no pattern ({error})") };
        let glob = GlobBuilder::new(anywhere.trim_start_matches('/')).literal_separator(true).build();
        set.add(glob.map_err(malformed)?);
    }
    set.build().map_err(|error| Error::Invalid { field, problem: format!("cannot be used ({error})") })
}

/// What a walk came to.
#[derive(Debug, Default)]
pub struct Discovered {
    /// Files in order of their keys.
    pub files: Vec<Found>,
    /// What could not be looked into, and why.
    pub unreadable: Vec<(String, String)>,
    /// Folders that were named and hold no file at all, wanted or not: a disk
    /// that is not there looks like one.
    pub empty: Vec<String>,
}

/// Expands paths and globs. Folders are walked; hidden files and those that
/// `.gitignore`, `.ignore` or `.footnoteignore` exclude are left out, and so is
/// what the selection does not take; what is named by hand is always taken.
///
/// # Errors
/// [`Error::Invalid`] for a path that does not exist, a glob that matches
/// nothing or one that is malformed.
pub fn discover(inputs: &[String], selection: &Selection) -> Result<Discovered> {
    let mut discovered = Discovered::default();
    for input in inputs {
        let path = Path::new(input);
        let metadata = std::fs::metadata(path);
        match metadata {
            Ok(metadata) if metadata.is_dir() => {
                if !walk(path, |_, key| selection.takes(key), &mut discovered) {
                    discovered.empty.push(input.clone());
                }
            }
            Ok(_) => {
                let key = path.file_name().map_or_else(|| input.clone(), |name| name.to_string_lossy().into_owned());
                discovered.files.push(Found { key, path: path.to_path_buf(), walked: false });
            }
            Err(_) if is_glob(input) => expand(input, selection, &mut discovered)?,
            Err(error) => {
                return Err(Error::Invalid {
                    field: "PATH",
                    problem: format!("`{input}` cannot be read ({error}); give a file, a folder, a glob or `-`"),
                });
            }
        }
    }
    discovered.files.sort();
    // What was named and found is taken as named, for that sorts first.
    discovered.files.dedup_by(|b, a| (&a.key, &a.path) == (&b.key, &b.path));
    Ok(discovered)
}

fn is_glob(input: &str) -> bool {
    input.contains(['*', '?', '[', '{'])
}

/// The folder before a pattern's first wildcard, where a walk starts.
#[must_use]
pub fn root(pattern: &str) -> &Path {
    let wild = pattern.find(['*', '?', '[', '{']).unwrap_or(pattern.len());
    Path::new(pattern[..wild].rfind('/').map_or(".", |slash| &pattern[..=slash]))
}

fn expand(input: &str, selection: &Selection, discovered: &mut Discovered) -> Result<()> {
    let malformed =
        |error: globset::Error| Error::Invalid { field: "PATH", problem: format!("`{input}` is no glob ({error})") };
    let pattern = input.trim_start_matches("./");
    let glob = GlobBuilder::new(pattern).literal_separator(true).build().map_err(malformed)?;
    let globs = GlobSetBuilder::new().add(glob).build().map_err(malformed)?;
    let before = discovered.files.len();
    let fits = |path: &Path| globs.is_match(path.strip_prefix("./").unwrap_or(path));
    walk(root(input), |path, key| fits(path) && selection.takes(key), discovered);
    if discovered.files.len() == before && discovered.unreadable.is_empty() {
        return Err(Error::Invalid { field: "PATH", problem: format!("`{input}` matches no file") });
    }
    Ok(())
}

/// Whether there is any file below a folder.
fn walk(root: &Path, wanted: impl Fn(&Path, &str) -> bool, discovered: &mut Discovered) -> bool {
    let mut holds_any = false;
    let walker = WalkBuilder::new(root).add_custom_ignore_filename(".footnoteignore").require_git(false).build();
    for entry in walker {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                discovered.unreadable.push((root.display().to_string(), error.to_string()));
                continue;
            }
        };
        if !entry.file_type().is_some_and(|kind| kind.is_file()) {
            continue;
        }
        holds_any = true;
        let key = entry.path().strip_prefix(root).unwrap_or(entry.path()).to_string_lossy().into_owned();
        if wanted(entry.path(), &key) {
            discovered.files.push(Found { key, path: entry.into_path(), walked: true });
        }
    }
    holds_any
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in
            [("a.md", "a"), ("sub/b.txt", "b"), (".hidden.md", "h"), ("sub/c.md", "c"), (".footnoteignore", "c.md\n")]
        {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            std::fs::write(path, text).expect("written");
        }
        folder
    }

    fn keys(inputs: &[String]) -> Vec<String> {
        discover(inputs, &Selection::default()).expect("files").files.into_iter().map(|file| file.key).collect()
    }

    #[test]
    fn a_folder_is_walked_without_hidden_and_ignored_files() {
        let folder = folder();
        assert_eq!(keys(&[folder.path().display().to_string()]), ["a.md", "sub/b.txt"]);
    }

    #[test]
    fn a_glob_names_files_by_their_path_below_its_fixed_part() {
        let folder = folder();
        assert_eq!(keys(&[format!("{}/**/*.txt", folder.path().display())]), ["sub/b.txt"]);
        assert_eq!(keys(&[format!("{}/*.*", folder.path().display())]), ["a.md"], "a star stays in its folder");
        assert!(discover(&[format!("{}/*.pdf", folder.path().display())], &Selection::default()).is_err());
    }

    #[test]
    fn a_folder_without_any_file_is_told() {
        let (full, empty) = (folder(), tempfile::tempdir().expect("a folder"));
        let named = [&full, &empty].map(|folder| folder.path().display().to_string());
        let selection = Selection::new(&["*.pdf".into()], &[]).expect("a pattern");
        let found = discover(&named, &selection).expect("folders");
        assert!(found.files.is_empty() && found.empty == named[1..], "{found:?}");
    }

    #[test]
    fn what_is_included_and_excluded_is_told_by_name_by_path_and_by_folder() {
        let takes = |include: &[&str], exclude: &[&str], key: &str| {
            let owned = |patterns: &[&str]| patterns.iter().map(|&pattern| pattern.to_owned()).collect::<Vec<_>>();
            Selection::new(&owned(include), &owned(exclude)).expect("patterns").takes(key)
        };
        assert!(takes(&[], &[], "a/b.md"));
        assert!(takes(&["*.md"], &[], "a/b.md") && !takes(&["*.md"], &[], "a/b.txt"));
        assert!(takes(&["a/*.md"], &[], "a/b.md") && !takes(&["a/*.md"], &[], "a/c/b.md"));
        assert!(!takes(&["*.md"], &["drafts"], "x/drafts/b.md") && takes(&[], &["drafts"], "x/drafts.md"));
        assert!(!takes(&[], &["/x/drafts/"], "x/drafts/b.md") && takes(&[], &["x/drafts"], "y/x/drafts/b.md"));
        assert!(!takes(&[], &["*.pdf"], "https://e.example/a/b.pdf"));
        let refusal = Selection::new(&["[".into()], &[]).expect_err("no pattern").to_string();
        assert!(refusal.contains("--include") && refusal.contains("`[`"), "{refusal}");
    }

    #[test]
    fn what_is_named_by_hand_is_taken_whatever_is_excluded() {
        let folder = folder();
        let named = [folder.path().display().to_string(), folder.path().join("a.md").display().to_string()];
        let selection = Selection::new(&[], &["*.md".into()]).expect("a pattern");
        let found = discover(&named, &selection).expect("files").files;
        let found: Vec<(&str, bool)> = found.iter().map(|file| (file.key.as_str(), file.walked)).collect();
        assert_eq!(found, [("a.md", false), ("sub/b.txt", true)]);
    }

    #[test]
    fn a_missing_path_is_an_error_that_says_what_to_give() {
        let refusal =
            discover(&["/no/such/folder".into()], &Selection::default()).expect_err("nothing there").to_string();
        assert!(refusal.contains("`/no/such/folder`") && refusal.contains("give a file"), "{refusal}");
    }
}
