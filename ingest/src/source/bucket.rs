//! Buckets of S3 and of services that speak its protocol: listing
//! (`ListObjectsV2`) and getting. Requests are signed by `rusty_s3` (AWS
//! Signature Version 4, in the query). Imports nothing of this crate.

use std::fmt;
use std::time::Duration;

use reqwest::{Client, Response, Url, redirect};
use rusty_s3::{Bucket as Signer, Credentials, S3Action, UrlStyle};

mod listing;

#[cfg(test)]
mod tests;

/// How long a signed request is good for.
const SIGNED_FOR: Duration = Duration::from_mins(5);
/// How long a request may take to be answered, and its body to go on.
const PATIENCE: Duration = Duration::from_secs(30);
/// The largest listing of one page, and the largest error, in bytes.
const MAX_XML: u64 = 16 * 1024 * 1024;
/// The most objects that are listed.
pub const MAX_OBJECTS: usize = 1_000_000;
/// Where the credentials are looked for.
const VARIABLES: &str =
    "`AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` (and `AWS_SESSION_TOKEN` if they are temporary)";

/// An object of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its whole key in the bucket.
    pub name: String,
    /// Its key below the prefix that was named.
    pub key: String,
    /// Its `ETag` without quotes: another one, other bytes.
    pub etag: Option<String>,
    /// Its size in bytes.
    pub size: u64,
}

/// Why a bucket cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BucketError {
    /// The address or a variable is wrong.
    #[error("{0}")]
    Setup(String),
    /// The service knows the credentials, or their absence, and says no.
    #[error("the bucket `{bucket}` may not be read ({code}); {hint}")]
    Forbidden {
        /// The bucket.
        bucket: String,
        /// The service's code, such as `AccessDenied`.
        code: String,
        /// What to do.
        hint: String,
    },
    /// No such bucket, or no such object.
    #[error("`{what}` is not there ({code}); check the name and the endpoint")]
    NotFound {
        /// The bucket or the object.
        what: String,
        /// The service's code, such as `NoSuchBucket`.
        code: String,
    },
    /// The bucket lives elsewhere.
    #[error("the bucket `{bucket}` is in another region{}; set `AWS_REGION`", .region.as_ref().map(|r| format!(", `{r}`")).unwrap_or_default())]
    Region {
        /// The bucket.
        bucket: String,
        /// Where it is, if the service says so.
        region: Option<String>,
    },
    /// Another answer than success.
    #[error("the service answers with status {status} ({code}); try again later")]
    Service {
        /// The status.
        status: u16,
        /// The service's code.
        code: String,
    },
    /// No answer.
    #[error("the endpoint `{0}` cannot be reached; check `AWS_ENDPOINT_URL_S3` and the network")]
    Unreachable(String),
    /// An answer that is no listing.
    #[error("the endpoint `{0}` does not answer like S3; check `AWS_ENDPOINT_URL_S3`")]
    NotS3(String),
    /// Too large.
    #[error("larger than {limit} bytes; split it, or raise FOOTNOTE_MAX_FILE_BYTES")]
    TooLarge {
        /// The most that is taken.
        limit: u64,
    },
    /// Too many objects.
    #[error("more than {MAX_OBJECTS} objects; name a prefix")]
    TooMany,
}

/// A bucket and a prefix in it.
pub struct Bucket {
    client: Client,
    signer: Signer,
    credentials: Option<Credentials>,
    prefix: String,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket").field("uri", &self.uri(&self.prefix)).finish_non_exhaustive()
    }
}

impl Bucket {
    /// A bucket as the environment describes it: `AWS_ENDPOINT_URL_S3` or
    /// `AWS_ENDPOINT_URL`, `AWS_REGION` or `AWS_DEFAULT_REGION`, and the
    /// credentials. Without credentials requests go unsigned, which public
    /// buckets answer. `variable` reads the environment.
    ///
    /// # Errors
    /// [`BucketError::Setup`] names the variable that is wrong.
    pub fn open(name: &str, prefix: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Self, BucketError> {
        let setup = |problem: String| BucketError::Setup(problem);
        let set = |name: &str| variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let region = set("AWS_REGION").or_else(|| set("AWS_DEFAULT_REGION")).unwrap_or_else(|| "us-east-1".to_owned());
        let custom = set("AWS_ENDPOINT_URL_S3").or_else(|| set("AWS_ENDPOINT_URL"));
        let is_custom = custom.is_some();
        let endpoint = custom.unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com"));
        let endpoint: Url = endpoint.parse().ok().filter(is_web).ok_or_else(|| {
            setup(
                "`AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL` is no URL; give one like `https://s3.example.com`"
                    .to_owned(),
            )
        })?;
        // A dot in a bucket's name fits no certificate; services of one's own
        // seldom answer to names of buckets.
        let style = if is_custom || name.contains('.') { UrlStyle::Path } else { UrlStyle::VirtualHost };
        let signer = Signer::new(endpoint, style, name.to_owned(), region)
            .map_err(|error| setup(format!("the bucket `{name}` cannot be addressed ({error})")))?;
        let credentials = match (set("AWS_ACCESS_KEY_ID"), set("AWS_SECRET_ACCESS_KEY")) {
            (Some(key), Some(secret)) => Some(match set("AWS_SESSION_TOKEN") {
                Some(token) => Credentials::new_with_token(key, secret, token),
                None => Credentials::new(key, secret),
            }),
            (None, None) => None,
            _ => return Err(setup(format!("only one of two is set; set both {VARIABLES}"))),
        };
        let client = Client::builder()
            // A signature is good for one address only.
            .redirect(redirect::Policy::none())
            .connect_timeout(PATIENCE)
            .read_timeout(PATIENCE)
            .build()
            .map_err(|error| setup(format!("the web client cannot be set up: {}", error.without_url())))?;
        Ok(Self { client, signer, credentials, prefix: prefix.to_owned() })
    }

    /// All objects below the prefix, in the order of their keys. A prefix without
    /// a slash at its end names one object, or the folder of that name.
    ///
    /// # Errors
    /// [`BucketError`] says what to do.
    pub async fn list(&self) -> Result<Vec<Object>, BucketError> {
        let mut objects = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let mut action = self.signer.list_objects_v2(self.credentials.as_ref());
            if !self.prefix.is_empty() {
                action.with_prefix(self.prefix.as_str());
            }
            if let Some(token) = token.take() {
                action.with_continuation_token(token);
            }
            let reply = self.send(action.sign(SIGNED_FOR), self.signer.name()).await?;
            let text = String::from_utf8(self.body(reply, MAX_XML).await?).map_err(|_| self.no_s3())?;
            let page = listing::parse(&text).ok_or_else(|| self.no_s3())?;
            objects.extend(page.found.into_iter().filter_map(|found| {
                let key = self.below(&found.name)?.to_owned();
                Some(Object { key, etag: found.etag, size: found.size, name: found.name })
            }));
            if objects.len() > MAX_OBJECTS {
                return Err(BucketError::TooMany);
            }
            token = page.next;
            if token.is_none() {
                return Ok(objects);
            }
        }
    }

    /// An object's bytes and its `Content-Type`.
    ///
    /// # Errors
    /// [`BucketError`] says what to do.
    pub async fn get(&self, object: &Object, max_bytes: u64) -> Result<(Vec<u8>, Option<String>), BucketError> {
        if object.size > max_bytes {
            return Err(BucketError::TooLarge { limit: max_bytes });
        }
        let action = self.signer.get_object(self.credentials.as_ref(), &object.name);
        let reply = self.send(action.sign(SIGNED_FOR), &object.name).await?;
        let kind = reply.headers().get("content-type").and_then(|kind| kind.to_str().ok()).map(str::to_owned);
        Ok((self.body(reply, max_bytes).await?, kind))
    }

    /// Where an object is, for people: `s3://bucket/name`.
    #[must_use]
    pub fn uri(&self, name: &str) -> String {
        format!("s3://{}/{name}", self.signer.name())
    }

    /// A name below the prefix; `None` for what only begins alike, and for the
    /// empty objects that stand for folders.
    fn below<'a>(&self, name: &'a str) -> Option<&'a str> {
        let rest = name.strip_prefix(self.prefix.as_str())?;
        let is_folder = self.prefix.is_empty() || self.prefix.ends_with('/');
        let key = match rest {
            "" => name.rsplit('/').next().unwrap_or_default(),
            rest if is_folder => rest,
            rest => rest.strip_prefix('/')?,
        };
        (!key.is_empty() && !key.ends_with('/')).then_some(key)
    }

    async fn send(&self, url: Url, what: &str) -> Result<Response, BucketError> {
        let reply = self.client.get(url).send().await.map_err(|_| self.unreachable())?;
        let status = reply.status().as_u16();
        if reply.status().is_success() {
            return Ok(reply);
        }
        let region = reply.headers().get("x-amz-bucket-region").and_then(|region| region.to_str().ok());
        let region = region.map(|region| region.chars().take(40).collect());
        let text = self.body(reply, MAX_XML).await.unwrap_or_default();
        let code = code(&String::from_utf8_lossy(&text)).unwrap_or_else(|| "no code".to_owned());
        let bucket = self.signer.name().to_owned();
        Err(match (status, code.as_str()) {
            (301 | 307, _) | (400, "AuthorizationHeaderMalformed" | "PermanentRedirect") => {
                BucketError::Region { bucket, region }
            }
            (401 | 403, _) | (400, "ExpiredToken" | "InvalidToken") => {
                BucketError::Forbidden { bucket, hint: self.hint(&code), code }
            }
            (404, _) => BucketError::NotFound { what: what.to_owned(), code },
            _ => BucketError::Service { status, code },
        })
    }

    /// What to do about a refusal.
    fn hint(&self, code: &str) -> String {
        match (code, &self.credentials) {
            (_, None) => format!("set {VARIABLES}"),
            ("RequestTimeTooSkewed", _) => "set this machine's clock".to_owned(),
            ("ExpiredToken" | "InvalidToken", _) => "renew `AWS_SESSION_TOKEN` and the keys it goes with".to_owned(),
            ("InvalidAccessKeyId" | "SignatureDoesNotMatch", _) => format!("check {VARIABLES}"),
            _ => format!("let its key list and get objects, or set another: {VARIABLES}"),
        }
    }

    async fn body(&self, mut reply: Response, limit: u64) -> Result<Vec<u8>, BucketError> {
        let mut bytes = Vec::new();
        while let Some(part) = reply.chunk().await.map_err(|_| self.unreachable())? {
            if (bytes.len() as u64).saturating_add(part.len() as u64) > limit {
                return Err(BucketError::TooLarge { limit });
            }
            bytes.extend_from_slice(&part);
        }
        Ok(bytes)
    }

    fn endpoint(&self) -> String {
        self.signer.base_url().origin().ascii_serialization()
    }

    fn unreachable(&self) -> BucketError {
        BucketError::Unreachable(self.endpoint())
    }

    fn no_s3(&self) -> BucketError {
        BucketError::NotS3(self.endpoint())
    }
}

fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.has_host() && url.username().is_empty() && url.password().is_none()
}

/// The code in an error of S3: `<Error><Code>AccessDenied</Code>...`.
fn code(xml: &str) -> Option<String> {
    let after = xml.split_once("<Code>")?.1;
    let code: String = after.split_once("</Code>")?.0.chars().filter(char::is_ascii_alphanumeric).take(60).collect();
    (!code.is_empty()).then_some(code)
}
