//! Tokens of outside identity providers, and the accounts that they stand for.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use footnote_ingest::rights::as_system;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use unicode_normalization::UnicodeNormalization;

use super::jwks::{Fetch, FetchError, IssuerKeys, Outside};
use super::opaque::Opaque;
use crate::app::App;
use crate::config::Settings;
use crate::error::{Error, Result};
use crate::storage::users::{self, NewUser, User, UserKind, UserRole};

/// Bytes of a key document, at most.
const MAX_DOCUMENT: usize = 512 * 1024;
/// How long a connection to a provider may take.
const CONNECT: Duration = Duration::from_secs(5);

/// The configured identity providers.
#[derive(Debug)]
pub(super) struct Outsiders(HashMap<String, IssuerKeys>);

impl Outsiders {
    pub(super) fn new(settings: &Settings) -> Result<Self> {
        let mut known = HashMap::new();
        if settings.identity_providers.is_empty() {
            return Ok(Self(known));
        }
        let client = reqwest::Client::builder().connect_timeout(CONNECT).redirect(reqwest::redirect::Policy::none());
        let fetch: Arc<dyn Fetch> = Arc::new(Web(client.build().map_err(anyhow::Error::from)?));
        for issuer in &settings.identity_providers {
            let name = issuer.issuer.clone();
            let keys = IssuerKeys::new(issuer.clone(), Arc::clone(&fetch)).map_err(|error| Error::Setting {
                setting: "identity_providers".into(),
                problem: format!("of `{name}`: {error}"),
            })?;
            known.insert(name, keys);
        }
        Ok(Self(known))
    }

    /// Whether tokens of this issuer count.
    pub(super) fn knows(&self, issuer: &str) -> bool {
        self.0.contains_key(issuer)
    }

    /// The account that a token stands for, made when it comes for the first
    /// time; and when the token ends (seconds since 1970).
    pub(super) async fn verify(&self, app: &App, token: &str, now: DateTime<Utc>) -> Result<(Arc<User>, u64)> {
        let issuer =
            super::token::unproven_issuer(token).and_then(|issuer| self.0.get(&issuer)).ok_or(super::REFUSED)?;
        let told = issuer.verify(token, now).await.map_err(|error| {
            tracing::debug!(issuer = issuer.issuer().issuer, reason = ?error.0, "an outside token was refused");
            super::REFUSED
        })?;
        let until = u64::try_from(told.expires_at.timestamp()).unwrap_or_default();
        let user = as_system(account(app, &told)).await?;
        if user.disabled { Err(super::REFUSED) } else { Ok((Arc::new(user), until)) }
    }
}

async fn account(app: &App, told: &Outside) -> Result<User> {
    if let Some(user) = users::find_outside(&app.db, &told.issuer, &told.subject).await? {
        return Ok(user);
    }
    let wanted = plain(told.name.as_deref().unwrap_or_default());
    let mut name = wanted.clone();
    // Two tries: its own name, then one that nobody has.
    for _ in 0..2 {
        let new = NewUser {
            name: &name,
            role: UserRole::User,
            kind: UserKind::Regular,
            password_hash: None,
            outside: Some((&told.issuer, &told.subject)),
        };
        match users::create(&app.db, &new).await {
            Ok(Some(user)) => return Ok(user),
            Ok(None) => {}
            // Two requests of a new user at once.
            Err(error) => {
                let made = users::find_outside(&app.db, &told.issuer, &told.subject).await?;
                return made.ok_or_else(|| error.into());
            }
        }
        let random = Opaque::generate().map_err(anyhow::Error::from)?;
        let tail: String = random.expose().chars().filter(char::is_ascii_alphanumeric).take(12).collect();
        name = format!("{wanted}-{tail}");
    }
    Err(Error::Busy("the making of names"))
}

/// A name as accounts have them, of what a provider calls somebody: one form of
/// each character, so that no other account looks the same.
fn plain(told: &str) -> String {
    let name: String = told.nfkc().filter(|c| c.is_alphanumeric() || "._-@+".contains(*c)).take(40).collect();
    if name.is_empty() { "user".to_owned() } else { name }
}

/// Fetches key documents.
struct Web(reqwest::Client);

impl Fetch for Web {
    fn fetch<'a>(&'a self, url: &'a str) -> BoxFuture<'a, Result<Vec<u8>, FetchError>> {
        async move {
            let told = |error: reqwest::Error| FetchError(error.without_url().to_string());
            let reply = self.0.get(url).send().await.map_err(told)?.error_for_status().map_err(told)?;
            let mut body = reply.bytes_stream();
            let mut document = Vec::new();
            while let Some(part) = body.next().await {
                document.extend_from_slice(&part.map_err(told)?);
                if document.len() > MAX_DOCUMENT {
                    return Err(FetchError("the document is too long".into()));
                }
            }
            Ok(document)
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::checked_name;

    #[test]
    fn a_name_that_a_provider_tells_has_the_form_of_every_other() {
        for (told, name) in [
            ("Ada Lovelace", "AdaLovelace"),
            // Full-width letters are others only to the eye.
            ("\u{ff41}\u{ff44}\u{ff41}", "ada"),
            ("a\u{200b}da\0", "ada"),
            ("e\u{301}", "\u{e9}"),
            ("", "user"),
            ("\u{200b} ", "user"),
        ] {
            assert_eq!(plain(told), name, "{told:?}");
            assert_eq!(checked_name(&plain(told)).expect("a name"), name, "{told:?}");
        }
        // Ligatures are many letters.
        assert_eq!(plain(&"\u{fdfa}".repeat(40)).chars().count(), 40);
    }
}
