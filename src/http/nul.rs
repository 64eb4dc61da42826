//! The character NUL: no text of the database holds it, so no text that callers
//! send may. Found here, and nowhere else. Imports nothing.

use axum::http::Uri;
use serde_json::Value;

/// As JSON writes it. Bare, it is no JSON.
const ESCAPED: &[u8] = br"\u0000";
/// As URLs write it. Bare, it is no URL.
const ENCODED: &str = "%00";

/// The place of the first one in a JSON text: `meta`, or `questions[0].text`;
/// the body itself has no name.
pub(super) fn in_json(json: &[u8]) -> Option<String> {
    // An escaped backslash may stand before what looks like one.
    let may_hold = json.windows(ESCAPED.len()).any(|window| window == ESCAPED);
    let value: Value = may_hold.then(|| serde_json::from_slice(json).ok()).flatten()?;
    place(&value)
}

/// The place of the first one in a value, in its keys too.
pub(super) fn place(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => text.contains('\0').then(String::new),
        Value::Array(items) => {
            let mut places = items.iter().enumerate();
            places.find_map(|(at, item)| Some(format!("[{at}]{}", dotted(&place(item)?))))
        }
        Value::Object(fields) => fields.iter().find_map(|(name, value)| {
            // A name with one is not repeated.
            if name.contains('\0') { Some(String::new()) } else { Some(format!("{name}{}", dotted(&place(value)?))) }
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// A place below another.
fn dotted(place: &str) -> String {
    if place.is_empty() || place.starts_with('[') { place.to_owned() } else { format!(".{place}") }
}

/// The name of the first parameter of a query string with one.
pub(super) fn in_query(uri: &Uri) -> Option<String> {
    uri.query().filter(|query| query.contains(ENCODED))?;
    let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri).ok()?.0;
    let (name, _) = pairs.into_iter().find(|(name, value)| name.contains('\0') || value.contains('\0'))?;
    // A name with one is not repeated.
    Some(if name.contains('\0') { "query".to_owned() } else { name })
}

/// Whether a path holds one.
pub(super) fn in_path(uri: &Uri) -> bool {
    uri.path().contains(ENCODED)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_field_that_holds_one_is_named() {
        for (json, expected) in [
            (r#"{"a": "b\u0000"}"#, Some("a")),
            (r#"{"a": [{"b": ["", "\u0000"]}]}"#, Some("a[0].b[1]")),
            (r#"{"meta": {"a\u0000": 1}}"#, Some("meta")),
            (r#""\u0000""#, Some("")),
            (r#"["a\u0000"]"#, Some("[0]")),
            (r#"{"a": "\\u0000"}"#, None),
            (r#"{"a": "\u0001"}"#, None),
            (r#"{"a": "\u0000""#, None),
            ("", None),
        ] {
            assert_eq!(in_json(json.as_bytes()).as_deref(), expected, "{json}");
        }
    }

    #[test]
    fn a_parameter_that_holds_one_is_named() {
        for (uri, expected) in [
            ("/a?b=c%00", Some("b")),
            ("/a?b=c&d=%00", Some("d")),
            ("/a?b%00=c", Some("query")),
            ("/a?b=%2500", None),
            ("/a%00?b=c", None),
            ("/a", None),
        ] {
            assert_eq!(in_query(&uri.parse().expect("a URI")).as_deref(), expected, "{uri}");
        }
        assert!(in_path(&"/a%00?b=c".parse().expect("a URI")));
        assert!(!in_path(&"/a?b=%00".parse().expect("a URI")));
    }

    proptest! {
        #[test]
        fn a_text_with_one_is_always_found_and_none_without(text in "[a\\\\\"u0\0é🙂]{0,12}", deep in any::<bool>()) {
            let value = if deep { json!({ "a": [null, { "b": text }] }) } else { json!({ "a": text }) };
            let found = in_json(value.to_string().as_bytes());
            prop_assert_eq!(found.is_some(), text.contains('\0'));
            prop_assert_eq!(found, place(&value));
        }
    }
}
