//! `footnote jobs`.

use clap::{Subcommand, ValueEnum};
use footnote_ingest::store::jobs::Job;
use serde::Deserialize;
use serde_json::json;

use crate::client::Client;
use crate::ids::JobId;

use super::failure::Failure;
use super::output::Output;

/// Arguments of `jobs`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
}

/// What to do with jobs; lists them if left out.
#[derive(Debug, Subcommand)]
enum Action {
    /// List what is not done: waiting, running or given up.
    List {
        /// Only in this state.
        #[arg(long, env = "FOOTNOTE_STATE")]
        state: Option<State>,
    },
    /// Try again what was given up.
    Retry {
        /// These jobs; all that were given up, if left out.
        ids: Vec<JobId>,
    },
    /// Stop what waits or runs.
    Cancel {
        /// These jobs.
        #[arg(required_unless_present = "all")]
        ids: Vec<JobId>,
        /// All of them.
        #[arg(long, env = "FOOTNOTE_ALL", conflicts_with = "ids")]
        all: bool,
    },
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum State {
    Waiting,
    Running,
    Dead,
}

#[derive(Debug, Deserialize)]
struct Count {
    jobs: i64,
}

pub(super) async fn run(client: &Client, args: Args, output: Output) -> Result<(), Failure> {
    match args.action.unwrap_or(Action::List { state: None }) {
        Action::List { state } => list(client, state, output).await,
        Action::Retry { ids } => {
            let ids = Some(ids).filter(|ids| !ids.is_empty());
            let count: Count = client.post("/api/v1/admin/jobs/retry", &json!({ "ids": ids })).await?;
            print(&count, "queued again", output)
        }
        Action::Cancel { ids, all } => {
            let ids = Some(ids).filter(|_| !all);
            let count: Count = client.post("/api/v1/admin/jobs/cancel", &json!({ "ids": ids })).await?;
            print(&count, "cancelled", output)
        }
    }
}

async fn list(client: &Client, state: Option<State>, output: Output) -> Result<(), Failure> {
    let state = state.and_then(|state| state.to_possible_value());
    let filter = state.map(|state| format!("?state={}", state.get_name())).unwrap_or_default();
    let jobs: Vec<Job> = client.all(&format!("/api/v1/admin/jobs{filter}")).await?;
    if output.json {
        return output.json(&json!({ "jobs": jobs }));
    }
    for job in &jobs {
        let (step, state) = (json!(job.step), json!(job.state));
        let [step, state] = [&step, &state].map(|name| name.as_str().unwrap_or_default());
        let failure = job.failure_message.as_ref().map(|failure| format!(": {failure}")).unwrap_or_default();
        output.line(&format!("{}  {state} to {step}  {}{failure}", job.id, job.key))?;
    }
    if jobs.is_empty() {
        output.note("Nothing waits, nothing runs, nothing was given up.");
    }
    Ok(())
}

fn print(count: &Count, done: &str, output: Output) -> Result<(), Failure> {
    if output.json {
        output.json(&json!({ "jobs": count.jobs }))
    } else {
        output.line(&format!("{} {done}", count.jobs))
    }
}
