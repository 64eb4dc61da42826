//! Words around what was found. Imports nothing.

use std::collections::HashSet;
use std::ops::Range;

/// What a word that was looked for stands between.
const MARK: &str = "**";
/// Characters of a snippet, at most, without its marks.
const LENGTH: usize = 240;
/// Characters before the first word that was found, at most.
const BEFORE: usize = 60;
/// Terms with signs inside, such as `4.5`, that are looked for, at most.
const COMPOUNDS: usize = 16;

/// A piece of a text with the most different terms in it, each between `**` and
/// `**`. The text's own double stars are left out; terms are in lower case.
pub(super) fn snippet(text: &str, terms: &[String]) -> String {
    let chars = plain(text);
    let found = find(&chars, terms);
    let window = window(&chars, &found);
    let mut shown = String::new();
    if window.start > 0 {
        shown.push('…');
    }
    let mut at = window.start;
    for (place, _) in found.iter().filter(|(place, _)| place.start >= window.start && place.end <= window.end) {
        // A star of the text's own next to a mark would be taken for a part of it.
        shown.extend(trimmed(&chars[at..place.start], at > window.start));
        shown.push_str(MARK);
        shown.extend(&chars[place.clone()]);
        shown.push_str(MARK);
        at = place.end;
    }
    let rest = &chars[at..window.end];
    let starred = at > window.start && rest.first() == Some(&'*');
    shown.extend(&rest[usize::from(starred)..]);
    if window.end < chars.len() {
        shown.push('…');
    }
    shown
}

/// One line without double stars.
fn plain(text: &str) -> Vec<char> {
    let mut bare = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('*') {
        bare.push_str(&rest[..at]);
        let stars = rest[at..].len() - rest[at..].trim_start_matches('*').len();
        if stars == 1 {
            bare.push('*');
        }
        rest = &rest[at + stars..];
    }
    bare.push_str(rest);
    bare.split_whitespace().collect::<Vec<_>>().join(" ").chars().collect()
}

/// What stands between two marks, or before the first one.
fn trimmed(between: &[char], after_mark: bool) -> &[char] {
    let between = if after_mark { between.strip_prefix(&['*']).unwrap_or(between) } else { between };
    between.strip_suffix(&['*']).unwrap_or(between)
}

/// Where terms stand, in order and without overlap, and which they are.
fn find(chars: &[char], terms: &[String]) -> Vec<(Range<usize>, String)> {
    let is_compound = |term: &&String| !term.chars().all(char::is_alphanumeric);
    let simple: HashSet<&str> = terms.iter().filter(|term| !is_compound(term)).map(String::as_str).collect();
    let mut compounds: Vec<Vec<char>> =
        terms.iter().filter(is_compound).take(COMPOUNDS).map(|term| term.chars().collect()).collect();
    // The longest first: `4.5.1` before `4.5`.
    compounds.sort_by_key(|term| std::cmp::Reverse(term.len()));
    let mut found = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        if !chars[at].is_alphanumeric() {
            at += 1;
            continue;
        }
        let end = at + chars[at..].iter().take_while(|c| c.is_alphanumeric()).count();
        let compound =
            compounds.iter().find_map(|term| stands(chars, at, term).map(|end| (end, term.iter().collect())));
        let word: String = chars[at..end].iter().flat_map(|c| c.to_lowercase()).collect();
        let hit = compound.or_else(|| simple.contains(word.as_str()).then_some((end, word)));
        let next = hit.as_ref().map_or(end, |(end, _)| *end);
        found.extend(hit.map(|(end, term)| (at..end, term)));
        at = next;
    }
    found
}

/// Where a term ends that stands at `at`, as whole words.
fn stands(chars: &[char], at: usize, term: &[char]) -> Option<usize> {
    let mut left = term;
    let mut end = at;
    while !left.is_empty() {
        for folded in chars.get(end)?.to_lowercase() {
            left = left.strip_prefix(&[folded])?;
        }
        end += 1;
    }
    chars.get(end).is_none_or(|c| !c.is_alphanumeric()).then_some(end)
}

/// The first stretch with the most different terms.
fn window(chars: &[char], found: &[(Range<usize>, String)]) -> Range<usize> {
    let different = |first: usize| {
        let end = found[first].0.start + LENGTH - BEFORE;
        let within = found[first..].iter().take_while(|(place, _)| place.end <= end);
        within.map(|(_, term)| term).collect::<HashSet<_>>().len()
    };
    // The first of equals: `max_by_key` gives the last.
    let first = (0..found.len()).rev().max_by_key(|first| different(*first));
    let from = first.map_or(0, |first| found[first].0.start.saturating_sub(BEFORE));
    // From the start of a word, unless that is far.
    let start = if from == 0 {
        0
    } else {
        let space = chars[from..from + BEFORE / 2].iter().position(|c| *c == ' ');
        space.map_or(from, |space| from + space + 1)
    };
    let most = (start + LENGTH).min(chars.len());
    if most == chars.len() {
        return start..most;
    }
    // To the end of a word, likewise.
    let space = chars[most - BEFORE / 2..most].iter().rposition(|c| *c == ' ');
    start..space.map_or(most, |space| most - BEFORE / 2 + space)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(text: &str, terms: &[&str]) -> String {
        snippet(text, &terms.iter().map(|term| (*term).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn every_word_that_was_looked_for_is_marked_whatever_its_case() {
        assert_eq!(
            of("The pump\nholds 4 bar; PUMPS do not.", &["pump", "bar"]),
            "The **pump** holds 4 **bar**; PUMPS do not."
        );
        assert_eq!(of("ÜBERDRUCK im Kessel", &["überdruck"]), "**ÜBERDRUCK** im Kessel");
        assert_eq!(of("At 4.5 bar, not at 14.5 or 4.55.", &["4.5"]), "At **4.5** bar, not at 14.5 or 4.55.");
        assert_eq!(of("Nothing here.", &["pump"]), "Nothing here.");
    }

    #[test]
    fn the_text_s_own_stars_are_no_marks() {
        assert_eq!(of("a **bold** pump, *pump*, 3*4 ***", &["pump"]), "a bold **pump**, **pump**, 3*4");
        assert_eq!(of("*pump*pump*", &["pump"]), "**pump****pump**");
    }

    #[test]
    fn of_a_long_text_the_part_with_the_most_different_words_is_shown() {
        let filler = "word ".repeat(200);
        let text = format!("{filler}pump pump pump {filler}the pump holds a bar {filler}");
        let shown = of(&text, &["pump", "bar"]);
        assert!(shown.contains("the **pump** holds a **bar** word"), "{shown}");
        assert!(shown.starts_with("…word") && shown.ends_with("word…"), "{shown}");
    }

    proptest! {
        #[test]
        fn marks_come_in_pairs_around_terms_and_nothing_is_added(
            words in proptest::collection::vec("[a-cÄß*]{1,4}|\\*|[\u{130}x]", 0..300),
            terms in proptest::collection::vec("[a-cäß]{1,2}|a-b", 0..4),
        ) {
            let text = words.join(" ");
            let shown = snippet(&text, &terms);
            let inner = shown.trim_matches('…');
            prop_assert!(inner.replace(MARK, "").chars().count() <= LENGTH);
            let pieces: Vec<&str> = inner.split(MARK).collect();
            prop_assert_eq!(pieces.len() % 2, 1, "{}", shown);
            for marked in pieces.iter().skip(1).step_by(2) {
                prop_assert!(terms.contains(&marked.to_lowercase()), "{} in {}", marked, shown);
            }
            let bare = |text: &str| text.replace('*', "").split_whitespace().collect::<Vec<_>>().join(" ");
            prop_assert!(bare(&text).contains(&bare(inner)), "{} of {}", shown, text);
        }
    }
}
