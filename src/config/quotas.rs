//! Settings of what users may have.

use footnote_ingest::quota::{Allowances, Quotas};
use serde::Deserialize;

/// The most that each user may have, the table `quota` of the file. 0 is no
/// limit everywhere.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QuotaSettings {
    /// Documents.
    pub documents: u64,
    /// Bytes of their files, and of the pictures in questions.
    pub bytes: u64,
    /// Pages of those that have pages.
    pub pages: u64,
    /// Chunks that queries search.
    pub chunks: u64,
    /// Web pages that the service fetches in a day.
    pub fetches: u64,
    /// Documents of a guest.
    pub guest_documents: u64,
    /// Bytes of a guest's files, and of the pictures in questions.
    pub guest_bytes: u64,
    /// Pages of a guest.
    pub guest_pages: u64,
    /// Chunks of a guest.
    pub guest_chunks: u64,
    /// Web pages fetched for a guest in a day.
    pub guest_fetches: u64,
}

/// Who registers is limited where it is asked for; who merely looks in, always.
impl Default for QuotaSettings {
    fn default() -> Self {
        Self {
            documents: 0,
            bytes: 0,
            pages: 0,
            chunks: 0,
            fetches: 0,
            guest_documents: 50,
            guest_bytes: 32 * 1024 * 1024,
            guest_pages: 1_000,
            guest_chunks: 10_000,
            guest_fetches: 20,
        }
    }
}

impl QuotaSettings {
    pub(super) fn allowances(&self) -> Allowances {
        Allowances {
            regular: Quotas {
                documents: self.documents,
                bytes: self.bytes,
                pages: self.pages,
                chunks: self.chunks,
                fetches: self.fetches,
            },
            guest: Quotas {
                documents: self.guest_documents,
                bytes: self.guest_bytes,
                pages: self.guest_pages,
                chunks: self.guest_chunks,
                fetches: self.guest_fetches,
            },
        }
    }
}
