//! Who is asking. Floor 1: imports ids only.
//!
//! Nothing reaches Postgres or the index without a [`Scope`]; its owner is an
//! argument of every query.

use crate::ids::UserId;

/// The rights under which a query runs.
///
/// Only a verified credential makes one: [`Scope::verified`] is refused by
/// clippy everywhere but in the module that checks credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scope {
    owner: UserId,
}

impl Scope {
    /// The scope of an owner whose credential was just verified.
    #[must_use]
    pub fn verified(owner: UserId) -> Self {
        Self { owner }
    }

    /// The scope of a stored row's owner, for workers that finish what a
    /// verified caller began.
    #[must_use]
    pub fn stored(owner: UserId) -> Self {
        Self { owner }
    }

    /// Whose rows and points may be touched.
    #[must_use]
    pub fn owner(self) -> UserId {
        self.owner
    }
}
