//! The symbols of a syntax tree. Imports the document types, the canonical form
//! and the languages.

use std::cmp::Reverse;

use tree_sitter::{Node, Tree};

use super::super::canonical::folded;
use super::Language;
use crate::document::{Span, Symbol};

/// Code points that a name has at most.
const NAME_POINTS: usize = 120;

/// Declarators within each other that are gone through for a name in C.
const DECLARATORS: usize = 16;

/// The symbols of `text`, in its order, outer ones first.
///
/// A symbol starts with the comments, attributes and decorators right above it.
/// The tree is walked without recursion.
pub(super) fn of(text: &str, tree: &Tree, language: Language) -> Vec<Symbol> {
    let mut found: Vec<(String, Span)> = Vec::new();
    let mut cursor = tree.walk();
    let mut levels = vec![Level::default()];
    loop {
        let node = cursor.node();
        let Some(level) = levels.last_mut() else { break };
        let (start, wrap) = level.enter(&node);
        if let Some(name) = name(text, &node, language) {
            let span = wrap.unwrap_or(Span { start, end: node.end_byte() });
            found.push((name, span));
        }
        if cursor.goto_first_child() {
            let inner = wraps(&node).then(|| wrap.unwrap_or(Span { start, end: node.end_byte() }));
            levels.push(Level { wrap: inner, ..Level::default() });
            continue;
        }
        while !cursor.goto_next_sibling() {
            levels.pop();
            if !cursor.goto_parent() {
                return in_points(text, found);
            }
        }
    }
    in_points(text, found)
}

/// Brothers and sisters in the tree, up to the one at hand.
#[derive(Default)]
struct Level {
    /// What a declaration here starts and ends with: decorators, `export`.
    wrap: Option<Span>,
    /// Start and last row of the comments right above the next node.
    above: Option<(usize, usize)>,
    /// Last row of the node before.
    row: Option<usize>,
}

impl Level {
    /// Where `node` starts with the comments above it, and what wraps it.
    fn enter(&mut self, node: &Node<'_>) -> (usize, Option<Span>) {
        let (first, last) = (node.start_position(), node.end_position());
        // A comment that takes its line break along ends at the start of a row.
        let last_row = if last.column == 0 && last.row > first.row { last.row - 1 } else { last.row };
        let above = self.above.take().filter(|(_, row)| row + 1 >= first.row);
        let start = above.map_or(node.start_byte(), |(start, _)| start);
        let stands_alone = self.row.is_none_or(|row| row < first.row) || above.is_some();
        if is_above(node) && stands_alone {
            self.above = Some((start, last_row));
        }
        self.row = Some(last_row);
        (start, self.wrap)
    }
}

/// Comments, attributes and annotations that belong to what follows.
fn is_above(node: &Node<'_>) -> bool {
    matches!(
        node.kind(),
        "comment" | "line_comment" | "block_comment" | "attribute_item" | "decorator" | "hash_bang_line"
    )
}

/// Whether a declaration in `node` starts and ends with it.
fn wraps(node: &Node<'_>) -> bool {
    match node.kind() {
        "decorated_definition" | "export_statement" | "template_declaration" | "ambient_declaration" => true,
        "lexical_declaration" | "variable_declaration" | "type_declaration" => node.named_child_count() == 1,
        _ => false,
    }
}

/// The name of the symbol that `node` defines, if it is one.
fn name(text: &str, node: &Node<'_>, language: Language) -> Option<String> {
    if !node.is_named() {
        return None;
    }
    let name = match language {
        Language::Rust => rust(text, node),
        Language::Python => python(text, node),
        Language::JavaScript | Language::TypeScript | Language::Tsx => script(text, node),
        Language::Go => go(text, node),
        Language::Java => java(text, node),
        Language::C | Language::Header | Language::Cpp => c(text, node),
    }?;
    Some(folded(&name).chars().take(NAME_POINTS).collect())
}

fn field<'t>(text: &'t str, node: &Node<'_>, field: &str) -> Option<&'t str> {
    let range = node.child_by_field_name(field)?.byte_range();
    text.get(range).filter(|name| !name.is_empty())
}

/// `word name`.
fn worded(text: &str, node: &Node<'_>, word: &str) -> Option<String> {
    field(text, node, "name").map(|name| format!("{word} {name}"))
}

/// `name()`, where the language has no word for a function.
fn called(text: &str, node: &Node<'_>) -> Option<String> {
    field(text, node, "name").map(|name| format!("{name}()"))
}

fn rust(text: &str, node: &Node<'_>) -> Option<String> {
    let word = match node.kind() {
        "function_item" | "function_signature_item" => "fn",
        "struct_item" => "struct",
        "enum_item" => "enum",
        "union_item" => "union",
        "trait_item" => "trait",
        "mod_item" => "mod",
        "type_item" => "type",
        "macro_definition" => "macro_rules!",
        "impl_item" => {
            let kind = field(text, node, "type")?;
            return Some(match field(text, node, "trait") {
                Some(name) => format!("impl {name} for {kind}"),
                None => format!("impl {kind}"),
            });
        }
        _ => return None,
    };
    worded(text, node, word)
}

fn python(text: &str, node: &Node<'_>) -> Option<String> {
    match node.kind() {
        "class_definition" => worded(text, node, "class"),
        "function_definition" => {
            let is_async = node.child(0).is_some_and(|first| first.kind() == "async");
            worded(text, node, if is_async { "async def" } else { "def" })
        }
        _ => None,
    }
}

fn script(text: &str, node: &Node<'_>) -> Option<String> {
    let is_function = || {
        let value = node.child_by_field_name("value").map(|value| value.kind());
        value.is_some_and(|kind| {
            matches!(kind, "arrow_function" | "function_expression" | "generator_function" | "class")
        })
    };
    let word = match node.kind() {
        "function_declaration" => "function",
        "generator_function_declaration" => "function*",
        "class_declaration" | "abstract_class_declaration" => "class",
        "interface_declaration" => "interface",
        "type_alias_declaration" => "type",
        "enum_declaration" => "enum",
        "internal_module" | "module" => "namespace",
        "variable_declarator" if is_function() => "const",
        "method_definition" => return called(text, node),
        "field_definition" | "public_field_definition" if is_function() => {
            return called(text, node).or_else(|| field(text, node, "property").map(|name| format!("{name}()")));
        }
        _ => return None,
    };
    worded(text, node, word)
}

fn go(text: &str, node: &Node<'_>) -> Option<String> {
    match node.kind() {
        "function_declaration" => worded(text, node, "func"),
        "method_declaration" => {
            let (receiver, name) = (field(text, node, "receiver")?, field(text, node, "name")?);
            Some(format!("func {receiver} {name}"))
        }
        "type_spec" | "type_alias" => worded(text, node, "type"),
        _ => None,
    }
}

fn java(text: &str, node: &Node<'_>) -> Option<String> {
    let word = match node.kind() {
        "class_declaration" => "class",
        "interface_declaration" => "interface",
        "enum_declaration" => "enum",
        "record_declaration" => "record",
        "annotation_type_declaration" => "@interface",
        "method_declaration" | "constructor_declaration" | "compact_constructor_declaration" => {
            return called(text, node);
        }
        _ => return None,
    };
    worded(text, node, word)
}

/// C and C++. A type is a symbol only where it is defined, not where it is used.
fn c(text: &str, node: &Node<'_>) -> Option<String> {
    let has_body = |node: &Node<'_>| node.child_by_field_name("body").is_some();
    let word = match node.kind() {
        "function_definition" => return declared(text, node).map(|name| format!("{name}()")),
        "type_definition" => {
            let body = node.child_by_field_name("type").filter(has_body)?;
            // A type with a name of its own is a symbol by itself.
            return match body.child_by_field_name("name") {
                Some(_) => None,
                None => field(text, node, "declarator").map(|name| format!("typedef {name}")),
            };
        }
        "namespace_definition" => "namespace",
        "struct_specifier" if has_body(node) => "struct",
        "class_specifier" if has_body(node) => "class",
        "union_specifier" if has_body(node) => "union",
        "enum_specifier" if has_body(node) => "enum",
        _ => return None,
    };
    worded(text, node, word)
}

/// The name within the declarators of a function: `*(*name)(int)`.
fn declared<'t>(text: &'t str, node: &Node<'_>) -> Option<&'t str> {
    let mut inner = node.child_by_field_name("declarator")?;
    for _ in 0..DECLARATORS {
        let next = inner.child_by_field_name("declarator");
        // A reference in C++ has its declarator without a name for the field.
        let next = next.or_else(|| (inner.kind() == "reference_declarator").then(|| inner.named_child(0)).flatten());
        let Some(next) = next else { return text.get(inner.byte_range()).filter(|name| !name.is_empty()) };
        inner = next;
    }
    None
}

/// From bytes to code points: one walk over the text.
fn in_points(text: &str, mut found: Vec<(String, Span)>) -> Vec<Symbol> {
    found.sort_by_key(|(_, span)| (span.start, Reverse(span.end)));
    let mut offsets: Vec<usize> = found.iter().flat_map(|(_, span)| [span.start, span.end]).collect();
    offsets.sort_unstable();
    offsets.dedup();
    let (mut byte, mut point) = (0, 0);
    let mut points = Vec::with_capacity(offsets.len());
    for offset in &offsets {
        point += text.get(byte..*offset).unwrap_or_default().chars().count();
        byte = *offset;
        points.push(point);
    }
    let point_of = |offset: usize| offsets.binary_search(&offset).map_or(0, |place| points[place]);
    let symbol = |(name, span): (String, Span)| Symbol {
        name,
        span: Span { start: point_of(span.start), end: point_of(span.end) },
    };
    found.into_iter().map(symbol).collect()
}
