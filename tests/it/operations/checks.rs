//! Holds the service against the model, when nothing is queued.

use std::collections::BTreeMap;

use footnote::client::{Client, ClientError};
use serde_json::Value;

use super::model::{Document, Model};
use crate::canaries::search;

/// Looks at what was changed since the last time, and at what that replaced.
pub async fn check_touched(client: &Client, model: &mut Model) {
    let mut touched = std::mem::take(&mut model.touched);
    touched.sort();
    touched.dedup();
    for key in touched {
        // Deleted or renamed since.
        if let Some(document) = model.documents.get_mut(&key) {
            check_document(client, &key, document).await;
        }
    }
    let last = model.gone_words.len().saturating_sub(12);
    for word in &model.gone_words[last..] {
        check_nowhere(client, word).await;
    }
}

/// Looks at all documents, and at what has gone lately.
pub async fn check_all(client: &Client, model: &mut Model) {
    let listed: Vec<Value> = client.all("/api/v1/documents").await.unwrap();
    let field = |document: &Value, name: &str| document[name].as_str().unwrap_or_default().to_owned();
    let listed: BTreeMap<String, String> =
        listed.iter().map(|document| (field(document, "key"), field(document, "id"))).collect();
    let expected: BTreeMap<String, String> =
        model.documents.iter().map(|(key, document)| (key.clone(), document.id.clone())).collect();
    assert_eq!(listed, expected, "the list of documents");
    for (key, document) in &mut model.documents {
        check_document(client, key, document).await;
        for (revision, text) in &document.revisions {
            assert_eq!(&text_of(client, revision).await.unwrap(), text, "an old text of {key}");
        }
    }
    for word in &model.gone_words {
        check_nowhere(client, word).await;
    }
    for gone in &model.gone {
        let found = client.get::<Value>(&format!("/api/v1/documents/{}", gone.id)).await;
        assert!(is_missing(&found), "the deleted document {}: {found:?}", gone.id);
        for revision in &gone.revisions {
            let found = text_of(client, revision).await;
            assert!(is_missing(&found), "a text of the deleted document {}: {found:?}", gone.id);
        }
    }
    model.forget();
}

/// The document as its reader sees it: the row, the text, the search.
async fn check_document(client: &Client, key: &str, document: &mut Document) {
    let row: Value = client.get(&format!("/api/v1/documents/{}", document.id)).await.unwrap();
    assert_eq!((row["key"].as_str(), row["title"].as_str()), (Some(key), Some(key)), "{row}");
    assert_eq!(row["stage"], "done", "{row}");
    assert_eq!(row["bytes"], document.text.len(), "{row}");
    assert_eq!(row["chunks"], row["embedded"], "{row}");
    let revision = row["revision_id"].as_str().unwrap().to_owned();
    assert_eq!(text_of(client, &revision).await.unwrap(), document.text, "{row}");
    if document.revisions.last().is_none_or(|(last, _)| *last != revision) {
        document.revisions.push((revision.clone(), document.text.clone()));
    }
    let found = holding(client, &document.word).await;
    assert_eq!(found.len(), 1, "passages with {} of {key}: {found:?}", document.word);
    assert_eq!((found[0]["key"].as_str(), found[0]["revision_id"].as_str()), (Some(key), Some(revision.as_str())));
}

async fn check_nowhere(client: &Client, word: &str) {
    let found = holding(client, word).await;
    assert!(found.is_empty(), "{word} is gone, and found: {found:?}");
}

/// Passages with a word in them.
async fn holding(client: &Client, word: &str) -> Vec<Value> {
    let found = search(client, word, "sparse").await.unwrap();
    let passages = found["passages"].as_array().unwrap().iter();
    passages.filter(|passage| passage["text"].as_str().unwrap().contains(word)).cloned().collect()
}

async fn text_of(client: &Client, revision: &str) -> Result<String, ClientError> {
    let part: Value = client.get(&format!("/api/v1/revisions/{revision}/text")).await?;
    Ok(part["text"].as_str().unwrap().to_owned())
}

fn is_missing<T>(answer: &Result<T, ClientError>) -> bool {
    matches!(answer, Err(ClientError::Refused { status: 404, .. }))
}
