//! `footnote schedules`.

use clap::Subcommand;
use serde_json::{Value, json};

use crate::client::Client;
use crate::ids::ScheduleId;
use crate::storage::schedules::{Action as Work, Schedule, Sync};

use super::collections;
use super::failure::Failure;
use super::output::Output;

const PATH: &str = "/api/v1/schedules";

/// Arguments of `schedules`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
}

/// What to do with schedules; lists them if left out.
#[derive(Debug, Subcommand)]
enum Action {
    /// List them.
    List,
    /// Set one up.
    Add {
        /// Its name.
        name: String,
        /// When it comes round: minutes, hours, days of the month, months, days
        /// of the week; seconds may stand before them.
        cron: String,
        /// Time zone in which that is meant, such as `Europe/Zurich`.
        #[arg(long, env = "FOOTNOTE_TIME_ZONE", default_value = "UTC")]
        time_zone: String,
        /// What it does.
        #[command(subcommand)]
        work: Kind,
    },
    /// Remove one.
    Remove {
        /// Its name or id.
        name: String,
    },
}

/// What a schedule does.
#[derive(Debug, Subcommand)]
enum Kind {
    /// Take in what changed in folders on the server.
    Sync {
        /// Files, folders and globs there, under folders of `FOOTNOTE_SYNC_ROOTS`.
        #[arg(required = true)]
        inputs: Vec<String>,
        /// The collection that they go to.
        #[arg(long, env = "FOOTNOTE_COLLECTION", default_value = "default")]
        collection: String,
        /// Delete documents whose files are gone.
        #[arg(long, env = "FOOTNOTE_PRUNE")]
        prune: bool,
    },
    /// Drop what no document refers to any more.
    Purge,
    /// Compare the index with the database.
    Check,
}

pub(super) async fn run(client: &Client, args: Args, output: Output) -> Result<(), Failure> {
    match args.action.unwrap_or(Action::List) {
        Action::List => list(client, output).await,
        Action::Add { name, cron, time_zone, work } => {
            let action = work.resolved(client).await?;
            let new = json!({ "name": name, "cron": cron, "time_zone": time_zone, "action": action });
            let made: Value = client.post(PATH, &new).await?;
            if output.json {
                return output.json(&made);
            }
            let made: Schedule = serde_json::from_value(made).map_err(anyhow::Error::from)?;
            output.line(&line(&made))
        }
        Action::Remove { name } => {
            let schedules: Vec<Schedule> = client.all(PATH).await?;
            let id = name.parse::<ScheduleId>().ok();
            let found = schedules.iter().find(|schedule| schedule.name == name || Some(schedule.id) == id);
            let Some(found) = found else {
                return Err(Failure::Usage(format!("no such schedule: `{name}`; `footnote schedules` lists them")));
            };
            client.delete(&format!("{PATH}/{}", found.id)).await?;
            output.note(&format!("Removed `{}`.", found.name));
            Ok(())
        }
    }
}

impl Kind {
    async fn resolved(self, client: &Client) -> Result<Work, Failure> {
        match self {
            Self::Purge => Ok(Work::Purge),
            Self::Check => Ok(Work::Check),
            Self::Sync { inputs, collection, prune } => match collections::find(client, &collection).await? {
                Some(collection) => Ok(Work::Sync(Sync { collection: collection.id, inputs, prune })),
                None => Err(Failure::Usage(format!(
                    "no such collection: `{collection}`; `footnote collections create {collection}` makes it"
                ))),
            },
        }
    }
}

async fn list(client: &Client, output: Output) -> Result<(), Failure> {
    let schedules: Vec<Schedule> = client.all(PATH).await?;
    if output.json {
        return output.json(&json!({ "schedules": schedules }));
    }
    for schedule in &schedules {
        output.line(&line(schedule))?;
    }
    if schedules.is_empty() {
        output.note("Nothing is done by the clock.");
    }
    Ok(())
}

fn line(schedule: &Schedule) -> String {
    let Schedule { name, cron, time_zone, action, next_run_at, .. } = schedule;
    let kind = match &action.0 {
        Work::Sync(_) => "sync",
        Work::Purge => "purge",
        Work::Check => "check",
    };
    let next = next_run_at.map_or_else(|| "never again".to_owned(), |next| next.to_rfc3339());
    format!("{name}  {kind}  `{cron}` {time_zone}  next {next}")
}
