//! What every answer of the budget must keep, worked out anew from the request
//! and the receipt.

use std::cell::LazyCell;
use std::collections::BTreeMap;

use super::super::*;
use crate::sentences;

/// A request before it is fitted.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) window: usize,
    pub(super) answer: usize,
    pub(super) system: String,
    pub(super) tools: String,
    pub(super) question: String,
    pub(super) images: usize,
    pub(super) summary: Option<String>,
    pub(super) history: Vec<(String, String)>,
    pub(super) evidence: Vec<Passage>,
    /// Texts, and whether they are results.
    pub(super) steps: Vec<(bool, String)>,
}

#[derive(Debug, Clone)]
pub(super) struct Passage {
    pub(super) title: String,
    pub(super) text: String,
    pub(super) worth: f32,
}

/// How often things happened.
#[derive(Debug, Default)]
pub(super) struct Seen(pub(super) BTreeMap<&'static str, usize>);

impl Seen {
    fn note(&mut self, what: &'static str, happened: bool) {
        *self.0.entry(what).or_default() += usize::from(happened);
    }
}

type Counter = fn(&str) -> usize;

/// Ways to count. The second and the third count joined texts higher than their
/// parts, by up to one at each seam; the last obeys no law at all.
const COUNTERS: [(&str, Counter); 4] = [("words", words), ("thirds", thirds), ("seams", seams), ("chaos", chaos)];

pub(super) fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

fn thirds(text: &str) -> usize {
    text.len() / 3
}

/// Each word, and each place where two words meet.
fn seams(text: &str) -> usize {
    (2 * words(text)).saturating_sub(1)
}

fn chaos(text: &str) -> usize {
    let hash = text
        .bytes()
        .fold(14_695_981_039_346_656_037_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(1_099_511_628_211));
    usize::try_from(hash >> 33).expect("31 bits") % (text.len() / 2 + 2)
}

/// Fits the case by the counter that `turn` comes to, and says what is wrong.
pub(super) fn fitted(case: &Case, turn: u64, seen: &mut Seen) -> Option<(&'static str, String)> {
    let place = usize::try_from(turn % 4).expect("small");
    let (name, count) = COUNTERS[place];
    one(case, count, name != "chaos", seen).err().map(|problem| (name, problem))
}

macro_rules! ensure {
    ($holds:expr, $($what:tt)+) => {
        if !$holds {
            return Err(format!($($what)+));
        }
    };
}

fn one(case: &Case, count: Counter, joins_are_cheap: bool, seen: &mut Seen) -> Result<(), String> {
    let history: Vec<_> = case.history.iter().map(|(question, answer)| Exchange { question, answer }).collect();
    let evidence: Vec<_> = case.evidence.iter().map(|passage| candidate(passage, count)).collect();
    let steps: Vec<_> = case
        .steps
        .iter()
        .map(|(is_result, text)| if *is_result { Step::Result(text) } else { Step::Call(text) })
        .collect();
    let wanted = Wanted {
        window: case.window,
        answer: case.answer,
        system: &case.system,
        tools: &case.tools,
        question: &case.question,
        images: case.images,
        summary: case.summary.as_deref(),
        history: &history,
        evidence: &evidence,
        steps: &steps,
    };
    let must = message(count, &case.system)
        + message(count, &case.tools)
        + count(&case.question)
        + TURN_OVERHEAD
        + case.images * IMAGE_TOKENS
        + case.answer;
    let fitted = match fit(&wanted, joins_are_cheap, count) {
        Ok(fitted) => fitted,
        Err(refusal) => {
            let least: usize = case.steps.iter().map(|(is_result, text)| least(count, *is_result, text)).sum();
            ensure!(must + least > case.window, "it would fit, but {refusal}");
            let said = refusal.to_string();
            ensure!(said.starts_with("`content` takes") && said.contains("larger window"), "no help: {said}");
            seen.note("refused", true);
            return Ok(());
        }
    };
    ensure!(fitted.exact == joins_are_cheap && fitted.window == case.window, "the receipt is of something else");
    let free_of_steps = case.window.checked_sub(must).ok_or("it should have been refused")?;
    check_steps(case, &fitted, free_of_steps, count)?;
    let free = free_of_steps.checked_sub(fitted.shares.steps).ok_or("the steps do not fit")?;
    check_history(case, &fitted, free, count)?;
    let left = free.checked_sub(fitted.shares.history + fitted.shares.summary).ok_or("history does not fit")?;
    check_evidence(&evidence, &fitted, left, count)?;
    check_sums(case, &fitted, must)?;
    if joins_are_cheap {
        let sent = assembled(case, &fitted, count);
        ensure!(sent + case.answer <= case.window, "{sent} tokens are sent beside {} for the answer", case.answer);
    }
    note(case, &fitted, free, seen);
    Ok(())
}

fn note(case: &Case, fitted: &Fitted, free: usize, seen: &mut Seen) {
    seen.note("trimmed", fitted.evidence.iter().any(|kept| kept.trimmed));
    seen.note("whole", fitted.evidence.iter().any(|kept| !kept.trimmed));
    seen.note("no room", fitted.dropped.iter().any(|dropped| dropped.reason == Reason::NoRoom));
    seen.note("empty", fitted.dropped.iter().any(|dropped| dropped.reason == Reason::Empty));
    seen.note("evidence beyond its share", fitted.shares.evidence > free * 70 / 100);
    seen.note(
        "later than a dropped one",
        fitted.evidence.last().is_some_and(|last| {
            fitted.dropped.iter().any(|dropped| dropped.reason == Reason::NoRoom && dropped.index < last.index)
        }),
    );
    seen.note("older", fitted.older > 0 && fitted.history > 0);
    seen.note("summary and older", fitted.summary && fitted.older > 0);
    seen.note("no summary", case.summary.as_ref().is_some_and(|text| !text.is_empty()) && !fitted.summary);
    seen.note("stubs", !fitted.stubs.is_empty());
    seen.note("images", case.images > 0);
    seen.note("everything", fitted.older + fitted.dropped.len() == 0 && !fitted.evidence.is_empty());
}

fn fence(title: &str, text: &str) -> String {
    format!("<f>\n[1] {title}\n{text}\n</f>")
}

fn candidate(passage: &Passage, count: Counter) -> Candidate<'_> {
    Candidate { text: &passage.text, overhead: count(&fence(&passage.title, "")), worth: passage.worth }
}

fn message(count: Counter, text: &str) -> usize {
    if text.is_empty() { 0 } else { count(text) + TURN_OVERHEAD }
}

/// Tokens of a step that was made as short as it may be.
fn least(count: Counter, is_result: bool, text: &str) -> usize {
    let whole = count(text);
    TURN_OVERHEAD + if is_result { whole.min(count(STUB)) } else { whole }
}

fn check_steps(case: &Case, fitted: &Fitted, room: usize, count: Counter) -> Result<(), String> {
    let stubs = &fitted.stubs;
    ensure!(stubs.is_sorted_by(|a, b| a < b), "stubs are out of order: {stubs:?}");
    ensure!(stubs.iter().all(|place| case.steps[*place].0), "a call was cut: {stubs:?}");
    let mut tokens = 0;
    for (place, (is_result, text)) in case.steps.iter().enumerate() {
        let cut = stubs.contains(&place);
        tokens += TURN_OVERHEAD + count(if cut { STUB } else { text });
        ensure!(!cut || count(text) > count(STUB), "step {place} was cut and is longer for it");
        let passed_over = !cut && *is_result && count(text) > count(STUB);
        ensure!(!passed_over || stubs.iter().all(|stub| *stub < place), "step {place} is older than one that was cut");
    }
    ensure!(tokens == fitted.shares.steps, "steps take {tokens}, not {}", fitted.shares.steps);
    if let Some(last) = stubs.last() {
        let saved = count(&case.steps[*last].1) - count(STUB);
        ensure!(tokens + saved > room, "step {last} was cut without need");
    }
    Ok(())
}

fn check_history(case: &Case, fitted: &Fitted, free: usize, count: Counter) -> Result<(), String> {
    let Fitted { history, older, shares, .. } = fitted;
    ensure!(history + older == case.history.len(), "{history} kept and {older} left of {}", case.history.len());
    let size = |(question, answer): &(String, String)| count(question) + count(answer) + 2 * TURN_OVERHEAD;
    let tokens: usize = case.history[*older..].iter().map(size).sum();
    ensure!(tokens == shares.history, "history takes {tokens}, not {}", shares.history);
    let summary = case.summary.as_ref().map_or(0, |text| message(count, text));
    ensure!(shares.summary == if fitted.summary { summary } else { 0 }, "the summary takes {summary}");
    ensure!(!fitted.summary || summary > 0, "an empty summary is sent");
    let room = free - free * 70 / 100;
    let left = room.checked_sub(tokens + shares.summary).ok_or("history takes of the evidence's share")?;
    if let Some(next) = older.checked_sub(1) {
        ensure!(size(&case.history[next]) > left, "exchange {next} would fit");
    }
    if summary > 0 && !fitted.summary {
        // It may only have stood back for the newest exchange.
        let newest = if *history > 0 { case.history.last().map_or(0, size) } else { 0 };
        ensure!(summary + newest > room, "the summary would fit");
    }
    Ok(())
}

fn check_evidence(
    candidates: &[Candidate<'_>],
    fitted: &Fitted,
    mut left: usize,
    count: Counter,
) -> Result<(), String> {
    let (mut kept, mut dropped) = (fitted.evidence.iter().peekable(), fitted.dropped.iter().peekable());
    for (index, candidate) in candidates.iter().enumerate() {
        let text = candidate.text;
        let cost = |text: &str| count(text) + candidate.overhead + TURN_OVERHEAD;
        let sentences = LazyCell::new(|| sentences::split(text));
        let whole_fits = cost(text) <= left;
        let has_words = text.chars().any(char::is_alphanumeric);
        if let Some(kept) = kept.next_if(|kept| kept.index == index) {
            let chars: Vec<char> = text.chars().collect();
            ensure!(kept.start < kept.end && kept.end <= chars.len(), "{kept:?} lies outside of {index}");
            let slice: String = chars[kept.start..kept.end].iter().collect();
            ensure!(kept.slice(text) == slice, "{kept:?} is not its slice");
            ensure!(cost(&slice) == kept.tokens, "{kept:?} takes {} tokens", cost(&slice));
            ensure!(has_words, "{kept:?} holds no words");
            ensure!(kept.trimmed != whole_fits, "{kept:?} though the whole has {left} for {}", cost(text));
            let is_whole = kept.start == 0 && kept.end == chars.len();
            if kept.trimmed {
                let bytes = |end: usize| chars[..end].iter().map(|c| c.len_utf8()).sum::<usize>();
                let (start, end) = (bytes(kept.start), bytes(kept.end));
                ensure!(sentences.iter().any(|range| range.start == start), "{kept:?} starts within a sentence");
                ensure!(sentences.iter().any(|range| range.end == end), "{kept:?} ends within a sentence");
            }
            ensure!(kept.trimmed || is_whole, "{kept:?} is a part");
            left = left.checked_sub(kept.tokens).ok_or_else(|| format!("{kept:?} does not fit into {left}"))?;
        } else if let Some(dropped) = dropped.next_if(|dropped| dropped.index == index) {
            ensure!((dropped.reason == Reason::Empty) != has_words, "{dropped:?} for another reason");
            let would_fit = whole_fits || sentences.iter().any(|range| cost(&text[range.clone()]) <= left);
            ensure!(!has_words || !would_fit, "{dropped:?} would fit into {left}");
        } else {
            return Err(format!("passage {index} is neither kept nor dropped, or out of order"));
        }
    }
    ensure!(kept.next().is_none() && dropped.next().is_none(), "a passage is both kept and dropped, or unknown");
    Ok(())
}

fn check_sums(case: &Case, fitted: &Fitted, must: usize) -> Result<(), String> {
    let Shares { system, tools, history, summary, evidence, question, steps, answer } = fitted.shares;
    let pieces: usize = fitted.evidence.iter().map(|kept| kept.tokens).sum();
    ensure!(pieces == evidence, "evidence takes {pieces}, not {evidence}");
    ensure!(answer == case.answer && system + tools + question + answer == must, "the fixed shares are wrong");
    let total = must + history + summary + evidence + steps;
    ensure!(total == fitted.total && total <= fitted.window, "{total} tokens in all, not {}", fitted.total);
    Ok(())
}

/// Tokens of the messages as a caller puts them together: the evidence and the
/// question are one.
fn assembled(case: &Case, fitted: &Fitted, count: Counter) -> usize {
    let mut prompt: String = fitted
        .evidence
        .iter()
        .map(|kept| {
            let Passage { title, text, .. } = &case.evidence[kept.index];
            fence(title, kept.slice(text)) + "\n\n"
        })
        .collect();
    if !prompt.is_empty() {
        prompt.push_str("Question: ");
    }
    prompt.push_str(&case.question);
    let steps = case.steps.iter().enumerate();
    let steps = steps.map(|(place, (_, text))| if fitted.stubs.contains(&place) { STUB } else { text });
    let past = case.history[fitted.older..].iter().flat_map(|(question, answer)| [question, answer]);
    let summary = case.summary.iter().filter(|_| fitted.summary);
    let always = past.map(String::as_str).chain(steps).chain(summary.map(String::as_str)).chain([prompt.as_str()]);
    let always: usize = always.map(|text| count(text) + TURN_OVERHEAD).sum();
    always + message(count, &case.system) + message(count, &case.tools) + case.images * IMAGE_TOKENS
}
