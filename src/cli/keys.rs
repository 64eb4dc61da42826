//! `footnote keys`: long-lived keys of programs.

use serde_json::{Value, json};

use super::failure::Failure;
use super::output::Output;
use crate::client::Client;

/// What to do with the keys of the account that commands act as.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List them.
    List,
    /// Make one and print it, this once.
    Add {
        /// What it is for.
        name: String,
        /// What may be done with it.
        #[arg(long, env = "FOOTNOTE_KEY_SCOPES", value_delimiter = ',', default_value = "read,ask")]
        scopes: Vec<String>,
        /// Days until it ends; for ever if left out.
        #[arg(long, env = "FOOTNOTE_KEY_DAYS")]
        days: Option<i32>,
    },
    /// End one.
    Delete {
        /// Its id, or how it begins.
        key: String,
    },
}

pub(super) async fn run(command: Command, client: &Client, output: Output) -> Result<(), Failure> {
    match command {
        Command::List => {
            let keys: Vec<Value> = client.all("/api/v1/api-keys").await?;
            if output.json {
                return output.json(&json!({ "keys": keys }));
            }
            for key in &keys {
                let text = |field: &str| key[field].as_str().unwrap_or("never").to_owned();
                let scopes: Vec<&str> =
                    key["scopes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                let (prefix, name, used) = (text("prefix"), text("name"), text("used_at"));
                output.line(&format!("{prefix}  {name}  {}  last used: {used}", scopes.join(",")))?;
            }
            Ok(())
        }
        Command::Add { name, scopes, days } => {
            let body = json!({ "name": name, "scopes": scopes, "expires_in_days": days });
            let made: Value = client.post("/api/v1/api-keys", &body).await?;
            match output.json {
                true => output.json(&made),
                false => output.line(made["key"].as_str().unwrap_or_default()),
            }
        }
        Command::Delete { key } => {
            let keys: Vec<Value> = client.all("/api/v1/api-keys").await?;
            let is_meant = |known: &&Value| known["id"] == key.as_str() || known["prefix"] == key.as_str();
            let found = keys.iter().find(is_meant).and_then(|known| known["id"].as_str());
            let id =
                found.ok_or_else(|| Failure::Usage(format!("there is no key `{key}`; see `footnote keys list`")))?;
            Ok(client.delete(&format!("/api/v1/api-keys/{id}")).await?)
        }
    }
}
