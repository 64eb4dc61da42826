//! Outside issuers: whose tokens count besides our own, and the public keys
//! that check them (RFC 7517). Imports `compact`. Fetches nothing itself.
//!
//! A key is bound to one algorithm when it is read, from what the key and the
//! operator say; a token's header may only agree with it.

mod cache;
mod keys;

use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, AlgorithmFamily};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::compact::{Compact, Reason, Times, TokenError};

pub use cache::{Fetch, FetchError, IssuerKeys};
pub use keys::{KeySet, KeySetError, Unusable};

/// Entries of an audience's list, at most.
const MAX_AUDIENCES: usize = 16;

/// Characters of a subject, at most (`OpenID` Connect Core, section 2).
const MAX_SUBJECT: usize = 255;

/// Fields that would let a token bring its own key or change how it is read.
const FORBIDDEN: [&str; 9] = ["jku", "jwk", "x5u", "x5c", "crit", "b64", "zip", "enc", "cty"];

/// An issuer whose tokens count.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// As its tokens say, to the letter.
    pub issuer: String,
    /// What its tokens must be for.
    pub audience: String,
    /// Where its keys are.
    pub jwks_url: String,
    /// Algorithms that count. A key that names none is used with the first one
    /// that fits it.
    #[serde(default = "default_algorithms")]
    pub algorithms: Vec<Algorithm>,
    /// The claim that names the user to others.
    #[serde(default = "default_name_claim")]
    pub name_claim: String,
}

fn default_algorithms() -> Vec<Algorithm> {
    vec![Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA]
}

fn default_name_claim() -> String {
    "name".to_owned()
}

/// A setting of an issuer that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IssuerError {
    /// Nothing would be checked.
    #[error("`issuer`, `audience`, `jwks_url` and `name_claim` may not be empty")]
    Empty,
    /// Whoever is between could give us keys.
    #[error("`jwks_url` must begin with `https://`, or be on this machine")]
    Url,
    /// A secret that both know cannot be published.
    #[error(
        "`algorithms` needs at least one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA, and no other"
    )]
    Algorithms,
}

/// What a good token of an outside issuer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outside {
    /// Its issuer.
    pub issuer: String,
    /// Whose it is, at that issuer: the two together are the account.
    pub subject: String,
    /// How to call the user.
    pub name: Option<String>,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
}

impl Issuer {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`IssuerError`].
    pub fn check(&self) -> Result<(), IssuerError> {
        if [&self.issuer, &self.audience, &self.jwks_url, &self.name_claim].iter().any(|text| text.is_empty()) {
            return Err(IssuerError::Empty);
        }
        if !is_private(&self.jwks_url) {
            return Err(IssuerError::Url);
        }
        let symmetric = self.algorithms.iter().any(|algorithm| algorithm.family() == AlgorithmFamily::Hmac);
        if symmetric || self.algorithms.is_empty() { Err(IssuerError::Algorithms) } else { Ok(()) }
    }

    /// What a token says, when it is this issuer's, for us, and good at `now`.
    ///
    /// # Errors
    /// [`TokenError`], which tells the bearer nothing.
    pub fn verify(&self, keys: &KeySet, token: &str, now: DateTime<Utc>) -> Result<Outside, TokenError> {
        let token = Compact::parse(token)?;
        let key = keys.get(key_id(&token.header)?).ok_or(Reason::Key)?;
        let named = token.header.get("alg").and_then(Value::as_str);
        if named != Some(keys::name(key.algorithm)) {
            return Err(Reason::Algorithm.into());
        }
        let claims = token.claims(&key.key, key.algorithm)?;
        Ok(self.read(claims, now)?)
    }

    fn read(&self, mut claims: Map<String, Value>, now: DateTime<Utc>) -> Result<Outside, Reason> {
        check_use(&claims)?;
        if claims.get("iss").and_then(Value::as_str) != Some(&self.issuer) {
            return Err(Reason::Issuer);
        }
        if !claims.get("aud").is_some_and(|audience| self.is_meant(audience)) {
            return Err(Reason::Audience);
        }
        let expires = seconds(&claims, "exp")?;
        let issued = seconds(&claims, "iat")?;
        let not_before = if claims.contains_key("nbf") { seconds(&claims, "nbf")? } else { issued };
        Times { issued, not_before, expires }.check(now)?;
        let Some(Value::String(subject)) = claims.remove("sub") else { return Err(Reason::Claims) };
        if subject.is_empty() || subject.len() > MAX_SUBJECT {
            return Err(Reason::Claims);
        }
        let name = claims.get(&self.name_claim).and_then(Value::as_str).unwrap_or_default().trim();
        let name = (!name.is_empty()).then(|| name.chars().take(MAX_SUBJECT).collect());
        let expires_at = i64::try_from(expires).ok().and_then(|expires| DateTime::from_timestamp(expires, 0));
        Ok(Outside { issuer: self.issuer.clone(), subject, name, expires_at: expires_at.ok_or(Reason::Claims)? })
    }

    /// Others may be meant too: issuers put several services in one list.
    fn is_meant(&self, audience: &Value) -> bool {
        match audience {
            Value::String(audience) => *audience == self.audience,
            Value::Array(list) => {
                let texts = list.iter().all(Value::is_string);
                texts && list.len() <= MAX_AUDIENCES && list.iter().any(|one| *one == self.audience)
            }
            _ => false,
        }
    }
}

/// The key that a header asks for, after everything else in it is checked.
fn key_id(header: &Map<String, Value>) -> Result<&str, Reason> {
    if FORBIDDEN.iter().any(|field| header.contains_key(*field)) {
        return Err(Reason::Header);
    }
    let kinds = ["jwt", "at+jwt", "application/at+jwt"];
    let is_kind = |kind: &str| kinds.iter().any(|known| known.eq_ignore_ascii_case(kind));
    match header.get("typ") {
        None => {}
        Some(Value::String(kind)) if is_kind(kind) => {}
        Some(_) => return Err(Reason::Type),
    }
    header.get("kid").and_then(Value::as_str).ok_or(Reason::Header)
}

/// Issuers say in claims of their own what a token is for; where they do, it
/// must be access.
fn check_use(claims: &Map<String, Value>) -> Result<(), Reason> {
    let says = |claim: &str, good: &[&str]| match claims.get(claim) {
        None => true,
        Some(Value::String(text)) => good.iter().any(|one| one.eq_ignore_ascii_case(text)),
        Some(_) => false,
    };
    let good = says("typ", &["bearer", "jwt", "at+jwt", "access"])
        && says("token_use", &["access"])
        && says("use", &["access"])
        // Notices of an issuer, such as that of a logout (RFC 8417).
        && !claims.contains_key("events");
    if good { Ok(()) } else { Err(Reason::Use) }
}

/// A time of a token: a whole number, and neither text nor a fraction.
fn seconds(claims: &Map<String, Value>, claim: &str) -> Result<u64, Reason> {
    claims.get(claim).and_then(Value::as_u64).ok_or(Reason::Claims)
}

/// Whether nobody between us and a server can change what it says.
fn is_private(url: &str) -> bool {
    let here = ["http://127.0.0.1", "http://[::1]", "http://localhost"];
    let is_here = |rest: &str| rest.is_empty() || rest.starts_with(':') || rest.starts_with('/');
    // Before an `@` stands a user, not a host.
    let is_private = url.starts_with("https://") || here.iter().any(|host| url.strip_prefix(host).is_some_and(is_here));
    is_private && !url.contains('@')
}

#[cfg(test)]
pub(super) mod samples;
#[cfg(test)]
mod tests;
