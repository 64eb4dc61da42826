//! Requests made from a seed: fast enough for a hundred thousand of them.

use super::check::{Case, Passage};
use crate::budget::IMAGE_TOKENS;

const WORDS: [&str; 32] = [
    "pump",
    "Pump",
    "valve",
    "pressure",
    "bar",
    "holds",
    "The",
    "a",
    "is",
    "Größe",
    "Ventil",
    "größer",
    "泵压为四巴",
    "它是红色的",
    "مضخة",
    "Ωμέγα",
    "e\u{301}tat",
    "👩‍👩‍👧",
    "ﬁlter",
    "４",
    "4.5",
    "12.",
    "e.g.",
    "z. B.",
    "Nr.",
    "J.",
    "**bold**",
    "`x`",
    "\u{200b}",
    "\u{0}",
    "|",
    "İstanbul",
];
const GAPS: [&str; 20] = [
    " ", " ", " ", " ", " ", " ", ". ", ". ", ". ", "! ", "? ", "。", "\n", "\r\n", "\n\n", "\n- ", "\n1. ", "\n# ",
    "\n| ", ".\n> ",
];

/// Sebastiano Vigna's `SplitMix64`, which is enough to draw lots.
struct Lots(u64);

impl Lots {
    /// From 0 to `bound`, which is left out.
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) >> 33).expect("31 bits") % bound.max(1)
    }

    fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn text(&mut self, longest: usize) -> String {
        let mut text = String::new();
        for _ in 0..self.below(longest + 1) {
            text.push_str(WORDS[self.below(WORDS.len())]);
            text.push_str(GAPS[self.below(GAPS.len())]);
        }
        text
    }

    fn passage(&mut self) -> Passage {
        // Some hold no words, or only what is none.
        let text = match self.below(12) {
            0 => ["", " \n", "***", "|---|", "1. -"][self.below(5)].to_owned(),
            1 => self.text(3),
            _ => self.text(40),
        };
        let worth = [0.0, 1.0, -3.5, f32::NAN, f32::INFINITY][self.below(5)];
        Passage { title: self.text(4), text, worth }
    }
}

/// The request of a seed.
pub(super) fn case(seed: u64) -> Case {
    let mut lots = Lots(seed);
    let tools = if lots.one_in(2) { "[{\"name\": \"search_documents\", \"parameters\": {}}]" } else { "" };
    let mut case = Case {
        window: 0,
        answer: lots.below(200),
        system: lots.text(20),
        tools: tools.to_owned(),
        question: lots.text(12),
        images: if lots.one_in(8) { lots.below(3) } else { 0 },
        summary: lots.one_in(2).then(|| lots.text(20)),
        history: (0..lots.below(6)).map(|_| (lots.text(10), lots.text(20))).collect(),
        evidence: (0..lots.below(6)).map(|_| lots.passage()).collect(),
        steps: (0..lots.below(6)).map(|_| (lots.one_in(2), lots.text(60))).collect(),
    };
    // What must be sent takes about so much; about as much again for the rest.
    let bytes: usize = [&case.system, &case.tools, &case.question].into_iter().map(String::len).sum();
    let steps: usize = case.steps.iter().map(|(_, text)| text.len() / 4 + 8).sum();
    let must = case.answer + bytes / 4 + 24 + case.images * IMAGE_TOKENS;
    case.window = match lots.below(8) {
        0 => lots.below(must + 20),
        1 => must + lots.below(steps + 20),
        2 => must + steps + 2_000,
        _ => must + steps + lots.below(500),
    };
    case
}
