//! Source code: the text as it is, and its functions, types and modules as
//! symbols. Imports the document types and the canonical form.
//!
//! The syntax tree is tree-sitter's and is gone once the symbols are known:
//! whoever cuts the text needs their spans alone, not the language.

mod symbols;

use std::ops::ControlFlow;

use tree_sitter::{ParseOptions, ParseState, Parser, Tree};

use super::canonical;
use crate::document::{Parsed, Symbol, Syntax, TextMap};

/// Bytes up to which a file is taken apart; longer ones were not written by hand.
const LONGEST_FILE: usize = 4 * 1024 * 1024;

/// Code points of a line up to which it is; the same.
const LONGEST_LINE: usize = 5000;

/// Bytes of a file for each step of the parser, a hundred operations. Code has a
/// hundred and more; where mending errors takes as many steps as this, ending
/// the tree takes time and memory without bounds, in which no step is counted.
const BYTES_PER_STEP: usize = 48;

/// Steps that any file may take.
const LEAST_STEPS: usize = 16;

/// A language whose syntax is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Rust,
    Python,
    /// JSX too.
    JavaScript,
    TypeScript,
    Tsx,
    Go,
    Java,
    C,
    /// A header of C or C++: its text says which.
    Header,
    Cpp,
}

impl Language {
    /// By a file's extension in lower case.
    pub(super) fn of_extension(extension: &str) -> Option<Self> {
        Some(match extension {
            "rs" => Self::Rust,
            "py" | "pyi" | "pyw" => Self::Python,
            "js" | "jsx" | "mjs" | "cjs" => Self::JavaScript,
            "ts" | "mts" | "cts" => Self::TypeScript,
            "tsx" => Self::Tsx,
            "go" => Self::Go,
            "java" => Self::Java,
            "c" => Self::C,
            "h" => Self::Header,
            "cpp" | "cc" | "cxx" | "c++" | "hpp" | "hh" | "hxx" | "ipp" | "inl" => Self::Cpp,
            _ => return None,
        })
    }

    /// The language itself, where the extension leaves it open.
    fn settled(self, text: &str) -> Self {
        let is_cpp = |line: &str| {
            let line = line.trim_start();
            ["class ", "namespace ", "template", "public:", "private:", "using "]
                .iter()
                .any(|word| line.starts_with(word))
        };
        match self {
            Self::Header if text.lines().any(is_cpp) => Self::Cpp,
            Self::Header => Self::C,
            other => other,
        }
    }

    fn grammar(self) -> tree_sitter::Language {
        match self {
            Self::Rust => tree_sitter_rust::LANGUAGE.into(),
            Self::Python => tree_sitter_python::LANGUAGE.into(),
            Self::JavaScript => tree_sitter_javascript::LANGUAGE.into(),
            Self::TypeScript => tree_sitter_typescript::LANGUAGE_TYPESCRIPT.into(),
            Self::Tsx => tree_sitter_typescript::LANGUAGE_TSX.into(),
            Self::Go => tree_sitter_go::LANGUAGE.into(),
            Self::Java => tree_sitter_java::LANGUAGE.into(),
            Self::C | Self::Header => tree_sitter_c::LANGUAGE.into(),
            Self::Cpp => tree_sitter_cpp::LANGUAGE.into(),
        }
    }
}

/// Reads source code. Generated or packed files, and what is no such code, have
/// no symbols.
pub(super) fn parse(source: &str, language: Language) -> Parsed {
    let text = canonical::text(source);
    let symbols = symbols_of(&text, language.settled(&text));
    let map = TextMap { symbols, ..TextMap::default() };
    Parsed { title: None, text, map, syntax: Syntax::Plain, members: Vec::new() }
}

fn symbols_of(text: &str, language: Language) -> Vec<Symbol> {
    let is_packed = |line: &str| line.len() > LONGEST_LINE && line.chars().nth(LONGEST_LINE).is_some();
    if text.len() > LONGEST_FILE || text.lines().any(is_packed) {
        return Vec::new();
    }
    tree(text, language).map(|tree| symbols::of(text, &tree, language)).unwrap_or_default()
}

/// The syntax tree; none if it would take too long to find.
fn tree(text: &str, language: Language) -> Option<Tree> {
    let mut parser = Parser::new();
    parser.set_language(&language.grammar()).ok()?;
    let mut left = LEAST_STEPS + text.len() / BYTES_PER_STEP;
    let mut progress = |_: &ParseState| match left.checked_sub(1) {
        Some(less) => {
            left = less;
            ControlFlow::Continue(())
        }
        None => ControlFlow::Break(()),
    };
    let bytes = text.as_bytes();
    let mut read = |at: usize, _| bytes.get(at..).unwrap_or_default();
    parser.parse_with_options(&mut read, None, Some(ParseOptions::new().progress_callback(&mut progress)))
}

#[cfg(test)]
mod tests;
