//! Bytes to characters, in the encodings that text files have. Imports nothing
//! of the crate but the error.

use chardetng::EncodingDetector;
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

use super::ParseError;

/// The characters of a text file.
pub(super) fn decode(bytes: &[u8]) -> Result<String, ParseError> {
    decode_as(bytes, None)
}

/// The same, where something outside of the text names its encoding; a byte
/// order mark still goes first.
pub(super) fn decode_as(bytes: &[u8], named: Option<&'static Encoding>) -> Result<String, ParseError> {
    let text = match mark(bytes) {
        Some(Mark::Utf32 { big_endian }) => utf32(&bytes[4..], big_endian),
        Some(Mark::Other(encoding, length)) => encoding.decode_without_bom_handling(&bytes[length..]).0.into_owned(),
        None => match (named.or_else(|| unmarked_utf16(bytes)), str::from_utf8(bytes)) {
            (Some(encoding), _) if encoding != UTF_8 => encoding.decode_without_bom_handling(bytes).0.into_owned(),
            (_, Ok(text)) => text.to_owned(),
            (_, Err(_)) => guess(bytes).decode_without_bom_handling(bytes).0.into_owned(),
        },
    };
    if looks_binary(&text) { Err(ParseError::NotText) } else { Ok(text) }
}

enum Mark {
    Utf32 { big_endian: bool },
    Other(&'static Encoding, usize),
}

/// The byte order mark. UTF-32 goes before UTF-16, whose mark it starts with.
fn mark(bytes: &[u8]) -> Option<Mark> {
    match bytes {
        [0xff, 0xfe, 0, 0, ..] => Some(Mark::Utf32 { big_endian: false }),
        [0, 0, 0xfe, 0xff, ..] => Some(Mark::Utf32 { big_endian: true }),
        [0xef, 0xbb, 0xbf, ..] => Some(Mark::Other(UTF_8, 3)),
        [0xff, 0xfe, ..] => Some(Mark::Other(UTF_16LE, 2)),
        [0xfe, 0xff, ..] => Some(Mark::Other(UTF_16BE, 2)),
        _ => None,
    }
}

fn utf32(bytes: &[u8], big_endian: bool) -> String {
    let (units, _) = bytes.as_chunks::<4>();
    let value = |unit: &[u8; 4]| if big_endian { u32::from_be_bytes(*unit) } else { u32::from_le_bytes(*unit) };
    units.iter().map(|unit| char::from_u32(value(unit)).unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// UTF-16 without a mark, by where its NULs are: mostly in every other byte, as
/// letters of the Latin script have them, and hardly ever in those between.
fn unmarked_utf16(bytes: &[u8]) -> Option<&'static Encoding> {
    let head = &bytes[..bytes.len().min(4096)];
    let (units, rest) = head.as_chunks::<2>();
    let nuls = |place: usize| units.iter().filter(|unit| unit[place] == 0).count();
    let (high, low) = (nuls(0), nuls(1));
    let is_most = |count: usize, other: usize| count * 10 > units.len() * 7 && other * 100 <= units.len();
    match () {
        () if !rest.is_empty() || units.len() < 4 => None,
        () if is_most(high, low) => Some(UTF_16BE),
        () if is_most(low, high) => Some(UTF_16LE),
        () => None,
    }
}

fn guess(bytes: &[u8]) -> &'static Encoding {
    let mut detector = EncodingDetector::new();
    detector.feed(bytes, true);
    detector.guess(None, true)
}

/// More than one NUL in a thousand characters, or more than one in ten that no
/// text has.
fn looks_binary(text: &str) -> bool {
    let (mut all, mut nuls, mut odd) = (0_usize, 0_usize, 0_usize);
    for character in text.chars() {
        all += 1;
        nuls += usize::from(character == '\0');
        let is_break = matches!(character, '\n' | '\r' | '\t' | '\x0c');
        odd += usize::from((character.is_control() && !is_break) || character == char::REPLACEMENT_CHARACTER);
    }
    nuls * 1000 > all || odd * 10 > all
}

#[cfg(test)]
mod tests {
    use super::*;
    use encoding_rs::{SHIFT_JIS, WINDOWS_1252};

    const TEXT: &str = "Prüfung: 5 € für Bücher – naïve 日本";

    #[test]
    fn a_byte_order_mark_decides() {
        let utf16 = |unit: fn(u16) -> [u8; 2]| TEXT.encode_utf16().flat_map(unit).collect::<Vec<u8>>();
        let utf32 = |unit: fn(u32) -> [u8; 4]| TEXT.chars().flat_map(|c| unit(u32::from(c))).collect::<Vec<u8>>();
        let files: [(&[u8], Vec<u8>); 5] = [
            (&[0xef, 0xbb, 0xbf], TEXT.as_bytes().to_vec()),
            (&[0xff, 0xfe], utf16(u16::to_le_bytes)),
            (&[0xfe, 0xff], utf16(u16::to_be_bytes)),
            (&[0xff, 0xfe, 0, 0], utf32(u32::to_le_bytes)),
            (&[0, 0, 0xfe, 0xff], utf32(u32::to_be_bytes)),
        ];
        for (mark, body) in files {
            assert_eq!(decode(&[mark, &body].concat()).unwrap(), TEXT, "{mark:x?}");
        }
    }

    #[test]
    fn utf_16_is_known_without_a_mark_too() {
        let latin = "A line of words, with an ä.";
        let little: Vec<u8> = latin.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = latin.encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!((decode(&little).unwrap(), decode(&big).unwrap()), (latin.to_owned(), latin.to_owned()));
    }

    #[test]
    fn valid_utf_8_is_taken_for_such() {
        assert_eq!(decode(TEXT.as_bytes()).unwrap(), TEXT);
    }

    #[test]
    fn old_encodings_are_guessed() {
        let german = "Die Größe der Räume beträgt über fünfzig Quadratmeter, schön möbliert.";
        assert_eq!(decode(&WINDOWS_1252.encode(german).0).unwrap(), german);
        let japanese = "これは日本語の文章です。エンコーディングを推測します。";
        assert_eq!(decode(&SHIFT_JIS.encode(japanese).0).unwrap(), japanese);
    }

    #[test]
    fn a_named_encoding_goes_before_a_guess_but_after_a_mark() {
        let windows = WINDOWS_1252.encode("5 €").0;
        assert_eq!(decode_as(&windows, Some(WINDOWS_1252)).unwrap(), "5 €");
        let marked = [&[0xef, 0xbb, 0xbf], "5 €".as_bytes()].concat();
        assert_eq!(decode_as(&marked, Some(WINDOWS_1252)).unwrap(), "5 €");
    }

    #[test]
    fn binary_bytes_are_refused_but_one_stray_nul_in_a_page_is_not() {
        let noise: Vec<u8> = (0..4000_u32).map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()[1]).collect();
        assert_eq!(decode(&noise), Err(ParseError::NotText));
        assert_eq!(decode(b"\0\0\0\x01"), Err(ParseError::NotText));
        let page = "A line of text.\n".repeat(100) + "\0";
        assert!(decode(page.as_bytes()).is_ok());
    }
}
