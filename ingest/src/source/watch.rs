//! Watching folders: which paths changed, told in sets once a burst of changes
//! is over. Imports nothing of this crate.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use notify::event::{MetadataKind, ModifyKind};
use notify::{Config, Event, EventKind, PollWatcher, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::Instant;

/// How long nothing must change before changes are told.
pub const QUIET: Duration = Duration::from_millis(500);
/// The longest that changes are held back while more of them come.
const LONGEST: Duration = Duration::from_secs(5);
/// The most paths that are kept apart; with more, everything counts as changed.
const MAX_PATHS: usize = 100_000;
/// How often folders are looked through where the system cannot tell.
const POLL: Duration = Duration::from_secs(5);

/// What changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Paths that were made, written, renamed or deleted. A folder among them
    /// stands for all that is below it: files in a new folder may come before
    /// the system tells of them.
    pub paths: BTreeSet<PathBuf>,
    /// Changes were missed, or are too many to tell: everything may have
    /// changed.
    pub rescan: bool,
}

impl Changes {
    fn is_empty(&self) -> bool {
        self.paths.is_empty() && !self.rescan
    }
}

/// Why nothing can be watched.
#[derive(Debug, thiserror::Error)]
#[error("`{path}` cannot be watched ({source}); check that it is there and may be read")]
pub struct WatchError {
    /// The file or folder.
    pub path: PathBuf,
    /// Why.
    source: notify::Error,
}

/// How changes are noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// The system tells.
    System,
    /// Everything is looked through every five seconds, where the system has no
    /// watches to give. It does not tell what other machines write to a network
    /// drive, nor does it say so.
    Polling,
}

/// Watches files and folders until it is dropped.
pub struct Watch {
    /// Tells as long as it lives.
    _watcher: Box<dyn Watcher + Send>,
    shared: Arc<Shared>,
    method: Method,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("method", &self.method).finish_non_exhaustive()
    }
}

/// What the watcher's thread tells.
#[derive(Debug, Default)]
struct Shared {
    changes: Mutex<Changes>,
    /// What went wrong, each told once: the poller meets it in every round.
    met: Mutex<HashSet<String>>,
    more: Notify,
}

impl Shared {
    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_news(&self, error: &notify::Error) -> bool {
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        met.len() < MAX_PATHS && met.insert(format!("{error} {:?}", error.paths))
    }

    /// What was met while the watch began is seen by who looks at everything then.
    fn begin(&self) {
        self.changes().rescan = false;
    }

    fn take(&self, told: notify::Result<Event>) {
        let mut changes = self.changes();
        match told {
            Ok(event) if event.need_rescan() => changes.rescan = true,
            Ok(event) if !is_change(event.kind) => return,
            Ok(event) => changes.paths.extend(event.paths),
            // What was lost is unknown.
            Err(error) if self.is_news(&error) => changes.rescan = true,
            Err(_) => return,
        }
        if changes.paths.len() > MAX_PATHS {
            *changes = Changes { paths: BTreeSet::new(), rescan: true };
        }
        drop(changes);
        self.more.notify_one();
    }
}

/// Whether content, a name or a folder changed: neither reading nor rights do.
/// The poller tells a new content by its time.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Modify(ModifyKind::Metadata(kind)) => kind == MetadataKind::WriteTime,
        kind => !matches!(kind, EventKind::Access(_) | EventKind::Other),
    }
}

impl Watch {
    /// Watches files, and folders with all below them. What changes after this
    /// returns is told. Where the system cannot tell, they are polled.
    ///
    /// # Errors
    /// [`WatchError`] names the path.
    pub fn new(paths: &[PathBuf]) -> Result<Self, WatchError> {
        match Self::by(Method::System, paths) {
            Ok(watch) => Ok(watch),
            Err(error) => {
                tracing::debug!(error = %error, "folders are polled");
                Self::by(Method::Polling, paths)
            }
        }
    }

    /// Watches by a method of choice.
    ///
    /// # Errors
    /// [`WatchError`] names the path.
    pub fn by(method: Method, paths: &[PathBuf]) -> Result<Self, WatchError> {
        Self::start(method, paths, POLL)
    }

    fn start(method: Method, paths: &[PathBuf], poll: Duration) -> Result<Self, WatchError> {
        let shared = Arc::new(Shared::default());
        let told = Arc::clone(&shared);
        let handler = move |event| told.take(event);
        let first = paths.first().map_or(Path::new("."), PathBuf::as_path);
        let failed = |path: &Path, source| WatchError { path: path.to_owned(), source };
        // As in a walk.
        let config = Config::default().with_follow_symlinks(false);
        let mut watcher: Box<dyn Watcher + Send> = match method {
            Method::System => Box::new(RecommendedWatcher::new(handler, config).map_err(|error| failed(first, error))?),
            Method::Polling => {
                let config = config.with_poll_interval(poll);
                Box::new(PollWatcher::new(handler, config).map_err(|error| failed(first, error))?)
            }
        };
        for path in paths {
            // The poller takes what is not there for an empty folder.
            std::fs::metadata(path).map_err(|error| failed(path, notify::Error::io(error)))?;
            watcher.watch(path, RecursiveMode::Recursive).map_err(|error| failed(path, error))?;
        }
        shared.begin();
        Ok(Self { _watcher: watcher, shared, method })
    }

    /// How changes are noticed.
    #[must_use]
    pub fn method(&self) -> Method {
        self.method
    }

    /// Waits for changes, and then until there are none for [`QUIET`], though no
    /// longer than five seconds in all. Nothing is lost if the wait is given up.
    pub async fn next(&mut self) -> Changes {
        while self.shared.changes().is_empty() {
            self.shared.more.notified().await;
        }
        let latest = Instant::now() + LONGEST;
        while tokio::time::timeout_at(latest.min(Instant::now() + QUIET), self.shared.more.notified()).await.is_ok() {}
        std::mem::take(&mut *self.shared.changes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waits for changes until all of these paths were among them.
    async fn until(watch: &mut Watch, wanted: &[PathBuf]) -> Vec<Changes> {
        let mut all: Vec<Changes> = Vec::new();
        let told = async {
            while !wanted.iter().all(|path| all.iter().any(|changes| changes.paths.contains(path))) {
                all.push(watch.next().await);
            }
        };
        tokio::time::timeout(Duration::from_secs(30), told).await.expect("the changes in time");
        all
    }

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().canonicalize().expect("its path");
        std::fs::create_dir(path.join("sub")).expect("made");
        std::fs::write(path.join("old.md"), "1").expect("written");
        (folder, path)
    }

    #[tokio::test]
    async fn what_was_made_written_renamed_and_deleted_is_told_together() {
        let (_folder, path) = folder();
        let mut watch = Watch::by(Method::System, std::slice::from_ref(&path)).expect("a watch");
        for name in ["a.md", "sub/b.md", "gone.md"] {
            std::fs::write(path.join(name), "x").expect("written");
        }
        std::fs::write(path.join("old.md"), "2").expect("written");
        std::fs::rename(path.join("a.md"), path.join("c.md")).expect("renamed");
        std::fs::remove_file(path.join("gone.md")).expect("deleted");
        let names = ["a.md", "c.md", "gone.md", "old.md", "sub/b.md"];
        let all = until(&mut watch, &names.map(|name| path.join(name))).await;
        assert_eq!(all.len(), 1, "one burst, one set: {all:?}");
    }

    #[tokio::test]
    async fn a_new_folder_stands_for_what_is_in_it_and_is_watched_from_then_on() {
        let (_folder, path) = folder();
        let mut watch = Watch::new(std::slice::from_ref(&path)).expect("a watch");
        std::fs::create_dir(path.join("new")).expect("made");
        until(&mut watch, &[path.join("new")]).await;
        std::fs::write(path.join("new/a.md"), "x").expect("written");
        until(&mut watch, &[path.join("new/a.md")]).await;
    }

    #[tokio::test]
    async fn reading_is_no_change() {
        let (_folder, path) = folder();
        let mut watch = Watch::by(Method::System, std::slice::from_ref(&path)).expect("a watch");
        std::fs::read(path.join("old.md")).expect("read");
        std::fs::write(path.join("last.md"), "x").expect("written");
        let all = until(&mut watch, &[path.join("last.md")]).await;
        assert!(!all.iter().any(|changes| changes.paths.contains(&path.join("old.md"))), "{all:?}");
    }

    #[tokio::test]
    async fn polling_tells_the_same() {
        let (_folder, path) = folder();
        let paths = std::slice::from_ref(&path);
        let mut watch = Watch::start(Method::Polling, paths, Duration::from_millis(50)).expect("a watch");
        assert_eq!(watch.method(), Method::Polling);
        std::fs::write(path.join("sub/b.md"), "x").expect("written");
        std::fs::remove_file(path.join("old.md")).expect("deleted");
        until(&mut watch, &[path.join("sub/b.md"), path.join("old.md")]).await;
        // Its clock counts in seconds.
        let later = std::time::SystemTime::now() + Duration::from_secs(2);
        let file = std::fs::File::options().write(true).open(path.join("sub/b.md")).expect("opened");
        file.set_modified(later).expect("its time");
        until(&mut watch, &[path.join("sub/b.md")]).await;
    }

    #[tokio::test]
    async fn what_cannot_be_looked_into_asks_for_everything_once() {
        let (_folder, path) = folder();
        let watch = Watch::new(std::slice::from_ref(&path)).expect("a watch");
        let refused = || notify::Error::io(std::io::ErrorKind::PermissionDenied.into()).add_path(path.join("sub"));
        watch.shared.take(Err(refused()));
        assert!(std::mem::take(&mut *watch.shared.changes()).rescan);
        watch.shared.take(Err(refused()));
        assert!(watch.shared.changes().is_empty());
    }

    #[tokio::test]
    async fn lost_events_and_floods_ask_for_everything() {
        let (_folder, path) = folder();
        let mut watch = Watch::new(std::slice::from_ref(&path)).expect("a watch");
        watch.shared.take(Err(notify::Error::generic("lost")));
        assert!(watch.next().await.rescan);
        let many = (0..=MAX_PATHS).map(|n| PathBuf::from(n.to_string()));
        let flood = many.fold(Event::new(EventKind::Any), Event::add_path);
        watch.shared.take(Ok(flood));
        assert_eq!(watch.next().await, Changes { paths: BTreeSet::new(), rescan: true });
    }

    #[tokio::test(start_paused = true)]
    async fn changes_that_never_pause_are_told_after_five_seconds() {
        let (_folder, path) = folder();
        let mut watch = Watch::new(std::slice::from_ref(&path)).expect("a watch");
        let shared = Arc::clone(&watch.shared);
        let begun = Instant::now();
        let busy = tokio::spawn(async move {
            loop {
                shared.take(Ok(Event::new(EventKind::Any).add_path("busy".into())));
                tokio::time::sleep(QUIET / 5).await;
            }
        });
        watch.next().await;
        busy.abort();
        assert!(begun.elapsed() >= LONGEST && begun.elapsed() < LONGEST + QUIET, "{:?}", begun.elapsed());
    }

    #[test]
    fn a_path_that_is_not_there_is_named() {
        let refusal = Watch::new(&["/no/such/folder".into()]).expect_err("nothing there").to_string();
        assert!(refusal.contains("`/no/such/folder`"), "{refusal}");
    }

    #[test]
    fn what_cannot_be_looked_into_is_told_once_and_not_while_the_watch_begins() {
        let shared = Shared::default();
        let error = |path: &str| Err(notify::Error::generic("denied").add_path(path.into()));
        shared.take(error("/closed"));
        shared.begin();
        assert!(shared.changes().is_empty());
        shared.take(error("/closed"));
        assert!(shared.changes().is_empty());
        shared.take(error("/closed/too"));
        assert!(shared.changes().rescan);
    }
}
