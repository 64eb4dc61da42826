//! JSON objects of tokens. Which of two values of the same name counts is not
//! for a reader to guess: such an object is refused, at any depth.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::Reason;

/// Reads an object. The parser itself bounds how deep it may be.
pub(in crate::credentials) fn read(json: &[u8]) -> Result<Map<String, Value>, Reason> {
    let twice = Cell::new(false);
    let mut reader = serde_json::Deserializer::from_slice(json);
    if (Names { twice: &twice }).deserialize(&mut reader).is_err() {
        return Err(if twice.get() { Reason::Duplicate } else { Reason::Json });
    }
    serde_json::from_slice(json).map_err(|_| Reason::Json)
}

/// Walks through a value and fails at the first name that comes twice.
#[derive(Clone, Copy)]
struct Names<'a> {
    twice: &'a Cell<bool>,
}

impl<'de> DeserializeSeed<'de> for Names<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Names<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if !names.insert(name) {
                self.twice.set(true);
                return Err(A::Error::custom("a name comes twice"));
            }
            map.next_value_seed(self)?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refusal(json: &str) -> Reason {
        read(json.as_bytes()).expect_err(json)
    }

    #[test]
    fn a_name_that_comes_twice_is_refused_at_any_depth_and_in_any_spelling() {
        for json in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"b":2,"a":3}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"b":{"a":1,"a":2}}"#,
            r#"{"b":[1,[{"a":null,"a":true}]]}"#,
            r#"{"":1,"":2}"#,
        ] {
            assert_eq!(refusal(json), Reason::Duplicate);
        }
        assert!(read(br#"{"a":{"a":{"a":1}},"A":[{"a":1},{"a":1}]}"#).is_ok());
    }

    #[test]
    fn only_one_object_is_read() {
        for json in
            ["", " ", "[]", "null", "1", "\"a\"", "{", "{}{}", "{} x", "{'a':1}", "{\"a\":1,}", "[{}]", "\u{feff}{}"]
        {
            assert_eq!(refusal(json), Reason::Json);
        }
        assert_eq!(read(b"{\"a\":\"\xff\"}"), Err(Reason::Json));
    }

    #[test]
    fn deep_nesting_ends_the_reading_and_not_the_process() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let json = format!("{{\"a\":{}1{}}}", open.repeat(1000), close.repeat(1000));
            assert_eq!(refusal(&json), Reason::Json);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_read(bytes: Vec<u8>) {
            let _ = read(&bytes);
        }

        #[test]
        fn what_has_each_name_once_is_read_whole(names in prop::collection::btree_set(".{0,6}", 0..8)) {
            let object: Map<String, Value> = names.into_iter().map(|name| (name, Value::from(1))).collect();
            prop_assert_eq!(read(&serde_json::to_vec(&object).unwrap()), Ok(object));
        }
    }
}
