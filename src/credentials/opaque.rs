//! Secrets that mean nothing by themselves: refresh tokens and those of
//! guests. The service keeps only their hash. Imports nothing of this crate.

use argon2::password_hash::phc::Output;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// Bytes of a secret: 256 bits.
const BYTES: usize = 32;

/// Characters of a secret as it is handed out.
const LENGTH: usize = 43;

/// The system gave no random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random numbers; look at its log, nothing is secured without them")]
pub struct NoRandom;

/// Random bytes of the system.
pub(super) fn random<const N: usize>() -> Result<[u8; N], NoRandom> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| NoRandom)?;
    Ok(bytes)
}

/// A secret of 256 random bits. It is shown once, to whom it belongs.
#[derive(Clone)]
pub struct Opaque(SecretString);

impl Opaque {
    /// A new one.
    ///
    /// # Errors
    /// [`NoRandom`].
    pub fn generate() -> Result<Self, NoRandom> {
        Ok(Self(URL_SAFE_NO_PAD.encode(random::<BYTES>()?).into()))
    }

    /// Reads one that a caller shows. `None` when it cannot be one of ours;
    /// there is exactly one spelling of each.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let decoded = (text.len() == LENGTH).then(|| URL_SAFE_NO_PAD.decode(text).ok())??;
        (decoded.len() == BYTES).then(|| Self(text.into()))
    }

    /// What is kept of it.
    #[must_use]
    pub fn hash(&self) -> SecretHash {
        SecretHash::of(self.0.expose_secret())
    }

    /// The secret itself, to hand it out.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl std::fmt::Debug for Opaque {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Opaque")
    }
}

/// SHA-256 of a secret. A slow hash would add nothing: a secret of 256 random
/// bits cannot be guessed.
#[derive(Clone, Copy)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    pub(super) fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret).into())
    }

    /// One that was stored. `None` when it has not 32 bytes.
    #[must_use]
    pub fn stored(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes to store.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether both are of the same secret. Takes the same time wherever they
    /// differ.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        // `Output` promises to be compared in constant time.
        match (Output::new(&self.0), Output::new(&other.0)) {
            (Ok(ours), Ok(theirs)) => ours == theirs,
            _ => false,
        }
    }
}

impl std::fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretHash")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_secret_is_another_and_is_read_again() {
        let secrets: HashSet<String> = (0..200).map(|_| Opaque::generate().unwrap().expose().to_owned()).collect();
        assert_eq!(secrets.len(), 200);
        for text in secrets {
            let read = Opaque::parse(&text).unwrap();
            let stored = SecretHash::stored(read.hash().as_bytes()).unwrap();
            assert!(stored.matches(&Opaque::parse(&text).unwrap().hash()));
        }
    }

    #[test]
    fn the_hash_is_sha_256_of_what_is_handed_out() {
        let secret = Opaque::parse("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").unwrap();
        let expected: [u8; 32] = Sha256::digest([b'A'; 43]).into();
        assert_eq!(secret.hash().as_bytes(), &expected);
    }

    #[test]
    fn other_spellings_are_no_secrets() {
        let good = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        assert!(Opaque::parse(good).is_some());
        let bad = [
            String::new(),
            good[1..].to_owned(),
            format!("{good}A"),
            format!("{good}="),
            format!("{} ", &good[1..]),
            // The same bytes with bits set that nobody reads.
            format!("{}B", &good[1..]),
            format!("{}+", &good[1..]),
            format!("{}/A", &good[2..]),
            format!("{}é", &good[2..]),
            "A".repeat(1_000_000),
        ];
        for text in bad {
            assert!(Opaque::parse(&text).is_none(), "{}", text.len());
        }
    }

    #[test]
    fn nothing_shows_when_printed() {
        let secret = Opaque::generate().unwrap();
        assert_eq!(format!("{secret:?} {:?}", secret.hash()), "Opaque SecretHash");
    }

    #[test]
    fn a_stored_hash_of_another_length_is_none() {
        assert!(SecretHash::stored(&[0; 31]).is_none() && SecretHash::stored(&[0; 33]).is_none());
    }

    proptest! {
        #[test]
        fn a_hash_matches_itself_and_no_neighbour(bytes: [u8; 32], at in 0..256_usize) {
            let mut other = bytes;
            other[at / 8] ^= 1 << (at % 8);
            let (bytes, other) = (SecretHash::stored(&bytes).unwrap(), SecretHash::stored(&other).unwrap());
            prop_assert!(bytes.matches(&bytes));
            prop_assert!(!bytes.matches(&other));
        }

        #[test]
        fn any_text_can_be_read(text in any::<String>()) {
            if let Some(secret) = Opaque::parse(&text) {
                prop_assert_eq!(secret.expose(), text);
            }
        }
    }
}
