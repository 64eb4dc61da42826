//! Who was found to stand behind a credential, and what it may be used for.

use std::sync::Arc;

use footnote_ingest::scope::Scope;

use super::api_key::{KeyScope, KeyScopes};
use crate::ids::{ApiKeyId, SessionId};
use crate::storage::users::{User, UserKind, UserRole};

/// What a request needs of its credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Right {
    /// To search and to read.
    Read,
    /// To ask, and to keep conversations.
    Ask,
    /// To add, change and delete documents and collections.
    Write,
    /// To see to the account itself: its password, its keys.
    Account,
    /// To see to the service.
    Admin,
}

impl Right {
    /// What a key must list to be used for it; no key is good for the account.
    fn of_key(self) -> Option<KeyScope> {
        match self {
            Self::Read => Some(KeyScope::Read),
            Self::Ask => Some(KeyScope::Ask),
            Self::Write => Some(KeyScope::Write),
            Self::Admin => Some(KeyScope::Admin),
            Self::Account => None,
        }
    }

    /// What it is called.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.of_key().map_or("account", KeyScope::as_str)
    }
}

/// What a caller showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// The secret that this start of the service keeps in its data folder: who
    /// can read the folder may do everything anyway.
    Local,
    /// An access token of a sign-in.
    Session(SessionId),
    /// A key, with what it may be used for.
    Key(ApiKeyId, KeyScopes),
    /// An access token of an outside identity provider, until it ends (seconds
    /// since 1970).
    Outside(u64),
}

/// A caller whose credential was verified.
#[derive(Debug, Clone)]
pub struct Principal {
    /// The account's scope.
    pub scope: Scope,
    /// The account.
    pub user: Arc<User>,
    /// What it showed.
    pub credential: Credential,
}

impl Principal {
    /// Whether the account is a guest's.
    #[must_use]
    pub fn is_guest(&self) -> bool {
        self.user.kind == UserKind::Guest
    }

    /// Whether it may do what needs `right`.
    #[must_use]
    pub fn may(&self, right: Right) -> bool {
        if right == Right::Admin && self.user.role != UserRole::Admin {
            return false;
        }
        match &self.credential {
            Credential::Local | Credential::Session(_) | Credential::Outside(_) => true,
            Credential::Key(_, scopes) => right.of_key().is_some_and(|scope| scopes.allow(scope)),
        }
    }
}

#[cfg(test)]
mod tests {
    use footnote_ingest::ids::UserId;

    use super::*;

    fn principal(role: UserRole, credential: Credential) -> Principal {
        let id = UserId::new();
        let created_at = chrono::DateTime::UNIX_EPOCH;
        let user =
            User { id, name: "a".into(), role, kind: UserKind::Regular, disabled: false, created_at, seen_at: None };
        Principal { scope: Scope::stored(id), user: Arc::new(user), credential }
    }

    fn key(names: &[&str]) -> Credential {
        Credential::Key(ApiKeyId::new(), KeyScopes::parse(names).expect("scopes"))
    }

    #[test]
    fn a_key_is_good_for_what_it_says_and_never_for_the_account() {
        let reading = principal(UserRole::Admin, key(&["read"]));
        assert!(reading.may(Right::Read));
        for right in [Right::Ask, Right::Write, Right::Account, Right::Admin] {
            assert!(!reading.may(right), "{right:?}");
        }
        assert!(!principal(UserRole::Admin, key(&["read", "ask", "write", "admin"])).may(Right::Account));
    }

    #[test]
    fn only_an_administrator_sees_to_the_service_whatever_the_key_says() {
        let all = key(&["read", "admin"]);
        assert!(principal(UserRole::Admin, all.clone()).may(Right::Admin));
        assert!(!principal(UserRole::User, all).may(Right::Admin));
        assert!(!principal(UserRole::User, Credential::Session(SessionId::new())).may(Right::Admin));
        assert!(principal(UserRole::User, Credential::Session(SessionId::new())).may(Right::Account));
    }
}
