//! Long conversations with a model that reads little: what was said long ago is
//! put in short, once for many questions, and no request is too long.
//!
//! `FOOTNOTE_EXCHANGES` sets how many questions are asked (14 unless set).

use serde_json::{Value, json};

use crate::conversing::{Conversing, Reply, Task};
use crate::fences::{content, messages, question};
use crate::random::number;
use crate::talk::{MANUAL, Talk};

/// Tokens that the model reads, the answer included.
const WINDOW: usize = 3000;
const ANSWER: u32 = 200;
/// Exchanges that do not fit any more.
const ENOUGH: usize = 8;
/// What the model says of what was said.
const IN_SHORT: &str = "They spoke of the pump and of its oil.";

/// Tokens of a text, as they are estimated for a model whose count is unknown.
fn tokens(text: &str) -> usize {
    let beyond: usize = text.chars().filter(|c| !c.is_ascii()).map(char::len_utf8).sum();
    let by_length = (2 * (text.len() - beyond) + 3 * beyond).div_ceil(6);
    by_length.max(text.split_whitespace().count())
}

/// Tokens of a request with the answer's share, and a few for each message.
fn size(body: &Value) -> usize {
    let sent = body["messages"].as_array().unwrap().iter();
    let sent: usize = sent.map(|message| tokens(&content(message)) + 8).sum();
    sent + usize::try_from(body["max_tokens"].as_u64().unwrap()).unwrap()
}

/// The words of a request behind its instructions.
fn content_of_all(body: &Value) -> String {
    messages(body).iter().map(content).collect()
}

async fn with_small_window() -> Talk {
    let mind = |task, body: &Value| match task {
        Task::Answer => {
            let said = "The pump runs well and nobody complains about it. ".repeat(6);
            Reply::says(format!("To this: {} {said}", question(body)))
        }
        Task::Summary => Reply::says(IN_SHORT),
        Task::Rewrite | Task::Rephrase | Task::Title => Reply::says(""),
    };
    let talk = Talk::with(Conversing::with_asides(mind).await, |settings| {
        settings.context_window = Some(WINDOW);
        settings.max_answer_tokens = ANSWER;
        settings.tools = false;
        settings.rewrite_questions = false;
    })
    .await;
    talk.read(&[("p4.txt", MANUAL)]).await;
    talk
}

#[tokio::test]
async fn what_no_longer_fits_is_put_in_short_and_the_short_is_used_again() {
    let exchanges = number("FOOTNOTE_EXCHANGES", 14);
    let talk = with_small_window().await;
    let mut made_before = 0;
    let mut just_made = false;
    for n in 1..=exchanges {
        let asked = format!("This is question number {n}: what about the pump?");
        let message = talk.ask(&asked).await;
        let made = talk.model.bodies(Task::Summary).len();
        let sent = talk.model.last();
        let budget = &message["receipt"]["budget"];
        let total = usize::try_from(budget["total"].as_u64().unwrap()).unwrap();
        assert!(total <= WINDOW, "{budget}");
        assert!(size(&sent) <= total, "question {n} takes {} tokens: {budget}", size(&sent));
        let said = content_of_all(&sent);
        assert_eq!(said.contains(IN_SHORT), made > 0, "{said}");
        // The latest exchange is always sent as it was.
        assert!(n == 1 || said.contains(&format!("question number {}:", n - 1)), "{said}");
        let now_made = made > made_before;
        assert!(!now_made || !just_made, "question {n} was put in short again");
        just_made = now_made;
        made_before = made;
    }
    eprintln!("{exchanges} exchanges were put in short {made_before} times");
    assert!(made_before > 0, "all of it fits");
    for body in talk.model.bodies(Task::Summary) {
        assert!(size(&body) <= WINDOW, "{body}");
    }
    let kept = talk.count("select count(*) from summaries").await;
    assert_eq!(kept, i64::try_from(made_before).unwrap());
    // The next one is told what was put in short before, if there is a next one.
    if let Some(second) = talk.model.bodies(Task::Summary).get(1) {
        let told_to_model = content(&messages(second)[0]);
        assert!(told_to_model.contains(IN_SHORT) && !told_to_model.contains("question number 1:"), "{told_to_model}");
    }
    talk.stop().await;
}

#[tokio::test]
async fn another_branch_is_not_told_what_was_said_on_this_one() {
    let talk = with_small_window().await;
    let first = talk.ask("This is the first question: what about the pump?").await;
    for _ in 0..ENOUGH {
        talk.ask("This is another question: what about the pump?").await;
    }
    assert!(content_of_all(&talk.model.last()).contains(IN_SHORT), "all of it fits");
    let path = format!("{}/{}/edit", talk.messages, first["parent_id"].as_str().unwrap());
    talk.post(&path, &json!({ "content": "Something else: what does the pump weigh?" })).await;
    let sent = talk.model.last();
    assert_eq!(messages(&sent).len(), 1, "{sent}");
    assert!(!content(&messages(&sent)[0]).contains(IN_SHORT), "{sent}");
    talk.stop().await;
}
