//! Uploads of web pages: the service fetches them itself, from where callers
//! may send it.

use footnote_ingest::source::fetch::{FetchError, Outcome};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::super::error::ApiError;
use super::{About, How, Taken, Upload, check_key, check_priority};

/// A web page to keep as a document.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct WebPage {
    /// Where it is: `http` or `https`, on the public internet or where the
    /// operator allows it.
    url: String,
    /// What makes a second upload a change; the URL if left out.
    key: Option<String>,
    /// Shown to readers; the page's own if left out.
    title: Option<String>,
    /// For filters: an object of scalars or lists of scalars. Left out, a document
    /// keeps what it has.
    #[schema(value_type = Option<Object>)]
    meta: Option<Map<String, Value>>,
    /// Do the work again even if nothing changed.
    #[serde(default)]
    force: bool,
    /// Read before others of its collection that wait, the higher the sooner: -100 to
    /// 100.
    #[serde(default)]
    #[schema(minimum = -100, maximum = 100)]
    priority: i16,
}

impl Upload {
    pub(super) async fn page(&self, page: WebPage) -> Result<Taken, ApiError> {
        let key = page.key.unwrap_or_else(|| page.url.clone());
        // Nothing is fetched for a document that cannot be kept.
        check_key(&key)?;
        check_priority(page.priority)?;
        self.app.corpus.count_fetch(self.scope).await?;
        let fetched = match self.app.fetcher.get(&page.url, None).await {
            Ok(Outcome::Fetched(fetched)) => fetched,
            // Nothing was known that could still be the same.
            Ok(Outcome::NotModified) => return Err(refusal(&FetchError::Unreachable)),
            Err(error) => return Err(refusal(&error)),
        };
        let about = About {
            key: Some(key),
            title: page.title,
            version: fetched.validators.version(),
            uri: Some(fetched.final_url),
            meta: page.meta,
        };
        let how = How { force: page.force, priority: page.priority };
        self.take(about, fetched.media_type.as_deref(), &fetched.bytes, how).await
    }
}

/// What the caller is told. What lies inside the operator's network looks like
/// what does not exist.
fn refusal(error: &FetchError) -> ApiError {
    match error {
        FetchError::Refused
        | FetchError::Unreachable
        | FetchError::Timeout(_)
        | FetchError::Redirects(_)
        | FetchError::BadRedirect => {
            let message = "the page cannot be fetched; check that the URL is on the public internet and answers";
            ApiError::unprocessable("url", message)
        }
        FetchError::TooLarge { .. } => {
            ApiError::too_large("url", "the page is larger than a file may be; raise FOOTNOTE_MAX_FILE_BYTES")
        }
        FetchError::Setup(_) => ApiError::internal(),
        told => ApiError::unprocessable("url", told.to_string()),
    }
}
