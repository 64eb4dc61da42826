//! What may be unpacked from one file, and what the files within it are
//! called. Imports the error.
//!
//! Nothing is ever written to disk under such a name, but names become keys.

use std::collections::HashMap;
use std::io::Read;

use super::ParseError;

/// How many documents may lie within each other: an archive in a mail in an
/// archive is three. For the caller, which reads members.
pub const MAX_DEPTH: usize = 4;

/// Most entries of one file.
pub(in crate::parse) const ENTRIES: usize = 10_000;
/// Most bytes that one file unpacks to.
pub(in crate::parse) const UNPACKED: u64 = 256 * MIB;
/// Most bytes that one entry unpacks to.
pub(in crate::parse) const ENTRY: u64 = 64 * MIB;
/// Most bytes that one packed byte may come to, once `RATIO_FREE` is passed.
pub(in crate::parse) const RATIO: u64 = 200;
/// Bytes that any file may unpack to.
pub(in crate::parse) const RATIO_FREE: u64 = 8 * MIB;
const MIB: u64 = 1024 * 1024;
/// Longest part of a path, in characters.
const NAME_LETTERS: usize = 150;
/// Most parts of a path that are kept; the last ones are.
const NAME_PARTS: usize = 16;

/// What is left of the bounds while a file is unpacked.
#[derive(Debug)]
pub(super) struct Budget {
    format: &'static str,
    entries: usize,
    /// Bytes unpacked so far.
    unpacked: u64,
    /// Most bytes that this file may come to by its size.
    by_ratio: u64,
}

impl Budget {
    /// For a file of `packed` bytes.
    pub(super) fn new(format: &'static str, packed: usize) -> Self {
        let packed = u64::try_from(packed).unwrap_or(u64::MAX);
        Self { format, entries: 0, unpacked: 0, by_ratio: packed.saturating_mul(RATIO).max(RATIO_FREE) }
    }

    /// Counts `entries` more.
    pub(super) fn entries(&mut self, entries: usize) -> Result<(), ParseError> {
        self.entries = self.entries.saturating_add(entries);
        if self.entries > ENTRIES {
            let problem = format!("it holds more than {ENTRIES} entries, which is the most that is read (split it)");
            return Err(self.broken(problem));
        }
        Ok(())
    }

    /// Counts bytes that were unpacked elsewhere.
    pub(super) fn count(&mut self, bytes: usize) -> Result<(), ParseError> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.unpacked = self.unpacked.saturating_add(bytes);
        if bytes > ENTRY {
            return Err(self.passed(Bound::Entry));
        }
        match self.total_bound() {
            (most, bound) if self.unpacked > most => Err(self.passed(bound)),
            _ => Ok(()),
        }
    }

    /// Reads an entry to its end, no further than the bounds.
    pub(super) fn read(&mut self, reader: impl Read) -> Result<Vec<u8>, ParseError> {
        let (most, mut bound) = self.total_bound();
        let mut left = most.saturating_sub(self.unpacked);
        if ENTRY < left {
            (left, bound) = (ENTRY, Bound::Entry);
        }
        let mut bytes = Vec::new();
        let result = reader.take(left + 1).read_to_end(&mut bytes);
        result.map_err(|error| self.unreadable(&error))?;
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.unpacked = self.unpacked.saturating_add(length);
        if length > left { Err(self.passed(bound)) } else { Ok(bytes) }
    }

    /// A reader that fails once more than the whole file may come to is read.
    pub(super) fn bounded<R: Read>(&self, reader: R) -> Bounded<R> {
        Bounded { reader, left: self.total_bound().0 }
    }

    /// What a failure to read comes to.
    pub(super) fn unreadable(&self, error: &std::io::Error) -> ParseError {
        if error.kind() == std::io::ErrorKind::FileTooLarge {
            return self.passed(self.total_bound().1);
        }
        self.broken("its content cannot be unpacked".to_owned())
    }

    /// A damaged file of this format.
    pub(super) fn broken(&self, problem: String) -> ParseError {
        ParseError::Broken { format: self.format.into(), problem }
    }

    fn total_bound(&self) -> (u64, Bound) {
        if self.by_ratio < UNPACKED { (self.by_ratio, Bound::Ratio) } else { (UNPACKED, Bound::Unpacked) }
    }

    fn passed(&self, bound: Bound) -> ParseError {
        self.broken(match bound {
            Bound::Entry => {
                format!("an entry unpacks to more than {} MiB, which is the most that is read", ENTRY / MIB)
            }
            Bound::Unpacked => {
                format!("it unpacks to more than {} MiB, which is the most that is read (split it)", UNPACKED / MIB)
            }
            Bound::Ratio => format!("it unpacks to more than {RATIO} times its size (upload what is in it instead)"),
        })
    }
}

#[derive(Debug, Clone, Copy)]
enum Bound {
    Entry,
    Unpacked,
    Ratio,
}

/// See [`Budget::bounded`].
#[derive(Debug)]
pub(super) struct Bounded<R> {
    reader: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.reader.read(buffer)?;
        let length = u64::try_from(read).unwrap_or(u64::MAX);
        match self.left.checked_sub(length) {
            Some(left) => self.left = left,
            None => return Err(std::io::ErrorKind::FileTooLarge.into()),
        }
        Ok(read)
    }
}

/// The names given so far.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// How often each was asked for.
    given: HashMap<String, usize>,
}

impl Names {
    /// `name`, or `name (2)` and so on where it is taken; the extension stays
    /// last.
    pub(super) fn unique(&mut self, name: &str) -> String {
        let (stem, extension) = match name.rfind('.') {
            Some(at) if at > name.rfind('/').map_or(0, |slash| slash + 1) => name.split_at(at),
            _ => (name, ""),
        };
        let mut number = self.given.get(name).copied().unwrap_or(0);
        loop {
            number += 1;
            let unique = if number == 1 { name.to_owned() } else { format!("{stem} ({number}){extension}") };
            if unique == name || !self.given.contains_key(&unique) {
                self.given.insert(name.to_owned(), number);
                self.given.entry(unique.clone()).or_insert(1);
                return unique;
            }
        }
    }
}

/// A path within an archive as a plain relative one: no `..`, no root, no
/// drive, no backslash, no control character. None where the entry is hidden,
/// or a system's own, or has no name.
pub(super) fn path(name: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in name.split(['/', '\\']) {
        let part = clean(part);
        let is_drive = part.len() == 2 && part.ends_with(':') && part.starts_with(|c: char| c.is_ascii_alphabetic());
        if part.is_empty() || is_drive || part.bytes().all(|byte| byte == b'.') {
            continue;
        }
        let is_system = ["__MACOSX", "Thumbs.db", "desktop.ini"].iter().any(|own| part.eq_ignore_ascii_case(own));
        if part.starts_with('.') || is_system {
            return None;
        }
        parts.push(part);
    }
    parts.drain(..parts.len().saturating_sub(NAME_PARTS));
    (!parts.is_empty()).then(|| parts.join("/"))
}

/// The last part of a name, as a plain file name; `otherwise` if there is none.
pub(super) fn file_name(name: &str, otherwise: &str) -> String {
    let last = name.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next().unwrap_or_default();
    let plain = clean(last);
    let plain = plain.trim_start_matches('.').trim_start();
    if plain.is_empty() { otherwise.to_owned() } else { plain.to_owned() }
}

/// Without what does not belong into a name, and not too long; a long one
/// keeps its extension.
fn clean(part: &str) -> String {
    let is_mark =
        |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    let name = part.chars().map(|c| if c.is_whitespace() { ' ' } else { c });
    let name: String = name.filter(|c| !c.is_control() && !is_mark(*c)).collect();
    let name = name.trim();
    let length = name.chars().count();
    if length <= NAME_LETTERS {
        return name.to_owned();
    }
    let extension = name.rfind('.').map_or("", |at| &name[at..]);
    let extension = if extension.chars().count() > 10 { "" } else { extension };
    let stem = NAME_LETTERS - extension.chars().count();
    let stem: String = name.chars().take(stem).collect();
    format!("{}{extension}", stem.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_stay_below_where_they_are_put() {
        for (name, expected) in [
            ("a/b.txt", Some("a/b.txt")),
            ("../../etc/passwd", Some("etc/passwd")),
            ("/etc/passwd", Some("etc/passwd")),
            ("C:\\Users\\x\\a.doc", Some("Users/x/a.doc")),
            ("a/./b//c", Some("a/b/c")),
            ("a\0b\n\u{202e}c.txt", Some("ab c.txt")),
            ("..", None),
            ("", None),
            (".git/config", None),
            ("a/.DS_Store", None),
            ("__MACOSX/a.txt", None),
        ] {
            assert_eq!(path(name).as_deref(), expected, "{name:?}");
        }
    }

    #[test]
    fn a_file_name_has_no_folder() {
        assert_eq!(file_name("../a/b.pdf", "x"), "b.pdf");
        assert_eq!(file_name("c:\\b.pdf", "x"), "b.pdf");
        assert_eq!(file_name("..", "attachment"), "attachment");
        assert_eq!(file_name("", "attachment"), "attachment");
        let long = file_name(&format!("{}.docx", "n".repeat(500)), "x");
        assert_eq!(long.chars().count(), NAME_LETTERS);
        assert!(long.ends_with("n.docx"));
    }

    #[test]
    fn names_are_given_once() {
        let mut names = Names::default();
        let given: Vec<_> =
            ["a.txt", "a.txt", "a (2).txt", "a.txt", "d.e/f", "d.e/f"].map(|name| names.unique(name)).into();
        assert_eq!(given, ["a.txt", "a (2).txt", "a (2) (2).txt", "a (3).txt", "d.e/f", "d.e/f (2)"]);
    }

    #[test]
    fn a_budget_ends_at_each_of_its_bounds() {
        let bound = |error: ParseError| error.to_string();
        let mut small = Budget::new("ZIP", 100);
        assert!(bound(small.read(std::io::repeat(0)).unwrap_err()).contains("200 times"));
        let mut large = Budget::new("ZIP", 400 << 20);
        assert!(bound(large.read(std::io::repeat(0)).unwrap_err()).contains("64 MiB"));
        for _ in 0..2 {
            large.count(ENTRY.try_into().unwrap()).unwrap();
        }
        assert!(bound(large.read(std::io::repeat(0)).unwrap_err()).contains("256 MiB"));
        assert!(bound(large.entries(ENTRIES + 1).unwrap_err()).contains("10000 entries"));
        let mut rest = Vec::new();
        let error = small.bounded(std::io::repeat(0)).read_to_end(&mut rest).unwrap_err();
        assert!(bound(small.unreadable(&error)).contains("200 times"));
    }

    proptest! {
        #[test]
        fn no_path_leads_out(name in any::<String>()) {
            if let Some(path) = path(&name) {
                prop_assert!(!path.starts_with('/') && !path.contains('\\'));
                prop_assert!(path.split('/').all(|part| !part.is_empty() && !part.starts_with('.')));
            }
        }

        #[test]
        fn unique_names_are(all in proptest::collection::vec("[ab]( \\([23]\\))?(\\.t)?", 0..20)) {
            let mut names = Names::default();
            let given: Vec<String> = all.iter().map(|name| names.unique(name)).collect();
            let set: std::collections::HashSet<_> = given.iter().collect();
            prop_assert_eq!(set.len(), given.len());
        }
    }
}
