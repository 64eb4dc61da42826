//! `footnote collections`.

use clap::Subcommand;
use footnote_ingest::store::collections::Collection;
use serde_json::{Value, json};

use crate::client::{Client, query_value};

use super::failure::Failure;
use super::output::Output;

/// Arguments of `collections`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
}

/// What to do with collections; lists them if left out.
#[derive(Debug, Subcommand)]
enum Action {
    /// List them.
    List,
    /// Make one.
    Create {
        /// Its name.
        name: String,
    },
    /// Show how far its documents are.
    Show {
        /// Its name.
        name: String,
    },
    /// Give one another name.
    Rename {
        /// Its name.
        name: String,
        /// Its new name.
        new_name: String,
    },
    /// Delete one with its documents.
    Delete {
        /// Its name.
        name: String,
    },
}

pub(super) async fn run(client: &Client, args: Args, output: Output) -> Result<(), Failure> {
    match args.action.unwrap_or(Action::List) {
        Action::List => {
            let collections: Vec<Collection> = client.all("/api/v1/collections").await?;
            if output.json {
                return output.json(&json!({ "collections": collections }));
            }
            for collection in collections {
                output.line(&format!("{}  {} documents", collection.name, collection.documents))?;
            }
            Ok(())
        }
        Action::Create { name } => {
            let made: Value = client.post("/api/v1/collections", &json!({ "name": name })).await?;
            print(&made, output)
        }
        Action::Show { name } => {
            let path = path(client, &name).await?;
            print(&client.get(&path).await?, output)
        }
        Action::Rename { name, new_name } => {
            let path = path(client, &name).await?;
            print(&client.patch(&path, &json!({ "name": new_name })).await?, output)
        }
        Action::Delete { name } => {
            client.delete(&path(client, &name).await?).await?;
            output.note(&format!("Deleted `{name}`."));
            Ok(())
        }
    }
}

/// The collection of that name.
pub(super) async fn find(client: &Client, name: &str) -> Result<Option<Collection>, Failure> {
    let found: Vec<Collection> = client.all(&format!("/api/v1/collections?name={}", query_value(name))).await?;
    Ok(found.into_iter().next())
}

async fn path(client: &Client, name: &str) -> Result<String, Failure> {
    match find(client, name).await? {
        Some(collection) => Ok(format!("/api/v1/collections/{}", collection.id)),
        None => Err(Failure::Usage(format!("no such collection: `{name}`; `footnote collections` lists them"))),
    }
}

fn print(collection: &Value, output: Output) -> Result<(), Failure> {
    if output.json {
        return output.json(collection);
    }
    let progress = &collection["progress"];
    output.line(&format!(
        "{}  {} documents, {} chunks searchable by words, {} by meaning, {} waiting, {} failed",
        collection["name"].as_str().unwrap_or_default(),
        collection["documents"],
        progress["chunks"],
        progress["embedded"],
        progress["queued"],
        progress["failed"],
    ))
}
