//! `footnote users`: accounts.

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::failure::Failure;
use super::output::Output;
use crate::client::Client;
use crate::credentials::random_password;

/// What to do with accounts.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List them.
    List,
    /// Make one, with the password of `FOOTNOTE_NEW_PASSWORD`, or one that is made and printed.
    Add {
        /// Its name.
        name: String,
        /// An administrator.
        #[arg(long, env = "FOOTNOTE_USER_ADMIN")]
        admin: bool,
    },
    /// Give one another password, as `add` does. It is signed out everywhere.
    Password {
        /// Its name.
        name: String,
    },
    /// Keep one out, and end its sign-ins, keys and streams.
    Disable {
        /// Its name.
        name: String,
    },
    /// Let one in again.
    Enable {
        /// Its name.
        name: String,
    },
    /// Delete one with all that it has.
    Delete {
        /// Its name.
        name: String,
    },
}

/// Where a password is taken from: arguments can be seen by everybody on the
/// machine.
const PASSWORD: &str = "FOOTNOTE_NEW_PASSWORD";

pub(super) async fn run(command: Command, client: &Client, output: Output) -> Result<(), Failure> {
    match command {
        Command::List => list(client, output).await,
        Command::Add { name, admin } => {
            let (password, told) = chosen()?;
            let role = if admin { "admin" } else { "user" };
            let body = json!({ "name": name, "password": password.expose_secret(), "role": role });
            let made: Value = client.post("/api/v1/admin/users", &body).await?;
            print(output, &made, told.then_some(&password))
        }
        Command::Password { name } => {
            let (password, told) = chosen()?;
            let changed = change(client, &name, &json!({ "password": password.expose_secret() })).await?;
            print(output, &changed, told.then_some(&password))
        }
        Command::Disable { name } => {
            let changed = change(client, &name, &json!({ "disabled": true })).await?;
            print(output, &changed, None)
        }
        Command::Enable { name } => {
            let changed = change(client, &name, &json!({ "disabled": false })).await?;
            print(output, &changed, None)
        }
        Command::Delete { name } => {
            let id = find(client, &name).await?;
            client.delete(&format!("/api/v1/admin/users/{id}")).await?;
            output.note(&format!("`{name}` is deleted."));
            Ok(())
        }
    }
}

async fn list(client: &Client, output: Output) -> Result<(), Failure> {
    let users: Vec<Value> = client.all("/api/v1/admin/users").await?;
    if output.json {
        return output.json(&json!({ "users": users }));
    }
    for user in &users {
        let text = |field: &str| user[field].as_str().unwrap_or_default().to_owned();
        let state = if user["disabled"] == true { "  disabled" } else { "" };
        output.line(&format!("{}  {}  {}{state}", text("name"), text("role"), text("kind")))?;
    }
    Ok(())
}

/// The password, and whether it has to be told.
fn chosen() -> Result<(SecretString, bool), Failure> {
    match std::env::var(PASSWORD) {
        Ok(given) => Ok((given.into(), false)),
        Err(_) => Ok((random_password()?, true)),
    }
}

async fn change(client: &Client, name: &str, change: &Value) -> Result<Value, Failure> {
    let id = find(client, name).await?;
    Ok(client.patch(&format!("/api/v1/admin/users/{id}"), change).await?)
}

async fn find(client: &Client, name: &str) -> Result<String, Failure> {
    let users: Vec<Value> = client.all("/api/v1/admin/users").await?;
    let is_meant = |user: &&Value| user["name"].as_str().is_some_and(|n| n.to_lowercase() == name.to_lowercase());
    let found = users.iter().find(is_meant).and_then(|user| user["id"].as_str());
    found
        .map(str::to_owned)
        .ok_or_else(|| Failure::Usage(format!("there is no account `{name}`; see `footnote users list`")))
}

fn print(output: Output, user: &Value, password: Option<&SecretString>) -> Result<(), Failure> {
    let password = password.map(ExposeSecret::expose_secret);
    if output.json {
        let mut user = user.clone();
        if let Some(password) = password {
            user["password"] = password.into();
        }
        return output.json(&user);
    }
    let name = user["name"].as_str().unwrap_or_default();
    match password {
        Some(password) => output.line(&format!("{name}  password: {password}")),
        None => output.line(name),
    }
}
