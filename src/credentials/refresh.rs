//! Refresh tokens as they travel: the sign-in that they belong to, and a secret.

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
    fn what_is_no_token_is_none() {
        for text in ["", ".", "a.b", "0199aa00-0000-7000-8000-000000000000.", "0199aa00-0000-7000-8000-000000000000.x"]
        {
            assert!(Refresh::parse(&text.to_owned().into()).is_none(), "{text}");
        }
    }
}
