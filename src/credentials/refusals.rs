//! Keys that were none, by the address that showed them: looking one up costs a
//! way to the database. Imports the limits' idea of an address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Error, Result};
use crate::limits;

/// Keys that are none, within [`SPAN`], before no more are looked up.
const FREE: u32 = 30;
/// For so long they count together.
const SPAN: Duration = Duration::from_mins(1);
/// Addresses that are told apart; beyond them the oldest are forgotten.
const ADDRESSES: usize = 10_000;

/// Counts keys that were refused. In this process alone: what it saves is a look
/// into the database.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<HashMap<IpAddr, Count>>);

#[derive(Debug, Clone, Copy)]
struct Count {
    since: Instant,
    refused: u32,
}

impl Refusals {
    /// Whether another key is looked up for an address.
    ///
    /// # Errors
    /// [`Error::TooOften`].
    pub(super) fn check(&self, address: IpAddr) -> Result<()> {
        let counts = self.lock();
        let Some(count) = counts.get(&limits::network(address)) else { return Ok(()) };
        match SPAN.checked_sub(count.since.elapsed()) {
            Some(rest) if count.refused >= FREE => {
                Err(Error::TooOften { what: "credential", seconds: limits::seconds(rest) })
            }
            _ => Ok(()),
        }
    }

    /// A key was refused.
    pub(super) fn note(&self, address: IpAddr) {
        let (mut counts, now) = (self.lock(), Instant::now());
        if counts.len() >= ADDRESSES {
            counts.retain(|_, count| now - count.since < SPAN);
        }
        if counts.len() >= ADDRESSES {
            counts.clear();
        }
        let count = counts.entry(limits::network(address)).or_insert(Count { since: now, refused: 0 });
        if now - count.since >= SPAN {
            *count = Count { since: now, refused: 0 };
        }
        count.refused = count.refused.saturating_add(1);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Count>> {
        // The map is whole between any two statements that touch it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_address_that_shows_many_bad_keys_waits_and_no_other_does() {
        let (refusals, [here, there]) = (Refusals::default(), [1, 2].map(|last| IpAddr::from([192, 0, 2, last])));
        for _ in 0..FREE {
            assert!(refusals.check(here).is_ok());
            refusals.note(here);
        }
        assert!(matches!(refusals.check(here), Err(Error::TooOften { seconds: 1..=60, .. })));
        assert!(refusals.check(there).is_ok());
        tokio::time::advance(SPAN).await;
        refusals.note(here);
        assert!(refusals.check(here).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn no_number_of_addresses_takes_the_memory() {
        let refusals = Refusals::default();
        for n in 0..3 * u32::try_from(ADDRESSES).expect("small") {
            refusals.note(IpAddr::from(n.to_be_bytes()));
        }
        assert!(refusals.lock().len() <= ADDRESSES);
    }
}
