//! The marks a model puts behind its claims: `[2: "exact quote"]`, and the
//! ways models get that wrong.

/// Code points of a marker, at most.
const MAX_CHARS: usize = 1200;
/// Closing brackets inside of a quote, at most.
const MAX_BRACKETS: usize = 8;
/// Sources in a range such as `[1-3]`, at most.
const MAX_RANGE: u32 = 10;
/// Digits of a source's number, at most; `[2024]` is no marker.
const MAX_DIGITS: usize = 3;

/// A source that a marker names.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reference {
    /// The number of the source.
    pub(super) n: u32,
    /// What is quoted from it, if anything.
    pub(super) quotes: Vec<String>,
}

/// What has become of a text that began like a marker.
#[derive(Debug, PartialEq)]
pub(super) enum Scan {
    /// It may become one.
    Open,
    /// It is one.
    Marker(Vec<Reference>),
    /// It is none, but one without its closing quote up to this many code
    /// points, where there is one.
    Not(Option<(Vec<Reference>, usize)>),
}

/// A text that began like a marker.
#[derive(Debug, Default)]
pub(super) struct Held {
    chars: Vec<char>,
    brackets: usize,
    colon: bool,
}

/// Whether a marker may begin with this.
pub(super) fn opens(c: char) -> bool {
    c == '[' || c == '【'
}

fn closes(c: char) -> bool {
    c == ']' || c == '】'
}

impl Held {
    pub(super) fn is_empty(&self) -> bool {
        self.chars.is_empty()
    }

    /// Whether it holds a quote between quotation marks.
    pub(super) fn is_quoted(&self) -> bool {
        let after = self.chars.iter().skip_while(|c| **c != ':').skip(1);
        after.copied().find(|c| !c.is_whitespace()).is_some_and(|c| closers(c).is_some())
    }

    /// Takes what is held, leaving nothing.
    pub(super) fn take(&mut self) -> Vec<char> {
        std::mem::take(self).chars
    }

    /// Holds one more character. The first must open a marker.
    pub(super) fn push(&mut self, c: char) -> Scan {
        self.chars.push(c);
        if self.chars.len() == 1 {
            return Scan::Open;
        }
        if closes(c) {
            if let Some(references) = parse(&self.chars) {
                return Scan::Marker(references);
            }
            self.brackets += 1;
            let over = !self.colon || self.brackets == MAX_BRACKETS;
            return if over { self.fail() } else { Scan::Open };
        }
        // `[12:30]` and `[1:2]` are none.
        let begins_quote = c.is_whitespace() || closers(c).is_some();
        let after_colon = self.colon && self.chars.iter().position(|c| *c == ':') == Some(self.chars.len() - 2);
        if after_colon && !begins_quote {
            return self.fail();
        }
        self.colon |= c == ':';
        let head = self.colon || c.is_ascii_digit() || c.is_whitespace() || is_separator(c) || is_dash(c);
        let blank_line = c == '\n' && self.chars[..self.chars.len() - 1].trim_end().ends_with(&['\n']);
        if !head || blank_line || self.chars.len() >= MAX_CHARS || !self.has_number() {
            return self.fail();
        }
        Scan::Open
    }

    /// The answer is over.
    pub(super) fn end(&self) -> Scan {
        match self.fail() {
            Scan::Not(None) if self.colon => {
                // Cut off inside of the quote: the number is left.
                let mut at = 1;
                let n = number(&self.chars, &mut at);
                Scan::Not(n.map(|n| (vec![Reference { n, quotes: vec![] }], self.chars.len())))
            }
            scan => scan,
        }
    }

    /// Before its colon a marker holds a number, or may still begin one.
    fn has_number(&self) -> bool {
        let start = self.chars[1..].trim_start();
        let digits = start.iter().take_while(|c| c.is_ascii_digit()).count();
        start.is_empty() || (1..=MAX_DIGITS).contains(&digits) && start[0] != '0'
    }

    fn fail(&self) -> Scan {
        let lenient = || {
            let end = self.chars.iter().position(|c| closes(*c))?;
            let mut at = 1;
            let n = number(&self.chars, &mut at)?;
            skip_spaces(&self.chars, &mut at);
            (self.chars.get(at) == Some(&':')).then_some(())?;
            let quote: String = self.chars.get(at + 1..end)?.iter().collect();
            let quote = quote.trim().trim_start_matches(|c| closers(c).is_some()).to_owned();
            Some((vec![Reference { n, quotes: vec![quote] }], end + 1))
        };
        Scan::Not(lenient())
    }
}

/// What closes a quote that opens with `c`.
fn closers(c: char) -> Option<&'static [char]> {
    Some(match c {
        '"' => &['"'],
        '“' | '”' | '„' | '‟' | '＂' => &['"', '“', '”', '＂'],
        '«' | '»' => &['»', '«', '"'],
        '\'' | '‘' | '’' | '‚' | '‛' => &['\'', '‘', '’'],
        '`' => &['`', '\''],
        '「' | '『' => &['」', '』'],
        _ => return None,
    })
}

/// The references of a whole marker, brackets and all.
fn parse(chars: &[char]) -> Option<Vec<Reference>> {
    let end = chars.len() - 1;
    let mut references = Vec::new();
    let mut at = 1;
    loop {
        let mut n = number(&chars[..end], &mut at)?;
        skip_spaces(chars, &mut at);
        if is_dash(chars[at]) {
            at += 1;
            let last = number(&chars[..end], &mut at)?;
            (n < last && last - n < MAX_RANGE).then_some(())?;
            references.extend((n..last).map(|n| Reference { n, quotes: vec![] }));
            n = last;
            skip_spaces(chars, &mut at);
        }
        let mut quotes = Vec::new();
        if chars[at] == ':' {
            at += 1;
            skip_spaces(chars, &mut at);
            if at == end {
                // `[2:]`
            } else if closers(chars[at]).is_some() {
                read_quotes(chars, &mut at, &mut quotes)?;
            } else {
                quotes.push(chars[at..end].iter().collect());
                at = end;
            }
        }
        references.push(Reference { n, quotes });
        if at == end {
            return Some(references);
        }
        if !is_separator(chars[at]) {
            return None;
        }
        at += 1;
    }
}

/// Reads quotes of one source up to the marker's end or to the separator
/// before the next number.
fn read_quotes(chars: &[char], at: &mut usize, quotes: &mut Vec<String>) -> Option<()> {
    loop {
        quotes.push(read_quote(chars, at)?);
        skip_spaces(chars, at);
        let mut next = *at + 1;
        skip_spaces(chars, &mut next);
        let another = is_separator(chars[*at]) && chars.get(next).is_some_and(|c| closers(*c).is_some());
        if !another {
            return Some(());
        }
        *at = next;
    }
}

/// A quote ends at a closing mark behind which the marker ends or goes on; any
/// other mark belongs to the quoted words.
fn read_quote(chars: &[char], at: &mut usize) -> Option<String> {
    let closers = closers(*chars.get(*at)?)?;
    let mut quote = String::new();
    let mut from = *at + 1;
    while let Some(&c) = chars.get(from) {
        from += 1;
        if c == '\\' && chars.get(from).is_some_and(|c| "\"'\\[]“”".contains(*c)) {
            quote.push(chars[from]);
            from += 1;
        } else if closers.contains(&c) && ends_quote(chars, from) {
            *at = from;
            return Some(quote);
        } else {
            quote.push(c);
        }
    }
    None
}

fn ends_quote(chars: &[char], mut at: usize) -> bool {
    skip_spaces(chars, &mut at);
    let end = chars.len() - 1;
    if at == end {
        return true;
    }
    if !chars.get(at).is_some_and(|c| is_separator(*c)) {
        return false;
    }
    at += 1;
    skip_spaces(chars, &mut at);
    if chars.get(at).is_some_and(|c| closers(*c).is_some()) {
        return true;
    }
    let number = number(chars, &mut at).is_some();
    skip_spaces(chars, &mut at);
    number && (at == end || chars.get(at).is_some_and(|c| *c == ':' || is_separator(*c)))
}

fn number(chars: &[char], at: &mut usize) -> Option<u32> {
    skip_spaces(chars, at);
    let digits: String = chars.get(*at..)?.iter().take_while(|c| c.is_ascii_digit()).collect();
    if digits.starts_with('0') || digits.len() > MAX_DIGITS {
        return None;
    }
    *at += digits.len();
    digits.parse().ok()
}

fn skip_spaces(chars: &[char], at: &mut usize) {
    while chars.get(*at).is_some_and(|c| c.is_whitespace()) {
        *at += 1;
    }
}

fn is_separator(c: char) -> bool {
    c == ',' || c == ';'
}

fn is_dash(c: char) -> bool {
    c == '-' || c == '–'
}

/// `trim` for characters.
trait Trim {
    fn trim_start(&self) -> &Self;
    fn trim_end(&self) -> &Self;
}

impl Trim for [char] {
    fn trim_start(&self) -> &Self {
        let spaces = self.iter().take_while(|c| c.is_whitespace()).count();
        &self[spaces..]
    }

    /// Spaces and tabs only: line breaks count.
    fn trim_end(&self) -> &Self {
        let spaces = self.iter().rev().take_while(|c| c.is_whitespace() && **c != '\n').count();
        &self[..self.len() - spaces]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &str) -> Scan {
        let mut held = Held::default();
        let mut last = Scan::Open;
        for c in text.chars() {
            assert_eq!(last, Scan::Open, "decided too early in {text:?}");
            last = held.push(c);
        }
        last
    }

    fn reference(n: u32, quotes: &[&str]) -> Reference {
        Reference { n, quotes: quotes.iter().map(|quote| (*quote).to_owned()).collect() }
    }

    #[test]
    fn every_way_of_writing_a_marker_is_read() {
        let cases = [
            ("[2]", vec![reference(2, &[])]),
            ("【2】", vec![reference(2, &[])]),
            ("[1–3]", vec![reference(1, &[]), reference(2, &[]), reference(3, &[])]),
            ("[ 2 , 3]", vec![reference(2, &[]), reference(3, &[])]),
            (r#"[2: "a b"]"#, vec![reference(2, &["a b"])]),
            ("[2: “a b”]", vec![reference(2, &["a b"])]),
            ("[2: „a b“]", vec![reference(2, &["a b"])]),
            ("[2:'it's on']", vec![reference(2, &["it's on"])]),
            (r#"[2: "a"; 3: "b"]"#, vec![reference(2, &["a"]), reference(3, &["b"])]),
            (r#"[2: "a", "b"; 3]"#, vec![reference(2, &["a", "b"]), reference(3, &[])]),
            (r#"[2: "see [3] and [x]"]"#, vec![reference(2, &["see [3] and [x]"])]),
            (r#"[2: "a \"b\" c"]"#, vec![reference(2, &["a \"b\" c"])]),
            (r#"[2: "a "b" c, 4 d"]"#, vec![reference(2, &["a \"b\" c, 4 d"])]),
            ("[2: 4 bar]", vec![reference(2, &["4 bar"])]),
            ("[2: ]", vec![reference(2, &[])]),
        ];
        for (text, references) in cases {
            assert_eq!(scan(text), Scan::Marker(references), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_a_marker_is_let_go_at_once() {
        for text in ["[a", "[]", "[0", "[2024", "[4-20]", "[3-1]", "[2a", "[^", "[,", "[:", "[2,]", "[12:3"] {
            assert_eq!(scan(text), Scan::Not(None), "{text}");
        }
    }

    #[test]
    fn a_quote_that_is_never_closed_ends_at_the_bracket() {
        let found = scan("[2: \"a b]. And so on\n\n");
        assert_eq!(found, Scan::Not(Some((vec![reference(2, &["a b"])], 9))));
        let long = format!("[2: \"{}", "x".repeat(MAX_CHARS - 5));
        assert_eq!(scan(&long), Scan::Not(None));
    }
}
