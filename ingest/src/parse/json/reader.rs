//! Reads JSON token by token: RFC 8259, and `NaN` and infinities as many
//! programs write them. Not recursive; keys may repeat, numbers stay as they
//! are written. Imports nothing of the crate.

use std::borrow::Cow;

/// A piece of JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token<'t> {
    /// `{`.
    Object,
    /// `}`.
    ObjectEnd,
    /// `[`.
    Array,
    /// `]`.
    ArrayEnd,
    /// The name of the value that comes next.
    Key(Cow<'t, str>),
    /// A string.
    Text(Cow<'t, str>),
    /// A number, `true`, `false` or `null`, as it is written.
    Scalar(&'t str),
}

/// Where and why reading stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// Line, from 1.
    pub line: usize,
    /// Column in code points, from 1.
    pub column: usize,
    /// What was to come there.
    pub problem: &'static str,
}

/// What may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Value,
    /// After `[`.
    ValueOrEnd,
    /// After `{`.
    KeyOrEnd,
    Key,
    /// After a value within a list or an object.
    CommaOrEnd,
    /// After the outermost value.
    Nothing,
}

/// One JSON text.
pub(super) struct Reader<'t> {
    source: &'t str,
    at: usize,
    next: Next,
    /// Whether each open container is an object.
    open: Vec<bool>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(source: &'t str) -> Self {
        Self { source, at: 0, next: Next::Value, open: Vec::new() }
    }

    /// Where the token after this one may start, in bytes.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The next token; none once the text ended as it should.
    pub(super) fn token(&mut self) -> Result<Option<Token<'t>>, Fault> {
        loop {
            self.skip_space();
            let Some(byte) = self.peek() else {
                return if self.next == Next::Nothing { Ok(None) } else { Err(self.fault("the file ends too early")) };
            };
            match (self.next, byte) {
                (Next::Nothing, _) => return Err(self.fault("something follows after the end")),
                (Next::CommaOrEnd, b',') => {
                    self.at += 1;
                    self.next = if self.in_object() { Next::Key } else { Next::Value };
                }
                (Next::CommaOrEnd | Next::KeyOrEnd, b'}') if self.in_object() => return Ok(Some(self.close())),
                (Next::CommaOrEnd | Next::ValueOrEnd, b']') if !self.in_object() => return Ok(Some(self.close())),
                (Next::CommaOrEnd, _) if self.in_object() => return Err(self.fault("`,` or `}` is missing")),
                (Next::CommaOrEnd, _) => return Err(self.fault("`,` or `]` is missing")),
                (Next::Key | Next::KeyOrEnd, b'"') => return self.key().map(Some),
                (Next::Key | Next::KeyOrEnd, _) => return Err(self.fault("a name in double quotes is missing")),
                (Next::Value | Next::ValueOrEnd, _) => return self.value(byte).map(Some),
            }
        }
    }

    fn value(&mut self, first: u8) -> Result<Token<'t>, Fault> {
        if matches!(first, b'{' | b'[') {
            self.at += 1;
            self.open.push(first == b'{');
            self.next = if first == b'{' { Next::KeyOrEnd } else { Next::ValueOrEnd };
            return Ok(if first == b'{' { Token::Object } else { Token::Array });
        }
        let token = if first == b'"' { Token::Text(self.string()?) } else { Token::Scalar(self.scalar()?) };
        self.next = self.after_value();
        Ok(token)
    }

    fn key(&mut self) -> Result<Token<'t>, Fault> {
        let key = self.string()?;
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(self.fault("`:` is missing"));
        }
        self.at += 1;
        self.next = Next::Value;
        Ok(Token::Key(key))
    }

    fn close(&mut self) -> Token<'t> {
        self.at += 1;
        let object = self.open.pop().unwrap_or_default();
        self.next = self.after_value();
        if object { Token::ObjectEnd } else { Token::ArrayEnd }
    }

    fn after_value(&self) -> Next {
        if self.open.is_empty() { Next::Nothing } else { Next::CommaOrEnd }
    }

    fn in_object(&self) -> bool {
        self.open.last().copied().unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.source.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn scalar(&mut self) -> Result<&'t str, Fault> {
        let rest = &self.source[self.at..];
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')));
        let word = &rest[..end.unwrap_or(rest.len())];
        let named = matches!(word, "true" | "false" | "null" | "NaN" | "Infinity" | "-Infinity");
        if !named && !is_number(word) {
            return Err(self.fault("a value is missing"));
        }
        self.at += word.len();
        Ok(word)
    }

    /// A string, from its first quote to its last.
    fn string(&mut self) -> Result<Cow<'t, str>, Fault> {
        let start = self.at + 1;
        let mut plain = start;
        let mut written: Option<String> = None;
        self.at = start;
        loop {
            match self.peek() {
                None => return Err(self.fault("a string does not end")),
                Some(b'"') => {
                    let last = &self.source[plain..self.at];
                    self.at += 1;
                    return Ok(written.map_or(Cow::Borrowed(last), |text| Cow::Owned(text + last)));
                }
                Some(b'\\') => {
                    let text = written.get_or_insert_default();
                    text.push_str(&self.source[plain..self.at]);
                    let character = self.escape()?;
                    text.push(character);
                    plain = self.at;
                }
                Some(byte) if byte < 0x20 && byte != b'\t' => {
                    return Err(self.fault("a line break or control character stands in a string"));
                }
                Some(_) => self.at += 1,
            }
        }
    }

    /// The character of an escape; half a surrogate pair is a replacement character.
    fn escape(&mut self) -> Result<char, Fault> {
        let character = match self.source.as_bytes().get(self.at + 1) {
            Some(b'n') => '\n',
            Some(b't') => '\t',
            Some(b'r') => '\r',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(*byte),
            Some(b'u') => return self.unicode_escape(),
            _ => return Err(self.fault("an escape is unknown")),
        };
        self.at += 2;
        Ok(character)
    }

    fn unicode_escape(&mut self) -> Result<char, Fault> {
        let Some(first) = self.unit(self.at) else { return Err(self.fault("an escape is unknown")) };
        self.at += 6;
        if let (0xd800..=0xdbff, Some(second @ 0xdc00..=0xdfff)) = (first, self.unit(self.at)) {
            self.at += 6;
            let point = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            return Ok(char::from_u32(point).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    /// The four hexadecimal digits of a `\u` at `at`.
    fn unit(&self, at: usize) -> Option<u32> {
        let digits = self.source.get(at..at + 6)?.strip_prefix("\\u")?;
        let all_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        u32::from_str_radix(digits, 16).ok().filter(|_| all_hex)
    }

    fn fault(&self, problem: &'static str) -> Fault {
        let before = &self.source[..self.at.min(self.source.len())];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Fault {
            line: 1 + before.bytes().filter(|byte| *byte == b'\n').count(),
            column: 1 + before[line_start..].chars().count(),
            problem,
        }
    }
}

/// Whether `word` is a number of RFC 8259, section 6.
fn is_number(word: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let word = word.strip_prefix('-').unwrap_or(word);
    let (mantissa, exponent) = match word.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (word, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|exponent| digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tokens(source: &str) -> Result<Vec<Token<'_>>, Fault> {
        let mut reader = Reader::new(source);
        let mut tokens = Vec::new();
        while let Some(token) = reader.token()? {
            tokens.push(token);
        }
        Ok(tokens)
    }

    #[test]
    fn strings_lose_their_escapes_and_numbers_stay_as_written() {
        let text = |text: &str| Token::Text(Cow::Owned(text.to_owned()));
        let found = tokens(r#"["a\n\"é\u00e9\ud83d\ude00\ud800", 123456789012345678901.50e+3, -0, NaN]"#).unwrap();
        let numbers = ["123456789012345678901.50e+3", "-0", "NaN"].map(Token::Scalar);
        assert_eq!(found[1], text("a\n\"éé😀\u{fffd}"));
        assert_eq!(found[2..5], numbers);
    }

    #[test]
    fn a_fault_says_line_and_column() {
        let cases = [
            ("{\n  \"é\": ]\n}", 2, 8),
            ("[1,]", 1, 4),
            ("[1 2]", 1, 4),
            ("{\"a\" 1}", 1, 6),
            ("{a: 1}", 1, 2),
            ("[01]", 1, 2),
            ("[\"a", 1, 4),
            ("[1]]", 1, 4),
            ("", 1, 1),
            ("[1}", 1, 3),
            ("[\"\\x\"]", 1, 3),
        ];
        for (source, line, column) in cases {
            let fault = tokens(source).unwrap_err();
            assert_eq!((fault.line, fault.column), (line, column), "{source}: {}", fault.problem);
        }
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
        assert_eq!(tokens(&deep).unwrap().len(), 2_000_000);
    }

    proptest! {
        #[test]
        fn what_it_takes_is_what_serde_takes(source in r#"[\[\]{},:"a1 0.e+\-tru\\nl]{0,12}"#) {
            prop_assert_eq!(tokens(&source).is_ok(), serde_json::from_str::<serde_json::Value>(&source).is_ok());
        }
    }
}
