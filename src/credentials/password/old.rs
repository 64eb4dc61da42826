//! Hashes that are checked but no longer made.

use argon2::Params;
use argon2::password_hash::phc::PasswordHash;
use secrecy::{ExposeSecret, SecretString};

use super::argon2_matches;

/// Bytes that bcrypt looks at.
const BCRYPT_BYTES: usize = 72;

/// The work that a stored hash may ask for, so that one from elsewhere cannot
/// hold up the service: bcrypt's cost, and Argon2's memory in KiB, passes and
/// lanes.
const MAX_COST: u32 = 15;
const MAX_MEMORY: u32 = 128 * 1024;
const MAX_PASSES: u32 = 16;
const MAX_LANES: u32 = 16;

/// How a hash was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Argon2,
    Bcrypt,
}

/// The kind of a hash that may be checked. `None` for one of another kind, a
/// damaged one, and one that asks for too much work.
pub(super) fn kind(stored: &str) -> Option<Kind> {
    let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| stored.starts_with(prefix));
    if begins(&["$2a$", "$2b$", "$2y$"]) {
        let parts: bcrypt::HashParts = stored.parse().ok()?;
        return (parts.get_cost() <= MAX_COST).then_some(Kind::Bcrypt);
    }
    if !begins(&["$argon2id$", "$argon2i$", "$argon2d$"]) {
        return None;
    }
    let hash = PasswordHash::new(stored).ok()?;
    let params = Params::try_from(&hash).ok()?;
    let bounded = params.m_cost() <= MAX_MEMORY && params.t_cost() <= MAX_PASSES && params.p_cost() <= MAX_LANES;
    (bounded && hash.salt.is_some() && hash.hash.is_some()).then_some(Kind::Argon2)
}

impl Kind {
    /// Whether a hash of this kind is of `password`.
    pub(super) fn matches(self, stored: &str, password: &SecretString) -> bool {
        match self {
            Self::Argon2 => argon2_matches(stored, password),
            // What it does not look at would be right whatever it is, and the
            // new hash would make it count. Refused after the same work.
            Self::Bcrypt => {
                let password = password.expose_secret();
                let matches = bcrypt::verify(password, stored).unwrap_or(false);
                matches && password.len() <= BCRYPT_BYTES
            }
        }
    }
}
