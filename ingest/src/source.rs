//! Sources: which files a command's arguments mean. Floor 3: imports errors.

use std::path::{Path, PathBuf};

use globset::{Glob, GlobSetBuilder};
use ignore::WalkBuilder;

use crate::error::{Error, Result};

/// A file to be ingested.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// Its key: the path below the folder that was named, or the file's name.
    pub key: String,
    /// Where it is.
    pub path: PathBuf,
}

/// What a walk came to.
#[derive(Debug, Default)]
pub struct Discovered {
    /// Files in order of their keys.
    pub files: Vec<Found>,
    /// What could not be looked into, and why.
    pub unreadable: Vec<(String, String)>,
}

/// Expands paths and globs. Folders are walked; hidden files and those that
/// `.gitignore`, `.ignore` or `.footnoteignore` exclude are left out.
///
/// # Errors
/// [`Error::Invalid`] for a path that does not exist, a glob that matches
/// nothing or one that is malformed.
pub fn discover(inputs: &[String]) -> Result<Discovered> {
    let mut discovered = Discovered::default();
    for input in inputs {
        let path = Path::new(input);
        let metadata = std::fs::metadata(path);
        match metadata {
            Ok(metadata) if metadata.is_dir() => walk(path, |_| true, &mut discovered),
            Ok(_) => {
                let key = path.file_name().map_or_else(|| input.clone(), |name| name.to_string_lossy().into_owned());
                discovered.files.push(Found { key, path: path.to_path_buf() });
            }
            Err(_) if is_glob(input) => expand(input, &mut discovered)?,
            Err(error) => {
                return Err(Error::Invalid {
                    field: "PATH",
                    problem: format!("`{input}` cannot be read ({error}); give a file, a folder, a glob or `-`"),
                });
            }
        }
    }
    discovered.files.sort();
    discovered.files.dedup();
    Ok(discovered)
}

fn is_glob(input: &str) -> bool {
    input.contains(['*', '?', '[', '{'])
}

fn expand(input: &str, discovered: &mut Discovered) -> Result<()> {
    let malformed =
        |error: globset::Error| Error::Invalid { field: "PATH", problem: format!("`{input}` is no glob ({error})") };
    // The folder before the first wildcard is where the walk starts.
    let wild = input.find(['*', '?', '[', '{']).unwrap_or(input.len());
    let root = input[..wild].rfind('/').map_or("", |slash| &input[..=slash]);
    let root = if root.is_empty() { Path::new(".") } else { Path::new(root) };
    let pattern = input.trim_start_matches("./");
    let glob = Glob::new(pattern).map_err(malformed)?;
    let globs = GlobSetBuilder::new().add(glob).build().map_err(malformed)?;
    let before = discovered.files.len();
    walk(root, |path| globs.is_match(path.strip_prefix("./").unwrap_or(path)), discovered);
    if discovered.files.len() == before && discovered.unreadable.is_empty() {
        return Err(Error::Invalid { field: "PATH", problem: format!("`{input}` matches no file") });
    }
    Ok(())
}

fn walk(root: &Path, wanted: impl Fn(&Path) -> bool, discovered: &mut Discovered) {
    let walker = WalkBuilder::new(root).add_custom_ignore_filename(".footnoteignore").require_git(false).build();
    for entry in walker {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                discovered.unreadable.push((root.display().to_string(), error.to_string()));
                continue;
            }
        };
        if entry.file_type().is_some_and(|kind| kind.is_file()) && wanted(entry.path()) {
            let key = entry.path().strip_prefix(root).unwrap_or(entry.path()).to_string_lossy().into_owned();
            discovered.files.push(Found { key, path: entry.into_path() });
        }
    }
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
        discover(inputs).expect("files").files.into_iter().map(|file| file.key).collect()
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
        assert!(discover(&[format!("{}/*.pdf", folder.path().display())]).is_err());
    }

    #[test]
    fn a_missing_path_is_an_error_that_says_what_to_give() {
        let refusal = discover(&["/no/such/folder".into()]).expect_err("nothing there").to_string();
        assert!(refusal.contains("`/no/such/folder`") && refusal.contains("give a file"), "{refusal}");
    }
}
