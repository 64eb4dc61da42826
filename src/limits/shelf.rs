//! A map of callers that has a bound. Imports who they are.

use std::collections::HashMap;

use super::who::Key;

/// What is kept of callers: of so many, and of a crowd beyond them.
///
/// When it is full, what is stale goes; when it is still full, newcomers share
/// buckets. So strangers who come in great numbers take neither the memory nor
/// the limits away.
#[derive(Debug)]
pub(super) struct Shelf<V> {
    kept: HashMap<Key, V>,
    most: usize,
    /// Newcomers to let by before the next look for what is stale.
    rest: usize,
}

impl<V: Default> Shelf<V> {
    pub(super) fn new(most: usize) -> Self {
        Self { kept: HashMap::new(), most, rest: 0 }
    }

    pub(super) fn get(&self, key: &Key) -> Option<&V> {
        self.kept.get(key).or_else(|| self.kept.get(&key.in_crowd()))
    }

    /// What is kept of the caller, to be changed.
    pub(super) fn entry(&mut self, key: Key, is_stale: impl Fn(&V) -> bool) -> &mut V {
        let has_place = self.kept.contains_key(&key) || self.kept.len() < self.most;
        let key = if has_place || self.make_room(is_stale) { key } else { key.in_crowd() };
        self.kept.entry(key).or_default()
    }

    /// Looks through all of them, but not for every newcomer.
    fn make_room(&mut self, is_stale: impl Fn(&V) -> bool) -> bool {
        if self.rest > 0 {
            self.rest -= 1;
            return false;
        }
        self.kept.retain(|_, value| !is_stale(value));
        self.rest = self.most / 8;
        self.kept.len() < self.most
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: usize) -> Key {
        Key::name(&n.to_string())
    }

    #[test]
    fn it_never_holds_more_than_so_many_and_a_crowd() {
        let mut shelf: Shelf<u32> = Shelf::new(100);
        for n in 0..20_000 {
            *shelf.entry(key(n), |_| false) += 1;
        }
        assert!(shelf.len() <= 100 + 1024, "{}", shelf.len());
        let kept: u32 = (0..100).map(|n| *shelf.get(&key(n)).expect("kept")).sum();
        assert_eq!(kept, 100, "those who were first keep what is theirs");
        assert!(shelf.get(&key(19_999)).is_some_and(|count| *count > 1), "newcomers share");
    }

    #[test]
    fn what_is_stale_makes_room() {
        let mut shelf: Shelf<u32> = Shelf::new(10);
        for n in 0..10 {
            *shelf.entry(key(n), |_| true) += 1;
        }
        *shelf.entry(key(10), |_| true) += 1;
        assert_eq!((shelf.len(), shelf.get(&key(10))), (1, Some(&1)));
    }
}
