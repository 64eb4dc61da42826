//! The keys of an issuer over time: fetched when they are needed, again when a
//! token asks for an unknown one, and kept while the issuer is away.
//!
//! Times are those of a clock that is never set, so that a step of the wall
//! clock neither ends nor prolongs anything.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::keys::KeySet;
use super::{Issuer, IssuerError, Outside, key_id};
use crate::credentials::compact::{Compact, Reason, TokenError};

/// The least time between two fetches, however many unknown keys are asked for.
const PAUSE: Duration = Duration::from_mins(1);

/// How old keys get before they are fetched again, so that one that was taken
/// back is forgotten.
const FRESH: Duration = Duration::from_hours(1);

/// How old keys get while the issuer is away.
const KEPT: Duration = Duration::from_hours(24);

/// How long a fetch may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Gets documents. Whoever does should follow no redirects to other hosts, and
/// stop reading at some hundred KiB.
pub trait Fetch: Send + Sync {
    /// The document at a URL.
    fn fetch<'a>(&'a self, url: &'a str) -> BoxFuture<'a, Result<Vec<u8>, FetchError>>;
}

/// A document could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FetchError(pub String);

/// An issuer and its keys.
pub struct IssuerKeys {
    issuer: Issuer,
    fetch: Arc<dyn Fetch>,
    held: RwLock<Option<Held>>,
    /// When a fetch began last. Held while one is under way.
    tried: Mutex<Option<Instant>>,
}

#[derive(Clone)]
struct Held {
    keys: Arc<KeySet>,
    since: Instant,
}

impl IssuerKeys {
    /// Checks the settings and fetches nothing yet.
    ///
    /// # Errors
    /// [`IssuerError`].
    pub fn new(issuer: Issuer, fetch: Arc<dyn Fetch>) -> Result<Self, IssuerError> {
        issuer.check()?;
        Ok(Self { issuer, fetch, held: RwLock::new(None), tried: Mutex::new(None) })
    }

    /// Whose keys they are.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// What a token says, when it is this issuer's, for us, and good at `now`.
    /// Fetches keys when it has to, and waits a few seconds for them at most.
    ///
    /// # Errors
    /// [`TokenError`], which tells the bearer nothing.
    pub async fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Outside, TokenError> {
        // What can be refused without a key causes no fetch.
        let id = key_id(&Compact::parse(token)?.header)?.to_owned();
        let knows = |held: &Held| held.keys.get(&id).is_some();
        let enough = |held: &Held| knows(held) && held.since.elapsed() < FRESH;
        if !self.held().as_ref().is_some_and(enough) {
            self.refresh(enough, knows).await;
        }
        let held = self.held().ok_or(Reason::NoKeys)?;
        self.issuer.verify(&held.keys, token, now)
    }

    /// Keys that are not too old to be used.
    fn held(&self) -> Option<Held> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner).clone();
        held.filter(|held| held.since.elapsed() < KEPT)
    }

    /// Fetches the keys, unless that was done or tried a moment ago. Who comes
    /// meanwhile waits for the same fetch, or goes on with `usable` keys.
    async fn refresh(&self, enough: impl Fn(&Held) -> bool, usable: impl Fn(&Held) -> bool) {
        let mut tried = match self.tried.try_lock() {
            Ok(tried) => tried,
            Err(_) if self.held().as_ref().is_some_and(usable) => return,
            Err(_) => self.tried.lock().await,
        };
        let lately = tried.is_some_and(|tried| tried.elapsed() < PAUSE);
        if lately || self.held().as_ref().is_some_and(enough) {
            return;
        }
        *tried = Some(Instant::now());
        let fetched = tokio::time::timeout(PATIENCE, self.fetch.fetch(&self.issuer.jwks_url)).await;
        let read = match fetched {
            Ok(Ok(document)) => KeySet::parse(&document, &self.issuer).map_err(|error| error.to_string()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("it did not answer in time".to_owned()),
        };
        match read {
            Ok(keys) => self.hold(keys),
            Err(error) => {
                tracing::warn!(issuer = self.issuer.issuer, error, "the keys of an issuer could not be fetched");
            }
        }
    }

    fn hold(&self, keys: KeySet) {
        for (id, why) in keys.unusable() {
            tracing::warn!(issuer = self.issuer.issuer, key = id, %why, "a key of an issuer is not used");
        }
        let held = Held { keys: Arc::new(keys), since: Instant::now() };
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = Some(held);
    }
}

impl std::fmt::Debug for IssuerKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuerKeys").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
