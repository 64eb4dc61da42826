use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::super::fetch::FetchConfig;
use super::*;

fn content(loaded: Result<Loaded, SourceError>) -> Content {
    match loaded {
        Ok(Loaded::Content(content)) => content,
        other => panic!("no content but {other:?}"),
    }
}

fn text(loaded: Result<Loaded, SourceError>) -> String {
    String::from_utf8(content(loaded).bytes).expect("text")
}

#[tokio::test]
async fn a_file_is_read_only_when_its_size_or_time_changed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a b#1.md");
    std::fs::write(&path, "one").expect("written");
    let fresh = Entry::file("a.md".into(), &path).expect("an entry");
    let first = content(fresh.load(None, 100).await);
    assert_eq!(first.version, None, "the next change might not show in its time");
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_hours(1);
    let file = std::fs::File::options().write(true).open(&path).expect("opened");
    file.set_modified(long_ago).expect("set");
    let entry = Entry::file("a.md".into(), &path).expect("an entry");
    assert!(entry.uri.as_deref().is_some_and(|uri| uri.starts_with("file:///") && uri.ends_with("a%20b%231.md")));
    let first = content(entry.load(None, 100).await);
    assert_eq!((first.bytes.as_slice(), &first.version), (&b"one"[..], &entry.version));
    let known = entry.version.as_deref();
    assert_eq!(entry.load(known, 100).await.expect("looked at"), Loaded::Unchanged);
    std::fs::write(&path, "longer").expect("written");
    let later = Entry::file("a.md".into(), &path).expect("an entry");
    assert_eq!(text(later.load(known, 100).await), "longer");
    assert!(matches!(later.load(None, 5).await, Err(SourceError::TooLarge { size: 6, limit: 5 })));
    std::fs::remove_file(&path).expect("deleted");
    assert!(matches!(later.load(None, 100).await, Err(SourceError::File { .. })));
    assert!(Entry::file("a.md".into(), &path).is_err());
}

/// A site of one page with an `ETag`, and how often its body was sent.
async fn site() -> (Fetcher, String, Arc<AtomicUsize>) {
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let page = async move |headers: HeaderMap| -> Response {
        if headers.get("if-none-match").is_some_and(|etag| etag == "W/\"1\"") {
            return axum::http::StatusCode::NOT_MODIFIED.into_response();
        }
        counted.fetch_add(1, Ordering::SeqCst);
        ([("etag", "W/\"1\""), ("content-type", "text/html")], "page").into_response()
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let root = format!("http://{}", listener.local_addr().expect("an address"));
    let map = format!("<urlset><url><loc>{root}/page</loc><lastmod>2024-01-01</lastmod></url></urlset>");
    let routes = Router::new().route("/page", get(page)).route("/sitemap.xml", get(async move || map));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let config = FetchConfig { allow: vec!["127.0.0.1".parse().expect("an address")], ..FetchConfig::default() };
    (Fetcher::new(config).expect("a fetcher"), root, sent)
}

#[tokio::test]
async fn a_page_is_sent_again_only_when_its_tag_changed() {
    let (fetcher, root, sent) = site().await;
    let entry = Entry::url(&fetcher, &format!("{root}/page"));
    let page = content(entry.load(None, 100).await);
    assert_eq!((page.version.as_deref(), page.media_type.as_deref()), (Some("etag:W/\"1\""), Some("text/html")));
    assert_eq!(entry.load(page.version.as_deref(), 100).await.expect("asked"), Loaded::Unchanged);
    assert_eq!(text(entry.load(Some("etag:W/\"0\""), 100).await), "page");
    assert_eq!(sent.load(Ordering::SeqCst), 2);
    assert!(matches!(entry.load(None, 3).await, Err(SourceError::TooLarge { .. })));
}

#[tokio::test]
async fn a_page_of_a_sitemap_has_its_date_as_version() {
    let (fetcher, root, sent) = site().await;
    let listing = of_sitemap(&fetcher, &format!("{root}/sitemap.xml")).await.expect("pages");
    let [page] = listing.entries.as_slice() else { panic!("{listing:?}") };
    assert_eq!((page.version.as_deref(), sent.load(Ordering::SeqCst)), (Some("lastmod:2024-01-01"), 0));
    let read = content(page.load(None, 100).await);
    assert_eq!(read.version, page.version, "what is kept is what is listed next time");
    assert_eq!(page.load(read.version.as_deref(), 100).await.expect("compared"), Loaded::Unchanged);
    assert_eq!(sent.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_object_is_read_only_when_its_tag_changed() {
    let listing = "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Contents><Key>docs/a.md</Key>\
        <ETag>\"t1\"</ETag><Size>4</Size></Contents></ListBucketResult>";
    let routes = Router::new()
        .route("/bucket", get(async move || listing))
        .route("/bucket/", get(async move || listing))
        .route("/bucket/docs/a.md", get(async || ([("content-type", "application/octet-stream")], "text")));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let variable = |name: &str| (name == "AWS_ENDPOINT_URL").then(|| endpoint.clone());
    let bucket = Bucket::open("bucket", "docs/", variable).expect("a bucket");
    let listing = of_bucket(bucket).await.expect("objects");
    let [entry] = listing.entries.as_slice() else { panic!("{listing:?}") };
    assert_eq!((entry.key.as_str(), entry.uri.as_deref()), ("a.md", Some("s3://bucket/docs/a.md")));
    assert_eq!(entry.load(Some("etag:t1"), 100).await.expect("compared"), Loaded::Unchanged);
    let read = content(entry.load(Some("etag:t0"), 100).await);
    assert_eq!((read.bytes.as_slice(), read.media_type), (&b"text"[..], None), "some bytes are no type");
}

#[tokio::test]
async fn a_blob_is_read_only_when_its_id_changed() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("a.md"), "text").expect("written");
    for arguments in [
        &["init", "--quiet"][..],
        &["add", "a.md"],
        &["-c", "user.name=A", "-c", "user.email=a@e.example", "commit", "--quiet", "--message", "one"],
    ] {
        let mut git = std::process::Command::new("git");
        for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
            git.env_remove(name);
        }
        assert!(git.current_dir(folder.path()).args(arguments).status().expect("git").success());
    }
    let repository = Repository::open(folder.path(), None).await.expect("a repository");
    let listing = of_git(repository).await.expect("files");
    let [entry] = listing.entries.as_slice() else { panic!("{listing:?}") };
    assert!(entry.version.as_deref().is_some_and(|version| version.starts_with("blob:")));
    assert_eq!(entry.load(entry.version.as_deref(), 100).await.expect("compared"), Loaded::Unchanged);
    assert_eq!(text(entry.load(Some("blob:0"), 100).await), "text");
    assert!(matches!(entry.load(None, 3).await, Err(SourceError::Git(GitError::TooLarge { .. }))));
}

#[tokio::test]
async fn bytes_and_records_are_always_read() {
    assert_eq!(text(Entry::bytes("-".into(), b"in".to_vec()).load(Some("x"), 10).await), "in");
    let record = Record { key: "k".into(), text: "T".into(), title: Some("t".into()), uri: None, meta: None };
    let entry = Entry::record(record);
    assert_eq!((entry.key.as_str(), entry.title.as_deref()), ("k", Some("t")));
    assert_eq!(content(entry.load(None, 10).await).media_type.as_deref(), Some("text/plain; charset=utf-8"));
    assert!(matches!(entry.load(None, 0).await, Err(SourceError::TooLarge { size: 1, limit: 0 })));
}
