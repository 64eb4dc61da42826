//! The check of an answer while it streams.
//!
//! Every decision is made character by character, so that it does not matter
//! how the answer is cut into deltas.

use std::collections::VecDeque;

use super::claims::{Claims, Settled};
use super::code::Code;
use super::marker::{self, Held, Reference, Scan};
use super::verify::Evidence;
use super::{Citation, Piece, SourceText, Summary};

/// Checks the markers of one answer.
#[derive(Debug)]
pub struct Verifier {
    evidence: Evidence,
    claims: Claims,
    out: Vec<Piece>,
    summary: Summary,
    /// Code points shown.
    shown: usize,
    /// What may become a marker.
    held: Held,
    /// Spaces that are shown unless a marker behind them is dropped.
    spaces: String,
    /// What stands before the next character.
    last: Last,
    line: Line,
    code: Code,
}

/// What came last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    Text,
    /// The number of a citation.
    Shown,
    /// A marker that nothing backs.
    Dropped,
}

/// The line of the answer so far.
#[derive(Debug, Default)]
struct Line {
    /// Something is shown on it.
    begun: bool,
    /// Something that is neither a space nor a backtick is.
    printed: bool,
    /// A letter is.
    letter: bool,
}

impl Verifier {
    /// A check against these sources.
    #[must_use]
    pub fn new(sources: Vec<SourceText>) -> Self {
        Self {
            evidence: Evidence::new(sources),
            claims: Claims::default(),
            out: Vec::new(),
            summary: Summary::default(),
            shown: 0,
            held: Held::default(),
            spaces: String::new(),
            last: Last::Text,
            line: Line::default(),
            code: Code::default(),
        }
    }

    /// Takes more sources, which what comes may cite.
    pub fn add(&mut self, sources: Vec<SourceText>) {
        self.evidence.add(sources);
    }

    /// Takes a citation that the provider makes by its own means, of the words
    /// before it. Returns what may be shown now: its number if the quote stands
    /// in the source.
    pub fn cite_quote(&mut self, n: u32, quote: &str) -> Vec<Piece> {
        // What may become a marker is none: the model's words go on elsewhere.
        let mut queue = VecDeque::new();
        while !self.held.is_empty() {
            let scan = self.held.end();
            self.decide(scan, &mut queue);
            self.run(std::mem::take(&mut queue));
        }
        self.cite(&[Reference { n, quotes: vec![quote.to_owned()] }]);
        std::mem::take(&mut self.out)
    }

    /// Whether anything shown so far is cited.
    #[must_use]
    pub fn has_cited(&self) -> bool {
        !self.summary.citations.is_empty()
    }

    /// Takes more of the answer. Returns what may be shown of it now; only
    /// what may become a marker is held back, and spaces before it.
    pub fn push(&mut self, text: &str) -> Vec<Piece> {
        self.run(text.chars().collect());
        std::mem::take(&mut self.out)
    }

    /// The answer is over. Returns what was held back, and the summary.
    #[must_use]
    pub fn finish(mut self) -> (Vec<Piece>, Summary) {
        while !self.held.is_empty() {
            let mut queue = VecDeque::new();
            let scan = self.held.end();
            self.decide(scan, &mut queue);
            self.run(queue);
        }
        self.code.resolve();
        if self.last != Last::Dropped {
            self.show_spaces();
        }
        let settled = self.claims.settle(true);
        self.settle(settled);
        (self.out, self.summary)
    }

    fn run(&mut self, mut queue: VecDeque<char>) {
        while let Some(c) = queue.pop_front() {
            if self.held.is_empty() && !marker::opens(c) {
                self.pass(c);
            } else {
                let scan = self.held.push(c);
                self.decide(scan, &mut queue);
            }
        }
    }

    /// Does with the held text what the scan says; what is left of it goes
    /// back to the queue.
    fn decide(&mut self, scan: Scan, queue: &mut VecDeque<char>) {
        if scan == Scan::Open {
            return;
        }
        self.code.resolve();
        let in_code = self.code.is_open();
        let plain = in_code && !self.held.is_quoted();
        let held = self.held.take();
        let (references, length) = match scan {
            Scan::Marker(references) if !plain => (references, held.len()),
            Scan::Not(Some((references, length))) if !in_code => (references, length),
            _ => {
                self.pass(held[0]);
                (Vec::new(), 1)
            }
        };
        for c in held[length..].iter().rev() {
            queue.push_front(*c);
        }
        if !references.is_empty() {
            self.cite(&references);
        }
    }

    /// Shows the numbers of what backs a marker, if anything does.
    fn cite(&mut self, references: &[Reference]) {
        let mut claim = self.claims.current();
        let mut found = Vec::new();
        for reference in references {
            let backing = self.evidence.judge(reference, claim.as_ref());
            if let Some(claim) = &mut claim {
                claim.cited.extend(backing.iter().map(|found| found.source));
            }
            found.extend(backing);
        }
        if found.is_empty() {
            self.last = Last::Dropped;
            return;
        }
        self.show_spaces();
        let mut numbers = Vec::new();
        for found in found {
            self.claims.mark(found.source);
            let citation = self.evidence.citation(found, 0);
            let n = self.number(citation);
            if !numbers.contains(&n) {
                numbers.push(n);
            }
        }
        for n in numbers {
            self.show_beside(&format!("[{n}]"));
        }
        self.line.printed = true;
        self.last = Last::Shown;
    }

    /// The number of a citation; that of an earlier one of the same range.
    fn number(&mut self, mut citation: Citation) -> u32 {
        let key = |citation: &Citation| (citation.revision_id, citation.start, citation.end);
        if let Some(same) = self.summary.citations.iter().find(|earlier| key(earlier) == key(&citation)) {
            return same.n;
        }
        citation.n = u32::try_from(self.summary.citations.len() + 1).unwrap_or(u32::MAX);
        let n = citation.n;
        self.summary.citations.push(citation.clone());
        self.out.push(Piece::Citation(citation));
        n
    }

    /// Passes a character that is no part of a marker.
    fn pass(&mut self, c: char) {
        let dropped = self.last == Last::Dropped;
        if matches!(c, ' ' | '\t' | '\u{a0}' | '\u{202f}') {
            // One gap is enough around a marker that is gone.
            if !dropped || (self.spaces.is_empty() && self.line.begun) {
                self.spaces.push(c);
            }
            if !dropped {
                self.last = Last::Text;
            }
            return;
        }
        if dropped && (c.is_whitespace() || ".,;:!?)。，；：！？".contains(c)) {
            self.spaces.clear();
        }
        // A number must not become a link of Markdown: `[1](…)`, `[1]: …`.
        let links = c == '(' || c == '[' || (c == ':' && !self.line.letter);
        if self.last == Last::Shown && links {
            self.show_beside(" ");
        }
        self.show_spaces();
        self.show(c);
        self.last = Last::Text;
    }

    fn show_spaces(&mut self) {
        for c in std::mem::take(&mut self.spaces).chars() {
            self.show(c);
        }
    }

    /// Shows a character of the model's words.
    fn show(&mut self, c: char) {
        let was_fence = self.code.is_fenced();
        self.code.see(c, self.line.printed);
        if c == '\n' {
            self.line = Line::default();
        } else {
            self.line.begun = true;
            self.line.printed |= !c.is_whitespace() && c != '`';
            self.line.letter |= c.is_alphabetic();
        }
        // Code claims nothing; it ends the sentence before it.
        let seen = if self.code.is_fenced() || was_fence { '\n' } else { c };
        let settled = self.claims.push(seen, self.shown);
        self.settle(settled);
        self.show_beside(c.encode_utf8(&mut [0; 4]));
    }

    /// Shows what is not the model's.
    fn show_beside(&mut self, text: &str) {
        self.shown += text.chars().count();
        self.summary.text.push_str(text);
        match self.out.last_mut() {
            Some(Piece::Text(last)) => last.push_str(text),
            _ => self.out.push(Piece::Text(text.to_owned())),
        }
    }

    /// Counts claims that are over.
    fn settle(&mut self, settled: Vec<Settled>) {
        for Settled { range, content, sources } in settled {
            self.summary.claims += 1;
            if !sources.is_empty() && self.evidence.have(&sources, &content.numbers) {
                self.summary.supported += 1;
            } else {
                self.out.push(Piece::Unsupported { start: range.start, end: range.end });
            }
        }
    }
}
