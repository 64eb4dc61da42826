//! Finds `initdb` and `postgres` of one version.

use std::env;
use std::fs;
use std::path::{self, Path, PathBuf};
use std::process::Command;

use super::error::EmbeddedError;
use super::user::ServiceUser;

/// The oldest major version whose SQL we use.
const OLDEST: u32 = 14;

/// Where distributions put their versions: parent, start of the name, rest of the path.
const USUAL_FOLDERS: [(&str, &str, &str); 6] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/usr/local", "pgsql", "bin"),
    ("/usr/libexec", "postgresql", ""),
    ("/opt/homebrew/opt", "postgresql", "bin"),
    ("/usr/local/opt", "postgresql", "bin"),
];

/// A folder with usable binaries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binaries {
    pub(super) folder: PathBuf,
    pub(super) major: u32,
}

impl Binaries {
    pub(super) fn initdb(&self) -> PathBuf {
        self.folder.join("initdb")
    }

    pub(super) fn postgres(&self) -> PathBuf {
        self.folder.join("postgres")
    }
}

/// Every folder worth a look, best first.
pub(super) fn places(configured: Option<&Path>) -> Vec<PathBuf> {
    let mut places: Vec<PathBuf> = configured.map(Path::to_owned).into_iter().collect();
    places.extend(env::var_os("PATH").iter().flat_map(env::split_paths));
    for (parent, start, rest) in USUAL_FOLDERS {
        places.extend(versions_in(Path::new(parent), start).map(|folder| folder.join(rest)));
    }
    // Postgres does not run in our working folder.
    places.iter().filter_map(|place| path::absolute(place).ok()).collect()
}

/// Folders in `parent` whose names begin with `start`, highest version first.
fn versions_in(parent: &Path, start: &str) -> impl Iterator<Item = PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version = name.strip_prefix(start)?;
            let version = version.trim_start_matches(['@', '-']);
            // A name without a version, such as `pgsql`, is a choice too, the last one.
            let version = if version.is_empty() { 0 } else { leading_number(version)? };
            Some((version, entry.path()))
        })
        .collect();
    found.sort_by(|a, b| b.cmp(a));
    found.into_iter().map(|(_, path)| path)
}

/// The first folder that can run the cluster; `wanted` is the major version that made it.
pub(super) fn find(
    places: &[PathBuf],
    cluster: &Path,
    wanted: Option<u32>,
    user: Option<&ServiceUser>,
) -> Result<Binaries, EmbeddedError> {
    let mut unfit = Vec::new();
    let mut usable = Vec::new();
    for folder in places {
        let postgres = folder.join("postgres");
        if !postgres.is_file() {
            continue;
        }
        match check(folder, &postgres, user) {
            Ok(binaries) if wanted.is_none_or(|wanted| wanted == binaries.major) => {
                return Ok(binaries);
            }
            Ok(binaries) => usable.push(format!("{} in `{}`", binaries.major, folder.display())),
            Err(problem) => unfit.push(format!("`{}` {problem}", folder.display())),
        }
    }
    match wanted {
        Some(wanted) if !usable.is_empty() => {
            Err(EmbeddedError::WrongVersion { cluster: cluster.to_owned(), wanted, found: usable.join(", ") })
        }
        _ if unfit.is_empty() => Err(EmbeddedError::NoBinaries { rejected: String::new() }),
        _ => Err(EmbeddedError::NoBinaries { rejected: format!(" ({})", unfit.join(", ")) }),
    }
}

/// Asks the binary itself, as the user that will run it.
fn check(folder: &Path, postgres: &Path, user: Option<&ServiceUser>) -> Result<Binaries, String> {
    if !folder.join("initdb").is_file() {
        return Err("has no `initdb`".to_owned());
    }
    let mut command = Command::new(postgres);
    command.arg("--version").current_dir("/").env("LC_ALL", "C");
    if let Some(user) = user {
        user.apply(&mut command);
    }
    let output = command.output().map_err(|error| format!("does not run: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    match major_version(&text) {
        Some(major) if major >= OLDEST => Ok(Binaries { folder: folder.to_owned(), major }),
        Some(major) => Err(format!("is version {major}")),
        None => Err("does not tell its version".to_owned()),
    }
}

/// The major version in the answer to `postgres --version`.
fn major_version(text: &str) -> Option<u32> {
    text.split_whitespace().find_map(leading_number)
}

/// The number at the start of `text`.
pub(super) fn leading_number(text: &str) -> Option<u32> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// A folder with an `initdb` and a `postgres` that says `version`.
    fn fake(parent: &Path, name: &str, version: &str) -> PathBuf {
        let folder = parent.join(name);
        fs::create_dir(&folder).unwrap();
        for (file, text) in [("initdb", "#!/bin/sh\n"), ("postgres", "#!/bin/sh\necho ")] {
            let path = folder.join(file);
            fs::write(&path, format!("{text}'{version}'\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        folder
    }

    fn find_in(places: &[PathBuf], wanted: Option<u32>) -> Result<Binaries, EmbeddedError> {
        find(places, Path::new("/data/postgres"), wanted, None)
    }

    #[test]
    fn versions_are_read_from_releases_betas_and_vendors() {
        let texts = [
            ("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n", Some(15)),
            ("postgres (PostgreSQL) 9.6.24\n", Some(9)),
            ("postgres (PostgreSQL) 17beta1\n", Some(17)),
            ("postgres (PostgreSQL) 19devel\n", Some(19)),
            ("postgres (EnterpriseDB) 16.2.0\n", Some(16)),
            ("command not found\n", None),
            ("", None),
        ];
        for (text, major) in texts {
            assert_eq!(major_version(text), major, "{text}");
        }
    }

    #[test]
    fn the_first_usable_folder_wins() {
        let temp = tempfile::tempdir().unwrap();
        let old = fake(temp.path(), "old", "postgres (PostgreSQL) 13.1");
        let first = fake(temp.path(), "first", "postgres (PostgreSQL) 15.1");
        let second = fake(temp.path(), "second", "postgres (PostgreSQL) 17.1");
        let places = [temp.path().join("missing"), old, first.clone(), second];
        assert_eq!(find_in(&places, None).unwrap(), Binaries { folder: first, major: 15 });
    }

    #[test]
    fn an_existing_cluster_chooses_its_own_version() {
        let temp = tempfile::tempdir().unwrap();
        let new = fake(temp.path(), "new", "postgres (PostgreSQL) 17.1");
        let own = fake(temp.path(), "own", "postgres (PostgreSQL) 15.1");
        let places = [new, own.clone()];
        assert_eq!(find_in(&places, Some(15)).unwrap().folder, own);
    }

    #[test]
    fn a_missing_version_is_named_with_what_is_there() {
        let temp = tempfile::tempdir().unwrap();
        let new = fake(temp.path(), "new", "postgres (PostgreSQL) 17.1");
        let error = find_in(&[new], Some(15)).unwrap_err();
        assert!(matches!(error, EmbeddedError::WrongVersion { wanted: 15, .. }));
        let message = error.to_string();
        assert!(message.contains("made by Postgres 15, but only 17 in `"), "{message}");
    }

    #[test]
    fn no_binaries_name_the_package_and_the_other_ways() {
        let error = find_in(&[PathBuf::from("/nowhere")], None).unwrap_err();
        let message = error.to_string();
        for part in ["apt-get install postgresql", "DATABASE_URL", "docker compose up"] {
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn binaries_that_will_not_do_are_explained() {
        let temp = tempfile::tempdir().unwrap();
        let old = fake(temp.path(), "old", "postgres (PostgreSQL) 13.1");
        let message = find_in(&[old], None).unwrap_err().to_string();
        assert!(message.contains("old` is version 13"), "{message}");
    }

    #[test]
    fn higher_versions_come_first_by_number() {
        let temp = tempfile::tempdir().unwrap();
        for name in ["pg@9", "pg@15", "pg@100", "pg", "other", "pgx"] {
            fs::create_dir(temp.path().join(name)).unwrap();
        }
        let found: Vec<_> = versions_in(temp.path(), "pg").collect();
        let names = ["pg@100", "pg@15", "pg@9", "pg"].map(|name| temp.path().join(name));
        assert_eq!(found, names);
    }
}
