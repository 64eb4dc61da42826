//! The first pass over XML: which elements hold elements, which text, which
//! both. Imports the visitor.

use super::{Piece, visit};

/// Elements within each other up to which text is taken to flow around them.
const FLOW_HEIGHT: usize = 5;

/// Bytes of text up to which it does.
const FLOW_BYTES: usize = 64 * 1024;

/// What stands in an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// Text alone, or nothing.
    Leaf,
    /// Text and, among it, elements that are part of its sentences.
    Flow,
    /// Elements.
    Block,
}

/// What the first pass found.
#[derive(Debug, Default)]
pub(super) struct Shape {
    /// What stands in each element, in the order in which they start.
    pub contents: Vec<Content>,
    /// Whether there is text at all.
    pub has_text: bool,
}

struct Open {
    number: usize,
    has_text: bool,
    /// Elements within each other in it.
    height: usize,
    bytes: usize,
}

/// Reads the whole file.
///
/// # Errors
/// Where, in bytes, and why it is no well-formed XML.
pub(super) fn survey(source: &str) -> Result<Shape, (usize, String)> {
    let mut shape = Shape::default();
    let mut open: Vec<Open> = Vec::new();
    visit(source, |piece| match piece {
        Piece::Open(_) => {
            open.push(Open { number: shape.contents.len(), has_text: false, height: 0, bytes: 0 });
            shape.contents.push(Content::Leaf);
        }
        Piece::Text(text) => {
            if let (Some(element), false) = (open.last_mut(), text.trim().is_empty()) {
                element.has_text = true;
                element.bytes += text.len();
                shape.has_text = true;
            }
        }
        Piece::Close => {
            let Some(element) = open.pop() else { return };
            if element.height > 0 {
                let flows = element.has_text && element.height <= FLOW_HEIGHT && element.bytes <= FLOW_BYTES;
                shape.contents[element.number] = if flows { Content::Flow } else { Content::Block };
            }
            if let Some(parent) = open.last_mut() {
                parent.height = parent.height.max(element.height + 1);
                parent.bytes += element.bytes;
            }
        }
    })?;
    Ok(shape)
}
