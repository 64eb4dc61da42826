//! Reading and cutting: what needs a processor and nothing else.

use std::ops::Range;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::refuse::Refused;
use crate::chunk::{self, ChunkConfig};
use crate::context::{contextual, meaningful_title};
use crate::corpus::Corpus;
use crate::document::{Chunk, Member, Parsed, slice_all};
use crate::error::Error;
use crate::fault::{self, Place};
use crate::ids::{EmbeddingId, RevisionId};
use crate::parse::{MAX_DEPTH, ParseError};
use crate::reader::Unread;
use crate::scope::Scope;
use crate::space::Space;
use crate::store::embeddings;
use crate::store::jobs::Claim;
use crate::store::revisions;
use crate::store::stages::Queued;

/// A document that was read and cut.
pub(super) struct Prepared {
    pub claim: Claim,
    pub queued: Queued,
    pub scope: Scope,
    pub revision: RevisionId,
    pub parsed: Parsed,
    /// SHA-256 of each file that it holds.
    pub member_sha256: Vec<Vec<u8>>,
    pub title: String,
    pub text_sha256: Vec<u8>,
    pub chunks: Vec<Chunk>,
    /// Where each chunk lies in the text, in bytes.
    pub ranges: Vec<Range<usize>>,
    /// What each chunk is embedded as.
    pub embeddings: Vec<EmbeddingId>,
}

impl Prepared {
    /// The same, turned away.
    pub(super) fn refused(&self, reason: Unread) -> Refused {
        let (claim, document, version, scope) = (self.claim, self.queued.id, self.queued.version, self.scope);
        Refused { claim, document, version, scope, reason }
    }
}

/// What became of a batch of claims.
#[derive(Default)]
pub(super) struct Batch {
    pub prepared: Vec<Arc<Prepared>>,
    pub refused: Vec<Refused>,
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.prepared.is_empty() && self.refused.is_empty()
    }

    /// Bytes of their texts, and of the files that they hold.
    pub(super) fn bytes(&self) -> usize {
        let members =
            |document: &Prepared| document.parsed.members.iter().map(|member| member.bytes.len()).sum::<usize>();
        self.prepared.iter().map(|document| document.parsed.text.len() + members(document)).sum()
    }

    /// The claims of all of them.
    pub(super) fn claims(&self) -> Vec<Claim> {
        let prepared = self.prepared.iter().map(|document| document.claim);
        prepared.chain(self.refused.iter().map(|refused| refused.claim)).collect()
    }
}

/// Reads a document and cuts it.
pub(super) async fn read(
    corpus: &Corpus,
    space: &Arc<Space>,
    claim: Claim,
    mut queued: Queued,
) -> std::result::Result<Prepared, Unread> {
    let ours = |error: Error| Unread::Failed(error.to_string());
    let bytes = std::mem::take(&mut queued.bytes);
    fault::may_happen(Place::Reading).await.map_err(ours)?;
    let parsed = corpus.reader.read(bytes, &queued.key, queued.media_type.as_deref()).await?;
    fault::may_happen(Place::Read).await.map_err(ours)?;
    let (corpus, space) = (corpus.clone(), Arc::clone(space));
    let cut = tokio::task::spawn_blocking(move || cut(&corpus, &space, claim, queued, parsed));
    cut.await.map_err(|_| Unread::Failed("the chunker ended early".to_owned()))?
}

/// What lies within a file is held to the limits of what is uploaded by itself,
/// and does not go on for ever: an archive may hold itself.
fn check_members(corpus: &Corpus, depth: i16, parsed: &Parsed) -> std::result::Result<(), ParseError> {
    if !parsed.members.is_empty() && usize::try_from(depth).is_ok_and(|depth| depth >= MAX_DEPTH) {
        return Err(ParseError::TooDeep);
    }
    let limit = corpus.config.max_file_bytes;
    let size = |member: &Member| u64::try_from(member.bytes.len()).unwrap_or(u64::MAX);
    match parsed.members.iter().find(|member| size(member) > limit) {
        Some(member) => Err(ParseError::MemberTooLarge { name: member.name.clone(), bytes: size(member), limit }),
        None if parsed.members.len() > corpus.config.max_within => {
            Err(ParseError::TooMany { limit: corpus.config.max_within })
        }
        None => Ok(()),
    }
}

fn cut(
    corpus: &Corpus,
    space: &Space,
    claim: Claim,
    queued: Queued,
    parsed: Parsed,
) -> std::result::Result<Prepared, Unread> {
    fault::may_happen_in_thread(Place::Cutting).map_err(|error| Unread::Failed(error.to_string()))?;
    check_members(corpus, queued.depth, &parsed)?;
    let config = ChunkConfig { max_tokens: corpus.config.max_chunk_tokens, ..ChunkConfig::default() };
    let chunks = chunk::chunk(&parsed, space.embedder.tokens(), &config);
    if chunks.is_empty() && parsed.members.is_empty() {
        return Err(ParseError::NoText.into());
    }
    // A title that a caller gave is kept; the key only stands in for one.
    let own_title = parsed.title.clone().filter(|_| queued.title == queued.key);
    let title = own_title.unwrap_or_else(|| queued.title.clone());
    let named = meaningful_title(&title, &queued.key);
    let texts = slice_all(&parsed.text, chunks.iter().map(|chunk| chunk.span));
    let start = parsed.text.as_ptr() as usize;
    let range = |slice: &&str| slice.as_ptr() as usize - start..slice.as_ptr() as usize - start + slice.len();
    let ranges = texts.iter().map(range).collect();
    let embedding = |(chunk, text): (&Chunk, &str)| embeddings::derived_id(&contextual(named, chunk, text));
    let embeddings = chunks.iter().zip(texts).map(embedding).collect();
    let text_sha256 = Sha256::digest(parsed.text.as_bytes()).to_vec();
    let member_sha256 = parsed.members.iter().map(|member| Sha256::digest(&member.bytes).to_vec()).collect();
    let (scope, revision) = (Scope::stored(queued.owner), revisions::derived_id(queued.id, queued.version));
    Ok(Prepared {
        claim,
        queued,
        scope,
        revision,
        parsed,
        member_sha256,
        title,
        text_sha256,
        chunks,
        ranges,
        embeddings,
    })
}
