//! What a long run can be told by environment variables: how much of a thing,
//! and the seed of its random numbers (`FOOTNOTE_SEED`).

/// Letters of words that no language has.
const LETTERS: &[u8; 16] = b"bcdfghjklmnpqrtv";

/// A number from the environment.
pub fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// Numbers that differ from run to run, unless `FOOTNOTE_SEED` is set.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Prints its seed, so that a run can be done again.
    pub fn seeded() -> Self {
        let seed = number("FOOTNOTE_SEED", u64::from(std::process::id()) << 20 | 1);
        eprintln!("seed {seed}");
        Self(seed.max(1))
    }

    /// Another stream of numbers, for a task of its own.
    pub fn branch(&mut self) -> Self {
        Self(self.next() | 1)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// An index into what has so many items.
    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap()
    }

    /// A word that stands in no other text.
    pub fn word(&mut self) -> String {
        let mut bits = self.next();
        let letter = || {
            let letter = LETTERS[usize::try_from(bits % 16).unwrap()];
            bits /= 16;
            char::from(letter)
        };
        std::iter::repeat_with(letter).take(12).collect()
    }

    fn next(&mut self) -> u64 {
        // xorshift64* (Marsaglia 2003, Vigna 2016).
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}
