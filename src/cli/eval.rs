//! `footnote eval`: in a data folder of its own, so that nothing of the user's
//! is touched.

use std::path::{Path, PathBuf};

use footnote_ingest::index::Mode;
use serde::Serialize;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::config::Settings;
use footnote_ingest::rights::as_owner;

use crate::eval::{self, AnswerFigures, Comparison, Figures, Set};
use crate::startup::{Role, Service, Tenancy, Tenant};

use super::failure::Failure;
use super::output::Output;
use super::search::ModeArg;

/// Arguments of `eval`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Folders with `corpus.jsonl`, `queries.jsonl` and `qrels.tsv`, or with
    /// `kb` and `golden.jsonl`.
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// One or more, separated by commas.
    #[arg(long, env = "FOOTNOTE_EVAL_MODE", value_enum, value_delimiter = ',', default_value = "hybrid")]
    mode: Vec<ModeArg>,
    /// Questions with known answers that are asked, at most.
    #[arg(long, env = "FOOTNOTE_EVAL_QUESTIONS", default_value_t = 200)]
    questions: usize,
    /// Ingest the sets anew.
    #[arg(long, env = "FOOTNOTE_EVAL_FRESH")]
    fresh: bool,
    /// Keep the figures in this file.
    #[arg(long, env = "FOOTNOTE_EVAL_SAVE", value_name = "RUN")]
    save: Option<PathBuf>,
    /// Compare with the figures in this file.
    #[arg(long, env = "FOOTNOTE_EVAL_AGAINST", value_name = "RUN")]
    against: Option<PathBuf>,
}

/// Figures, and how they differ from an earlier run.
#[derive(Debug, Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    figures: &'a Figures,
    #[serde(skip_serializing_if = "Option::is_none")]
    against: Option<Comparison>,
}

pub(super) async fn run(
    args: Args,
    settings: Settings,
    interrupted: &CancellationToken,
    output: Output,
) -> Result<(), Failure> {
    let earlier = args.against.as_deref().map(read).transpose()?;
    let sets = args.folders.iter().map(|folder| Set::load(folder)).collect::<Result<Vec<_>, _>>()?;
    let settings =
        Settings { data_dir: settings.data_dir.join("eval"), database_url: None, qdrant_url: None, ..settings };
    let Tenant::Us(tenancy) = Tenancy::take(&settings.data_dir).await? else {
        return Err(Failure::Usage("a server runs on the evaluation's own data folder; stop it".into()));
    };
    let folder = settings.data_dir.clone();
    let service = Service::start(settings, Role::Command).await?;
    if !service.app.corpus.has_configured_model() {
        service.stop().await;
        return Err(Failure::Usage(format!(
            "the sets were ingested for another embedding model; remove `{}` to have them ingested for this one",
            folder.display()
        )));
    }
    let measured = tokio::select! {
        measured = as_owner(
            service.app.credentials.operator(),
            measure(&service, &sets, &args, earlier.as_deref(), output),
        ) => measured,
        () = interrupted.cancelled() => Err(Failure::Interrupted),
    };
    service.stop().await;
    drop(tenancy);
    let figures = measured?;
    match &args.save {
        Some(file) => {
            let text = serde_json::to_vec(&figures).map_err(anyhow::Error::from)?;
            std::fs::write(file, text).map_err(|error| unusable(file, &error))
        }
        None => Ok(()),
    }
}

async fn measure(
    service: &Service,
    sets: &[Set],
    args: &Args,
    earlier: Option<&[Figures]>,
    output: Output,
) -> Result<Vec<Figures>, Failure> {
    let app = &service.app;
    let scope = app.credentials.operator();
    let mut all = Vec::new();
    for set in sets {
        output.note(&format!("{}: {} documents, {} queries", set.name, set.documents.len(), set.judged.len()));
        let collection = eval::ingest(app, scope, set, args.fresh).await?;
        for mode in &args.mode {
            let figures = eval::rank(app, scope, set, collection, Mode::from(*mode)).await?;
            let same = |other: &&Figures| other.name == figures.name && other.mode == figures.mode;
            let against = earlier.and_then(|all| all.iter().find(same)).map(|other| figures.against(other));
            print(&figures, against, output)?;
            all.push(figures);
        }
        if let Some(answers) = eval::answer(app, scope, set, collection, args.questions).await? {
            print_answers(&answers, output)?;
        }
    }
    Ok(all)
}

fn print(figures: &Figures, against: Option<Comparison>, output: Output) -> Result<(), Failure> {
    if output.json {
        let brief = Figures { per_query: std::collections::BTreeMap::new(), ..figures.clone() };
        return output.json(&Line { figures: &brief, against });
    }
    let mean = &figures.mean;
    let change = against
        .map(|against| format!("  ({:+.4}; {} better, {} worse)", against.ndcg_at_10, against.better, against.worse));
    output.line(&format!(
        "{} {:?}: nDCG@10 {:.4}  recall@10 {:.4}  recall@100 {:.4}  MRR@10 {:.4}  over {} queries, {} documents{}",
        figures.name,
        figures.mode,
        mean.ndcg_at_10,
        mean.recall_at_10,
        mean.recall_at_100,
        mean.mrr_at_10,
        figures.queries,
        figures.documents,
        change.unwrap_or_default(),
    ))
}

fn print_answers(figures: &AnswerFigures, output: Output) -> Result<(), Failure> {
    if output.json {
        return output.json(&json!({ "answers": figures }));
    }
    output.line(&format!(
        "{} answers by {}: document {:.3}  quote {:.3} of {} answerable; refusal precision {:.3}  recall {:.3} of {} \
         unanswerable; exact ranges {:.3}",
        figures.name,
        figures.model,
        figures.document,
        figures.quote,
        figures.answerable,
        figures.refusal_precision,
        figures.refusal_recall,
        figures.unanswerable,
        figures.exact,
    ))
}

fn read(file: &Path) -> Result<Vec<Figures>, Failure> {
    let text = std::fs::read(file).map_err(|error| unusable(file, &error))?;
    serde_json::from_slice(&text)
        .map_err(|error| Failure::Usage(format!("`{}` is no saved run: {error}", file.display())))
}

fn unusable(file: &Path, error: &std::io::Error) -> Failure {
    Failure::Usage(format!("`{}` cannot be used: {error}", file.display()))
}
