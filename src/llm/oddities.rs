//! Replies as providers have really been known to write them, whole, cut
//! anywhere, and damaged. The files are in `fixtures/streams`, each with what
//! it becomes beside it.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::remote::{Chunks, replay};
use super::{Delta, FinishReason, LlmError, Request, Source, anthropic, gemini, openai};

/// Every place is tried in files up to this many bytes.
const SMALL: usize = 8 << 10;
/// Of their places, how many are tried: all, or one in some where code is slow.
const STEP: usize = if cfg!(debug_assertions) { 11 } else { 1 };
/// Variable that sets how many damaged replies are read.
const CASES_SETTING: &str = "FOOTNOTE_FUZZ_CASES";

/// A provider's way to read a reply.
type Reader = fn(&Request) -> Box<dyn Chunks>;

const DIALECTS: [(&str, Reader); 3] = [
    ("openai", |request| Box::new(openai::chunks::Chunks::new(request))),
    ("anthropic", |request| Box::new(anthropic::chunks::Chunks::new(request))),
    ("gemini", |request| Box::new(gemini::chunks::Chunks::new(request))),
];

type Items = Vec<Result<Delta, LlmError>>;

struct Fixture {
    path: PathBuf,
    body: Vec<u8>,
    expected: Value,
    chunks: Reader,
}

impl Fixture {
    fn read(&self, runtime: &Runtime, pieces: impl IntoIterator<Item = Vec<u8>>) -> Items {
        runtime.block_on(replay(pieces, (self.chunks)(&request())))
    }

    /// What the body becomes when it comes in pieces.
    fn cut(&self, runtime: &Runtime, cuts: &mut Vec<usize>) -> Value {
        cuts.extend([0, self.body.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|pair| self.body[pair[0]..pair[1]].to_vec());
        shown(&self.read(runtime, pieces))
    }
}

/// The question that all of them answer. Its second source is blank and so not
/// sent to a model that cites.
fn request() -> Request {
    let source = |n, text: &str| Source {
        n,
        title: "Pumps".into(),
        headings: vec![],
        text: text.into(),
        score: 1.0,
        dense: None,
    };
    Request {
        sources: vec![source(1, "It holds 4 bar."), source(2, " "), source(3, "It weighs 9 kg.")],
        ..Request::plain("claude-test", "be brief".into(), "how much?".into(), 100)
    }
}

fn runtime() -> Runtime {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime")
}

fn fixtures() -> Vec<Fixture> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/streams");
    let mut fixtures = Vec::new();
    for (name, chunks) in DIALECTS {
        let folder = root.join(name);
        let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let paths = entries.map(|entry| entry.expect("an entry").path());
        let before = fixtures.len();
        for path in paths.filter(|path| path.extension().is_some_and(|extension| extension == "sse")) {
            let body = std::fs::read(&path).expect("a body");
            let expected = std::fs::read(path.with_extension("json")).expect("what it becomes");
            let expected: Value = serde_json::from_slice(&expected).expect("JSON");
            fixtures.push(Fixture { path, body, expected: expected["becomes"].clone(), chunks });
        }
        assert!(fixtures.len() > before, "{} is empty", folder.display());
    }
    fixtures.sort_by(|a, b| a.path.cmp(&b.path));
    fixtures
}

/// Items as the files beside the bodies write them.
fn shown(items: &Items) -> Value {
    let shown = items.iter().map(|item| match item {
        Ok(Delta::Text(text)) => json!({ "text": text }),
        Ok(Delta::Reasoning(text)) => json!({ "reasoning": text }),
        Ok(Delta::Cited { n, quote }) => json!({ "cited": n, "quote": quote }),
        Ok(Delta::Call(call)) => json!({ "call": call.id, "name": call.name, "arguments": call.arguments }),
        Ok(Delta::State(state)) => json!({ "state": state }),
        Ok(Delta::Usage(usage)) if usage.estimated => json!({ "usage": "estimated" }),
        Ok(Delta::Usage(usage)) => json!({ "usage": [usage.input_tokens, usage.cached_tokens, usage.output_tokens] }),
        Ok(Delta::Finished(FinishReason::Stop)) => json!({ "finished": "stop" }),
        Ok(Delta::Finished(FinishReason::Length)) => json!({ "finished": "length" }),
        Ok(Delta::Finished(FinishReason::ContentFilter)) => json!({ "finished": "content_filter" }),
        Ok(Delta::Finished(FinishReason::ToolCalls)) => json!({ "finished": "tool_calls" }),
        Ok(Delta::Finished(FinishReason::Other)) => json!({ "finished": "other" }),
        Err(error) => json!({ "error": error.code() }),
    });
    shown.collect()
}

/// Whether the last item, and no other, is an end.
fn ends_once(items: &Items) -> bool {
    let is_end = |item: &Result<Delta, LlmError>| matches!(item, Ok(Delta::Finished(_)) | Err(_));
    items.split_last().is_some_and(|(last, rest)| is_end(last) && !rest.iter().any(is_end))
}

#[test]
fn every_odd_reply_becomes_what_is_written_beside_it() {
    let runtime = runtime();
    let wrong: Vec<String> = fixtures()
        .iter()
        .filter_map(|fixture| {
            let items = fixture.read(&runtime, [fixture.body.clone()]);
            let (is, expected) = (shown(&items), &fixture.expected);
            let right = &is == expected && ends_once(&items);
            (!right).then(|| format!("{}\n  is       {is}\n  expected {expected}", fixture.path.display()))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_cut_changes_a_reply() {
    let runtime = runtime();
    for fixture in fixtures() {
        let (length, path) = (fixture.body.len(), fixture.path.display());
        let bytes = shown(&fixture.read(&runtime, fixture.body.chunks(1).map(<[u8]>::to_vec)));
        assert_eq!(bytes, fixture.expected, "{path}, byte by byte");
        for place in (0..length).step_by(STEP).filter(|_| length <= SMALL) {
            assert_eq!(fixture.cut(&runtime, &mut vec![place]), fixture.expected, "{path}, cut at {place}");
        }
    }
}

#[test]
fn a_reply_that_stops_anywhere_ends_once() {
    let runtime = runtime();
    for fixture in fixtures().iter().filter(|fixture| fixture.body.len() <= SMALL) {
        for end in (0..fixture.body.len()).step_by(STEP) {
            let items = fixture.read(&runtime, [fixture.body[..end].to_vec()]);
            assert!(ends_once(&items), "{}, to {end}: {items:?}", fixture.path.display());
        }
    }
}

/// Something that can happen to bytes.
#[derive(Debug, Clone)]
enum Damage {
    Flip(Index, u8),
    Insert(Index, u8),
    Delete(Index, usize),
    Repeat(Index, usize),
    Truncate(Index),
    /// Bytes of another reply come in.
    Splice(Index, Index, Index, usize),
}

impl Damage {
    fn any() -> impl Strategy<Value = Self> {
        let place = any::<Index>;
        prop_oneof![
            4 => (place(), 1u8..).prop_map(|(at, bits)| Self::Flip(at, bits)),
            // Bytes that mean something.
            4 => (place(), proptest::sample::select(&b"\"\\{}[]:,\n\r\0 d-019\xF0\xEF"[..]))
                .prop_map(|(at, byte)| Self::Insert(at, byte)),
            3 => (place(), 1usize..200).prop_map(|(at, length)| Self::Delete(at, length)),
            3 => (place(), 1usize..400).prop_map(|(at, length)| Self::Repeat(at, length)),
            1 => place().prop_map(Self::Truncate),
            2 => (place(), place(), place(), 1usize..600)
                .prop_map(|(at, other, from, length)| Self::Splice(at, other, from, length)),
        ]
    }

    fn strike(&self, body: &mut Vec<u8>, others: &[Fixture]) {
        let piece = |body: &[u8], at: &Index, length: usize| {
            let start = at.index(body.len() + 1);
            start..body.len().min(start + length)
        };
        match self {
            Self::Flip(at, bits) if !body.is_empty() => {
                let place = at.index(body.len());
                body[place] ^= bits;
            }
            Self::Flip(..) => {}
            Self::Insert(at, byte) => body.insert(at.index(body.len() + 1), *byte),
            Self::Delete(at, length) => drop(body.drain(piece(body, at, *length))),
            Self::Repeat(at, length) => {
                let range = piece(body, at, *length);
                let again = body[range.clone()].to_vec();
                body.splice(range.end..range.end, again);
            }
            Self::Truncate(at) => body.truncate(at.index(body.len() + 1)),
            Self::Splice(at, other, from, length) => {
                let other = &other.get(others).body;
                let bytes = other[piece(other, from, *length)].to_vec();
                let place = at.index(body.len() + 1);
                body.splice(place..place, bytes);
            }
        }
    }
}

/// How many damaged replies are read; fewer where reading is slow.
fn cases() -> u32 {
    let set = std::env::var(CASES_SETTING).ok().map(|cases| cases.parse().expect("a number"));
    set.unwrap_or(if cfg!(debug_assertions) { 2_000 } else { 100_000 })
}

#[test]
fn random_cuts_change_no_reply() {
    let (runtime, fixtures) = (runtime(), fixtures());
    let cuts = proptest::collection::vec(any::<Index>(), 1..20);
    proptest!(|(fixture in any::<Index>(), cuts in cuts)| {
        let fixture = fixture.get(&fixtures);
        let mut cuts = cuts.iter().map(|cut| cut.index(fixture.body.len() + 1)).collect();
        prop_assert_eq!(&fixture.cut(&runtime, &mut cuts), &fixture.expected, "{}", fixture.path.display());
    });
}

#[test]
fn a_damaged_reply_ends_once() {
    let runtime = runtime();
    let mut fixtures = fixtures();
    fixtures.retain(|fixture| fixture.body.len() <= SMALL);
    let config = ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() };
    let damages = proptest::collection::vec(Damage::any(), 1..6);
    proptest!(config, |(fixture in any::<Index>(), damages in damages, cut in any::<Index>())| {
        let fixture = fixture.get(&fixtures);
        let mut body = fixture.body.clone();
        for damage in &damages {
            damage.strike(&mut body, &fixtures);
        }
        let (before, after) = body.split_at(cut.index(body.len() + 1));
        let items = fixture.read(&runtime, [before.to_vec(), after.to_vec()]);
        prop_assert!(ends_once(&items), "{}: {items:?}\n{}", fixture.path.display(), String::from_utf8_lossy(&body));
    });
}
