//! Passwords: how they are hashed, checked and queued for it. Imports nothing
//! of this crate.
//!
//! New hashes are Argon2id with the parameters that OWASP's cheat sheet on
//! password storage names first for little memory. Hashes that came from
//! elsewhere, or from before a change of parameters, are checked as well and
//! reported as old, so that the caller stores a new one.

mod hasher;
mod old;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use secrecy::{ExposeSecret, SecretString};
use unicode_normalization::UnicodeNormalization;

pub use hasher::{Hasher, Load};

/// Bytes that a new password needs.
pub const MIN_BYTES: usize = 8;

/// Bytes that a password may have. Longer ones are refused before any work.
pub const MAX_BYTES: usize = 1024;

/// Memory of one hash, in KiB.
const MEMORY: u32 = 19_456;
/// Passes over it.
const PASSES: u32 = 2;
/// Lanes of it.
const LANES: u32 = 1;
/// Bytes of a hash.
const OUTPUT: usize = 32;
/// Bytes of a salt.
const SALT: usize = 16;

/// Stands in for the hash of an account that does not exist. Salt and hash are
/// random bytes; whatever matches them is wrong all the same.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$7Uc0SwNANozGUintGsFj0g$KK3BrZORkhhGhMBw9h3T4CiRES6SLs1S8dzhCd60wYQ";

/// What a check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Another password.
    Wrong,
    /// The password.
    Right,
    /// The password, and its hash should be replaced by a new one.
    RightButOld,
}

/// Why a password is not hashed or checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// A new password that is too easily guessed.
    #[error("is too short; use at least {MIN_BYTES} characters")]
    TooShort,
    /// More than anybody types.
    #[error("is too long; use at most {MAX_BYTES} bytes")]
    TooLong,
    /// Too many others wait to be checked.
    #[error("cannot be checked now; try again shortly")]
    Busy,
    /// The system gave no memory or no random numbers.
    #[error("could not be processed; try again, and look at the service's log if it stays so")]
    Failed,
}

/// Hashes a new password: a PHC string with a salt of its own. Takes some
/// 20 ms of a core and 19 MiB; see [`Hasher`].
///
/// # Errors
/// [`PasswordError`].
pub fn hash(password: &SecretString) -> Result<String, PasswordError> {
    check_length(password)?;
    let prepared = prepare(password);
    if password.expose_secret().len() < MIN_BYTES || prepared.expose_secret().len() < MIN_BYTES {
        return Err(PasswordError::TooShort);
    }
    let hashed = current()?.hash_password(prepared.expose_secret().as_bytes());
    hashed.map(|hash| hash.to_string()).map_err(|_| PasswordError::Failed)
}

/// Checks a password against a stored hash. Without one, which is an account
/// that does not exist or has no password, the answer is [`Verdict::Wrong`]
/// after the same work.
///
/// # Errors
/// [`PasswordError::TooLong`], whether or not there is a hash.
pub fn verify(stored: Option<&str>, given: &SecretString) -> Result<Verdict, PasswordError> {
    check_length(given)?;
    let prepared = prepare(given);
    let Some(stored) = stored else {
        argon2_matches(NOBODY, &prepared);
        return Ok(Verdict::Wrong);
    };
    if is_current(stored) {
        let matches = argon2_matches(stored, &prepared);
        return Ok(if matches { Verdict::Right } else { Verdict::Wrong });
    }
    // Others hash what they are given, and we what is prepared.
    let mut spellings = vec![&prepared];
    if prepared.expose_secret() != given.expose_secret() {
        spellings.push(given);
    }
    match old::kind(stored) {
        Some(kind) if spellings.iter().any(|spelling| kind.matches(stored, spelling)) => Ok(Verdict::RightButOld),
        Some(_) => Ok(Verdict::Wrong),
        None => {
            tracing::error!("a stored password hash is not understood; its account cannot sign in by password");
            argon2_matches(NOBODY, &prepared);
            Ok(Verdict::Wrong)
        }
    }
}

/// Before anything else is done with it.
fn check_length(password: &SecretString) -> Result<(), PasswordError> {
    let fits = password.expose_secret().len() <= MAX_BYTES;
    if fits { Ok(()) } else { Err(PasswordError::TooLong) }
}

/// One spelling of what looks the same on different keyboards: spaces are
/// spaces, and letters are composed (RFC 8265, `OpaqueString`).
fn prepare(password: &SecretString) -> SecretString {
    let spaced = password.expose_secret().chars().map(|char| if is_other_space(char) { ' ' } else { char });
    spaced.nfc().collect::<String>().into()
}

/// Unicode's `Zs` but for the space itself.
fn is_other_space(char: char) -> bool {
    matches!(char, '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}')
}

fn current() -> Result<Argon2<'static>, PasswordError> {
    let params = Params::new(MEMORY, PASSES, LANES, Some(OUTPUT)).map_err(|_| PasswordError::Failed)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// Whether a hash was made as [`hash`] makes them.
fn is_current(stored: &str) -> bool {
    let Ok(hash) = PasswordHash::new(stored) else { return false };
    let Ok(params) = Params::try_from(&hash) else { return false };
    hash.algorithm.as_str() == "argon2id"
        && hash.version == Some(Version::V0x13.into())
        && (params.m_cost(), params.t_cost(), params.p_cost()) == (MEMORY, PASSES, LANES)
        && hash.salt.is_some_and(|salt| salt.len() >= SALT)
        && hash.hash.is_some_and(|output| output.len() == OUTPUT)
}

/// With the parameters that stand in the hash.
fn argon2_matches(stored: &str, password: &SecretString) -> bool {
    let password = password.expose_secret().as_bytes();
    PasswordHash::new(stored).is_ok_and(|hash| Argon2::default().verify_password(password, &hash).is_ok())
}

#[cfg(test)]
mod tests;
