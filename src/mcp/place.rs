//! What ids and addresses name: a document, or a range of one of its revisions.
//! Imports ids.

use std::fmt;
use std::str::FromStr;

use footnote_ingest::document::Span;

use crate::ids::{CollectionId, DocumentId, RevisionId};

/// What the id of a result names: `{document}` or `{revision}:{start}-{end}`, in
/// code points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Document(DocumentId),
    Range(RevisionId, Span),
}

/// A text that is no id or address of ours.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoPlace;

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Document(document) => document.fmt(f),
            Self::Range(revision, Span { start, end }) => write!(f, "{revision}:{start}-{end}"),
        }
    }
}

impl FromStr for Place {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let Some((revision, range)) = text.split_once(':') else {
            return text.parse().map(Self::Document).map_err(|_| NoPlace);
        };
        let (start, end) = range.split_once('-').ok_or(NoPlace)?;
        let number = |text: &str| text.parse::<usize>().map_err(|_| NoPlace);
        let span = Span { start: number(start)?, end: number(end)? };
        let revision = revision.parse().map_err(|_| NoPlace)?;
        if span.is_empty() { Err(NoPlace) } else { Ok(Self::Range(revision, span)) }
    }
}

/// The address of a document as a resource: `kb://{collection}/{document_id}`,
/// with `?start=` for a text that does not begin at its first code point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) collection: CollectionId,
    pub(super) document: DocumentId,
    pub(super) start: usize,
}

impl Address {
    /// The address of a whole document.
    pub(super) fn of(collection: CollectionId, document: DocumentId) -> Self {
        Self { collection, document, start: 0 }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kb://{}/{}", self.collection, self.document)?;
        if self.start > 0 { write!(f, "?start={}", self.start) } else { Ok(()) }
    }
}

impl FromStr for Address {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let path = text.strip_prefix("kb://").ok_or(NoPlace)?;
        let (path, start) = match path.split_once("?start=") {
            Some((path, start)) => (path, start.parse().map_err(|_| NoPlace)?),
            None => (path, 0),
        };
        let (collection, document) = path.split_once('/').ok_or(NoPlace)?;
        let collection = collection.parse().map_err(|_| NoPlace)?;
        let document = document.parse().map_err(|_| NoPlace)?;
        Ok(Self { collection, document, start })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_as_the_same(
            one in any::<u128>(), other in any::<u128>(), start in 0_usize..1_000_000_000, length in 1_usize..1_000_000,
        ) {
            let (one, other) = (Uuid::from_u128(one), Uuid::from_u128(other));
            let document = Place::Document(DocumentId(one));
            prop_assert_eq!(document.to_string().parse(), Ok(document));
            let range = Place::Range(RevisionId(one), Span { start, end: start + length });
            prop_assert_eq!(range.to_string().parse(), Ok(range));
            let address = Address { collection: CollectionId(one), document: DocumentId(other), start };
            prop_assert_eq!(address.to_string().parse(), Ok(address));
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in ".{0,80}", id in any::<u128>()) {
            let _ = text.parse::<Place>();
            let _ = format!("{}:{text}", Uuid::from_u128(id)).parse::<Place>();
            let _ = format!("kb://{text}").parse::<Address>();
        }
    }

    #[test]
    fn what_names_nothing_is_no_place() {
        let id = "0190a000-0000-7000-8000-000000000000";
        let wrong = ["", "one", ":", "0-1", &format!("{id}:"), &format!("{id}:5"), &format!("{id}:-1-5")];
        let backwards = [format!("{id}:5-5"), format!("{id}:9-5"), format!("{id}:0-99999999999999999999999")];
        for text in wrong.into_iter().chain(backwards.iter().map(String::as_str)) {
            assert_eq!(text.parse::<Place>(), Err(NoPlace), "{text}");
        }
        for text in [format!("kb://{id}"), format!("http://{id}/{id}"), format!("kb://{id}/{id}?start=x")] {
            assert_eq!(text.parse::<Address>(), Err(NoPlace), "{text}");
        }
    }
}
