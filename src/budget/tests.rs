//! What is sent and dropped: by example, and for a great many requests.

mod check;
mod random;

use std::cell::Cell;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::sentences;
use check::{Case, Passage, words};

const NOTHING: Wanted<'_> = Wanted {
    window: 0,
    answer: 0,
    system: "",
    tools: "",
    question: "",
    images: 0,
    summary: None,
    history: &[],
    evidence: &[],
    steps: &[],
};

fn candidate(text: &str) -> Candidate<'_> {
    Candidate { text, overhead: 0, worth: 0.5 }
}

/// What is sent of a passage that has `room` tokens of one word each.
fn trimmed<'a>(question: &str, text: &'a str, room: usize) -> Option<&'a str> {
    let window = words(question) + 2 * TURN_OVERHEAD + room;
    let wanted = Wanted { window, question, evidence: &[candidate(text)], ..NOTHING };
    fit(&wanted, true, words).expect("room").evidence.first().map(|kept| kept.slice(text))
}

#[test]
fn a_question_that_leaves_no_room_is_refused_with_what_to_do() {
    let question = "q ".repeat(500);
    let wanted = Wanted { window: 400, answer: 100, question: &question, ..NOTHING };
    let refusal = fit(&wanted, true, words).expect_err("too long").to_string();
    assert_eq!(
        refusal,
        "`content` takes 608 tokens with the answer's share, and the model reads 400; ask a shorter question or choose a model with a larger window"
    );
    let wanted = Wanted { window: 4_000, answer: 4_000, question: "q", tools: "[]", images: 1, ..NOTHING };
    let refusal = fit(&wanted, true, words).expect_err("too much").to_string();
    assert!(refusal.contains("send fewer images, allow fewer tools or choose"), "{refusal}");
    let wanted = Wanted { images: 0, ..wanted };
    let refusal = fit(&wanted, true, words).expect_err("too much").to_string();
    assert!(refusal.contains("shorter answer with `max_tokens`"), "{refusal}");
}

#[test]
fn counts_without_bounds_are_refused() {
    let steps = [Step::Result("r"), Step::Call("c"), Step::Result("r")];
    let wanted = Wanted { window: 1_000, question: "q", steps: &steps, images: usize::MAX, ..NOTHING };
    assert!(fit(&wanted, true, |_| usize::MAX).is_err());
    assert!(fit(&Wanted { answer: usize::MAX, images: 1, ..wanted }, true, words).is_err());
    let boundless = Wanted { window: usize::MAX, evidence: &[candidate("One. Two.")], images: 0, ..wanted };
    assert_eq!(fit(&boundless, true, words).expect("room").evidence.len(), 1);
}

#[test]
fn evidence_takes_what_history_leaves_but_not_the_other_way_round() {
    let text = "w ".repeat(300);
    let evidence = [candidate(&text)];
    let exchange = [Exchange { question: "q", answer: "a" }];
    // 400 tokens are free; 280 are evidence's alone.
    let wanted = Wanted { window: 408, history: &exchange, evidence: &evidence, ..NOTHING };
    let fitted = fit(&wanted, true, words).expect("room");
    assert_eq!((fitted.history, fitted.shares.history, fitted.shares.evidence), (1, 18, 308));
    let long = "a ".repeat(120);
    let exchange = [Exchange { question: "", answer: &long }];
    let fitted = fit(&Wanted { history: &exchange, evidence: &[], ..wanted }, true, words).expect("room");
    assert_eq!((fitted.history, fitted.older, fitted.total), (0, 1, 8));
}

#[test]
fn the_summary_goes_in_after_the_newest_exchange_and_before_older_ones() {
    let history = [Exchange { question: "old", answer: "older" }, Exchange { question: "new", answer: "newer" }];
    let past = |room, summary| {
        let past = history::past(&history, Some(summary), room, &|text: &str| words(text));
        (past.exchanges, past.summary)
    };
    assert_eq!(past(6, "so far"), (2, Some(2)));
    assert_eq!(past(5, "so far"), (1, Some(2)));
    assert_eq!(past(3, "so far"), (1, None));
    assert_eq!(past(5, "much too long to be sent"), (2, None));
    assert_eq!(past(1, "so"), (0, Some(1)));
    assert_eq!(past(4, ""), (2, None));
}

#[test]
fn the_oldest_long_results_are_cut_and_calls_never() {
    let long = "r ".repeat(100);
    let steps = [Step::Call(&long), Step::Result("short"), Step::Result(&long), Step::Call("c"), Step::Result(&long)];
    let stub = words(STUB) + TURN_OVERHEAD;
    let whole = 3 * 108 + 2 * 9;
    let cut = |window| fit(&Wanted { window: window + TURN_OVERHEAD, steps: &steps, ..NOTHING }, true, words);
    assert_eq!(cut(whole).expect("room").stubs, Vec::<usize>::new());
    let fitted = cut(whole - 1).expect("room");
    assert_eq!((fitted.stubs, fitted.shares.steps), (vec![2], whole - 108 + stub));
    assert_eq!(cut(whole - 2 * (108 - stub)).expect("room").stubs, [2, 4]);
    assert!(cut(whole - 2 * (108 - stub) - 1).is_err());
}

#[test]
fn a_passage_is_cut_to_the_sentences_about_the_question() {
    let text = "It is red. The pump holds four bar. The rated pressure is four bar. It is old. Buy one.";
    assert_eq!(trimmed("Which pressure holds the pump?", text, 7), Some("The pump holds four bar."));
    assert_eq!(
        trimmed("Which pressure holds the pump?", text, 11),
        Some("The pump holds four bar. The rated pressure is four bar.")
    );
    // Nothing to go by, so the start is taken.
    assert_eq!(trimmed("Und nun?", text, 9), Some("It is red. The pump holds four bar."));
    assert_eq!(trimmed("Und nun?", text, 2), Some("Buy one."));
    assert_eq!(trimmed("Und nun?", text, 1), None);
}

#[test]
fn a_word_that_every_passage_holds_says_little() {
    let text = "Pump pump pump pump pump bar. The valve.";
    let others = ["A pump, one bar.", "Bar, pump.", "The pump again at a bar."].map(candidate);
    let evidence = [&[candidate(text)], &others[..]].concat();
    let question = "Pump, bar or valve?";
    let wanted = Wanted { window: 4 + 2 * TURN_OVERHEAD + 6, question, evidence: &evidence, ..NOTHING };
    let fitted = fit(&wanted, true, words).expect("room");
    assert_eq!(fitted.evidence[0].slice(text), "The valve.");
}

#[test]
fn a_run_that_takes_more_than_its_sentences_is_cut_at_its_poorer_end() {
    let count = |text: &str| words(text) + text.matches(". ").count();
    for (text, expected) in [
        ("It is red. It is old. The pump holds.", "It is old. The pump holds."),
        ("The pump holds. It is red. It is old.", "The pump holds. It is red."),
    ] {
        let wanted =
            Wanted { window: 1 + 2 * TURN_OVERHEAD + 9, question: "pump", evidence: &[candidate(text)], ..NOTHING };
        assert_eq!(fit(&wanted, true, count).expect("room").evidence[0].slice(text), expected);
    }
}

#[test]
fn a_later_passage_may_take_what_a_cut_one_leaves() {
    let texts = ["One two three four five six seven eight nine ten eleven. Twelve.", "***", "Ten.", "One two three."];
    let evidence = texts.map(candidate);
    let wanted = Wanted { window: 3 * TURN_OVERHEAD + 2, evidence: &evidence, ..NOTHING };
    let fitted = fit(&wanted, false, words).expect("room");
    let receipt = serde_json::to_value(&fitted).expect("JSON");
    assert_eq!(
        receipt,
        json!({
            "evidence": [
                { "index": 0, "start": 57, "end": 64, "tokens": 9, "trimmed": true, "worth": 0.5 },
                { "index": 2, "start": 0, "end": 4, "tokens": 9, "trimmed": false, "worth": 0.5 },
            ],
            "dropped": [
                { "index": 1, "reason": "empty", "worth": 0.5 }, { "index": 3, "reason": "no_room", "worth": 0.5 },
            ],
            "history": 0, "older": 0, "summary": false, "stubs": [],
            "shares": {
                "system": 0, "tools": 0, "history": 0, "summary": 0, "evidence": 18, "question": 8, "steps": 0,
                "answer": 0,
            },
            "total": 26, "window": 26, "exact": false,
        })
    );
}

#[test]
fn a_slice_is_in_code_points() {
    let kept = |start, end| Kept { index: 0, start, end, tokens: 0, trimmed: true, worth: 0.0 };
    assert_eq!(kept(1, 3).slice("aé泵b"), "é泵");
    assert_eq!(kept(0, 4).slice("aé泵b"), "aé泵b");
    assert_eq!(kept(4, 4).slice("aé泵b"), "");
    assert_eq!(kept(2, 9).slice("aé泵b"), "泵b");
    assert_eq!(kept(9, 2).slice("aé泵b"), "");
}

#[test]
fn counting_grows_with_the_text_and_not_with_its_square() {
    for joins in [0, 1] {
        let read = Cell::new(0);
        // With joins, no run is as short as the sum of its sentences.
        let count = |text: &str| {
            read.set(read.get() + text.len());
            words(text) + joins * text.matches(". ").count()
        };
        let text = "The pump holds four bar. ".repeat(20_000);
        let wanted = Wanted { window: 60_000, question: "pump", evidence: &[candidate(&text)], ..NOTHING };
        let fitted = fit(&wanted, true, count).expect("room");
        assert!(fitted.evidence[0].trimmed && fitted.total > 59_000, "{:?}", fitted.shares);
        assert!(read.get() < 12 * text.len(), "{} bytes were counted for {}", read.get(), text.len());
    }
}

#[test]
fn a_hundred_thousand_random_requests_keep_every_promise() {
    let mut seen = check::Seen::default();
    for seed in 0..100_000 {
        let case = random::case(seed);
        if let Some((name, problem)) = check::fitted(&case, seed, &mut seen) {
            panic!("seed {seed}, counted by {name}: {problem}\n{case:#?}");
        }
    }
    // Each thing that may happen did happen, and not just by chance.
    for (what, times) in seen.0 {
        assert!(times >= 500, "{what} only {times} times");
    }
}

fn texts() -> impl Strategy<Value = String> {
    "(\\PC|[a-zA-Z]{1,4}|[.!?] |\n|\r\n|- |# |\\| |> |[0-9]\\. |e\\.g\\. |\\*\\*|```){0,30}"
}

fn cases() -> impl Strategy<Value = Case> {
    let passage = (texts(), texts(), any::<f32>()).prop_map(|(title, text, worth)| Passage { title, text, worth });
    let numbers = (0_usize..400, 0_usize..60, 0_usize..2);
    let lists = (
        proptest::collection::vec((texts(), texts()), 0..5),
        proptest::collection::vec(passage, 0..5),
        proptest::collection::vec((any::<bool>(), texts()), 0..4),
    );
    (numbers, (texts(), texts(), texts(), proptest::option::of(texts())), lists).prop_map(
        |((window, answer, images), (system, tools, question, summary), (history, evidence, steps))| {
            let window = window + images * IMAGE_TOKENS;
            Case { window, answer, system, tools, question, images, summary, history, evidence, steps }
        },
    )
}

proptest! {
    #[test]
    fn no_request_exceeds_the_window(case in cases(), counter in 0_u64..4) {
        let problem = check::fitted(&case, counter, &mut check::Seen::default());
        prop_assert_eq!(problem, None);
    }

    #[test]
    fn no_run_of_sentences_that_fits_is_worth_more(
        sentences in proptest::collection::vec(proptest::collection::vec("[abc]{3}", 1..5), 1..12),
        question in proptest::collection::vec("[abc]{3}", 0..12),
        room in 1_usize..30,
    ) {
        let sentences: Vec<String> = sentences.iter().map(|words| format!("The {}.", words.join(" "))).collect();
        let (text, question) = (sentences.join(" "), question.join(" "));
        let asked: Vec<&str> = question.split_whitespace().collect();
        // One candidate, so that each word is worth the same.
        let worth = |run: &str| -> usize {
            let about = |sentence: &str| asked.iter().enumerate().filter(|(place, word)| {
                !asked[..*place].contains(word) && sentence.split([' ', '.']).any(|held| held == **word)
            }).count();
            sentences::split(run).into_iter().map(|range| about(&run[range])).sum()
        };
        let runs = (0..sentences.len())
            .flat_map(|start| (start + 1..=sentences.len()).map(move |end| start..end))
            .map(|run| sentences[run].join(" "))
            .filter(|run| words(run) <= room);
        let best = runs.map(|run| worth(&run)).max();
        prop_assert_eq!(trimmed(&question, &text, room).map(worth), best);
    }
}
