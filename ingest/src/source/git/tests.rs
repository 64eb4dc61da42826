use super::*;

/// Runs `git` as a person would, with a name and without their configuration.
fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut command = std::process::Command::new("git");
    command.env_clear().current_dir(folder).args(arguments);
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    for (name, value) in [
        ("HOME", "/nonexistent"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_AUTHOR_NAME", "A"),
        ("GIT_AUTHOR_EMAIL", "a@e.example"),
        ("GIT_COMMITTER_NAME", "A"),
        ("GIT_COMMITTER_EMAIL", "a@e.example"),
    ] {
        command.env(name, value);
    }
    let done = command.output().expect("git");
    assert!(done.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).trim().to_owned()
}

fn write(folder: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        std::fs::write(path, text).expect("written");
    }
}

fn commit(folder: &Path, files: &[(&str, &str)]) {
    write(folder, files);
    git(folder, &["add", "--all", "--force"]);
    git(folder, &["commit", "--quiet", "--message", "change"]);
}

/// A repository of one commit on `main`.
fn repository() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    git(folder.path(), &["init", "--quiet", "--initial-branch=main"]);
    commit(
        folder.path(),
        &[("a.md", "first"), ("sub/b c.txt", "b"), ("sub/ü\n.md", "u"), (".hidden/x.md", "h"), ("empty", "")],
    );
    folder
}

async fn files(repository: &Repository) -> Vec<File> {
    repository.files().await.expect("files").files
}

async fn text(repository: &Repository, path: &str) -> String {
    let file = files(repository).await.into_iter().find(|file| file.path == path).expect("the file");
    String::from_utf8(repository.get(&file, 1000).await.expect("content")).expect("text")
}

#[tokio::test]
async fn files_of_a_commit_are_read_without_the_work_tree() {
    let folder = repository();
    write(folder.path(), &[("a.md", "changed but not committed"), ("new.md", "not committed")]);
    std::os::unix::fs::symlink("/etc/passwd", folder.path().join("link")).expect("a link");
    git(folder.path(), &["add", "link"]);
    git(folder.path(), &["commit", "--quiet", "--message", "a link"]);
    let opened = Repository::open(folder.path(), None).await.expect("a repository");
    let paths: Vec<String> = files(&opened).await.into_iter().map(|file| file.path).collect();
    assert_eq!(paths, ["a.md", "empty", "sub/b c.txt", "sub/ü\n.md"]);
    for (path, content) in [("a.md", "first"), ("empty", ""), ("sub/ü\n.md", "u"), ("a.md", "first")] {
        assert_eq!(text(&opened, path).await, content, "{path}");
    }
}

#[tokio::test]
async fn the_blob_is_the_version_and_stays_where_the_content_does() {
    let folder = repository();
    let before = Repository::open(folder.path(), None).await.expect("a repository");
    commit(folder.path(), &[("a.md", "second")]);
    let after = Repository::open(folder.path(), Some("main")).await.expect("a repository");
    assert_ne!(before.commit(), after.commit());
    let (old, new) = (files(&before).await, files(&after).await);
    assert_ne!(old[0].blob, new[0].blob);
    assert_eq!(old[1..], new[1..]);
    assert_eq!((text(&before, "a.md").await.as_str(), text(&after, "a.md").await.as_str()), ("first", "second"));
}

#[tokio::test]
async fn branches_tags_and_ids_name_a_commit_and_options_do_not() {
    let folder = repository();
    git(folder.path(), &["tag", "--annotate", "--message", "t", "v1/first"]);
    let first = git(folder.path(), &["rev-parse", "HEAD"]);
    commit(folder.path(), &[("a.md", "second")]);
    for rev in ["v1/first", &first, &first[..10], "main~1", "HEAD^"] {
        let opened = Repository::open(folder.path(), Some(rev)).await.expect(rev);
        assert_eq!(opened.commit(), first, "{rev}");
    }
    for rev in ["nothing", "", "--all", "-h", "--output=/tmp/x", "main:a.md", "HEAD\nmain", "main main"] {
        let refusal = Repository::open(folder.path(), Some(rev)).await.expect_err(rev);
        assert!(matches!(refusal, GitError::NoCommit { .. }), "{rev}: {refusal}");
    }
}

#[tokio::test]
async fn a_bare_repository_and_a_folder_inside_are_read_too() {
    let folder = repository();
    let bare = tempfile::tempdir().expect("a folder");
    let (from, to) = (folder.path().display().to_string(), bare.path().display().to_string());
    git(folder.path(), &["clone", "--quiet", "--bare", &from, &to]);
    let opened = Repository::open(bare.path(), None).await.expect("a repository");
    assert_eq!((files(&opened).await.len(), text(&opened, "a.md").await.as_str()), (4, "first"));
    let inside = Repository::open(&folder.path().join("sub"), None).await.expect("a folder of it");
    assert_eq!(text(&inside, "b c.txt").await, "b");
    assert_eq!(files(&inside).await.len(), 2);
}

#[tokio::test]
async fn what_is_no_repository_is_said_to_be_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let none = Repository::open(folder.path(), None).await.expect_err("an empty folder");
    assert!(matches!(none, GitError::NoRepository(_)), "{none}");
    let gone = Repository::open(&folder.path().join("gone"), None).await.expect_err("no folder");
    assert!(matches!(gone, GitError::NoRepository(_)), "{gone}");
    git(folder.path(), &["init", "--quiet"]);
    let empty = Repository::open(folder.path(), None).await.expect_err("no commit yet");
    assert!(matches!(empty, GitError::NoCommit { .. }), "{empty}");
}

#[tokio::test]
async fn a_file_over_the_limit_is_not_read_and_the_next_one_is() {
    let folder = repository();
    commit(folder.path(), &[("large.md", &"x".repeat(5000))]);
    let opened = Repository::open(folder.path(), None).await.expect("a repository");
    let large = files(&opened).await.into_iter().find(|file| file.path == "large.md").expect("the file");
    let told = File { size: None, ..large.clone() };
    for file in [large, told] {
        let refusal = opened.get(&file, 1000).await.expect_err("too large");
        assert!(matches!(refusal, GitError::TooLarge { size: 5000, limit: 1000 }), "{refusal}");
    }
    assert_eq!(text(&opened, "a.md").await, "first");
}

#[tokio::test]
async fn a_pointer_of_lfs_is_no_content() {
    let folder = repository();
    commit(folder.path(), &[("big.pdf", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")]);
    let opened = Repository::open(folder.path(), None).await.expect("a repository");
    let file = files(&opened).await.into_iter().find(|file| file.path == "big.pdf").expect("the file");
    assert!(matches!(opened.get(&file, 1000).await, Err(GitError::Lfs)));
}

#[tokio::test]
async fn a_repository_cannot_make_git_run_its_programs() {
    let folder = repository();
    git(folder.path(), &["config", "uploadpack.allowFilter", "true"]);
    let from = format!("file://{}", folder.path().display());
    let partial = tempfile::tempdir().expect("a folder");
    git(partial.path(), &["clone", "--quiet", "--bare", "--filter=blob:none", &from, "."]);
    let mark = partial.path().join("was-run");
    let program = format!("touch '{}' && git-upload-pack", mark.display());
    for name in ["remote.origin.uploadpack", "core.fsmonitor", "core.pager", "core.sshCommand", "diff.external"] {
        git(partial.path(), &["config", name, &program]);
    }
    git(partial.path(), &["config", "alias.ls-tree", &format!("!touch '{}'", mark.display())]);
    let opened = Repository::open(partial.path(), None).await.expect("a repository");
    if let Ok(Files { files, .. }) = opened.files().await {
        for file in files {
            assert!(opened.get(&file, 1000).await.is_err(), "its content is elsewhere");
        }
    }
    let missing = File { path: "a.md".into(), blob: git(folder.path(), &["rev-parse", "HEAD:a.md"]), size: None };
    assert!(matches!(opened.get(&missing, 1000).await, Err(GitError::Missing)));
    assert!(!mark.exists(), "a program named by the repository was run");
}

#[tokio::test]
async fn an_address_names_the_folder_the_commit_and_the_file() {
    let folder = repository();
    git(folder.path(), &["branch", "feature/x@y"]);
    let opened = Repository::open(folder.path(), Some("feature/x@y")).await.expect("a repository");
    let uri = opened.uri("sub/b c#1.txt");
    assert!(uri.starts_with("git+file:///") && uri.ends_with("@feature/x%40y#sub/b%20c%231.txt"), "{uri}");
}
