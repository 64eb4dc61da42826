//! Signed tokens in compact form (RFC 7515), read strictly: one spelling of
//! each, JSON objects without a name twice, and no field of the token chooses
//! how it is checked. Imports nothing of this crate.

mod object;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde_json::{Map, Value};

pub(super) use object::read as object;

/// Bytes of a token, at most.
const MAX_BYTES: usize = 8 * 1024;

/// Seconds by which clocks may differ.
pub(super) const LEEWAY: u64 = 5;

/// The end of the year 9999, in Unix seconds. What lies later is no time.
const MAX_TIME: u64 = 253_402_300_799;

/// A token that is not accepted. What it prints tells its bearer nothing; the
/// reason is for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the token is not valid; sign in again")]
pub struct TokenError(pub Reason);

/// Why a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// More bytes than any of ours has.
    TooLong,
    /// Not three parts.
    Shape,
    /// A part is not base64url, or not in its one spelling.
    Encoding,
    /// Not an object of JSON.
    Json,
    /// An object with a name twice.
    Duplicate,
    /// A header with a field that is missing, of another type or not allowed.
    Header,
    /// Another type of token.
    Type,
    /// Another algorithm than that of the key.
    Algorithm,
    /// A key that is not known, or no longer.
    Key,
    /// The keys of the issuer could not be had.
    NoKeys,
    /// Signed by somebody else, or changed.
    Signature,
    /// A claim that is missing, of another type or not allowed.
    Claims,
    /// Somebody else's token.
    Issuer,
    /// A token for somebody else.
    Audience,
    /// A token for another use.
    Use,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYet,
    /// It lasts longer than any of ours.
    Lifetime,
}

impl From<Reason> for TokenError {
    fn from(reason: Reason) -> Self {
        Self(reason)
    }
}

/// A token in its parts. Its claims are read once its signature is checked.
pub(super) struct Compact<'a> {
    /// The header. It is what the token says of itself, and proves nothing.
    pub(super) header: Map<String, Value>,
    message: &'a str,
    payload: &'a str,
    signature: &'a str,
}

impl<'a> Compact<'a> {
    pub(super) fn parse(token: &'a str) -> Result<Self, Reason> {
        if token.len() > MAX_BYTES {
            return Err(Reason::TooLong);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(Reason::Shape)?;
        let (header, payload) = message.split_once('.').ok_or(Reason::Shape)?;
        let parts = [header, payload, signature];
        if parts.iter().any(|part| part.is_empty() || part.contains('.')) {
            return Err(Reason::Shape);
        }
        for part in parts {
            decode(part)?;
        }
        Ok(Self { header: object(&decode(header)?)?, message, payload, signature })
    }

    /// The claims, when `key` signed them by `algorithm`.
    pub(super) fn claims(&self, key: &DecodingKey, algorithm: Algorithm) -> Result<Map<String, Value>, Reason> {
        let signed = crypto::verify(self.signature, self.message.as_bytes(), key, algorithm);
        if signed.unwrap_or(false) { self.unproven_claims() } else { Err(Reason::Signature) }
    }

    /// What the token says, whoever made it.
    pub(super) fn unproven_claims(&self) -> Result<Map<String, Value>, Reason> {
        object(&decode(self.payload)?)
    }
}

/// Refuses padding, the other alphabet, white space, and bits that nobody reads.
fn decode(part: &str) -> Result<Vec<u8>, Reason> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Reason::Encoding)
}

/// The times of a token, in Unix seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) issued: u64,
    pub(super) not_before: u64,
    pub(super) expires: u64,
}

impl Times {
    /// Whether the token is good at `now`.
    pub(super) fn check(self, now: DateTime<Utc>) -> Result<(), Reason> {
        let now = u64::try_from(now.timestamp()).map_err(|_| Reason::NotYet)?;
        let Self { issued, not_before, expires } = self;
        if expires > MAX_TIME || issued > expires || not_before > expires {
            Err(Reason::Claims)
        } else if now >= expires + LEEWAY {
            Err(Reason::Expired)
        } else if issued.max(not_before) > now + LEEWAY {
            Err(Reason::NotYet)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod vectors;
