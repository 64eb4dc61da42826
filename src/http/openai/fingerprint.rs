//! What a JSON text says, as a hash: the same whatever the order of its fields, and
//! made without keeping any of it. Pure.

use std::fmt;

use serde::Serialize;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use sha2::{Digest, Sha256};

/// SHA-256 of a value and what kind it is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Fingerprint([u8; 32]);

impl Fingerprint {
    fn of(kind: u8, bytes: &[u8]) -> Self {
        Self(Sha256::new().chain_update([kind]).chain_update(bytes).finalize().into())
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Fingerprint;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Fingerprint, E> {
        Ok(Fingerprint::of(b'0', b""))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Fingerprint, E> {
        Ok(Fingerprint::of(b'b', &[value.into()]))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Fingerprint, E> {
        Ok(Fingerprint::of(b'i', &i128::from(value).to_be_bytes()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Fingerprint, E> {
        Ok(Fingerprint::of(b'i', &i128::from(value).to_be_bytes()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Fingerprint, E> {
        Ok(Fingerprint::of(b'f', &value.to_bits().to_be_bytes()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Fingerprint, E> {
        Ok(Fingerprint::of(b's', value.as_bytes()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Fingerprint, A::Error> {
        let mut all = Sha256::new().chain_update(b"[");
        while let Some(Fingerprint(item)) = items.next_element()? {
            all.update(item);
        }
        Ok(Fingerprint(all.finalize().into()))
    }

    /// The hashes of the fields are added up: the order of a sum does not matter.
    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Fingerprint, A::Error> {
        let mut sum = [0_u64; 4];
        while let Some((Fingerprint(name), Fingerprint(value))) = fields.next_entry()? {
            let field: [u8; 32] = Sha256::new().chain_update(name).chain_update(value).finalize().into();
            for (sum, part) in sum.iter_mut().zip(field.as_chunks().0) {
                *sum = sum.wrapping_add(u64::from_be_bytes(*part));
            }
        }
        let mut all = Sha256::new().chain_update(b"{");
        for sum in sum {
            all.update(sum.to_be_bytes());
        }
        Ok(Fingerprint(all.finalize().into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Fingerprint {
        serde_json::from_str(text).expect(text)
    }

    #[test]
    fn the_order_of_fields_does_not_count_and_all_else_does() {
        assert_eq!(of(r#"{"a": 1, "b": {"c": [], "d": null}}"#), of(r#"{"b":{"d":null,"c":[]},"a":1}"#));
        let texts = [
            "{}",
            "[]",
            "null",
            "0",
            "0.0",
            "-1",
            "1",
            "true",
            "false",
            "\"\"",
            "\"0\"",
            "\"null\"",
            "[[]]",
            "[{}]",
            "[null]",
            "[1, 2]",
            "[2, 1]",
            "[[1], 2]",
            "[[1, 2]]",
            r#"{"a": 1}"#,
            r#"{"a": "1"}"#,
            r#"{"a": [1]}"#,
            r#"{"a": 1, "b": 2}"#,
            r#"{"a": 2, "b": 1}"#,
            r#"{"a": {"b": 1}}"#,
            r#"{"b": {"a": 1}}"#,
            r#"{"a": {}, "b": 1}"#,
            r#"{"1": "a"}"#,
            "18446744073709551615",
            "-9223372036854775808",
            "1e300",
        ];
        for (at, one) in texts.iter().enumerate() {
            for other in &texts[at + 1..] {
                assert_ne!(of(one), of(other), "{one} and {other}");
            }
        }
    }
}
