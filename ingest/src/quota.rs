//! Quotas: what an owner may have, and why more is refused. Floor 1: plain
//! values; imports nothing.

use std::fmt;

use serde::Serialize;
use utoipa::ToSchema;

/// What is held to a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Quota {
    /// Documents, those within archives and mails too.
    Documents,
    /// Bytes of their files.
    Bytes,
    /// Pages of those that have pages.
    Pages,
    /// Chunks that queries search.
    Chunks,
    /// Web pages that the service fetched today.
    Fetches,
}

impl Quota {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Documents, Self::Bytes, Self::Pages, Self::Chunks, Self::Fetches];

    /// Its name, for programs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Documents => "documents",
            Self::Bytes => "bytes",
            Self::Pages => "pages",
            Self::Chunks => "chunks",
            Self::Fetches => "fetches",
        }
    }
}

/// The most that each owner may have; 0 is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quotas {
    /// Documents.
    pub documents: u64,
    /// Bytes of their files.
    pub bytes: u64,
    /// Their pages.
    pub pages: u64,
    /// Their chunks.
    pub chunks: u64,
    /// Web pages fetched in a day.
    pub fetches: u64,
}

/// What an owner has, or would have more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Documents.
    pub documents: i64,
    /// Bytes of their files.
    pub bytes: i64,
    /// Their pages.
    pub pages: i64,
    /// Their chunks.
    pub chunks: i64,
    /// Web pages fetched today.
    pub fetches: i64,
}

/// An owner would have more than a quota gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub struct Exceeded {
    /// Which.
    pub quota: Quota,
    /// The most that the owner may have.
    pub limit: i64,
    /// What the owner has.
    pub used: i64,
    /// What would have come to it.
    pub added: i64,
}

impl Quotas {
    /// The limit, if there is one.
    #[must_use]
    pub fn limit(&self, quota: Quota) -> Option<i64> {
        let limit = match quota {
            Quota::Documents => self.documents,
            Quota::Bytes => self.bytes,
            Quota::Pages => self.pages,
            Quota::Chunks => self.chunks,
            Quota::Fetches => self.fetches,
        };
        (limit > 0).then(|| i64::try_from(limit).unwrap_or(i64::MAX))
    }

    /// Whether anything that documents take has a limit.
    #[must_use]
    pub fn limit_documents(&self) -> bool {
        Quota::ALL.iter().any(|quota| *quota != Quota::Fetches && self.limit(*quota).is_some())
    }

    /// Refuses what takes an owner beyond a limit, or further beyond one. What
    /// takes less than before is never refused, whatever the limits are now.
    ///
    /// # Errors
    /// The first quota that is exceeded.
    pub fn check(&self, before: &Usage, after: &Usage) -> Result<(), Exceeded> {
        for quota in Quota::ALL {
            let (used, wanted) = (before.of(quota), after.of(quota));
            if let Some(limit) = self.limit(quota).filter(|limit| wanted > *limit && wanted > used) {
                return Err(Exceeded { quota, limit, used, added: wanted - used });
            }
        }
        Ok(())
    }
}

impl Usage {
    /// The figure that a quota is about.
    #[must_use]
    pub fn of(&self, quota: Quota) -> i64 {
        match quota {
            Quota::Documents => self.documents,
            Quota::Bytes => self.bytes,
            Quota::Pages => self.pages,
            Quota::Chunks => self.chunks,
            Quota::Fetches => self.fetches,
        }
    }
}

impl std::ops::Add for Usage {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self {
            documents: self.documents + more.documents,
            bytes: self.bytes + more.bytes,
            pages: self.pages + more.pages,
            chunks: self.chunks + more.chunks,
            fetches: self.fetches + more.fetches,
        }
    }
}

impl fmt::Display for Exceeded {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { quota, limit, used, added } = self;
        if *quota == Quota::Fetches {
            return write!(
                out,
                "{used} of {limit} web pages were fetched today; \
                 go on after midnight UTC, or have FOOTNOTE_QUOTA_FETCHES raised"
            );
        }
        let name = quota.name();
        write!(
            out,
            "{used} of {limit} {name} are taken and this adds {added}; \
             delete some documents, or have FOOTNOTE_QUOTA_{} raised",
            name.to_uppercase()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(documents: i64, bytes: i64) -> Usage {
        Usage { documents, bytes, ..Usage::default() }
    }

    #[test]
    fn a_limit_may_be_reached_and_not_passed() {
        let quotas = Quotas { documents: 3, ..Quotas::default() };
        assert_eq!(quotas.check(&usage(2, 0), &usage(3, 1 << 40)), Ok(()));
        let exceeded = Exceeded { quota: Quota::Documents, limit: 3, used: 3, added: 1 };
        assert_eq!(quotas.check(&usage(3, 0), &usage(4, 0)), Err(exceeded));
        assert!(exceeded.to_string().contains("3 of 3 documents") && exceeded.to_string().contains("QUOTA_DOCUMENTS"));
    }

    #[test]
    fn who_has_more_than_a_lowered_limit_may_still_take_less() {
        let quotas = Quotas { bytes: 100, ..Quotas::default() };
        assert_eq!(quotas.check(&usage(3, 500), &usage(4, 500)), Ok(()));
        assert_eq!(quotas.check(&usage(3, 500), &usage(3, 400)), Ok(()));
        assert!(quotas.check(&usage(3, 500), &usage(3, 501)).is_err());
    }

    #[test]
    fn nothing_is_limited_unless_it_is_set() {
        assert!(!Quotas::default().limit_documents());
        assert!(!Quotas { fetches: 1, ..Quotas::default() }.limit_documents());
        assert!(Quotas { pages: 1, ..Quotas::default() }.limit_documents());
        assert_eq!(Quotas::default().check(&usage(0, 0), &usage(i64::MAX, i64::MAX)), Ok(()));
    }
}
