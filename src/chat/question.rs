//! A question, as callers ask it.

use sha2::{Digest, Sha256};

use super::files::File;
use crate::error::Error;
use crate::ids::{DocumentId, MessageId};
use crate::llm::Image;
use crate::storage::answers::Place;
use crate::storage::conversations::Patch;
use crate::storage::messages::{Part, Role};
use crate::storage::options::Options;
use crate::storage::withdrawals::Unanswered;

/// A question.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Its words.
    pub content: String,
    /// What is sent along to be looked at.
    pub images: Vec<Image>,
    /// Documents from which alone it is answered, if any are named: the
    /// collections and the filter do not count then.
    pub documents: Vec<DocumentId>,
    /// Where it hangs in the conversation.
    pub place: Place,
    /// What was said before it and is not stored yet: it hangs between the message
    /// that `place` names and the question.
    pub before: Vec<(Role, String)>,
    /// What the model is told from now on, in the place of the conversation's
    /// instructions.
    pub instructions: Patch<String>,
    /// What it is asked with beside its words. Of a new question `None` means the
    /// conversation's, else the service's; of one that is asked again, that it is
    /// as before.
    pub options: Options,
    /// The caller's own key for it, so that asking again is safe.
    pub key: Option<IdempotencyKey>,
    /// Answer anew, even where the same was answered before.
    pub afresh: bool,
    /// What becomes of it when it cannot be answered.
    pub unanswered: Unanswered,
}

/// A question that was taken, and the answer that is being made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// The question's message.
    pub question: MessageId,
    /// The answer's message.
    pub answer: MessageId,
}

/// A caller's own key for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The key.
    pub key: String,
    /// SHA-256 of the request.
    pub request_sha256: Vec<u8>,
}

impl IdempotencyKey {
    /// The key of a request to `path` with this body.
    #[must_use]
    pub fn new(key: impl Into<String>, path: &str, body: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(path);
        hash.update([0]);
        hash.update(body);
        Self { key: key.into(), request_sha256: hash.finalize().to_vec() }
    }

    /// The refusal of this key for a request that is not the one it was used for.
    #[must_use]
    pub fn of_another(&self) -> Error {
        Error::Invalid {
            field: "idempotency_key",
            problem: "was used for another request; take a new key for a new request".into(),
        }
    }
}

impl Ask {
    /// A question of words alone, after the last message.
    #[must_use]
    pub fn new(content: impl Into<String>) -> Self {
        Self {
            content: content.into(),
            images: vec![],
            documents: vec![],
            place: Place::Last,
            before: vec![],
            instructions: Patch::Keep,
            options: Options::default(),
            key: None,
            afresh: false,
            unanswered: Unanswered::Kept,
        }
    }

    /// As it is stored, with the documents that it names.
    pub(super) fn parts(&self, files: &[File]) -> Vec<Part> {
        let pictures = self.images.iter().map(|image| Part::Image {
            media_type: image.media_type.clone(),
            base64: image.base64.to_string(),
            url: None,
        });
        let files = files.iter().map(File::part);
        pictures.chain(files).chain([Part::Text { text: self.content.clone() }]).collect()
    }
}
