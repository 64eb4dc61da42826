//! Refresh tokens as they travel: the sign-in that they belong to, and a secret.

use jsonwebtoken::crypto::sign;
use jsonwebtoken::{Algorithm, EncodingKey};
use secrecy::{ExposeSecret, SecretString};

use super::opaque::Opaque;
use crate::error::Result;
use crate::ids::SessionId;

/// A refresh token.
#[derive(Debug)]
pub struct Refresh {
    /// The sign-in that it goes on with.
    pub session: SessionId,
    secret: Opaque,
}

impl Refresh {
    /// A new one.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn of(session: SessionId) -> Result<Self> {
        Ok(Self { session, secret: Opaque::generate().map_err(anyhow::Error::from)? })
    }

    /// The one that takes its place: an HMAC-SHA256 of it, so that it is the same
    /// however often it is asked for. Neither the seed nor this one alone tells it.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn next(&self, seed: &[u8]) -> Result<Self> {
        let key = EncodingKey::from_secret(seed);
        let mac = sign(self.secret.expose().as_bytes(), &key, Algorithm::HS256).map_err(anyhow::Error::from)?;
        let secret = Opaque::parse(&mac).ok_or_else(|| anyhow::anyhow!("a hash of another length"))?;
        Ok(Self { session: self.session, secret })
    }

    /// Reads one that a caller shows; `None` when it cannot be one.
    #[must_use]
    pub fn parse(token: &SecretString) -> Option<Self> {
        let (session, secret) = token.expose_secret().split_once('.')?;
        let session: SessionId = session.parse().ok()?;
        Some(Self { session, secret: Opaque::parse(secret)? })
    }

    /// What is kept of it.
    #[must_use]
    pub fn sha256(&self) -> Vec<u8> {
        self.secret.hash().as_bytes().to_vec()
    }

    /// As it is given to its holder.
    #[must_use]
    pub fn token(&self) -> SecretString {
        format!("{}.{}", self.session, self.secret.expose()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_its_sign_in_and_is_kept_as_a_hash() {
        let token = Refresh::of(SessionId::new()).expect("a token");
        let read = Refresh::parse(&token.token()).expect("it can be read");
        assert_eq!((read.session, read.sha256()), (token.session, token.sha256()));
        assert!(!token.token().expose_secret().contains(&String::from_utf8_lossy(&token.sha256()).into_owned()));
    }

    #[test]
    fn the_next_one_is_the_same_each_time_and_no_other_s() {
        let first = Refresh::of(SessionId::new()).expect("a token");
        let other = Refresh::of(first.session).expect("a token");
        let next = |of: &Refresh, seed: &[u8]| of.next(seed).expect("a token").token().expose_secret().to_owned();
        assert_eq!(next(&first, b"seed"), next(&first, b"seed"));
        let second = first.next(b"seed").expect("a token");
        assert_eq!(Refresh::parse(&second.token()).expect("it can be read").session, first.session);
        let all = [
            first.token().expose_secret().to_owned(),
            next(&first, b"seed"),
            next(&first, b"other"),
            next(&other, b"seed"),
            next(&second, b"seed"),
        ];
        assert_eq!(all.iter().collect::<std::collections::HashSet<_>>().len(), all.len());
    }

    #[test]
    fn what_is_no_token_is_none() {
        for text in ["", ".", "a.b", "0199aa00-0000-7000-8000-000000000000.", "0199aa00-0000-7000-8000-000000000000.x"]
        {
            assert!(Refresh::parse(&text.to_owned().into()).is_none(), "{text}");
        }
    }
}
