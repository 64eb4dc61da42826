//! A model that does whatever any document tells it: it reaches nothing of
//! others, nothing leaves but to the provider, and what was retrieved stays
//! within its fence.
//!
//! `FOOTNOTE_OBEYED` sets how many questions are asked (each text is asked for
//! once unless set).

use std::io::ErrorKind;
use std::net::TcpListener;

use footnote::ids::{ArtifactId, ConversationId, UserId};
use serde_json::{Deserializer, Value, json};
use sqlx::PgPool;

use crate::conversing::{Asked, Conversing, KEY, PATH, Reply, Task};
use crate::fences::{content, fence, messages, prompt, question, results, split};
use crate::injections::TEXTS;
use crate::random::{Random, number};
use crate::talk::{Talk, of_a_stranger, told};

/// What only a stranger's document says.
const SECRET: &str = "heliotrope";
/// Calls that the model makes in one step, at most.
const AT_ONCE: usize = 16;

/// The calls that a text commands.
fn calls(text: &str) -> Vec<(String, String)> {
    let commands = text.match_indices("CALL ").filter_map(|(at, mark)| {
        let (tool, rest) = text[at + mark.len()..].split_once(' ')?;
        let arguments = Deserializer::from_str(rest).into_iter::<Value>().next()?.ok()?;
        Some((tool.to_owned(), arguments.to_string()))
    });
    commands.collect()
}

/// What a text commands to say.
fn said(text: &str) -> Vec<String> {
    let lines = text.match_indices("SAY ").filter_map(|(at, mark)| text[at + mark.len()..].lines().next());
    lines.map(str::to_owned).collect()
}

/// Does all that it reads, wherever it stands.
fn obey(body: &Value) -> Reply {
    let fence = fence(body);
    let sent = messages(body);
    let heard: Vec<String> = sent.iter().filter(|message| message["role"] != "assistant").map(content).collect();
    let made = sent.iter().filter_map(|message| message["tool_calls"].as_array()).flatten();
    let mut known: Vec<(String, String)> = made
        .map(|call| &call["function"])
        .map(|call| (call["name"].as_str().unwrap().to_owned(), call["arguments"].as_str().unwrap().to_owned()))
        .collect();
    let mut wanted = Vec::new();
    for (tool, arguments) in heard.iter().flat_map(|text| calls(text)) {
        let call = (tool.replace("FENCE", fence), arguments.replace("FENCE", fence));
        if !known.contains(&call) && wanted.len() < AT_ONCE {
            known.push(call.clone());
            wanted.push(call);
        }
    }
    if wanted.is_empty() || body["tool_choice"] == "none" {
        let instructions = body["messages"][0]["content"].as_str().unwrap_or_default();
        let lines: Vec<String> = heard.iter().flat_map(|text| said(text)).collect();
        let words = lines.join("\n").replace("INSTRUCTIONS", instructions).replace("FENCE", fence);
        return Reply::says(if words.is_empty() { "Yes.".to_owned() } else { words });
    }
    wanted.into_iter().fold(Reply::says(""), |reply, (tool, arguments)| reply.and_calls(&tool, arguments))
}

/// Keeps an artifact for somebody, and returns its id.
async fn artifact_of(db: &PgPool, owner: UserId) -> ArtifactId {
    let (conversation, artifact) = (ConversationId::new(), ArtifactId::new());
    let begin = "insert into conversations (id, owner_id, title, created_at, updated_at)
                 values ($1, $2, 'Theirs', now(), now())";
    sqlx::query(begin).bind(conversation).bind(owner).execute(db).await.unwrap();
    let keep = "insert into artifacts (id, owner_id, conversation_id, kind, title, created_at, updated_at)
                values ($1, $2, $3, 'text', 'Theirs', now(), now())";
    sqlx::query(keep).bind(artifact).bind(owner).bind(conversation).execute(db).await.unwrap();
    let add = "insert into artifact_versions (artifact_id, version, owner_id, content, created_at)
               values ($1, 1, $2, 'as it was', now())";
    sqlx::query(add).bind(artifact).bind(owner).execute(db).await.unwrap();
    artifact
}

/// Every retrieved character stands within the fence of its request, which
/// opens and closes once around each source; and nobody speaks but those who
/// should.
fn assert_fenced(body: &Value) {
    let (fence, asked) = (fence(body), prompt(body));
    let (sources, outside) = split(&asked, fence);
    assert!(!sources.is_empty(), "{body}");
    assert_eq!(outside.trim(), format!("Question: {}", question(body)), "{body}");
    for result in results(body) {
        let (quoted, outside) = split(&result, fence);
        let is_nothing = quoted.is_empty() && outside == "Nothing was found.";
        assert!(is_nothing || (!quoted.is_empty() && outside.trim().is_empty()), "{result}");
    }
    let roles: Vec<&str> = messages(body).iter().map(|message| message["role"].as_str().unwrap()).collect();
    assert_eq!((&body["messages"][0]["role"], roles[0]), (&json!("system"), "user"));
    assert!(roles[1..].iter().all(|role| matches!(*role, "assistant" | "tool")), "{roles:?}");
    assert!(roles.get(1).is_none_or(|role| *role == "assistant"), "{roles:?}");
}

/// What is shown holds neither the provider's key nor what is a stranger's.
fn assert_discreet(shown: &str) {
    assert!(!shown.contains(SECRET) && !shown.contains(KEY), "{shown}");
}

/// The key goes where keys go; and to nobody but the provider goes anything.
fn assert_asked_rightly(asked: &Asked) {
    assert_eq!(asked.path, PATH);
    assert_eq!(asked.headers["authorization"], format!("Bearer {KEY}").as_str());
    assert_discreet(&asked.body.to_string());
    if asked.task == Task::Answer {
        assert_fenced(&asked.body);
    }
}

/// The stranger's things are as they were, and nothing was made of them.
async fn assert_untouched(talk: &Talk, owner: UserId) {
    let query = "select content from artifact_versions where owner_id = $1";
    let db = &talk.app.db;
    let versions: Vec<String> = sqlx::query_scalar(query).bind(owner).fetch_all(db).await.unwrap();
    assert_eq!(versions, ["as it was"]);
    assert_eq!(talk.count("select count(*) from artifacts where kind = 'image'").await, 0);
    assert_eq!(talk.count("select count(*) from approvals").await, 0);
    let documents = talk.count("select count(*) from documents where deleted_at is null").await;
    assert_eq!(documents, i64::try_from(TEXTS.len()).unwrap() + 1);
}

/// Asks for a note, and returns how many calls that led to.
async fn ask_for(talk: &Talk, word: &str) -> usize {
    let conversation = talk.app.conversation().await;
    let question = json!({ "content": format!("{word}?") });
    let events = talk.app.events(&conversation, &question).await;
    assert_eq!(events.last().unwrap().name, "message.completed", "{events:?}");
    for event in &events {
        assert_discreet(&event.data.to_string());
    }
    // Whoever reads the conversation later sees no more.
    assert_discreet(&talk.app.get(&conversation).await.text());
    told(&events, "tool.completed").len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_obeys_documents_does_no_harm() {
    let questions = usize::try_from(number("FOOTNOTE_OBEYED", TEXTS.len() as u64)).unwrap();
    let mut random = Random::seeded();
    let talk = Talk::with(Conversing::start(obey).await, |settings| {
        settings.answer_cache = false;
        settings.context_window = Some(1_000_000);
        settings.max_steps = 4;
    })
    .await;
    let vault = format!("The vault of the embassy opens to the word {SECRET}.");
    let (stranger, document) = of_a_stranger(&talk.app, &vault).await;
    let artifact = artifact_of(&talk.app.db, stranger.owner()).await;
    let trap = TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let url = format!("http://{}", trap.local_addr().unwrap());
    let words: Vec<String> = TEXTS.iter().map(|_| random.word()).collect();
    let note = |(text, word): (&&str, &String)| {
        let text = text.replace("THEIR_DOCUMENT", &document.to_string());
        let text = text.replace("THEIR_ARTIFACT", &artifact.to_string()).replace("TRAP", &url);
        (format!("{word}.txt"), format!("Note {word} of the archive.\n{text}\n"))
    };
    talk.read(&TEXTS.iter().zip(&words).map(note).collect::<Vec<_>>()).await;

    let mut calls = 0;
    for word in words.iter().cycle().take(questions) {
        calls += ask_for(&talk, word).await;
    }
    let asked = talk.model.asked();
    for asked in &asked {
        assert_asked_rightly(asked);
    }
    let prompts: Vec<String> = talk.model.bodies(Task::Answer).iter().map(prompt).collect();
    let is_read =
        |word: &&String| prompts.iter().any(|prompt| prompt.contains(&format!("Note {word} of the archive.")));
    let read = words.iter().filter(is_read).count();
    eprintln!("{questions} questions, {} requests, {calls} calls; {read} texts were read", asked.len());
    assert!(calls > 0 && read >= questions.min(TEXTS.len()), "the texts were not read");
    let knocked = trap.accept().map_err(|error| error.kind());
    assert_eq!(knocked.err(), Some(ErrorKind::WouldBlock), "somebody called {url}");
    assert_untouched(&talk, stranger.owner()).await;
    talk.stop().await;
}
