//! Files that hold secrets: only the service's own user reads them, and they
//! are never half written. Imports nothing of this crate.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use secrecy::SecretSlice;
use uuid::Uuid;

/// Bytes that a file of secrets may have.
const MAX_BYTES: u64 = 64 * 1024;

/// Access of others, in a file's mode.
const OTHERS: u32 = 0o077;

/// Why a file of secrets is not used.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// Others may read or write it.
    #[error(
        "`{path}` is open to others (mode {mode:03o}); run `chmod 600 {path}`, and replace the secrets in it if \
         somebody may have read them"
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Somebody else owns it.
    #[error("`{path}` belongs to user {owner}; give it to the user that runs this service, or remove it")]
    Owner {
        /// The file.
        path: PathBuf,
        /// Who owns it.
        owner: u32,
    },
    /// Everybody may replace it.
    #[error("everybody may replace files in `{path}`; run `chmod o-w {path}`, or choose another folder")]
    Folder {
        /// The folder.
        path: PathBuf,
    },
    /// Not a file of ours.
    #[error("`{path}` is no file, or holds more than {MAX_BYTES} bytes; move it away")]
    Strange {
        /// The file.
        path: PathBuf,
    },
    /// The system refused.
    #[error("`{path}` cannot be used: {source}; see that its folder exists and can be written")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What a file holds. `None` when there is none.
///
/// # Errors
/// [`SecretFileError`], also for a file that others may read.
pub fn read(path: &Path) -> Result<Option<SecretSlice<u8>>, SecretFileError> {
    // A pipe would otherwise be waited for.
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(path, error)),
    };
    check(path, &file)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| failed(path, error))?;
    match u64::try_from(bytes.len()) {
        Ok(length) if length <= MAX_BYTES => Ok(Some(bytes.into())),
        _ => Err(SecretFileError::Strange { path: path.to_path_buf() }),
    }
}

/// Writes a file that only this user reads, in place of one that may be there.
/// After a crash either is there, whole.
///
/// # Errors
/// [`SecretFileError`].
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), SecretFileError> {
    let draft = Draft::write(path, bytes)?;
    fs::rename(&draft.0, path).and_then(|()| sync_folder(path)).map_err(|error| failed(path, error))
}

/// Writes a file that only this user reads, unless there is one. Says whether
/// it did; of several that try at once, one does.
///
/// # Errors
/// [`SecretFileError`].
pub fn create(path: &Path, bytes: &[u8]) -> Result<bool, SecretFileError> {
    let draft = Draft::write(path, bytes)?;
    // Unlike renaming, this fails when there is one.
    match fs::hard_link(&draft.0, path) {
        Ok(()) => sync_folder(path).map(|()| true).map_err(|error| failed(path, error)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        // Not every file system knows links; there the last of several wins.
        Err(_) if !path.exists() => {
            let renamed = fs::rename(&draft.0, path).and_then(|()| sync_folder(path));
            renamed.map(|()| true).map_err(|error| failed(path, error))
        }
        Err(error) => Err(failed(path, error)),
    }
}

/// Waits until no other process or thread holds the lock of this file, and holds
/// it until dropped.
///
/// # Errors
/// [`SecretFileError::Io`].
pub fn lock(path: &Path) -> Result<File, SecretFileError> {
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path);
    file.and_then(|file| file.lock().map(|()| file)).map_err(|error| failed(path, error))
}

/// A file beside the one that is written; goes when dropped.
struct Draft(PathBuf);

impl Draft {
    fn write(path: &Path, bytes: &[u8]) -> Result<Self, SecretFileError> {
        check_folder(path)?;
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.draft", Uuid::new_v4().simple()));
        let draft = Self(path.with_file_name(name));
        let written =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft.0).and_then(|mut file| {
                file.write_all(bytes)?;
                file.sync_all()
            });
        written.map(|()| draft).map_err(|error| failed(path, error))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After a rename there is nothing left to remove.
        let _ = fs::remove_file(&self.0);
    }
}

/// The open file is checked, not its name: nobody can change it in between.
fn check(path: &Path, file: &File) -> Result<(), SecretFileError> {
    check_folder(path)?;
    let about = file.metadata().map_err(|error| failed(path, error))?;
    let path = path.to_path_buf();
    let mode = about.mode() & 0o777;
    if !about.is_file() || about.len() > MAX_BYTES {
        Err(SecretFileError::Strange { path })
    } else if about.uid() != rustix::process::geteuid().as_raw() && about.uid() != 0 {
        Err(SecretFileError::Owner { path, owner: about.uid() })
    } else if mode & OTHERS != 0 {
        Err(SecretFileError::Open { path, mode })
    } else {
        Ok(())
    }
}

/// Who may write in a folder may put another file in the place of ours, unless
/// it is one like `/tmp`, where each only removes his own.
fn check_folder(path: &Path) -> Result<(), SecretFileError> {
    let folder = folder(path);
    let mode = fs::metadata(folder).map_err(|error| failed(path, error))?.mode();
    let replaceable = mode & 0o002 != 0 && mode & 0o1000 == 0;
    if replaceable { Err(SecretFileError::Folder { path: folder.to_path_buf() }) } else { Ok(()) }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder(path))?.sync_all()
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn failed(path: &Path, source: io::Error) -> SecretFileError {
    SecretFileError::Io { path: path.to_path_buf(), source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use secrecy::ExposeSecret;

    use super::*;

    fn held(path: &Path) -> Vec<u8> {
        read(path).unwrap().unwrap().expose_secret().to_vec()
    }

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn what_is_written_is_read_again_by_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        assert!(read(&path).unwrap().is_none());
        replace(&path, b"one").unwrap();
        assert_eq!(held(&path), b"one");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        replace(&path, b"two").unwrap();
        assert_eq!(held(&path), b"two");
        assert_eq!(names(folder.path()), ["keys.json"]);
    }

    #[test]
    fn a_file_that_is_there_is_never_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        assert!(create(&path, b"first").unwrap());
        assert!(!create(&path, b"second").unwrap());
        assert_eq!(held(&path), b"first");
        assert_eq!(names(folder.path()), ["keys.json"]);
    }

    #[test]
    fn of_many_that_create_at_once_one_does() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let made: Vec<u8> = std::thread::scope(|scope| {
            let path = &path;
            let threads: Vec<_> =
                (0..8_u8).map(|n| scope.spawn(move || create(path, &[n; 100]).unwrap().then_some(n))).collect();
            threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
        });
        let [winner] = made[..] else { panic!("{made:?}") };
        assert_eq!(held(&path), [winner; 100]);
    }

    #[test]
    fn a_file_open_to_others_is_refused_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        replace(&path, b"secret").unwrap();
        for mode in [0o604, 0o640, 0o660, 0o666, 0o644, 0o620, 0o601] {
            chmod(&path, mode);
            let refusal = read(&path).unwrap_err();
            assert!(matches!(refusal, SecretFileError::Open { mode: found, .. } if found == mode));
            let refusal = refusal.to_string();
            assert!(refusal.contains("chmod 600") && !refusal.contains("secret\""), "{refusal}");
        }
        chmod(&path, 0o400);
        assert_eq!(held(&path), b"secret");
    }

    #[test]
    fn a_folder_where_everybody_may_replace_files_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        replace(&path, b"secret").unwrap();
        chmod(folder.path(), 0o777);
        assert!(matches!(read(&path), Err(SecretFileError::Folder { .. })));
        assert!(matches!(replace(&path, b"other"), Err(SecretFileError::Folder { .. })));
        chmod(folder.path(), 0o1777);
        assert_eq!(held(&path), b"secret");
    }

    #[test]
    fn folders_pipes_and_big_files_are_strange() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        fs::create_dir(&path).unwrap();
        chmod(&path, 0o700);
        assert!(matches!(read(&path), Err(SecretFileError::Strange { .. })));

        let pipe = folder.path().join("pipe");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        assert!(matches!(read(&pipe), Err(SecretFileError::Strange { .. })));

        let big = folder.path().join("big");
        replace(&big, &vec![0; 65_537]).unwrap();
        assert!(matches!(read(&big), Err(SecretFileError::Strange { .. })));
    }

    #[test]
    fn a_folder_that_is_missing_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let refusal = replace(&folder.path().join("no/keys.json"), b"x").unwrap_err().to_string();
        assert!(refusal.contains("folder exists"), "{refusal}");
    }
}
