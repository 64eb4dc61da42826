//! The keys of an issuer, as it publishes them. One that cannot be trusted is
//! left out and named; the others count.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;

use super::Issuer;
use crate::credentials::compact;

/// Bytes of a document, at most.
pub(super) const MAX_BYTES: usize = 256 * 1024;

/// Keys of a document, at most.
const MAX_KEYS: usize = 64;

/// Characters of a key's id, at most.
const MAX_ID: usize = 255;

/// Bits of an RSA modulus.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Fields of secrets. A document that has them has given them away.
const SECRETS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// The public keys of an issuer by their ids.
#[derive(Debug, Default)]
pub struct KeySet {
    keys: HashMap<String, PublicKey>,
    unusable: Vec<(String, Unusable)>,
}

/// A key and the one algorithm that it is used with.
#[derive(Debug)]
pub(super) struct PublicKey {
    pub(super) key: DecodingKey,
    pub(super) algorithm: Algorithm,
}

/// A document that holds no keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// Too big to be read.
    #[error("the key set has more than {MAX_BYTES} bytes or {MAX_KEYS} keys")]
    TooBig,
    /// Something else.
    #[error("the key set is not JSON with a list `keys` of objects")]
    Form,
    /// No key in it can be used.
    #[error("the key set holds no key that can be used; look at its keys and at `algorithms`")]
    Empty,
}

/// Why a key is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Nobody could ask for it.
    #[error("has no id")]
    NoId,
    /// Another key has its id.
    #[error("shares its id with another")]
    SharedId,
    /// Something secret was published with it.
    #[error("was published with its secret and must be replaced")]
    Secret,
    /// Not for signatures.
    #[error("is not for checking signatures")]
    Use,
    /// Not a kind of key that we know.
    #[error("is of a kind that is not known")]
    Kind,
    /// Its algorithm does not fit it, or does not count.
    #[error("has an algorithm that is not allowed")]
    Algorithm,
    /// Too small to be safe, too big to be checked, or not on its curve.
    #[error("has numbers that are not safe")]
    Numbers,
}

impl KeySet {
    /// Reads a document.
    ///
    /// # Errors
    /// [`KeySetError`].
    pub fn parse(document: &[u8], issuer: &Issuer) -> Result<Self, KeySetError> {
        if document.len() > MAX_BYTES {
            return Err(KeySetError::TooBig);
        }
        let mut document = compact::object(document).map_err(|_| KeySetError::Form)?;
        let Some(Value::Array(listed)) = document.remove("keys") else { return Err(KeySetError::Form) };
        if listed.len() > MAX_KEYS {
            return Err(KeySetError::TooBig);
        }
        let mut set = Self::default();
        let mut ids: HashMap<String, usize> = HashMap::new();
        for key in &listed {
            *ids.entry(id(key).unwrap_or_default().to_owned()).or_default() += 1;
        }
        for key in listed {
            let id = id(&key).unwrap_or_default().to_owned();
            let read = match ids.get(&id) {
                _ if id.is_empty() => Err(Unusable::NoId),
                Some(1) => PublicKey::read(key, issuer),
                _ => Err(Unusable::SharedId),
            };
            match read {
                Ok(key) => drop(set.keys.insert(id, key)),
                Err(why) => set.unusable.push((id, why)),
            }
        }
        if set.keys.is_empty() { Err(KeySetError::Empty) } else { Ok(set) }
    }

    /// The keys that were left out, for the log.
    #[must_use]
    pub fn unusable(&self) -> &[(String, Unusable)] {
        &self.unusable
    }

    /// Keys that can be used.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(super) fn get(&self, id: &str) -> Option<&PublicKey> {
        self.keys.get(id)
    }
}

fn id(key: &Value) -> Option<&str> {
    key.get("kid")?.as_str().filter(|id| id.len() <= MAX_ID)
}

impl PublicKey {
    fn read(key: Value, issuer: &Issuer) -> Result<Self, Unusable> {
        if SECRETS.iter().any(|field| key.get(field).is_some()) {
            return Err(Unusable::Secret);
        }
        let named = key.get("alg").map(|name| name.as_str().and_then(|name| name.parse::<Algorithm>().ok()));
        let jwk: Jwk = serde_json::from_value(key).map_err(|_| Unusable::Kind)?;
        let for_signatures = jwk.common.public_key_use.as_ref().is_none_or(|used| *used == PublicKeyUse::Signature);
        let operations = jwk.common.key_operations.as_ref();
        if !for_signatures || operations.is_some_and(|list| !list.contains(&KeyOperations::Verify)) {
            return Err(Unusable::Use);
        }
        let fitting = fitting(&jwk.algorithm)?;
        let counts = |algorithm: &Algorithm| issuer.algorithms.contains(algorithm) && fitting.contains(algorithm);
        let algorithm = match named {
            Some(named) => named.filter(counts),
            None => issuer.algorithms.iter().copied().find(counts),
        };
        let algorithm = algorithm.ok_or(Unusable::Algorithm)?;
        let key = DecodingKey::from_jwk(&jwk).map_err(|_| Unusable::Numbers)?;
        Ok(Self { key, algorithm })
    }
}

/// The algorithms that a key's kind allows, when its numbers are safe.
fn fitting(key: &AlgorithmParameters) -> Result<&'static [Algorithm], Unusable> {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    let (safe, algorithms): (bool, &[Algorithm]) = match key {
        AlgorithmParameters::RSA(rsa) => (is_safe_rsa(&rsa.n, &rsa.e), &[RS256, RS384, RS512, PS256, PS384, PS512]),
        AlgorithmParameters::EllipticCurve(point) => match point.curve {
            EllipticCurve::P256 => (has_bytes(&point.x, 32) && has_bytes(&point.y, 32), &[ES256]),
            EllipticCurve::P384 => (has_bytes(&point.x, 48) && has_bytes(&point.y, 48), &[ES384]),
            _ => return Err(Unusable::Kind),
        },
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
            (has_bytes(&pair.x, 32), &[EdDSA])
        }
        _ => return Err(Unusable::Kind),
    };
    if safe { Ok(algorithms) } else { Err(Unusable::Numbers) }
}

/// A modulus of a safe size, and an exponent that is odd, more than 1 and not
/// longer than 32 bits.
fn is_safe_rsa(modulus: &str, exponent: &str) -> bool {
    let (Some(modulus), Some(exponent)) = (number(modulus), number(exponent)) else { return false };
    let bits = modulus.first().map_or(0, |first| modulus.len() * 8 - first.leading_zeros() as usize);
    let odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
    RSA_BITS.contains(&bits) && odd(&modulus) && odd(&exponent) && exponent != [1] && exponent.len() <= 4
}

/// The bytes of a number, without zeros before it.
fn number(text: &str) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    Some(bytes.into_iter().skip_while(|byte| *byte == 0).collect())
}

fn has_bytes(text: &str, length: usize) -> bool {
    URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| bytes.len() == length)
}

/// An algorithm as headers name it.
pub(super) fn name(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::RS256 => "RS256",
        Algorithm::RS384 => "RS384",
        Algorithm::RS512 => "RS512",
        Algorithm::PS256 => "PS256",
        Algorithm::PS384 => "PS384",
        Algorithm::PS512 => "PS512",
        Algorithm::ES256 => "ES256",
        Algorithm::ES384 => "ES384",
        Algorithm::EdDSA => "EdDSA",
        // No key has another; a header cannot name it.
        _ => "",
    }
}
