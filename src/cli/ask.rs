//! `footnote ask`.

use futures::StreamExt;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::citations::Citation;
use crate::client::Client;
use crate::ids::ConversationId;
use crate::storage::messages::{Message, Part};

use super::failure::Failure;
use super::output::Output;

/// Characters of a conversation's title.
const TITLE: usize = 80;

/// Arguments of `ask`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The question.
    question: String,
    /// Only this collection.
    #[arg(long, env = "FOOTNOTE_COLLECTION", value_name = "NAME")]
    collection: Option<String>,
    /// The model that answers: `extractive`, or a name that the provider knows.
    #[arg(long, env = "FOOTNOTE_ASK_MODEL", value_name = "NAME")]
    model: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Begun {
    id: ConversationId,
}

pub(super) async fn run(client: &Client, args: Args, output: Output) -> Result<(), Failure> {
    let title: String = args.question.trim().chars().take(TITLE).collect();
    let title = if title.trim().is_empty() { "Question".to_owned() } else { title };
    let begin = json!({ "title": title, "collections": args.collection.map(|name| vec![name]), "model": args.model });
    let conversation: Begun = client.post("/api/v1/conversations", &begin).await?;
    let path = format!("/api/v1/conversations/{}/messages", conversation.id);
    let question = json!({ "content": args.question, "stream": true });
    let mut events = client.events(&path, &question).await?;
    while let Some(event) = events.next().await {
        let event = event?;
        match event.name.as_str() {
            "text.delta" if !output.json => {
                output.raw(event.data["text"].as_str().unwrap_or_default().as_bytes())?;
            }
            "message.completed" => return finish(&event.data, output),
            "message.interrupted" | "message.cancelled" | "error" => {
                if !output.json {
                    output.line("")?;
                }
                return Err(broken_off(&event.data));
            }
            _ => {}
        }
    }
    Err(Failure::Unreachable("the answer's stream ended before the answer did; ask again".into()))
}

fn finish(data: &Value, output: Output) -> Result<(), Failure> {
    let message: Message = serde_json::from_value(data["message"].clone()).map_err(anyhow::Error::from)?;
    let receipt = message.receipt.clone().unwrap_or_default();
    let citations: Vec<&Citation> = citations(&message).collect();
    if output.json {
        return output.json(&json!({
            "answer": message.text(),
            "grounded": message.grounded,
            "citations": citations,
            "usage": receipt["usage"],
            "timings": receipt["timings"],
            "model": message.model,
            "message_id": message.id,
            "conversation_id": message.conversation_id,
        }));
    }
    output.line("")?;
    if message.grounded == Some(false) {
        output.line("\n(not grounded: no passage of the documents supports an answer)")?;
    }
    for part in message.parts.iter() {
        // These are said by the answer itself.
        if let Part::Notice { code, text } = part
            && !["fallback", "not_in_documents"].contains(&code.as_str())
        {
            output.line(&format!("\nNote: {text}"))?;
        }
    }
    if !citations.is_empty() {
        output.line("")?;
    }
    for citation in citations {
        output.line(&shown(citation))?;
    }
    Ok(())
}

fn citations(message: &Message) -> impl Iterator<Item = &Citation> {
    message.parts.iter().filter_map(|part| match part {
        Part::Citation { citation } => Some(citation),
        _ => None,
    })
}

fn shown(citation: &Citation) -> String {
    let page = citation.page.map(|page| format!(", page {page}")).unwrap_or_default();
    let quote = citation.quote.split_whitespace().collect::<Vec<_>>().join(" ");
    let place = format!("characters {}–{} of revision {}", citation.start, citation.end, citation.revision_id);
    format!("[{}] {}{page}: “{quote}”\n    {place}", citation.n, citation.title)
}

fn broken_off(data: &Value) -> Failure {
    let message = data["error"]["message"].as_str().unwrap_or("the answer was broken off; ask again").to_owned();
    match data["error"]["code"].as_str().and_then(|code| code.split_once(':')) {
        Some(("upstream", _)) => Failure::Unreachable(message),
        Some(("bad_request", _)) => Failure::Usage(message),
        _ => Failure::Unexpected(anyhow::anyhow!(message)),
    }
}
