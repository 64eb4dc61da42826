//! What the styles of a word processing document make of its paragraphs.
//! Imports the error.

use std::collections::HashMap;

use super::blocks::Role;
use super::xml::{Element, Node, Nodes};
use crate::parse::ParseError;

/// Styles between one and the one it is based on in the end.
const LONGEST_CHAIN: usize = 32;
/// Deepest level of a list.
const LIST_LEVELS: u8 = 8;

/// A style of paragraphs, as far as it is asked for here.
#[derive(Debug, Default)]
struct Style {
    role: Option<Role>,
    /// How deep its paragraphs are as items of a list.
    level: u8,
    /// Whether they are items, where it says.
    is_item: Option<bool>,
    based_on: Option<String>,
}

/// Styles by their identifiers.
#[derive(Debug, Default)]
pub(super) struct Styles(HashMap<String, Style>);

impl Styles {
    /// Reads the part with the styles.
    ///
    /// # Errors
    /// [`ParseError::Broken`] where it is not well-formed.
    pub(super) fn read(part: &str) -> Result<Self, ParseError> {
        let mut styles = HashMap::new();
        let mut open: Option<(String, Style)> = None;
        let mut nodes = Nodes::new(part, "DOCX");
        while let Some(node) = nodes.next()? {
            match node {
                Node::Open(element) if element.name() == "style" => {
                    let id = element.attribute("styleId").unwrap_or_default();
                    open = Some((id, Style::default()));
                }
                Node::Open(element) => {
                    if let Some((_, style)) = &mut open {
                        style.take(&element);
                    }
                }
                Node::Close(end) if end.name() == "style" => styles.extend(open.take()),
                Node::Close(_) | Node::Text(_) => {}
            }
        }
        Ok(Self(styles))
    }

    /// What a paragraph of this style is.
    pub(super) fn role(&self, id: &str) -> Role {
        let mut next = Some(id);
        for _ in 0..LONGEST_CHAIN {
            let Some(id) = next else { break };
            let Some(style) = self.0.get(id) else { return by_name(id).unwrap_or_default() };
            match (style.role, style.is_item) {
                (Some(role), _) => return role,
                (None, Some(true)) => return Role::Item(style.level),
                (None, Some(false)) => return Role::Body,
                (None, None) => {}
            }
            next = style.based_on.as_deref();
        }
        Role::Body
    }
}

impl Style {
    fn take(&mut self, element: &Element<'_>) {
        let value = || element.attribute("val");
        match element.name() {
            // A name says more than an outline level does.
            "name" => self.role = value().and_then(|name| by_name(&name)).or(self.role),
            "basedOn" => self.based_on = value(),
            "outlineLvl" if self.role.is_none() => {
                self.role = element.number("val").and_then(outline).map(Role::Heading);
            }
            "numId" => self.is_item = Some(value().as_deref() != Some("0")),
            "ilvl" => self.level = element.number("val").unwrap_or(0u8).min(LIST_LEVELS),
            _ => {}
        }
    }
}

/// The level of a heading whose outline level, from 0, this is.
pub(super) fn outline(level: u8) -> Option<u8> {
    (level < 9).then_some(level + 1)
}

/// What the name of a built-in style says.
pub(super) fn by_name(name: &str) -> Option<Role> {
    let name = name.to_ascii_lowercase();
    let name = name.trim();
    if let Some(level) = name.strip_prefix("heading") {
        let level: u8 = level.trim_matches([' ', '_', '-']).parse().ok()?;
        return (1..=9).contains(&level).then_some(Role::Heading(level));
    }
    match name {
        "title" => Some(Role::Heading(1)),
        "caption" => Some(Role::Caption),
        _ => None,
    }
}
