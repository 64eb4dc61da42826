//! Who is held to which limits. Imports the settings alone.

use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv6Addr};

use footnote_ingest::ids::UserId;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::config::LimitSettings;

/// Bits of an IPv6 address that tell callers apart: a household or a machine has
/// all the others to itself.
const V6_PREFIX: u32 = 64;
/// Buckets that newcomers share when there are too many callers.
const CROWD: u64 = 1024;

tokio::task_local! {
    static CALLER: Who;
}

/// A caller, as far as limits go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Who {
    /// The account, if it is known.
    pub account: Option<UserId>,
    /// The API key, if it came with one.
    pub key: Option<Uuid>,
    /// Whether guests' limits hold.
    pub guest: bool,
    /// Where it came from; the unspecified address for a command.
    pub address: IpAddr,
}

impl Who {
    /// A command of this machine that works for an account.
    #[must_use]
    pub fn command(account: UserId) -> Self {
        let nowhere = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        Self { account: Some(account), key: None, guest: false, address: nowhere }
    }

    /// Whoever the task works for on behalf of the account: the caller that
    /// [`Who::during`] named, or else a command. Tasks that are spawned do not
    /// know it.
    #[must_use]
    pub fn present(account: UserId) -> Self {
        let caller = CALLER.try_with(|who| Self { account: who.account.or(Some(account)), ..*who });
        caller.unwrap_or_else(|_| Self::command(account))
    }

    /// Does the work for this caller.
    pub async fn during<F: Future>(self, work: F) -> F::Output {
        CALLER.scope(self, work).await
    }
}

/// Whom a limit is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Subject {
    Account(Uuid),
    Key(Uuid),
    Address(IpAddr),
    /// A name that somebody gave, hashed: it may be anything.
    Name([u8; 16]),
    /// One of many for whom there is no room of their own.
    Crowd(u16),
}

/// Whom something is counted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) guest: bool,
    pub(super) subject: Subject,
}

impl Key {
    pub(super) fn address(guest: bool, address: IpAddr) -> Self {
        Self { guest, subject: Subject::Address(network(address)) }
    }

    pub(super) fn name(name: &str) -> Self {
        let hash = Sha256::digest(name.as_bytes());
        let mut short = [0; 16];
        short.copy_from_slice(&hash[..16]);
        Self { guest: false, subject: Subject::Name(short) }
    }

    /// The bucket that it shares when there is no room for one of its own.
    pub(super) fn in_crowd(self) -> Self {
        let mut hasher = DefaultHasher::new();
        self.subject.hash(&mut hasher);
        let place = u16::try_from(hasher.finish() % CROWD).unwrap_or_default();
        Self { subject: Subject::Crowd(place), ..self }
    }

    /// As a part of a key of Redis.
    pub(super) fn text(&self) -> String {
        let tier = if self.guest { "guest" } else { "regular" };
        match self.subject {
            Subject::Account(id) => format!("{tier}:account:{id}"),
            Subject::Key(id) => format!("{tier}:key:{id}"),
            Subject::Address(address) => format!("{tier}:address:{address}"),
            Subject::Name(hash) => format!("name:{:032x}", u128::from_be_bytes(hash)),
            Subject::Crowd(place) => format!("{tier}:crowd:{place}"),
        }
    }
}

/// The most that somebody may take; 0 is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Allowance {
    /// In a minute.
    pub(super) requests: u32,
    /// In a day.
    pub(super) tokens: u64,
    /// At once.
    pub(super) streams: u32,
}

/// A limit that holds for a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bucket {
    pub(super) key: Key,
    pub(super) allowance: Allowance,
}

/// The limits that hold for a caller.
pub(super) fn buckets(settings: &LimitSettings, who: &Who) -> Vec<Bucket> {
    let of = |requests, tokens, streams| Allowance { requests, tokens, streams };
    let s = settings;
    let (account, key, address) = if who.guest {
        (
            of(s.guest_requests, s.guest_tokens, s.guest_streams),
            of(s.guest_key_requests, s.guest_key_tokens, s.guest_key_streams),
            of(s.guest_address_requests, s.guest_address_tokens, s.guest_address_streams),
        )
    } else {
        (
            of(s.requests, s.tokens, s.streams),
            of(s.key_requests, s.key_tokens, s.key_streams),
            of(s.address_requests, s.address_tokens, s.address_streams),
        )
    };
    let key_of = |subject| Key { guest: who.guest, subject };
    let account = who.account.map(|id| Bucket { key: key_of(Subject::Account(id.0)), allowance: account });
    let key = who.key.map(|id| Bucket { key: key_of(Subject::Key(id)), allowance: key });
    let is_known = !who.address.is_unspecified();
    let address = is_known.then(|| Bucket { key: Key::address(who.guest, who.address), allowance: address });
    let all = [account, key, address].into_iter().flatten();
    all.filter(|bucket| bucket.allowance != Allowance::default()).collect()
}

/// The network that an address stands for.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => {
            let kept = u128::from(v6) & (u128::MAX << (128 - V6_PREFIX));
            IpAddr::V6(Ipv6Addr::from(kept))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_caller_is_held_to_the_limits_of_account_key_and_address() {
        let settings = LimitSettings::default();
        let who = Who {
            account: Some(UserId::new()),
            key: Some(Uuid::from_u128(7)),
            guest: false,
            address: address("192.0.2.1"),
        };
        let limits: Vec<u32> = buckets(&settings, &who).iter().map(|bucket| bucket.allowance.requests).collect();
        assert_eq!(limits, [settings.requests, settings.key_requests, settings.address_requests]);
        let guest = Who { guest: true, key: None, ..who };
        let limits: Vec<u32> = buckets(&settings, &guest).iter().map(|bucket| bucket.allowance.requests).collect();
        assert_eq!(limits, [settings.guest_requests, settings.guest_address_requests]);
        assert!(buckets(&LimitSettings::none(), &who).is_empty());
        assert_eq!(buckets(&settings, &Who::command(UserId::new())).len(), 1, "a command comes from nowhere");
    }

    #[test]
    fn guests_and_regulars_of_one_address_do_not_share() {
        let place = address("192.0.2.1");
        assert_ne!(Key::address(true, place), Key::address(false, place));
        assert_ne!(Key::address(true, place).text(), Key::address(false, place).text());
    }

    #[test]
    fn an_address_written_in_another_way_is_the_same() {
        let key = |text: &str| Key::address(false, address(text));
        assert_eq!(key("192.0.2.1"), key("::ffff:192.0.2.1"));
        assert_eq!(key("2001:db8::1"), key("2001:db8:0:0:ffff::9"), "a household has 64 bits to itself");
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
    }

    #[test]
    fn a_name_leaves_nothing_of_itself() {
        let text = Key::name("eve@example.org").text();
        assert!(!text.contains("eve") && text.len() == 37, "{text}");
        assert_ne!(Key::name("eve@example.org"), Key::name("Eve@example.org"));
    }

    #[tokio::test]
    async fn a_task_knows_whom_it_works_for_and_what_it_spawns_does_not() {
        let account = UserId::new();
        let who = Who { guest: true, ..Who::command(account) };
        let (present, spawned) = who
            .during(async {
                let spawned = tokio::spawn(async move { Who::present(account) }).await;
                (Who::present(account), spawned.expect("it ends"))
            })
            .await;
        assert_eq!((present, spawned), (who, Who::command(account)));
        let nobody = Who { account: None, ..who };
        assert_eq!(nobody.during(async { Who::present(account) }).await, who, "the account is that of the work");
    }
}
