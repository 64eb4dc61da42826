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
    /// Bytes of their files, and of the pictures in questions.
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

/// Whose limits hold for an owner.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tier {
    /// An account that registered, or was made by an administrator.
    #[default]
    Regular,
    /// One that anybody may begin.
    Guest,
}

/// The most that owners may have, guests apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allowances {
    /// Of regular accounts.
    pub regular: Quotas,
    /// Of guests.
    pub guest: Quotas,
}

/// The most that an owner may have; 0 is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quotas {
    /// Documents.
    pub documents: u64,
    /// Bytes of their files, and of the pictures in questions.
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
    /// Bytes of their files, and of the pictures in questions.
    pub bytes: i64,
    /// Their pages.
    pub pages: i64,
    /// Their chunks.
    pub chunks: i64,
    /// Web pages fetched today.
    pub fetches: i64,
}

/// What an owner has, and whose limits hold for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Holding {
    /// Whose limits.
    pub tier: Tier,
    /// What it has.
    pub usage: Usage,
}

/// An owner would have more than a quota gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub struct Exceeded {
    /// Whose limit it is.
    pub tier: Tier,
    /// Which.
    pub quota: Quota,
    /// The most that the owner may have.
    pub limit: i64,
    /// What the owner has.
    pub used: i64,
    /// What would have come to it.
    pub added: i64,
}

impl Allowances {
    /// What owners of a tier may have.
    #[must_use]
    pub fn of(&self, tier: Tier) -> &Quotas {
        match tier {
            Tier::Regular => &self.regular,
            Tier::Guest => &self.guest,
        }
    }

    /// Whether anything that documents take has a limit for anybody.
    #[must_use]
    pub fn limit_documents(&self) -> bool {
        self.regular.limit_documents() || self.guest.limit_documents()
    }

    /// The same for those of one tier.
    #[must_use]
    pub fn limit_documents_of(&self, tier: Tier) -> bool {
        self.of(tier).limit_documents()
    }

    /// Refuses what takes an owner beyond a limit, or further beyond one. What
    /// takes less than before is never refused, whatever the limits are now.
    ///
    /// # Errors
    /// The first quota that is exceeded.
    pub fn check(&self, before: &Holding, after: &Usage) -> Result<(), Exceeded> {
        let (tier, quotas) = (before.tier, self.of(before.tier));
        for quota in Quota::ALL {
            let (used, wanted) = (before.usage.of(quota), after.of(quota));
            if let Some(limit) = quotas.limit(quota).filter(|limit| wanted > *limit && wanted > used) {
                return Err(Exceeded { tier, quota, limit, used, added: wanted - used });
            }
        }
        Ok(())
    }
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

    fn limit_documents(&self) -> bool {
        Quota::ALL.iter().any(|quota| *quota != Quota::Fetches && self.limit(*quota).is_some())
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
        let Self { tier, quota, limit, used, added } = self;
        let name = quota.name();
        match quota {
            Quota::Fetches => write!(out, "{used} of {limit} web pages were fetched today; go on after midnight UTC")?,
            _ => write!(out, "{used} of {limit} {name} are taken and this adds {added}; delete some documents")?,
        }
        if *quota == Quota::Bytes {
            out.write_str(", or conversations with pictures")?;
        }
        let setting = name.to_uppercase();
        match tier {
            Tier::Regular => write!(out, ", or have FOOTNOTE_QUOTA_{setting} raised"),
            Tier::Guest => write!(out, ", register, or have FOOTNOTE_QUOTA_GUEST_{setting} raised"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(documents: i64, bytes: i64) -> Usage {
        Usage { documents, bytes, ..Usage::default() }
    }

    fn regular(usage: Usage) -> Holding {
        Holding { usage, ..Holding::default() }
    }

    fn allowing(regular: Quotas) -> Allowances {
        Allowances { regular, ..Allowances::default() }
    }

    #[test]
    fn a_limit_may_be_reached_and_not_passed() {
        let quotas = allowing(Quotas { documents: 3, ..Quotas::default() });
        assert_eq!(quotas.check(&regular(usage(2, 0)), &usage(3, 1 << 40)), Ok(()));
        let exceeded = Exceeded { tier: Tier::Regular, quota: Quota::Documents, limit: 3, used: 3, added: 1 };
        assert_eq!(quotas.check(&regular(usage(3, 0)), &usage(4, 0)), Err(exceeded));
        assert!(exceeded.to_string().contains("3 of 3 documents"), "{exceeded}");
        assert!(exceeded.to_string().contains("FOOTNOTE_QUOTA_DOCUMENTS"), "{exceeded}");
    }

    #[test]
    fn guests_are_held_to_limits_of_their_own() {
        let (few, many) = (Quotas { bytes: 10, ..Quotas::default() }, Quotas { bytes: 100, ..Quotas::default() });
        let quotas = Allowances { regular: many, guest: few };
        let guest = Holding { tier: Tier::Guest, usage: usage(1, 10) };
        let exceeded = quotas.check(&guest, &usage(1, 11)).expect_err("more than a guest may have");
        assert!(exceeded.to_string().contains("FOOTNOTE_QUOTA_GUEST_BYTES"), "{exceeded}");
        assert_eq!(quotas.check(&regular(usage(1, 10)), &usage(1, 11)), Ok(()));
    }

    #[test]
    fn who_has_more_than_a_lowered_limit_may_still_take_less() {
        let quotas = allowing(Quotas { bytes: 100, ..Quotas::default() });
        let before = regular(usage(3, 500));
        assert_eq!(quotas.check(&before, &usage(4, 500)), Ok(()));
        assert_eq!(quotas.check(&before, &usage(3, 400)), Ok(()));
        assert!(quotas.check(&before, &usage(3, 501)).is_err());
    }

    #[test]
    fn nothing_is_limited_unless_it_is_set() {
        assert!(!Allowances::default().limit_documents());
        assert!(!allowing(Quotas { fetches: 1, ..Quotas::default() }).limit_documents());
        assert!(allowing(Quotas { pages: 1, ..Quotas::default() }).limit_documents());
        assert_eq!(Allowances::default().check(&regular(usage(0, 0)), &usage(i64::MAX, i64::MAX)), Ok(()));
    }
}
