//! The parts of a package as a stream of elements and text, by local name.
//! Only predefined entities and character references are resolved, a document
//! type declaration is refused, and elements nest no deeper than
//! [`MAX_DEPTH`]. Imports the error.

use std::borrow::Cow;

use quick_xml::events::{BytesEnd, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::broken;
use crate::parse::ParseError;

/// How deep elements may nest. Readers keep a frame for some of them, and move
/// what they found from one to the next.
pub(super) const MAX_DEPTH: usize = 512;

/// What comes next in a part.
#[derive(Debug)]
pub(super) enum Node<'x> {
    /// An element starts; an empty one ends next.
    Open(Element<'x>),
    /// An element ends.
    Close(End<'x>),
    /// Text, with its references resolved. One text may come in several.
    Text(Cow<'x, str>),
}

/// The start of an element.
#[derive(Debug)]
pub(super) struct Element<'x>(BytesStart<'x>);

impl Element<'_> {
    /// Its local name.
    pub(super) fn name(&self) -> &str {
        self.0.name().0.rsplit(':').next().unwrap_or_default()
    }

    /// The value of the attribute with this local name; the first of several.
    pub(super) fn attribute(&self, name: &str) -> Option<String> {
        self.find(|key| key.rsplit(':').next() == Some(name))
    }

    /// The value of the attribute with this local name and with any prefix.
    pub(super) fn prefixed(&self, name: &str) -> Option<String> {
        self.find(|key| key.rsplit_once(':').is_some_and(|(_, local)| local == name))
    }

    /// The number that an attribute holds.
    pub(super) fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.attribute(name)?.trim().parse().ok()
    }

    /// Whether a switch such as `<w:b/>` or `<w:b w:val="1"/>` is on.
    pub(super) fn is_on(&self) -> bool {
        !matches!(self.attribute("val").as_deref(), Some("0" | "false" | "off"))
    }

    /// Whether an attribute says so.
    pub(super) fn says(&self, name: &str) -> bool {
        matches!(self.attribute(name).as_deref(), Some("1" | "true" | "on"))
    }

    fn find(&self, matches: impl Fn(&str) -> bool) -> Option<String> {
        let attribute = self.0.attributes().with_checks(false).flatten().find(|one| matches(one.key.0))?;
        // What cannot be resolved is as good as absent.
        attribute.normalized_value(XmlVersion::Implicit1_0).ok().map(Cow::into_owned)
    }
}

/// The end of an element.
#[derive(Debug)]
pub(super) struct End<'x>(BytesEnd<'x>);

impl End<'_> {
    /// Its local name.
    pub(super) fn name(&self) -> &str {
        self.0.name().0.rsplit(':').next().unwrap_or_default()
    }
}

/// Reads a part.
pub(super) struct Nodes<'x> {
    reader: Reader<&'x [u8]>,
    depth: usize,
    format: &'static str,
}

impl<'x> Nodes<'x> {
    /// A reader of `part`, which belongs to a file of `format`.
    pub(super) fn new(part: &'x str, format: &'static str) -> Self {
        let mut reader = Reader::from_str(part.trim_start_matches('\u{feff}'));
        reader.config_mut().expand_empty_elements = true;
        reader.config_mut().allow_dangling_amp = true;
        Self { reader, depth: 0, format }
    }

    /// The next element or text, `None` at the end.
    ///
    /// # Errors
    /// [`ParseError::Broken`] where the part is not well-formed.
    pub(super) fn next(&mut self) -> Result<Option<Node<'x>>, ParseError> {
        loop {
            let event = self.reader.read_event().map_err(|error| self.broken(&error.to_string()))?;
            let node = match event {
                Event::Start(start) => {
                    self.depth += 1;
                    if self.depth > MAX_DEPTH {
                        return Err(self.broken("its elements nest too deeply"));
                    }
                    Node::Open(Element(start))
                }
                Event::End(end) => {
                    self.depth = self.depth.saturating_sub(1);
                    Node::Close(End(end))
                }
                Event::Text(text) => Node::Text(text.into_inner()),
                Event::CData(text) => Node::Text(text.into_inner()),
                Event::GeneralRef(reference) => Node::Text(self.resolved(&reference)?.into()),
                Event::DocType(_) => return Err(self.broken("a part has a document type declaration")),
                Event::Eof if self.depth > 0 => return Err(self.broken("a part ends too early")),
                Event::Eof => return Ok(None),
                Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => continue,
            };
            return Ok(Some(node));
        }
    }

    /// Reads to the end of the element that has just started.
    ///
    /// # Errors
    /// [`ParseError::Broken`] where the part is not well-formed.
    pub(super) fn skip(&mut self) -> Result<(), ParseError> {
        let outside = self.depth.saturating_sub(1);
        while self.depth > outside {
            if self.next()?.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// The text of the element that has just started, to its end.
    ///
    /// # Errors
    /// [`ParseError::Broken`] where the part is not well-formed.
    pub(super) fn text(&mut self) -> Result<String, ParseError> {
        let outside = self.depth.saturating_sub(1);
        let mut text = String::new();
        while self.depth > outside {
            match self.next()? {
                Some(Node::Text(part)) => text.push_str(&part),
                Some(_) => {}
                None => break,
            }
        }
        Ok(text)
    }

    fn resolved(&self, reference: &quick_xml::events::BytesRef<'_>) -> Result<String, ParseError> {
        let character = reference.resolve_char_ref().map_err(|error| self.broken(&error.to_string()))?;
        if let Some(character) = character {
            return Ok(character.to_string());
        }
        let entity = quick_xml::escape::resolve_xml_entity(reference);
        entity.map(str::to_owned).ok_or_else(|| self.broken("a part names an entity that is not defined"))
    }

    fn broken(&self, problem: &str) -> ParseError {
        broken(self.format, problem)
    }
}

/// What stands in the only element called `name`; the first of several.
///
/// # Errors
/// [`ParseError::Broken`] where the part is not well-formed.
pub(super) fn text_of(part: &str, name: &str, format: &'static str) -> Result<Option<String>, ParseError> {
    let mut nodes = Nodes::new(part, format);
    while let Some(node) = nodes.next()? {
        if let Node::Open(element) = node
            && element.name() == name
        {
            return nodes.text().map(Some);
        }
    }
    Ok(None)
}
