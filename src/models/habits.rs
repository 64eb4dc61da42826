//! What was seen of models as they answered, so that it is not found out anew with
//! each question. Kept by this process alone.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Models of which something is remembered, at most: names are the callers'.
const MODELS: usize = 1_000;
/// How long a model that was too slow for what is asked beside answers is not asked
/// for it.
const REST: Duration = Duration::from_mins(5);

/// Habits of models, by their names.
#[derive(Debug, Default)]
pub struct Habits {
    thinkers: Mutex<HashSet<String>>,
    slow: Mutex<HashMap<String, Instant>>,
}

impl Habits {
    /// Whether a model came to its first word only with room to think.
    #[must_use]
    pub fn thinks(&self, name: &str) -> bool {
        lock(&self.thinkers).contains(name)
    }

    /// A model came to its first word once it had room to think.
    pub fn note_thinking(&self, name: &str) {
        let mut thinkers = lock(&self.thinkers);
        if thinkers.len() < MODELS {
            thinkers.insert(name.to_owned());
        }
    }

    /// Whether a model was too slow lately for what is asked beside answers.
    #[must_use]
    pub fn is_slow(&self, name: &str) -> bool {
        lock(&self.slow).get(name).is_some_and(|since| since.elapsed() < REST)
    }

    /// A model was too slow for what is asked beside answers.
    pub fn note_slow(&self, name: &str) {
        let mut slow = lock(&self.slow);
        slow.retain(|_, since| since.elapsed() < REST);
        if slow.len() < MODELS {
            slow.insert(name.to_owned(), Instant::now());
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
