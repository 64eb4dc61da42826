//! Exported documents, read back by a parser.

use chrono::DateTime;
use proptest::collection::vec;
use proptest::prelude::*;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use sqlx::types::Json;
use uuid::Uuid;

use super::document::markdown;
use crate::citations::{Citation, Support};
use crate::ids::{ConversationId, DocumentId, MessageId};
use crate::storage::conversations::{Conversation, TitledBy};
use crate::storage::messages::{Message, Part, Role, Siblings, Status};

fn conversation(title: &str, system_prompt: Option<&str>) -> Conversation {
    Conversation {
        id: ConversationId::new(),
        title: title.into(),
        titled_by: TitledBy::User,
        collections: vec![],
        model: None,
        system_prompt: system_prompt.map(str::to_owned),
        tools: None,
        leaf_id: None,
        archived_at: None,
        created_at: DateTime::UNIX_EPOCH,
        updated_at: DateTime::UNIX_EPOCH,
    }
}

fn message(role: Role, status: Status, text: &str, others: Vec<Part>) -> Message {
    let parts = [vec![Part::Text { text: text.into() }], others].concat();
    Message {
        id: MessageId::new(),
        conversation_id: ConversationId::new(),
        parent_id: None,
        role,
        status,
        parts: Json(parts),
        model: None,
        grounded: None,
        receipt: None,
        feedback: None,
        siblings: Json(Siblings { index: 1, count: 1 }),
        created_at: DateTime::UNIX_EPOCH,
        updated_at: DateTime::UNIX_EPOCH,
    }
}

fn question(text: &str) -> Message {
    message(Role::User, Status::Completed, text, vec![])
}

fn answer(text: &str, citations: Vec<Citation>) -> Message {
    let parts = citations.into_iter().map(|citation| Part::Citation { citation });
    message(Role::Assistant, Status::Completed, text, parts.collect())
}

fn citation(n: u32, title: &str, quote: &str, uri: Option<&str>) -> Citation {
    Citation {
        n,
        document_id: Uuid::nil(),
        revision_id: Uuid::nil(),
        title: title.into(),
        uri: uri.map(str::to_owned),
        page: (n > 1).then_some(n),
        start: 0,
        end: quote.chars().count(),
        quote: quote.into(),
        support: Support::Quoted,
        score: 1.0,
    }
}

/// What a parser makes of a document.
#[derive(Debug, Default)]
struct Read {
    shown: Vec<String>,
    defined: Vec<String>,
    /// Headings that stand within nothing.
    headings: Vec<String>,
    code: Vec<String>,
}

fn read(document: &str) -> Read {
    let mut read = Read::default();
    let options = Options::ENABLE_FOOTNOTES | Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    let (mut depth, mut heading, mut code) = (0, None, None);
    for event in Parser::new_ext(document, options) {
        match event {
            Event::Start(tag) => {
                match tag {
                    Tag::Heading { .. } if depth == 0 => heading = Some(String::new()),
                    Tag::FootnoteDefinition(label) => read.defined.push(label.to_string()),
                    Tag::CodeBlock(_) => code = Some(String::new()),
                    _ => {}
                }
                depth += 1;
            }
            Event::End(tag) => {
                match tag {
                    TagEnd::Heading(_) => read.headings.extend(heading.take()),
                    TagEnd::CodeBlock => read.code.extend(code.take()),
                    _ => {}
                }
                depth -= 1;
            }
            Event::FootnoteReference(label) => read.shown.push(label.to_string()),
            Event::Text(text) => {
                for part in heading.iter_mut().chain(&mut code) {
                    part.push_str(&text);
                }
            }
            _ => {}
        }
    }
    read
}

#[test]
fn a_document_has_instructions_questions_answers_and_footnotes() {
    let branch = [
        question("What does P4 hold?"),
        answer(
            "It holds 4 bar [1]. It weighs 3 kg [2].",
            vec![
                citation(1, "Pump P4", "a pressure\nof *4* bar", Some("https://example.com/p_4")),
                citation(2, "1. Weights", "3 kg", Some("file:///w_1.txt")),
            ],
        ),
        message(
            Role::User,
            Status::Completed,
            "And P5?",
            vec![Part::File { document_id: DocumentId::new(), title: "The *P5*".into() }],
        ),
        message(
            Role::Assistant,
            Status::Cancelled,
            "It holds 5 bar [1], as in [9]",
            vec![
                Part::Reasoning { text: "hidden".into() },
                Part::Citation { citation: citation(1, "Pump P5", "5 bar", None) },
                Part::Notice { code: "fallback".into(), text: "said".into() },
                Part::Notice { code: "length".into(), text: "Ends <here>.".into() },
            ],
        ),
    ];
    let document = markdown(&conversation("Pumps & [more]", Some("Be brief.")), &branch);
    let expected = "\
# Pumps \\& \\[more\\]

## Instructions

Be brief.

## Question

What does P4 hold?

## Answer

It holds 4 bar [^1]. It weighs 3 kg [^2].

## Question

> About the document: The \\*P5\\*

And P5?

## Answer

It holds 5 bar [^3], as in \\[9]

> This answer was stopped.

> Note: Ends \\<here\\>.

[^1]: Pump P4, \"a pressure of \\*4\\* bar\" (<https://example.com/p_4>)

[^2]: 1\\. Weights, page 2, \"3 kg\" (file:///w\\_1.txt)

[^3]: Pump P5, \"5 bar\"
";
    assert_eq!(document, expected);
}

#[test]
fn citations_without_a_mark_are_not_lost() {
    let cited = vec![citation(1, "A", "a", None), citation(2, "B", "b", None)];
    let document =
        markdown(&conversation("t", None), &[answer("Code:\n\n```\na[1]", cited.clone()), answer("", cited)]);
    let expected = "# t\n\n## Answer\n\nCode:\n\n```\na[1]\n```\n\nAlso cited: [^1] [^2]\n\n\
                    ## Answer\n\nAlso cited: [^3] [^4]\n\n\
                    [^1]: A, \"a\"\n\n[^2]: B, page 2, \"b\"\n\n[^3]: A, \"a\"\n\n[^4]: B, page 2, \"b\"\n";
    assert_eq!(document, expected);
}

/// Pieces that mean something in Markdown.
const PIECES: &str = "\
    [1]§[2]§[3]§[9]§[^1]§[^1]: note§\n[^2]: note\n§[§]§(§)§(/u)§!§:§\\§`§``§\n```\n§\n````rust\n§\n~~~\n§\n§\
    \n\n§\n    §\n\t§\n> §\n- §\n1. §\n\n  §<!--§-->§<b>§</b>§\n<div>§\n</div>\n§\n<script>\n§\n<pre>§<?§\n<!X§\
    \n<![CDATA[§<br>§<https://e.com/[1]>§\n[a]: /u\n§\n[1]: /u \"§\"§[a]§[a][1]§[1][a]§![§](§](/u)§\
    \n| a | b |\n|---|---|\n| § | §*§**§_§~~§# §\n---\n§\n===\n§&amp;§$§ §word§é";

/// Those in any order.
fn hostile() -> impl Strategy<Value = String> {
    let pieces: Vec<&str> = PIECES.split('§').collect();
    vec(prop::sample::select(pieces), 0..25).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_mark_has_one_footnote_and_every_footnote_a_mark(
        title in hostile(),
        prompt in proptest::option::of(hostile()),
        texts in vec((hostile(), vec((hostile(), hostile(), proptest::option::of(hostile())), 0..4)), 0..4),
    ) {
        let branch: Vec<Message> = texts.iter().flat_map(|(text, cited)| {
            let cited = (1..).zip(cited).map(|(n, (title, quote, uri))| citation(n, title, quote, uri.as_deref()));
            [question(text), answer(text, cited.collect())]
        }).collect();
        let document = markdown(&conversation(&title, prompt.as_deref()), &branch);
        let read = read(&document);
        let citations: usize = texts.iter().map(|(_, cited)| cited.len()).sum();
        let labels: Vec<String> = (1..=citations).map(|n| n.to_string()).collect();
        prop_assert_eq!(&read.defined, &labels, "{}", document);
        for label in &labels {
            prop_assert!(read.shown.contains(label), "{} is not shown in {}", label, document);
        }
        prop_assert!(read.shown.iter().all(|label| labels.contains(label)), "{}", document);
        // What stands on lines of its own for a program that reads lines.
        let lines = document.lines().filter(|line| line.starts_with("[^")).filter(|line| line.contains("]: "));
        prop_assert!(lines.count() >= citations);
        // No message swallows the next one.
        for (heading, count) in [("Question", texts.len()), ("Answer", texts.len())] {
            prop_assert_eq!(read.headings.iter().filter(|found| *found == heading).count(), count, "{}", document);
        }
    }

    #[test]
    fn code_in_a_fence_survives(code in "([ -~]|\n|é){0,80}", after in "x[a-z .]{0,20}") {
        let code = code.replace("~~~", "~ ~");
        let text = format!("Look [1]:\n\n~~~~ c\n{code}\n~~~~\n{after}[1]");
        let document = markdown(&conversation("t", None), &[answer(&text, vec![citation(1, "t", "q", None)])]);
        let read = read(&document);
        prop_assert_eq!(read.code, [format!("{code}\n")], "{}", document);
        prop_assert_eq!(read.shown, ["1", "1"]);
    }
}
