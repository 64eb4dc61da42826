//! Which stored documents have lost their file, so that the same bytes under a
//! new key are a move and no new document.

use std::collections::{HashMap, HashSet};

use footnote_ingest::source::entry;
use footnote_ingest::store::documents::{Document, Stage};

use super::inputs::Inputs;

/// Documents whose file is gone, by the SHA-256 of what it held.
#[derive(Debug, Default)]
pub(super) struct Gone(HashMap<String, Vec<String>>);

impl Gone {
    /// Those of `known` that are from below the inputs' roots, where everything
    /// was listed, and that are neither `named` nor left out.
    pub(super) fn new(known: &HashMap<String, Document>, named: &HashSet<String>, inputs: &Inputs) -> Self {
        let mut gone = Self::default();
        for document in known.values().filter(|document| !named.contains(&document.key)) {
            let is_there = document.uri.as_ref().is_some_and(|uri| inputs.left_out.contains(uri));
            if !is_there && is_gone(document, &inputs.roots) {
                gone.0.entry(document.sha256.clone()).or_default().push(document.key.clone());
            }
        }
        gone
    }

    /// The key of the one document that held these bytes. Of two that did,
    /// nobody knows which one moved.
    pub(super) fn take(&mut self, sha256: &str) -> Option<String> {
        let keys = self.0.get_mut(sha256)?;
        if keys.len() == 1 { keys.pop() } else { None }
    }
}

fn is_gone(document: &Document, roots: &[String]) -> bool {
    let Some(uri) = &document.uri else { return false };
    // What lies within another document's file moves with that.
    if document.parent_id.is_some()
        || document.stage == Stage::Failed
        || !roots.iter().any(|root| uri.starts_with(root))
    {
        return false;
    }
    // A file that is only left out this time is still there.
    entry::file_of(uri).is_none_or(|path| matches!(path.try_exists(), Ok(false)))
}
