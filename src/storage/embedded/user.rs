//! Who runs Postgres, and can they get there.
//!
//! Postgres refuses to run as root. As root we run it as the cluster's owner, else as
//! `postgres`, else as `nobody`.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use super::error::{EmbeddedError, Tried as _};

/// The user that runs Postgres in our stead when we are root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServiceUser {
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl ServiceUser {
    /// Makes `command` run as this user. The standard library also drops root's
    /// supplementary groups when a root process sets a user id.
    pub(super) fn apply(&self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }
}

/// `None` when we are not root and Postgres can run as ourselves.
pub(super) fn service_user(cluster: &Path) -> Result<Option<ServiceUser>, EmbeddedError> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let passwd_file = Path::new("/etc/passwd");
    let passwd = fs::read(passwd_file).tried("read", passwd_file)?;
    let passwd = String::from_utf8_lossy(&passwd);
    // A cluster that a user made before `sudo` stays that user's.
    if let Ok(metadata) = fs::metadata(cluster)
        && metadata.uid() != 0
    {
        let owner = users(&passwd).find(|user| user.uid == metadata.uid());
        return Ok(Some(owner.unwrap_or_else(|| ServiceUser {
            name: metadata.uid().to_string(),
            uid: metadata.uid(),
            gid: metadata.gid(),
        })));
    }
    ["postgres", "nobody"]
        .iter()
        .find_map(|name| users(&passwd).find(|user| user.name == *name && user.uid != 0))
        .map(Some)
        .ok_or(EmbeddedError::NoServiceUser)
}

fn users(passwd: &str) -> impl Iterator<Item = ServiceUser> {
    passwd.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(ServiceUser { name, uid, gid })
    })
}

/// Makes sure that `user` can enter `data_dir`. Only the data folder itself is ever opened,
/// and only for passing through: the folders above it are not ours to change.
pub(super) fn open_way(data_dir: &Path, user: &ServiceUser) -> Result<(), EmbeddedError> {
    let metadata = fs::metadata(data_dir).tried("read", data_dir)?;
    if !can_enter(&metadata, user) && metadata.uid() == rustix::process::geteuid().as_raw() {
        let mode = metadata.mode() & 0o7777 | 0o001;
        fs::set_permissions(data_dir, fs::Permissions::from_mode(mode)).tried("open to the database user", data_dir)?;
    }
    for folder in data_dir.ancestors() {
        let metadata = fs::metadata(folder).tried("read", folder)?;
        if !can_enter(&metadata, user) {
            return Err(EmbeddedError::CannotEnter { folder: folder.to_owned(), user: user.name.clone() });
        }
    }
    Ok(())
}

/// The kernel's rule: the first class that matches decides, even against the others.
fn can_enter(metadata: &fs::Metadata, user: &ServiceUser) -> bool {
    let bit = if metadata.uid() == user.uid {
        0o100
    } else if metadata.gid() == user.gid {
        0o010
    } else {
        0o001
    };
    metadata.mode() & bit != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_read_from_the_passwd_file() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\n# note\n\
                      broken:x:one:2::/:\nnobody:x:65534:65533:nobody:/:/bin/false\n";
        let names: Vec<_> = users(passwd).map(|user| (user.name, user.uid, user.gid)).collect();
        assert_eq!(names, [("root".to_owned(), 0, 0), ("nobody".to_owned(), 65534, 65533)]);
    }

    #[test]
    fn the_first_matching_class_decides_who_enters() {
        let temp = tempfile::tempdir().unwrap();
        let own = fs::metadata(temp.path()).unwrap();
        let enters = |mode, uid, gid| {
            fs::set_permissions(temp.path(), fs::Permissions::from_mode(mode)).unwrap();
            let metadata = fs::metadata(temp.path()).unwrap();
            can_enter(&metadata, &ServiceUser { name: String::new(), uid, gid })
        };
        assert!(enters(0o700, own.uid(), own.gid()));
        assert!(!enters(0o701, own.uid() + 1, own.gid()));
        assert!(enters(0o701, own.uid() + 1, own.gid() + 1));
        assert!(!enters(0o770, own.uid() + 1, own.gid() + 1));
    }
}
