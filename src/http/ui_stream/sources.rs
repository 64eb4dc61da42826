//! What an answer cites: each document once as a source, and each number that a
//! text shows as a backing of its range. Imports the parts and the citations.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::part::{Backer, Backing, Part};
use crate::citations::{Shown, shown};

/// Kinds of files by how their names end; others are shown as text.
const KINDS: [(&str, &str); 13] = [
    ("pdf", "application/pdf"),
    ("html", "text/html"),
    ("htm", "text/html"),
    ("md", "text/markdown"),
    ("csv", "text/csv"),
    ("json", "application/json"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    ("epub", "application/epub+zip"),
    ("eml", "message/rfc822"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
];

/// What was cited so far, and the keys of documents that were found.
#[derive(Debug, Default)]
pub(super) struct Sources {
    keys: HashMap<Uuid, String>,
    shown: HashSet<Uuid>,
    cited: BTreeMap<u32, Cited>,
}

/// What is read of a citation.
#[derive(Debug, Clone, Deserialize)]
struct Cited {
    n: u32,
    document_id: Uuid,
    title: String,
    uri: Option<String>,
    quote: String,
}

impl Sources {
    /// Keeps the keys of documents that were found.
    pub(super) fn learn(&mut self, passages: &Value) {
        for passage in passages.as_array().into_iter().flatten() {
            let document = passage["document_id"].as_str().and_then(|id| id.parse().ok());
            if let (Some(document), Some(key)) = (document, passage["key"].as_str()) {
                self.keys.entry(document).or_insert_with(|| key.to_owned());
            }
        }
    }

    /// Takes a citation; its source if it is the first of its document, and the
    /// citation itself.
    pub(super) fn cite(&mut self, citation: &Value) -> Vec<Part> {
        let Ok(cited) = Cited::deserialize(citation) else { return vec![] };
        let mut parts = Vec::new();
        if self.shown.insert(cited.document_id) {
            parts.push(match self.backer(&cited) {
                Backer::Url { id, url, title, .. } => Part::SourceUrl { source_id: id, url, title },
                Backer::Document { id, media_type, title, filename, .. } => {
                    Part::SourceDocument { source_id: id, media_type, title, filename }
                }
            });
        }
        parts.push(Part::DataCitation { id: format!("citation-{}", cited.n), data: citation.clone() });
        self.cited.insert(cited.n, cited);
        parts
    }

    /// What backs a block of text, in the order of the block.
    pub(super) fn backings(&self, words: &str) -> Vec<Backing> {
        // Where JavaScript slices them.
        let numbers = shown(words, char::len_utf16).into_iter();
        let backings = numbers.filter_map(|Shown { n, range }| {
            let cited = self.cited.get(&n)?;
            let (start_index, end_index) = (range.start, range.end);
            Some(Backing { source: self.backer(cited), start_index, end_index, cited_text: cited.quote.clone() })
        });
        backings.collect()
    }

    fn backer(&self, cited: &Cited) -> Backer {
        let (kind, id, title) = ("source", cited.document_id.to_string(), cited.title.clone());
        let is_web = |uri: &&String| uri.starts_with("https://") || uri.starts_with("http://");
        if let Some(url) = cited.uri.as_ref().filter(is_web) {
            return Backer::Url { kind, id, url: url.clone(), title };
        }
        let filename = self.keys.get(&cited.document_id).map(|key| name(key).to_owned());
        let media_type = media_type(filename.as_deref().unwrap_or_default()).to_owned();
        Backer::Document { kind, id, media_type, title, filename }
    }
}

/// The last part of a key.
fn name(key: &str) -> &str {
    key.rsplit(['/', '\\']).find(|part| !part.is_empty()).unwrap_or(key)
}

fn media_type(name: &str) -> &'static str {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default();
    KINDS.iter().find(|(known, _)| *known == ending).map_or("text/plain", |(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_is_shown_once_and_its_kind_told_by_its_name() {
        let (web, file) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let mut sources = Sources::default();
        sources.learn(&json!([{ "document_id": file, "key": "manuals/P4.PDF" }, { "document_id": 7 }]));
        let citation = |n: u32, document: Uuid, uri: Option<&str>| json!({ "n": n, "document_id": document, "title": "T", "uri": uri, "quote": "q" });
        let shown = sources.cite(&citation(1, file, Some("file:///manuals/P4.PDF")));
        let expected = Part::SourceDocument {
            source_id: file.to_string(),
            media_type: "application/pdf".into(),
            title: "T".into(),
            filename: Some("P4.PDF".into()),
        };
        assert_eq!(shown[0], expected);
        assert_eq!(sources.cite(&citation(2, file, None)).len(), 1);
        let shown = sources.cite(&citation(3, web, Some("https://host/a")));
        let expected = Part::SourceUrl { source_id: web.to_string(), url: "https://host/a".into(), title: "T".into() };
        assert_eq!(shown[0], expected);
        let backed: Vec<(usize, usize)> = sources
            .backings("\u{1f642} [3], b [1] [9] `a[1]`")
            .iter()
            .map(|backing| (backing.start_index, backing.end_index))
            .collect();
        assert_eq!(backed, [(3, 6), (10, 13)]);
        assert!(sources.cite(&json!({ "n": 4 })).is_empty());
    }
}
