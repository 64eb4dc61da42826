//! How a provider of the settings is reached. Imports `llm`, settings and errors.

use secrecy::SecretString;

use crate::config::{Kind, ProviderSettings, Settings};
use crate::error::{Error, Result};
use crate::llm::guard::Limits;
use crate::llm::remote::{Config, Remote};
use crate::llm::{anthropic, gemini, openai};

/// Where the protocol's own provider answers.
fn home(kind: Kind) -> &'static str {
    match kind {
        Kind::Openai => "https://api.openai.com/v1",
        Kind::Anthropic => "https://api.anthropic.com",
        Kind::Gemini => "https://generativelanguage.googleapis.com",
    }
}

/// A provider as its settings describe it.
pub(super) fn connect(provider: &ProviderSettings, settings: &Settings) -> Result<Remote> {
    let of_environment = settings.providers.iter().all(|other| other.name != provider.name);
    let upper = provider.name.to_uppercase();
    let (first_token_timeout, idle_timeout) = settings.provider_timeouts();
    let api_key = match &provider.api_key_env {
        Some(variable) => {
            let key = std::env::var(variable).ok().filter(|key| !key.is_empty());
            let missing = || Error::Invalid {
                field: "providers",
                problem: format!("`{}` takes its key from {variable}, which is not set", provider.name),
            };
            Some(SecretString::from(key.ok_or_else(missing)?))
        }
        None => provider.api_key.clone(),
    };
    let setting = |what: &str, variable: String| {
        if of_environment { variable } else { format!("`{what}` of the provider `{}`", provider.name) }
    };
    let config = Config {
        name: provider.name.clone(),
        api_key,
        key_setting: setting("api_key", format!("{upper}_API_KEY")),
        url_setting: setting("base_url", format!("{upper}_BASE_URL")),
        context_window: provider.context_window,
        limits: Limits {
            requests_per_minute: provider.requests_per_minute,
            tokens_per_minute: provider.tokens_per_minute,
            concurrent: provider.concurrent,
        },
        first_token_timeout,
        idle_timeout,
        ..Config::new(provider.base_url.as_deref().unwrap_or_else(|| home(provider.kind)))
    };
    Ok(match provider.kind {
        Kind::Openai => openai::provider(config)?,
        Kind::Anthropic => anthropic::provider(config)?,
        Kind::Gemini => gemini::provider(config)?,
    })
}
