//! Subtitles of each kind, as written by hand.

use super::*;
use proptest::prelude::*;

fn text(source: &str) -> String {
    parse(source).text
}

#[test]
fn cues_of_subrip_become_a_paragraph_with_its_time() {
    let source = "\u{feff}1\r\n00:00:01,000 --> 00:00:02,500\r\n<i>Good</i> morning\r\neveryone.\r\n\r\n\
                  2\r\n00:00:03,000 --> 00:00:04,000\r\n{\\an8}It is 5 < 6 &amp; late.\r\n\r\n\
                  3\r\n00:01:23,500 --> 00:01:25,000\r\nAfter a pause.\r\n";
    assert_eq!(text(source), "[00:00:01] Good morning everyone. It is 5 < 6 & late.\n\n[00:01:23] After a pause.");
    assert!(starts_as_subtitles(source));
}

#[test]
fn webvtt_keeps_speakers_and_drops_notes_styles_and_settings() {
    let source = "WEBVTT - A talk\nKind: captions\n\nNOTE\nnot shown\n\nSTYLE\n::cue { color: red }\n\n\
                  intro one\n01:02.000 --> 01:03.000 align:start\n<v.loud Ann Lee>Hello <c.x>there</c>.</v>\n\n\
                  100:00:01.000 --> 100:00:02.000\n<v Bob>Bye.\n";
    let parsed = parse(source);
    assert_eq!(parsed.text, "[00:01:02] Ann Lee: Hello there.\n\n[100:00:01] Bob: Bye.");
    assert_eq!(parsed.title.as_deref(), Some("A talk"));
}

#[test]
fn sbv_is_read_too() {
    let source = "0:00:01.000,0:00:02.000\nFirst[br]line\n\n0:00:02.000,0:00:03.000\nsecond\n";
    assert_eq!(text(source), "[00:00:01] First line second");
    assert!(starts_as_subtitles(source));
}

#[test]
fn a_number_that_is_said_stays() {
    let source = "1\n00:00:01,000 --> 00:00:02,000\n42\n\n2\n00:00:02,000 --> 00:00:03,000\nis it, says\n\nDouglas\n";
    assert_eq!(text(source), "[00:00:01] 42 is it, says Douglas");
}

#[test]
fn rolling_captions_are_not_said_twice() {
    let source = "WEBVTT\n\n00:00:00.000 --> 00:00:02.000\none two\n\n00:00:02.000 --> 00:00:02.010\none two\n\n\
                  00:00:02.010 --> 00:00:04.000\none two\nthree four\n\n00:00:04.000 --> 00:00:06.000\nthree four\nfive\n";
    assert_eq!(text(source), "[00:00:00] one two three four five");
}

#[test]
fn a_long_talk_is_cut_at_a_sentence() {
    let cue = |n: usize| format!("00:00:{n:02}.000 --> 00:00:{:02}.000\n{} word.\n\n", n + 1, "word ".repeat(20));
    let source = format!("WEBVTT\n\n{}", (0..12).map(cue).collect::<String>());
    let parsed = parse(&source);
    let paragraphs: Vec<&str> = parsed.text.split("\n\n").collect();
    assert_eq!(paragraphs.len(), 4, "{paragraphs:?}");
    assert!(paragraphs.iter().all(|paragraph| paragraph.starts_with("[00:00:") && paragraph.ends_with('.')));
}

#[test]
fn prose_is_no_subtitles() {
    for prose in ["", "1\nOne thing.", "12", "Hello, world", "WEBVTTX", "1.5, 2.5", "a --> b", "10.30,12.45\n"] {
        assert!(!starts_as_subtitles(prose), "{prose:?}");
    }
}

#[test]
fn odd_times_are_no_times() {
    assert_eq!(times("00:01.5 --> 00:02"), Some((1500, 2000)));
    assert_eq!(times("1:00:01,1234 --> 1:00:02,000"), Some((3_601_123, 3_602_000)));
    for odd in ["00:01.aaé --> 00:02", "00:01 -->", "1 --> 2", "99999999999:00 --> 1:00", "1:2:3:4 --> 1:00"] {
        assert_eq!(times(odd), None, "{odd}");
    }
}

#[test]
fn many_open_marks_take_no_more_than_a_moment() {
    let source = format!("WEBVTT\n\n00:01.000 --> 00:02.000\n{}\n", "{<".repeat(50_000));
    assert_eq!(text(&source).len(), 100_011);
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(source in any::<String>()) {
        let _ = starts_as_subtitles(&source);
        parse(&source);
    }

    #[test]
    fn neither_does_what_nearly_is_one(
        lines in proptest::collection::vec("(WEBVTT|NOTE|[0-9]{1,3}|[0-9:.,]{1,12} --> [0-9:.,é]{1,12}|<v [a-zé]{0,3}>?.*|)", 0..20)
    ) {
        let text = parse(&lines.join("\n")).text;
        prop_assert_eq!(canonical::text(&text), text);
    }
}
