//! What each markup comes to.

use super::*;
use crate::document::{Span, slice};
use proptest::prelude::*;

/// What is dropped leaves its blank lines behind.
fn lines(parsed: &Parsed) -> String {
    parsed.text.replace("\n\n\n", "\n\n")
}

fn headings(parsed: &Parsed) -> Vec<(u8, &str)> {
    for heading in &parsed.map.headings {
        let end = heading.start + heading.title.chars().count();
        assert_eq!(slice(&parsed.text, Span { start: heading.start, end }), heading.title);
    }
    parsed.map.headings.iter().map(|heading| (heading.level, heading.title.as_str())).collect()
}

#[test]
fn headings_of_rst_have_levels_by_their_first_appearance() {
    let source = "=====\nTitle\n=====\n\nText.\n\nOne\n---\nDeep\n~~~~\n\nTwo\n---\n\nwords\n\n-----\n\n====  ====\na     b\n====  ====\n1     2\n====  ====\n";
    let parsed = rst(source);
    assert_eq!(headings(&parsed), [(1, "Title"), (2, "One"), (2, "Two")]);
    let apart = rst(&source.replace("---\nDeep", "---\n\nDeep"));
    assert_eq!(headings(&apart), [(1, "Title"), (2, "One"), (3, "Deep"), (2, "Two")]);
    assert!(lines(&parsed).ends_with("words\n\n====  ====\na     b\n====  ====\n1     2\n====  ===="));
    assert_eq!(parsed.title.as_deref(), Some("Title"));
}

#[test]
fn directives_of_rst_lose_their_options_and_keep_their_content() {
    let source = ".. include:: other.rst\n.. _target:\n\n.. note:: Mind this.\n   :class: x\n\n   And *this*.\n\n\
                  .. code-block:: python\n   :linenos:\n\n   a = 1\n     b\n\n.. a comment\n   of two lines\n\n.. [1] A footnote.\n\nEnd ``x``.\n";
    assert_eq!(
        lines(&rst(source)),
        "Mind this.\n\n   And *this*.\n\n   a = 1\n     b\n\n.. [1] A footnote.\n\nEnd ``x``."
    );
}

#[test]
fn asciidoc_keeps_text_and_drops_attributes() {
    let source = "= Title\nAuthor <a@b>\n:toc: left\n\n// no\n== One\n\ninclude::x.adoc[]\n[source,rust]\n----\n== code\n:a: b\n----\n\n.Caption\n[cols=\"1,1\"]\n|===\n|A |B\n\n|1\n|2 goes\non\n|===\n\n////\nhidden\n////\n\nTwo\n---\nend";
    let parsed = asciidoc(source);
    assert_eq!(headings(&parsed), [(1, "Title"), (2, "One"), (2, "Two")]);
    assert_eq!(
        lines(&parsed),
        "Title\n\nAuthor <a@b>\n\nOne\n\n== code\n:a: b\n\nCaption\n\nA | B\n1 | 2 goes on\n\nTwo\n\nend"
    );
    let table = &parsed.map.tables[0];
    assert_eq!(table.header.map(|header| slice(&parsed.text, header)), Some("A | B"));
    let spanned = asciidoc("|===\n2+|A\n|1|2\n|===");
    assert_eq!((spanned.text.as_str(), spanned.map.tables.len()), ("2+|A\n|1|2", 0));
}

#[test]
fn an_asciidoc_comment_without_an_end_hides_nothing() {
    assert_eq!(lines(&asciidoc("a\n\n////\n\nb")), "a\n\nb");
}

#[test]
fn org_keeps_text_headings_and_tables() {
    let source = "#+TITLE: The title\n#+INCLUDE: \"x\"\n* TODO [#A] One :tag:work:\nSCHEDULED: <2024-01-01>\n:PROPERTIES:\n:ID: 5\n:END:\n# no\n- a ~b~\n** Deep\n#+BEGIN_SRC rust\n,* not a heading\n  fn a() {}\n#+END_SRC\n#+CAPTION: Sizes\n| a | b |\n|---+---|\n| 1 |   |\n| 2 | x |\nend";
    let parsed = org(source);
    assert_eq!(headings(&parsed), [(1, "One"), (2, "Deep")]);
    assert_eq!(
        lines(&parsed),
        "One\n\n- a ~b~\n\nDeep\n\n* not a heading\n  fn a() {}\n\nSizes\n\na | b\n1\n2 | x\n\nend"
    );
    assert_eq!(parsed.title.as_deref(), Some("The title"));
    assert!(parsed.map.tables[0].header.is_some());
    assert_eq!(org(":DRAWER:\nlost\n* Kept\ntext").text, "Kept\n\ntext");
}

proptest! {
    #[test]
    fn no_text_makes_them_panic(source in "([=*|:.#+~é\\[\\]/-]{0,6}[a 1]{0,4}\n?){0,40}") {
        for parsed in [rst(&source), asciidoc(&source), org(&source)] {
            headings(&parsed);
        }
    }
}
