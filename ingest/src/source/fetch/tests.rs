use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query};
use axum::http::HeaderMap as Headers;
use axum::response::{IntoResponse, Response as Reply};
use axum::routing::get;
use futures::StreamExt;
use tokio::net::TcpListener;

use super::*;

mod forms;

use forms::CLOSED;

/// A listener that nobody may reach, and how many did.
struct Canary {
    port: u16,
    hits: Arc<AtomicUsize>,
}

impl Canary {
    async fn on(address: &str) -> Self {
        let listener = TcpListener::bind(address).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let hits = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&hits);
        tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { port, hits }
    }

    fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }
}

/// Answers in the order given; the last answer stays.
#[derive(Default)]
struct Scripted {
    answers: Mutex<VecDeque<Vec<IpAddr>>>,
    asked: AtomicUsize,
}

impl Scripted {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let address = |text: &&str| text.parse().expect("an address");
        let answers = answers.iter().map(|answer| answer.iter().map(address).collect()).collect();
        Arc::new(Self { answers: Mutex::new(answers), asked: AtomicUsize::new(0) })
    }
}

impl Lookup for Scripted {
    fn lookup(&self, _: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().expect("unpoisoned");
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        Box::pin(async move { Ok(answer.unwrap_or_default()) })
    }
}

fn config(allow: &[&str]) -> FetchConfig {
    FetchConfig {
        max_bytes: 10_000,
        connect_timeout: Duration::from_secs(5),
        total_timeout: Duration::from_secs(20),
        allow: allow.iter().map(|text| text.parse().expect("an opening")).collect(),
        ..FetchConfig::default()
    }
}

fn fetcher(config: FetchConfig, answers: &[&[&str]]) -> Fetcher {
    Fetcher::with_lookup(config, Scripted::new(answers)).expect("a fetcher")
}

async fn page(headers: Headers) -> Reply {
    if headers.get("if-none-match").is_some_and(|etag| etag == "\"v1\"") {
        return axum::http::StatusCode::NOT_MODIFIED.into_response();
    }
    let date = "Sat, 01 Jan 2022 00:00:00 GMT";
    let about = [("content-type", "text/html; charset=utf-8"), ("etag", "\"v1\""), ("last-modified", date)];
    (about, "hello").into_response()
}

async fn echo(headers: Headers) -> String {
    headers.iter().map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap_or("?"))).collect()
}

async fn redirect_to(Path(code): Path<u16>, Query(to): Query<Vec<(String, String)>>) -> Reply {
    let status = axum::http::StatusCode::from_u16(code).expect("a status");
    let to = to.into_iter().find(|(name, _)| name == "to").map(|(_, to)| to).unwrap_or_default();
    let cookie = ("set-cookie", "secret=1; Path=/".to_owned());
    (status, [("location", to), cookie]).into_response()
}

/// A body that comes in parts, and never ends if `stuck`.
fn parts(count: usize, stuck: bool) -> Body {
    let some = futures::stream::iter((0..count).map(|_| Ok::<_, io::Error>(vec![b'x'; 1000])));
    if stuck { Body::from_stream(some.chain(futures::stream::pending())) } else { Body::from_stream(some) }
}

/// A site on `address`, a port of its own.
async fn site(address: &str) -> u16 {
    let routes = Router::new()
        .route("/ok", get(page))
        .route("/echo", get(echo))
        .route("/to/{code}", get(redirect_to))
        .route(
            "/loop/{n}",
            get(async |Path(n): Path<usize>| {
                (axum::http::StatusCode::FOUND, [("location", format!("/loop/{}", n + 1))])
            }),
        )
        .route("/nowhere", get(async || axum::http::StatusCode::FOUND))
        .route("/close", get(async || ([("connection", "close")], "bye")))
        .route("/missing", get(async || axum::http::StatusCode::NOT_FOUND))
        .route("/large", get(async || "x".repeat(10_001)))
        .route("/full", get(async || "x".repeat(10_000)))
        .route("/parts", get(async || parts(50, false)))
        .route("/stuck", get(async || parts(1, true)))
        .route("/video", get(async || ([("content-type", "video/mp4")], "x")))
        .route("/gzip", get(async || ([("content-encoding", "gzip")], "x")));
    let listener = TcpListener::bind(address).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    port
}

/// A fetcher that may reach a site by its name, and the site's root.
async fn open_site(config_of: impl FnOnce(&mut FetchConfig)) -> (Fetcher, String) {
    let port = site("127.0.0.1:0").await;
    let mut config = config(&["site.test"]);
    config_of(&mut config);
    (fetcher(config, &[&["127.0.0.1"]]), format!("http://site.test:{port}"))
}

fn fetched(outcome: Result<Outcome, FetchError>) -> Fetched {
    match outcome {
        Ok(Outcome::Fetched(fetched)) => fetched,
        other => panic!("no page but {other:?}"),
    }
}

#[tokio::test]
async fn no_form_of_a_url_reaches_this_machine() {
    let canary = Canary::on("0.0.0.0:0").await;
    let fetcher = fetcher(config(&[]), &[&["127.0.0.1", "::1"]]);
    assert!(CLOSED.len() >= 100, "the table shrank to {}", CLOSED.len());
    for form in CLOSED {
        let url = form.replace("PORT", &canary.port.to_string());
        let refusal = fetcher.get(&url, None).await.expect_err(form);
        let expected = matches!(
            refusal,
            FetchError::Refused
                | FetchError::Malformed
                | FetchError::Scheme
                | FetchError::Credentials
                | FetchError::Port
        );
        assert!(expected, "{form}: {refusal:?}");
    }
    assert_eq!(canary.hits(), 0);
}

#[tokio::test]
async fn the_canary_is_alive() {
    let canary = Canary::on("127.0.0.1:0").await;
    let mut config = config(&["127.0.0.1"]);
    config.total_timeout = Duration::from_secs(2);
    // The connection comes about, and is dropped unanswered.
    let reply = fetcher(config, &[]).get(&format!("http://127.0.0.1:{}/", canary.port), None).await;
    assert_eq!((reply, canary.hits() > 0), (Err(FetchError::Unreachable), true));
}

#[tokio::test]
async fn redirects_are_checked_like_the_first_url() {
    let canary = Canary::on("127.0.0.1:0").await;
    let (fetcher, root) = open_site(|_| {}).await;
    let targets = [
        "http://127.0.0.1:PORT/",
        "//127.0.0.1:PORT/",
        "http://[::ffff:127.0.0.1]:PORT/",
        "http://0x7f.1:PORT/",
        "http://localhost:PORT/",
        "http://inner.example:PORT/",
        "http://user@site.test:PORT/",
        "http://0.0.0.0:PORT/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:PORT/",
        "data:text/plain,x",
        "http://169.254.169.254/latest/",
    ];
    for code in [301, 302, 303, 307, 308] {
        for target in targets {
            let target = target.replace("PORT", &canary.port.to_string());
            let direct = format!("{root}/to/{code}?to={}", escaped(&target));
            let twice = format!("{root}/to/{code}?to={}", escaped(&direct));
            for url in [direct, twice] {
                let refusal = fetcher.get(&url, None).await.expect_err(&url);
                let expected = matches!(refusal, FetchError::Refused | FetchError::Scheme | FetchError::Credentials);
                assert!(expected, "{code} to {target}: {refusal:?}");
            }
        }
    }
    assert_eq!(canary.hits(), 0);
}

fn escaped(url: &str) -> String {
    percent_encoding::utf8_percent_encode(url, percent_encoding::NON_ALPHANUMERIC).to_string()
}

#[tokio::test]
async fn redirects_inside_a_site_are_followed_and_counted() {
    let (fetcher, root) = open_site(|_| {}).await;
    let page = fetched(fetcher.get(&format!("{root}/to/302?to={}", escaped("/to/307?to=%2Fok")), None).await);
    assert_eq!((page.final_url, page.bytes), (format!("{root}/ok"), b"hello".to_vec()));
    assert_eq!(fetcher.get(&format!("{root}/loop/0"), None).await, Err(FetchError::Redirects(5)));
    assert_eq!(fetcher.get(&format!("{root}/nowhere"), None).await, Err(FetchError::BadRedirect));
    assert_eq!(
        fetcher.get(&format!("{root}/to/302?to={}", escaped("http://[")), None).await,
        Err(FetchError::BadRedirect)
    );
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_name_whose_answer_changes_leads_only_to_what_was_checked() {
    let port = site("127.0.0.2:0").await;
    let canary = Canary::on(&format!("127.0.0.1:{port}")).await;
    let lookup = Scripted::new(&[&["127.0.0.1", "127.0.0.2"], &["127.0.0.1"]]);
    let asked: Arc<dyn Lookup> = Arc::clone(&lookup) as _;
    let fetcher = Fetcher::with_lookup(config(&["127.0.0.2"]), asked).expect("a fetcher");
    let page = fetched(fetcher.get(&format!("http://turning.example:{port}/close"), None).await);
    assert_eq!((page.bytes, lookup.asked.load(Ordering::SeqCst)), (b"bye".to_vec(), 1), "looked up once, and used");
    let turned = fetcher.get(&format!("http://turning.example:{port}/ok"), None).await;
    assert_eq!((turned, canary.hits()), (Err(FetchError::Refused), 0));
}

#[tokio::test]
async fn of_an_answer_only_public_addresses_are_handed_on() {
    let lookup = Scripted::new(&[&["127.0.0.1", "8.8.8.8", "::1", "2606:4700::1", "10.0.0.1", "64:ff9b::7f00:1"]]);
    let guard = Guard { lookup, policy: Arc::default() };
    let addresses = guard.resolve("example.com".parse().expect("a name")).await.expect("addresses");
    let addresses: Vec<String> = addresses.map(|address| address.ip().to_string()).collect();
    assert_eq!(addresses, ["8.8.8.8", "2606:4700::1"]);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_whether_or_not_its_length_is_told() {
    let (fetcher, root) = open_site(|_| {}).await;
    let too_large = Err(FetchError::TooLarge { limit: 10_000 });
    assert_eq!(fetcher.get(&format!("{root}/large"), None).await, too_large);
    assert_eq!(fetcher.get(&format!("{root}/parts"), None).await, too_large);
    assert_eq!(fetched(fetcher.get(&format!("{root}/full"), None).await).bytes.len(), 10_000);
}

#[tokio::test]
async fn a_body_that_never_ends_runs_into_the_time_limit() {
    let limit = Duration::from_millis(300);
    let (fetcher, root) = open_site(|config| config.total_timeout = limit).await;
    assert_eq!(fetcher.get(&format!("{root}/stuck"), None).await, Err(FetchError::Timeout(limit)));
}

#[tokio::test]
async fn a_page_keeps_its_type_and_its_version() {
    let (fetcher, root) = open_site(|_| {}).await;
    let page = fetched(fetcher.get(&format!("{root}/ok"), None).await);
    assert_eq!(page.media_type.as_deref(), Some("text/html; charset=utf-8"));
    assert_eq!(page.validators.etag.as_deref(), Some("\"v1\""));
    assert_eq!(page.validators.last_modified.as_deref(), Some("Sat, 01 Jan 2022 00:00:00 GMT"));
    let again = fetcher.get(&format!("{root}/ok"), Some(&page.validators)).await;
    assert_eq!(again, Ok(Outcome::NotModified));
    let other = Validators { etag: Some("\"v0\"".into()), last_modified: None };
    assert_eq!(fetched(fetcher.get(&format!("{root}/ok"), Some(&other)).await).bytes, b"hello");
}

#[tokio::test]
async fn types_that_are_no_text_and_compressed_bodies_are_refused() {
    let (fetcher, root) = open_site(|_| {}).await;
    let video = fetcher.get(&format!("{root}/video"), None).await;
    assert_eq!(video, Err(FetchError::MediaType("video/mp4".into())));
    assert_eq!(fetcher.get(&format!("{root}/gzip"), None).await, Err(FetchError::Encoded));
    assert_eq!(fetcher.get(&format!("{root}/missing"), None).await, Err(FetchError::Status(404)));
}

#[tokio::test]
async fn nothing_of_one_page_is_told_to_the_next() {
    let (fetcher, root) = open_site(|_| {}).await;
    let echo = fetched(fetcher.get(&format!("{root}/to/302?to=%2Fecho"), None).await).bytes;
    let echo = String::from_utf8(echo).expect("text");
    assert!(echo.contains("accept-encoding: identity"), "{echo}");
    for header in ["cookie", "authorization", "referer"] {
        assert!(!echo.contains(header), "{echo}");
    }
}

#[tokio::test]
async fn a_name_without_an_address_is_unreachable_and_no_error_tells_an_address() {
    let fetcher = fetcher(config(&[]), &[&[]]);
    let nowhere = fetcher.get("http://nowhere.example/", None).await.expect_err("no address");
    assert_eq!((nowhere.is_transient(), &nowhere), (true, &FetchError::Unreachable));
    let inner = self::fetcher(config(&[]), &[&["10.9.8.7"]]);
    let refusal = inner.get("http://inner.example/secret?q=word", None).await.expect_err("an inner site");
    assert!(!refusal.is_transient());
    for told in [refusal.to_string(), format!("{refusal:?}"), nowhere.to_string()] {
        assert!(!["10.9", "secret", "word", "inner.example"].iter().any(|part| told.contains(part)), "{told}");
    }
}
