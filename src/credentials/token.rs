//! Access tokens: what a signed-in caller shows with each request. Imports
//! `compact` and `keyring`.
//!
//! They are JSON web tokens of the profile `at+jwt` (RFC 9068), signed by the
//! service for itself. Everything that checks them is here; a claim that is
//! missing, of another type, or unknown refuses the token.

use std::time::Duration;

use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, Header, encode};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::compact::{Compact, Times};
use super::keyring::Keyring;
use crate::ids::UserId;

pub use super::compact::{Reason, TokenError};

/// The type in the header. Neither a refresh token nor an id token has it.
const TYPE: &str = "at+jwt";

/// The use among the claims.
const USE: &str = "access";

/// The one algorithm of our own keys.
const ALGORITHM: Algorithm = Algorithm::HS256;

/// How long a token may last, whatever is configured.
pub const MAX_LIFETIME: Duration = Duration::from_hours(24);

/// What a good token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// Whose it is.
    pub user: UserId,
    /// The session that it belongs to; it ends with it.
    pub session: Uuid,
    /// The token itself.
    pub id: Uuid,
    /// When it was made.
    pub issued_at: DateTime<Utc>,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
}

/// The access tokens of one service.
#[derive(Debug, Clone)]
pub struct AccessTokens {
    /// Who makes them, as their `iss` says.
    pub issuer: String,
    /// Whom they are for, as their `aud` says.
    pub audience: String,
    /// How long each lasts; [`MAX_LIFETIME`] at most.
    pub lifetime: Duration,
}

/// Could not make a token.
#[derive(Debug, thiserror::Error)]
#[error("no access token could be made: {0}")]
pub struct IssueError(#[from] jsonwebtoken::errors::Error);

/// The claims as they are written. None is left out, and there are no others.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    iss: String,
    aud: Audience,
    sub: String,
    sid: String,
    iat: u64,
    nbf: u64,
    exp: u64,
    jti: String,
    #[serde(rename = "use")]
    used_for: String,
}

/// Some libraries write a list where there is one.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Listed([String; 1]),
}

/// The header as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenHeader {
    typ: String,
    alg: String,
    kid: String,
}

impl AccessTokens {
    /// Makes a token for a session, signed by the active key.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn issue(
        &self,
        keyring: &Keyring,
        user: UserId,
        session: Uuid,
        now: DateTime<Utc>,
    ) -> Result<(SecretString, Claims), IssueError> {
        let issued = u64::try_from(now.timestamp()).unwrap_or_default();
        let expires = issued + self.lifetime.min(MAX_LIFETIME).as_secs();
        let claims = Claims { user, session, id: Uuid::new_v4(), issued_at: time(issued), expires_at: time(expires) };
        let written = Written {
            iss: self.issuer.clone(),
            aud: Audience::One(self.audience.clone()),
            sub: user.0.to_string(),
            sid: session.to_string(),
            iat: issued,
            nbf: issued,
            exp: expires,
            jti: claims.id.to_string(),
            used_for: USE.to_owned(),
        };
        let key = keyring.active();
        let header = Header { typ: Some(TYPE.to_owned()), kid: Some(key.id().to_owned()), ..Header::new(ALGORITHM) };
        let token = encode(&header, &written, key.signing())?;
        Ok((token.into(), claims))
    }

    /// What a token says, when it is one of ours and good at `now`.
    ///
    /// # Errors
    /// [`TokenError`], which tells the bearer nothing.
    pub fn verify(&self, keyring: &Keyring, token: &str, now: DateTime<Utc>) -> Result<Claims, TokenError> {
        let token = Compact::parse(token)?;
        let header: WrittenHeader =
            serde_json::from_value(Value::Object(token.header.clone())).map_err(|_| Reason::Header)?;
        if header.typ != TYPE {
            return Err(Reason::Type.into());
        }
        // The key decides; the header may only agree.
        if header.alg != "HS256" {
            return Err(Reason::Algorithm.into());
        }
        let key = keyring.verifying(&header.kid, now).ok_or(Reason::Key)?;
        let claims = token.claims(key.verifying(), ALGORITHM)?;
        let written: Written = serde_json::from_value(Value::Object(claims)).map_err(|_| Reason::Claims)?;
        Ok(self.check(written, now)?)
    }

    fn check(&self, written: Written, now: DateTime<Utc>) -> Result<Claims, Reason> {
        let Written { iss, aud, sub, sid, iat, nbf, exp, jti, used_for } = written;
        if used_for != USE {
            return Err(Reason::Use);
        }
        if iss != self.issuer {
            return Err(Reason::Issuer);
        }
        let (Audience::One(audience) | Audience::Listed([audience])) = aud;
        if audience != self.audience {
            return Err(Reason::Audience);
        }
        Times { issued: iat, not_before: nbf, expires: exp }.check(now)?;
        if exp - iat > MAX_LIFETIME.as_secs() {
            return Err(Reason::Lifetime);
        }
        Ok(Claims {
            user: UserId(id(&sub)?),
            session: id(&sid)?,
            id: id(&jti)?,
            issued_at: time(iat),
            expires_at: time(exp),
        })
    }
}

/// Who a token says that it is from. Nothing proves it: it only chooses who
/// checks the token, and that one checks the issuer again.
#[must_use]
pub fn unproven_issuer(token: &str) -> Option<String> {
    match Compact::parse(token).ok()?.unproven_claims().ok()?.remove("iss")? {
        Value::String(issuer) => Some(issuer),
        _ => None,
    }
}

/// An id in its one spelling.
fn id(text: &str) -> Result<Uuid, Reason> {
    let id: Uuid = text.parse().map_err(|_| Reason::Claims)?;
    if id.to_string() == text { Ok(id) } else { Err(Reason::Claims) }
}

/// Only times before the year 10000 come here.
fn time(seconds: u64) -> DateTime<Utc> {
    i64::try_from(seconds).ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
