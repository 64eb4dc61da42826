//! Names of downloads.

use axum::http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Characters of a name before its ending, at most.
const LENGTH: usize = 80;
/// Names that mean devices on Windows, whatever their ending.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];
/// What must be encoded in `filename*` (`attr-char` of RFC 5987).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// The value of `content-disposition` (RFC 6266) for a download that is named
/// by a title: in ASCII, and for those who know of RFC 5987 in all characters.
pub(super) fn disposition(title: &str, ending: &str) -> HeaderValue {
    let name = file_name(title);
    let ascii: String = name.chars().map(|c| if c.is_ascii() { c } else { '_' }).collect();
    let encoded = utf8_percent_encode(&name, ENCODED);
    let value = format!("attachment; filename=\"{ascii}.{ending}\"; filename*=UTF-8''{encoded}.{ending}");
    HeaderValue::from_str(&value).unwrap_or(HeaderValue::from_static("attachment"))
}

/// A name that is one on every system: no folders, no signs that shells or
/// file systems take for something, nothing that cannot be seen.
fn file_name(title: &str) -> String {
    let is_kept =
        |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ',' | '+' | '=' | '@' | '(' | ')' | '\'');
    let spaced: String = title.chars().map(|c| if is_kept(c) { c } else { ' ' }).collect();
    let words = spaced.split_whitespace().collect::<Vec<_>>().join(" ");
    let short: String = words.trim_start_matches(['.', ' ', '-']).chars().take(LENGTH).collect();
    // What follows the last dot shall be our ending.
    let name = short.trim_end_matches(['.', ' ']);
    let stem = name.split('.').next().unwrap_or_default().to_lowercase();
    let numbered = stem.strip_prefix("com").or_else(|| stem.strip_prefix("lpt"));
    let is_device =
        DEVICES.contains(&stem.trim()) || numbered.is_some_and(|n| n.trim().parse::<u8>().is_ok_and(|n| n < 10));
    match name {
        "" => "conversation".to_owned(),
        name if is_device => format!("_{name}"),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use percent_encoding::percent_decode_str;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_title_becomes_a_name_for_old_and_new_programs() {
        let told = |title| disposition(title, "md").to_str().expect("ASCII").to_owned();
        assert_eq!(told("Pump P4"), "attachment; filename=\"Pump P4.md\"; filename*=UTF-8''Pump%20P4.md");
        assert_eq!(told("Überdruck"), "attachment; filename=\"_berdruck.md\"; filename*=UTF-8''%C3%9Cberdruck.md");
    }

    #[test]
    fn no_title_leads_elsewhere() {
        for (title, name) in [
            ("../../etc/passwd", "etc passwd"),
            ("a\"; filename=\"b.exe", "a filename= b.exe"),
            ("C:\\x", "C x"),
            ("a\r\nset-cookie: b", "a set-cookie b"),
            ("\u{202e}fdp.exe", "fdp.exe"),
            ("-rf", "rf"),
            ("...", "conversation"),
            ("nul", "_nul"),
            ("COM1.txt", "_COM1.txt"),
            ("comb", "comb"),
        ] {
            assert_eq!(file_name(title), name, "{title:?}");
        }
    }

    proptest! {
        #[test]
        fn every_title_makes_a_header_and_is_read_back(title in "\\PC{0,100}|[ -~\r\n\t\u{0}]{0,100}") {
            let value = disposition(&title, "json");
            let value = value.to_str().expect("visible ASCII");
            let (ascii, full) = value.split_once("; filename*=UTF-8''").expect("both names");
            let ascii = ascii.strip_prefix("attachment; filename=\"").and_then(|name| name.strip_suffix(".json\""));
            prop_assert!(ascii.is_some_and(|name| !name.is_empty() && !name.contains(['"', '\\', '/'])), "{}", value);
            let full = percent_decode_str(full).decode_utf8().expect("UTF-8");
            prop_assert_eq!(full, format!("{}.json", file_name(&title)));
        }
    }
}
