//! Where a checked answer shows the numbers of its citations. Pure.

use std::ops::Range;

use super::code::Code;

/// Digits of a number, at most.
const DIGITS: usize = 6;

/// A number in brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The number.
    pub n: u32,
    /// Where it stands with its brackets, half-open.
    pub range: Range<usize>,
}

/// The numbers that an answer shows, such as `[3]`, in its order, with their places in
/// units of which a character has `width`. Brackets in code are the model's own.
pub fn shown(answer: &str, width: impl Fn(char) -> usize) -> Vec<Shown> {
    let (mut found, mut code) = (Vec::new(), Code::default());
    let (mut rest, mut at, mut printed) = (answer, 0, false);
    while let Some(c) = rest.chars().next() {
        if c == '[' {
            code.resolve();
        }
        if let Some((n, length)) = number(rest).filter(|_| !code.is_open()) {
            // ASCII alone: each is one unit in every encoding.
            found.push(Shown { n, range: at..at + length });
            (rest, at) = (&rest[length..], at + length);
            continue;
        }
        code.see(c, printed);
        printed = c != '\n' && (printed || !(c.is_whitespace() || c == '`'));
        (rest, at) = (&rest[c.len_utf8()..], at + width(c));
    }
    found
}

/// The number in brackets with which a text begins, and the length of both in bytes.
fn number(text: &str) -> Option<(u32, usize)> {
    let inner = text.strip_prefix('[')?;
    let digits = inner.bytes().take_while(u8::is_ascii_digit).count();
    let is_closed = digits <= DIGITS && inner[digits..].starts_with(']');
    let n = inner[..digits].parse().ok()?;
    is_closed.then_some((n, digits + 2))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn places(answer: &str) -> Vec<(u32, usize, usize)> {
        shown(answer, |_| 1).into_iter().map(|shown| (shown.n, shown.range.start, shown.range.end)).collect()
    }

    #[test]
    fn numbers_are_found_where_they_stand() {
        assert_eq!(places("Zu viel Über\u{1f600}druck [1]. Again [1][12]."), [(1, 19, 22), (1, 30, 33), (12, 33, 37)]);
        assert_eq!(places("[[1]]"), [(1, 1, 4)]);
        assert!(places("[] [x1] [1 ] [0000001] [1").is_empty());
        let utf16 = shown("\u{1f642} 4 bar [1].", char::len_utf16);
        assert_eq!(utf16, [Shown { n: 1, range: 9..12 }]);
    }

    #[test]
    fn brackets_in_code_are_no_numbers() {
        assert_eq!(places("Take `list[1]` [1]."), [(1, 15, 18)]);
        assert_eq!(places("So [1]:\n```c\nx[1] = y[2];\n```\nDone [2]."), [(1, 3, 6), (2, 35, 38)]);
        // What is not closed ends with its line.
        assert_eq!(places("A ` tick [1]\nand [2]"), [(2, 17, 20)]);
        assert_eq!(places("``a[1]``[1]"), [(1, 8, 11)]);
    }

    proptest! {
        #[test]
        fn what_is_found_is_a_number_in_brackets(text in "[\\[\\]12a`\n \u{e4}\u{1f600}]{0,60}") {
            for Shown { n, range } in shown(&text, char::len_utf8) {
                prop_assert_eq!(&text[range], format!("[{n}]"));
            }
        }
    }
}
