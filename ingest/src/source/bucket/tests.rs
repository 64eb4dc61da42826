use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response as Reply};
use axum::routing::get;

use super::*;

const NAMES: [&str; 7] =
    ["docs/", "docs/a.md", "docs/sub/b & c.md", "docs/ünï.txt", "docs2/x.md", "readme.md", "../up.md"];

/// What the service was asked.
type Asked = Arc<Mutex<Vec<HashMap<String, String>>>>;

fn refusal(status: u16, code: &str) -> Reply {
    let xml = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>no</Message></Error>");
    (StatusCode::from_u16(status).expect("a status"), [("x-amz-bucket-region", "eu-west-3")], xml).into_response()
}

/// Whether a query is signed like version 4 says, by the key `AKID`.
fn is_signed(query: &HashMap<String, String>) -> bool {
    let has = |name: &str, good: &dyn Fn(&str) -> bool| query.get(name).is_some_and(|value| good(value));
    let is_hex = |value: &str| value.len() == 64 && value.chars().all(|c| c.is_ascii_hexdigit());
    let scope = |value: &str| value.starts_with("AKID/") && value.ends_with("/eu-central-1/s3/aws4_request");
    has("X-Amz-Algorithm", &|value| value == "AWS4-HMAC-SHA256")
        && has("X-Amz-Credential", &scope)
        && has("X-Amz-Date", &|value| value.len() == 16 && value.ends_with('Z'))
        && has("X-Amz-Expires", &|value| value == "300")
        && has("X-Amz-SignedHeaders", &|value| value == "host")
        && has("X-Amz-Signature", &is_hex)
}

/// Two objects a page.
async fn list(
    State(asked): State<Asked>,
    Path(bucket): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Reply {
    asked.lock().expect("unpoisoned").push(query.clone());
    match bucket.as_str() {
        "closed" => return refusal(403, "AccessDenied"),
        "wrong-key" => return refusal(403, "SignatureDoesNotMatch"),
        "gone" => return refusal(404, "NoSuchBucket"),
        "elsewhere" => return refusal(301, "PermanentRedirect"),
        "busy" => return refusal(503, "SlowDown"),
        "page" => return "<html>hello</html>".into_response(),
        _ => {}
    }
    if bucket != "open" && !is_signed(&query) {
        return refusal(403, "AccessDenied");
    }
    let prefix = query.get("prefix").map(String::as_str).unwrap_or_default();
    let from: usize = query.get("continuation-token").map_or(0, |token| token.parse().expect("our token"));
    let mut names: Vec<&str> = NAMES.into_iter().filter(|name| name.starts_with(prefix)).collect();
    names.sort_unstable();
    let page: String = names
        .iter()
        .skip(from)
        .take(2)
        .map(|name| {
            let key = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
            format!(
                "<Contents><Key>{key}</Key><ETag>&quot;tag-{}&quot;</ETag><Size>{}</Size></Contents>",
                name.len(),
                name.len()
            )
        })
        .collect();
    let more = from + 2 < names.len();
    let next =
        if more { format!("<NextContinuationToken>{}</NextContinuationToken>", from + 2) } else { String::new() };
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
         <EncodingType>url</EncodingType><IsTruncated>{more}</IsTruncated>{next}{page}</ListBucketResult>"
    )
    .into_response()
}

async fn object(
    Path((_, name)): Path<(String, String)>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Reply {
    if !is_signed(&query) || headers.contains_key("authorization") {
        return refusal(403, "AccessDenied");
    }
    if !NAMES.contains(&name.as_str()) {
        return refusal(404, "NoSuchKey");
    }
    ([("content-type", "text/markdown")], name).into_response()
}

async fn service() -> (String, Asked) {
    let asked = Asked::default();
    let routes = Router::new()
        .route("/{bucket}/", get(list))
        .route("/{bucket}", get(list))
        .route("/{bucket}/{*name}", get(object));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    let routes = routes.with_state(Arc::clone(&asked));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (endpoint, asked)
}

fn opened(name: &str, prefix: &str, variables: &[(&str, &str)]) -> Result<Bucket, BucketError> {
    Bucket::open(name, prefix, |wanted| {
        variables.iter().find(|(name, _)| *name == wanted).map(|(_, value)| (*value).to_owned())
    })
}

fn bucket(endpoint: &str, name: &str, prefix: &str) -> Bucket {
    let variables = [
        ("AWS_ENDPOINT_URL_S3", endpoint),
        ("AWS_ENDPOINT_URL", "http://unused.invalid"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "AKID"),
        ("AWS_SECRET_ACCESS_KEY", "very-secret"),
    ];
    opened(name, prefix, &variables).expect("a bucket")
}

async fn keys(bucket: &Bucket) -> Vec<String> {
    bucket.list().await.expect("objects").into_iter().map(|object| object.key).collect()
}

#[tokio::test]
async fn a_bucket_is_listed_page_by_page_with_signed_requests() {
    let (endpoint, asked) = service().await;
    let whole = bucket(&endpoint, "b", "");
    assert_eq!(
        keys(&whole).await,
        ["../up.md", "docs/a.md", "docs/sub/b & c.md", "docs/ünï.txt", "docs2/x.md", "readme.md"]
    );
    assert_eq!(asked.lock().expect("unpoisoned").len(), 4, "two objects a page");
}

#[tokio::test]
async fn a_prefix_names_a_folder_or_one_object() {
    let (endpoint, _) = service().await;
    let below = ["a.md", "sub/b & c.md", "ünï.txt"];
    assert_eq!(keys(&bucket(&endpoint, "b", "docs/")).await, below);
    assert_eq!(keys(&bucket(&endpoint, "b", "docs")).await, below, "and not those of `docs2/`");
    assert_eq!(keys(&bucket(&endpoint, "b", "docs/a.md")).await, ["a.md"]);
    assert!(keys(&bucket(&endpoint, "b", "nothing")).await.is_empty());
}

#[tokio::test]
async fn an_object_has_its_tag_as_version_and_its_bytes_under_its_own_name() {
    let (endpoint, _) = service().await;
    let bucket = bucket(&endpoint, "b", "docs/");
    for object in bucket.list().await.expect("objects") {
        assert_eq!(object.etag.as_deref(), Some(format!("tag-{}", object.name.len()).as_str()));
        let (bytes, kind) = bucket.get(&object, 1000).await.expect("bytes");
        assert_eq!(
            (String::from_utf8(bytes).expect("text"), kind.as_deref()),
            (object.name.clone(), Some("text/markdown"))
        );
        assert_eq!(bucket.get(&object, 3).await, Err(BucketError::TooLarge { limit: 3 }));
        let untold = Object { size: 0, ..object };
        assert_eq!(bucket.get(&untold, 3).await, Err(BucketError::TooLarge { limit: 3 }));
    }
    assert_eq!(bucket.uri("docs/a.md"), "s3://b/docs/a.md");
}

#[tokio::test]
async fn a_refusal_says_which_variables_to_set() {
    let (endpoint, _) = service().await;
    let anonymous = opened("b", "", &[("AWS_ENDPOINT_URL", &endpoint)]).expect("a bucket");
    let told = anonymous.list().await.expect_err("closed").to_string();
    assert!(told.contains("set `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`"), "{told}");
    let told = bucket(&endpoint, "wrong-key", "").list().await.expect_err("closed").to_string();
    assert!(told.contains("check `AWS_ACCESS_KEY_ID`") && told.contains("SignatureDoesNotMatch"), "{told}");
    let told = bucket(&endpoint, "closed", "").list().await.expect_err("closed").to_string();
    assert!(told.contains("list and get"), "{told}");
}

#[tokio::test]
async fn other_refusals_are_told_apart() {
    let (endpoint, _) = service().await;
    let refusal = async |name| bucket(&endpoint, name, "").list().await.expect_err(name);
    assert!(matches!(refusal("gone").await, BucketError::NotFound { .. }));
    let elsewhere = refusal("elsewhere").await.to_string();
    assert!(elsewhere.contains("`eu-west-3`") && elsewhere.contains("AWS_REGION"), "{elsewhere}");
    assert_eq!(refusal("busy").await, BucketError::Service { status: 503, code: "SlowDown".into() });
    assert_eq!(refusal("page").await, BucketError::NotS3(endpoint.clone()));
    let gone = Object { name: "x".into(), key: "x".into(), etag: None, size: 1 };
    assert!(matches!(bucket(&endpoint, "b", "").get(&gone, 10).await, Err(BucketError::NotFound { .. })));
}

#[tokio::test]
async fn a_public_bucket_is_read_without_credentials() {
    let (endpoint, asked) = service().await;
    let open = opened("open", "readme.md", &[("AWS_ENDPOINT_URL", &endpoint)]).expect("a bucket");
    assert_eq!(keys(&open).await, ["readme.md"]);
    assert!(!asked.lock().expect("unpoisoned")[0].contains_key("X-Amz-Signature"));
}

#[test]
fn a_wrong_variable_is_named() {
    let told = |variables: &[(&str, &str)]| opened("b", "", variables).expect_err("wrong").to_string();
    for endpoint in ["s3.example.com", "file:///x", "http://user:word@s3.example.com", "http://"] {
        let told = told(&[("AWS_ENDPOINT_URL_S3", endpoint)]);
        assert!(told.contains("AWS_ENDPOINT_URL_S3") && !told.contains("word"), "{told}");
    }
    assert!(told(&[("AWS_ACCESS_KEY_ID", "AKID")]).contains("`AWS_SECRET_ACCESS_KEY`"));
    assert!(opened("b", "", &[("AWS_ACCESS_KEY_ID", " "), ("AWS_REGION", "")]).is_ok(), "empty means unset");
}

#[tokio::test]
async fn nothing_that_is_printed_holds_a_secret() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let bucket = bucket(&endpoint, "b", "docs/");
    let error = bucket.list().await.expect_err("nobody there");
    assert_eq!(error, BucketError::Unreachable(endpoint));
    for told in [format!("{bucket:?}"), format!("{error:?} {error}")] {
        assert!(!["secret", "AKID", "Signature"].iter().any(|part| told.contains(part)), "{told}");
    }
}
