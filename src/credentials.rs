//! Credentials: the only place where a [`Scope`] is made for a caller.
//!
//! Owns what proves who somebody is: passwords, access and refresh tokens, keys
//! of programs, tokens of outside identity providers, and the secret by which
//! commands of this machine are known. Imports storage; names no HTTP.

pub mod api_key;
mod compact;
pub mod jwks;
pub mod keyring;
pub mod opaque;
mod outside;
pub mod password;
mod passwords;
mod principal;
mod refresh;
mod refusals;
pub mod secret_file;
pub mod token;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use footnote_ingest::rights::as_system;
use footnote_ingest::scope::Scope;
use quick_cache::sync::Cache;
use secrecy::SecretString;
use uuid::Uuid;

pub use passwords::{Passwords, random_password};
pub use principal::{Credential, Principal, Right};
pub use refresh::Refresh;

use crate::app::App;
use crate::config::Settings;
use crate::error::{Error, Result};
use crate::ids::{ApiKeyId, SessionId, UserId};
use crate::storage::users::User;
use crate::storage::{api_keys, sessions, users};
use api_key::{ApiKey, KeyScopes};
use keyring::Keyring;
use opaque::{Opaque, SecretHash};
use outside::Outsiders;
use refusals::Refusals;
use token::{AccessTokens, Reason, TokenError};

/// For how long it is believed what the database said of a credential.
const BELIEVED: Duration = Duration::from_secs(2);
/// Credentials that are remembered.
const REMEMBERED: usize = 10_000;
/// What access tokens are for.
const AUDIENCE: &str = "footnote";
/// The keys are read again for the sake of an unknown one this often, at most.
const REREAD: Duration = Duration::from_secs(5);
/// A key signs for this long; then a new one takes its place.
const KEY_AGE: chrono::TimeDelta = chrono::TimeDelta::days(90);

/// What a refused caller is told, whatever was wrong.
const REFUSED: Error = Error::Unauthorized("the credential is not good, or has ended; sign in again");

/// Checks credentials and makes them.
#[derive(Debug)]
pub struct Credentials {
    /// Passwords.
    pub passwords: Passwords,
    keyring: RwLock<Keyring>,
    keyring_file: PathBuf,
    /// When the keys were read again for a token of a key that is not known.
    reread_at: Mutex<Option<Instant>>,
    tokens: AccessTokens,
    outsiders: Outsiders,
    /// Shown by the commands of this machine.
    local: Opaque,
    /// Whom they act as.
    operator: UserId,
    known: Cache<Uuid, Known>,
    refusals: Refusals,
}

/// What the database said of a session or a key.
#[derive(Debug, Clone)]
struct Known {
    at: Instant,
    /// None: it is not good.
    as_of_then: Option<Arc<Standing>>,
}

/// A session or a key that is good.
#[derive(Debug)]
struct Standing {
    user: Arc<User>,
    key: Option<(SecretHash, KeyScopes)>,
    /// Whether its use was noted since it was looked up.
    noted: AtomicBool,
}

impl Standing {
    fn of(user: User, key: Option<(SecretHash, KeyScopes)>) -> Self {
        Self { user: Arc::new(user), key, noted: AtomicBool::new(false) }
    }
}

impl Credentials {
    /// Reads the signing keys, or makes them. Commands act as `operator`.
    ///
    /// # Errors
    /// When the keys' file can be read by others, or not at all.
    pub fn open(settings: &Settings, passwords: Passwords, operator: UserId) -> Result<Self> {
        let path = settings.keyring_path();
        let now = now();
        let keyring = Keyring::load_young(&path, now, KEY_AGE, token::MAX_LIFETIME).map_err(|e| unusable(&e))?;
        let lifetime = Duration::from_secs(60 * settings.access_minutes);
        Ok(Self {
            passwords,
            keyring: RwLock::new(keyring),
            keyring_file: path,
            reread_at: Mutex::new(None),
            tokens: AccessTokens { issuer: AUDIENCE.into(), audience: AUDIENCE.into(), lifetime },
            outsiders: Outsiders::new(settings)?,
            local: Opaque::generate().map_err(anyhow::Error::from)?,
            operator,
            known: Cache::new(REMEMBERED),
            refusals: Refusals::default(),
        })
    }

    /// The secret by which this start of the service knows the commands of this
    /// machine. It is written where only the service's own user reads.
    #[must_use]
    pub fn local(&self) -> SecretString {
        self.local.expose().into()
    }

    /// The scope in which the commands of this machine work.
    #[must_use]
    pub fn operator(&self) -> Scope {
        verified(self.operator)
    }

    /// An access token of a sign-in.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn access(&self, user: &User, session: SessionId) -> Result<SecretString> {
        let keyring = self.keyring.read().unwrap_or_else(PoisonError::into_inner);
        let (token, _) = self.tokens.issue(&keyring, user.id, session.0, now()).map_err(anyhow::Error::from)?;
        Ok(token)
    }

    /// Seconds for which an access token is good.
    #[must_use]
    pub fn access_seconds(&self) -> u64 {
        self.tokens.lifetime.min(token::MAX_LIFETIME).as_secs()
    }

    /// As [`Credentials::authenticate`], for a caller at an address. Where many
    /// keys were shown that are none, the database is asked about no other for a
    /// while, but for those that were good before.
    ///
    /// # Errors
    /// As [`Credentials::authenticate`]; [`Error::TooOften`].
    pub async fn authenticate_from(&self, app: &App, shown: &str, address: IpAddr) -> Result<Principal> {
        // Other tokens prove themselves before anybody is asked.
        if !ApiKey::is_meant(shown) || address.is_unspecified() {
            return self.authenticate(app, shown).await;
        }
        if !self.was_good(shown) {
            self.refusals.check(address)?;
        }
        let outcome = self.authenticate(app, shown).await;
        if matches!(outcome, Err(Error::Unauthorized(_))) {
            self.refusals.note(address);
        }
        outcome
    }

    /// Whether a key was good when it was last looked at.
    fn was_good(&self, shown: &str) -> bool {
        let Some(shown) = ApiKey::parse(shown) else { return false };
        let known = self.known.get(&shown.id()).and_then(|known| known.as_of_then);
        known.is_some_and(|standing| standing.key.as_ref().is_some_and(|(hash, _)| shown.matches(hash)))
    }

    /// Who stands behind the token of an `Authorization: Bearer`.
    ///
    /// # Errors
    /// [`Error::Unauthorized`], which tells nothing of why.
    pub async fn authenticate(&self, app: &App, shown: &str) -> Result<Principal> {
        if ApiKey::is_meant(shown) {
            return self.by_key(app, shown).await;
        }
        if Opaque::parse(shown).is_some_and(|shown| shown.hash().matches(&self.local.hash())) {
            let user = as_system(users::find(&app.db, self.operator)).await?.ok_or(REFUSED)?;
            return Ok(principal(Arc::new(user), Credential::Local));
        }
        if token::unproven_issuer(shown).is_some_and(|issuer| self.outsiders.knows(&issuer)) {
            let (user, until) = self.outsiders.verify(app, shown, now()).await?;
            return Ok(principal(user, Credential::Outside(until)));
        }
        let mut claims = self.claims(shown);
        // Another process may have replaced the keys.
        if matches!(claims, Err(TokenError(Reason::Key))) && self.reread().await {
            claims = self.claims(shown);
        }
        let claims = claims.map_err(|error| {
            tracing::debug!(reason = ?error.0, "an access token was refused");
            REFUSED
        })?;
        let session = SessionId(claims.session);
        let standing = self.session(app, session).await?.filter(|standing| standing.user.id == claims.user);
        Ok(principal(Arc::clone(&standing.ok_or(REFUSED)?.user), Credential::Session(session)))
    }

    fn claims(&self, shown: &str) -> Result<token::Claims, TokenError> {
        let keyring = self.keyring.read().unwrap_or_else(PoisonError::into_inner);
        self.tokens.verify(&keyring, shown, now())
    }

    /// Reads the keys again, unless they were a moment ago. Whether it did.
    async fn reread(&self) -> bool {
        {
            let mut last = self.reread_at.lock().unwrap_or_else(PoisonError::into_inner);
            if last.is_some_and(|last| last.elapsed() < REREAD) {
                return false;
            }
            *last = Some(Instant::now());
        }
        let path = self.keyring_file.clone();
        match tokio::task::spawn_blocking(move || Keyring::load(&path)).await {
            Ok(Ok(Some(keyring))) => {
                self.sign_with(keyring);
                true
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "the signing keys cannot be read again");
                false
            }
            Ok(Ok(None)) | Err(_) => false,
        }
    }

    /// Replaces the key that signs once it has long enough, and takes on what other
    /// processes did.
    ///
    /// # Errors
    /// When the keys' file cannot be read or written.
    pub async fn turn_keys(&self) -> Result<()> {
        let path = self.keyring_file.clone();
        let young = move || Keyring::load_young(&path, now(), KEY_AGE, token::MAX_LIFETIME);
        let young = tokio::task::spawn_blocking(young).await.map_err(anyhow::Error::from)?;
        self.sign_with(young.map_err(|error| unusable(&error))?);
        Ok(())
    }

    fn sign_with(&self, keyring: Keyring) {
        *self.keyring.write().unwrap_or_else(PoisonError::into_inner) = keyring;
    }

    async fn by_key(&self, app: &App, shown: &str) -> Result<Principal> {
        let shown = ApiKey::parse(shown).ok_or(REFUSED)?;
        let id = ApiKeyId(shown.id());
        let standing = self.key(app, id).await?.ok_or(REFUSED)?;
        let Some((hash, scopes)) = &standing.key else { return Err(REFUSED) };
        if !shown.matches(hash) {
            return Err(REFUSED);
        }
        if !standing.noted.swap(true, Ordering::Relaxed) {
            as_system(api_keys::used(&app.db, id)).await?;
        }
        Ok(principal(Arc::clone(&standing.user), Credential::Key(id, scopes.clone())))
    }

    /// The caller as it is by now; none once its credential has ended.
    pub async fn present(&self, app: &App, principal: &Principal) -> Option<Principal> {
        let user = match &principal.credential {
            Credential::Local => return Some(principal.clone()),
            Credential::Session(session) => self.session(app, *session).await.map(user_of),
            Credential::Key(key, _) => self.key(app, *key).await.map(user_of),
            Credential::Outside(until) if *until <= u64::try_from(now().timestamp()).unwrap_or_default() => Ok(None),
            Credential::Outside(_) => {
                let found = as_system(users::find(&app.db, principal.user.id)).await;
                found.map(|user| user.filter(|user| !user.disabled).map(Arc::new)).map_err(Into::into)
            }
        };
        match user {
            Ok(user) => user.map(|user| Principal { user, ..principal.clone() }),
            // A database that does not answer ends nothing.
            Err(_) => Some(principal.clone()),
        }
    }

    /// Whether a credential that was good a while ago still is.
    pub async fn is_still_good(&self, app: &App, principal: &Principal) -> bool {
        self.present(app, principal).await.is_some()
    }

    /// Asks the database again for everybody: somebody's rights have changed.
    /// Other processes follow within seconds.
    pub fn forget(&self) {
        self.known.clear();
    }

    async fn session(&self, app: &App, session: SessionId) -> Result<Option<Arc<Standing>>> {
        self.standing(session.0, async {
            let user = as_system(sessions::user(&app.db, session)).await?;
            Ok(user.map(|user| Standing::of(user, None)))
        })
        .await
    }

    async fn key(&self, app: &App, key: ApiKeyId) -> Result<Option<Arc<Standing>>> {
        self.standing(key.0, async {
            let Some(found) = as_system(api_keys::known(&app.db, key)).await? else { return Ok(None) };
            let parts = SecretHash::stored(&found.sha256).zip(KeyScopes::parse(&found.scopes).ok());
            Ok(parts.map(|key| Standing::of(found.user, Some(key))))
        })
        .await
    }

    async fn standing(
        &self,
        id: Uuid,
        ask: impl Future<Output = Result<Option<Standing>>>,
    ) -> Result<Option<Arc<Standing>>> {
        if let Some(known) = self.known.get(&id)
            && known.at.elapsed() < BELIEVED
        {
            return Ok(known.as_of_then);
        }
        let at = Instant::now();
        let standing = ask.await?.map(Arc::new);
        // What is not there takes nobody's place.
        match &standing {
            Some(_) => self.known.insert(id, Known { at, as_of_then: standing.clone() }),
            None => drop(self.known.remove(&id)),
        }
        Ok(standing)
    }
}

fn user_of(standing: Option<Arc<Standing>>) -> Option<Arc<User>> {
    standing.map(|standing| Arc::clone(&standing.user))
}

fn principal(user: Arc<User>, credential: Credential) -> Principal {
    Principal { scope: verified(user.id), user, credential }
}

#[expect(clippy::disallowed_methods, reason = "this is the module that makes scopes")]
fn verified(user: UserId) -> Scope {
    Scope::verified(user)
}

fn unusable(error: &keyring::KeyringError) -> Error {
    Error::Setting { setting: "keyring_file".into(), problem: error.to_string() }
}

#[expect(clippy::disallowed_methods, reason = "tokens are checked without asking the database")]
fn now() -> DateTime<Utc> {
    Utc::now()
}
