//! Keys of documents: what fits into the index that keeps them apart.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// Bytes of a key, at most: a row of Postgres's B-tree takes 2,704.
pub const MAX_KEY_BYTES: usize = 2_000;
/// Bytes of a document's metadata as JSON, at most: each of its chunks carries it in
/// the index.
pub const MAX_META_BYTES: usize = 32 * 1024;
/// Bytes of a long key's end that are kept, for the file's name tells its kind.
const END: usize = 200;

/// Refuses a key that cannot be kept.
///
/// # Errors
/// [`Error::Invalid`].
pub fn check_key(key: &str) -> Result<()> {
    if key.is_empty() || key.len() > MAX_KEY_BYTES {
        let problem = format!("(by default a file's name or path) has 1 to {MAX_KEY_BYTES} bytes; take a shorter one");
        return Err(Error::Invalid { field: "key", problem });
    }
    Ok(())
}

/// Refuses metadata that each chunk would carry too much of.
///
/// # Errors
/// [`Error::Invalid`].
pub fn check_meta(meta: &Map<String, Value>) -> Result<()> {
    let bytes = serde_json::to_string(meta).map_or(usize::MAX, |json| json.len());
    if bytes > MAX_META_BYTES {
        let problem = format!("has {bytes} bytes as JSON, and at most {MAX_META_BYTES} are kept; leave some of it out");
        return Err(Error::Invalid { field: "meta", problem });
    }
    Ok(())
}

/// A key that fits: of a longer one, the beginning, a hash of all of it, and the
/// end. The same each time, and another for another key.
#[must_use]
pub fn shortened(key: String) -> String {
    if key.len() <= MAX_KEY_BYTES {
        return key;
    }
    let hash: String = Sha256::digest(&key).iter().map(|byte| format!("{byte:02x}")).collect();
    let end = &key[key.ceil_char_boundary(key.len() - END)..];
    let beginning = &key[..key.floor_char_boundary(MAX_KEY_BYTES - END - hash.len() - 2)];
    format!("{beginning}~{hash}~{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_too_long_is_shortened_and_stays_itself() {
        let short = "mail/report.pdf".to_owned();
        assert_eq!(shortened(short.clone()), short);
        for letter in ["x", "é", "語", "🙂"] {
            let long = |last: &str| format!("{}{last}.pdf", letter.repeat(2_000));
            let (one, other) = (shortened(long("1")), shortened(long("2")));
            assert!(one.len() <= MAX_KEY_BYTES && check_key(&one).is_ok(), "{}", one.len());
            assert!(one != other && one == shortened(long("1")) && one.ends_with("1.pdf"));
            assert!(check_key(&long("1")).is_err());
        }
        assert!(check_key("").is_err());
    }
}
