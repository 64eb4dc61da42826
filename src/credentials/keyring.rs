//! The keys that sign access tokens: one is active, older ones still verify
//! until their end. Imports `opaque` and `secret_file`.

use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use jsonwebtoken::{DecodingKey, EncodingKey};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use serde::{Deserialize, Serialize};

use super::opaque::{NoRandom, random};
use super::secret_file::{self, SecretFileError};

/// Bytes of a key: as many as the hash of HS256 has.
const BYTES: usize = 32;

/// Keys that may verify at the same time, the active one included.
const MAX_KEYS: usize = 16;

/// Characters of a key's id, at most.
const MAX_ID: usize = 64;

/// The version of the file's form.
const VERSION: u32 = 1;

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] SecretFileError),
    /// No random numbers.
    #[error(transparent)]
    NoRandom(#[from] NoRandom),
    /// The file holds something else.
    #[error("the signing keys cannot be read: {0}; restore their file, or remove it and everybody signs in again")]
    Damaged(&'static str),
    /// Too many keys still verify.
    #[error("the signing keys were replaced {MAX_KEYS} times lately; wait until older ones have ended")]
    TooMany,
}

/// Keys for HS256. They show nothing when printed.
#[derive(Clone)]
pub struct Keyring {
    active: Key,
    older: Vec<Key>,
}

/// One key.
#[derive(Clone)]
pub(super) struct Key {
    id: String,
    secret: SecretSlice<u8>,
    made_at: DateTime<Utc>,
    /// When it stops to verify; never, for the active one.
    ends_at: Option<DateTime<Utc>>,
    signing: EncodingKey,
    verifying: DecodingKey,
}

/// The file's form.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored<S> {
    version: u32,
    keys: Vec<StoredKey<S>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredKey<S> {
    id: String,
    secret: S,
    made_at: DateTime<Utc>,
    ends_at: Option<DateTime<Utc>>,
}

impl Keyring {
    /// One new key.
    ///
    /// # Errors
    /// [`KeyringError::NoRandom`].
    pub fn generate(now: DateTime<Utc>) -> Result<Self, KeyringError> {
        Ok(Self { active: Key::generate(now)?, older: vec![] })
    }

    /// The keys in a file, which is made when there is none. Several that
    /// start at once get the same keys.
    ///
    /// # Errors
    /// [`KeyringError`]; a damaged file is never replaced.
    pub fn load_or_create(path: &Path, now: DateTime<Utc>) -> Result<Self, KeyringError> {
        if let Some(found) = Self::load(path)? {
            return Ok(found);
        }
        let made = Self::generate(now)?;
        if secret_file::create(path, made.to_json()?.expose_secret())? {
            return Ok(made);
        }
        let bytes = secret_file::read(path)?.ok_or(KeyringError::Damaged("their file came and went"))?;
        Self::from_json(bytes.expose_secret())
    }

    /// The keys in a file, if there is one.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub fn load(path: &Path) -> Result<Option<Self>, KeyringError> {
        secret_file::read(path)?.map(|bytes| Self::from_json(bytes.expose_secret())).transpose()
    }

    /// The keys in a file, as [`Self::load_or_create`], with a new active one when
    /// it is older than `age`. Of several processes one makes it.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub fn load_young(
        path: &Path,
        now: DateTime<Utc>,
        age: chrono::TimeDelta,
        grace: Duration,
    ) -> Result<Self, KeyringError> {
        let found = Self::load_or_create(path, now)?;
        if now - found.active_since() <= age {
            return Ok(found);
        }
        // Held until this returns. Another process may have been here before.
        let _turn = secret_file::lock(&path.with_extension("lock"))?;
        let mut found = Self::load_or_create(path, now)?;
        if now - found.active_since() > age {
            found.rotate(now, grace)?;
            found.save(path)?;
        }
        Ok(found)
    }

    /// Writes the keys to a file.
    ///
    /// # Errors
    /// [`KeyringError::File`].
    pub fn save(&self, path: &Path) -> Result<(), KeyringError> {
        Ok(secret_file::replace(path, self.to_json()?.expose_secret())?)
    }

    /// Signs with a new key from now on. The one before verifies for as long
    /// as `grace`, which should be the lifetime of a token at least; those
    /// that have ended go.
    ///
    /// # Errors
    /// [`KeyringError::NoRandom`], [`KeyringError::TooMany`]; then nothing has changed.
    pub fn rotate(&mut self, now: DateTime<Utc>, grace: Duration) -> Result<(), KeyringError> {
        let lasting = |key: &&Key| key.verifies(now);
        if self.older.iter().filter(lasting).count() + 2 > MAX_KEYS {
            return Err(KeyringError::TooMany);
        }
        let mut before = std::mem::replace(&mut self.active, Key::generate(now)?);
        before.ends_at = Some(now + grace);
        self.older.retain(|key| key.verifies(now));
        self.older.push(before);
        Ok(())
    }

    /// When the active key was made.
    #[must_use]
    pub fn active_since(&self) -> DateTime<Utc> {
        self.active.made_at
    }

    /// The key that signs.
    pub(super) fn active(&self) -> &Key {
        &self.active
    }

    /// The key of an id, while it verifies.
    pub(super) fn verifying(&self, id: &str, now: DateTime<Utc>) -> Option<&Key> {
        std::iter::once(&self.active).chain(&self.older).find(|key| key.id == id && key.verifies(now))
    }

    /// Reads keys as [`Keyring::to_json`] writes them.
    ///
    /// # Errors
    /// [`KeyringError::Damaged`].
    pub fn from_json(json: &[u8]) -> Result<Self, KeyringError> {
        // What the parser says could quote a secret.
        let stored: Stored<SecretString> =
            serde_json::from_slice(json).map_err(|_| KeyringError::Damaged("they are not the JSON of signing keys"))?;
        if stored.version != VERSION {
            return Err(KeyringError::Damaged("they were written by another version"));
        }
        if stored.keys.len() > MAX_KEYS {
            return Err(KeyringError::Damaged("there are too many"));
        }
        let keys: Vec<Key> = stored.keys.into_iter().map(Key::read).collect::<Result<_, _>>()?;
        let alike = |(at, key): (usize, &Key)| keys[..at].iter().any(|before| before.id == key.id);
        if keys.iter().enumerate().any(alike) {
            return Err(KeyringError::Damaged("two have the same id"));
        }
        let (mut active, older): (Vec<Key>, Vec<Key>) = keys.into_iter().partition(|key| key.ends_at.is_none());
        match (active.pop(), active.is_empty()) {
            (Some(active), true) => Ok(Self { active, older }),
            _ => Err(KeyringError::Damaged("not exactly one is without an end")),
        }
    }

    /// The keys as JSON, secrets included.
    ///
    /// # Errors
    /// None that is known of.
    pub fn to_json(&self) -> Result<SecretSlice<u8>, KeyringError> {
        let keys = std::iter::once(&self.active).chain(&self.older).map(|key| StoredKey {
            id: key.id.clone(),
            secret: URL_SAFE_NO_PAD.encode(key.secret.expose_secret()),
            made_at: key.made_at,
            ends_at: key.ends_at,
        });
        let stored = Stored { version: VERSION, keys: keys.collect() };
        let json = serde_json::to_vec_pretty(&stored).map_err(|_| KeyringError::Damaged("they cannot be written"))?;
        Ok(json.into())
    }
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keyring")
    }
}

impl Key {
    fn generate(now: DateTime<Utc>) -> Result<Self, NoRandom> {
        let id = URL_SAFE_NO_PAD.encode(random::<12>()?);
        Ok(Self::new(id, random::<BYTES>()?.to_vec().into(), now, None))
    }

    fn new(id: String, secret: SecretSlice<u8>, made_at: DateTime<Utc>, ends_at: Option<DateTime<Utc>>) -> Self {
        let signing = EncodingKey::from_secret(secret.expose_secret());
        let verifying = DecodingKey::from_secret(secret.expose_secret());
        Self { id, secret, made_at, ends_at, signing, verifying }
    }

    fn read(stored: StoredKey<SecretString>) -> Result<Self, KeyringError> {
        let StoredKey { id, secret, made_at, ends_at } = stored;
        let is_id = (1..=MAX_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
        let secret: SecretSlice<u8> = URL_SAFE_NO_PAD
            .decode(secret.expose_secret())
            .map_err(|_| KeyringError::Damaged("a secret is not base64url"))?
            .into();
        let random = secret.expose_secret().iter().any(|byte| *byte != 0);
        if is_id && random && secret.expose_secret().len() == BYTES {
            Ok(Self::new(id, secret, made_at, ends_at))
        } else {
            Err(KeyringError::Damaged("an id or a secret is not one of ours"))
        }
    }

    fn verifies(&self, now: DateTime<Utc>) -> bool {
        self.ends_at.is_none_or(|end| now < end)
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn signing(&self) -> &EncodingKey {
        &self.signing
    }

    pub(super) fn verifying(&self) -> &DecodingKey {
        &self.verifying
    }
}

#[cfg(test)]
mod tests;
