//! `footnote search`.

use footnote_ingest::index::Mode;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::client::Client;
use crate::retrieve::Passage;

use super::failure::Failure;
use super::output::Output;

/// Characters of a passage that are shown at the terminal.
const SHOWN: usize = 320;

/// Arguments of `search`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A question, or any words.
    query: String,
    /// Only this collection.
    #[arg(long, env = "FOOTNOTE_COLLECTION", value_name = "NAME")]
    collection: Option<String>,
    /// Passages, at most.
    #[arg(long, env = "FOOTNOTE_LIMIT", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=200))]
    limit: u16,
    /// By meaning and words, or by one of them.
    #[arg(long, env = "FOOTNOTE_MODE", value_enum, default_value = "hybrid")]
    mode: ModeArg,
}

/// Which vectors count.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(super) enum ModeArg {
    Hybrid,
    Dense,
    Sparse,
}

impl From<ModeArg> for Mode {
    fn from(mode: ModeArg) -> Self {
        match mode {
            ModeArg::Hybrid => Self::Hybrid,
            ModeArg::Dense => Self::Dense,
            ModeArg::Sparse => Self::Sparse,
        }
    }
}

#[derive(Debug, Deserialize, Serialize)]
struct Found {
    passages: Vec<Passage>,
}

pub(super) async fn run(client: &Client, args: Args, output: Output) -> Result<(), Failure> {
    let body = json!({
        "query": args.query,
        "collections": args.collection.map(|name| vec![name]),
        "limit": args.limit,
        "mode": Mode::from(args.mode),
    });
    let found: Found = client.post("/api/v1/search", &body).await?;
    if output.json {
        return output.json(&found);
    }
    if found.passages.is_empty() {
        output.note("Nothing found.");
    }
    for (place, passage) in (1..).zip(&found.passages) {
        output.line(&format!("{place}. {}  {:.4}\n{}\n", place_of(passage), passage.score, snippet(&passage.text)))?;
    }
    Ok(())
}

fn place_of(passage: &Passage) -> String {
    let page = passage.page.map(|page| format!(", page {page}")).unwrap_or_default();
    let key = if passage.title == passage.key { String::new() } else { format!(" ({})", passage.key) };
    format!("{}{page}{key} [{}..{}]", passage.title, passage.start, passage.end)
}

fn snippet(text: &str) -> String {
    let folded = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match folded.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("   {}…", &folded[..end]),
        None => format!("   {folded}"),
    }
}
