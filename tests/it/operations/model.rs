//! What the documents ought to be, in a map.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use footnote::client::{Client, ClientError, query_value};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::random::Random;

/// Sentences of a text, at most: some are cut into several chunks.
const SENTENCES: u64 = 60;
/// Documents and words that are gone and looked for later, at most.
const REMEMBERED: usize = 200;

/// A document that is there.
#[derive(Debug, Clone)]
pub struct Document {
    pub id: String,
    pub text: String,
    /// In no other text, and at the beginning of this one.
    pub word: String,
    /// Revisions that were seen, with their texts; the last is the current one
    /// once it was looked at.
    pub revisions: Vec<(String, String)>,
}

/// Something that was there.
#[derive(Debug, Clone)]
pub struct Gone {
    pub id: String,
    pub revisions: Vec<String>,
}

/// All documents by their keys.
#[derive(Debug, Default)]
pub struct Model {
    pub documents: BTreeMap<String, Document>,
    /// Changed since the last look.
    pub touched: Vec<String>,
    /// Words of texts that were replaced or deleted, the last ones.
    pub gone_words: Vec<String>,
    /// Documents that were deleted, the last ones.
    pub gone: Vec<Gone>,
}

/// A change that a caller asks for.
#[derive(Debug, Clone)]
pub enum Change {
    Put { key: String, text: String, word: String },
    Delete { key: String },
    Rename { from: String, to: String },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put { key, text, word } => write!(f, "put {key}: {} bytes with {word}", text.len()),
            Self::Delete { key } => write!(f, "delete {key}"),
            Self::Rename { from, to } => write!(f, "rename {from} to {to}"),
        }
    }
}

/// A key that is not there yet. Its ending says how the file is read.
pub fn key(random: &mut Random) -> String {
    let ending = ["txt", "md", "text"][random.index(3)];
    format!("folder-{}/{}.{ending}", random.below(5), random.word())
}

impl Change {
    /// A new text under a key.
    pub fn put(key: String, random: &mut Random) -> Self {
        let word = random.word();
        let mut text = format!("The {word} is kept here.");
        for n in 0..random.below(SENTENCES) {
            let (first, second) = (random.word(), random.word());
            let _ = write!(text, " Sentence {n} speaks of {first} and of {second}.");
        }
        Self::Put { key, text, word }
    }

    /// Asks for it; the reply has the document's `id`, and an upload's `outcome`.
    pub async fn send(&self, client: &Client, collection: &str, model: &Model) -> Result<Value, ClientError> {
        let path = |key: &str| format!("/api/v1/documents/{}", model.documents[key].id);
        match self {
            Self::Put { key, text, .. } => {
                let path = format!("/api/v1/collections/{collection}/documents");
                let taken: Value = client.post(&path, &json!({ "key": key, "text": text })).await?;
                Ok(taken["documents"][0].clone())
            }
            Self::Delete { key } => client.delete(&path(key)).await.map(|()| json!({})),
            Self::Rename { from, to } => client.patch(&path(from), &json!({ "key": to })).await,
        }
    }

    /// Whether it was done though nobody said so, and the document's id then.
    pub async fn is_done(&self, client: &Client, collection: &str, model: &Model) -> Option<Option<String>> {
        let find = async |key: &str| -> Option<Value> {
            let path = format!("/api/v1/documents?collection={collection}&key={}", query_value(key));
            client.all(&path).await.unwrap().pop()
        };
        let id = |document: &Value| document["id"].as_str().map(str::to_owned);
        match self {
            Self::Put { key, text, .. } => {
                let sha256: String = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
                find(key).await.filter(|found| found["sha256"] == sha256.as_str()).map(|found| id(&found))
            }
            Self::Delete { key } => find(key).await.is_none().then_some(None),
            Self::Rename { from, to } => {
                let moved = find(to).await.filter(|found| found["id"] == model.documents[from].id.as_str());
                assert!(from == to || moved.is_some() != find(from).await.is_some(), "{self}: half done");
                moved.map(|found| id(&found))
            }
        }
    }
}

impl Model {
    /// Whether the service has to refuse it: the new key is another's.
    pub fn refuses(&self, change: &Change) -> bool {
        matches!(change, Change::Rename { from, to } if from != to && self.documents.contains_key(to))
    }

    /// Holds a reply against what is known before the change.
    pub fn expect(&self, change: &Change, reply: &Value) {
        match change {
            Change::Put { key, text, .. } => {
                let known = self.documents.get(key);
                let outcome = match known {
                    None => "added",
                    Some(known) if known.text == *text => "unchanged",
                    Some(_) => "changed",
                };
                assert_eq!(reply["outcome"], outcome, "{change}");
                assert!(known.is_none_or(|known| reply["id"] == known.id.as_str()), "{change}: another id");
            }
            Change::Rename { from, to } => {
                assert_eq!(reply["id"], self.documents[from].id.as_str(), "{change}");
                assert_eq!(reply["key"], to.as_str(), "{change}");
            }
            Change::Delete { .. } => {}
        }
    }

    /// The change was done; `id` is the document's.
    pub fn apply(&mut self, change: &Change, id: Option<&str>) {
        match change {
            Change::Put { key, text, word } => {
                self.touched.push(key.clone());
                let known = self.documents.get_mut(key);
                if let Some(known) = known {
                    if known.text != *text {
                        let old = std::mem::replace(&mut known.word, word.clone());
                        known.text.clone_from(text);
                        self.gone_words.push(old);
                    }
                    return;
                }
                let id = id.expect("a new document's id").to_owned();
                let new = Document { id, text: text.clone(), word: word.clone(), revisions: Vec::new() };
                self.documents.insert(key.clone(), new);
            }
            Change::Delete { key } => {
                let old = self.documents.remove(key).unwrap();
                self.gone_words.push(old.word);
                let revisions = old.revisions.into_iter().map(|(id, _)| id).collect();
                self.gone.push(Gone { id: old.id, revisions });
            }
            Change::Rename { from, to } => {
                let document = self.documents.remove(from).unwrap();
                self.documents.insert(to.clone(), document);
                self.touched.push(to.clone());
            }
        }
    }

    /// Revisions that were seen of what is there.
    pub fn revisions(&self) -> usize {
        self.documents.values().map(|document| document.revisions.len()).sum()
    }

    /// Forgets what has been gone for long.
    pub fn forget(&mut self) {
        let words = self.gone_words.len().saturating_sub(REMEMBERED);
        self.gone_words.drain(..words);
        let documents = self.gone.len().saturating_sub(REMEMBERED);
        self.gone.drain(..documents);
    }
}
