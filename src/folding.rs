//! Words without what makes the same word look different. Pure.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// A text's words in small letters and without marks, one space between them.
pub(crate) fn folded(text: &str) -> String {
    let plain: String = text.nfkd().filter(|c| !is_combining_mark(*c)).collect();
    let words = plain.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_marks_and_signs_make_no_other_words() {
        assert_eq!(folded("  The “Café-Crème”,\n N\u{ba} 4! "), "the cafe creme no 4");
        assert_eq!(folded("…"), "");
    }
}
