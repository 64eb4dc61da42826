//! Passwords, hashed a few at a time, with errors as services say them.

use secrecy::SecretString;

use super::opaque::Opaque;
use super::password::{Hasher, Load, PasswordError, Verdict};
use crate::error::{Error, Result};

/// Hashes and checks passwords. Cloning shares the few places there are.
#[derive(Debug, Clone)]
pub struct Passwords(Hasher);

impl Passwords {
    /// At most this much at once.
    #[must_use]
    pub fn new(load: Load) -> Self {
        Self(Hasher::new(load))
    }

    /// The hash of a new password.
    ///
    /// # Errors
    /// [`Error::Invalid`] for one that cannot be used, [`Error::Busy`].
    pub async fn hash(&self, password: &SecretString) -> Result<String> {
        self.0.hash(password.clone()).await.map_err(told)
    }

    /// Whether a password is the one of the hash. Takes as long where there is
    /// none.
    ///
    /// # Errors
    /// [`Error::Busy`].
    pub async fn verify(&self, stored: Option<&str>, given: &SecretString) -> Result<Verdict> {
        self.0.verify(stored.map(str::to_owned), given.clone()).await.map_err(told)
    }
}

impl Verdict {
    /// Whether it was the password.
    #[must_use]
    pub fn is_right(self) -> bool {
        self != Self::Wrong
    }

    /// Whether its hash should be replaced.
    #[must_use]
    pub fn is_old(self) -> bool {
        self == Self::RightButOld
    }
}

fn told(error: PasswordError) -> Error {
    match error {
        PasswordError::TooShort | PasswordError::TooLong => {
            Error::Invalid { field: "password", problem: error.to_string() }
        }
        PasswordError::Busy => Error::Busy("the checking of passwords"),
        PasswordError::Failed => anyhow::Error::from(error).into(),
    }
}

/// A password that nobody has to remember: 128 bits.
///
/// # Errors
/// When the system has no random numbers.
pub fn random_password() -> Result<SecretString> {
    let random = Opaque::generate().map_err(anyhow::Error::from)?;
    Ok(random.expose().chars().take(22).collect::<String>().into())
}
