//! Every frame survives the wire; no bytes make a reader panic or take more
//! memory than the bounds say.

use proptest::prelude::*;

use super::*;
use crate::document::{Heading, PageSpan, Span, Table};

fn words() -> impl Strategy<Value = String> {
    any::<String>()
}

fn documents() -> impl Strategy<Value = Parsed> {
    let members = prop::collection::vec((words(), prop::option::of(words()), any::<Vec<u8>>()), 0..4);
    let headings = prop::collection::vec((any::<u8>(), words(), any::<u32>()), 0..4);
    (prop::option::of(words()), words(), headings, members, any::<bool>()).prop_map(
        |(title, text, headings, members, markdown)| Parsed {
            title,
            text,
            map: TextMap {
                pages: vec![PageSpan { page: 1, span: Span { start: 0, end: headings.len() } }],
                tables: vec![Table { span: Span { start: 1, end: 2 }, caption: Some("Größen".into()), header: None }],
                headings: headings
                    .into_iter()
                    .map(|(level, title, start)| Heading { level, title, start: start as usize })
                    .collect(),
                ..TextMap::default()
            },
            syntax: if markdown { Syntax::Markdown } else { Syntax::Plain },
            members: members.into_iter().map(|(name, media_type, bytes)| Member { name, media_type, bytes }).collect(),
        },
    )
}

fn slices(sections: &[Vec<u8>]) -> Vec<&[u8]> {
    sections.iter().map(Vec::as_slice).collect()
}

/// Reads by both readers, which must agree.
fn read_twice<H: DeserializeOwned + PartialEq + std::fmt::Debug>(bytes: &[u8], bounds: Bounds) -> Option<Frame<H>> {
    let first = read(&mut &bytes[..], bounds).ok().flatten();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let second = runtime.block_on(receive(&mut &bytes[..], bounds)).ok();
    assert_eq!(first, second);
    first
}

proptest! {
    #[test]
    fn a_document_survives_the_wire(parsed in documents(), number in any::<u64>()) {
        let (outline, sections) = pack(parsed.clone());
        let mut wire = Vec::new();
        write(&mut wire, &Reply { number, outcome: Outcome::Parsed(outline) }, &slices(&sections)).unwrap();
        let frame: Frame<Reply> = read_twice(&wire, Bounds::of(1 << 20)).unwrap();
        prop_assert_eq!(frame.head.number, number);
        let Outcome::Parsed(outline) = frame.head.outcome else { panic!("another outcome") };
        prop_assert_eq!(unpack(outline, frame.sections).unwrap(), parsed);
    }

    #[test]
    fn a_file_survives_the_wire(bytes in any::<Vec<u8>>(), name in prop::option::of(words()), large in any::<bool>()) {
        let purpose = Purpose::Recognised(vec![(2, "\"Größen\"\n".to_owned())]);
        let bytes = if large { [bytes, vec![7; ONE_WRITE]].concat() } else { bytes };
        let request = Request { number: 3, purpose: Cow::Owned(purpose), name: name.map(Into::into), media_type: None };
        let mut wire = Vec::new();
        write(&mut wire, &request, &[&bytes]).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut sent = Vec::new();
        runtime.block_on(send(&mut sent, &request, &[&bytes])).unwrap();
        prop_assert_eq!(&sent, &wire);
        let frame: Frame<Request<'_>> = read_twice(&wire, Bounds::of(1 << 20)).unwrap();
        prop_assert_eq!(frame.head, request);
        prop_assert_eq!(frame.sections, vec![bytes]);
    }

    #[test]
    fn arbitrary_bytes_are_no_frame(bytes in any::<Vec<u8>>()) {
        prop_assert!(read_twice::<Reply>(&bytes, Bounds::of(1 << 10)).is_none());
    }

    #[test]
    fn a_cut_frame_is_an_error(parsed in documents(), cut in any::<prop::sample::Index>()) {
        let (outline, sections) = pack(parsed);
        let mut wire = Vec::new();
        write(&mut wire, &Reply { number: 1, outcome: Outcome::Parsed(outline) }, &slices(&sections)).unwrap();
        wire.truncate(cut.index(wire.len()));
        prop_assert!(read_twice::<Reply>(&wire, Bounds::of(1 << 20)).is_none());
    }

    #[test]
    fn a_damaged_frame_does_not_panic(parsed in documents(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let (outline, sections) = pack(parsed);
        let mut wire = Vec::new();
        write(&mut wire, &Reply { number: 1, outcome: Outcome::Parsed(outline) }, &slices(&sections)).unwrap();
        let at = at.index(wire.len());
        wire[at] = byte;
        if let Some(Frame { head: Reply { outcome: Outcome::Parsed(outline), .. }, sections }) =
            read_twice::<Reply>(&wire, Bounds::of(1 << 20))
        {
            let _ = unpack(outline, sections);
        }
    }

    #[test]
    fn sections_beyond_the_bounds_are_refused_before_they_are_read(lengths in prop::collection::vec(any::<u64>(), 1..9)) {
        let json = serde_json::to_vec(&serde_json::json!({
            "sections": lengths, "head": { "number": 1, "outcome": { "failed": "empty" } }
        })).unwrap();
        let mut wire = u32::try_from(json.len()).unwrap().to_le_bytes().to_vec();
        wire.extend(json);
        let fits = lengths.iter().try_fold(wire.len() as u64 - 4, |sum, length| sum.checked_add(*length));
        let refused = matches!(
            read::<Reply>(&mut wire.as_slice(), Bounds::of(1 << 40)),
            Err(FrameError::TooLarge { .. })
        );
        prop_assert_eq!(refused, fits.is_none_or(|sum| sum > 1 << 40));
    }
}

#[test]
fn memory_is_taken_as_bytes_arrive_not_as_they_are_announced() {
    let mut bytes = Vec::new();
    assert_eq!(room(&mut bytes, 1 << 40).unwrap().len(), STEP);
    assert_eq!(bytes.capacity(), STEP);
}

#[test]
fn the_end_of_the_pipe_between_frames_is_none() {
    assert_eq!(read::<Reply>(&mut &[][..], Bounds::of(9)).unwrap(), None);
}

#[test]
fn a_text_that_is_not_utf8_or_has_no_section_is_malformed() {
    let parsed =
        Parsed { title: None, text: "a".into(), map: TextMap::default(), syntax: Syntax::Plain, members: vec![] };
    let (outline, _) = pack(parsed);
    assert!(matches!(unpack(outline.clone(), vec![vec![0xff]]), Err(FrameError::Malformed(_))));
    assert!(matches!(unpack(outline.clone(), vec![]), Err(FrameError::Malformed(_))));
    assert!(matches!(unpack(outline, vec![vec![], vec![]]), Err(FrameError::Malformed(_))));
}

#[test]
fn every_parse_error_survives_the_wire() {
    let found = || "image/png".to_owned();
    let errors = [
        ParseError::Empty,
        ParseError::NoText,
        ParseError::Encrypted { format: "PDF".into() },
        ParseError::NeedsOcr { pages: 3 },
        ParseError::Broken { format: "PDF".into(), problem: "no trailer".into() },
        ParseError::WrongType { claimed: "PDF".into(), found: found() },
        ParseError::NotText,
        ParseError::Unsupported { found: found() },
    ];
    for error in errors {
        let mut wire = Vec::new();
        write(&mut wire, &Reply { number: 1, outcome: Outcome::Failed(error.clone()) }, &[]).unwrap();
        let frame: Frame<Reply> = read_twice(&wire, Bounds::of(1 << 10)).unwrap();
        assert_eq!(frame.head.outcome, Outcome::Failed(error));
    }
}
