//! API keys: `fn_<id>_<secret>`. The id finds the row, the secret proves the
//! right; only the secret's hash is kept. Imports `opaque`.

use std::fmt::{self, Display};
use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::opaque::{NoRandom, SecretHash, random};

/// What every key begins with, so that people and scanners know it.
const PREFIX: &str = "fn_";

/// Characters of an id: 128 bits to the base of 62.
const ID: usize = 22;

/// Characters of a secret: 256 bits to the base of 62.
const SECRET: usize = 43;

/// Characters of a key.
const LENGTH: usize = PREFIX.len() + ID + 1 + SECRET;

/// Characters of an id that are shown in lists.
const SHOWN: usize = 8;

/// In the order of ASCII. No character ends a word, so that a double click
/// takes the whole key.
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// An API key, whole. It is shown once.
#[derive(Clone)]
pub struct ApiKey {
    id: Uuid,
    secret: SecretString,
}

impl ApiKey {
    /// A new key, with the id that its row gets.
    ///
    /// # Errors
    /// [`NoRandom`].
    pub fn generate() -> Result<Self, NoRandom> {
        Ok(Self { id: Uuid::now_v7(), secret: random_word()?.into() })
    }

    /// Reads what a caller shows. `None` when it cannot be a key of ours;
    /// there is exactly one spelling of each.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != LENGTH {
            return None;
        }
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let is_secret = secret.len() == SECRET && secret.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_secret.then_some(Self { id: read_id(id)?, secret: secret.into() })
    }

    /// Whether a credential looks like an API key rather than a token, so that
    /// its kind is decided without trying both.
    #[must_use]
    pub fn is_meant(text: &str) -> bool {
        text.starts_with(PREFIX)
    }

    /// The id of its row. No secret.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// What is kept of the secret.
    #[must_use]
    pub fn hash(&self) -> SecretHash {
        SecretHash::of(self.secret.expose_secret())
    }

    /// Whether the stored hash is of this key's secret. Takes the same time
    /// wherever they differ.
    #[must_use]
    pub fn matches(&self, stored: &SecretHash) -> bool {
        self.hash().matches(stored)
    }

    /// The whole key, to hand it out.
    #[must_use]
    pub fn reveal(&self) -> SecretString {
        format!("{PREFIX}{}_{}", written_id(self.id), self.secret.expose_secret()).into()
    }

    /// The key as lists show it: enough to know it again, and no secret.
    #[must_use]
    pub fn shown(id: Uuid) -> String {
        // The last characters: the first are the time, and alike.
        format!("{PREFIX}…{}", &written_id(id)[ID - SHOWN..])
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Characters that are all equally likely.
fn random_word() -> Result<String, NoRandom> {
    let mut word = String::with_capacity(SECRET);
    while word.len() < SECRET {
        // 6 bits each; what lies beyond the alphabet is thrown away.
        let digits = random::<64>()?.into_iter().filter_map(|byte| ALPHABET.get(usize::from(byte >> 2)));
        word.extend(digits.take(SECRET - word.len()).map(|byte| char::from(*byte)));
    }
    Ok(word)
}

fn written_id(id: Uuid) -> String {
    let mut rest = id.as_u128();
    let mut digits = ['0'; ID];
    for digit in digits.iter_mut().rev() {
        let value = usize::try_from(rest % 62).unwrap_or_default();
        *digit = char::from(ALPHABET[value]);
        rest /= 62;
    }
    digits.iter().collect()
}

fn read_id(text: &str) -> Option<Uuid> {
    let digit = |byte: u8| u128::try_from(ALPHABET.binary_search(&byte).ok()?).ok();
    let value = text.bytes().try_fold(0_u128, |value, byte| value.checked_mul(62)?.checked_add(digit(byte)?))?;
    (text.len() == ID).then(|| Uuid::from_u128(value))
}

/// What a key may be used for. None contains another: a key has exactly the
/// rights that it lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyScope {
    /// See collections, documents, conversations and search.
    Read,
    /// Ask questions, which costs money.
    Ask,
    /// Add, change and delete.
    Write,
    /// What administrators do, as far as the key's owner is one.
    Admin,
}

/// All of them.
const SCOPES: [KeyScope; 4] = [KeyScope::Read, KeyScope::Ask, KeyScope::Write, KeyScope::Admin];

impl KeyScope {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Ask => "ask",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

impl Display for KeyScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for KeyScope {
    type Err = ScopesError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        SCOPES.into_iter().find(|scope| scope.as_str() == text).ok_or(ScopesError::Unknown)
    }
}

/// Why a list of scopes is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScopesError {
    /// A key that may do nothing.
    #[error("is empty; name at least one of `read`, `ask`, `write`, `admin`")]
    Empty,
    /// Not a scope.
    #[error("holds an unknown scope; there are `read`, `ask`, `write`, `admin`")]
    Unknown,
    /// The same twice.
    #[error("names a scope twice; name each once")]
    Twice,
}

/// The scopes of a key: each at most once, and at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyScopes(Vec<KeyScope>);

impl KeyScopes {
    /// Reads the names in a request or a row.
    ///
    /// # Errors
    /// [`ScopesError`].
    pub fn parse<T: AsRef<str>>(names: &[T]) -> Result<Self, ScopesError> {
        let mut scopes = Vec::with_capacity(SCOPES.len());
        // Longer lists hold something twice, and end there.
        for name in names {
            let scope = name.as_ref().parse()?;
            if scopes.contains(&scope) {
                return Err(ScopesError::Twice);
            }
            scopes.push(scope);
        }
        scopes.sort_unstable();
        if scopes.is_empty() { Err(ScopesError::Empty) } else { Ok(Self(scopes)) }
    }

    /// Whether one is among them.
    #[must_use]
    pub fn allow(&self, scope: KeyScope) -> bool {
        self.0.contains(&scope)
    }

    /// Their names, to store or show.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn a_key() -> (ApiKey, String) {
        let key = ApiKey::generate().unwrap();
        let text = key.reveal().expose_secret().to_owned();
        (key, text)
    }

    #[test]
    fn a_key_is_read_as_it_was_made() {
        for _ in 0..200 {
            let (key, text) = a_key();
            assert_eq!(text.len(), LENGTH);
            assert!(ApiKey::is_meant(&text));
            let read = ApiKey::parse(&text).unwrap();
            assert_eq!(read.id(), key.id());
            assert!(read.matches(&key.hash()));
        }
    }

    #[test]
    fn a_key_does_not_match_the_hash_of_another() {
        assert!(!a_key().0.matches(&a_key().0.hash()));
    }

    #[test]
    fn secrets_use_the_whole_alphabet_and_never_repeat() {
        let secrets: HashSet<String> = (0..400).map(|_| random_word().unwrap()).collect();
        assert_eq!(secrets.len(), 400);
        let used: HashSet<char> = secrets.iter().flat_map(|secret| secret.chars()).collect();
        assert_eq!(used.len(), ALPHABET.len());
    }

    #[test]
    fn an_id_too_big_for_128_bits_is_refused() {
        let (_, text) = a_key();
        let secret = &text[PREFIX.len() + ID..];
        assert!(ApiKey::parse(&format!("{PREFIX}{}{secret}", written_id(Uuid::max()))).is_some());
        assert!(ApiKey::parse(&format!("{PREFIX}{}{secret}", "z".repeat(ID))).is_none());
    }

    #[test]
    fn other_shapes_are_no_keys() {
        let (_, text) = a_key();
        let bad = [
            String::new(),
            "fn_".into(),
            text[1..].to_owned(),
            text[..LENGTH - 1].to_owned(),
            format!("{text}0"),
            format!(" {text}"),
            format!("{text}\n"),
            text.replacen("fn_", "FN_", 1),
            text.replacen("fn_", "fn-", 1),
            format!("{}-", &text[..LENGTH - 1]),
            format!("{}_", &text[..LENGTH - 1]),
            format!("{}é", &text[..LENGTH - 2]),
            text.replacen('_', "0", 1),
            "_".repeat(LENGTH),
            "fn_".repeat(1_000_000),
        ];
        for text in bad {
            assert!(ApiKey::parse(&text).is_none(), "{}", text.chars().take(80).collect::<String>());
        }
    }

    #[test]
    fn what_is_shown_or_printed_holds_nothing_of_the_secret() {
        let (key, text) = a_key();
        let shown = ApiKey::shown(key.id());
        let printed = format!("{key:?} {shown}");
        let secret = &text[LENGTH - SECRET..];
        for part in 0..SECRET - 6 {
            assert!(!printed.contains(&secret[part..part + 6]));
        }
        assert_eq!(shown.chars().count(), 12);
        assert!(text[..PREFIX.len() + ID].ends_with(&shown[shown.len() - SHOWN..]));
    }

    #[test]
    fn scopes_are_read_in_any_order_and_each_is_exactly_itself() {
        let scopes = KeyScopes::parse(&["write", "read"]).unwrap();
        assert_eq!(scopes.names(), ["read", "write"]);
        assert!(scopes.allow(KeyScope::Read) && scopes.allow(KeyScope::Write));
        assert!(!scopes.allow(KeyScope::Ask) && !scopes.allow(KeyScope::Admin));
        let admin = KeyScopes::parse(&["admin"]).unwrap();
        assert!(!admin.allow(KeyScope::Read));
    }

    #[test]
    fn bad_lists_of_scopes_say_why() {
        assert_eq!(KeyScopes::parse::<&str>(&[]), Err(ScopesError::Empty));
        assert_eq!(KeyScopes::parse(&["Read"]), Err(ScopesError::Unknown));
        assert_eq!(KeyScopes::parse(&["read", "root"]), Err(ScopesError::Unknown));
        assert_eq!(KeyScopes::parse(&["ask", "ask"]), Err(ScopesError::Twice));
        assert_eq!(KeyScopes::parse(&vec!["read"; 1_000_000]), Err(ScopesError::Twice));
    }

    proptest! {
        #[test]
        fn ids_are_written_in_one_way(id: u128) {
            let id = Uuid::from_u128(id);
            prop_assert_eq!(read_id(&written_id(id)), Some(id));
        }

        #[test]
        fn a_key_with_one_other_character_is_another_or_none(at in 0..LENGTH, other in "[ -~]") {
            let (key, mut text) = a_key();
            prop_assume!(text[at..=at] != other);
            text.replace_range(at..=at, &other);
            if let Some(read) = ApiKey::parse(&text) {
                prop_assert!(read.id() != key.id() || !read.matches(&key.hash()));
            }
        }

        #[test]
        fn any_text_can_be_read(text in any::<String>()) {
            if let Some(key) = ApiKey::parse(&text) {
                let again = key.reveal();
                prop_assert_eq!(again.expose_secret(), text);
            }
        }
    }
}
