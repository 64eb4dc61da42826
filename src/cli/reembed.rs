//! `footnote reembed`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Subcommand;
use footnote_ingest::reembed::{Build, Builds};
use serde::Deserialize;
use serde_json::json;

use crate::client::{Client, ClientError};
use crate::reembed::{Comparison, Finds, MAX_QUESTIONS, Question};

use super::failure::Failure;
use super::output::Output;

const ROUTE: &str = "/api/v1/admin/reembed";
/// How often it is asked how far the index has come.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Arguments of `reembed`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    /// Questions to compare the models on: a line each, or JSON lines
    /// `{"question", "document"}` with the key that should be found. Without
    /// it, those that were asked last.
    #[arg(long, env = "FOOTNOTE_QUESTIONS", value_name = "FILE", global = true)]
    questions: Option<PathBuf>,
    /// Build and compare, but leave queries with the model in use.
    #[arg(long, env = "FOOTNOTE_NO_SWITCH")]
    no_switch: bool,
}

/// A single step; all of them if left out: build, compare, change over.
#[derive(Debug, Subcommand)]
enum Action {
    /// Say which models there are, and how far the new index has come.
    Status,
    /// Compare the new model with the one in use.
    Compare,
    /// Change queries over to the new model.
    Switch,
    /// Go back to the model that was in use before.
    Back,
    /// Remove the index beside the one in use.
    Discard,
}

pub(super) async fn run(client: &Client, args: Args, output: Output) -> Result<(), Failure> {
    let questions = args.questions.as_deref().map(read).transpose()?;
    match args.action {
        None => all(client, questions, !args.no_switch, output).await,
        Some(Action::Status) => print(&client.get(ROUTE).await?, output),
        Some(Action::Compare) => {
            let comparison = compare(client, questions.unwrap_or_default()).await?;
            print_comparison(&comparison, output)
        }
        Some(Action::Switch) => print(&step(client, "switch").await?, output),
        Some(Action::Back) => {
            step(client, "back").await?;
            built(client, output).await?;
            print(&step(client, "switch").await?, output)
        }
        Some(Action::Discard) => print(&step(client, "discard").await?, output),
    }
}

async fn all(client: &Client, questions: Option<Vec<Question>>, switch: bool, output: Output) -> Result<(), Failure> {
    let begun = step(client, "begin").await?;
    if let (Some(live), Some(new)) = (&begun.live, &begun.beside) {
        output.note(&format!("Building an index for `{}`; searches go on with `{}`.", new.model, live.model));
    }
    built(client, output).await?;
    let given = questions.is_some();
    match compare(client, questions.unwrap_or_default()).await {
        Ok(comparison) => print_comparison(&comparison, output)?,
        Err(failure) if given || !is_about_questions(&failure) => return Err(failure),
        Err(_) => output.note("Nothing was asked here yet, so there is nothing to compare the models on."),
    }
    if switch {
        print(&step(client, "switch").await?, output)
    } else {
        output.note("Ready. `footnote reembed switch` changes over, `footnote reembed discard` removes it.");
        Ok(())
    }
}

async fn step(client: &Client, action: &str) -> Result<Builds, Failure> {
    Ok(client.post(ROUTE, &json!({ "action": action })).await?)
}

async fn compare(client: &Client, questions: Vec<Question>) -> Result<Comparison, Failure> {
    Ok(client.post(&format!("{ROUTE}/compare"), &json!({ "questions": questions })).await?)
}

/// Whether there were none to compare on.
fn is_about_questions(failure: &Failure) -> bool {
    matches!(failure, Failure::Client(ClientError::Refused { code, .. }) if code.ends_with(":questions"))
}

/// Returns when queries may change over.
async fn built(client: &Client, output: Output) -> Result<(), Failure> {
    let (mut said, mut stalled) = (None, None);
    loop {
        let builds: Builds = client.get(ROUTE).await?;
        let Some(build) = builds.beside else {
            return Err(Failure::Usage("the new index was removed meanwhile".into()));
        };
        if said != Some(build.coverage) {
            output.note(&progress(&build));
            said = Some(build.coverage);
        }
        if build.ready {
            if let Some(refused) = refused(&build) {
                output.note(&refused);
            }
            return Ok(());
        }
        if stalled != builds.stalled {
            stalled = builds.stalled;
            if let Some(reason) = &stalled {
                output.note(&format!("stands still: {reason}"));
            }
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

fn progress(build: &Build) -> String {
    let Some(coverage) = build.coverage else { return String::new() };
    format!(
        "{}: words of {} and vectors of {} of {} documents",
        build.model, coverage.words, coverage.vectors, coverage.documents
    )
}

/// What is said of texts that the model's provider refuses.
fn refused(build: &Build) -> Option<String> {
    let (coverage, refusal) = (build.coverage?, build.refusal.as_ref()?);
    Some(format!(
        "refused: {} texts, found by their words only; one of `{}`: {}",
        coverage.refused, refusal.key, refusal.reason
    ))
}

fn print(builds: &Builds, output: Output) -> Result<(), Failure> {
    if output.json {
        return output.json(builds);
    }
    if let Some(live) = &builds.live {
        output.line(&format!("in use   {} ({} dimensions)", live.model, live.dimensions))?;
    }
    if let Some(beside) = &builds.beside {
        let state = json!(beside.state);
        let ready = if beside.ready { ", ready" } else { "" };
        output.line(&format!("{:<8} {}{ready}", state.as_str().unwrap_or_default(), progress(beside)))?;
        if let Some(refused) = refused(beside) {
            output.line(&refused)?;
        }
    }
    Ok(())
}

fn print_comparison(comparison: &Comparison, output: Output) -> Result<(), Failure> {
    if output.json {
        return output.json(comparison);
    }
    output.line(&format!(
        "{} questions: {:.0} % of the first ten documents are the same, {:.0} % have the same first one",
        comparison.questions,
        100.0 * comparison.overlap,
        100.0 * comparison.same_first,
    ))?;
    if let (Some(live), Some(new)) = (comparison.live, comparison.new) {
        let finds = |finds: Finds| format!("found {:.3}, MRR {:.3}", finds.found, finds.mrr);
        output.line(&format!("  {}: {}", comparison.live_model, finds(live)))?;
        output.line(&format!("  {}: {}", comparison.new_model, finds(new)))?;
    }
    for difference in &comparison.differences {
        output.line(&format!("  {}", difference.question))?;
        output.line(&format!("    before: {}", difference.live.join(", ")))?;
        output.line(&format!("    after:  {}", difference.new.join(", ")))?;
    }
    Ok(())
}

/// A line of a file of questions.
#[derive(Deserialize)]
struct Line {
    #[serde(alias = "text")]
    question: String,
    #[serde(default)]
    document: Option<String>,
    #[serde(default)]
    documents: Vec<String>,
}

fn read(file: &Path) -> Result<Vec<Question>, Failure> {
    let unusable = |problem: String| Failure::Usage(format!("`{}` {problem}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| unusable(format!("cannot be read: {error}")))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let question = |line: &str| {
        if !line.starts_with('{') {
            return Ok(Question { text: line.to_owned(), documents: Vec::new() });
        }
        let line: Line =
            serde_json::from_str(line).map_err(|error| unusable(format!("holds a wrong line: {error}")))?;
        Ok(Question { text: line.question, documents: line.documents.into_iter().chain(line.document).collect() })
    };
    let questions = lines.map(question).collect::<Result<Vec<_>, Failure>>()?;
    match questions.len() {
        1..=MAX_QUESTIONS => Ok(questions),
        count => Err(unusable(format!("holds {count} questions; give 1 to {MAX_QUESTIONS}"))),
    }
}
